"""Two ranked lists in, how much each of them counts for this question out, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

# A list is trusted by how far its best stands above its eleventh; the lexical one twice, as it is
# right more often where both stand out alike.
_CONTRAST_AT = 10
_WORDS_TRUST = 2.0
_LOWEST = 99
# From this share of its weight known to the index, a question is one in the documents' words.
_KNOWN_ENOUGH = 0.5
_FEW = 0.25


@dataclass(frozen=True, slots=True)
class Scales:
    """The best of each list, and what the dense list ends with; None for a list without any."""

    dense_best: float | None
    dense_low: float
    words_best: float | None

    def dense(self, cosine: float) -> float:
        """Return a cosine on the scale of the list, from 0 at its end to 1 at its best."""
        if self.dense_best is None:
            return 0.0
        span = self.dense_best - self.dense_low
        return max(0.0, (cosine - self.dense_low) / span) if span else 1.0

    def words(self, score: float) -> float:
        """Return a BM25 score as a part of the best: a flat list stays flat."""
        return score / self.words_best if self.words_best else 0.0


def scale(dense: Sequence[float], words: Sequence[float]) -> Scales:
    """Return the scales of the lists, whose scores are given best first."""
    return Scales(
        dense[0] if dense else None,
        dense[min(_LOWEST, len(dense) - 1)] if dense else 0.0,
        words[0] if words else None,
    )


def weigh_dense(
    dense: Sequence[float],
    words: Sequence[float],
    agreement: float,
    known: float,
    fixed: float | None = None,
) -> tuple[float, str]:
    """Return the part of the dense list in a convex mix, and the reason in plain words.

    Scores are given best first.  `agreement` is the BM25 of the best dense passage as a part of
    the best BM25; `known` is the share of the question's weight that the index holds.  `fixed`
    is the part where the settings say it; a list that is alone counts all the same.

    Each list counts by its contrast, the fall from its first to its eleventh: a list in which
    all are alike says nothing (score shape as a predictor: Shtok et al., "Predicting query
    performance by query-drift estimation", TOIS 2012).  A dense list whose best holds none of
    the question's words comes from a model that does not know them, unless the index does not
    know them either: then the question is in other words, or another language.  Of so few
    passages that there is no twelfth the fall tells nothing, and both contrasts count as full.
    """
    if not words:
        return 1.0, "No word of the question is in the documents, so only meaning counts."
    if not dense:
        return 0.0, "Nothing was found by meaning, so only words count."
    if fixed is not None:
        return fixed, f"Meaning counts {fixed:.0%}, words {1 - fixed:.0%}: RAG_FUSION fixes it."
    trust = min(1.0, known / _KNOWN_ENOUGH)
    doubt = trust * (1 - min(1.0, agreement) ** 0.5)
    few = len(dense) <= _CONTRAST_AT + 1
    by_meaning = (1.0 if few else _dense_contrast(dense)) * (1 - doubt)
    by_words = _WORDS_TRUST * trust * (1.0 if few else _words_contrast(words))
    total = by_meaning + by_words
    weight = by_meaning / total if total else 0.5
    return weight, _reason(weight, agreement if trust == 1.0 else 1.0, trust, few)


def _dense_contrast(scores: Sequence[float]) -> float:
    best, low = scores[0], scores[min(_LOWEST, len(scores) - 1)]
    at = scores[min(_CONTRAST_AT, len(scores) - 1)]
    return (best - at) / (best - low) if best > low else 0.0


def _words_contrast(scores: Sequence[float]) -> float:
    # What the list does not hold has none of the words, and a score of 0.
    at = scores[_CONTRAST_AT] if len(scores) > _CONTRAST_AT else 0.0
    return (scores[0] - at) / scores[0]


def _reason(weight: float, agreement: float, trust: float, few: bool) -> str:
    mix = f"Meaning counts {weight:.0%}, words {1 - weight:.0%}: "
    if trust < 1:
        return mix + "many of the question's words are not in the documents."
    if agreement < _FEW:
        return mix + "what is nearest in meaning holds few of the question's words."
    if few:
        return mix + "there are too few passages for any to stand out."
    if weight < 0.5:
        return mix + "the best passages by words stand out from the others."
    return mix + "many passages hold the question's words alike."
