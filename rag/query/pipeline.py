"""The query stage on one screen: a question in, an answer whose every statement is checked out."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ingest.base.errors import PipelineError
from ingest.tokens import count_tokens
from rag.query.base.answers import Answer, Evidence, refuse
from rag.query.context.gather import gather
from rag.query.evidence.gate import judge
from rag.query.question.understand import understand
from rag.query.retrieval.retrieve import retrieve
from rag.query.survey.survey import survey
from rag.query.verify.check import NOTHING_HELD
from rag.query.writing.respond import respond

if TYPE_CHECKING:
    from rag.index.store.records import Selection
    from rag.query.base.hits import Hit, Retrieval
    from rag.query.base.questions import Asked, Show
    from rag.query.base.tools import Tools

MOST_CHARACTERS = 20_000
"""A longer question is no question, and would take minutes."""


def answer_question(question: str, selection: Selection | None, tools: Tools, show: Show) -> Answer:
    """Return a cited answer; raises PipelineError.

    Where what was found is no evidence, no model is asked.
    """
    _check(question)
    started = time.perf_counter()
    wishes, index = tools.wishes, tools.index
    asked = understand(question, wishes.history, index.documents, tools.chat, selection)
    show.asked(asked)
    if (wishes.kind or asked.kind) == "survey":
        return _told(survey(asked, tools, show), asked)
    found = search(asked, tools)
    calibration = tools.calibration()
    if calibration.problem:
        asked = replace(asked, notes=(*asked.notes, calibration.problem))
    evidence = judge(asked.query, found, calibration, wishes.refusal_threshold)
    for part, one in zip(asked.parts, found, strict=False):
        if not judge(part, [one], calibration, wishes.refusal_threshold).is_enough:
            asked = replace(asked, notes=(*asked.notes, f"no passage answers the part: {part}"))
    seconds = time.perf_counter() - started
    chat = tools.chat()
    if not evidence.is_enough or not any(one.hits for one in found):
        return _told(
            refuse(
                question,
                chat.id,
                extractive=chat.is_extractive,
                retrieve_seconds=seconds,
                context=found[0].hits,
            ),
            asked,
            evidence,
            found,
        )
    answer = respond(
        asked.query,
        _gather(found, tools, wishes.passages_tokens, count_tokens),
        chat,
        index.place_at,
        answer_tokens=wishes.answer_tokens,
        strict=wishes.strict,
        retrieve_seconds=seconds,
        show=show,
        parts=asked.parts,
        turns=wishes.history,
        regather=lambda room: _gather(found, tools, room, chat.counter.count),
    )
    return _told(answer, asked, _with_refusal(evidence, answer), found)


def find_passages(question: str, selection: Selection | None, tools: Tools) -> Answer:
    """Return what a model would be shown of the documents, best first, and no text.

    The question is understood as `answer_question` does, but one about all documents is searched
    for like any other.  `abstained` says that no model would be asked.  Raises PipelineError.
    """
    _check(question)
    started = time.perf_counter()
    wishes, index = tools.wishes, tools.index
    asked = understand(question, (), index.documents, tools.chat, selection)
    found = search(asked, tools)
    evidence = judge(asked.query, found, tools.calibration(), wishes.refusal_threshold)
    passages = _gather(found, tools, wishes.passages_tokens, count_tokens)
    is_survey = (wishes.kind or asked.kind) == "survey"
    answer = refuse(
        question,
        "",
        extractive=False,
        retrieve_seconds=time.perf_counter() - started,
        context=tuple(passages),
    )
    refused = not passages or not (evidence.is_enough or is_survey)
    answer = replace(answer, text="", abstained=refused, retrieved=sum(len(f.hits) for f in found))
    return _told(answer, asked, evidence, found)


def _check(question: str) -> None:
    if not question.strip():
        raise PipelineError("the question is empty", 'write it in quotes: rag ask "..."')
    if len(question) > MOST_CHARACTERS:
        raise PipelineError(
            f"the question has {len(question)} characters, {MOST_CHARACTERS} are the most",
            "ask in fewer words; put long texts into the folder",
        )


def search(asked: Asked, tools: Tools) -> list[Retrieval]:
    """Return what was found for the question, or for each of its parts."""
    wishes, index = tools.wishes, tools.index
    return [
        retrieve(query, tools.embed, index, wishes.top_k, asked.selection, wishes.fusion)
        for query in asked.parts or (asked.query,)
    ]


def _gather(
    found: list[Retrieval], tools: Tools, room: int, count: Callable[[str], int]
) -> list[Hit]:
    return gather(found, tools.index, room, count, tools.wishes.passages_per_file)


def _with_refusal(evidence: Evidence, answer: Answer) -> Evidence:
    """Return the evidence with what the model that was asked says against it."""
    if not answer.abstained or NOTHING_HELD in answer.notes:
        return evidence
    read = len(answer.context)
    passages = "the one passage" if read == 1 else f"the {read} passages"
    said = f"the model found no answer in {passages} it read"
    return replace(evidence, reasons=(said, *evidence.reasons))


def _told(
    answer: Answer,
    asked: Asked,
    evidence: Evidence | None = None,
    found: Sequence[Retrieval] = (),
) -> Answer:
    return replace(
        answer,
        question=asked.question,
        query=asked.query,
        parts=asked.parts,
        selection=asked.selection,
        evidence=evidence or answer.evidence,
        notes=(*asked.notes, *answer.notes),
        found=tuple(found),
    )
