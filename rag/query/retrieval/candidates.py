"""The passages that one way of searching or another has found, with all that ranks them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rag.query.base.hits import Scored

if TYPE_CHECKING:
    from rag.index.finding.found import Ranking


@dataclass(frozen=True, slots=True)
class Candidate:
    """A passage with its cosine and its BM25, also where it is not among the best of a list.

    `why` holds its rank in each list that has it; `terms` are all of its terms in order, with a
    blank before and behind each.
    """

    found: Scored
    dense: float
    words: float
    why: Mapping[str, int]
    terms: str = ""

    @property
    def document(self) -> tuple[str, str]:
        """Return what names its document in an index of several folders."""
        return self.found.root, self.found.chunk.document_id

    @property
    def place(self) -> tuple[str, str, int]:
        """Return where it stands in its document."""
        return (*self.document, self.found.chunk.ordinal)


@dataclass(frozen=True, slots=True)
class Weights:
    """What the terms of a question say: the rarer in what is searched, the more.

    `known` is the share of that which the index holds at all, 0 without terms.
    """

    terms: Mapping[str, float] = field(default_factory=dict)
    known: float = 0.0


def weigh_terms(terms: Sequence[str], frequency: Mapping[str, int], chunks: int) -> Weights:
    """Weigh terms as BM25 does (Robertson and Sparck Jones, "Relevance weighting", 1976)."""
    weight = {term: rarity(frequency.get(term, 0), chunks) for term in terms}
    total = sum(weight.values())
    held = {term: value for term, value in weight.items() if frequency.get(term)}
    return Weights(held, sum(held.values()) / total if total else 0.0)


def rarity(holding: int, among: int) -> float:
    """Return the weight of a term that so many of so many hold, never below 0."""
    return math.log1p(max(0.0, among - holding + 0.5) / (holding + 0.5))


def join_lists(dense: Sequence[Scored], words: Sequence[Scored]) -> dict[str, Scored]:
    """Return what the lists hold by text, each text once, at the place that ranks best."""
    found = {item.chunk.text: item for item in dense}
    ranks = {text: rank for rank, text in enumerate(found)}
    for rank, item in enumerate(words):
        if rank < ranks.get(item.chunk.text, rank + 1):
            found[item.chunk.text] = item
    return found


def rank_texts(ranking: Ranking, other: Ranking) -> dict[str, int]:
    """Return the rank in a list of each text that it, or another list, names."""
    ranks = {text: rank for rank, text in enumerate(ranking.texts, start=1)}
    return {
        found.chunk.text: ranks[text]
        for listed in (other, ranking)
        for found, text in zip(listed.named, listed.texts, strict=False)
        if text in ranks
    }


def highest(values: Iterable[float]) -> float:
    """Return the highest value, 1 where there is none above 0."""
    return max(values, default=0.0) or 1.0
