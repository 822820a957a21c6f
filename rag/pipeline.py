"""The whole program on one screen: settings in, objects put together, `ingest` and `ask` out."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from ingest.base.documents import IngestReport, Known, Plan, Progress
from ingest.base.errors import FolderError, PipelineError
from ingest.discover.plan import real_folder
from ingest.discover.scan import Looking
from ingest.pipeline import Options, check_folder, ingest_folder, plan_folder
from rag.connections import Connections
from rag.health.report import HealthReport, examine_index
from rag.index.base.errors import IndexMissing
from rag.index.base.roots import (
    check_collection,
    explain_missing,
    lost_inside,
    put_together,
    roots_inside,
    tell_renamed,
    whole_root,
)
from rag.index.index import Index, IndexStatus
from rag.index.store.records import Selection
from rag.query.answer import Answer, refuse
from rag.query.fuse import Hit
from rag.query.respond import respond
from rag.query.retrieve import retrieve
from rag.settings import Settings


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
        self,
        folder: str | Path,
        on_progress: Callable[[Progress], None] = lambda _: None,
        *,
        collection: str | None = None,
        remove_many: bool = False,
        known_only: bool = False,
    ) -> IngestReport:
        """Bring the index in line with the folder; what is unchanged is not read again.

        Part of a folder that is already in the index brings the whole of that in line.  The
        folder goes into the `collection`, None the one it is in.  Most of its documents vanish
        at once only with `remove_many`: else that is taken for a drive that is not mounted.
        With `known_only` no files are added.  Raises PipelineError; what was done is kept.
        """
        self.check_folder(folder)
        self._refuse_own_index(Path(folder))
        self._close_reader()
        options = replace(self._options, remove_many=remove_many)
        if known_only:
            options = replace(options, looking=replace(options.looking, known_only=True))
        index = Index.open_for_writing(
            self.settings.index_dir,
            self.models.manifest(options.recipe),
            chroma_documents=self.settings.chroma_documents,
            command=f"rag ingest {folder}",
            exact_up_to=0 if self.settings.search == "chroma" else self.settings.exact_up_to,
        )
        with index:
            embedder = self.models.embedder_for_chunks(options.limit)
            roots = index.roots()
            whole = whole_root(Path(folder), roots)
            inside = [] if known_only else roots_inside(whole, roots)
            plan = plan_folder(whole, index.known, options) if inside else Plan()
            lost = lost_inside(whole, inside, index.known, plan, remove_many=remove_many)
            told = put_together(index, Path(folder), whole, collection or self.settings.collection)
            report = ingest_folder(whole, embedder, index, options, on_progress)
            self.models.remember_pace()
            for inner in inside:
                index.remove_root(inner)
            told += tell_renamed(real_folder(whole), set(roots).difference(inside), index.known)
            finished = time.perf_counter()
        found = self.models.embedding_warnings(options.limit)
        self.warnings = [*told, *index.warnings, *(f"{what}; {hint}" for what, hint in found)]
        seconds = {**report.seconds, "chroma": time.perf_counter() - finished}
        removed = (*report.removed, *lost)
        return replace(report, seconds=seconds, removed=removed, folder=str(whole.resolve()))

    def check_folder(self, folder: str | Path) -> None:
        """Raise FolderError unless it is a folder or a file, with what the index knows of it."""
        if not Path(folder).exists():
            error = explain_missing(Path(folder), self._roots(), self._known)
            if error:
                raise error
        check_folder(Path(folder))

    def folders(self) -> dict[str, bool]:
        """Return the folders of the index, or of the collection that is set, sorted.

        True is for those that were ingested whole, False where only single files were.
        """
        try:
            collections = self.index.collections()
        except IndexMissing:
            return {}
        only = self.settings.collection
        if only:
            check_collection(only, collections)
        whole = set(self.index.whole_roots())
        roots = (root for name in collections if only in (None, name) for root in collections[name])
        return {root: root in whole for root in sorted(roots)}

    def plan(self, folder: str | Path, *, known_only: bool = False) -> Plan:
        """Return what `ingest` would do, changing nothing."""
        self.check_folder(folder)
        looking = replace(self._options.looking, known_only=known_only)
        options = replace(self._options, looking=looking)
        whole = whole_root(Path(folder), self._roots())
        plan = plan_folder(whole, self._known, options)
        inside = [] if known_only else roots_inside(whole, self._roots())
        lost = lost_inside(whole, inside, self._known, plan, remove_many=True)
        return replace(plan, vanished=(*plan.vanished, *lost), folder=str(whole.resolve()))

    def search(
        self, question: str, k: int | None = None, selection: Selection | None = None
    ) -> list[Hit]:
        """Return the passages most likely to answer the question, best first.

        Raises IndexMissing when nothing was ingested, PipelineError when the selection is empty.
        """
        k = self.settings.top_k if k is None else k
        if k < 1:
            raise PipelineError(f"{k} passages are asked for", "ask for one or more: -k 8")
        selection = self._in_collection(selection)
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
        chat = self.models.chat()
        if not hits:
            return refuse(
                question, chat.id, extractive=chat.is_extractive, retrieve_seconds=seconds
            )
        return respond(
            question,
            hits,
            chat,
            self.index.place_at,
            answer_tokens=self.settings.answer_tokens,
            retrieve_seconds=seconds,
            on_text=on_text,
            on_thinking=on_thinking,
        )

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

    def health(self) -> HealthReport:
        """Return what the index knows badly and what it cannot see; raises IndexMissing."""
        return examine_index(self.index, str(self.settings.index_dir.resolve()))

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

    def _refuse_own_index(self, folder: Path) -> None:
        if folder.resolve() == self.settings.index_dir.resolve():
            raise FolderError(
                f"'{folder}' is also the folder of the index", "choose another: --index DIR"
            )

    def _in_collection(self, selection: Selection | None) -> Selection | None:
        """Return the selection, inside the collection that is set unless it names its own."""
        name = self.settings.collection
        if selection and selection.collections:
            return selection
        if not name:
            return selection
        check_collection(name, self.index.collections())
        return replace(selection or Selection(), collections=(name,))

    def _check_there_is_something(self, selection: Selection | None) -> None:
        if selection and not self.index.count(selection):
            raise PipelineError(
                "no document in the index matches the filter", "rag list shows the documents"
            )
        if not self.index.count():
            raise IndexMissing(
                f"nothing was ingested into {self.settings.index_dir}", "rag ingest FOLDER"
            )

    def _roots(self) -> list[str]:
        try:
            return self.index.roots()
        except IndexMissing:
            return []

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
            workers=self.settings.parse_workers,
            looking=Looking(self.settings.hidden_files, self.settings.follow_links),
        )

    def _close_reader(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None
