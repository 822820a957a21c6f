"""Settings in, servers reached: what they offer, what of it is used, and that it is loaded."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import cached_property
from threading import RLock
from typing import TYPE_CHECKING, Literal

from ingest.base.errors import PipelineError
from rag.models.base.addresses import EMBEDDED
from rag.models.base.errors import ModelUnavailable
from rag.models.base.messages import Message
from rag.models.choose import Choice, choose_chat, choose_embedding
from rag.models.discover import KNOWN_SERVERS, ModelInfo, Offer, find_servers, list_models
from rag.models.loading import CAN_LOAD, load_again, wake_model
from rag.models.memory import Memory
from rag.models.wire.hints import commands_of
from rag.settings import Settings

if TYPE_CHECKING:
    from rag.models.embedded.wire import EmbeddedServer
    from rag.models.endpoint import Endpoint

# A list of models this young still tells what is loaded.
_FRESH_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Role:
    """What a model is for, where it is, and which, or why there is none."""

    name: Literal["embedding", "chat"]
    url: str
    choice: Choice | PipelineError

    @property
    def model(self) -> ModelInfo | None:
        """Return the model, None without one."""
        return None if isinstance(self.choice, PipelineError) else self.choice.model


class Servers:
    """The servers of the settings; none is connected before it is needed.

    `made_with` tells which embedding model goes first where none is set, "" for none.
    `memory` keeps with what context a model was loaded.  `on_wait` is told what is waited for,
    and for how many seconds already.
    """

    def __init__(
        self,
        settings: Settings,
        memory: Memory,
        on_wait: Callable[[str, float], None],
        made_with: Callable[[], str] = str,
    ) -> None:
        self.settings = settings
        self._on_wait = on_wait
        self._made_with = made_with
        self._endpoints: dict[str, Endpoint] = {}
        self._offers: dict[str, Offer] = {}
        self._failures: dict[str, PipelineError] = {}
        self._listed_at: dict[str, float] = {}
        self._seen: dict[tuple[str, str], ModelInfo] = {}
        self._memory = memory
        self._loading = RLock()

    @cached_property
    def embedding_choice(self) -> Choice:
        """Return the embedding model used and why."""
        offer, wanted = self.offer(self.settings.embeddings_at), self.settings.embedding_model
        return choose_embedding(offer, wanted, "" if wanted else self._made_with())

    @cached_property
    def chat_choice(self) -> Choice:
        """Return the chat model used and why."""
        offer = self.offer(self.settings.chat_at)
        return choose_chat(offer, self.settings.chat_model)

    def roles(self) -> tuple[Role, Role]:
        """Return the embedding model and the chat model; nothing raises."""

        def choose(name: Literal["embedding", "chat"]) -> Choice | PipelineError:
            try:
                return self.embedding_choice if name == "embedding" else self.chat_choice
            except PipelineError as error:
                return error

        settings = self.settings
        return (
            Role("embedding", settings.embeddings_at, choose("embedding")),
            Role("chat", settings.chat_at, choose("chat")),
        )

    def offer(self, url: str) -> Offer:
        """Return what a server offers, asked once; a failure is remembered for seconds only."""
        if url in self._failures and self._is_fresh(url):
            raise self._failures[url]
        if url not in self._offers:
            try:
                self._offers[url] = offer = list_models(self.endpoint(url))
            except PipelineError as error:
                self._failures[url] = error
                raise
            finally:
                self._listed_at[url] = time.monotonic()
            self.endpoint(url).server = offer.server
        return self._offers[url]

    def endpoint(self, url: str) -> Endpoint:
        """Return the connection to a server, the same one for the same address."""
        if url not in self._endpoints:
            self._endpoints[url] = self._connect(url)
        return self._endpoints[url]

    def close(self) -> None:
        """Close all connections."""
        for endpoint in self._endpoints.values():
            endpoint.close()

    def make_sure_of(self, url: str, model: ModelInfo) -> ModelInfo:
        """Return the model as it is now, loaded, with the context it has.

        A server that can be told to loads it, any other by being asked a little.  Where memory
        has room for one model only, the one of the other role gives way.
        """
        source = self.offer(url).source
        seen = self._seen.get((url, model.id), model)
        if seen.loaded is not False and (source != CAN_LOAD or self._is_fresh(url)):
            self._remember_context(url, model, seen)
            return seen
        with self._loading:
            self._listed_at[url] = -math.inf  # What is loaded may change here.
            endpoint, limit = self.endpoint(url), self.settings.load_timeout_seconds
            if source == CAN_LOAD:
                others, context = self._ours(url, model), self._context_for(url, model)
                for other in others:  # They may have to go.
                    self._remember_context(url, other, other)
                loaded = load_again(
                    endpoint, model.id, limit, key=model.key, others=others, context_tokens=context
                )
            elif seen.loaded is False and not self.loads_when_asked(url, model):
                raise ModelUnavailable(
                    f"{model.id} is not loaded, and {endpoint.host} loads none by itself",
                    commands_of(endpoint.server, model.key or model.id).load,
                )
            else:
                loaded = wake_model(endpoint, model, limit, self._small_request(url, model))
        if loaded is None:
            raise ModelUnavailable(
                f"{self.endpoint(url).host} does not offer {model.id} any more",
                "run the command again to choose anew; in Python, close the pipeline first",
            )
        self._seen[url, model.id] = seen = loaded
        self._remember_context(url, model, seen)
        return seen

    def loads_when_asked(self, url: str, model: ModelInfo) -> bool:
        """Tell whether a server loads the model by itself or when told to.

        With JIT loading switched off, LM Studio lists on /v1/models only what is loaded.
        """
        if self.offer(url).source != "/api/v0/models":
            return True
        body = self.endpoint(url).get("/v1/models")
        rows = body.get("data") if isinstance(body, dict) else None
        return not isinstance(rows, list) or any(
            isinstance(row, dict) and row.get("id") == model.id for row in rows
        )

    def _small_request(self, url: str, model: ModelInfo) -> Callable[[], object]:
        endpoint = self.endpoint(url)
        if self._is_chat(url, model):
            surface = self.settings.chat_surface
            return lambda: endpoint.complete(model.id, [Message("user", "Hi")], 1, surface=surface)
        return lambda: endpoint.embed_measured(model.id, ["Hi"])

    def _context_for(self, url: str, model: ModelInfo) -> int | None:
        """Return the context to load with: the setting for chat, else what it had before."""
        if self._is_chat(url, model) and self.settings.context_tokens:
            return self.settings.context_tokens
        before = (self._memory.recall(_context_key(url, model)) or {}).get("context_tokens")
        return before if isinstance(before, int) and before > 0 else model.context_tokens

    def _remember_context(self, url: str, model: ModelInfo, seen: ModelInfo) -> None:
        """Keep the context that a person may have chosen, for when we have to load the model."""
        if seen.loaded and seen.context_tokens and self.offer(url).source == CAN_LOAD:
            record = {"context_tokens": seen.context_tokens}
            if self._memory.recall(_context_key(url, model)) != record:
                self._memory.keep(_context_key(url, model), record)

    def _is_fresh(self, url: str) -> bool:
        return time.monotonic() - self._listed_at[url] < _FRESH_SECONDS

    def _ours(self, url: str, model: ModelInfo) -> list[ModelInfo]:
        """Return the model of the other role, if it is on the same server."""
        choices: list[ModelInfo] = []
        with suppress(PipelineError):
            if self.settings.embeddings_at == url:
                choices.append(self.embedding_choice.model)
        with suppress(PipelineError):
            if self.settings.chat_at == url:
                choices.append(self.chat_choice.model)
        return [choice for choice in choices if choice.id != model.id]

    def _is_chat(self, url: str, model: ModelInfo) -> bool:
        with suppress(PipelineError):
            return url == self.settings.chat_at and model.id == self.chat_choice.model.id
        return False

    def _load_lost(self, url: str, model_id: str) -> None:
        """Load a model again that crashed or was unloaded; elsewhere the next request does."""
        with suppress(PipelineError):
            if self.offer(url).source != CAN_LOAD:
                return
            offered = [m for m in self.offer(url).models if m.id == model_id]
            self._listed_at[url] = -math.inf
            self._seen.pop((url, model_id), None)
            self.make_sure_of(url, offered[0] if offered else ModelInfo(model_id))

    def _connect(self, url: str) -> Endpoint:
        from rag.models.endpoint import Endpoint, Timeouts

        settings = self.settings
        timeouts = Timeouts(
            settings.connect_timeout_seconds,
            settings.response_timeout_seconds,
            settings.idle_timeout_seconds,
            load=settings.load_timeout_seconds,
        )
        if url == EMBEDDED:
            from rag.models.embedded.wire import InProcessTransport

            transport = InProcessTransport(self.embedded)
            endpoint = Endpoint("http://embedded/v1", "embedded", timeouts, transport)
        else:
            native = settings.embedding_surface == "native"
            key = settings.key_for(url)
            endpoint = Endpoint(url, key, timeouts, native_embeddings=native)
        endpoint.server = next((name for name, known in KNOWN_SERVERS if known == url), "")
        endpoint.on_wait = self._on_wait
        endpoint.on_lost = lambda model: self._load_lost(url, model)
        return endpoint

    @cached_property
    def embedded(self) -> EmbeddedServer:
        """Return the server inside this process."""
        from rag.models.embedded.wire import EmbeddedServer

        return EmbeddedServer(self.settings.cache_dir)


def _context_key(url: str, model: ModelInfo) -> str:
    return f"context of {model.key or model.id} at {url}"


def running_servers() -> list[tuple[str, Offer]]:
    """Return (URL, offer) of the servers that answer at their usual ports, in stated order."""
    from rag.models.endpoint import Endpoint, Timeouts

    with ExitStack() as opened:

        def connect(url: str) -> Endpoint:
            # Without the user's key: whoever listens there was not meant to get it.
            endpoint = Endpoint(url, "none", Timeouts(connect=1.0, response=1.0, load=1.0))
            opened.callback(endpoint.close)
            return endpoint

        return find_servers(connect)


def first_of(found: Sequence[tuple[str, Offer]]) -> tuple[str, Offer]:
    """Return the server to take of those that run: the first that has models, else the first."""
    return next(((url, offer) for url, offer in found if offer.models), found[0])
