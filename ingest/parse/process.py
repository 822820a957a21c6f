"""One process that reads files: started, asked, watched, ended."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Sequence
from math import inf
from pathlib import Path
from time import monotonic
from typing import Literal, TypeAlias

from ingest.base.documents import Document, Source
from ingest.base.errors import ParseError, PipelineError
from ingest.parse.base.frames import (
    Message,
    pack_request,
    read_frame,
    unpack_document,
    unpack_error,
    write_frame,
)
from ingest.parse.base.reading import PageLog, Reading

Kind: TypeAlias = Literal["timeout", "memory", "crash"]

PROGRAM = ("-m", "ingest.parse.worker")
# The process must find this very program, installed or not, whatever the current folder is.
_HOME = Path(__file__).resolve().parents[2]
_START_SECONDS = 60.0
# What each page that was read adds to the time its file may take: a share of what was allowed
# for it, larger where it was allowed more than others, as recognising its letters takes long.
_SHARE, _SHARE_OF_SLOW = 1 / 50, 1 / 10
_KILLED = -9


class Breach(Exception):
    """The process was ended, or ended itself, while it read page `page`, 0 for none."""

    def __init__(self, kind: Kind, page: int = 0, seconds: float = 0.0) -> None:
        super().__init__(kind, page)
        self.kind = kind
        self.page = page
        self.seconds = seconds


class _Allowance:
    """How long one file may still take: what is being done now, and all of it."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._now = self._all = monotonic() + reading.file_seconds
        self._in_time = False
        self.page = 0
        self.seconds = reading.file_seconds

    def begin(self, page: int, seconds: float) -> None:
        """Allow so many seconds for a page, 0 being all that is none.

        A page that begins in time has all of them, however long the file took before.
        """
        now = monotonic()
        self.page, self.seconds = page, seconds
        self._now = now + seconds
        self._in_time = bool(page) and now <= self._all

    def done(self, text: str) -> None:
        """Go on to what is no page."""
        slow = self.seconds > self._reading.page_seconds and bool(text)
        self._all += self.seconds * (_SHARE_OF_SLOW if slow else _SHARE)
        self.begin(0, self._reading.file_seconds)

    @property
    def deadline(self) -> float:
        """Return when the process is to be ended."""
        return self._now if self._in_time else min(self._now, self._all)

    @property
    def breached_page(self) -> int:
        """Return the page that took too long, 0 when leaving it out would not help."""
        return self.page if self._in_time or self._now <= self._all else 0


class ReadingProcess:
    """A process that reads one file at a time; `end` it when it is no longer needed.

    `files` counts those it has read, `memory_bytes` is what it held after the last, 0 when
    that cannot be told.
    """

    def __init__(self, program: Sequence[str] = PROGRAM) -> None:
        self.files = 0
        self.memory_bytes = 0
        self.is_late = False
        self._deadline = inf
        self._lock = threading.Lock()
        self._started = False
        try:
            self._process = subprocess.Popen(  # noqa: S603
                [sys.executable, *program],
                cwd=_HOME,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        except OSError as error:
            raise _no_start(error.strerror or type(error).__name__) from error

    def read(self, source: Source, reading: Reading, log: PageLog) -> Document | ParseError:
        """Read a file, its pages kept in `log` as they come; raises Breach, PipelineError."""
        self._start()
        allowance = _Allowance(reading)
        self._allow(allowance.deadline)
        self._ask(pack_request(source, reading, log.texts))
        while message := self._hear():
            match message["kind"]:
                case "open":
                    log.open(message["fingerprint"])
                case "begin":
                    allowance.begin(message["number"], message["seconds"])
                case "done":
                    log.done(message["number"], message["text"])
                    allowance.done(message["text"])
                case _:
                    return self._finish(message, source)
            self._allow(allowance.deadline)
        raise self._breach(allowance)

    def _start(self) -> None:
        """Wait for the first word of a new process, so that its start counts for no file."""
        if self._started:
            return
        self._allow(monotonic() + _START_SECONDS)
        if self._hear() is None:
            raise _no_start("no answer" if self.is_late else f"it ended with {self._status()}")
        self._started = True

    def _ask(self, message: Message) -> None:
        assert self._process.stdin
        try:
            write_frame(self._process.stdin, message)
        except OSError:
            return  # It is gone, as reading its answer will tell.

    def _hear(self) -> Message | None:
        assert self._process.stdout
        return read_frame(self._process.stdout)

    def _finish(self, message: Message, source: Source) -> Document | ParseError:
        self._allow(inf)
        self.files += 1
        self.memory_bytes = message["memory_bytes"]
        if message["kind"] == "error":
            return unpack_error(message["error"])
        return unpack_document(message["document"], source)

    def _breach(self, allowance: _Allowance) -> Breach:
        if self.is_late:
            return Breach("timeout", allowance.breached_page, allowance.seconds)
        # Not by us: where memory runs out, the operating system ends what takes most of it.
        return Breach("memory" if self._status() == _KILLED else "crash", allowance.page)

    def _status(self) -> int:
        """Return how the process ended; one that is there, but makes no sense, is ended."""
        try:
            return self._process.wait(1.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            return 1

    def _allow(self, deadline: float) -> None:
        with self._lock:
            self._deadline = deadline

    def end_if_late(self, now: float) -> None:
        """Kill the process when what it does takes too long."""
        with self._lock:
            if now > self._deadline and not self.is_late:
                self.is_late = True
                self._process.kill()

    def kill(self) -> None:
        """End the process at once; whoever waits for its answer gets none."""
        self._process.kill()

    def end(self) -> None:
        """End the process and give back all that it took; ending twice is allowed."""
        self._process.kill()
        self._process.wait()
        assert self._process.stdin
        assert self._process.stdout
        for pipe in (self._process.stdin, self._process.stdout):
            try:
                pipe.close()
            except OSError:
                continue  # What was written last did not reach it any more.


def _no_start(reason: str) -> PipelineError:
    return PipelineError(
        f"the process that reads files does not start: {reason}",
        "see `python -m ingest.parse.worker`; RAG_PARSE_WORKERS=0 reads without it, unprotected",
    )
