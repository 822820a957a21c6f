"""The only home of chromadb: one collection of vectors by their keys, in a folder of its own."""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rag.index.base.errors import DiskFull, IndexFault
from rag.index.store.records import Entry

if TYPE_CHECKING:
    import numpy

    from ingest.base.documents import Vectors

COLLECTION = "chunks"
MOST_PER_BATCH = 1000

_LONGEST_METADATA = 1000
_DATABASE = "chroma.sqlite3"
_IMPORT_HINT = "unset CHROMA_... variables, or install it anew: pip install chromadb"
_FULL = ("database or disk is full", "No space left on device")
_FULL_HINT = "free some space and run the same command again"
_HINT = "rag repair makes it anew from the catalogue; RAG_SEARCH=exact does without it"


class ChromaVectors:
    """The vectors of one generation; only the process that holds `chroma.lock` may make one."""

    def __init__(self, folder: Path, *, create: bool = False, documents: bool = False) -> None:
        real = folder.resolve()
        self._documents = documents
        chromadb = _import_chromadb(real.parent)
        with _translated("be opened"):
            if not create and not (real / _DATABASE).exists():
                raise FileNotFoundError(real / _DATABASE)
            settings = chromadb.config.Settings(_env_file=None, anonymized_telemetry=False)
            self._client = chromadb.PersistentClient(str(real), settings=settings)
        # Chroma keeps one system per path alive; a forgotten one would be found again, outdated.
        self._close = weakref.finalize(self, self._client.close)
        try:
            with _translated("be opened"):
                self._collection = self._open_collection(create)
                self._most = min(MOST_PER_BATCH, self._client.get_max_batch_size())
        except BaseException:
            self.close()
            raise

    def _open_collection(self, create: bool) -> Any:
        if not create:
            return self._client.get_collection(COLLECTION, embedding_function=None)
        return self._client.get_or_create_collection(
            COLLECTION,
            embedding_function=None,
            configuration={"hnsw": {"space": "cosine", "ef_search": 400}},
        )

    def upsert(self, entries: Sequence[Entry]) -> None:
        """Store vectors under their keys, replacing those that are there."""
        for start in range(0, len(entries), self._most):
            batch = entries[start : start + self._most]
            with _translated("be written"):
                self._collection.upsert(
                    ids=[entry.key for entry in batch],
                    embeddings=_stack(batch),
                    metadatas=[describe(entry) for entry in batch],
                    documents=[entry.chunk.text for entry in batch] if self._documents else None,
                )

    def delete(self, keys: Sequence[str]) -> None:
        """Delete by key; unknown keys are no error."""
        for start in range(0, len(keys), self._most):
            with _translated("be written"):
                self._collection.delete(ids=list(keys[start : start + self._most]))

    def query(self, vector: numpy.ndarray[Any, Any], k: int) -> tuple[list[str], list[float]]:
        """Return keys and cosines of the nearest, best first, at most `k`; approximate."""
        with _translated("be searched"):
            found = self._collection.query(
                query_embeddings=vector.reshape(1, -1), n_results=k, include=["distances"]
            )
            return found["ids"][0], [1.0 - distance for distance in found["distances"][0]]

    def count(self) -> int:
        """Return how many vectors there are."""
        with _translated("be read"):
            return int(self._collection.count())

    def pages(self, size: int = MOST_PER_BATCH) -> Iterator[tuple[list[str], Vectors]]:
        """Yield all keys and vectors, `size` at a time."""
        offset = 0
        while True:
            with _translated("be read"):
                page = self._collection.get(limit=size, offset=offset, include=["embeddings"])
                keys, vectors = page["ids"], page["embeddings"]
            if not keys:
                return
            yield keys, vectors
            offset += len(keys)

    def close(self) -> None:
        """Close the client, so that every file is complete; closing twice is allowed."""
        with _translated("be closed"):
            self._close()


def describe(entry: Entry) -> Mapping[str, str]:
    """Return the metadata of a vector: few and short, as one bad record bricks a collection.

    They are those of one of the documents that have it, under the name it had by then.
    """
    facts = {"path": entry.chunk.document_id, "media_type": entry.media_type}
    return {key: _shorten(value) for key, value in facts.items()}


def _stack(entries: Sequence[Entry]) -> Vectors:
    import numpy

    rows = numpy.frombuffer(b"".join(entry.vector for entry in entries), dtype="<f4")
    return rows.reshape(len(entries), -1).astype(numpy.float32, copy=False)


def _shorten(value: str) -> str:
    return value.encode("utf-8", "replace")[:_LONGEST_METADATA].decode("utf-8", "ignore")


def _import_chromadb(elsewhere: Path) -> Any:
    """Import from another current folder: the import reads `./.env` and fails on what is there."""
    with _translated("be imported", _IMPORT_HINT), contextlib.chdir(elsewhere):
        import chromadb
        import chromadb.config

        return chromadb


@contextlib.contextmanager
def _translated(what: str, hint: str = _HINT) -> Iterator[None]:
    try:
        yield
    except (KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    # Chroma raises its own errors, those of sqlite, ValueError, and PanicException, which is
    # no Exception; whatever it is, the answer is the same: this projection is of no use.
    except BaseException as error:
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        if any(words in reason for words in _FULL):
            raise DiskFull(f"no room left for Chroma: {reason}", _FULL_HINT) from error
        raise IndexFault(f"Chroma cannot {what}: {reason}", hint) from error
