"""Chunked documents in, the same out in reading order once all their vectors are stored."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import TYPE_CHECKING

from ingest.base.documents import Chunk, Document, Health
from ingest.base.errors import TextsRejected
from ingest.base.ports import ChunkIndex, Embedder
from ingest.flow import LOOK_SECONDS

if TYPE_CHECKING:
    from ingest.base.documents import Vectors

MOST_IN_FLIGHT = 64


@dataclass(frozen=True, slots=True)
class ChunkedDocument:
    """A document, its chunks and the vector key of each; `sent` of its texts got a vector now.

    `rejected` says why one of its texts could not be embedded, "" when all were; `too_long`
    that shorter chunks would do.
    """

    document: Document
    chunks: tuple[Chunk, ...]
    keys: tuple[str, ...]
    health: Health
    sent: int = 0
    rejected: str = ""
    too_long: bool = False


def vector_key(identity: str, text: str) -> str:
    """Return the key of a text's vector: 32 hexadecimal digits of embedder and text."""
    digest = sha256()
    for part in (identity, text):
        data = part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()[:32]


def key_chunks(
    document: Document, chunks: Sequence[Chunk], identity: str, health: Health
) -> ChunkedDocument:
    """Pair the chunks of a document with the keys under which an embedder's vectors go."""
    keys = tuple(vector_key(identity, chunk.embedding_text) for chunk in chunks)
    return ChunkedDocument(document, tuple(chunks), keys, health)


def embed_documents(
    items: Iterable[ChunkedDocument],
    embedder: Embedder,
    index: ChunkIndex,
    on_stored: Callable[[int], None] = lambda _count: None,
) -> Iterator[ChunkedDocument]:
    """Embed what has no vector yet and yield each document when all its vectors are stored.

    Batches run across documents and up to `embedder.in_flight` of them at once, in threads;
    the index is only touched by the calling thread, and while that reads, cuts or stores, calls
    that ended are followed by batches that were made before.  `on_stored` is told how many
    vectors were stored, as they come.  When a call fails, what the others brought is stored
    before the error goes on.
    """
    calls = _Calls(embedder)
    run = _Run(embedder, index, calls, on_stored)
    try:
        for item in items:
            run.add(item)
            yield from run.finished()
        run.send()
        yield from run.finished()
        while calls.unsettled:
            run.settle()
            yield from run.finished()
    finally:
        calls.stop()


class _Calls:
    """Calls of the embedder: those that run, and a few batches more that wait for their place.

    The thread of a call that ended starts the next, so that the server never waits for us.
    """

    def __init__(self, embedder: Embedder) -> None:
        # A pool starts its threads only as calls come to run at once.
        self._pool = ThreadPoolExecutor(MOST_IN_FLIGHT, thread_name_prefix="embed")
        self._embedder = embedder
        self._lock = threading.RLock()
        self._stopped = False
        self._running = 0
        self._waiting: deque[dict[str, str]] = deque()
        self._started: dict[Future[Vectors], tuple[str, ...]] = {}

    def add(self, batch: dict[str, str]) -> None:
        """Embed texts by key, when a place is free."""
        with self._lock:
            self._waiting.append(batch)
        self._start()

    @property
    def unsettled(self) -> bool:
        """Say whether there is any call that was not taken yet."""
        with self._lock:
            return bool(self._started or self._waiting)

    @property
    def should_settle(self) -> bool:
        """Say whether a call has ended, or a next one is there for each that runs."""
        with self._lock:
            full = len(self._waiting) >= self._embedder.in_flight
            return full or any(future.done() for future in self._started)

    def _start(self) -> None:
        started = []
        with self._lock:
            while self._waiting and not self._stopped and self._running < self._embedder.in_flight:
                batch = self._waiting.popleft()
                future = self._pool.submit(self._embedder.embed, list(batch.values()))
                self._started[future] = tuple(batch)
                self._running += 1
                started.append(future)
        for future in started:
            future.add_done_callback(self._ended)

    def _ended(self, future: Future[Vectors]) -> None:
        with self._lock:
            self._running -= 1
            # What follows a failure would most likely fail too.
            self._stopped = self._stopped or future.cancelled() or bool(_failure(future))
        self._start()

    def take(self) -> list[tuple[tuple[str, ...], Future[Vectors]]]:
        """Wait a moment for one call or more and return their keys and results.

        When one failed, all that still run are waited for too, and its place is the last.
        """
        with self._lock:
            started = dict(self._started)
        done, _ = wait(started, LOOK_SECONDS, FIRST_COMPLETED)
        if any(map(_failure, done)):
            self._stopped = True
            with self._lock:
                started = dict(self._started)
            done, _ = wait(started)
        for future in done:
            del self._started[future]
        ordered = sorted(done, key=lambda future: bool(_failure(future)))
        return [(started[future], future) for future in ordered]

    def stop(self) -> None:
        """Start nothing more; calls that run are left to themselves."""
        with self._lock:
            self._stopped = True
        # Not waiting: an interrupt should not take as long as the slowest request.
        self._pool.shutdown(wait=False, cancel_futures=True)


@dataclass(slots=True)
class _Run:
    """The state between reading documents and storing vectors.

    `pending` are the keys that are in the open batch or in a call.
    """

    embedder: Embedder
    index: ChunkIndex
    calls: _Calls
    on_stored: Callable[[int], None]
    batch: dict[str, str] = field(default_factory=dict)
    tokens: int = 0
    pending: set[str] = field(default_factory=set)
    waiting: deque[tuple[ChunkedDocument, frozenset[str]]] = field(default_factory=deque)
    waiting_chunks: int = 0
    rejected: dict[str, str] = field(default_factory=dict)
    too_long: dict[str, str] = field(default_factory=dict)

    def add(self, item: ChunkedDocument) -> None:
        """Put the texts that have no vector into batches and send those that are full."""
        needed = frozenset(item.keys) - self.index.stored_keys(list(dict.fromkeys(item.keys)))
        new = needed - self.pending
        self.waiting.append((replace(item, sent=len(new)), needed))
        self.waiting_chunks += len(item.chunks)
        self.pending |= new
        texts = dict(zip(item.keys, item.chunks, strict=True))
        for key, chunk in texts.items():
            if key in new:
                self._add_text(key, chunk)
        if self.waiting_chunks > 4 * self.embedder.batch_size * (self.embedder.in_flight + 1):
            self._catch_up()

    def _add_text(self, key: str, chunk: Chunk) -> None:
        full = len(self.batch) >= self.embedder.batch_size
        if full or (self.batch and self.tokens + chunk.tokens > self.embedder.batch_tokens):
            self.send()
        self.batch[key] = chunk.embedding_text
        self.tokens += chunk.tokens

    def _catch_up(self) -> None:
        """Store until the first waiting document can go: later ones must not pile up."""
        first = self.waiting[0][1]
        if not first.isdisjoint(self.batch):
            self.send()
        while not first.isdisjoint(self.pending):
            self.settle()

    def send(self) -> None:
        """Give the open batch away, after others were settled where there are many."""
        if not self.batch:
            return
        self.calls.add(self.batch)
        self.batch, self.tokens = {}, 0
        while self.calls.should_settle:
            self.settle()

    def settle(self) -> None:
        """Wait a moment for calls and store what they brought; raises what one raised."""
        for keys, future in self.calls.take():
            self._store(keys, future)

    def _store(self, keys: tuple[str, ...], future: Future[Vectors]) -> None:
        """Store what a call brought; remember which texts it refused."""
        try:
            vectors, stored = future.result(), keys
        except TextsRejected as error:
            for i, reason in error.reasons.items():
                refused = self.too_long if i in error.too_long else self.rejected
                refused[keys[i]] = reason
            vectors = error.vectors
            stored = tuple(key for i, key in enumerate(keys) if i not in error.reasons)
        self.index.add_vectors(stored, vectors)
        self.pending.difference_update(keys)
        self.on_stored(len(stored))

    def finished(self) -> Iterator[ChunkedDocument]:
        """Yield the documents at the head of the line that lack nothing."""
        while self.waiting and self.waiting[0][1].isdisjoint(self.pending):
            item, needed = self.waiting.popleft()
            self.waiting_chunks -= len(item.chunks)
            yield self._with_verdict(item, needed)

    def _with_verdict(self, item: ChunkedDocument, needed: frozenset[str]) -> ChunkedDocument:
        """Mark a document of which a text was refused; where one is hopeless, cutting is no use."""
        for refused, may_be_cut in ((self.rejected, False), (self.too_long, True)):
            for key in needed & refused.keys():
                return replace(item, rejected=refused[key], too_long=may_be_cut)
        return item


def _failure(future: Future[Vectors]) -> BaseException | None:
    error = future.exception()
    return None if isinstance(error, TextsRejected) else error
