"""Candidates of both lists in, one score for each out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise

from rag.query.retrieval.candidates import Candidate, highest, rarity
from rag.query.retrieval.weigh import Scales

# What stands around a passage counts beside its own score, which is 1 at most.
DOCUMENT = 0.5
NEIGHBOUR = 0.2
PHRASE = 0.15

_SATURATION = 1.2
_PHRASE_REACH = 3


def fuse(
    candidates: Sequence[Candidate],
    scales: Scales,
    dense_weight: float,
    terms: Mapping[str, float],
) -> list[float]:
    """Return the score of each candidate, from 0 to 1, in their order.

    A convex mix of both scores, each brought to one scale (Bruch, Gai, Ingber, "An Analysis of
    Fusion Functions for Hybrid Retrieval", TOIS 2023), and what speaks for a passage around it:
    its document, the passages beside it, and that it holds the question's words as a phrase.
    `terms` are those of the question that the index holds, with their weights.
    """
    own = [
        dense_weight * scales.dense(one.dense) + (1 - dense_weight) * scales.words(one.words)
        for one in candidates
    ]
    documents = score_documents(candidates, terms)
    beside = score_neighbours(candidates, own)
    phrases = score_phrases(candidates, terms)
    most = 1 + DOCUMENT + NEIGHBOUR + PHRASE
    return [
        (mine + DOCUMENT * document + NEIGHBOUR * neighbour + PHRASE * phrase) / most
        for mine, document, neighbour, phrase in zip(own, documents, beside, phrases, strict=True)
    ]


def score_documents(candidates: Sequence[Candidate], terms: Mapping[str, float]) -> list[float]:
    """Return how well each candidate's document fits the question, from 0 to 1.

    A passage seldom repeats what its whole document is about ("the company" for its name), so
    each term counts by how many candidates of the document hold it, as BM25 counts how often a
    text holds it, and by how few of the documents do.  Documents with a single candidate tell
    nothing beyond it: the whole fades as documents become as many as candidates.
    """
    documents = [one.document for one in candidates]
    sizes = Counter(documents)
    holding: dict[str, Counter[tuple[str, str]]] = {term: Counter() for term in terms}
    for one, document in zip(candidates, documents, strict=True):
        for term, counts in holding.items():
            if f" {term} " in one.terms:
                counts[document] += 1
    values = dict.fromkeys(sizes, 0.0)
    for counts in holding.values():
        weight = rarity(len(counts), len(sizes))
        for document, count in counts.items():
            values[document] += weight * count * (_SATURATION + 1) / (count + _SATURATION)
    best = highest(values.values())
    share = 1 - len(sizes) / len(candidates) if candidates else 0.0
    return [share * values[document] / best for document in documents]


def score_neighbours(candidates: Sequence[Candidate], own: Sequence[float]) -> list[float]:
    """Return the score of the better passage right before or after each candidate, else 0."""
    at = {one.place: score for one, score in zip(candidates, own, strict=True)}
    return [
        max(at.get((root, name, ordinal + step), 0.0) for step in (-1, 1))
        for root, name, ordinal in (one.place for one in candidates)
    ]


def score_phrases(candidates: Sequence[Candidate], terms: Mapping[str, float]) -> list[float]:
    """Return the share of the question's weight that stands together, from 0 to 1.

    Two terms that follow each other in the question weigh as the lesser of them where they
    follow each other in the passage, with at most two terms between (pairs in order: Metzler
    and Croft, "A Markov random field model for term dependencies", SIGIR 2005).
    """
    total = sum(terms.values()) or 1.0
    pairs = [
        (f" {first} ", f" {second} ", min(terms[first], terms[second]))
        for first, second in pairwise(terms)
    ]
    return [
        sum(weight for *pair, weight in pairs if _is_followed(one.terms, *pair)) / total
        for one in candidates
    ]


def _is_followed(text: str, first: str, second: str) -> bool:
    """Tell whether a term stands shortly after another; all have blanks around them."""
    at = text.find(first) if second in text else -1
    while at >= 0:
        at += len(first) - 1
        if second.strip() in text[at:].split(" ", _PHRASE_REACH + 1)[1 : _PHRASE_REACH + 1]:
            return True
        at = text.find(first, at)
    return False
