"""An index in, labelled questions about its documents out, each tried before it is kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from itertools import islice
from typing import TYPE_CHECKING

from ingest.base.errors import PipelineError
from rag.evaluation.base.cases import Case, CaseSet, Kind, Relevant
from rag.evaluation.generate.by_model import draft_by_model, may_answer
from rag.evaluation.generate.by_rule import draft_by_rule
from rag.evaluation.generate.candidates import Candidate, Drafted, Dropped, choose_passages
from rag.evaluation.generate.checks import without_gap
from rag.evaluation.generate.trial import (
    Trial,
    is_answered_elsewhere,
    may_answer_near_miss,
    may_still_answer,
)
from rag.models.base.passages import EXTRACTIVE_MODEL
from rag.text.facts import find_facts
from rag.text.terms import query_terms

if TYPE_CHECKING:
    from ingest.base.documents import Vectors
    from rag.evaluation.judge.judge import JudgeModel
    from rag.index.index import Index
    from rag.models.base.errors import EndpointError
    from rag.query.base.hits import Hit

PASSAGES_PER_CASE = 4
"""So many passages are there for each case that is wanted: most of what is asked is dropped."""

ALIKE = 0.95
"""Questions with such a cosine that name the same things ask the same."""

_AT_ONCE = 10
_SAMPLE = 40
_UNANSWERABLE: tuple[Kind, ...] = ("near-miss", "unanswerable")


@dataclass(frozen=True, slots=True)
class Generated:
    """The cases that were kept, who made them, and how many were dropped for which reason.

    `made_by` is the id of a chat model, "" where a rule made them: such are sentences with a gap
    and headings of the documents, and easier than what people ask.  `error` is why a model could
    not be asked for more.
    """

    cases: CaseSet
    made_by: str
    dropped: Mapping[str, int]
    error: EndpointError | None = None


def generate_cases(
    index: Index,
    embed: Callable[[str], Vectors],
    chat: JudgeModel | None,
    *,
    wanted: int = 100,
    unanswerable: float = 0.25,
    top_k: int = 8,
    fusion: float | None = None,
    collection: str = "",
    prepare: Callable[[Sequence[str]], None] = lambda _questions: None,
    on_case: Callable[[Case], None] = lambda _case: None,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Generated:
    """Return up to `wanted` cases, the share `unanswerable` of them without an answer.

    Half of the latter are near misses, one thing in a question changed for another one of the
    documents, half have the documents held out that answer (`Case.without`).  These are of the
    kind "unanswerable": what is left is often about the same, which "out-of-corpus" is not.
    A question is kept when the `top_k` passages the index finds, in a `collection` unless that is
    "", hold its evidence, or for those without an answer hold none, and when none before asks the
    same.  Copies of the evidence count as evidence.  `chat` writes the questions and says whether
    those without an answer have none; None or the embedded model leaves them to a rule.
    `prepare` gets questions before they are embedded; `on_case` gets each case as it is kept, so
    that who stops it has those.

    Round trip: Alberti et al. 2019, arXiv:1906.05416.  Raises PipelineError where the documents
    hold too little to ask about, EndpointError where a model cannot be asked at all.
    """
    passages = choose_passages(index, PASSAGES_PER_CASE * wanted, collection)
    writer = chat if chat and chat.id != EXTRACTIVE_MODEL else None
    drafts = draft_by_model(passages, writer) if writer else draft_by_rule(passages)
    sample = [one.chunk for one in passages[:_SAMPLE]]
    trial = Trial(index, embed, top_k, fusion, collection, index.twins(), sample)
    selection = _Selection(trial, _share_out(wanted, unanswerable), writer)
    most = 1 if writer else _AT_ONCE
    while batch := list(islice(drafts, min(most, selection.missing))):
        prepare(list(_questions(batch)))
        for draft in batch:
            if case := selection.try_one(draft):
                on_case(case)
            on_progress(len(selection.cases), wanted)
    if not selection.cases:
        raise selection.error or _too_little(selection.dropped)
    cases = CaseSet("generated", tuple(selection.cases))
    return Generated(cases, writer.id if writer else "", dict(selection.dropped), selection.error)


@dataclass(slots=True)
class _Selection:
    """Keeps candidates that stand their trial, each as the kind that is still most wanted."""

    trial: Trial
    wanted: Mapping[Kind, int]
    writer: JudgeModel | None
    cases: list[Case] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)
    error: EndpointError | None = None
    _made: Counter[Kind] = field(default_factory=Counter)
    _asked: set[frozenset[str]] = field(default_factory=set)
    _places: set[tuple[str, int]] = field(default_factory=set)
    _vectors: dict[frozenset[str], list[Vectors]] = field(default_factory=dict)

    @property
    def missing(self) -> int:
        """Return how many cases are still wanted."""
        return sum(self.wanted.values()) - len(self.cases)

    def try_one(self, draft: Drafted) -> Case | None:
        """Return the case that was made of a draft and kept, None where it was dropped."""
        made = draft if isinstance(draft, Dropped) else self._make(draft)
        if isinstance(made, Case):
            self.cases.append(made)
            self._made[made.kind] += 1
            return made
        self.dropped[made.reason] += 1
        self.error = made.error or self.error
        return None

    def _make(self, candidate: Candidate) -> Case | Dropped:
        if (candidate.chunk.document_id, candidate.start) in self._places:
            return Dropped("the same evidence was asked for before")
        hits = self.trial.find(candidate.question)
        evidence = self.trial.find_evidence(candidate, hits)
        if not evidence:
            return Dropped("its own passage is not found")
        if is_answered_elsewhere(candidate, hits):
            return Dropped("another passage may answer it as well")
        for kind in self._kinds():
            case = self._as(kind, candidate, evidence)
            if case is None:
                continue
            if not self._is_new(case.question):
                return Dropped("the same was asked before")
            self._places.add((candidate.chunk.document_id, candidate.start))
            return case
        return Dropped("what is still wanted cannot be made of it")

    def _kinds(self) -> list[Kind]:
        """Return the kinds that are wanted, the one of which the least share is there first.

        Last comes the other kind without an answer: where one cannot be made, it takes its place.
        """
        left = [kind for kind, most in self.wanted.items() if self._made[kind] < most]
        left.sort(key=lambda kind: self._made[kind] / self.wanted[kind])
        if not {*left} & {*_UNANSWERABLE}:
            return left
        return [*left, *(kind for kind in _UNANSWERABLE if kind not in left)]

    def _as(self, kind: Kind, candidate: Candidate, evidence: Sequence[Relevant]) -> Case | None:
        """Return the case of a kind that a candidate can be, None where it cannot."""
        if kind == "near-miss":
            return self._near_miss(candidate)
        if kind == "unanswerable":
            return self._held_out(candidate, evidence)
        answers = (candidate.answer,) if candidate.answer else ()
        case = _case(candidate, candidate.question, kind)
        return replace(case, relevant=tuple(evidence), answers=answers)

    def _near_miss(self, candidate: Candidate) -> Case | None:
        question = candidate.near_miss
        if not question:
            return None
        hits = self.trial.find(question)
        if may_answer_near_miss(question, hits) or self._may_answer(question, hits):
            return None
        case = _case(candidate, question, "near-miss")
        return replace(case, near=(candidate.chunk.document_id,))

    def _held_out(self, candidate: Candidate, evidence: Sequence[Relevant]) -> Case | None:
        if not candidate.answer:
            return None
        without = self.trial.hold_out(candidate, evidence)
        left = self.trial.find(candidate.question, without)
        if not left or may_still_answer(candidate, left) or self.trial.is_near(candidate, left):
            return None
        if self._may_answer(candidate.question, left):
            return None
        case = _case(candidate, candidate.question, "unanswerable")
        return replace(case, without=without, tags=(*case.tags, "held-out"))

    def _may_answer(self, question: str, hits: Sequence[Hit]) -> bool:
        return self.writer is not None and may_answer(self.writer, question, hits)

    def _is_new(self, question: str) -> bool:
        """Return whether no question before has the same words or nearly the same meaning.

        "What does pump A cost?" means nearly what "What does pump B cost?" means to a model.
        """
        question = without_gap(question)
        words, vector = frozenset(query_terms(question)), self.trial.embed(question)
        named = frozenset(fact.value for fact in find_facts(question))
        others = self._vectors.setdefault(named, [])
        if words in self._asked or any(float(other @ vector) > ALIKE for other in others):
            return False
        self._asked.add(words)
        others.append(vector)
        return True


def _case(candidate: Candidate, question: str, kind: Kind) -> Case:
    digest = sha256(f"{kind} {question}".encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return Case(
        f"{kind}-{digest}",
        question,
        answerable=kind == "answerable",
        kind=kind,
        language=candidate.passage.language,
        tags=("generated", *candidate.tags),
    )


def _share_out(wanted: int, unanswerable: float) -> dict[Kind, int]:
    """Return how many cases of each kind are wanted, only such as are."""
    without = round(wanted * unanswerable)
    shares: dict[Kind, int] = {
        "answerable": wanted - without,
        "near-miss": without // 2,
        "unanswerable": without - without // 2,
    }
    return {kind: most for kind, most in shares.items() if most}


def _questions(drafts: Sequence[Drafted]) -> Iterator[str]:
    for draft in drafts:
        if isinstance(draft, Candidate):
            yield without_gap(draft.question)
            if draft.near_miss:
                yield without_gap(draft.near_miss)


def _too_little(dropped: Mapping[str, int]) -> PipelineError:
    told = "; ".join(f"{reason}: {count}" for reason, count in dropped.items())
    return PipelineError(
        "no question could be made from the documents" + (f" ({told})" if told else ""),
        "ingest more documents: those with sentences and figures are the best to ask about",
    )
