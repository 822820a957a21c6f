"""A chat model on its server, with what was learned of it: asked, counted for, remembered."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from rag.models.base.messages import Delta, Message, Reply
from rag.models.base.passages import EXTRACTIVE_MODEL
from rag.models.chat.budget import TokenCounter
from rag.models.chat.speed import TRIAL, TRIAL_TOKENS, ChatSpeed, time_answer
from rag.models.chat.structured import ask_for_json
from rag.models.chat.thinking import begins_inside_thought, separate_thinking
from rag.models.wire.surfaces import SurfaceName

if TYPE_CHECKING:
    from rag.models.endpoint import Endpoint
    from rag.models.memory import Memory

# What a chat model has when its server does not say: the smallest default in use.
FALLBACK_CONTEXT_TOKENS = 4096


class ChatModel:
    """A model that writes answers.

    `listed_tokens` is the context its server lists, None for what is assumed; `counter` knows
    what of it can be used.  What is learned is kept in `memory` for the next process.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        model: str,
        listed_tokens: int | None,
        memory: Memory,
        surface: SurfaceName,
        temperature: float,
    ) -> None:
        self.id = model
        self.is_extractive = model == EXTRACTIVE_MODEL
        self._endpoint = endpoint
        self._memory = memory
        self._key = f"chat {model} at {endpoint.url}"
        self._surface: SurfaceName = "chat" if self.is_extractive else surface
        self._temperature = temperature
        self.listed_tokens = listed_tokens
        self.counter = TokenCounter(
            endpoint,
            endpoint.server,
            model,
            listed_tokens or FALLBACK_CONTEXT_TOKENS,
            memory.recall(self._key),
        )

    def stream(
        self, messages: Sequence[Message], answer_tokens: int, *, think: bool = True
    ) -> Iterator[Delta]:
        """Yield an answer as it is written, thinking apart from text; raises EndpointError."""
        deltas = self._endpoint.stream(
            self.id, messages, answer_tokens, self._temperature, self._surface, think=think
        )
        if self.is_extractive:
            return deltas
        inside = begins_inside_thought(self.id)
        return separate_thinking(deltas, may_start_thinking=inside)

    def ask_for_json(
        self,
        messages: Sequence[Message],
        schema: Mapping[str, object],
        max_tokens: int,
        on_request: Callable[[], None] = lambda: None,
    ) -> dict[str, object]:
        """Return an object that fits the schema, written without thinking first.

        For work on the side, such as condensing a follow-up question or judging an answer; see
        `rag.models.chat.structured.ask_for_json`.  `on_request` is told of each request.
        """

        def send(
            messages: Sequence[Message],
            max_tokens: int,
            response_format: Mapping[str, object] | None,
        ) -> Reply:
            on_request()
            return self._endpoint.complete(
                self.id, messages, max_tokens, response_format, surface=self._surface
            )

        return ask_for_json(send, messages, schema, max_tokens)

    def learn(self, counted: int, prompt_tokens: int) -> None:
        """Compare our count of a prompt that was answered with the server's, and remember it."""
        self.counter.learn(counted, prompt_tokens)
        if not self.is_extractive:
            self._memory.keep(self._key, self.counter.record())

    def measure_speed(self) -> ChatSpeed:
        """Ask for a few words and return how fast they come; raises EndpointError."""
        return time_answer(self.stream(TRIAL, TRIAL_TOKENS, think=False))
