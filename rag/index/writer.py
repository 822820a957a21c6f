"""What ingestion changes in the catalogue, each document in one transaction."""

from __future__ import annotations

import json
from collections.abc import Sequence

from ingest.base.documents import Chunk, Document, Failure, Move, Source, chunk_id
from rag.index import records
from rag.index.catalogue import Catalogue
from rag.index.errors import IndexFault
from rag.index.records import integer, storable


class CatalogueWriter(Catalogue):
    """The catalogue in the hands of the one writer."""

    def add_document(
        self,
        document: Document,
        chunks: Sequence[Chunk],
        keys: Sequence[str],
        recipe: str,
        seen_ns: int,
    ) -> None:
        """Replace the document and its chunks; a chunk that stays is not told to Chroma again."""
        source = document.source
        root, name = storable(source.root), storable(source.id)
        with self._database.transaction("add_document"):
            self._put_source(source, document.fingerprint, recipe, seen_ns)
            self._run(
                "UPDATE documents SET title = ?, notes = ?, page_starts = ?"
                " WHERE root = ? AND id = ?",
                storable(document.title),
                json.dumps(document.notes),
                json.dumps(document.page_starts),
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
        root, old, new = storable(root), storable(move.old_id), storable(move.source.id)
        with self._database.transaction("move_document"):
            found = self._rows(
                "SELECT recipe FROM documents WHERE root = ? AND id = ?", (root, old)
            )
            if not found:
                raise IndexFault(f"{old} is not in the index", "run the same command again")
            if new != old:
                self._remove(root, new)
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
                root,
                old,
            )
            self._rename_chunks(root, new, str(found[0][0]))

    def remove_documents(self, root: str, ids: Sequence[str]) -> None:
        """Forget sources with all their chunks; their vectors stay for whoever comes back."""
        with self._database.transaction("remove_documents"):
            for name in ids:
                self._remove(storable(root), storable(name))

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
            (root, name),
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
