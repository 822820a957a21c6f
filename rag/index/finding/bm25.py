"""How often terms stand in a chunk in, its BM25 out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Number = TypeVar("Number", float, NDArray[numpy.float64])

K1, B = 1.2, 0.75


@dataclass(frozen=True, slots=True)
class Weights:
    """What each term of a question says, and how many terms a chunk has on average.

    BM25 as in Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond",
    2009, with k1 = 1.2 and b = 0.75 as in FTS5.
    """

    terms: Mapping[str, float]
    length: float

    def score(self, joined: str) -> float:
        """Return the score of a chunk of these terms, which have blanks between them."""
        score = 0.0
        held = [term for term in sorted(self.terms) if term in joined]  # for one rounding
        if not held:
            return score
        words = joined.split(" ")
        norm = self.norm(float(len(words)))
        for term in held:
            if count := words.count(term):
                score += self.terms[term] * saturate(float(count), norm)
        return score

    def norm(self, length: Number) -> Number:
        """Return what a count is weighed against in a chunk of so many terms."""
        return K1 * (1 - B + B / self.length * length)


def saturate(count: Number, norm: Number) -> Number:
    """Return what a term counts that stands in a chunk so often."""
    return count * (K1 + 1) / (count + norm)


def weigh(frequency: Mapping[str, int], chunks: int, words: int) -> Weights:
    """Weigh terms by how many of the chunks hold each; those of none have no weight.

    As in Lucene, a term that most chunks hold says little, but never nothing: FTS5 would leave
    it out, and so half of what a small folder can be found by.
    """
    weights = {
        term: math.log1p((chunks - held + 0.5) / (held + 0.5))
        for term, held in frequency.items()
        if held
    }
    return Weights(weights, words / chunks if words else 1.0)
