"""Ranked lists in, one ranked list of hits out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ingest.base.documents import Chunk

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

    `root` is the folder its document was ingested from, `copies` are the other places at which
    its text stands.
    """

    chunk: Chunk
    score: float
    rank: int
    why: Mapping[str, int]
    root: str = ""
    copies: tuple[Copy, ...] = ()


def fuse(lists: Mapping[str, Sequence[Scored]], weights: Mapping[str, float], k: int) -> list[Hit]:
    """Return the best `k` chunks by the weighted sum of each list's normalised scores.

    A single list keeps its own scores.  Several are brought to 0..1 by their minimum and
    maximum first; a chunk that a list does not hold gets 0 from it (convex combination:
    Bruch, Gai, Ingber, "An Analysis of Fusion Functions for Hybrid Retrieval", TOIS 2023).
    Ties are broken by chunk id, so that the order never depends on the order of the lists.
    """
    only_one = len(lists) == 1
    scores: dict[str, float] = {}
    found_as: dict[str, Scored] = {}
    ranks: dict[str, dict[str, int]] = {}
    for name, found in lists.items():
        values = [item.score for item in found]
        low, span = (0.0, 1.0) if only_one else _scale(values)
        weight = 1.0 if only_one else weights[name]
        for rank, item in enumerate(found, start=1):
            key = item.chunk.id
            found_as[key] = item
            scores[key] = scores.get(key, 0.0) + weight * (item.score - low) / span
            ranks.setdefault(key, {})[name] = rank
    best = sorted(scores, key=lambda key: (-scores[key], key))[:k]
    return [
        Hit(one.chunk, scores[key], rank, ranks[key], one.root, one.copies)
        for rank, key in enumerate(best, start=1)
        for one in (found_as[key],)
    ]


def _scale(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values, default=0.0), max(values, default=1.0)
    return low, (high - low) or 1.0
