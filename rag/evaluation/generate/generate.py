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
from rag.evaluation.generate.candidates import (
    Candidate,
    Drafted,
    Dropped,
    draft_by_model,
    draft_by_rule,
)
from rag.evaluation.generate.trial import (
    Trial,
    is_answered_elsewhere,
    may_answer_near_miss,
    may_still_answer,
)
from rag.models.base.passages import EXTRACTIVE_MODEL
from rag.query.evidence.questions import sample_passages
from rag.query.question.language import language_of
from rag.text.facts import find_facts
from rag.text.terms import query_terms

if TYPE_CHECKING:
    from ingest.base.documents import Vectors
    from rag.evaluation.judge.judge import JudgeModel
    from rag.index.index import Index
    from rag.models.base.errors import EndpointError

PASSAGES_PER_CASE = 4
"""So many passages are there for each case that is wanted: most of what is asked is dropped."""

ALIKE = 0.95
"""Questions with such a cosine that name the same things ask the same."""

_AT_ONCE = 10
_UNANSWERABLE: tuple[Kind, ...] = ("near-miss", "out-of-corpus")


@dataclass(frozen=True, slots=True)
class Generated:
    """The cases that were kept, who made them, and how many were dropped for which reason.

    `made_by` is the id of a chat model, "" where a rule made them: such are in words of the
    documents, and easier than what people ask.  `error` is why a model could not be asked for
    more.
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
    prepare: Callable[[Sequence[str]], None] = lambda _questions: None,
    on_case: Callable[[Case], None] = lambda _case: None,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Generated:
    """Return up to `wanted` cases, the share `unanswerable` of them without an answer.

    Half of the latter are near misses, one thing in a question changed for another one of the
    documents, half have the documents held out that answer (`Case.without`).  A question is kept
    when the `top_k` passages the index finds hold its evidence, or for those without an answer
    hold none, and when none before asks the same.  Copies of the evidence count as evidence.
    `chat` writes the questions, None or the embedded model leaves them to a rule.  `prepare`
    gets questions before they are embedded; `on_case` gets each case as it is kept, so that who
    stops it has those.

    Round trip: Alberti et al. 2019, arXiv:1906.05416.  Raises PipelineError where the documents
    hold too little to ask about, EndpointError where a model cannot be asked at all.
    """
    passages = sample_passages(index, PASSAGES_PER_CASE * wanted)
    made_by = chat.id if chat and chat.id != EXTRACTIVE_MODEL else ""
    drafts = draft_by_model(passages, chat) if chat and made_by else draft_by_rule(passages)
    trial = Trial(index, embed, top_k, fusion, index.twins())
    selection = _Selection(trial, _share_out(wanted, unanswerable), _tags(made_by))
    while batch := list(islice(drafts, min(_AT_ONCE, selection.missing))):
        prepare(list(_questions(batch)))
        for draft in batch:
            if case := selection.try_one(draft):
                on_case(case)
            on_progress(len(selection.cases), wanted)
    if not selection.cases:
        raise selection.error or _too_little(selection.dropped)
    cases = CaseSet("generated", tuple(selection.cases))
    return Generated(cases, made_by, dict(selection.dropped), selection.error)


@dataclass(slots=True)
class _Selection:
    """Keeps candidates that stand their trial, each as the kind that is still most wanted."""

    trial: Trial
    wanted: Mapping[Kind, int]
    tags: tuple[str, ...]
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
        case = _case(candidate.question, kind, self.tags)
        if kind == "answerable":
            return replace(case, relevant=tuple(evidence), answers=(candidate.answer,))
        without = self.trial.hold_out(candidate, evidence)
        left = self.trial.find(candidate.question, without)
        if not left or may_still_answer(candidate, left):
            return None
        return replace(case, without=without, tags=(*self.tags, "held-out"))

    def _near_miss(self, candidate: Candidate) -> Case | None:
        question = candidate.near_miss
        if not question or may_answer_near_miss(question, self.trial.find(question)):
            return None
        case = _case(question, "near-miss", self.tags)
        return replace(case, near=(candidate.chunk.document_id,))

    def _is_new(self, question: str) -> bool:
        """Return whether no question before has the same words or nearly the same meaning.

        "What does pump A cost?" means nearly what "What does pump B cost?" means to a model.
        """
        words, vector = frozenset(query_terms(question)), self.trial.embed(question)
        named = frozenset(fact.value for fact in find_facts(question))
        others = self._vectors.setdefault(named, [])
        if words in self._asked or any(float(other @ vector) > ALIKE for other in others):
            return False
        self._asked.add(words)
        others.append(vector)
        return True


def _case(question: str, kind: Kind, tags: tuple[str, ...]) -> Case:
    digest = sha256(f"{kind} {question}".encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return Case(
        f"{kind}-{digest}",
        question,
        answerable=kind == "answerable",
        kind=kind,
        language=language_of(question),
        tags=tags,
    )


def _share_out(wanted: int, unanswerable: float) -> dict[Kind, int]:
    """Return how many cases of each kind are wanted, only such as are."""
    without = round(wanted * unanswerable)
    shares: dict[Kind, int] = {
        "answerable": wanted - without,
        "near-miss": without // 2,
        "out-of-corpus": without - without // 2,
    }
    return {kind: most for kind, most in shares.items() if most}


def _tags(made_by: str) -> tuple[str, ...]:
    return ("generated", f"model:{made_by}") if made_by else ("generated", "rule", "cloze")


def _questions(drafts: Sequence[Drafted]) -> Iterator[str]:
    for draft in drafts:
        if isinstance(draft, Candidate):
            yield draft.question
            if draft.near_miss:
                yield draft.near_miss


def _too_little(dropped: Mapping[str, int]) -> PipelineError:
    told = "; ".join(f"{reason}: {count}" for reason, count in dropped.items())
    return PipelineError(
        "no question could be made from the documents" + (f" ({told})" if told else ""),
        "ingest more documents: those with sentences and figures are the best to ask about",
    )
