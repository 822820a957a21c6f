"""Passages and a chat model in, an answer out; the prompt is packed anew until it fits."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING

from ingest.tokens import count_tokens
from rag.models.base.errors import ContextOverflow, OnlyThought
from rag.query.answer import THINKING_SWITCHED_OFF, Answer, write_answer
from rag.query.prompt import build_prompt

if TYPE_CHECKING:
    from ingest.base.documents import Chunk, Place
    from rag.models.chat.model import ChatModel
    from rag.query.fuse import Hit


def respond(
    question: str,
    hits: list[Hit],
    chat: ChatModel,
    place_at: Callable[[Chunk, int], Place],
    *,
    answer_tokens: int,
    retrieve_seconds: float,
    on_text: Callable[[str], None],
    on_thinking: Callable[[str], None],
) -> Answer:
    """Return the answer to a question from what was found, packed anew if it must be."""
    think = True
    notes: tuple[str, ...] = ()
    while True:
        prompt = build_prompt(
            question,
            hits,
            chat.counter.context_tokens,
            answer_tokens,
            fence=secrets.token_hex(8),
            count=chat.counter.count,
        )
        try:
            answer = write_answer(
                question,
                prompt,
                chat.stream(prompt.messages, prompt.answer_tokens, think=think),
                place_at,
                model=chat.id,
                extractive=chat.is_extractive,
                retrieve_seconds=retrieve_seconds,
                on_text=on_text,
                on_thinking=on_thinking,
                notes=notes,
            )
        except ContextOverflow as error:
            # What is learned makes prompts smaller, until not even one passage fits.
            chat.counter.overflowed(error.limit_tokens, prompt.tokens, prompt.answer_tokens)
        except OnlyThought:
            if not think:
                raise
            think, notes = False, (THINKING_SWITCHED_OFF,)
        else:
            counted = sum(count_tokens(message.content) for message in prompt.messages)
            chat.learn(counted, answer.usage.prompt_tokens)
            return answer
