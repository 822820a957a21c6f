"""Whatever a system returned in, a response that can be measured out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypeAlias

from ingest.base.errors import PipelineError
from rag.evaluation.base.responses import Passage, Response, Said, Spent
from rag.history.records import read_record, write_record
from rag.query.base.answers import Answer
from rag.query.base.hits import Hit, Retrieval

Returned: TypeAlias = Answer | Retrieval | Sequence[Hit] | Response | str


def as_response(returned: Returned, seconds: float) -> Response:
    """Return what a system returned after so many seconds as a response.

    Its own clock goes before ours.  Numbers of numpy are numbers, lists are tuples.  Raises
    PipelineError for what is no answer, or holds what cannot be kept.
    """
    response = _read(returned)
    spent = response.spent
    return response if spent.total else replace(response, spent=replace(spent, total=seconds))


def _read(returned: Returned) -> Response:
    if isinstance(returned, Response):
        return _as_kept(returned)
    if isinstance(returned, Answer):
        return _of_answer(returned)
    if isinstance(returned, Retrieval):
        return Response(ranked=_passages(returned.hits))
    if isinstance(returned, str):
        return Response(text=returned)
    if isinstance(returned, list | tuple) and all(isinstance(one, Hit) for one in returned):
        return Response(ranked=_passages(returned))
    raise PipelineError(
        f"the system returned {type(returned).__name__}, which is no answer",
        "return a text, or a rag.Response with what was found",
    )


def _as_kept(response: Response) -> Response:
    """Return a response as it is read again from a file, so that this is what is measured."""
    try:
        return read_record(Response, write_record(response))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise PipelineError(
            f"the system returned a Response that cannot be kept: {error}",
            "texts are str, numbers are int or float, passages are rag.Passage",
        ) from error


def _of_answer(answer: Answer) -> Response:
    """Return an answer of ours; where no model was to write one it has no text.

    A model that was not asked, as what was found is no evidence, was shown nothing.
    """
    usage = answer.usage
    refused = answer.abstained and bool(answer.model) and not answer.messages
    return Response(
        text=answer.text if answer.text or answer.model else None,
        ranked=_passages(_in_turn(answer.found)) if answer.found else None,
        context=() if refused else _passages(answer.context),
        statements=tuple(
            Said(s.start, s.end, tuple(number - 1 for number in s.numbers), s.supported)
            for s in answer.statements
        ),
        abstained=answer.abstained,
        evidence=answer.evidence.score if answer.evidence else None,
        spent=replace(
            _times(answer),
            prompt_tokens=usage.prompt_tokens or None,
            answer_tokens=usage.answer_tokens or None,
        ),
        model=answer.model,
        notes=answer.notes,
    )


def _times(answer: Answer) -> Spent:
    """Return the seconds; where no model was asked there is no first word, nor a speed where
    sentences were quoted, not written.
    """
    timings, wrote = answer.timings, bool(answer.messages)
    native = answer.native.tokens_per_second if answer.native else 0.0
    return Spent(
        retrieve=timings.retrieve_seconds,
        first_token=timings.first_token_seconds if wrote else None,
        total=timings.total_seconds,
        tokens_per_second=None if answer.extractive else native or timings.tokens_per_second,
    )


def _in_turn(found: Iterable[Retrieval]) -> list[Hit]:
    """Return the hits of all parts of a question by their rank, each passage once."""
    first: dict[tuple[str, str], Hit] = {}
    for hit in sorted((hit for one in found for hit in one.hits), key=lambda hit: hit.rank):
        first.setdefault((hit.root, hit.chunk.id), hit)
    return list(first.values())


def _passages(hits: Iterable[Hit]) -> tuple[Passage, ...]:
    return tuple(
        Passage(
            document=hit.chunk.document_id,
            text=hit.chunk.text,
            start=hit.chunk.start,
            end=hit.chunk.end,
            page=hit.chunk.page,
            score=hit.score,
            tokens=hit.chunk.tokens,
            places=tuple(copy.document_id for copy in hit.copies),
        )
        for hit in hits
    )
