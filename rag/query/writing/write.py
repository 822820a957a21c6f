"""A prompt in, a cited answer out, streamed on the way."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import NoReturn

from ingest.base.documents import Chunk, Place
from rag.models.base.errors import BadResponse, EndpointError, OnlyThought
from rag.models.base.messages import Delta, NativeReport, Usage
from rag.models.chat.thinking import split_thinking
from rag.models.families import may_be_same
from rag.query.base.answers import REFUSAL, Answer, Timings
from rag.query.context.prompt import Prompt
from rag.query.verify.check import Checked, Checker, withhold
from rag.query.writing.markup import break_markup, decided_part, make_plain
from rag.query.writing.refusal import drop_word, is_refusal, may_refuse

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


def write_answer(
    question: str,
    prompt: Prompt,
    stream: Iterable[Delta],
    place_at: Callable[[Chunk, int], Place],
    *,
    model: str,
    extractive: bool,
    retrieve_seconds: float,
    strict: bool = False,
    notes: Sequence[str] = (),
    on_text: Callable[[str], None] = lambda _text: None,
    on_thinking: Callable[[str], None] = lambda _text: None,
) -> Answer:
    """Return the answer that the stream holds; `on_text` gets each piece as it arrives.

    Every sentence is checked against the passages it cites.  `strict` leaves out those that
    are not held and shows each only after its check; if none is left the answer is a refusal.
    What a reasoning model thinks goes to `on_thinking` and is no part of the answer.  A refusal
    is never shown to `on_text`: the text is held back until it is known to be none.
    A stream that breaks after the first words gives an answer that is not complete, with what
    the server said in its notes; what breaks after the finish reason is no matter.  Raises
    EndpointError when it broke before, OnlyThought when the model wrote nothing but thoughts,
    BadResponse when it wrote nothing that could be shown.  Before ContextOverflow and OnlyThought
    nothing was shown to `on_text`: the question can be asked again.
    """
    checker = Checker(prompt.context, place_at)
    tame = _taming(prompt, extractive=extractive)
    draft = _Draft(on_text, on_thinking, checker.check_begun if strict else None, tame)
    checked = _check(draft.read(stream, model), checker, strict=strict)
    if not checked.abstained:
        draft.show_rest(checked.text)
    return Answer(
        question=question,
        text=checked.text,
        citations=checked.citations,
        context=prompt.context,
        retrieved=prompt.retrieved,
        abstained=checked.abstained,
        complete=draft.end not in _INCOMPLETE,
        finish_reason=draft.end,
        extractive=extractive,
        model=model,
        served_by=draft.served_by,
        notes=(*notes, *_notes(prompt, model, draft), *checked.notes),
        usage=draft.usage,
        timings=replace(draft.timings(retrieve_seconds), verify_seconds=checker.seconds),
        native=draft.native,
        statements=checked.statements,
    )


def _taming(prompt: Prompt, *, extractive: bool) -> Callable[[str], str]:
    """Return what makes a model's text plain; links that stand in a passage are left."""
    if extractive:
        return break_markup
    texts = [hit.chunk.text for hit in prompt.context]
    return partial(make_plain, is_known=lambda link: any(link in text for text in texts))


def _check(text: str, checker: Checker, *, strict: bool) -> Checked:
    if is_refusal(text):
        return Checked(REFUSAL, abstained=True)
    checked = checker.check(drop_word(text).strip())
    return withhold(checked) if strict else checked


class _Draft:
    """An answer while it is being written."""

    def __init__(
        self,
        on_text: Callable[[str], None],
        on_thinking: Callable[[str], None],
        check: Callable[[str], str] | None,
        tame: Callable[[str], str],
    ) -> None:
        self._on_text = on_text
        self._on_thinking = on_thinking
        self._check = check
        self._tame = tame
        self._shown = ""
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

    def read(self, stream: Iterable[Delta], model: str) -> str:
        """Return the answer without thoughts, once the stream has ended."""
        self.fill(stream)
        thought, text = split_thinking(self.text)
        text = self._tame(text)
        if not text.strip():
            self.fail(model, has_thought=self.reasoned or bool(thought.strip()))
        return text

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
        if self._check:
            _, text = split_thinking(self.text)
            text = self._tame(decided_part(text))
            if not may_refuse(text):
                self._show_up_to(self._check(drop_word(text).strip()))
            return
        text = self._tame(decided_part(self.text))
        if not may_refuse(text):
            self._show_up_to(drop_word(text, is_whole=False))

    def show_rest(self, checked: str) -> None:
        """Show what was held back, now that it is no refusal."""
        self._show_up_to(checked if self._check else drop_word(self._tame(self.text)))

    def _show_up_to(self, text: str) -> None:
        # What was shown cannot be taken back: a text that begins otherwise is not shown.
        if len(text) > len(self._shown) and text.startswith(self._shown):
            rest = text[len(self._shown) :]
            self._on_text(rest if self._shown else rest.lstrip())
            self._shown = text


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


def _rate(tokens: int, seconds: float) -> float | None:
    # Some servers send nonsense for a count; a huge one would not even go into a float.
    return tokens / seconds if 0 < tokens < _MOST_TOKENS and seconds > 0 else None
