"""Passages that were found, with what found them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from ingest.base.documents import HEADING_SEPARATOR, Chunk

if TYPE_CHECKING:
    from rag.index.store.records import Copy


class Scored(Protocol):
    """A chunk found by one way of searching; a higher score is better."""

    @property
    def chunk(self) -> Chunk:
        """Return the chunk."""
        ...

    @property
    def score(self) -> float:
        """Return its score; scores of different lists are not on one scale."""
        ...

    @property
    def root(self) -> str:
        """Return the folder its document was ingested from."""
        ...

    @property
    def copies(self) -> tuple[Copy, ...]:
        """Return the other places at which its text stands."""
        ...


@dataclass(frozen=True, slots=True)
class Hit:
    """A retrieved chunk: `rank` counts from 1 without gaps, `why` holds its rank per list.

    `scores` holds its own score by each way of searching, also where it is not among the best
    of that list: "dense" is a cosine, "words" is BM25.  `root` is the folder its document was
    ingested from, `copies` are the other places at which its text stands.  `joined` names the
    chunks that were joined to it, itself included, in reading order; `chunk` then spans all of
    them, under its own id.
    """

    chunk: Chunk
    score: float
    rank: int
    why: Mapping[str, int]
    root: str = ""
    copies: tuple[Copy, ...] = ()
    scores: Mapping[str, float] = field(default_factory=dict)
    joined: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Retrieval:
    """What was found for a question, best first, and how.

    `terms` are the words searched for, `frequency` how many of the
    `chunks` of the whole index hold each, whatever part of it was searched.
    `weights` are those of the lists in the fused score, `reasons` say why they are as they are.
    """

    question: str
    hits: tuple[Hit, ...]
    weights: Mapping[str, float] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()
    terms: tuple[str, ...] = ()
    frequency: Mapping[str, int] = field(default_factory=dict)
    chunks: int = 0


def label(chunk: Chunk, place: str = "") -> str:
    """Return where a chunk stands, as a person would say it: `file.pdf p. 3 › Heading`."""
    _title, *headings = chunk.heading.split(HEADING_SEPARATOR)
    where = f"{chunk.document_id} {place or chunk.place}".rstrip()
    return HEADING_SEPARATOR.join([where, *headings])


def passage_text(chunk: Chunk) -> str:
    """Return what a model is shown of a chunk: rows of a table below the names of its columns.

    The names are not part of the chunk, so they stand apart and are never quoted with it.
    """
    return f"{chunk.columns}\n\n{chunk.text}" if chunk.columns else chunk.text


def ranked(hits: Sequence[Hit]) -> tuple[Hit, ...]:
    """Return the hits in this order, with ranks from 1 without gaps."""
    return tuple(replace(hit, rank=rank) for rank, hit in enumerate(hits, start=1))
