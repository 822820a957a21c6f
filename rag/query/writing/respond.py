"""Passages and a chat model in, an answer out; the prompt is packed anew until it fits."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from ingest.tokens import count_tokens
from rag.models.base.errors import ContextOverflow, OnlyThought
from rag.query.context.cut import cut_to_fit
from rag.query.context.prompt import Prompt, build_prompt, count_passage, frame_prompt
from rag.query.writing.write import THINKING_SWITCHED_OFF, write_answer

if TYPE_CHECKING:
    from ingest.base.documents import Chunk, Place
    from rag.models.chat.model import ChatModel
    from rag.query.base.answers import Answer
    from rag.query.base.hits import Hit
    from rag.query.base.questions import Show, Turn

# Nobody who wrote a document knows it; one for all prompts of a process, so that the same
# passages look the same in the next one.
_KEY = secrets.token_hex(16)
# Marks and labels take the rest of what there is room for.
_TEXT_SHARE = 0.8


def respond(
    question: str,
    hits: list[Hit],
    chat: ChatModel,
    place_at: Callable[[Chunk, int], Place],
    *,
    answer_tokens: int,
    strict: bool,
    retrieve_seconds: float,
    show: Show,
    regather: Callable[[int], list[Hit]] | None = None,
    parts: Sequence[str] = (),
    turns: Sequence[Turn] = (),
) -> Answer:
    """Return the answer to a question from what was found, packed anew if it must be.

    `regather` returns passages for less room, in tokens as the model's counter reckons them;
    it is called where the model's context has no room for all `hits`.
    """
    think = True
    notes: tuple[str, ...] = ()
    refused: Prompt | None = None
    while True:
        prompt = _pack(question, hits, chat, answer_tokens, regather, parts, turns)
        try:
            answer = write_answer(
                question,
                prompt,
                chat.stream(prompt.messages, prompt.answer_tokens, think=think),
                place_at,
                model=chat.id,
                extractive=chat.is_extractive,
                strict=strict,
                retrieve_seconds=retrieve_seconds,
                on_text=show.text,
                on_thinking=show.thinking,
                notes=notes,
            )
        except ContextOverflow as error:
            _learn(error, prompt, refused, chat)
            refused = prompt
        except OnlyThought:
            if not think:
                raise
            think, notes = False, (THINKING_SWITCHED_OFF,)
        else:
            counted = sum(count_tokens(message.content) for message in prompt.messages)
            chat.learn(counted, answer.usage.prompt_tokens)
            return replace(answer, messages=prompt.messages)


def _learn(error: ContextOverflow, prompt: Prompt, before: Prompt | None, chat: ChatModel) -> None:
    """Make the next prompts smaller, until not even a sentence fits; then the error is raised."""
    if before and prompt.messages == before.messages:
        raise error
    chat.counter.overflowed(error.limit_tokens, prompt.tokens, prompt.answer_tokens)


def _pack(
    question: str,
    hits: list[Hit],
    chat: ChatModel,
    answer_tokens: int,
    regather: Callable[[int], list[Hit]] | None,
    parts: Sequence[str],
    turns: Sequence[Turn],
) -> Prompt:
    """Return the prompt that fits by what is known of the model now."""
    count = cache(chat.counter.count)  # A server that counts is asked once about each text.
    context_tokens = chat.counter.context_tokens
    frame = frame_prompt(question, context_tokens, answer_tokens, count, parts, turns)
    given = _fit(question, hits, frame.room, count, regather) if frame.room > 0 else hits
    prompt = build_prompt(
        question, given, context_tokens, answer_tokens, _KEY, count, parts=parts, turns=turns
    )
    return replace(prompt, retrieved=max(len(hits), len(prompt.context)))


def _fit(
    question: str,
    hits: list[Hit],
    room: int,
    count: Callable[[str], int],
    regather: Callable[[int], list[Hit]] | None,
) -> list[Hit]:
    """Return passages of which at least one fits, if there is any way.

    Those gathered for less room; the best chunk alone, without what was joined to it; of the
    first that is too long the best part.
    """

    def fits(hit: Hit) -> bool:
        return count_passage(hit, _KEY, count) <= room

    if not hits or sum(count_passage(hit, _KEY, count) for hit in hits) <= room:
        return hits
    given = (regather(int(_TEXT_SHARE * room)) if regather else []) or hits
    if not any(map(fits, given)) and regather:
        given = regather(1) or given
    if any(map(fits, given)):
        return given
    part = cut_to_fit(given[0], question, fits)
    return [part] if part else given
