"""An index in, the least evidence out for which a model should be asked about its documents."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Literal

from ingest.base.errors import PipelineError
from rag.query.evidence.calibration import Calibration
from rag.query.evidence.gate import judge
from rag.query.evidence.natural import ask_naturally
from rag.query.evidence.questions import Draft, draft_questions, sample_passages
from rag.query.retrieval.retrieve import retrieve
from rag.text.terms import TERMS

if TYPE_CHECKING:
    from ingest.base.documents import Chunk, Vectors
    from rag.index.index import Index
    from rag.models.chat.model import ChatModel
    from rag.query.base.hits import Hit, Retrieval

FEWEST = 40
FOLDS = 5
RELATED_SHARE = 0.55
"""Where a passage that answers stands between the floor of an embedding model and 1, as it does
for all-MiniLM-L6-v2."""
FOLLOWED = 0.25
"""How far, from the default threshold up, the highest that the questions allow is followed.

Questions made from a text are nearer to it than those that people ask, above all in languages
the embedding model does not know: what hardly refuses one of theirs refuses many of people's.
"""
_BESIDE = 60
_THRESHOLDS = tuple(i / 20 for i in range(21))

Kind = Literal["answerable", "near-miss", "out-of-corpus"]


@dataclass(frozen=True, slots=True)
class Point:
    """What a threshold does, as shares: of questions with an answer that are refused, and of
    questions without one, of either kind, that are answered."""

    threshold: float
    wrongly_refused: float
    answered_near_miss: float
    answered_out_of_corpus: float


@dataclass(frozen=True, slots=True)
class CalibrationReport:
    """What was learned: the calibration, what each threshold does, and the chosen one.

    `allowed` is the highest threshold that keeps to the stated rate; above the default not all
    of it is followed.  `expected` is the chosen threshold measured on questions it was not
    chosen by.  `counts` say
    how many questions there were of each kind; "natural" are those that a model wrote,
    "not-written" those that it failed to write, which a rule made instead.
    """

    calibration: Calibration
    points: tuple[Point, ...]
    chosen: Point
    expected: Point
    counts: dict[str, int]
    allowed: float = 0.0


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question that was put to the index; `document` is the one it was made from."""

    kind: Kind
    document: tuple[str, str]
    score: float


def calibrate(
    index: Index,
    embed: Callable[[str], Vectors],
    top_k: int,
    *,
    questions: int = 200,
    max_wrong: float = 0.05,
    prepare: Callable[[Sequence[str]], None] = lambda _questions: None,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
    chat: ChatModel | None = None,
    on_written: Callable[[int, int], None] = lambda _done, _total: None,
    fusion: float | None = None,
) -> CalibrationReport:
    """Return a threshold that refuses no more than `max_wrong` of what has an answer.

    Questions are made from the documents themselves: with an answer, with the document held out
    that has it, and with one thing changed for another.  A `chat` model that writes makes some
    of them; `on_written` is told how many.  `prepare` gets all before the first is embedded.
    Raises PipelineError where too few can be made.
    """
    passages = sample_passages(index, questions)
    drafts = draft_questions(passages)
    if len(drafts) < FEWEST:
        raise PipelineError(
            f"only {len(drafts)} questions could be made from the documents, "
            f"{FEWEST} are the fewest",
            _tell_what_helps(len(passages), questions),
        )
    natural = failed = 0
    if chat and not chat.is_extractive:
        made = drafts
        drafts, failed = ask_naturally(drafts, passages, chat, on_written)
        natural = sum(old != new for old, new in zip(made, drafts, strict=True))
    prepare([q for draft in drafts for q in (draft.question, draft.near_miss) if q])
    scale = _find_scale(index, embed, drafts, passages)
    find = partial(_find, embed, index, fusion)
    asked: list[_Asked] = []
    twins = index.twins()
    for done, draft in enumerate(drafts, start=1):
        asked += _put(draft, find, top_k, scale, twins)
        on_progress(done, len(drafts))
    report = _conclude(asked, max_wrong, scale, len(drafts))
    counts = {**report.counts, "natural": natural, "not-written": failed}
    return replace(report, counts=counts)


def _tell_what_helps(passages: int, questions: int) -> str:
    if passages < questions:
        return "ingest more documents; without a calibration the default threshold holds"
    return "ask for more: rag calibrate --questions 500; without it the default threshold holds"


def _find(
    embed: Callable[[str], Vectors], index: Index, fusion: float | None, question: str, k: int
) -> Retrieval:
    return retrieve(question, embed, index, k, fusion=fusion)


def _put(
    draft: Draft,
    find: Callable[[str, int], Retrieval],
    top_k: int,
    scale: Calibration,
    twins: dict[tuple[str, str], tuple[str, str, int]],
) -> list[_Asked]:
    """Ask a question, the same without its document, and the one that is a near miss."""
    document = (draft.root, draft.document_id)
    held = {document, twins[document][:2]} if document in twins else {document}
    wide = find(draft.question, top_k + _BESIDE)
    hits = [hit for hit in wide.hits if not _places(hit) & held]
    cases: list[tuple[Kind, Retrieval]] = [
        ("answerable", replace(wide, hits=wide.hits[:top_k])),
        ("out-of-corpus", replace(wide, hits=tuple(hits[:top_k]))),
    ]
    if draft.near_miss:
        cases.append(("near-miss", find(draft.near_miss, top_k)))
    return [
        _Asked(kind, document, judge(found.question, [found], scale, None).score)
        for kind, found in cases
        if found.hits
    ]


def _places(hit: Hit) -> set[tuple[str, str]]:
    copies = {(copy.root, copy.document_id) for copy in hit.copies}
    return {(hit.root, hit.chunk.document_id), *copies}


def _find_scale(
    index: Index,
    embed: Callable[[str], Vectors],
    drafts: Sequence[Draft],
    passages: Sequence[tuple[str, Chunk]],
) -> Calibration:
    """Return the cosines of the embedding model for what is unrelated and what is related."""
    cosines: list[float] = []
    for draft in drafts[:FEWEST]:
        others = [chunk for _root, chunk in passages if chunk.document_id != draft.document_id]
        cosines += index.likeness(embed(draft.question), others[:FEWEST]) if others else []
    floor = statistics.median(cosines) if cosines else Calibration().floor
    return Calibration(
        floor=floor,
        related=floor + RELATED_SHARE * (1 - floor),
        identity=index.manifest.identity,
        terms=TERMS,
        chunks=index.count(),
    )


def _conclude(
    asked: Sequence[_Asked], max_wrong: float, scale: Calibration, questions: int
) -> CalibrationReport:
    threshold = _choose(asked, max_wrong)
    documents = sorted({one.document for one in asked})
    folds = [set(documents[fold::FOLDS]) for fold in range(FOLDS)]
    tested = []
    for fold in folds:
        least = _choose([one for one in asked if one.document not in fold], max_wrong)
        # Each is moved by its own threshold, so that all can be measured by one.
        tested += [replace(one, score=one.score - least) for one in asked if one.document in fold]
    counts = {kind: sum(one.kind == kind for one in asked) for kind in
              ("answerable", "near-miss", "out-of-corpus")}  # fmt: skip
    return CalibrationReport(
        replace(scale, threshold=threshold, questions=questions, max_wrong=max_wrong),
        tuple(_measure(asked, least) for least in _THRESHOLDS),
        _measure(asked, threshold),
        replace(_measure(tested, 0.0), threshold=threshold),
        counts,
        _find_allowed(asked, max_wrong),
    )


def _choose(asked: Sequence[_Asked], max_wrong: float) -> float:
    """Return the threshold allowed, nearer to the default where it is above that."""
    allowed, default = _find_allowed(asked, max_wrong), Calibration().threshold
    return min(allowed, round(default + FOLLOWED * max(0.0, allowed - default), 2))


def _find_allowed(asked: Sequence[_Asked], max_wrong: float) -> float:
    """Return the highest threshold, two digits, that refuses no more than that."""
    scores = sorted(one.score for one in asked if one.kind == "answerable")
    steps = (i / 100 for i in range(99, 0, -1))
    most = max_wrong * len(scores)
    return next((t for t in steps if sum(score < t for score in scores) <= most), 0.0)


def _measure(asked: Sequence[_Asked], threshold: float) -> Point:
    def share(kind: Kind, *, refused: bool) -> float:
        scores = [one.score for one in asked if one.kind == kind]
        return sum((score < threshold) is refused for score in scores) / max(1, len(scores))

    return Point(
        threshold,
        share("answerable", refused=True),
        share("near-miss", refused=False),
        share("out-of-corpus", refused=False),
    )
