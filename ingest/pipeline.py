"""A folder in, its documents in the index out: discover, parse, chunk, embed, index."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

from ingest.base.documents import (
    Document,
    Failure,
    IngestReport,
    Known,
    Plan,
    Progress,
    Source,
)
from ingest.base.errors import EmbeddingRejected, ParseError, SettingsError
from ingest.base.ports import ChunkIndex, Embedder
from ingest.chunk import CHUNKER_VERSION, MIN_LIMIT, chunk_document
from ingest.discover.plan import hold_back_great_loss, make_plan, real_folder
from ingest.discover.scan import Looking, check_folder
from ingest.embed import ChunkedDocument, embed_documents, key_chunks
from ingest.flow import Clock, run_ahead
from ingest.health import examine
from ingest.parse.base.reading import Reading
from ingest.parse.pool import Outcome, ReadingPool
from ingest.parse.read import PARSER_VERSION

__all__ = ["Options", "check_folder", "ingest_folder", "plan_folder", "real_folder"]

MOST_WORKERS = 4
MOST_CHUNKS_AHEAD = 1000
STAGES = ("scan", "parse", "chunk", "embed", "index")
# Each time the limit is a quarter lower at least: enough from 250 tokens down to what is useless.
MOST_CUTS = 8


@dataclass(frozen=True, slots=True)
class Options:
    """How to ingest; `chunk_tokens` is the room for text, a quarter more goes to headings.

    `chunk_overlap` are tokens of it that repeat the chunk before, less than half.  `workers` are
    the processes that read files, None as many as there are processors, 4 at most; with 0 files
    are read in this process, where one that hangs or crashes takes it along.
    `remove_many` allows most documents of a folder to vanish at once, as if they were deleted.
    """

    chunk_tokens: int = 200
    chunk_overlap: int = 0
    reading: Reading = field(default_factory=Reading)
    looking: Looking = field(default_factory=Looking)
    remove_many: bool = False
    workers: int | None = None

    def __post_init__(self) -> None:
        if self.chunk_tokens < MIN_LIMIT:
            raise SettingsError(
                f"chunk_tokens is {self.chunk_tokens}", f"set it to {MIN_LIMIT} or more"
            )
        if not 0 <= self.chunk_overlap * 2 < self.chunk_tokens:
            told = f"chunk_overlap is {self.chunk_overlap} of {self.chunk_tokens} tokens"
            raise SettingsError(told, "set RAG_CHUNK_OVERLAP to less than half of them")

    @property
    def limit(self) -> int:
        """Return the most tokens of a chunk, heading path included, of a model that takes them."""
        return self.chunk_tokens * 5 // 4

    @property
    def processes(self) -> int:
        """Return how many processes read files."""
        if self.workers is None:
            return min(MOST_WORKERS, os.cpu_count() or 1)
        return self.workers

    @property
    def recipe(self) -> str:
        """Name everything that changes the chunks of an unchanged file."""
        made_by = f"parser {PARSER_VERSION}, chunker {CHUNKER_VERSION}, {self.chunk_tokens} tokens"
        return f"{made_by}, {self.chunk_overlap} repeated" if self.chunk_overlap else made_by


def ingest_folder(
    root: Path,
    embedder: Embedder,
    index: ChunkIndex,
    options: Options | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> IngestReport:
    """Bring the index up to date with a folder, or with one file of it.

    Every document is durable as soon as it is reported, so a run that was stopped goes on
    where it was.  What is gone from the folder is removed, unless that is most of many documents.
    Raises FolderError, and what the embedder and the index raise; files that cannot be read
    are in the report instead.
    """
    run = _Run(embedder, index, options or Options(), on_progress or _ignore)
    with run.timed("scan"):
        plan, unread = _look(root, index.known, run.options)
        if not run.options.remove_many:
            plan = hold_back_great_loss(root, plan)
    with run.timed("index"):
        _apply(plan, index, real_folder(root))
        # Single files say nothing about the others of their folder.
        if root.is_dir() and not run.options.looking.known_only:
            index.record_unread(real_folder(root), unread)
    run.expect(plan)
    pool = ReadingPool(run.options.reading, run.options.processes)
    documents = run.chunk_all(pool.read((*plan.new, *plan.changed)))
    with (
        run.timed("embed"),
        closing(run_ahead(documents, _count_chunks, MOST_CHUNKS_AHEAD)) as chunked,
        pool,
    ):
        run.embed(run.admit(chunked))
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
    most_bytes = options.reading.max_file_bytes
    return make_plan(root, known, options.recipe, most_bytes, options.looking)


def _apply(plan: Plan, index: ChunkIndex, root: str) -> None:
    """Do what needs no reading: files that moved, went, or were only touched."""
    for move in plan.moved:
        index.move_document(root, move)
    if plan.vanished:
        index.remove_documents(root, plan.vanished)
    if plan.touched:
        index.touch_documents(plan.touched)


def _count_chunks(item: _Chunked) -> int:
    return 1 if isinstance(item[1], ParseError) else 1 + len(item[1].chunks)


def _ignore(progress: Progress) -> None:
    """Take no notice."""


_Chunked: TypeAlias = tuple[Source, ChunkedDocument | ParseError]


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
    chunks: int = 0
    embedded: int = 0
    too_long: list[Document] = field(default_factory=list)
    cuts: int = 0
    clock: Clock = field(default_factory=lambda: Clock(STAGES))

    def timed(self, stage: str) -> AbstractContextManager[None]:
        """Add the time inside to a stage."""
        return self.clock.timed(stage)

    def expect(self, plan: Plan) -> None:
        """Set what progress is measured against."""
        sources = (*plan.new, *plan.changed)
        size = sum(source.size_bytes for source in sources)
        self.progress = Progress(0, len(sources), 0, size, 0)
        self.on_progress(self.progress)

    def embed(self, items: Iterator[ChunkedDocument]) -> None:
        """Embed and store chunked documents."""
        for item in embed_documents(items, self.embedder, self.index, self._move_on):
            self.store(item)

    def chunk_all(self, outcomes: Iterator[tuple[Source, Outcome]]) -> Iterator[_Chunked]:
        """Yield the documents that could be read, chunked, and the errors of the others.

        This runs in a thread beside the one that embeds and stores.
        """
        while True:
            with self.timed("parse"):
                found = next(outcomes, None)
            if found is None:
                return
            source, outcome = found
            if isinstance(outcome, ParseError):
                yield source, outcome
            else:
                yield source, self._chunk(outcome)

    def admit(self, items: Iterator[_Chunked]) -> Iterator[ChunkedDocument]:
        """Yield the chunked documents; record those that could not be read."""
        for source, item in items:
            self.progress = replace(self.progress, current=source.id)
            if isinstance(item, ParseError):
                self._refuse(source, item)
            else:
                yield item

    def chunk_again(self) -> Iterator[ChunkedDocument]:
        """Yield the documents whose chunks proved too long, in shorter ones."""
        documents, self.too_long = self.too_long, []
        self.cuts += 1
        for document in documents:
            self.progress = replace(self.progress, current=document.id)
            yield self._chunk(document)

    def _chunk(self, document: Document) -> ChunkedDocument:
        """Cut a document to the limit as it is now: the embedder may have learned a lower one."""
        options, count = self.options, self.embedder.count_tokens
        limit = min(options.limit, self.embedder.token_limit)
        with self.timed("chunk"):
            chunks = chunk_document(document, limit, count, options.recipe, options.chunk_overlap)
            health = examine(document, chunks, self.embedder)
            return key_chunks(document, chunks, self.embedder.identity, health)

    def _refuse(self, source: Source, error: ParseError) -> None:
        failure = Failure(source.id, error.reason, error.message, error.hint, error.pages)
        with self.timed("index"):
            self.index.record_failure(source, error.fingerprint, failure)
        self.skipped.append(failure)
        self._advance(source, 0)

    def store(self, item: ChunkedDocument) -> None:
        """Commit one document whose vectors are all there; have it cut again, or refuse it."""
        document = item.document
        self.embedded += item.sent
        if item.too_long and self.cuts < MOST_CUTS:
            self.too_long.append(document)
            return
        if item.rejected:
            hint = "see what is in the file; another embedding model may take it"
            error = EmbeddingRejected(item.rejected, hint)
            error.fingerprint = document.fingerprint
            self._refuse(document.source, error)
            return
        with self.timed("index"):
            self.index.add_document(document, item.chunks, item.keys, item.health)
        self.ingested.append(document.id)
        self.notes.extend((document.id, note) for note in document.notes)
        self.chunks += len(item.chunks)
        self._advance(document.source, len(item.chunks) - item.sent)

    def _move_on(self, embedded: int) -> None:
        """Tell of chunks embedded before their document is complete."""
        self.progress = replace(self.progress, chunks_done=self.progress.chunks_done + embedded)
        self.on_progress(self.progress)

    def _advance(self, source: Source, chunks: int) -> None:
        """Tell of a file that is done, and of those of its chunks that were not embedded now."""
        before = self.progress
        self.progress = replace(
            before,
            files_done=before.files_done + 1,
            bytes_done=before.bytes_done + source.size_bytes,
            chunks_done=before.chunks_done + chunks,
        )
        self.on_progress(self.progress)

    def report(self, plan: Plan) -> IngestReport:
        """Return what was done, counted, by id: files are read in no fixed order."""
        skipped = sorted(self.skipped, key=lambda failure: failure.source_id)
        return IngestReport(
            ingested=tuple(sorted(self.ingested)),
            unchanged=len(plan.unchanged) + len(plan.touched),
            moved=len(plan.moved),
            removed=plan.vanished,
            skipped=(*plan.skipped, *skipped),
            ignored=len(plan.ignored),
            hidden=plan.hidden,
            notes=tuple(sorted(self.notes, key=lambda note: note[0])),
            chunks=self.chunks,
            embedded=self.embedded,
            seconds=self.clock.seconds,
            held_back=plan.held_back,
        )
