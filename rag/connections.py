"""Settings in, the two models in use out, with what was learned of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING

from rag.index.manifest import PROBE_TEXT, Manifest, name_model
from rag.models.base.addresses import EMBEDDED
from rag.models.memory import Memory
from rag.servers import Servers
from rag.settings import Settings

if TYPE_CHECKING:
    from ingest.base.documents import Vectors
    from rag.models.chat.model import ChatModel
    from rag.models.embedding.embedder import EndpointEmbedder
    from rag.models.embedding.profile import ReadyEmbedder

_TIMED_TEXTS = 16


class Connections:
    """The model side of a pipeline: an embedding model and a chat model, each on its server.

    Before each use a model is made sure of: on a server that can be told to, it is loaded, and
    where memory has room for one only, the other of ours gives way.  `on_wait` is told what is
    waited for, and for how many seconds already.  Where no embedding model is set, the one the
    index was made with goes first, unless another is to take its place (`follow_index`).
    """

    def __init__(
        self,
        settings: Settings,
        on_wait: Callable[[str, float], None] = lambda _what, _for: None,
        *,
        follow_index: bool = True,
    ) -> None:
        self.settings = settings
        self._memory = Memory(settings.index_dir)
        made_with = partial(name_model, settings.index_dir) if follow_index else str
        self.servers = Servers(settings, self._memory, on_wait, made_with)
        self._prepared: dict[str, Vectors] = {}
        self._chat: ChatModel | None = None

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
        info = self.servers.make_sure_of(self.settings.embeddings_at, self.ready.model)
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

    def close(self) -> None:
        """Close all connections."""
        self.servers.close()

    @cached_property
    def ready(self) -> ReadyEmbedder:
        """Return the embedder as it answered first, with what is remembered of it."""
        from rag.models.embedding.profile import Wishes, ready_embedder

        settings, url = self.settings, self.settings.embeddings_at
        ready = ready_embedder(
            self.servers.endpoint(url),
            self.servers.make_sure_of(url, self.servers.embedding_choice.model),
            self.servers.offer(url).server,
            self._memory,
            PROBE_TEXT,
            Wishes(
                settings.batch_size,
                settings.embedding_in_flight,
                settings.query_prefix,
                settings.document_prefix,
            ),
            self.servers.embedded.count_tokens if url == EMBEDDED else None,
        )
        if url == EMBEDDED:
            ready.embedder.exact_unknown = self.servers.embedded.unknown_share
        return ready

    # ---- chat

    def chat(self) -> ChatModel:
        """Return the chat model, made sure of now."""
        from rag.models.chat.model import ChatModel

        settings, url = self.settings, self.settings.chat_at
        model = self.servers.make_sure_of(url, self.servers.chat_choice.model)
        # What is loaded is a bound, whatever was asked for.
        told = [n for n in (settings.context_tokens, model.context_tokens) if n]
        context = min(told, default=None)
        known = self._chat
        if known is None or (known.id, known.listed_tokens) != (model.id, context):
            self._chat = ChatModel(
                self.servers.endpoint(url),
                model.id,
                context,
                self._memory,
                settings.chat_surface,
                settings.temperature,
            )
        assert self._chat is not None
        return self._chat
