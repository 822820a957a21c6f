"""Small real implementations of the two ports, and builders of documents."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path

import numpy
import pytest
from hypothesis import settings

from ingest.base.documents import (
    Chunk,
    Document,
    Failure,
    Heading,
    Health,
    Known,
    Move,
    Page,
    Source,
)
from ingest.base.errors import PipelineError
from ingest.tokens import estimate_tokens

# A busy machine is no failure; what must be fast has a test of its own.
settings.register_profile("ingest", deadline=None)
settings.load_profile("ingest")


class HashEmbedder:
    """Vectors from a hash of the text; counts what it was asked and how many ran at once."""

    identity = "hash-8"

    def __init__(
        self,
        *,
        token_limit: int = 256,
        in_flight: int = 2,
        seconds: float = 0.0,
        batch_size: int = 64,
        batch_tokens: int = 8192,
    ) -> None:
        self.token_limit = token_limit
        self.batch_size = batch_size
        self.batch_tokens = batch_tokens
        self.in_flight = in_flight
        self.seconds = seconds
        self.calls: list[list[str]] = []
        self.running = 0
        self.most_running = 0
        self.fail_on = ""
        self.lock = threading.Lock()

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [estimate_tokens(text) for text in texts]

    def unknown_share(self, texts: Sequence[str]) -> float | None:
        return None

    def embed(self, texts: Sequence[str]) -> numpy.ndarray:
        with self.lock:
            self.calls.append(list(texts))
            self.running += 1
            self.most_running = max(self.most_running, self.running)
        try:
            time.sleep(self.seconds)
            if self.fail_on and any(self.fail_on in text for text in texts):
                raise PipelineError("the server is gone", "start it")
            return numpy.stack([self.vector(text) for text in texts])
        finally:
            with self.lock:
                self.running -= 1

    @staticmethod
    def vector(text: str) -> numpy.ndarray:
        row = numpy.frombuffer(sha256(text.encode()).digest()[:8], dtype=numpy.uint8) + 1.0
        return (row / numpy.linalg.norm(row)).astype(numpy.float32)


class MemoryIndex:
    """The index port kept in dictionaries; refuses what the real one would refuse."""

    def __init__(self, recipe: str = "r1") -> None:
        self.recipe = recipe
        self.remembered: dict[tuple[str, str], Known] = {}
        self.documents: dict[tuple[str, str], tuple[Document, list[Chunk]]] = {}
        self.vectors: dict[str, numpy.ndarray] = {}
        self.unread: dict[str, tuple[Failure, ...]] = {}
        self.writes = 0
        self.seen_later_ns = 0
        self.thread = threading.get_ident()

    def known(self, root: str) -> dict[str, Known]:
        return {id: entry for (home, id), entry in self.remembered.items() if home == root}

    def stored_keys(self, keys: Sequence[str]) -> set[str]:
        return set(keys) & self.vectors.keys()

    def add_vectors(self, keys: Sequence[str], vectors: numpy.ndarray) -> None:
        assert threading.get_ident() == self.thread, "only the calling thread may write"
        assert len(keys) == len(vectors)
        self.writes += 1
        self.vectors.update(zip(keys, vectors, strict=True))

    def add_document(
        self, document: Document, chunks: Sequence[Chunk], keys: Sequence[str], health: Health
    ) -> None:
        assert len(chunks) == len(keys)
        assert self.vectors.keys() >= set(keys), "every chunk needs its vector first"
        self.writes += 1
        self._remember(document.source, document.fingerprint, None)
        self.documents[document.source.root, document.id] = (document, list(chunks))

    def move_document(self, root: str, move: Move) -> None:
        self.writes += 1
        self.documents[root, move.source.id] = self.documents.pop((root, move.old_id))
        del self.remembered[root, move.old_id]
        self._remember(move.source, move.fingerprint, None)

    def remove_documents(self, root: str, ids: Sequence[str]) -> None:
        self.writes += 1
        for id in ids:
            del self.remembered[root, id]
            self.documents.pop((root, id), None)

    def touch_documents(self, sources: Sequence[Source]) -> None:
        self.writes += 1
        for source in sources:
            before = self.remembered[source.root, source.id]
            self._remember(source, before.fingerprint, before.failure)

    def record_failure(self, source: Source, fingerprint: str, failure: Failure) -> None:
        self.writes += 1
        self._remember(source, fingerprint, failure)
        self.documents.pop((source.root, source.id), None)

    def record_unread(self, root: str, failures: Sequence[Failure]) -> None:
        if self.unread.get(root, ()) != tuple(failures):
            self.writes += 1
            self.unread[root] = tuple(failures)

    def _remember(self, source: Source, fingerprint: str, failure: Failure | None) -> None:
        self.remembered[source.root, source.id] = Known(
            fingerprint,
            self.recipe,
            source.size_bytes,
            source.mtime_ns,
            time.time_ns() + self.seen_later_ns,
            failure,
            source.ctime_ns,
        )

    def ids(self) -> list[str]:
        return sorted(id for _, id in self.documents)


@pytest.fixture
def embedder() -> HashEmbedder:
    return HashEmbedder()


@pytest.fixture
def make_embedder() -> type[HashEmbedder]:
    return HashEmbedder


@pytest.fixture
def make_index() -> type[MemoryIndex]:
    return MemoryIndex


def _document(
    text: str,
    *,
    title: str = "Handbook",
    headings: Sequence[tuple[int, int, str]] = (),
    pages: tuple[int, ...] = (),
    id: str = "a.txt",
) -> Document:
    source = Source(id, "/root", Path("/root") / id, "text/plain", len(text), 1)
    marks = tuple(Heading(*heading) for heading in headings)
    return Document(
        source,
        "f" * 64,
        title,
        text,
        tuple(Page(start, f"p. {n}") for n, start in enumerate(pages, 1)),
        marks,
    )


@pytest.fixture(scope="session")
def make_document() -> Callable[..., Document]:
    return _document


@pytest.fixture(scope="session")
def source_of() -> Callable[..., Source]:
    """Return the source of a file on disk."""

    def build(path: Path, media_type: str = "") -> Source:
        from ingest.parse.base.media import media_type_of

        status = path.lstat()
        kind = media_type or media_type_of(path.name)
        return Source(path.name, str(path.parent), path, kind, status.st_size, status.st_mtime_ns)

    return build
