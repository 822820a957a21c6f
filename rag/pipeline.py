"""The whole program on one screen: settings in, objects put together, `ingest` and `ask` out."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from ingest.base.documents import IngestReport, Known, Plan, Progress
from ingest.base.errors import FolderError, PipelineError
from ingest.pipeline import Options, check_folder, ingest_folder, plan_folder
from ingest.tokens import count_tokens
from rag.connections import Connections
from rag.index.base.errors import IndexMissing
from rag.index.index import Index, IndexStatus
from rag.index.store.records import Selection
from rag.models.base.errors import ContextOverflow, OnlyThought
from rag.models.chat.budget import TokenCounter
from rag.query.answer import THINKING_SWITCHED_OFF, Answer, refuse, write_answer
from rag.query.fuse import Hit
from rag.query.prompt import Prompt, build_prompt
from rag.query.retrieve import retrieve
from rag.settings import Settings


def whole_root(folder: Path, roots: Iterable[str]) -> Path:
    """Return the folder of the index that `folder` is a part of, else `folder` itself.

    A file has one place in an index: what lies inside a folder that was ingested is brought in
    line with the whole of it.
    """
    real = folder.resolve()
    parents = [root for root in map(Path, roots) if root in real.parents and root.is_dir()]
    # A file right in a known folder is ingested alone; deeper ones need the folder's own names.
    if parents and not (folder.is_file() and real.parent in parents):
        return min(parents, key=lambda root: len(root.parts))
    return folder


def roots_inside(folder: Path, roots: Iterable[str]) -> list[str]:
    """Return the folders of the index that lie inside `folder`, which now holds their files."""
    real = folder.resolve()
    return [root for root in roots if folder.is_dir() and real in Path(root).parents]


class Pipeline:
    """Ingest folders and answer questions about them, as the settings say.

    Nothing is connected or opened before it is needed.  Use it as a context manager, or call
    `close` when done; used again after that it opens anew.  Not safe to share between threads
    while an ingest runs.  `warnings` tells what went wrong in the last ingest without anything
    being lost.  `on_wait` is told what is waited for, and for how many seconds already.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        on_wait: Callable[[str, float], None] = lambda _what, _seconds: None,
    ) -> None:
        self.settings = settings or Settings.load()
        self.warnings: list[str] = []
        self._on_wait = on_wait
        self.models = Connections(self.settings, on_wait)
        self._reader: Index | None = None

    def ingest(
        self, folder: str | Path, on_progress: Callable[[Progress], None] = lambda _: None
    ) -> IngestReport:
        """Bring the index in line with the folder; what is unchanged is not read again.

        Part of a folder that is already in the index brings the whole of that in line.
        Raises PipelineError; what was done before it is kept.
        """
        check_folder(Path(folder))
        self._refuse_own_index(Path(folder))
        self._close_reader()
        index = Index.open_for_writing(
            self.settings.index_dir,
            self.models.manifest(self._options.recipe),
            chroma_documents=self.settings.chroma_documents,
            command=f"rag ingest {folder}",
        )
        with index:
            embedder = self.models.embedder_for_chunks(self._options.limit)
            roots = index.roots()
            whole = whole_root(Path(folder), roots)
            report = ingest_folder(whole, embedder, index, self._options, on_progress)
            self.models.remember_pace()
            for inner in roots_inside(whole, roots):
                index.remove_root(inner)
            finished = time.perf_counter()
        found = self.models.embedding_warnings(self._options.limit)
        self.warnings = [*index.warnings, *(f"{what}; {hint}" for what, hint in found)]
        seconds = {**report.seconds, "chroma": time.perf_counter() - finished}
        return replace(report, seconds=seconds)

    def plan(self, folder: str | Path) -> Plan:
        """Return what `ingest` would do, changing nothing."""
        check_folder(Path(folder))
        try:
            roots = self.index.roots()
        except IndexMissing:
            roots = []
        return plan_folder(whole_root(Path(folder), roots), self._known, self._options)

    def search(
        self, question: str, k: int | None = None, selection: Selection | None = None
    ) -> list[Hit]:
        """Return the passages most likely to answer the question, best first.

        Raises IndexMissing when nothing was ingested, PipelineError when the selection is empty.
        """
        k = self.settings.top_k if k is None else k
        if k < 1:
            raise PipelineError(f"{k} passages are asked for", "ask for one or more: -k 8")
        self._check_there_is_something(selection)
        self.check_index()
        return retrieve(question, self.models.embed_question, self.index, k, selection)

    def ask(
        self,
        question: str,
        *,
        k: int | None = None,
        selection: Selection | None = None,
        on_text: Callable[[str], None] = lambda _: None,
        on_thinking: Callable[[str], None] = lambda _: None,
    ) -> Answer:
        """Return a cited answer to the question; `on_text` gets it piece by piece.

        `on_thinking` gets what a reasoning model thinks before it answers.  A prompt that
        proves too long for the model is packed again with fewer passages.  Raises PipelineError.
        """
        if not question.strip():
            raise PipelineError("the question is empty", 'write it in quotes: rag ask "..."')
        started = time.perf_counter()
        hits = self.search(question, k, selection)
        seconds = time.perf_counter() - started
        if hits:
            return self._answer(question, hits, seconds, on_text, on_thinking)
        chat = self.models.chat()
        return refuse(question, chat.id, extractive=chat.is_extractive, retrieve_seconds=seconds)

    def prepare(self, questions: Sequence[str]) -> None:
        """Embed questions that will be asked, all at once, before the first of them is.

        Where memory holds one model only, each `ask` would else have both change places.
        """
        self.check_index()
        self.models.prepare(questions)

    def check_index(self) -> None:
        """Raise IndexMismatch when the index was made with another embedding model."""
        self.index.check(self.models.manifest(self._options.recipe))

    @property
    def chunk_limit(self) -> int:
        """Return the most tokens of a chunk under these settings."""
        return self._options.limit

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

    def close(self) -> None:
        """Close index and connections."""
        self._close_reader()
        self.models.close()
        self.models = Connections(self.settings, self._on_wait)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()

    def _answer(
        self,
        question: str,
        hits: list[Hit],
        retrieve_seconds: float,
        on_text: Callable[[str], None],
        on_thinking: Callable[[str], None],
    ) -> Answer:
        """Return the answer to a question from what was found, packed anew if it must be."""
        chat, think = self.models.chat(), True
        notes: tuple[str, ...] = ()
        while True:
            prompt = self._prompt(question, hits, chat.counter)
            try:
                answer = write_answer(
                    question,
                    prompt,
                    chat.stream(prompt.messages, prompt.answer_tokens, think=think),
                    self.index.place_at,
                    model=chat.id,
                    extractive=chat.is_extractive,
                    retrieve_seconds=retrieve_seconds,
                    on_text=on_text,
                    on_thinking=on_thinking,
                    notes=notes,
                )
            except ContextOverflow as error:
                # What is learned makes prompts smaller, until not even one passage fits.
                told = error.limit_tokens
                chat.counter.overflowed(told, prompt.tokens, prompt.answer_tokens)
            except OnlyThought:
                if not think:
                    raise
                think, notes = False, (THINKING_SWITCHED_OFF,)
            else:
                counted = sum(count_tokens(message.content) for message in prompt.messages)
                chat.learn(counted, answer.usage.prompt_tokens)
                return answer

    def _prompt(self, question: str, hits: list[Hit], counter: TokenCounter) -> Prompt:
        return build_prompt(
            question,
            hits,
            counter.context_tokens,
            self.settings.answer_tokens,
            fence=secrets.token_hex(8),
            count=counter.count,
        )

    def _refuse_own_index(self, folder: Path) -> None:
        if folder.resolve() == self.settings.index_dir.resolve():
            raise FolderError(
                f"'{folder}' is also the folder of the index", "choose another: --index DIR"
            )

    def _check_there_is_something(self, selection: Selection | None) -> None:
        if selection and not self.index.count(selection):
            raise PipelineError(
                "no document in the index matches the filter", "rag status lists the documents"
            )
        if not self.index.count():
            raise IndexMissing(
                f"nothing was ingested into {self.settings.index_dir}", "rag ingest FOLDER"
            )

    def _known(self, root: str) -> Mapping[str, Known]:
        try:
            return self.index.known(root)
        except IndexMissing:
            return {}

    @property
    def _options(self) -> Options:
        return Options(
            chunk_tokens=self.settings.chunk_tokens,
            reading=self.settings.reading,
        )

    def _close_reader(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None
