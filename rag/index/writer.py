"""What the one writer does: each document in one transaction, Chroma told beside it."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence

from ingest.base.documents import Chunk, Document, Failure, Health, Move, Source, chunk_id
from rag.index.base.errors import IndexFault
from rag.index.base.lock import CHROMA, Lock
from rag.index.projection.generations import remove_others
from rag.index.projection.process import Drain
from rag.index.store import records
from rag.index.store.catalogue import UNREAD, Catalogue
from rag.index.store.records import integer, storable
from rag.index.upkeep import make_usable

_ORPHAN_SECONDS = 15.0


class CatalogueWriter(Catalogue):
    """The catalogue in the hands of the one writer."""

    def add_document(
        self,
        document: Document,
        chunks: Sequence[Chunk],
        keys: Sequence[str],
        health: Health,  # noqa: ARG002
        recipe: str,
        seen_ns: int,
    ) -> None:
        """Replace the document and its chunks; a chunk that stays is not told to Chroma again."""
        source = document.source
        root, name = storable(source.root), storable(source.id)
        with self._database.transaction("add_document"):
            self._put_source(source, document.fingerprint, recipe, seen_ns)
            self._run(
                "UPDATE documents SET title = ?, notes = ?, pages = ? WHERE root = ? AND id = ?",
                storable(document.title),
                json.dumps(document.notes),
                records.write_pages(document.pages),
                root,
                name,
            )
            self._replace_chunks(root, name, chunks, keys)

    def record_failure(
        self, source: Source, fingerprint: str, failure: Failure, recipe: str, seen_ns: int
    ) -> None:
        """Remember why a source has no chunks, and drop those it had."""
        root, name = storable(source.root), storable(source.id)
        with self._database.transaction("record_failure"):
            self._put_source(source, fingerprint, recipe, seen_ns)
            self._run(
                "UPDATE documents SET status = 'skipped', reason = ?, message = ?, hint = ?"
                " WHERE root = ? AND id = ?",
                *map(storable, (failure.reason, failure.message, failure.hint)),
                root,
                name,
            )
            self._replace_chunks(root, name, (), ())

    def move_document(self, root: str, move: Move, seen_ns: int) -> None:
        """Give a document its new id; its chunks get new ids and keep text and vectors."""
        stored, old, new = map(storable, (root, move.old_id, move.source.id))
        with self._database.transaction("move_document"):
            found = self._rows(
                "SELECT recipe FROM documents WHERE root = ? AND id = ?", (stored, old)
            )
            if not found:
                raise IndexFault(f"{old} is not in the index", "run the same command again")
            if new != old:
                self._remove(stored, new)
            source = move.source
            self._run(
                "UPDATE documents SET id = ?, fingerprint = ?, size_bytes = ?, mtime_ns = ?,"
                " seen_ns = ?, media_type = ? WHERE root = ? AND id = ?",
                new,
                move.fingerprint,
                source.size_bytes,
                source.mtime_ns,
                seen_ns,
                source.media_type,
                stored,
                old,
            )
            self._rename_chunks(root, new, str(found[0][0]))

    def remove_documents(self, root: str, ids: Sequence[str]) -> None:
        """Forget sources with all their chunks; their vectors stay for whoever comes back."""
        with self._database.transaction("remove_documents"):
            for name in ids:
                self._remove(storable(root), storable(name))

    def remove_root(self, root: str) -> int:
        """Forget all of a root, its list of files not opened too; return how many documents."""
        stored = storable(root)
        with self._database.transaction("remove_root"):
            names = self._rows("SELECT id FROM documents WHERE root = ?", (stored,))
            for (name,) in names:
                self._remove(stored, str(name))
            self._run("DELETE FROM meta WHERE key = ?", f"{UNREAD}{stored}")
        return len(names)

    def record_unread(self, root: str, failures: Sequence[Failure]) -> None:
        """Remember the files of a root that were not opened, in place of those before."""
        key, value = f"{UNREAD}{storable(root)}", records.write_failures(failures)
        if value != self.meta(key, "[]"):
            self.set_meta({key: value}, "record_unread")

    def touch_documents(self, sources: Sequence[Source], seen_ns: int) -> None:
        """Remember new size and time of sources whose content is the same."""
        with self._database.transaction("touch_documents"):
            self._database.run_many(
                "UPDATE documents SET size_bytes = ?, mtime_ns = ?, seen_ns = ?"
                " WHERE root = ? AND id = ?",
                [
                    (s.size_bytes, s.mtime_ns, seen_ns, storable(s.root), storable(s.id))
                    for s in sources
                ],
            )

    def _put_source(self, source: Source, fingerprint: str, recipe: str, seen_ns: int) -> None:
        self._run(
            records.PUT_SOURCE,
            storable(source.root),
            storable(source.id),
            fingerprint,
            storable(recipe),
            source.size_bytes,
            source.mtime_ns,
            seen_ns,
            source.media_type,
        )

    def _replace_chunks(
        self, root: str, name: str, chunks: Sequence[Chunk], keys: Sequence[str]
    ) -> None:
        new = dict(zip((chunk.id for chunk in chunks), keys, strict=True))
        old = self._rows(
            "SELECT id, vector_key FROM chunks WHERE root = ? AND document_id = ?", (root, name)
        )
        kept = {str(chunk) for chunk, key in old if new.get(str(chunk)) == key}
        gone = [(str(chunk),) for chunk, _ in old if str(chunk) not in kept]
        self._database.run_many("DELETE FROM chunks WHERE id = ?", gone)
        rows = [records.chunk_row(root, name, chunk, new[chunk.id]) for chunk in chunks]
        self._database.run_many(records.PUT_CHUNK, rows)
        self._tell("delete", [chunk for (chunk,) in gone if chunk not in new])
        self._tell("upsert", [chunk.id for chunk in chunks if chunk.id not in kept])

    def _rename_chunks(self, root: str, name: str, recipe: str) -> None:
        rows = self._rows(
            "SELECT rowid, id, ordinal, text FROM chunks WHERE root = ? AND document_id = ?"
            " ORDER BY ordinal",
            (storable(root), name),
        )
        ids = [chunk_id(root, name, integer(o), str(text), recipe) for _, _, o, text in rows]
        self._database.run_many(
            "UPDATE chunks SET id = ? WHERE rowid = ?",
            [(new, row[0]) for new, row in zip(ids, rows, strict=True)],
        )
        self._tell("delete", [str(row[1]) for row in rows])
        self._tell("upsert", ids)

    def _remove(self, root: str, name: str) -> None:
        self._replace_chunks(root, name, (), ())
        self._run("DELETE FROM documents WHERE root = ? AND id = ?", root, name)

    def _tell(self, op: str, ids: Sequence[str]) -> None:
        self._database.run_many(
            "INSERT INTO outbox (chunk_id, op) VALUES (?, ?)", [(name, op) for name in ids]
        )


class Writer:
    """What only a writer has: the lock, what it stamps rows with, and the drain of the outbox."""

    def __init__(
        self, catalogue: CatalogueWriter, lock: Lock, recipe: str, documents: bool
    ) -> None:
        self.catalogue = catalogue
        self.recipe = recipe
        # Nothing of this run was read before: a file that changes from now on is seen to.
        self.seen_ns = time.time_ns()
        self._lock = lock
        self._documents = documents
        self._may_drain = False
        self._drain: Drain | None = None

    def prepare(self) -> str:
        """Wait for the child of a killed run, repair Chroma; return why it is of no use, or ""."""
        if self.catalogue.number("wanted"):
            self.catalogue.set_meta({"wanted": 0})
        owner = Lock(self.catalogue.folder, CHROMA)
        unclean = self.catalogue.number("generation") and not self.catalogue.meta("seal")
        if owner.try_acquire("rag ingest", _ORPHAN_SECONDS if unclean else 0.0):
            remove_others(self.catalogue)
            owner.release()
        problem = make_usable(self.catalogue, self._documents)
        self._may_drain = not problem
        return problem

    def start_drain(self) -> None:
        """Start the child that tells Chroma, once there is something to tell."""
        if self._may_drain and self._drain is None and self.catalogue.count("outbox"):
            self._drain = Drain(self.catalogue.folder, documents=self._documents)

    def end(self, *, completely: bool) -> list[str]:
        """Wait for the drain and free the lock; return what went wrong with Chroma."""
        try:
            if completely:
                self.start_drain()
                self.catalogue.set_meta({"ingested_ns": time.time_ns()})
        finally:
            try:
                problem = self._drain and self._drain.finish(self.catalogue, completely=completely)
            finally:
                self._lock.release()
        left = self.catalogue.count("outbox") if problem else 0
        return [f"{problem}; {left} changes wait for the next run"] if problem else []
