"""Exact search: all vectors in use in memory, compared one by one with the question."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy
from numpy.typing import NDArray

from rag.index.base.errors import IndexDamaged
from rag.index.store.catalogue import Catalogue

if TYPE_CHECKING:
    from ingest.base.documents import Vectors

_PAGE = 2000


class ExactVectors:
    """A copy of the vectors that chunks have, brought up to date before each search.

    One thread at a time; inside a snapshot of the catalogue it shows that moment.
    """

    def __init__(self, catalogue: Catalogue, dimension: int) -> None:
        self._catalogue = catalogue
        self._dimension = dimension
        self._state: tuple[int, int] | None = None
        self._numbers: NDArray[numpy.int64] = numpy.zeros(0, dtype=numpy.int64)
        self._rows: Vectors = numpy.zeros((0, dimension), dtype=numpy.float32)

    def search(
        self, vector: Vectors, k: int, allowed: Sequence[int] | None = None
    ) -> tuple[list[int], Vectors]:
        """Return numbers and rows of the `k` best vectors, all that tie with the last included.

        `allowed` limits the search to these numbers; None means every vector in use.
        """
        self._refresh()
        numbers, rows = self._numbers, self._rows
        if allowed is not None:
            inside = numpy.isin(numbers, numpy.asarray(allowed, dtype=numpy.int64))
            numbers, rows = numbers[inside], rows[inside]
        if k <= 0 or not len(numbers):
            return [], rows[:0]
        # Not by BLAS: its threads wait for each other longer than one thread takes.
        scores = numpy.einsum("ij,j->i", rows, vector)
        k = min(k, len(scores))
        worst = numpy.partition(scores, -k)[-k]
        # Rounding differs with a row's place, so what nearly ties is let in and scored again.
        best = scores >= worst - 1e-6
        return numbers[best].tolist(), rows[best]

    def _refresh(self) -> None:
        state = self._catalogue.state()
        if state == self._state:
            return
        now = numpy.asarray(self._catalogue.numbers(), dtype=numpy.int64)
        stay = numpy.isin(self._numbers, now)
        new = numpy.setdiff1d(now, self._numbers)
        if len(new) or not stay.all():
            self._merge(stay, new)
        self._state = state

    def _merge(self, stay: NDArray[numpy.bool_], new: NDArray[numpy.int64]) -> None:
        kept = int(stay.sum())
        numbers = numpy.empty(kept + len(new), dtype=numpy.int64)
        rows = numpy.empty((kept + len(new), self._dimension), dtype=numpy.float32)
        numbers[:kept], rows[:kept] = self._numbers[stay], self._rows[stay]
        for start in range(0, len(new), _PAGE):
            page = list(self._catalogue.vectors(new[start : start + _PAGE].tolist()))
            end = kept + len(page)
            numbers[kept:end] = [number for number, _ in page]
            rows[kept:end] = decode([row for _, row in page], self._dimension)
            kept = end
        self._numbers, self._rows = numbers, rows


def decode(rows: Sequence[bytes], dimension: int) -> Vectors:
    """Return stored vectors as rows of a matrix; raises IndexDamaged when one has another size."""
    if any(len(row) != 4 * dimension for row in rows):
        raise IndexDamaged(
            f"the catalogue holds vectors that have not {dimension} numbers",
            "bring back an export: rag import FILE, or ingest anew: rag ingest --index OTHER",
        )
    matrix = numpy.frombuffer(b"".join(rows), dtype="<f4").reshape(-1, dimension)
    return matrix.astype(numpy.float32, copy=False)
