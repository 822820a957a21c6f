"""Settings in, connected models out: endpoints, the models chosen on them, the embedder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cached_property
from typing import TYPE_CHECKING

from rag.index.manifest import PROBE_TEXT, Manifest
from rag.models.base.messages import Delta
from rag.models.base.passages import EXTRACTIVE_MODEL
from rag.models.chat.thinking import begins_inside_thought, separate_thinking
from rag.models.choose import Choice, choose_chat, choose_embedding
from rag.models.discover import ModelInfo, Offer, find_servers, list_models
from rag.settings import EMBEDDED, Settings

if TYPE_CHECKING:
    from ingest.base.documents import Vectors
    from rag.models.embedded.wire import EmbeddedServer
    from rag.models.embedder import EndpointEmbedder
    from rag.models.endpoint import Endpoint
    from rag.query.prompt import Prompt

# What a chat model has when its server does not say: the smallest default in use.
FALLBACK_CONTEXT_TOKENS = 4096


class Connections:
    """The model side of a pipeline; nothing is connected before it is needed.

    `on_wait` is told what is waited for, and for how many seconds already.
    """

    def __init__(
        self, settings: Settings, on_wait: Callable[[str, float], None] = lambda _what, _for: None
    ) -> None:
        self.settings = settings
        self._on_wait = on_wait
        self._endpoints: dict[str, Endpoint] = {}
        self._offers: dict[str, Offer] = {}

    @property
    def is_extractive(self) -> bool:
        """Tell whether answers are quoted by the embedded model, here or on a server."""
        return self.chat_choice.model.id == EXTRACTIVE_MODEL

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

    @cached_property
    def chat_model(self) -> ModelInfo:
        """Return the chat model, loaded where the server can be told to."""
        return self._load(self.settings.chat_at, self.chat_choice.model)

    def context_tokens(self, model: ModelInfo) -> int:
        """Return a chat model's context: the setting, else what is loaded, else 4096."""
        return self.settings.context_tokens or model.context_tokens or FALLBACK_CONTEXT_TOKENS

    @cached_property
    def embedder(self) -> EndpointEmbedder:
        """Return the embedder for documents and questions."""
        return self._embedder_and_probe[0]

    def embedder_for_chunks(self, tokens: int) -> EndpointEmbedder:
        """Return the embedder, sure to read that many tokens of a text, or to say how many."""
        if self.settings.embeddings_at == EMBEDDED:
            return self.embedder
        from rag.models.embedder import with_true_limit

        return with_true_limit(self.embedder, tokens)

    def manifest(self, recipe: str) -> Manifest:
        """Return what an index made now would say of itself."""
        embedder, probe = self._embedder_and_probe
        return Manifest(
            embedding_model=embedder.model,
            identity=embedder.identity,
            dimension=embedder.dimension,
            query_prefix=embedder.family.query_prefix,
            document_prefix=embedder.family.document_prefix,
            token_limit=embedder.token_limit,
            recipe=recipe,
            probe=tuple(map(float, probe)),
        )

    def stream(self, prompt: Prompt) -> Iterator[Delta]:
        """Yield the answer of the chat model, thinking apart from text."""
        model = self.chat_model.id
        deltas = self.endpoint(self.settings.chat_at).stream(
            model,
            prompt.messages,
            prompt.answer_tokens,
            self.settings.temperature,
            "chat" if self.is_extractive else self.settings.chat_surface,
        )
        if self.is_extractive:
            return deltas
        return separate_thinking(deltas, may_start_thinking=begins_inside_thought(model))

    def offer(self, url: str) -> Offer:
        """Return what a server offers, asked once."""
        if url not in self._offers:
            self._offers[url] = list_models(self.endpoint(url))
        return self._offers[url]

    def endpoint(self, url: str) -> Endpoint:
        """Return the connection to a server, the same one for the same address."""
        if url not in self._endpoints:
            self._endpoints[url] = self._connect(url)
            self._endpoints[url].on_wait = self._on_wait
        return self._endpoints[url]

    def close(self) -> None:
        """Close all connections."""
        for endpoint in self._endpoints.values():
            endpoint.close()

    def _load(self, url: str, model: ModelInfo) -> ModelInfo:
        from rag.models.loading import load_model

        return load_model(self.endpoint(url), model, self.settings.load_timeout_seconds)

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

            transport = InProcessTransport(self._embedded)
            return Endpoint("http://embedded/v1", "embedded", timeouts, transport)
        return Endpoint(
            url,
            settings.key_for(url),
            timeouts,
            native_embeddings=settings.embedding_surface == "native",
        )

    @cached_property
    def _embedded(self) -> EmbeddedServer:
        from rag.models.embedded.wire import EmbeddedServer

        return EmbeddedServer(self.settings.cache_dir, self.settings.refusal_threshold)

    @cached_property
    def _embedder_and_probe(self) -> tuple[EndpointEmbedder, Vectors]:
        from rag.models.embedder import connect_embedder

        return connect_embedder(
            self.endpoint(self.settings.embeddings_at),
            self._load(self.settings.embeddings_at, self.embedding_choice.model),
            self.settings.embedding_in_flight or 1,
            PROBE_TEXT,
            self._embedded.count_tokens if self.settings.embeddings_at == EMBEDDED else None,
        )


def running_servers(settings: Settings) -> list[tuple[str, Offer]]:
    """Return (URL, offer) of the servers that answer at their usual ports, in stated order."""
    from rag.models.endpoint import Endpoint, Timeouts

    key = settings.api_key.get_secret_value()
    with ExitStack() as opened:

        def connect(url: str) -> Endpoint:
            endpoint = Endpoint(url, key, Timeouts(connect=1.0, response=1.0, load=1.0))
            opened.callback(endpoint.close)
            return endpoint

        return find_servers(connect)
