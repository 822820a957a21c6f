"""A candidate in, what the index finds for it out: its evidence, and what else may answer it."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rag.evaluation.base.cases import Relevant
from rag.evaluation.generate.checks import find_quote, has_all, says, without_gap
from rag.index.base.selection import Selection
from rag.query.base.hits import passage_text
from rag.query.retrieval.retrieve import retrieve
from rag.text.facts import find_facts
from rag.text.terms import index_terms, query_terms

if TYPE_CHECKING:
    from ingest.base.documents import Chunk, Vectors
    from rag.evaluation.generate.candidates import Candidate
    from rag.index.index import Index
    from rag.query.base.hits import Hit

RELATED = 0.5
"""A passage with so many of a question's terms may be about what it asks."""

NEAR = 0.75
"""A passage that stands so high between what is not related and the passage a question is about
may be about the same."""


@dataclass(frozen=True, slots=True)
class Trial:
    """Searches an index as an answer would be, a `collection` of it unless that is "".

    `twins` are documents that hold much the same; `sample` are passages of all kinds, by which
    is known how near a question is to what it has nothing to do with.
    """

    index: Index
    embed: Callable[[str], Vectors]
    top_k: int
    fusion: float | None
    collection: str
    twins: dict[tuple[str, str], tuple[str, str, int]]
    sample: Sequence[Chunk]

    def find(self, question: str, without: Sequence[str] = ()) -> tuple[Hit, ...]:
        """Return the best passages, those of the documents `without` left out."""
        collections = (self.collection,) if self.collection else ()
        selection = Selection(collections=collections, except_ids=tuple(without))
        within = selection if collections or without else None
        sought = without_gap(question)
        return retrieve(sought, self.embed, self.index, self.top_k, within, self.fusion).hits

    def find_evidence(self, candidate: Candidate, hits: Sequence[Hit]) -> tuple[Relevant, ...]:
        """Return where the words that answer stand in what was found, its own place first.

        Empty where its own place was not found.  Copies have no offsets: nobody counted them.
        """
        found: dict[tuple[str, int | None], Relevant] = {}
        for hit in hits:
            if span := find_quote(hit.chunk.text, candidate.excerpt):
                one = self._relevant(hit.chunk, *span)
                found[one.document, one.start] = one
                for copy in hit.copies:
                    found[copy.document_id, None] = Relevant(copy.document_id, one.excerpt)
        own = self._own(candidate, found)
        if own is None:
            return ()
        return (own, *(one for one in found.values() if not _is_same(one, own)))

    def hold_out(self, candidate: Candidate, evidence: Sequence[Relevant]) -> tuple[str, ...]:
        """Return the documents without which a question has no answer, as far as is known."""
        home = (candidate.passage.root, candidate.chunk.document_id)
        twin = [self.twins[home][1]] if home in self.twins else []
        return tuple(dict.fromkeys([home[1], *(one.document for one in evidence), *twin]))

    def is_near(self, candidate: Candidate, hits: Sequence[Hit]) -> bool:
        """Return whether one of the passages is about as near to a question as its own passage."""
        about = [candidate.chunk, *(hit.chunk for hit in hits)]
        strange = [one for one in self.sample if one not in about]
        vector = self.embed(without_gap(candidate.question))
        own, *left = self.index.likeness(vector, about)
        floor = statistics.median(self.index.likeness(vector, strange) or [0.0])
        return max(left) - floor >= NEAR * (own - floor)

    def _relevant(self, chunk: Chunk, start: int, end: int) -> Relevant:
        first = chunk.start + start
        page = self.index.place_at(chunk, first).page
        return Relevant(chunk.document_id, chunk.text[start:end], first, chunk.start + end, page)

    def _own(
        self, candidate: Candidate, found: dict[tuple[str, int | None], Relevant]
    ) -> Relevant | None:
        """Return the evidence at its own place, if that or a copy of it was found."""
        chunk = candidate.chunk
        if not any(document == chunk.document_id for document, _start in found):
            return None
        return self._relevant(chunk, candidate.start - chunk.start, candidate.end - chunk.start)


def is_answered_elsewhere(candidate: Candidate, hits: Sequence[Hit]) -> bool:
    """Return whether another passage has the answer and as many of the question's terms."""
    own = _share_of_terms(candidate.question, candidate.chunk)
    return any(
        says(hit.chunk.text, candidate.answer)
        and _share_of_terms(candidate.question, hit.chunk) >= own
        for hit in hits
        if not _overlap(hit.chunk, candidate.chunk)
        and find_quote(hit.chunk.text, candidate.excerpt) is None
    )


def may_still_answer(candidate: Candidate, hits: Sequence[Hit]) -> bool:
    """Return whether one of the passages that are left has the answer, in whatever form."""
    asked = find_facts(candidate.answer)
    return any(
        says(text, candidate.answer) or (asked and has_all(find_facts(text), asked))
        for text in (passage_text(hit.chunk) for hit in hits)
    )


def may_answer_near_miss(question: str, hits: Sequence[Hit]) -> bool:
    """Return whether all that a question names stands together in one of the passages."""
    question = without_gap(question)
    return any(
        _names_all(question, hit.chunk) and _share_of_terms(question, hit.chunk) >= RELATED
        for hit in hits
    )


def _names_all(question: str, chunk: Chunk) -> bool:
    """Return whether a passage has each name, number and date, as it is written or means."""
    text = f"{chunk.heading}\n{chunk.columns}\n{chunk.text}"
    there = {
        (fact.kind, value, fact.unit)
        for fact in find_facts(text)
        for value in (fact.value, *fact.others)
    }
    return all(
        (fact.kind, fact.value, fact.unit) in there or says(text, question[fact.start : fact.end])
        for fact in find_facts(question)
    )


def _share_of_terms(question: str, chunk: Chunk) -> float:
    terms = query_terms(without_gap(question))
    there = set(index_terms(chunk.embedding_text))
    return sum(term in there for term in terms) / max(1, len(terms))


def _is_same(one: Relevant, own: Relevant) -> bool:
    """Return whether a piece of evidence is, in part or with a copy's lack of offsets, its own."""
    if one.document != own.document or one.start is None or one.end is None:
        return one.document == own.document
    return one.start < (own.end or 0) and (own.start or 0) < one.end


def _overlap(one: Chunk, other: Chunk) -> bool:
    return one.document_id == other.document_id and one.start < other.end and other.start < one.end
