"""A prompt in, a cited answer out, streamed on the way."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NoReturn

from ingest.base.documents import Chunk, Place
from rag.models.base.errors import BadResponse, EndpointError, OnlyThought
from rag.models.base.messages import Delta, NativeReport, Usage
from rag.models.base.passages import NOT_IN_DOCUMENTS
from rag.models.chat.thinking import split_thinking
from rag.models.families import may_be_same
from rag.query.cite import Citation, cite
from rag.query.fuse import Hit
from rag.query.prompt import Prompt

REFUSAL = "Not in your documents."
THINKING_SWITCHED_OFF = "thinking was switched off after the model wrote only thoughts"
BROKE_OFF = "the server broke off"
"""How the note begins that says, in the server's own words, why an answer ends in the middle."""

_CALLED_TOOL = (
    "{} called a tool instead of answering",
    "ask again, or load another chat model",
)
_FILTERED = ("the server's filter cut the whole answer of {}", "ask in other words")
# Finish reasons, "stop" and whatever servers call it aside, with why there may be no text.
_WHY_EMPTY = {
    "content_filter": _FILTERED,
    "tool_calls": _CALLED_TOOL,
    "function_call": _CALLED_TOOL,
}
_INCOMPLETE = frozenset(("length", "truncated", *_WHY_EMPTY))
_MOST_TOKENS = 10**9


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds for finding passages, until the first word, and in all."""

    retrieve_seconds: float
    first_token_seconds: float
    total_seconds: float
    tokens_per_second: float | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What was asked, what was answered, and where every statement comes from.

    Every `[n]` in `text` has a citation, but for brackets inside a quotation.  `abstained`
    means that the passages do not hold the answer; `context` then holds the nearest ones.
    `complete` is False when the answer was cut off: by its limit (`finish_reason` "length"), by
    a fault ("truncated"), by a filter ("content_filter") or for a tool ("tool_calls",
    "function_call"); any other reason is an answer's own end.  `extractive` says that sentences
    were quoted by the embedded model, not written.  `retrieved` passages were found; those in
    `context` fitted.  `model` was asked, `served_by` is who the server says answered, "" if it
    does not.  `notes` are for the reader, one line each.  `native` is what LM Studio's own
    surface adds, None elsewhere.
    """

    question: str
    text: str
    citations: tuple[Citation, ...]
    context: tuple[Hit, ...]
    retrieved: int
    abstained: bool
    complete: bool
    finish_reason: str
    extractive: bool
    model: str
    served_by: str
    notes: tuple[str, ...]
    usage: Usage
    timings: Timings
    native: NativeReport | None = None


def write_answer(
    question: str,
    prompt: Prompt,
    stream: Iterable[Delta],
    place_at: Callable[[Chunk, int], Place],
    *,
    model: str,
    extractive: bool,
    retrieve_seconds: float,
    notes: Sequence[str] = (),
    on_text: Callable[[str], None] = lambda _text: None,
    on_thinking: Callable[[str], None] = lambda _text: None,
) -> Answer:
    """Return the answer that the stream holds; `on_text` gets each piece as it arrives.

    What a reasoning model thinks goes to `on_thinking` and is no part of the answer.

    A refusal is never shown to `on_text`: the text is held back until it is known to be none.
    A stream that breaks after the first words gives an answer that is not complete, with what
    the server said in its notes; what breaks after the finish reason is no matter.  Raises
    EndpointError when it broke before, OnlyThought when the model wrote nothing but thoughts,
    BadResponse when it wrote nothing at all.  Before ContextOverflow and OnlyThought nothing
    was shown to `on_text`: the question can be asked again.
    """
    draft = _Draft(on_text, on_thinking)
    draft.fill(stream)
    thought, text = split_thinking(draft.text)
    if not text.strip():
        draft.fail(model, has_thought=draft.reasoned or bool(thought.strip()))
    abstained = _is_refusal(text)
    if not abstained:
        draft.show_rest()
    text, citations = (REFUSAL, ()) if abstained else cite(text.strip(), prompt.context, place_at)
    return Answer(
        question=question,
        text=text,
        citations=citations,
        context=prompt.context,
        retrieved=prompt.retrieved,
        abstained=abstained,
        complete=draft.end not in _INCOMPLETE,
        finish_reason=draft.end,
        extractive=extractive,
        model=model,
        served_by=draft.served_by,
        notes=(*notes, *_notes(prompt, model, draft)),
        usage=draft.usage,
        timings=draft.timings(retrieve_seconds),
        native=draft.native,
    )


def refuse(question: str, model: str, *, extractive: bool, retrieve_seconds: float) -> Answer:
    """Return the answer to a question for which the index holds no passage at all."""
    return Answer(
        question=question,
        text=REFUSAL,
        citations=(),
        context=(),
        retrieved=0,
        abstained=True,
        complete=True,
        finish_reason="stop",
        extractive=extractive,
        model=model,
        served_by="",
        notes=(),
        usage=Usage(),
        timings=Timings(retrieve_seconds, retrieve_seconds, retrieve_seconds, None),
    )


class _Draft:
    """An answer while it is being written."""

    def __init__(self, on_text: Callable[[str], None], on_thinking: Callable[[str], None]) -> None:
        self._on_text = on_text
        self._on_thinking = on_thinking
        self._shown = 0
        self.text = ""
        self.reasoned = False
        self.served_by = ""
        self.finish_reason: str | None = None
        self.fault: EndpointError | None = None
        self.usage = Usage()
        self.native: NativeReport | None = None
        self._began_at = 0.0
        self._first_text_at: float | None = None
        self._ended_at = 0.0

    def fill(self, stream: Iterable[Delta]) -> None:
        self._began_at = time.perf_counter()
        try:
            for delta in stream:
                self.add(delta)
        except EndpointError as error:
            # What was written before the server failed is kept, marked as cut off.
            if not self.text.strip():
                raise
            self.fault = None if self.finish_reason else error
        self._ended_at = time.perf_counter()

    @property
    def end(self) -> str:
        """Return the finish reason, "truncated" where the server gave none."""
        return self.finish_reason or "truncated"

    def add(self, delta: Delta) -> None:
        self.usage = delta.usage or self.usage
        self.native = delta.native or self.native
        self.served_by = delta.model or self.served_by
        self.finish_reason = delta.finish_reason or self.finish_reason
        if delta.reasoning:
            self.reasoned = True
            self._on_thinking(delta.reasoning)
        if delta.text:
            self._first_text_at = self._first_text_at or time.perf_counter()
            self.text += delta.text
            self._show()

    def timings(self, before: float) -> Timings:
        """Return the times of a whole answer, for which `before` seconds had been spent."""
        first = (self._first_text_at or self._ended_at) - self._began_at
        total = self._ended_at - self._began_at
        rate = _rate(self.usage.answer_tokens, total - first)
        return Timings(before, before + first, before + total, rate)

    def fail(self, model: str, *, has_thought: bool) -> NoReturn:
        """Say why there is no answer; what was shown cannot be taken back and asked again."""
        if not has_thought:
            empty = ("{} wrote an empty answer", "ask again, or load another chat model")
            message, hint = _WHY_EMPTY.get(self.end, empty)
            raise BadResponse(message.format(model), hint)
        spent = "spent all its tokens on thinking" if self.finish_reason == "length" else "thought"
        kind = BadResponse if self._shown else OnlyThought
        raise kind(
            f"{model} {spent} and wrote no answer",
            "raise RAG_ANSWER_TOKENS, or switch thinking off for the model",
        )

    def _show(self) -> None:
        begun = _without_decoration(self.text)[: len(NOT_IN_DOCUMENTS)].upper()
        if not NOT_IN_DOCUMENTS.startswith(begun):
            self.show_rest()

    def show_rest(self) -> None:
        """Show what was held back, now that it is no refusal."""
        if len(self.text) > self._shown:
            rest = self.text[self._shown :]
            self._on_text(rest if self._shown else rest.lstrip())
            self._shown = len(self.text)


def _notes(prompt: Prompt, model: str, draft: _Draft) -> Iterator[str]:
    served_by = draft.served_by
    if len(prompt.context) < prompt.retrieved:
        yield (
            f"{len(prompt.context)} of {prompt.retrieved} passages fit in the context of {model} "
            f"({prompt.context_tokens} tokens)"
        )
    if not may_be_same(served_by, model):
        yield f"the server answered with {' '.join(served_by.split())[:120]} instead of {model}"
    if draft.fault:
        said = "; ".join(filter(None, (draft.fault.message, draft.fault.hint)))
        yield f"{BROKE_OFF}: {' '.join(said.split())}"


def _is_refusal(text: str) -> bool:
    """Tell a refusal from an answer: the agreed word first, or anywhere if nothing is cited."""
    upper = text.upper()
    begins = _without_decoration(upper).startswith(NOT_IN_DOCUMENTS)
    return begins or (NOT_IN_DOCUMENTS in upper and not re.search(r"\[\d+\]", text))


def _without_decoration(text: str) -> str:
    return text.lstrip("\"'*`[ \n")


def _rate(tokens: int, seconds: float) -> float | None:
    # Some servers send nonsense for a count; a huge one would not even go into a float.
    return tokens / seconds if 0 < tokens < _MOST_TOKENS and seconds > 0 else None
