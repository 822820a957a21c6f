"""A question in, the passages most likely to answer it out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from rag.query.base.hits import Hit, Retrieval, Scored
from rag.query.retrieval.candidates import (
    Candidate,
    join_lists,
    rank_texts,
    weigh_terms,
)
from rag.query.retrieval.fuse import fuse
from rag.query.retrieval.weigh import scale, weigh_dense
from rag.text.terms import query_terms

if TYPE_CHECKING:
    from ingest.base.documents import Chunk, Vectors
    from rag.index.finding.found import Ranking
    from rag.index.store.records import Selection

# So many of each list show how its scores fall, and so many of them are candidates.
LIST_LENGTH = 100
CANDIDATES = 50


class Searchable(Protocol):
    """An index that finds texts by their vectors and by their words, each text once."""

    def rank(
        self, vector: Vectors, k: int, named: int, selection: Selection | None = None
    ) -> Ranking:
        """Return the `k` best, the first `named` with their chunks; scores are cosines."""
        ...

    def rank_words(
        self, terms: Sequence[str], k: int, named: int, selection: Selection | None = None
    ) -> Ranking:
        """Return the same of those that hold one of the terms; scores are BM25, above 0."""
        ...

    def likeness(self, vector: Vectors, chunks: Sequence[Chunk]) -> list[float]:
        """Return the cosine of each chunk's vector with the question's, in their order."""
        ...

    def word_scores(self, terms: Sequence[str], chunks: Sequence[Chunk]) -> list[float]:
        """Return the BM25 of each chunk, 0 where it holds none of the terms, in their order."""
        ...

    def terms_of(self, chunks: Sequence[Chunk]) -> Sequence[str]:
        """Return the terms by which each chunk is found, a blank before and behind each."""
        ...

    def frequency(self, terms: Sequence[str]) -> Mapping[str, int]:
        """Return how many chunks hold each of the terms."""
        ...

    def count(self, selection: Selection | None = None) -> int:
        """Return how many chunks are searched."""
        ...


def retrieve(
    question: str,
    embed_query: Callable[[str], Vectors],
    index: Searchable,
    k: int,
    selection: Selection | None = None,
    fusion: float | None = None,
) -> Retrieval:
    """Return the `k` best chunks for the question by meaning and by words, no text twice.

    The best of both lists are scored by both ways of searching; the lists are weighed by what
    their scores show (`weigh_dense`), or as `fusion` says, then both scores are fused (`fuse`).
    Ties are broken by id.  A text at several places is one hit: a copied file would otherwise
    fill the list.
    """
    vector, terms, length = embed_query(question), query_terms(question), max(k, LIST_LENGTH)
    most = max(k, CANDIDATES)
    dense = index.rank(vector, length, most, selection)
    words = index.rank_words(terms, length, most, selection)
    chunks, frequency = index.count(), index.frequency(terms)
    weights = weigh_terms(terms, frequency, chunks)
    candidates = _score_by_both(dense, words, vector, terms, index)
    scales = scale(dense.scores, words.scores)
    agreement = scales.words(candidates[0].words) if dense.scores and words.scores else 0.0
    weight, reason = weigh_dense(dense.scores, words.scores, agreement, weights.known, fusion)
    reason = reason if terms else "The question has no word to search for: only meaning counts."
    scores = fuse(candidates, scales, weight, weights.terms)
    return Retrieval(
        question,
        _best(candidates, scores, k),
        {"dense": weight, "words": 1 - weight},
        (reason,),
        tuple(terms),
        frequency,
        chunks,
    )


def _score_by_both(
    dense: Ranking,
    words: Ranking,
    vector: Vectors,
    terms: Sequence[str],
    index: Searchable,
) -> list[Candidate]:
    """Return what the lists hold, each with both scores: the dense list first, in its order."""
    found = join_lists(dense.named, words.named)
    ranks = {"dense": rank_texts(dense, words), "words": rank_texts(words, dense)}
    held = index.terms_of([one.chunk for one in found.values()])
    cosines = _score_all(found, dense.named, lambda chunks: index.likeness(vector, chunks))
    weights = _score_all(found, words.named, lambda chunks: index.word_scores(terms, chunks))
    return [
        Candidate(
            one,
            cosines[text],
            weights[text],
            {name: ranked[text] for name, ranked in ranks.items() if text in ranked},
            terms,
        )
        for (text, one), terms in zip(found.items(), held, strict=True)
    ]


def _score_all(
    found: Mapping[str, Scored],
    ranked: Sequence[Scored],
    ask: Callable[[Sequence[Chunk]], list[float]],
) -> dict[str, float]:
    """Return the score of every text: that of the list, or what is asked for what it lacks."""
    scores = {one.chunk.text: one.score for one in ranked}
    missing = [one.chunk for text, one in found.items() if text not in scores]
    return scores | dict(zip((chunk.text for chunk in missing), ask(missing), strict=True))


def _best(candidates: Sequence[Candidate], scores: Sequence[float], k: int) -> tuple[Hit, ...]:
    order = sorted(
        zip(candidates, scores, strict=True), key=lambda pair: (-pair[1], pair[0].found.chunk.id)
    )
    return tuple(
        Hit(
            one.found.chunk,
            score,
            rank,
            one.why,
            one.found.root,
            one.found.copies,
            {"dense": one.dense, "words": one.words},
        )
        for rank, (one, score) in enumerate(order[:k], start=1)
    )
