"""What goes to a chat model and what comes back, whatever the server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the server counted them; 0 means it did not say."""

    prompt_tokens: int = 0
    answer_tokens: int = 0


@dataclass(frozen=True, slots=True)
class NativeReport:
    """What LM Studio's own surface tells of an answer; seconds, 0 and "" where it does not."""

    tokens_per_second: float = 0.0
    time_to_first_token: float = 0.0
    generation_time: float = 0.0
    stop_reason: str = ""
    architecture: str = ""
    quantisation: str = ""
    format: str = ""
    context_tokens: int = 0
    runtime: str = ""


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of a streamed answer; the last one carries `finish_reason`."""

    text: str = ""
    reasoning: str = ""
    finish_reason: str | None = None
    model: str = ""
    usage: Usage | None = None
    native: NativeReport | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer; `reasoning` is what the server itself kept apart, never read as JSON."""

    text: str
    finish_reason: str | None = None
    reasoning: str = ""
