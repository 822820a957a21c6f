"""Settings in, servers reached: what they offer, what of it is used, and that it is loaded."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import cached_property
from threading import RLock
from typing import TYPE_CHECKING

from ingest.base.errors import PipelineError
from rag.models.choose import Choice, choose_chat, choose_embedding
from rag.models.discover import ModelInfo, Offer, find_servers, list_models
from rag.settings import EMBEDDED, Settings

if TYPE_CHECKING:
    from rag.models.embedded.wire import EmbeddedServer
    from rag.models.endpoint import Endpoint

# A list of models this young still tells what is loaded.
_FRESH_SECONDS = 10.0


class Servers:
    """The servers of the settings; none is connected before it is needed.

    `on_wait` is told what is waited for, and for how many seconds already.
    """

    def __init__(self, settings: Settings, on_wait: Callable[[str, float], None]) -> None:
        self.settings = settings
        self._on_wait = on_wait
        self._endpoints: dict[str, Endpoint] = {}
        self._offers: dict[str, Offer] = {}
        self._failures: dict[str, PipelineError] = {}
        self._listed_at: dict[str, float] = {}
        self._loading = RLock()

    @cached_property
    def embedding_choice(self) -> Choice:
        """Return the embedding model used and why."""
        offer = self.offer(self.settings.embeddings_at)
        return choose_embedding(offer, self.settings.embedding_model)

    @cached_property
    def chat_choice(self) -> Choice:
        """Return the chat model used and why."""
        offer = self.offer(self.settings.chat_at)
        return choose_chat(offer, self.settings.chat_model)

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
        """Return the model as it is now, loaded where its server can be told to.

        Where memory has room for one model only, the one of the other role gives way.
        """
        from rag.models.loading import CAN_LOAD, load_again, look_again

        source = self.offer(url).source
        is_fresh = self._is_fresh(url)
        if source != CAN_LOAD:
            is_cold = model.loaded is False and source == "/api/v0/models"
            return look_again(self.endpoint(url), model) if is_cold and not is_fresh else model
        if model.loaded and is_fresh:
            return model
        with self._loading:
            self._listed_at[url] = -math.inf  # What is loaded may change here.
            limit = self.settings.load_timeout_seconds
            others = self._ours(url, model)
            endpoint = self.endpoint(url)
            context = self.settings.context_tokens if self._is_chat(url, model) else None
            loaded = load_again(endpoint, model.id, limit, others=others, context_tokens=context)
        return loaded or model

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
        """Load a model again that crashed or was unloaded."""
        with suppress(PipelineError):
            offered = [m for m in self.offer(url).models if m.id == model_id]
            self._listed_at[url] = -math.inf
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
        endpoint.on_wait = self._on_wait
        endpoint.on_lost = lambda model: self._load_lost(url, model)
        return endpoint

    @cached_property
    def embedded(self) -> EmbeddedServer:
        """Return the server inside this process."""
        from rag.models.embedded.wire import EmbeddedServer

        return EmbeddedServer(self.settings.cache_dir, self.settings.refusal_threshold)


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
