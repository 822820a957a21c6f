"""Hits in, chunks that may be read out, best first."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from ingest.base.documents import Chunk
    from rag.query.base.hits import Hit, Retrieval


@dataclass(frozen=True, slots=True)
class Wanted:
    """A chunk that may be read, the hit's own or one beside it; the best hit is worth 1."""

    chunk: Chunk
    worth: float
    hit: Hit


class Queue:
    """Chunks that may be read; of equal ones the first that came is first."""

    def __init__(self) -> None:
        self._numbers = count()
        self._heap: list[tuple[float, int, Wanted]] = []

    @classmethod
    def of(cls, retrieval: Retrieval) -> Self:
        """Return the hits of a retrieval; where no score is above 0 the ranks count."""
        queue = cls()
        best = max((hit.score for hit in retrieval.hits), default=0.0)
        for hit in retrieval.hits:
            worth = max(0.0, hit.score / best) if best > 0 else 1 / hit.rank
            queue.push(Wanted(hit.chunk, worth, hit))
        return queue

    def push(self, wanted: Wanted) -> None:
        """Put a chunk where its worth belongs."""
        heapq.heappush(self._heap, (-wanted.worth, next(self._numbers), wanted))

    def pop(self, worth_now: Callable[[Wanted], float]) -> Wanted | None:
        """Take out the chunk that is worth most by now, None when there is none left.

        What is worth less than when it was put in goes back to where it belongs.  What has come
        to be worth more, as it no longer fits and costs no other its place, waits for its turn.
        """
        while self._heap:
            key, _, wanted = heapq.heappop(self._heap)
            now = -worth_now(wanted)
            if now <= key or not self._heap or now <= self._heap[0][0]:
                return wanted
            heapq.heappush(self._heap, (now, next(self._numbers), wanted))
        return None
