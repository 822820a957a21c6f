"""The whole program on one screen: settings in, objects put together, `ingest` and `ask` out."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from ingest.base.documents import IngestReport, Plan, Progress
from ingest.base.errors import PipelineError
from ingest.pipeline import Options, ingest_folder, plan_folder
from ingest.tokens import count_tokens
from rag.index.index import Index, IndexStatus
from rag.index.manifest import PROBE_TEXT, Manifest
from rag.index.store.records import Selection
from rag.models.choose import Choice, choose_chat, choose_embedding
from rag.models.discover import list_models
from rag.query.answer import Answer, refuse, write_answer
from rag.query.fuse import Hit
from rag.query.prompt import build_prompt
from rag.query.retrieve import retrieve
from rag.settings import EMBEDDED, Settings

if TYPE_CHECKING:
    from rag.models.embedded.wire import EmbeddedServer
    from rag.models.embedder import EndpointEmbedder
    from rag.models.endpoint import Endpoint

# What a chat model has when its server does not say: the smallest default in use.
FALLBACK_CONTEXT_TOKENS = 4096


class Pipeline:
    """Ingest folders and answer questions about them, as the settings say.

    Nothing is connected or opened before it is needed.  Use it as a context manager, or
    call `close` when done.  Not safe to share between threads while an ingest runs.
    `warnings` tells what went wrong in the last ingest without anything being lost.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings.load()
        self.warnings: list[str] = []
        self._endpoints: dict[str, Endpoint] = {}
        self._reader: Index | None = None

    def ingest(
        self, folder: str | Path, on_progress: Callable[[Progress], None] = lambda _: None
    ) -> IngestReport:
        """Bring the index in line with the folder; what is unchanged is not read again.

        Raises PipelineError; what was done before it is kept.
        """
        self._close_reader()
        embedder, _ = self._embedder
        with Index.open_for_writing(
            self.settings.index_dir, self._manifest, chroma_documents=self.settings.chroma_documents
        ) as index:
            report = ingest_folder(Path(folder), embedder, index, self._options, on_progress)
        self.warnings = index.warnings
        return report

    def plan(self, folder: str | Path) -> Plan:
        """Return what `ingest` would do, changing nothing."""
        return plan_folder(Path(folder), self.index, self._options)

    def search(
        self, question: str, k: int | None = None, selection: Selection | None = None
    ) -> list[Hit]:
        """Return the passages most likely to answer the question, best first."""
        embedder, _ = self._embedder
        self.check_index()
        return retrieve(
            question, embedder.embed_query, self.index, k or self.settings.top_k, selection
        )

    def ask(
        self,
        question: str,
        *,
        k: int | None = None,
        selection: Selection | None = None,
        on_text: Callable[[str], None] = lambda _: None,
    ) -> Answer:
        """Return a cited answer to the question; `on_text` gets it piece by piece.

        Raises PipelineError.
        """
        if not question.strip():
            raise PipelineError("the question is empty", 'write it in quotes: rag ask "..."')
        started = time.perf_counter()
        hits = self.search(question, k, selection)
        seconds = time.perf_counter() - started
        model, extractive = self.chat_choice.model, self.settings.chat_at == EMBEDDED
        if not hits:
            return refuse(question, model.id, extractive=extractive, retrieve_seconds=seconds)
        prompt = build_prompt(
            question, hits, self.context_tokens, self.settings.answer_tokens,
            fence=secrets.token_hex(8), count=count_tokens,
        )  # fmt: skip
        stream = self.endpoint(self.settings.chat_at).stream(
            model.id,
            prompt.messages,
            prompt.answer_tokens,
            self.settings.temperature,
            "chat" if extractive else self.settings.chat_surface,
        )
        return write_answer(
            question, prompt, stream, self.index.page_at, model=model.id, extractive=extractive,
            retrieve_seconds=seconds, on_text=on_text,
        )  # fmt: skip

    def check_index(self) -> None:
        """Raise IndexMismatch when the index was made with another embedding model."""
        self.index.check(self._manifest)

    def status(self) -> IndexStatus:
        """Return what is in the index; raises IndexMissing."""
        return self.index.status()

    @property
    def index(self) -> Index:
        """Return the index, open for reading; raises IndexMissing."""
        if self._reader is None:
            self._reader = Index.open_for_reading(
                self.settings.index_dir,
                search=self.settings.search,
                exact_up_to=self.settings.exact_up_to,
            )
        return self._reader

    @cached_property
    def embedding_choice(self) -> Choice:
        """Return the embedding model used and why."""
        offer = list_models(self.endpoint(self.settings.embeddings_at))
        return choose_embedding(offer, self.settings.embedding_model)

    @cached_property
    def chat_choice(self) -> Choice:
        """Return the chat model used and why."""
        offer = list_models(self.endpoint(self.settings.chat_at))
        return choose_chat(offer, self.settings.chat_model)

    @property
    def context_tokens(self) -> int:
        """Return the chat model's context: the setting, else what is loaded, else 4096."""
        model = self.chat_choice.model
        return self.settings.context_tokens or model.context_tokens or FALLBACK_CONTEXT_TOKENS

    def endpoint(self, url: str) -> Endpoint:
        """Return the connection to a server, the same one for the same address."""
        if url not in self._endpoints:
            self._endpoints[url] = self._connect(url)
        return self._endpoints[url]

    def close(self) -> None:
        """Close index and connections."""
        self._close_reader()
        for endpoint in self._endpoints.values():
            endpoint.close()
        self._endpoints.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()

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
            settings.api_key.get_secret_value(),
            timeouts,
            native_embeddings=settings.embedding_surface == "native",
        )

    @cached_property
    def _embedded(self) -> EmbeddedServer:
        from rag.models.embedded.wire import EmbeddedServer

        return EmbeddedServer(self.settings.cache_dir, self.settings.refusal_threshold)

    @cached_property
    def _embedder(self) -> tuple[EndpointEmbedder, Sequence[float]]:
        from rag.models.embedder import connect_embedder

        embedder, probe = connect_embedder(
            self.endpoint(self.settings.embeddings_at),
            self.embedding_choice.model,
            self.settings.embedding_in_flight,
            PROBE_TEXT,
            self._embedded.count_tokens if self.settings.embeddings_at == EMBEDDED else None,
        )
        return embedder, probe.tolist()

    @cached_property
    def _manifest(self) -> Manifest:
        embedder, probe = self._embedder
        return Manifest(
            embedding_model=embedder.model,
            identity=embedder.identity,
            dimension=embedder.dimension,
            query_prefix=embedder.family.query_prefix,
            document_prefix=embedder.family.document_prefix,
            token_limit=embedder.token_limit,
            recipe=self._options.recipe,
            probe=tuple(probe),
        )

    @property
    def _options(self) -> Options:
        return Options(
            chunk_tokens=self.settings.chunk_tokens,
            batch_size=self.settings.batch_size,
            max_file_bytes=self.settings.max_file_megabytes * 1_000_000,
        )

    def _close_reader(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None
