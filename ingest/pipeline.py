"""A folder in, its documents in the index out: discover, parse, chunk, embed, index."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from time import perf_counter

from ingest.base.documents import (
    Document,
    Failure,
    Health,
    IngestReport,
    Known,
    Plan,
    Progress,
    Source,
)
from ingest.base.errors import EmbeddingRejected, ParseError, SettingsError
from ingest.base.ports import ChunkIndex, Embedder
from ingest.chunk import CHUNKER_VERSION, MIN_LIMIT, chunk_document
from ingest.discover import check_folder, diff, nothing_to_read, scan
from ingest.embed import ChunkedDocument, embed_documents, key_chunks
from ingest.parse.base.files import fingerprint_of, read_bytes
from ingest.parse.base.reading import Reading
from ingest.parse.read import PARSER_VERSION, read_document

__all__ = ["Options", "check_folder", "ingest_folder", "plan_folder", "real_folder"]

# Each time the limit is a quarter lower at least: enough from 250 tokens down to what is useless.
MOST_CUTS = 8


@dataclass(frozen=True, slots=True)
class Options:
    """How to ingest; `chunk_tokens` is the room for text, a quarter more goes to headings."""

    chunk_tokens: int = 200
    reading: Reading = field(default_factory=Reading)

    def __post_init__(self) -> None:
        if self.chunk_tokens < MIN_LIMIT:
            raise SettingsError(
                f"chunk_tokens is {self.chunk_tokens}", f"set it to {MIN_LIMIT} or more"
            )

    @property
    def limit(self) -> int:
        """Return the most tokens of a chunk, heading path included, of a model that takes them."""
        return self.chunk_tokens * 5 // 4

    @property
    def recipe(self) -> str:
        """Name everything that changes the chunks of an unchanged file."""
        return f"parser {PARSER_VERSION}, chunker {CHUNKER_VERSION}, {self.chunk_tokens} tokens"


def ingest_folder(
    root: Path,
    embedder: Embedder,
    index: ChunkIndex,
    options: Options | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> IngestReport:
    """Bring the index up to date with a folder, or with one file of it.

    Every document is durable as soon as it is reported, so a run that was stopped goes on
    where it was.  What is gone from the folder is removed, even when it was all there was.
    Raises FolderError, and what the embedder and the index raise; files that cannot be read
    are in the report instead.
    """
    run = _Run(embedder, index, options or Options(), on_progress or _ignore)
    with run.timed("scan"):
        plan, unread = _look(root, index.known, run.options)
    with run.timed("index"):
        _apply(plan, index, real_folder(root))
        if root.is_dir():  # One file says nothing about the others of its folder.
            index.record_unread(real_folder(root), unread)
    run.expect(plan)
    with run.timed("embed"):
        run.embed(run.chunk_all((*plan.new, *plan.changed)))
        while run.too_long:
            run.embed(run.chunk_again())
    return run.report(plan)


def plan_folder(
    root: Path, known: Callable[[str], Mapping[str, Known]], options: Options | None = None
) -> Plan:
    """Say what `ingest_folder` would do, and change nothing; raises FolderError.

    `known` returns what is remembered of a root's sources, as `ChunkIndex.known` does.
    """
    return _look(root, known, options or Options())[0]


def _look(
    root: Path, known: Callable[[str], Mapping[str, Known]], options: Options
) -> tuple[Plan, list[Failure]]:
    """Return the plan, and which of its failures are files that were not even opened."""
    sources, unread = scan(root, options.reading.max_file_bytes)
    remembered = known(real_folder(root))
    if not root.is_dir():
        remembered = {s.id: remembered[s.id] for s in sources if s.id in remembered}
    if not sources and not remembered:
        raise nothing_to_read(root, unread)
    plan = diff(
        sources,
        _within_reach(remembered, unread),
        options.recipe,
        lambda source: fingerprint_of(read_bytes(source.path, options.reading.max_file_bytes)),
    )
    return replace(plan, skipped=(*unread, *plan.skipped)), unread


def real_folder(root: Path) -> str:
    """Return the real absolute path under which the sources of `root` are kept."""
    return os.path.realpath(root if root.is_dir() else Path(os.path.realpath(root)).parent)


def _within_reach(known: Mapping[str, Known], failures: Sequence[Failure]) -> dict[str, Known]:
    """Leave out what could not be looked at, or is below such a folder: it is not gone."""
    closed = {failure.source_id for failure in failures if failure.reason == "unreadable"}
    return {
        id: entry
        for id, entry in known.items()
        if closed.isdisjoint((id, *map(str, PurePosixPath(id).parents)))
    }


def _apply(plan: Plan, index: ChunkIndex, root: str) -> None:
    """Do what needs no reading: files that moved, went, or were only touched."""
    for move in plan.moved:
        index.move_document(root, move)
    if plan.vanished:
        index.remove_documents(root, plan.vanished)
    if plan.touched:
        index.touch_documents(plan.touched)


def _ignore(progress: Progress) -> None:
    """Take no notice."""


@dataclass(slots=True)
class _Run:
    """What one run has done so far."""

    embedder: Embedder
    index: ChunkIndex
    options: Options
    on_progress: Callable[[Progress], None]
    progress: Progress = field(default_factory=lambda: Progress(0, 0, 0, 0, 0))
    ingested: list[str] = field(default_factory=list)
    skipped: list[Failure] = field(default_factory=list)
    notes: list[tuple[str, str]] = field(default_factory=list)
    embedded: int = 0
    too_long: list[Document] = field(default_factory=list)
    cuts: int = 0
    seconds: dict[str, float] = field(
        default_factory=lambda: dict.fromkeys(("scan", "parse", "chunk", "embed", "index"), 0.0)
    )
    clocks: list[str] = field(default_factory=list)

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Add the time inside to a stage; a stage inside another takes its time from it."""
        started = perf_counter()
        self.clocks.append(stage)
        try:
            yield
        finally:
            self.clocks.pop()
            seconds = perf_counter() - started
            self.seconds[stage] += seconds
            if self.clocks:
                self.seconds[self.clocks[-1]] -= seconds

    def expect(self, plan: Plan) -> None:
        """Set what progress is measured against."""
        sources = (*plan.new, *plan.changed)
        size = sum(source.size_bytes for source in sources)
        self.progress = Progress(0, len(sources), 0, size, 0)
        self.on_progress(self.progress)

    def embed(self, items: Iterator[ChunkedDocument]) -> None:
        """Embed and store chunked documents."""
        for item in embed_documents(items, self.embedder, self.index):
            self.store(item)

    def chunk_all(self, sources: tuple[Source, ...]) -> Iterator[ChunkedDocument]:
        """Yield the documents that can be read, chunked; record those that cannot."""
        for source in sources:
            self.progress = replace(self.progress, current=source.id)
            try:
                with self.timed("parse"):
                    document = read_document(source, self.options.reading)
            except ParseError as error:
                self._refuse(source, error)
                continue
            yield self._chunk(document)

    def chunk_again(self) -> Iterator[ChunkedDocument]:
        """Yield the documents whose chunks proved too long, in shorter ones."""
        documents, self.too_long = self.too_long, []
        self.cuts += 1
        for document in documents:
            self.progress = replace(self.progress, current=document.id)
            yield self._chunk(document)

    def _chunk(self, document: Document) -> ChunkedDocument:
        """Cut a document to the limit as it is now: the embedder may have learned a lower one."""
        limit = min(self.options.limit, self.embedder.token_limit)
        with self.timed("chunk"):
            chunks = chunk_document(
                document, limit, self.embedder.count_tokens, self.options.recipe
            )
            return key_chunks(document, chunks, self.embedder.identity)

    def _refuse(self, source: Source, error: ParseError) -> None:
        failure = Failure(source.id, error.reason, error.message, error.hint)
        with self.timed("index"):
            self.index.record_failure(source, _fingerprint(source, self.options), failure)
        self.skipped.append(failure)
        self._advance(source, 0)

    def store(self, item: ChunkedDocument) -> None:
        """Commit one document whose vectors are all there; have it cut again, or refuse it."""
        self.embedded += item.sent
        if item.too_long and self.cuts < MOST_CUTS:
            self.too_long.append(item.document)
            return
        if item.rejected:
            hint = "see what is in the file; another embedding model may take it"
            self._refuse(item.document.source, EmbeddingRejected(item.rejected, hint))
            return
        with self.timed("index"):
            self.index.add_document(item.document, item.chunks, item.keys, Health())
        self.ingested.append(item.document.id)
        self.notes.extend((item.document.id, note) for note in item.document.notes)
        self._advance(item.document.source, len(item.chunks))

    def _advance(self, source: Source, chunks: int) -> None:
        before = self.progress
        self.progress = replace(
            before,
            files_done=before.files_done + 1,
            bytes_done=before.bytes_done + source.size_bytes,
            chunks_done=before.chunks_done + chunks,
        )
        self.on_progress(self.progress)

    def report(self, plan: Plan) -> IngestReport:
        """Return what was done, counted."""
        return IngestReport(
            ingested=tuple(self.ingested),
            unchanged=len(plan.unchanged) + len(plan.touched),
            moved=len(plan.moved),
            removed=plan.vanished,
            skipped=(*plan.skipped, *self.skipped),
            notes=tuple(self.notes),
            chunks=self.progress.chunks_done,
            embedded=self.embedded,
            seconds=self.seconds,
        )


def _fingerprint(source: Source, options: Options) -> str:
    """Return what a refused file is remembered by, "" when its bytes cannot even be read."""
    try:
        return fingerprint_of(read_bytes(source.path, options.reading.max_file_bytes))
    except ParseError:
        return ""
