"""The process that reads files for `ingest.parse.pool`, so that what breaks it breaks nothing else.

`python -m ingest.parse.worker`: requests come as frames on standard input, and go on until its
end; answers are frames on standard output: "ready" once, then for each request "open", "begin"
and "done" as the file is read, and "document" or "error".
"""

from __future__ import annotations

import faulthandler
import os
import signal
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import IO, TypeAlias

from ingest.base.documents import Document, Source
from ingest.base.errors import ParseError
from ingest.parse.base.frames import (
    Message,
    pack_document,
    pack_error,
    read_frame,
    unpack_request,
    write_frame,
)
from ingest.parse.base.reading import PageLog, Reading
from ingest.parse.read import read_document

Read: TypeAlias = Callable[[Source, Reading, PageLog], Document]

_STDIN, _STDOUT, _STDERR = 0, 1, 2
# The parent ends what takes too long; this is for when it cannot any more.
_LAST_RESORT = 3.0


def main(read: Read = read_document) -> None:
    """Answer requests until standard input ends, by what `read` makes of each file."""
    # Ctrl-C reaches the whole group; the parent decides when this process may stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    asked, answers = _take_pipes()
    requests: SimpleQueue[Message] = SimpleQueue()
    threading.Thread(target=_listen, args=(asked, requests), daemon=True).start()
    write_frame(answers, {"kind": "ready"})
    while True:
        _answer(requests.get(), read, answers)


def _take_pipes() -> tuple[IO[bytes], IO[bytes]]:
    """Keep both pipes to ourselves: what a library prints or asks must not get into them."""
    asked, answers = os.dup(_STDIN), os.dup(_STDOUT)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, _STDIN)
    os.dup2(nothing, _STDOUT)
    os.close(nothing)
    return os.fdopen(asked, "rb"), os.fdopen(answers, "wb")


def _listen(asked: IO[bytes], requests: SimpleQueue[Message]) -> None:
    """Take requests while a file is read; when the parent is gone nobody wants the answer."""
    while message := read_frame(asked):
        requests.put(message)
    os._exit(0)


def _answer(request: Message, read: Read, answers: IO[bytes]) -> None:
    source, reading, texts = unpack_request(request)
    _limit_memory(reading.memory_bytes)
    say = partial(_say, answers)

    def begin(number: int, seconds: float) -> None:
        _end_after(seconds)
        say("begin", number=number, seconds=seconds)

    def done(number: int, text: str) -> None:
        _end_after(reading.file_seconds)
        say("done", number=number, text=text)

    _end_after(reading.file_seconds)
    log = PageLog(texts, begin, done, lambda fingerprint: say("open", fingerprint=fingerprint))
    try:
        document = read(source, reading, log)
        say("document", document=pack_document(document), memory_bytes=_memory_bytes())
    except ParseError as error:
        say("error", error=pack_error(error), memory_bytes=_memory_bytes())
    faulthandler.cancel_dump_traceback_later()


def _say(answers: IO[bytes], kind: str, **fields: object) -> None:
    write_frame(answers, {"kind": kind, **fields})


def _end_after(seconds: float) -> None:
    """End this process by a timer that needs nothing of Python, should the parent be gone."""
    faulthandler.dump_traceback_later(_LAST_RESORT * seconds + 10, exit=True, file=_STDERR)


def _limit_memory(size: int) -> None:
    """Bound the address space where the operating system can."""
    try:
        import resource
    except ImportError:
        return  # Windows
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    if most != resource.RLIM_INFINITY:
        size = min(size, most)
    try:
        resource.setrlimit(resource.RLIMIT_AS, (size, most))
    except (OSError, ValueError):
        return  # macOS refuses


def _memory_bytes() -> int:
    """Return the memory in use now, 0 where that cannot be told."""
    try:
        pages = int(Path("/proc/self/statm").read_bytes().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


if __name__ == "__main__":
    main()
