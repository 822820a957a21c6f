"""What the one writer does: each document in one transaction, Chroma told beside it."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ingest.base.documents import Chunk, Document, Failure, Health, Move, Source, chunk_id
from ingest.base.errors import SettingsError
from rag.index.base.errors import IndexFault
from rag.index.base.lock import CHROMA, Lock
from rag.index.projection.child import DRAINING
from rag.index.projection.generations import remove_others
from rag.index.projection.process import Drain
from rag.index.store import records, schema
from rag.index.store.catalogue import FILE_NAME, UNREAD, Catalogue
from rag.index.store.records import storable
from rag.index.store.upgrade import safety_copies
from rag.index.store.words import above, word_row
from rag.index.upkeep import make_usable

if TYPE_CHECKING:
    from ingest.base.documents import Vectors

MOST_WAITING, MOST_WAITING_OF_RUN = 1000, 100
"""So many changes in all, and of one run, may wait where Chroma is not searched."""

_ORPHAN_SECONDS = 15.0
_COLLECTION = re.compile(r"\w[\w .-]{0,63}")


class CatalogueWriter(Catalogue):
    """The catalogue in the hands of the one writer."""

    def add_vectors(self, keys: Sequence[str], vectors: Vectors) -> None:
        """Store vectors, little-endian float32, under their keys; a key keeps its first vector."""
        pairs = zip(keys, vectors, strict=True)
        rows = [records.vector_row(key, row.astype("<f4").tobytes()) for key, row in pairs]
        with self._database.transaction("add_vectors"):
            self._database.run_many(schema.PUT_VECTOR, rows)

    def drop_unused_vectors(self) -> int:
        """Delete the vectors no chunk needs and return how many there were."""
        with self._database.transaction("drop_unused_vectors"):
            before = self.count("vectors")
            self._run(schema.DROP_VECTORS)
            return before - self.count("vectors")

    def add_document(
        self,
        document: Document,
        chunks: Sequence[Chunk],
        keys: Sequence[str],
        health: Health,
        recipe: str,
        seen_ns: int,
    ) -> None:
        """Replace the document and its chunks; Chroma is told of vectors that come or go only."""
        source = document.source
        root, name = storable(source.root), storable(source.id)
        with self._database.transaction("add_document"):
            self._put_source(source, document.fingerprint, recipe, seen_ns)
            description = records.describe_document(document, health)
            self._run(schema.DESCRIBE_DOCUMENT, *description, root, name)
            self._replace_chunks(root, name, chunks, keys)

    def record_failure(
        self, source: Source, fingerprint: str, failure: Failure, recipe: str, seen_ns: int
    ) -> None:
        """Remember why a source has no chunks, and drop those it had."""
        root, name = storable(source.root), storable(source.id)
        with self._database.transaction("record_failure"):
            self._put_source(source, fingerprint, recipe, seen_ns)
            self._run(
                "UPDATE documents SET status = 'skipped', reason = ?, message = ?, hint = ?,"
                " pages = ? WHERE root = ? AND id = ?",
                *map(storable, (failure.reason, failure.message, failure.hint)),
                records.write_pages(failure.pages),
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
                " ctime_ns = ?, seen_ns = ?, media_type = ? WHERE root = ? AND id = ?",
                new,
                move.fingerprint,
                source.size_bytes,
                source.mtime_ns,
                source.ctime_ns,
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
            self._run("DELETE FROM roots WHERE root = ?", stored)
        return len(names)

    def set_collection(self, root: str, name: str) -> None:
        """Put a root into the collection of that name, out of the one it was in."""
        if not _COLLECTION.fullmatch(name):
            raise SettingsError(
                f"{name!r} cannot be the name of a collection",
                "use up to 64 letters, digits, spaces and . _ -, beginning with a letter or digit",
            )
        with self._database.transaction("set_collection"):
            self._run(schema.PUT_ROOT, storable(root))
            self._run("UPDATE roots SET collection = ? WHERE root = ?", name, storable(root))

    def record_unread(self, root: str, failures: Sequence[Failure]) -> None:
        """Remember the files of a root that were not opened, in place of those before.

        That there is such a list, even an empty one, tells that the root was read whole.
        """
        key, value = f"{UNREAD}{storable(root)}", records.write_failures(failures)
        if value == self.meta(key):
            return
        with self._database.transaction("record_unread"):
            self._run(schema.PUT_ROOT, storable(root))
            self._set_meta({key: value})

    def touch_documents(self, sources: Sequence[Source], seen_ns: int) -> None:
        """Remember new size and time of sources whose content is the same."""
        with self._database.transaction("touch_documents"):
            self._database.run_many(
                "UPDATE documents SET size_bytes = ?, mtime_ns = ?, ctime_ns = ?,"
                " seen_ns = ? WHERE root = ? AND id = ?",
                [
                    (s.size_bytes, s.mtime_ns, s.ctime_ns, seen_ns, *map(storable, (s.root, s.id)))
                    for s in sources
                ],
            )

    def _put_source(self, source: Source, fingerprint: str, recipe: str, seen_ns: int) -> None:
        self._run(schema.PUT_ROOT, storable(source.root))
        self._run(
            schema.PUT_SOURCE,
            storable(source.root),
            storable(source.id),
            fingerprint,
            storable(recipe),
            source.size_bytes,
            source.mtime_ns,
            source.ctime_ns,
            seen_ns,
            source.media_type,
        )

    def _replace_chunks(
        self, root: str, name: str, chunks: Sequence[Chunk], keys: Sequence[str]
    ) -> None:
        new = {chunk.id for chunk in chunks}
        old = {str(row[0]): row[1:] for row in self._rows(schema.OLD_CHUNKS, (root, name))}
        gone = [(id,) for id in old if id not in new]
        with self._told(root, name, keys):
            self._database.run_many(schema.DROP_WORDS, gone)
            self._database.run_many("DELETE FROM chunks WHERE id = ?", gone)
            self._database.run_many(schema.PUT_TEXT, map(records.text_row, chunks))
            pairs = zip(chunks, keys, strict=True)
            self._database.run_many(
                schema.PUT_CHUNK, [records.chunk_row(root, name, *pair) for pair in pairs]
            )
            # Of a chunk that stays only what stands above its text can be another.
            fresh = (chunk for chunk in chunks if old.get(chunk.id, ())[1:] != above(chunk))
            self._database.run_many(schema.PUT_WORDS, map(word_row, fresh))
        self._run(schema.COUNT_CHUNKS, len(chunks), root, name)
        list(self._rows_in(schema.DROP_TEXTS, [old[id][0] for (id,) in gone]))

    @contextmanager
    def _told(self, root: str, name: str, keys: Sequence[str]) -> Iterator[None]:
        """Tell Chroma which vectors of a document, or of these keys, come into use or go out."""
        new = dict.fromkeys(keys)
        rows = self._rows(schema.KEYS_OF_DOCUMENT, (root, name))
        old = [str(row[0]) for row in rows if row[0] not in new]
        touched = [*old, *new]
        before = self._in_use(touched)
        yield
        after = {*new, *self._in_use(old)}
        lost, won = before - after, after - before
        tell = [(key, "delete") for key in touched if key in lost]
        tell += [(key, "upsert") for key in touched if key in won]
        self._database.run_many("INSERT INTO outbox (key, op) VALUES (?, ?)", tell)

    def _in_use(self, keys: Sequence[str]) -> set[str]:
        sql = f"{schema.KEYS_IN_USE} WHERE key IN ({{}})"
        return {str(row[0]) for row in self._rows_in(sql, keys)}

    def _rename_chunks(self, root: str, name: str, recipe: str) -> None:
        rows = [
            (chunk_id(root, name, chunk.ordinal, chunk.text, recipe), chunk.id)
            for chunk in self.chunks(root, name)
        ]
        self._database.run_many("UPDATE chunks SET id = ? WHERE id = ?", rows)

    def _remove(self, root: str, name: str) -> None:
        self._replace_chunks(root, name, (), ())
        self._run("DELETE FROM documents WHERE root = ? AND id = ?", root, name)


class Writer:
    """What only a writer has: the lock, what it stamps rows with, and the drain of the outbox."""

    def __init__(
        self,
        catalogue: CatalogueWriter,
        lock: Lock,
        recipe: str,
        documents: bool,
        exact_up_to: int = 0,
    ) -> None:
        self.catalogue = catalogue
        self.recipe = recipe
        # Nothing of this run was read before: a file that changes from now on is seen to.
        self.seen_ns = time.time_ns()
        self._lock = lock
        self._documents = documents
        self._exact_up_to = exact_up_to
        self._waiting_before = catalogue.count("outbox")
        self._may_drain = False
        self._drain: Drain | None = None

    def prepare(self) -> str:
        """Wait for the child of a killed run, repair Chroma; return why it is of no use, or ""."""
        if self.catalogue.number("wanted"):
            self.catalogue.set_meta({"wanted": 0})
        owner = Lock(self.catalogue.folder, CHROMA)
        unclean = self.catalogue.number("generation") and not self.catalogue.meta("seal")
        # We are the one writer: another's child that tells Chroma has lost its parent.
        orphan = unclean or DRAINING in owner.holder()
        if owner.try_acquire("rag ingest", _ORPHAN_SECONDS if orphan else 0.0):
            remove_others(self.catalogue)
            owner.release()
        problem = make_usable(self.catalogue, self._documents)
        self._may_drain = not problem
        if self._may_drain and not self.catalogue.upgraded:
            for copy in safety_copies(self.catalogue.folder / FILE_NAME):
                copy.unlink(missing_ok=True)
        return problem

    def start_drain(self) -> None:
        """Start the child that tells Chroma, once there is enough to tell."""
        if self._may_drain and self._drain is None and self._is_worth_telling():
            self._drain = Drain(self.catalogue.folder, documents=self._documents)

    def _is_worth_telling(self) -> bool:
        """Say whether what waits is worth the second or two that the child takes to start.

        Where searches are exact anyway, few later changes wait for the run that brings more.
        """
        waiting = self.catalogue.count("outbox")
        if not waiting or not self.catalogue.number("generation"):
            return waiting > 0
        many = waiting > MOST_WAITING or waiting - self._waiting_before > MOST_WAITING_OF_RUN
        return many or self.catalogue.count("chunks") > self._exact_up_to

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
