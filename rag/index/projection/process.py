"""Starts and ends the child processes that open Chroma; what becomes of them is told in words."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from rag.index.base.failpoint import as_argument
from rag.index.base.lock import CHROMA, Lock
from rag.index.projection.child import BUSY, DAMAGED, FULL
from rag.index.store.catalogue import Catalogue

# The child must find this very program, installed or not, whatever the current folder is.
_HOME = Path(__file__).resolve().parents[3]
_STALLED_SECONDS = 120.0
_DONE = 0


def run(catalogue: Catalogue, command: str, *flags: str) -> tuple[int, str]:
    """Run a child to its end; return its exit status and what it said.

    A status that is negative or unknown means it crashed, or was ended for taking too long.
    """
    timeout = 120.0 + catalogue.count("chunks") / 50
    try:
        done = subprocess.run(  # noqa: S603
            _command(command, catalogue.folder, *flags),
            cwd=_HOME,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return -1, f"no answer within {timeout:.0f} seconds"
    said = done.stdout if done.returncode == _DONE else done.stderr
    return done.returncode, said.decode("utf-8", "replace").strip()


def describe_failure(folder: Path, status: int, said: str) -> str:
    """Return in one line why a child did not do its work."""
    if status == BUSY:
        return f"Chroma is open in {Lock(folder, CHROMA).holder()}"
    reason = said.splitlines()[-1] if said else f"its process ended with status {status}"
    return reason if status in (DAMAGED, FULL) else f"Chroma failed: {reason}"


class Drain:
    """A child that tells Chroma what the catalogue's outbox holds, beside the embedding."""

    def __init__(self, folder: Path, *, documents: bool) -> None:
        self._folder = folder
        self._said = tempfile.TemporaryFile()  # noqa: SIM115
        flags = ("--documents",) if documents else ()
        self._process = subprocess.Popen(  # noqa: S603
            _command("drain", folder, *flags),
            cwd=_HOME,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=self._said,
        )

    def finish(self, catalogue: Catalogue, *, completely: bool) -> str:
        """Let it drain all there is, or only what it has begun; return why it could not, or ""."""
        try:
            self._process.communicate(b"finish\n" if completely else b"", timeout=0.01)
        except subprocess.TimeoutExpired:
            self._wait(catalogue)
        with self._said as file:
            file.seek(0)
            said = file.read().decode("utf-8", "replace").strip()
        status = self._process.returncode
        return "" if status == _DONE else describe_failure(self._folder, status, said)

    def _wait(self, catalogue: Catalogue) -> None:
        left = -1
        while left != (left := catalogue.count("outbox")):
            try:
                self._process.communicate(timeout=_STALLED_SECONDS)
                return
            except subprocess.TimeoutExpired:
                continue
        self._process.kill()
        self._process.communicate()


def _command(command: str, folder: Path, *flags: str) -> list[str]:
    module = [sys.executable, "-m", "rag.index.projection.child", command, str(folder)]
    return [*module, *flags, *as_argument()]
