"""A question in, the passages most likely to answer it out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from rag.query.fuse import Hit, Scored, fuse

if TYPE_CHECKING:
    from ingest.base.documents import Vectors
    from rag.index.store.records import Selection

# The dense list alone; a lexical list takes its place beside it here.
WEIGHTS = {"dense": 1.0}


class Searchable(Protocol):
    """An index that finds the texts nearest to a vector, each once."""

    def search(
        self, vector: Vectors, k: int, selection: Selection | None = None
    ) -> Sequence[Scored]:
        """Return the `k` best, best first; scores are cosines."""
        ...


def retrieve(
    question: str,
    embed_query: Callable[[str], Vectors],
    index: Searchable,
    k: int,
    selection: Selection | None = None,
) -> list[Hit]:
    """Return the `k` best chunks for the question, best first, no text twice.

    A file that was copied would otherwise fill the list with the same passages.
    """
    return fuse({"dense": index.search(embed_query(question), k, selection)}, WEIGHTS, k)
