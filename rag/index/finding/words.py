"""Terms in, the chunks that hold them out, by BM25."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from threading import RLock
from typing import TYPE_CHECKING

from ingest.base.documents import Chunk
from rag.index.finding.bm25 import Weights, weigh
from rag.index.finding.found import Found, Ranking, name_texts, rank_best
from rag.index.store.catalogue import Catalogue
from rag.index.store.records import Selection, storable

if TYPE_CHECKING:
    from rag.index.finding.postings import Postings

MOST_WALKED = 100_000
"""The rarest terms of a question are looked up until so many chunks hold one of them.

The others find no candidates but count in their scores, after the idea of Turtle and Flood,
"Query Evaluation: Strategies and Optimizations", 1995.  Of ten terms in 10,000 chunks none is
left out; in 100,000 the first ten found stay the same and 97 of the first hundred, in half the
time at p95.
"""
CANDIDATES = 2
"""For each text wanted so many chunks are scored: some texts stand at several places, and where
terms were left out, others may be better in full."""
FEW = 1000
"""Of a selection of up to so many chunks every one is scored."""
MOST_REMEMBERED = 10_000
"""The terms of so many chunks are kept in memory, some 10 MB: many questions want the same."""


class WordSearcher:
    """Searches the words of one catalogue; from several threads, one at a time."""

    def __init__(
        self, catalogue: Catalogue, most_walked: int = MOST_WALKED, few: int = FEW
    ) -> None:
        self._catalogue = catalogue
        self._most_walked = most_walked
        self._few = few
        self._lock = RLock()
        self._state: tuple[int, int] | None = None
        self._frequency: dict[str, int] = {}
        self._postings: Postings | None = None
        self._joined: dict[str, str] = {}

    def rank(
        self, terms: Sequence[str], k: int, named: int, selection: Selection | None
    ) -> Ranking:
        """Return the `k` best texts that hold one of the terms, the first `named` with chunks."""
        if k <= 0:
            return Ranking([], [], [])
        with self._lock, self._catalogue.snapshot():
            held = {term: n for term, n in self.frequency(terms).items() if n}
            if not held:
                return Ranking([], [], [])
            weights = weigh(held, *self._catalogue.count_words())
            scored = self._find(held, weights, k, selection)

            def name(texts: Sequence[int]) -> list[Found]:
                places = self._catalogue.occurrences(texts, selection)
                others = [one.number for one in places if one.number not in scored]
                scored.update(self._score(others, weights))
                return name_texts(places, lambda one: scored[one.number][1])

            return rank_best(_best_of(scored), k, named, name)

    def scores(self, terms: Sequence[str], chunks: Sequence[Chunk]) -> list[float]:
        """Return the BM25 of each chunk, 0 where it holds none of the terms or is not there."""
        with self._lock, self._catalogue.snapshot():
            weights = weigh(self.frequency(terms), *self._catalogue.count_words())
            joined = self._join(chunks)
            return [weights.score(joined.get(chunk.id, "")) for chunk in chunks]

    def terms_of(self, chunks: Sequence[Chunk]) -> list[str]:
        """Return the terms of each chunk, a blank before and behind each, "" if it is gone."""
        with self._lock, self._catalogue.snapshot():
            self._refresh()
            joined = self._join(chunks)
            found = (joined.get(chunk.id, "") for chunk in chunks)
            return [f" {terms} " if terms else "" for terms in found]

    def frequency(self, terms: Iterable[str]) -> dict[str, int]:
        """Return how many chunks hold each of the terms."""
        with self._lock, self._catalogue.snapshot():
            self._refresh()
            for term in terms:
                if term not in self._frequency:
                    known = storable(term)
                    self._frequency[term] = self._catalogue.count_chunks_with(known)
            return {term: self._frequency[term] for term in terms}

    def _refresh(self) -> None:
        """Forget what was read before the last change."""
        state = self._catalogue.state()
        if state != self._state:
            self._frequency, self._postings, self._joined = {}, None, {}
            self._state = state

    def _join(self, chunks: Sequence[Chunk]) -> dict[str, str]:
        """Return the terms of chunks by id, with blanks between them."""
        new = list({chunk.id for chunk in chunks} - self._joined.keys())
        if len(new) + len(self._joined) > MOST_REMEMBERED:
            self._joined, new = {}, list({chunk.id for chunk in chunks})
        self._joined.update(self._catalogue.words_of_chunks(new))
        return self._joined

    def _find(
        self, held: Mapping[str, int], weights: Weights, k: int, selection: Selection | None
    ) -> dict[int, tuple[int, float]]:
        """Return text and score of chunks, among them the `k` best texts if there are so many."""
        from rag.index.finding.postings import Postings, read_numbers

        allowed = None
        if selection is not None:
            allowed = read_numbers(self._catalogue.chunk_numbers(selection))
            if len(allowed) <= self._few:
                return self._score(allowed.tolist(), weights)
        postings = self._postings = self._postings or Postings(self._catalogue)
        most = k
        while True:
            rarest = _rarest(held, most, self._most_walked)
            all_of_them = len(rarest) == len(held)
            wanted = CANDIDATES * most
            scored = postings.best(rarest, weights, wanted, allowed)
            found = len(scored)
            if not all_of_them:
                scored = self._score(list(scored), weights)
            if len(_best_of(scored)) >= k or (all_of_them and found < wanted):
                return scored
            most *= 4

    def _score(self, numbers: Sequence[int], weights: Weights) -> dict[int, tuple[int, float]]:
        """Return the text and the score of each chunk, by number."""
        rows = self._catalogue.words_of(numbers)
        return {number: (text, weights.score(joined)) for number, text, joined in rows}


def _rarest(held: Mapping[str, int], least: int, most: int) -> list[str]:
    """Return the terms that `most` chunks hold at most, rarest first, `least` in any case."""
    chosen: list[str] = []
    places = 0
    for term in sorted(held, key=lambda term: (held[term], term)):
        if places >= least and places + held[term] > most:
            break
        chosen.append(term)
        places += held[term]
    return chosen


def _best_of(scored: Mapping[int, tuple[int, float]]) -> dict[int, float]:
    """Return the best score of each text that has one above 0."""
    best: dict[int, float] = {}
    for text, score in scored.values():
        if score > 0:
            best[text] = max(score, best.get(text, 0.0))
    return best
