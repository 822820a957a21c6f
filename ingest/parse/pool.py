"""Sources in, their Documents or ParseErrors out, read beside each other where nothing can break.

What is not plain text is read in processes that are ended when a file takes more time or
memory than it may; the good pages of such a file are kept.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from time import monotonic
from typing import Self, TypeAlias

from ingest.base.documents import Document, Source
from ingest.base.errors import EmptyDocument, ParseError
from ingest.parse.base.failures import OutOfMemory, ReadingFailed
from ingest.parse.base.reading import PageLog, Reading
from ingest.parse.process import PROGRAM, Breach, ReadingProcess
from ingest.parse.read import PLAIN_KINDS, read_document, read_plain
from ingest.parse.salvage import describe_breach, save_pages

Outcome: TypeAlias = Document | ParseError

# Files given to the processes and not yet taken from here, for each of them; and how much text
# may wait here at most before they get no more.
_FILES_AHEAD = 2
_CHARACTERS_AHEAD = 16_000_000
# Of larger files even plain text is worth the way to another process.
_PLAIN_BYTES = 1_000_000
_MOST_ATTEMPTS = 4
_FILES_PER_PROCESS = 300
_MOST_BYTES_KEPT = 400_000_000
_WATCH_SECONDS = 0.05


def read_documents(
    sources: Sequence[Source], reading: Reading, workers: int, program: Sequence[str] = PROGRAM
) -> Generator[tuple[Source, Outcome]]:
    """Read files, up to `workers` of them at once in as many processes; with 0 all of them here.

    What is finished comes first, so that a slow file holds up no other; with 0 the order is
    that of the sources.  Reads only a little ahead of who takes the documents.  Close the
    iterator to end the processes at once.  `program` is what Python runs in them.  Raises
    PipelineError when none can be started.
    """
    with ReadingPool(reading, workers, program) as pool:
        yield from pool.read(sources)


class ReadingPool:
    """Reading processes, a thread for each that speaks with it, and one that watches the clock.

    Use it as a context manager, or `close` it, from any thread: what is read then breaks off.
    """

    def __init__(self, reading: Reading, workers: int, program: Sequence[str] = PROGRAM) -> None:
        self._reading = reading
        self._program = program
        self._workers = workers
        self._most_pending = _FILES_AHEAD * workers
        self._threads = ThreadPoolExecutor(max(1, workers), thread_name_prefix="parse")
        self._pending: dict[Future[Outcome], Source] = {}
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._processes: set[ReadingProcess] = set()
        self._idle: list[ReadingProcess] = []
        self._watch = threading.Thread(target=self._end_late_ones, daemon=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def read(self, sources: Sequence[Source]) -> Iterator[tuple[Source, Outcome]]:
        """Read files as `read_documents` does; small plain ones here, rather than to wait."""
        if self._workers == 0:
            yield from ((source, self._read_here(source)) for source in sources)
            return
        others: deque[Source] = deque()
        plain: deque[Source] = deque()
        for source in sources:
            small = source.media_type in PLAIN_KINDS and source.size_bytes <= _PLAIN_BYTES
            (plain if small else others).append(source)
        while others or plain or self._pending:
            self._feed(others)
            done = next((future for future in self._pending if future.done()), None)
            if done:
                outcome = done.result()
                yield self._pending.pop(done), outcome
            elif plain:
                source = plain.popleft()
                if found := self._read_plain(source):
                    yield source, found
                else:
                    others.appendleft(source)
            else:
                wait(self._pending, return_when=FIRST_COMPLETED)

    def _feed(self, sources: deque[Source]) -> None:
        waiting = [future.result() for future in self._pending if _is_read(future)]
        room = _CHARACTERS_AHEAD - sum(len(d.text) for d in waiting if isinstance(d, Document))
        while sources and room > 0 and len(self._pending) < self._most_pending:
            source = sources.popleft()
            self._pending[self._threads.submit(self._read_apart, source)] = source

    def _read_here(self, source: Source) -> Outcome:
        try:
            return read_document(source, self._reading)
        except ParseError as error:
            return error

    def _read_plain(self, source: Source) -> Outcome | None:
        try:
            return read_plain(source, self._reading)
        except ParseError as error:
            return error

    def _read_apart(self, source: Source) -> Outcome:
        """Read a file in a process, again in another one without the page that broke the first."""
        log, failure = PageLog(), ReadingFailed("it was not read")
        for _ in range(_MOST_ATTEMPTS):
            try:
                outcome = self._try(source, log)
            except Breach as breach:
                if self._closed.is_set():
                    raise
                failure = describe_breach(breach, self._reading)
                if not breach.page:
                    break  # Nothing would be different the next time.
                log.texts[breach.page] = None
                continue
            if isinstance(outcome, ReadingFailed):
                failure = outcome
            elif not (isinstance(outcome, EmptyDocument) and None in log.texts.values()):
                return outcome
            break
        return save_pages(source, log, failure)

    def _try(self, source: Source, log: PageLog) -> Outcome:
        process = self._take()
        try:
            outcome = process.read(source, self._reading, log)
        except BaseException:
            self._end(process)
            raise
        self._give_back(process, outcome)
        return outcome

    def _take(self) -> ReadingProcess:
        with self._lock:
            if self._closed.is_set():
                raise Breach("crash")
            if self._idle:
                return self._idle.pop()
            process = ReadingProcess(self._program)
            self._processes.add(process)
            if self._watch.ident is None:
                self._watch.start()
        return process

    def _give_back(self, process: ReadingProcess, outcome: Outcome) -> None:
        """Keep a process for the next file, unless it has read many or grown."""
        worn = process.files >= _FILES_PER_PROCESS or process.memory_bytes > _MOST_BYTES_KEPT
        if worn or process.is_late or isinstance(outcome, OutOfMemory):
            self._end(process)
            return
        with self._lock:
            self._idle.append(process)

    def _end(self, process: ReadingProcess) -> None:
        process.end()
        with self._lock:
            self._processes.discard(process)

    def _end_late_ones(self) -> None:
        while not self._closed.wait(_WATCH_SECONDS):
            with self._lock:
                processes = list(self._processes)
            for process in processes:
                process.end_if_late(monotonic())

    def close(self) -> None:
        """End all processes, whatever they are doing."""
        with self._lock:
            self._closed.set()
            processes = list(self._processes)
        for process in processes:
            process.kill()
        self._threads.shutdown(cancel_futures=True)
        for process in processes:
            process.end()
        if self._watch.ident is not None:
            self._watch.join()


def _is_read(future: Future[Outcome]) -> bool:
    return future.done() and future.exception() is None
