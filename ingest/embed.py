"""Chunked documents in, the same out in reading order once all their vectors are stored."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import TYPE_CHECKING

from ingest.base.documents import Chunk, Document
from ingest.base.errors import TextsRejected
from ingest.base.ports import ChunkIndex, Embedder

if TYPE_CHECKING:
    from ingest.base.documents import Vectors

MOST_IN_FLIGHT = 64


@dataclass(frozen=True, slots=True)
class ChunkedDocument:
    """A document, its chunks and the vector key of each; `sent` of its texts had no vector.

    `rejected` says why one of its texts could not be embedded, "" when all were; `too_long`
    that shorter chunks would do.
    """

    document: Document
    chunks: tuple[Chunk, ...]
    keys: tuple[str, ...]
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


def key_chunks(document: Document, chunks: Sequence[Chunk], identity: str) -> ChunkedDocument:
    """Pair the chunks of a document with the keys under which an embedder's vectors go."""
    keys = tuple(vector_key(identity, chunk.embedding_text) for chunk in chunks)
    return ChunkedDocument(document, tuple(chunks), keys)


def embed_documents(
    items: Iterable[ChunkedDocument], embedder: Embedder, index: ChunkIndex
) -> Iterator[ChunkedDocument]:
    """Embed what has no vector yet and yield each document when all its vectors are stored.

    Batches run across documents and up to `embedder.in_flight` of them at once, in threads;
    the index is only touched by the calling thread.  When a call fails, what the others
    brought is stored before the error goes on.
    """
    # A pool starts its threads only as calls come to run at once.
    pool = ThreadPoolExecutor(MOST_IN_FLIGHT, thread_name_prefix="embed")
    run = _Run(embedder, index, pool)
    try:
        for item in items:
            run.add(item)
            yield from run.finished()
        run.send()
        while run.in_flight:
            run.settle()
            yield from run.finished()
    finally:
        # Not waiting: an interrupt should not take as long as the slowest request.
        pool.shutdown(wait=False, cancel_futures=True)


@dataclass(slots=True)
class _Run:
    """The state between reading documents and storing vectors.

    `pending` are the keys that are in the open batch or in flight.
    """

    embedder: Embedder
    index: ChunkIndex
    pool: ThreadPoolExecutor
    batch: dict[str, str] = field(default_factory=dict)
    tokens: int = 0
    pending: set[str] = field(default_factory=set)
    in_flight: dict[Future[Vectors], tuple[str, ...]] = field(default_factory=dict)
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
        """Start embedding the open batch, after a place in flight is free."""
        if not self.batch:
            return
        while len(self.in_flight) >= self.embedder.in_flight:
            self.settle()
        future = self.pool.submit(self.embedder.embed, list(self.batch.values()))
        self.in_flight[future] = tuple(self.batch)
        self.batch, self.tokens = {}, 0

    def settle(self) -> None:
        """Wait for one call or more and store what they brought.

        When one failed, all that still run are waited for and stored before its error is raised.
        """
        done, _ = wait(self.in_flight, return_when=FIRST_COMPLETED)
        failed = next((error for future in done if (error := _failure(future))), None)
        if failed:
            done, _ = wait(self.in_flight)
        for future in done:
            keys = self.in_flight.pop(future)
            if not _failure(future):
                self._store(keys, future)
        if failed:
            raise failed

    def _store(self, keys: tuple[str, ...], future: Future[Vectors]) -> None:
        """Store what a call brought; remember which texts it refused."""
        error = future.exception()
        if isinstance(error, TextsRejected):
            for i, reason in error.reasons.items():
                refused = self.too_long if i in error.too_long else self.rejected
                refused[keys[i]] = reason
            accepted = [key for i, key in enumerate(keys) if i not in error.reasons]
            self.index.add_vectors(accepted, error.vectors)
        else:
            self.index.add_vectors(keys, future.result())
        self.pending.difference_update(keys)

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
