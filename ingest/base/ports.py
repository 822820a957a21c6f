"""The two things ingestion needs from outside, as Protocols: an embedder and an index."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ingest.base.documents import (
        Chunk,
        Document,
        Failure,
        Health,
        Known,
        Move,
        Source,
        Vectors,
    )


class Embedder(Protocol):
    """Turns texts into vectors; safe to call from several threads.

    Limit and pace may change during a run, as the embedder learns what its server takes.
    """

    @property
    def identity(self) -> str:
        """Name everything that changes a vector: model, dimension, document prefix."""
        ...

    @property
    def token_limit(self) -> int:
        """The most tokens one text may have, after prefix and special tokens are deducted."""
        ...

    @property
    def batch_size(self) -> int:
        """How many texts one call of `embed` should have at most."""
        ...

    @property
    def batch_tokens(self) -> int:
        """How many tokens one call of `embed` should have at most; a longer text goes alone."""
        ...

    @property
    def in_flight(self) -> int:
        """How many calls of `embed` may run at once, 64 at most."""
        ...

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Return an upper estimate of each text's tokens; exact where the tokenizer is known."""
        ...

    def unknown_share(self, texts: Sequence[str]) -> float | None:
        """Return the part of the texts' words that the model has no tokens for, 0 to 1.

        None when it cannot be told.
        """
        ...

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return one unit row per text, in order.

        Raises TextsRejected when some texts cannot be embedded or prove to be too long, for
        which `token_limit` was lowered by then; PipelineError when none can be.
        """
        ...


class ChunkIndex(Protocol):
    """Keeps documents, chunks and vectors; every method is durable when it returns.

    It is opened with a recipe (parser and chunker settings) and stamps every row with it.

    Vectors are stored under a key that names embedder and text (`ingest.embed.vector_key`),
    so a text that was embedded once is never embedded again.
    """

    def known(self, root: str) -> Mapping[str, Known]:
        """Return what is remembered of each source of `root`, by id."""
        ...

    def stored_keys(self, keys: Sequence[str]) -> set[str]:
        """Return those of `keys` that already have a vector."""
        ...

    def add_vectors(self, keys: Sequence[str], vectors: Vectors) -> None:
        """Store vectors under their keys, in one transaction."""
        ...

    def add_document(
        self, document: Document, chunks: Sequence[Chunk], keys: Sequence[str], health: Health
    ) -> None:
        """Replace all chunks of the document by these, in one transaction.

        `keys[i]` is the vector key of `chunks[i]`; every key must have a vector.
        """
        ...

    def move_document(self, root: str, move: Move) -> None:
        """Give a document its new id; chunks and vectors stay."""
        ...

    def remove_documents(self, root: str, ids: Sequence[str]) -> None:
        """Forget sources with all their chunks, in one transaction."""
        ...

    def touch_documents(self, sources: Sequence[Source]) -> None:
        """Remember new size and time of sources whose content is the same."""
        ...

    def record_failure(self, source: Source, fingerprint: str, failure: Failure) -> None:
        """Remember that a source could not be ingested, and drop chunks it had before."""
        ...

    def record_unread(self, root: str, failures: Sequence[Failure]) -> None:
        """Remember, instead of those of the last run, the files that were not even opened."""
        ...
