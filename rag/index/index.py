"""The index as everyone else sees it: opened to write or to read, searched, listed, closed."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from ingest.base.documents import Chunk, Document, Failure, Health, Known, Move, Source
from rag.index import manifest as manifests
from rag.index.base.errors import IndexMissing
from rag.index.base.lock import WRITER, Lock
from rag.index.finding.found import Found, Ranking
from rag.index.finding.reading import Reading
from rag.index.manifest import Manifest, read_manifest, stamp
from rag.index.projection.generations import count_bytes
from rag.index.search import Searcher, SearchMethod
from rag.index.store.catalogue import Catalogue
from rag.index.store.database import translated
from rag.index.store.records import Selection, StoredDocument
from rag.index.store.status import IndexStatus, read_status
from rag.index.upkeep import find_damage
from rag.index.writer import CatalogueWriter, Writer

if TYPE_CHECKING:
    from ingest.base.documents import Vectors

__all__ = ["Found", "Index", "IndexStatus", "SearchMethod", "Selection", "StoredDocument"]


class Index(Reading):
    """Documents, chunks and vectors on disk; implements `ingest.base.ports.ChunkIndex`.

    `warnings` tells what went wrong with Chroma without anything being lost.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        search: SearchMethod,
        exact_up_to: int = 0,
        writing: Writer | None = None,
    ) -> None:
        self.manifest = read_manifest(catalogue.meta("manifest"))
        self.warnings: list[str] = []
        super().__init__(catalogue)
        self._writing = writing
        self._closed = False
        self._searcher = Searcher(catalogue, self.manifest.dimension, search, exact_up_to)

    @classmethod
    def open_for_writing(
        cls,
        folder: Path,
        manifest: Manifest,
        *,
        chroma_documents: bool = False,
        command: str = "",
        drain: bool = True,
        exact_up_to: int = 0,
    ) -> Self:
        """Open an index, made when there is none, as its only writer.

        Without `drain` Chroma is neither repaired nor told anything: that waits for a later run.
        Up to `exact_up_to` chunks, those that searches do without it, few changes wait too.
        Raises IndexLocked, IndexMismatch, IndexDamaged, DiskFull.
        """
        folder = folder.expanduser().resolve()
        with translated(folder):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.ExitStack() as undo:
            lock = Lock(folder, WRITER)
            lock.acquire(command)
            undo.callback(lock.release)
            catalogue = CatalogueWriter(folder, writable=True, new=True)
            undo.callback(catalogue.close)
            losses = catalogue.find_losses()
            stamp(catalogue, manifest)
            writing = Writer(catalogue, lock, manifest.recipe, chroma_documents, exact_up_to)
            index = cls(catalogue, "exact", writing=writing)
            index.warnings.extend(losses)
            if drain and (problem := writing.prepare()):
                index.warnings.append(problem)
            undo.pop_all()
            return index

    @classmethod
    def open_for_reading(
        cls, folder: Path, *, search: SearchMethod = "auto", exact_up_to: int = 0
    ) -> Self:
        """Open an index to search and list it; raises IndexMissing, IndexDamaged.

        "auto" searches exactly up to so many chunks, and where Chroma cannot be used; there
        "chroma" raises IndexFault.
        """
        catalogue = Catalogue(folder.expanduser().resolve(), writable=False)
        try:
            if not catalogue.meta("manifest"):
                raise IndexMissing(f"nothing was ingested into {folder}", "rag ingest FOLDER")
            return cls(catalogue, search, exact_up_to)
        except BaseException:
            catalogue.close()
            raise

    # ---- reading

    def check(self, now: Manifest) -> None:
        """Raise IndexMismatch when vectors made now cannot be compared with those stored."""
        manifests.check(self.manifest, now)

    def search(self, vector: Vectors, k: int, selection: Selection | None = None) -> list[Found]:
        """Return the `k` texts nearest to a unit vector of shape (dimension,), best first.

        Each is there once, as one of its chunks, with its other places as `copies`.  Scores are
        cosines, ties are in the order of ids.  With a selection only what it holds counts and
        is named, and the search is always exact.  Raises IndexMismatch when the dimension differs.
        """
        return [*self._searcher.rank(vector, k, k, selection).named]

    def rank(
        self, vector: Vectors, k: int, named: int, selection: Selection | None = None
    ) -> Ranking:
        """Return the same of which only the first `named` are looked up: the rest is cheap."""
        return self._searcher.rank(vector, k, named, selection)

    def likeness(self, vector: Vectors, chunks: Sequence[Chunk]) -> list[float]:
        """Return the cosine of each chunk's own vector with a unit vector, 0 if it is gone."""
        return self._searcher.likeness(vector, chunks)

    @property
    def search_method(self) -> str:
        """Tell how the last search was done, and why, in one line."""
        return self._searcher.method

    def status(self) -> IndexStatus:
        """Return what is in the index; nothing heavy is imported and nothing repaired."""
        built = self._catalogue.number("generation")
        clean = not built or not find_damage(self._catalogue)
        size = count_bytes(self._catalogue.folder)
        return read_status(self._catalogue, self.manifest, bytes_on_disk=size, clean=clean)

    # ---- writing: the methods of ChunkIndex

    def known(self, root: str) -> Mapping[str, Known]:
        """Return what is remembered of each source of `root`, by id; a run begins with this."""
        if self._writing is not None:
            self._writing.seen_ns = time.time_ns()
        return self._catalogue.known(root)

    def stored_keys(self, keys: Sequence[str]) -> set[str]:
        """Return those of `keys` that already have a vector."""
        return self._catalogue.stored_keys(keys)

    def add_vectors(self, keys: Sequence[str], vectors: Vectors) -> None:
        """Store unit rows under their keys, in one transaction."""
        self._writer.catalogue.add_vectors(keys, vectors)

    def add_document(
        self, document: Document, chunks: Sequence[Chunk], keys: Sequence[str], health: Health
    ) -> None:
        """Replace all chunks of the document by these, in one transaction."""
        writing = self._writer
        recipe, seen = writing.recipe, writing.seen_ns
        writing.catalogue.add_document(document, chunks, keys, health, recipe, seen)
        writing.start_drain()

    def move_document(self, root: str, move: Move) -> None:
        """Give a document its new id; its chunks get new ids and keep their vectors."""
        self._writer.catalogue.move_document(root, move, self._writer.seen_ns)
        self._writer.start_drain()

    def remove_documents(self, root: str, ids: Sequence[str]) -> None:
        """Forget sources with all their chunks, in one transaction."""
        self._writer.catalogue.remove_documents(root, ids)
        self._writer.start_drain()

    def touch_documents(self, sources: Sequence[Source]) -> None:
        """Remember new size and time of sources whose content is the same."""
        self._writer.catalogue.touch_documents(sources, self._writer.seen_ns)

    def record_failure(self, source: Source, fingerprint: str, failure: Failure) -> None:
        """Remember that a source could not be ingested, and drop chunks it had before."""
        writing = self._writer
        recipe, seen = writing.recipe, writing.seen_ns
        writing.catalogue.record_failure(source, fingerprint, failure, recipe, seen)
        writing.start_drain()

    def record_unread(self, root: str, failures: Sequence[Failure]) -> None:
        """Remember, instead of those of the last run, the files that were not even opened."""
        self._writer.catalogue.record_unread(root, failures)

    # ---- writing: what no run of ingestion does

    def set_collection(self, root: str, name: str) -> None:
        """Put a folder, ingested or to be, into one collection; raises SettingsError."""
        self._writer.catalogue.set_collection(root, name)

    def remove_root(self, root: str) -> int:
        """Forget all documents of a folder and their vectors; return how many there were.

        `root` is one of `IndexStatus.roots`; 0 means that there is nothing of it.
        """
        removed = self._writer.catalogue.remove_root(root)
        self._writer.catalogue.drop_unused_vectors()
        self._writer.start_drain()
        return removed

    def remove_document(self, root: str, id: str) -> None:
        """Forget a single file and its vectors, and its folder when that was all of it."""
        catalogue = self._writer.catalogue
        catalogue.remove_documents(root, [id])
        if not catalogue.known(root):
            catalogue.remove_root(root)
        catalogue.drop_unused_vectors()
        self._writer.start_drain()

    # ---- closing

    def close(self, *, completely: bool = True) -> None:
        """Close; a writer first waits until Chroma was told everything, if `completely`.

        Closing twice is allowed.
        """
        if self._closed:
            return
        self._closed = True
        try:
            self._searcher.close()
        finally:
            try:
                if self._writing is not None:
                    self.warnings.extend(self._writing.end(completely=completely))
            finally:
                self._catalogue.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close(completely=kind is None)

    @property
    def _writer(self) -> Writer:
        if self._writing is None:
            raise TypeError("the index was opened for reading")
        return self._writing
