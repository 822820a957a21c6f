"""A model's thinking and its answer told apart: deltas in, deltas out, tags gone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Literal

from rag.models.base.messages import Delta

# Opening and closing tags, as the chat templates of these models have them.
_PAIRS = {
    "<think>": "</think>",  # DeepSeek, Qwen, GLM, Phi, Hunyuan, SmolLM, Nemotron, OLMo
    "<thinking>": "</thinking>",
    "<thought>": "</thought>",  # EXAONE Deep
    "<reasoning>": "</reasoning>",
    "<|think|>": "<|/think|>",
    "<seed:think>": "</seed:think>",  # Seed-OSS
    "<mm:think>": "</mm:think>",  # MiniMax M3
    "[THINK]": "[/THINK]",  # Magistral
    "◁think▷": "◁/think▷",  # Kimi
    "<|START_THINKING|>": "<|END_THINKING|>",  # Command R, Command A
    "<|inner_prefix|>": "<|inner_suffix|>",  # Apertus
    "<|begin_of_thought|>": "<|end_of_thought|>",  # Sky-T1, OpenThinker
    "<|channel>thought\n": "<channel|>",  # Gemma
    "<|channel>": "<channel|>",
}
_CLOSERS = frozenset(_PAIRS.values())
# Marks around the answer of models above.
_WRAPPERS = frozenset(
    ("<|START_RESPONSE|>", "<|END_RESPONSE|>", "<|begin_of_solution|>", "<|end_of_solution|>")
)
# gpt-oss: <|start|>assistant<|channel|>NAME<|message|>text<|end|>, the first part left out at
# the beginning (OpenAI's description of the harmony format).
_HEADS = frozenset(("<|start|>", "<|channel|>"))
_MESSAGE = "<|message|>"
_ENDS = frozenset(("<|end|>", "<|return|>", "<|call|>"))
_MOST_HEADER = 120
_THINKING_CHANNELS = ("analysis", "commentary")

_OUTSIDE = frozenset(_PAIRS) | _CLOSERS | _WRAPPERS | _HEADS
_LONGEST = max(map(len, _OUTSIDE))
_FIRST = re.compile(r"[<\[◁]")
_QUOTES = frozenset("\"'`“”‘’«»„")
_CUT_OFF = (None, "length", "truncated")

_BEGIN_INSIDE = re.compile(
    r"(^|[^a-z0-9])r1([^a-z0-9]|$)|qwq|thinking|olmo.*think|minimax-?m[12]|exaone-deep|step-?3",
    re.IGNORECASE,
)


def begins_inside_thought(model: str) -> bool:
    """Say whether a model's template is known to open the thought in the prompt.

    Such a model sends only the closing tag, where the server leaves thinking in the text.
    """
    return bool(_BEGIN_INSIDE.search(model))


def separate_thinking(
    deltas: Iterable[Delta], *, may_start_thinking: bool = False
) -> Iterator[Delta]:
    """Yield each delta with inline thinking moved from `text` to `reasoning`, tags removed.

    Everything is passed on at once, but for what may be the beginning of a tag.  A tag between
    two quotation marks is text that speaks of tags.  A thought that is never closed is
    reasoning to its end.

    `may_start_thinking` is for models that begin inside a thought: text is held back until it
    is known what it is.  A closing tag makes it reasoning; an opening tag, reasoning from the
    server itself, or a finish reason make it text; "length", "truncated" or none at all, that
    is a text cut off, make it reasoning.
    Without it, a lone closing tag after visible text stays in the text, for what is shown
    cannot be taken back: `split_thinking` removes the head from the finished text.
    """
    separator = _Separator(hold=may_start_thinking)
    for delta in deltas:
        yield separator.separate(delta)
    rest = separator.separate(Delta(), ended=True)
    if rest.text or rest.reasoning:
        yield rest


def split_thinking(text: str, finish_reason: str | None = "stop") -> tuple[str, str]:
    """Return the reasoning and the answer that a finished text holds.

    All three forms are known: a whole thought, one never closed, and one never opened.
    """
    separator = _Separator(hold=True)
    delta = separator.separate(Delta(text=text, finish_reason=finish_reason), ended=True)
    return delta.reasoning, delta.text


class _Separator:
    """A reader of text that comes in pieces; what it returns does not depend on the cuts."""

    def __init__(self, *, hold: bool) -> None:
        self._mode: Literal["held", "text", "thought", "header"] = "held" if hold else "text"
        self._buffer = ""
        self._before = ""  # the character before the buffer
        self._tags = _OUTSIDE
        self._header_tag = ""
        self._header = ""
        self._held = ""
        self._answered = False
        self._text: list[str] = []
        self._reasoning: list[str] = []

    def separate(self, delta: Delta, *, ended: bool = False) -> Delta:
        if delta.reasoning and self._mode == "held":
            self._release(self._text)
        self._buffer += delta.text
        ended = ended or bool(delta.finish_reason)
        self._read(ended)
        if ended:
            self._end(delta.finish_reason)
        text, reasoning = "".join(self._text), "".join(self._reasoning)
        self._text, self._reasoning = [], []
        if text == delta.text and not reasoning:
            return delta
        return replace(delta, text=text, reasoning=delta.reasoning + reasoning)

    def _read(self, ended: bool) -> None:
        while True:
            length, tag = self._find_tag(ended)
            plain, passed = self._buffer[:length], self._buffer[: length + len(tag)]
            self._buffer = self._buffer[len(passed) :]
            self._before = passed[-1:] or self._before
            self._add(plain)
            if self._mode == "header" and len(self._header) > _MOST_HEADER:
                self._buffer = tag + self._buffer
                self._give_up_header()
            elif tag:
                self._pass(tag)
            else:
                return

    def _find_tag(self, ended: bool) -> tuple[int, str]:
        """Return the length of the text before the next tag, or before what may become one."""
        for found in _FIRST.finditer(self._buffer):
            start = found.start()
            tag = self._tag_at(start, ended)
            if tag is None:
                return start, ""
            if tag:
                return start, tag
        return len(self._buffer), ""

    def _tag_at(self, start: int, ended: bool) -> str | None:
        """Return the tag at `start`, "" for none, None when the next piece will tell."""
        rest = self._buffer[start : start + _LONGEST]
        if not ended and any(t.startswith(rest) and t != rest for t in self._tags):
            return None
        tag = max((t for t in self._tags if rest.startswith(t)), key=len, default="")
        before = self._buffer[start - 1] if start else self._before
        if not tag or self._mode in ("thought", "header") or before not in _QUOTES:
            return tag
        after = self._buffer[start + len(tag) :][:1]
        if not after:
            return tag if ended else None
        return "" if after in _QUOTES else tag

    def _add(self, plain: str) -> None:
        match self._mode:
            case "text":
                self._answered = self._answered or bool(plain.strip())
                self._text.append(plain)
            case "thought":
                self._reasoning.append(plain)
            case "header":
                self._header += plain
            case "held":
                self._held += plain

    def _pass(self, tag: str) -> None:
        if self._mode == "held":
            self._release(self._reasoning if tag in _CLOSERS else self._text)
        elif tag in _CLOSERS and self._mode == "text" and self._answered:
            self._text.append(tag)
        if tag in _HEADS:
            self._mode, self._tags = "header", _HEADS | {_MESSAGE}
            self._header_tag, self._header = tag, ""
        elif tag == _MESSAGE:
            thinking = self._header.strip().startswith(_THINKING_CHANNELS)
            self._mode = "thought" if thinking else "text"
            self._tags = _ENDS | _HEADS if thinking else _OUTSIDE | _ENDS
        elif tag in _PAIRS:
            self._mode, self._tags = "thought", frozenset((_PAIRS[tag],))
        elif tag in _CLOSERS:
            self._mode, self._tags = "text", _OUTSIDE
        elif tag in _ENDS:
            self._mode, self._tags = "text", _OUTSIDE | _ENDS

    def _release(self, to: list[str]) -> None:
        self._mode, held, self._held = "text", self._held, ""
        self._answered = to is self._text and bool(held.strip())
        to.append(held)

    def _give_up_header(self) -> None:
        """Take a harmony header that does not end for the text it is."""
        self._mode, self._tags = "text", _OUTSIDE
        self._add(self._header_tag)
        self._buffer, self._header = self._header + self._buffer, ""
        self._before = self._header_tag[-1]

    def _end(self, finish_reason: str | None) -> None:
        if self._mode == "header":
            self._give_up_header()
            self._read(ended=True)
        if self._mode == "held":
            is_cut = finish_reason in _CUT_OFF
            self._release(self._reasoning if is_cut else self._text)
