"""Settings in, connected models out: endpoints, the models chosen on them, made sure of."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from functools import cached_property
from threading import RLock
from typing import TYPE_CHECKING

from ingest.base.errors import PipelineError
from rag.index.manifest import PROBE_TEXT, Manifest
from rag.models.choose import Choice, choose_chat, choose_embedding
from rag.models.discover import ModelInfo, Offer, find_servers, list_models
from rag.models.memory import Memory
from rag.settings import EMBEDDED, Settings

if TYPE_CHECKING:
    from ingest.base.documents import Vectors
    from rag.models.chat.model import ChatModel
    from rag.models.embedded.wire import EmbeddedServer
    from rag.models.embedding.embedder import EndpointEmbedder
    from rag.models.embedding.profile import ReadyEmbedder
    from rag.models.endpoint import Endpoint

# A list of models this young still tells what is loaded.
_FRESH_SECONDS = 10.0
_TIMED_TEXTS = 16


class Connections:
    """The model side of a pipeline; nothing is connected before it is needed.

    Before each use a model is made sure of: on a server that can be told to, it is loaded, and
    where memory has room for one only, the other of ours gives way.  `on_wait` is told what is
    waited for, and for how many seconds already.
    """

    def __init__(
        self, settings: Settings, on_wait: Callable[[str, float], None] = lambda _what, _for: None
    ) -> None:
        self.settings = settings
        self._on_wait = on_wait
        self._endpoints: dict[str, Endpoint] = {}
        self._offers: dict[str, Offer] = {}
        self._listed_at: dict[str, float] = {}
        self._memory = Memory(settings.index_dir)
        self._prepared: dict[str, Vectors] = {}
        self._chat: ChatModel | None = None
        self._loading = RLock()

    # ---- what the servers offer

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
        """Return what a server offers, asked once."""
        if url not in self._offers:
            self._offers[url] = offer = list_models(self.endpoint(url))
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

    # ---- embedding

    @property
    def embedder(self) -> EndpointEmbedder:
        """Return the embedder for documents and questions."""
        return self.ready.embedder

    def embedder_for_chunks(self, tokens: int) -> EndpointEmbedder:
        """Return the embedder, sure to read that many tokens of a text, or to say how many."""
        if self.settings.embeddings_at == EMBEDDED:
            return self.embedder
        from rag.models.embedding.profile import measured_embedder

        self.ready = measured_embedder(self.ready, self._memory, tokens)
        return self.embedder

    def embedding_warnings(self, tokens: int) -> list[tuple[str, str]]:
        """Return what should be known of the embedding model, each with what to do about it."""
        return self.ready.profile.warnings(tokens) if self.ready.profile else []

    def embed_question(self, question: str) -> Vectors:
        """Return the unit vector of a question; raises EndpointError."""
        if question in self._prepared:
            return self._prepared[question]
        embedder = self.embedder
        info = self._make_sure_of(self.settings.embeddings_at, self.ready.model)
        embedder.model = info.id
        return embedder.embed_query(question)

    def prepare(self, questions: Sequence[str]) -> None:
        """Embed questions that will be asked, so that then the chat model is needed only."""
        self._prepared = {question: self.embed_question(question) for question in questions}

    def remember_pace(self) -> None:
        """Keep for the next run how fast the embedding server could be asked."""
        from rag.models.embedding.profile import remember_pace

        self.ready = remember_pace(self.ready, self._memory)

    def probe_embedding(self, tokens: int) -> None:
        """Measure the embedding model anew, with texts of so many tokens, and keep it."""
        if self.settings.embeddings_at == EMBEDDED:
            return
        from rag.models.embedding.profile import probe_speed, remember_pace

        self._memory.forget(self.ready.key)
        del self.ready
        self.embedder_for_chunks(tokens)
        self.ready = remember_pace(self.ready, self._memory, probe_speed(self.ready, tokens))

    def time_embedding(self, tokens: int) -> float:
        """Return how many texts of so many tokens are embedded in a second, by a short try."""
        from rag.models.embedding.checks import words

        texts = [words(tokens, f"number {number}") for number in range(_TIMED_TEXTS)]
        started = time.perf_counter()
        self.embedder.embed(texts)
        return len(texts) / (time.perf_counter() - started)

    def manifest(self, recipe: str) -> Manifest:
        """Return what an index made now would say of itself."""
        embedder, probe = self.ready.embedder, self.ready.probe
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

    @cached_property
    def ready(self) -> ReadyEmbedder:
        """Return the embedder as it answered first, with what is remembered of it."""
        from rag.models.embedding.profile import Wishes, ready_embedder

        settings, url = self.settings, self.settings.embeddings_at
        return ready_embedder(
            self.endpoint(url),
            self._make_sure_of(url, self.embedding_choice.model),
            self.offer(url).server,
            self._memory,
            PROBE_TEXT,
            Wishes(
                settings.batch_size,
                settings.embedding_in_flight,
                settings.query_prefix,
                settings.document_prefix,
            ),
            self._embedded.count_tokens if url == EMBEDDED else None,
        )

    # ---- chat

    def chat(self) -> ChatModel:
        """Return the chat model, made sure of now."""
        from rag.models.chat.model import ChatModel

        settings, url = self.settings, self.settings.chat_at
        model = self._make_sure_of(url, self.chat_choice.model, settings.context_tokens)
        context = settings.context_tokens or model.context_tokens
        known = self._chat
        if known is None or (known.id, known.listed_tokens) != (model.id, context):
            self._chat = ChatModel(
                self.endpoint(url),
                model.id,
                context,
                self._memory,
                settings.chat_surface,
                settings.temperature,
            )
        assert self._chat is not None
        return self._chat

    # ---- making sure of models

    def _make_sure_of(
        self, url: str, model: ModelInfo, context_tokens: int | None = None
    ) -> ModelInfo:
        """Return the model as it is now, loaded where its server can be told to."""
        from rag.models.loading import CAN_LOAD, load_again, look_again

        source = self.offer(url).source
        is_fresh = time.monotonic() - self._listed_at[url] < _FRESH_SECONDS
        if source != CAN_LOAD:
            is_cold = model.loaded is False and source == "/api/v0/models"
            return look_again(self.endpoint(url), model) if is_cold and not is_fresh else model
        if model.loaded and is_fresh:
            return model
        with self._loading:
            self._listed_at[url] = 0.0  # What is loaded may change here.
            limit = self.settings.load_timeout_seconds
            others = self._ours(url, model)
            endpoint = self.endpoint(url)
            loaded = load_again(
                endpoint, model.id, limit, others=others, context_tokens=context_tokens
            )
        return loaded or model

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

    def _load_lost(self, url: str, model_id: str) -> None:
        """Load a model again that crashed or was unloaded."""
        with suppress(PipelineError):
            offered = [m for m in self.offer(url).models if m.id == model_id]
            self._listed_at[url] = 0.0
            self._make_sure_of(url, offered[0] if offered else ModelInfo(model_id))

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
            endpoint = Endpoint("http://embedded/v1", "embedded", timeouts, transport)
        else:
            native = settings.embedding_surface == "native"
            key = settings.key_for(url)
            endpoint = Endpoint(url, key, timeouts, native_embeddings=native)
        endpoint.on_wait = self._on_wait
        endpoint.on_lost = lambda model: self._load_lost(url, model)
        return endpoint

    @cached_property
    def _embedded(self) -> EmbeddedServer:
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
