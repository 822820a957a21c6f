"""The vectors of another model in place of those there are, which answer until all are made.

New vectors are stored beside the old ones under keys of their own, so a run that was stopped
goes on where it was.  Then one transaction gives every passage its new vector.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from ingest.base.documents import (
    Chunk,
    Document,
    Failure,
    Health,
    Page,
    Progress,
    Source,
    chunk_id,
    find_place,
)
from ingest.base.ports import Embedder
from ingest.chunk import MIN_LIMIT, chunk_document
from ingest.embed import embed_documents, key_chunks
from rag.index.base.errors import IndexFault, IndexMissing
from rag.index.manifest import Manifest, check, read_manifest
from rag.index.store import schema
from rag.index.store.records import integer, read_pages, storable
from rag.index.upkeep import held, renew_chroma
from rag.index.writer import CatalogueWriter

if TYPE_CHECKING:
    from ingest.base.ports import ChunkIndex
    from ingest.embed import ChunkedDocument

MOST_CUTS = 8
"""How often the model may turn out to take shorter texts than it was thought to."""

_INGESTED = """
SELECT root, id, recipe, fingerprint, media_type, size_bytes, mtime_ns, pages
FROM documents WHERE status = 'ok' ORDER BY root, id"""

_REFUSE = """
UPDATE documents SET status = 'skipped', fingerprint = '', reason = ?, message = ?, hint = ?
WHERE root = ? AND id = ?"""


_TELL_SHARE = "UPDATE documents SET unknown_share = ? WHERE root = ? AND id = ?"


@dataclass(frozen=True, slots=True)
class Migrated:
    """What a migration did, or would do.

    `embedded` counts the texts the new model was sent, `recut` the documents with passages too
    long for it, which were cut.  `refused` are documents the next ingest reads again, as the
    model would not take a text of theirs.  `warning` says why there is no Chroma yet.
    """

    before: str
    after: str
    needed: bool = True
    documents: int = 0
    chunks: int = 0
    embedded: int = 0
    recut: int = 0
    refused: tuple[Failure, ...] = ()
    warning: str = ""


def migrate(
    folder: Path,
    embedder: Embedder,
    manifest: Manifest,
    *,
    dry_run: bool = False,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> Migrated:
    """Give an index the vectors of another embedder, whose manifest is the one given.

    Searches go on with the old vectors until the new ones are complete.  Nothing is written
    with `dry_run`.  Raises IndexMissing, IndexLocked, IndexMismatch when another model answers
    under the name of the old one, and what the embedder raises: what was embedded is kept.
    """
    with held(folder, "rag migrate") as real:
        catalogue = _Migration(real, writable=True)
        try:
            if not (stored := catalogue.meta("manifest")):
                raise IndexMissing(f"nothing was ingested into {folder}", "rag ingest FOLDER")
            before = read_manifest(stored)
            report = Migrated(before.embedding_model, manifest.embedding_model)
            if before.identity == manifest.identity:
                check(before, manifest)
                return replace(report, needed=False)
            run = _Run(catalogue, embedder, on_progress)
            if dry_run:
                return run.look(report)
            run.embed_all()
            catalogue.switch(run, replace(manifest, recipe=before.recipe))
            return replace(run.report(report), warning=_renew(catalogue))
        finally:
            catalogue.close()


def _renew(catalogue: CatalogueWriter) -> str:
    try:
        renew_chroma(catalogue)
    except IndexFault as error:
        return f"{error.message}; {error.hint}"
    return ""


@dataclass(frozen=True, slots=True)
class _Ingested:
    """A document of which chunks are stored, and where its pages start."""

    document: Document
    recipe: str
    pages: tuple[Page, ...]


class _Migration(CatalogueWriter):
    """The catalogue while the vectors of all its chunks change."""

    def ingested(self) -> Iterator[_Ingested]:
        """Yield the documents that have chunks."""
        for root, name, recipe, fingerprint, media_type, size, mtime, pages in self._rows(
            _INGESTED
        ):
            folder = Path(str(root))
            source = Source(
                str(name), str(root), folder / str(name), str(media_type), integer(size),
                integer(mtime),
            )  # fmt: skip
            document = Document(source, str(fingerprint), "", "")
            yield _Ingested(document, str(recipe), tuple(read_pages(str(pages))))

    def switch(self, run: _Run, manifest: Manifest) -> None:
        """Give every chunk its new vector, in one transaction; Chroma is then to be made anew."""
        with self._database.transaction("migrate"):
            for item in run.items():
                source = item.document.source
                if failure := run.refused.get((source.root, source.id)):
                    self._refuse(source, failure)
                else:
                    self._replace_chunks(source.root, source.id, item.chunks, item.keys)
                    share = run.embedder.unknown_share([chunk.text for chunk in item.chunks])
                    self._run(_TELL_SHARE, share, source.root, source.id)
            self._run("DELETE FROM outbox")
            self._run(schema.TELL_ALL)
            facts: dict[str, str | int] = {"generation": 0, "seal": "", "tombstones": 0}
            self._set_meta({"manifest": manifest.as_json(), **facts})

    def _refuse(self, source: Source, failure: Failure) -> None:
        self._replace_chunks(source.root, source.id, (), ())
        told = map(storable, (failure.reason, failure.message, failure.hint))
        self._run(_REFUSE, *told, source.root, source.id)


@dataclass(slots=True)
class _Run:
    """One migration: what was found out so far."""

    catalogue: _Migration
    embedder: Embedder
    on_progress: Callable[[Progress], None]
    refused: dict[tuple[str, str], Failure] = field(default_factory=dict)
    recut: set[tuple[str, str]] = field(default_factory=set)
    documents: int = 0
    chunks: int = 0
    embedded: int = 0

    def items(self) -> Iterator[ChunkedDocument]:
        """Yield every document with the chunks and keys that it gets."""
        for ingested in self.catalogue.ingested():
            source = ingested.document.source
            old = self.catalogue.chunks(source.root, source.id)
            chunks = self._recut(ingested, old)
            if len(chunks) != len(old):
                self.recut.add((source.root, source.id))
            yield key_chunks(ingested.document, chunks, self.embedder.identity, Health())

    def look(self, report: Migrated) -> Migrated:
        """Count what there is to do."""
        keys: set[str] = set()
        for item in self.items():
            self._count(item)
            keys.update(item.keys)
        self.embedded = len(keys) - len(self.catalogue.stored_keys(sorted(keys)))
        return self.report(report)

    def embed_all(self) -> None:
        """Make the vectors that are not there, again with shorter chunks where they must be."""
        for _ in range(MOST_CUTS):
            if not self._embed_once(may_be_cut=True):
                return
        self._embed_once(may_be_cut=False)

    def _embed_once(self, *, may_be_cut: bool) -> bool:
        """Return whether chunks proved too long, for which the embedder's limit was lowered."""
        self.refused.clear()
        self.recut.clear()
        self.documents = self.chunks = 0
        too_long = False
        total, count = self.catalogue.count("chunks"), self.catalogue.count("documents")
        index = cast("ChunkIndex", self.catalogue)  # of which no more is used than it has
        for item in embed_documents(self.items(), self.embedder, index):
            self.embedded += item.sent
            self._count(item)
            done = min(self.chunks, total)
            self.on_progress(Progress(self.documents, count, done, total, self.chunks))
            if item.too_long and may_be_cut:
                too_long = True
            elif item.rejected:
                self._refuse(item)
        return too_long

    def _count(self, item: ChunkedDocument) -> None:
        self.documents += 1
        self.chunks += len(item.chunks)

    def _refuse(self, item: ChunkedDocument) -> None:
        source = item.document.source
        hint = "the next rag ingest reads it again; another model may take it"
        self.refused[source.root, source.id] = Failure(
            source.id, "embed-rejected", item.rejected, hint
        )

    def report(self, report: Migrated) -> Migrated:
        """Return the counts."""
        return replace(
            report,
            documents=self.documents,
            chunks=self.chunks,
            embedded=self.embedded,
            recut=len(self.recut),
            refused=tuple(self.refused.values()),
        )

    # ---- passages that are too long for the new model

    def _recut(self, ingested: _Ingested, chunks: Sequence[Chunk]) -> list[Chunk]:
        """Return the chunks as the new model counts them, those over its limit cut in place."""
        limit = self.embedder.token_limit
        counts = self.embedder.count_tokens([chunk.embedding_text for chunk in chunks])
        parts: list[Chunk] = []
        for chunk, tokens in zip(chunks, counts, strict=True):
            if tokens <= limit:
                parts.append(replace(chunk, tokens=tokens))
            else:
                parts.extend(self._cut(ingested, chunk, limit))
        if len(parts) == len(chunks):
            return parts
        root = ingested.document.source.root
        return [
            replace(part, ordinal=n, id=chunk_id(root, part.document_id, n, part.text, recipe))
            for recipe in (ingested.recipe,)
            for n, part in enumerate(parts)
        ]

    def _cut(self, ingested: _Ingested, chunk: Chunk, limit: int) -> Iterator[Chunk]:
        """Yield the parts of a chunk, each with its heading, and its columns if there is room."""
        (room,) = self.embedder.count_tokens([chunk.columns]) if chunk.columns else (0,)
        columns = chunk.columns if limit - room >= max(MIN_LIMIT, limit // 2) else ""
        room = room if columns else 0
        small = Document(ingested.document.source, "", chunk.heading, chunk.text)
        for part in chunk_document(small, limit - room, self.embedder.count_tokens, ""):
            place = find_place(ingested.pages, chunk.start + part.start)
            yield replace(
                part,
                start=chunk.start + part.start,
                end=chunk.start + part.end,
                tokens=part.tokens + room,
                page=place.page,
                place=place.label,
                columns=columns,
            )
