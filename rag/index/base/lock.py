"""One writer, one owner of Chroma: a lock of the operating system, freed even by kill -9."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from rag.index.base.errors import IndexFault, IndexLocked

WRITER = "lock"
"""Held by whoever writes to the catalogue."""
CHROMA = "chroma.lock"
"""Held by whoever has Chroma open, to read or to write: it bears one process only."""

_POLL_SECONDS = 0.05


class Lock:
    """An exclusive lock named `name` in `folder`; a text beside it tells who holds it."""

    def __init__(self, folder: Path, name: str) -> None:
        path = folder.resolve() / name
        self._lock = FileLock(path, mode=0o600, thread_local=False)
        self._holder = path.with_name(f"{name}.holder")

    def try_acquire(self, command: str = "", timeout_seconds: float = 0.0) -> bool:
        """Take the lock unless somebody else, or another `Lock` of this process, has it."""
        try:
            self._lock.acquire(timeout=timeout_seconds, poll_interval=_POLL_SECONDS)
        except Timeout:
            return False
        except OSError as error:
            raise IndexFault(
                f"the lock {self._lock.lock_file} cannot be opened: {error.strerror or error}",
                "check that the index folder is writable, or set RAG_INDEX_DIR to one that is",
            ) from error
        # Who holds it is a courtesy, the lock is what counts.
        with suppress(OSError), open(self._holder, "w", encoding="utf-8", opener=_private) as told:
            told.write(_describe(command))
        return True

    def acquire(self, command: str = "", timeout_seconds: float = 0.3) -> None:
        """Take the lock or raise IndexLocked, naming its holder, within the time."""
        if not self.try_acquire(command, timeout_seconds):
            raise IndexLocked(
                f"another run is writing to the index: {self.holder()}",
                "wait until it is done, or end that process",
            )

    def holder(self) -> str:
        """Return pid and command of the holder, as far as it could say."""
        with suppress(OSError, UnicodeDecodeError):
            return self._holder.read_text(encoding="utf-8").strip() or "unknown process"
        return "unknown process"

    def release(self) -> None:
        """Give the lock back; nothing happens when it is not held."""
        if self._lock.is_locked:
            with suppress(OSError):
                self._holder.unlink(missing_ok=True)
            self._lock.release()


def _private(name: str, flags: int) -> int:
    return os.open(name, flags, 0o600)


def _describe(command: str) -> str:
    since = time.strftime("%H:%M:%S")
    return f"process {os.getpid()} ({' '.join(command.split()) or 'rag'}, since {since})\n"
