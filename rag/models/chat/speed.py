"""A loaded chat model in, how fast it answers out."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

from rag.models.base.messages import Delta, Message

TRIAL = (Message("user", "Count from one to thirty in words, separated by commas."),)
"""Long enough to time the words, short enough for a slow machine."""
TRIAL_TOKENS = 48


@dataclass(frozen=True, slots=True)
class ChatSpeed:
    """Seconds until the first piece of text, then tokens a second (None: too few to tell)."""

    first_token_seconds: float
    tokens_per_second: float | None
    answered_by: str


def time_answer(stream: Iterable[Delta]) -> ChatSpeed:
    """Read an answer to its end and return how fast it came; thinking counts as text.

    Tokens are the server's own count, else one for each piece.  Raises what the stream raises.
    """
    started, first, last = time.perf_counter(), None, 0.0
    pieces, counted, name = 0, 0, ""
    for delta in stream:
        name = delta.model or name
        counted = delta.usage.answer_tokens if delta.usage else counted
        if delta.text or delta.reasoning:
            last = time.perf_counter()
            first = first or last
            pieces += 1
    begun = first or time.perf_counter()
    tokens, seconds = (counted or pieces) - 1, last - begun
    rate = tokens / seconds if tokens > 0 and seconds > 0 else None
    return ChatSpeed(begun - started, rate, name)
