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
# Asked for more than is needed, so that enough is left when copies are dropped.
SPARE = 3


class Searchable(Protocol):
    """An index that finds the chunks nearest to a vector."""

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

    A file that was copied or moved to another folder would otherwise fill the list with
    the same passages.
    """
    dense = index.search(embed_query(question), SPARE * k, selection)
    return fuse({"dense": _without_copies(dense)}, WEIGHTS, k)


def _without_copies(found: Sequence[Scored]) -> list[Scored]:
    """Keep the first, best-ranked chunk of each text."""
    return list({item.chunk.embedding_text: item for item in reversed(found)}.values())[::-1]
