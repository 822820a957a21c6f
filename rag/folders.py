"""Folders in, the index brought in line with them: which are there, what a run would do."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from ingest.base.documents import IngestReport, Known, Plan, Progress
from ingest.base.errors import FolderError
from ingest.discover.plan import real_folder
from ingest.discover.scan import Looking
from ingest.pipeline import Options, check_folder, ingest_folder, plan_folder
from rag.connections import Connections
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
from rag.index.index import Index
from rag.settings import Settings


class Folders:
    """The documents side of a pipeline.

    `reader` gives the index open for reading, `close_reader` closes it before it is written.
    `warnings` tells what went wrong in the last ingest without anything being lost.
    """

    def __init__(
        self,
        settings: Settings,
        models: Callable[[], Connections],
        reader: Callable[[], Index],
        close_reader: Callable[[], None],
    ) -> None:
        self.settings = settings
        self.warnings: list[str] = []
        self._models = models
        self._reader = reader
        self._close_reader = close_reader

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
        models = self._models()
        self.check(folder)
        self._refuse_own_index(Path(folder))
        self._close_reader()
        options = replace(self.options, remove_many=remove_many)
        if known_only:
            options = replace(options, looking=replace(options.looking, known_only=True))
        index = Index.open_for_writing(
            self.settings.index_dir,
            models.manifest(options.recipe),
            chroma_documents=self.settings.chroma_documents,
            command=f"rag ingest {folder}",
            exact_up_to=0 if self.settings.search == "chroma" else self.settings.exact_up_to,
        )
        with index:
            embedder = models.embedder_for_chunks(options.limit)
            roots = index.roots()
            whole = whole_root(Path(folder), roots)
            inside = [] if known_only else roots_inside(whole, roots)
            plan = plan_folder(whole, index.known, options) if inside else Plan()
            lost = lost_inside(whole, inside, index.known, plan, remove_many=remove_many)
            told = put_together(index, Path(folder), whole, collection or self.settings.collection)
            report = ingest_folder(whole, embedder, index, options, on_progress)
            models.remember_pace()
            for inner in inside:
                index.remove_root(inner)
            told += tell_renamed(real_folder(whole), set(roots).difference(inside), index.known)
            finished = time.perf_counter()
        found = models.embedding_warnings(options.limit)
        self.warnings = [*told, *index.warnings, *(f"{what}; {hint}" for what, hint in found)]
        seconds = {**report.seconds, "chroma": time.perf_counter() - finished}
        removed = (*report.removed, *lost)
        return replace(report, seconds=seconds, removed=removed, folder=str(whole.resolve()))

    def check(self, folder: str | Path) -> None:
        """Raise FolderError unless it is a folder or a file, with what the index knows of it."""
        if not Path(folder).exists():
            error = explain_missing(Path(folder), self._roots(), self._known)
            if error:
                raise error
        check_folder(Path(folder))

    def names(self) -> dict[str, bool]:
        """Return the folders of the index, or of the collection that is set, sorted.

        True is for those that were ingested whole, False where only single files were.
        """
        try:
            collections = self._reader().collections()
        except IndexMissing:
            return {}
        only = self.settings.collection
        if only:
            check_collection(only, collections)
        whole = set(self._reader().whole_roots())
        roots = (root for name in collections if only in (None, name) for root in collections[name])
        return {root: root in whole for root in sorted(roots)}

    def plan(self, folder: str | Path, *, known_only: bool = False) -> Plan:
        """Return what `ingest` would do, changing nothing."""
        self.check(folder)
        looking = replace(self.options.looking, known_only=known_only)
        options = replace(self.options, looking=looking)
        whole = whole_root(Path(folder), self._roots())
        plan = plan_folder(whole, self._known, options)
        inside = [] if known_only else roots_inside(whole, self._roots())
        lost = lost_inside(whole, inside, self._known, plan, remove_many=True)
        return replace(plan, vanished=(*plan.vanished, *lost), folder=str(whole.resolve()))

    @property
    def options(self) -> Options:
        """Return how files are found, read and cut."""
        return Options(
            chunk_tokens=self.settings.chunk_tokens,
            chunk_overlap=self.settings.chunk_overlap,
            reading=self.settings.reading,
            workers=self.settings.parse_workers,
            looking=Looking(self.settings.hidden_files, self.settings.follow_links),
        )

    def _refuse_own_index(self, folder: Path) -> None:
        if folder.resolve() == self.settings.index_dir.resolve():
            raise FolderError(
                f"'{folder}' is also the folder of the index", "choose another: --index DIR"
            )

    def _roots(self) -> list[str]:
        try:
            return self._reader().roots()
        except IndexMissing:
            return []

    def _known(self, root: str) -> Mapping[str, Known]:
        try:
            return self._reader().known(root)
        except IndexMissing:
            return {}
