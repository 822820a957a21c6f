"""Terms in, the chunks that score best by them out: BM25 over whole lists of numbers."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

import numpy
from numpy.typing import NDArray

from rag.index.finding.bm25 import Weights, saturate
from rag.index.store.catalogue import Catalogue

Numbers = NDArray[numpy.int64]
Reals = NDArray[numpy.float64]

MOST_KEPT = 2_000_000
"""So many places of terms that were looked up are kept in memory, 16 bytes each."""


class Postings:
    """Which chunks hold which terms, and how often, at one moment of a catalogue.

    What a term adds to the score of each chunk is the same for all questions, and is kept.
    """

    def __init__(self, catalogue: Catalogue, most_kept: int = MOST_KEPT) -> None:
        self._catalogue = catalogue
        self._most_kept = most_kept
        numbers, lengths = catalogue.word_lengths()
        known = read_numbers(numbers)
        self._lengths: Reals = numpy.zeros(int(known.max(initial=0)) + 1)
        self._lengths[known] = decode_varints(lengths)
        numbers, texts = catalogue.text_numbers()
        chunks = read_numbers(numbers)
        most = max(len(self._lengths), int(chunks.max(initial=0)) + 1)
        self._texts: Numbers = numpy.zeros(most, dtype=numpy.int64)
        self._texts[chunks] = read_numbers(texts)
        self._added: OrderedDict[str, tuple[Numbers, Reals]] = OrderedDict()
        self._kept = 0

    def best(
        self, terms: Iterable[str], weights: Weights, most: int, allowed: Numbers | None
    ) -> dict[int, tuple[int, float]]:
        """Return text and score by number of the `most` best chunks by these terms, with ties.

        `allowed` limits the search to these chunks; None means all.
        """
        scores: Reals = numpy.zeros(len(self._lengths))
        for term in sorted(terms):  # in one order, for one rounding
            held, added = self._look_up(term, weights)
            scores[held] += added
        if allowed is not None:
            inside = numpy.zeros(len(scores), dtype=bool)
            inside[allowed] = True
            scores[~inside] = 0.0
        found = numpy.flatnonzero(scores)
        found = found[self._texts[found] > 0]
        if len(found) > most:
            values = scores[found]
            # Where terms are left out, what they add could part what nearly ties.
            found = found[values >= numpy.partition(values, -most)[-most] - 1e-9]
        pairs = zip(self._texts[found].tolist(), scores[found].tolist(), strict=True)
        return dict(zip(found.tolist(), pairs, strict=True))

    def _look_up(self, term: str, weights: Weights) -> tuple[Numbers, Reals]:
        """Return which chunks hold a term, and what it adds to the score of each."""
        known = self._added.pop(term, None)
        if known is None:
            places = read_numbers(self._catalogue.places_of(term))
            held, counts = _count_each(places)
            norms = weights.norm(self._lengths[held])
            known = held, weights.terms[term] * saturate(counts, norms)
            self._kept += len(held)
        self._added[term] = known
        while self._kept > self._most_kept and len(self._added) > 1:
            _, (dropped, _) = self._added.popitem(last=False)
            self._kept -= len(dropped)
        return known


def _count_each(places: Numbers) -> tuple[Numbers, Reals]:
    """Return each number once, with how often it is there; FTS5 has them in order already."""
    if (numpy.diff(places) < 0).any():
        places = numpy.sort(places)
    first = numpy.flatnonzero(numpy.diff(places, prepend=-1))
    return places[first], numpy.diff(first, append=len(places)).astype(numpy.float64)


def read_numbers(text: str) -> Numbers:
    """Return numbers that have commas between them."""
    return numpy.fromstring(text, dtype=numpy.int64, sep=",")


def decode_varints(data: bytes) -> Numbers:
    """Return the numbers, of up to three bytes, that SQLite wrote one after the other."""
    digits = numpy.frombuffer(data, dtype=numpy.uint8).astype(numpy.int64)
    ends = numpy.flatnonzero(digits < 0x80)
    size = numpy.diff(ends, prepend=-1)
    numbers = digits[ends]
    for place in (1, 2):
        more = size > place
        numbers[more] += (digits[ends[more] - place] & 0x7F) << (7 * place)
    return numbers
