"""The truth of the index: documents, chunks, vectors and what Chroma is still to be told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.base.documents import Chunk, Known, Place, find_place
from rag.index.base.errors import IndexDamaged, IndexMissing
from rag.index.store import records
from rag.index.store.database import DAMAGE_HINT, Database, Row, Value, create
from rag.index.store.records import Entry, Selection, StoredDocument, blob, integer, storable

if TYPE_CHECKING:
    from ingest.base.documents import Vectors

FILE_NAME = "catalogue.sqlite"
FORMAT = 1
UNREAD = "unread:"
"""What the facts begin with that list the files of a root that were not opened."""

_PAGE = 500
"""Values in one `IN (...)`: every SQLite allows at least 999."""


class Catalogue:
    """The SQLite file of one index; every method is one transaction and safe from any thread."""

    def __init__(self, folder: Path, *, writable: bool, new: bool = False) -> None:
        self.folder = folder
        path = folder / FILE_NAME
        if not path.exists():
            _refuse_to_replace_lost(folder)
            if not new:
                raise IndexMissing(f"there is no index in {folder}", "make one: rag ingest FOLDER")
            create(path, records.SCHEMA, FORMAT)
        self._database = Database(path, FORMAT, writable=writable)

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def snapshot(self) -> AbstractContextManager[None]:
        """Let all reads inside see one moment."""
        return self._database.snapshot()

    def state(self) -> tuple[int, int]:
        """Return a pair that differs after every change, by whatever process."""
        return self._database.state()

    # ---- facts about the index as a whole

    def meta(self, key: str, default: str = "") -> str:
        """Return a fact stored under `key`."""
        rows = self._rows("SELECT value FROM meta WHERE key = ?", (key,))
        return str(rows[0][0]) if rows else default

    def number(self, key: str) -> int:
        """Return a fact that is a number, 0 when it was never set; raises IndexDamaged."""
        value = self.meta(key, "0")
        try:
            return int(value)
        except ValueError:
            raise IndexDamaged(
                f"{self.folder / FILE_NAME} has {value[:20]!r} where {key} should be a number",
                DAMAGE_HINT,
            ) from None

    def set_meta(self, facts: Mapping[str, str | int], name: str = "meta") -> None:
        """Store facts, together; `name` is that of the failpoint."""
        with self._database.transaction(name):
            self._set_meta(facts)

    def count(self, table: str) -> int:
        """Return how many rows `documents`, `chunks`, `vectors` or `outbox` has."""
        if table not in records.TABLES:
            raise ValueError(table)
        return integer(self._rows(f"SELECT count(*) FROM {table}")[0][0])  # noqa: S608

    # ---- sources

    def known(self, root: str) -> dict[str, Known]:
        """Return what is remembered of each source of `root`, by id."""
        sql = f"SELECT {records.KNOWN} FROM documents WHERE root = ?"  # noqa: S608
        rows = self._rows(sql, (storable(root),))
        return {str(row[0]): records.read_known(row) for row in rows}

    def roots(self) -> list[str]:
        """Return the folders that were ingested, sorted."""
        return [
            str(root) for (root,) in self._rows("SELECT DISTINCT root FROM documents ORDER BY root")
        ]

    def documents(self) -> list[StoredDocument]:
        """Return every source, ingested, refused or never opened, by root and id.

        One that cannot be opened any more, but has chunks of an earlier run, is there twice.
        """
        documents = [records.read_document(row) for row in self._rows(records.DOCUMENTS)]
        sql = "SELECT substr(key, ?), value FROM meta WHERE key GLOB ?"
        for root, text in self._rows(sql, (len(UNREAD) + 1, f"{UNREAD}*")):
            documents += records.read_unread(str(root), str(text))
        return sorted(documents, key=lambda document: (document.root, document.id))

    # ---- vectors

    def stored_keys(self, keys: Sequence[str]) -> set[str]:
        """Return those of `keys` that have a vector."""
        sql = "SELECT key FROM vectors WHERE key IN ({})"
        return {str(row[0]) for row in self._rows_in(sql, keys)}

    def add_vectors(self, keys: Sequence[str], vectors: Vectors) -> None:
        """Store vectors, little-endian float32, under their keys."""
        rows = [(key, row.astype("<f4").tobytes()) for key, row in zip(keys, vectors, strict=True)]
        with self._database.transaction("add_vectors"):
            self._database.run_many("INSERT OR REPLACE INTO vectors VALUES (?, ?)", rows)

    def drop_unused_vectors(self) -> int:
        """Delete the vectors no chunk needs and return how many there were."""
        with self._database.transaction("drop_unused_vectors"):
            before = self.count("vectors")
            self._run(
                "DELETE FROM vectors WHERE NOT EXISTS"
                " (SELECT 1 FROM chunks WHERE vector_key = vectors.key)"
            )
            return before - self.count("vectors")

    def vector_pages(self, after: int = 0, size: int = 2000) -> Iterator[list[tuple[int, bytes]]]:
        """Yield (number, vector) of every chunk whose number is above `after`, in any order."""
        for rows in self._database.pages(records.VECTOR_ROWS, (after,), size):
            yield [(integer(number), blob(vector)) for number, vector in rows]

    # ---- chunks

    def numbers(self, selection: Selection | None = None) -> list[int]:
        """Return the numbers of all chunks, or of those in the documents selected.

        A number names a chunk with its vector for ever; it is never given twice.
        """
        if selection is None:
            return [integer(row[0]) for row in self._rows("SELECT rowid FROM chunks")]
        where, values = records.where_selected(selection)
        sql = f"SELECT c.rowid FROM {records.CHUNKS_OF_DOCUMENTS} WHERE {where}"  # noqa: S608
        return [integer(row[0]) for row in self._rows(sql, values)]

    def count_selected(self, selection: Selection) -> int:
        """Return how many chunks are in the documents selected."""
        where, values = records.where_selected(selection)
        sql = f"SELECT count(*) FROM {records.CHUNKS_OF_DOCUMENTS} WHERE {where}"  # noqa: S608
        return integer(self._rows(sql, values)[0][0])

    def chunk_ids(self) -> list[str]:
        """Return the ids of all chunks."""
        return [str(row[0]) for row in self._rows("SELECT id FROM chunks")]

    def entries(self, column: str, values: Sequence[str] | Sequence[int]) -> list[Entry]:
        """Return the chunks that still exist among these; `column` is `id` or `rowid`."""
        if column not in ("id", "rowid"):
            raise ValueError(column)
        sql = f"{records.ENTRIES} WHERE c.{column} IN ({{}})"
        return [records.read_entry(row) for row in self._rows_in(sql, values)]

    def all_entries(self, page: int = 1000) -> Iterator[list[Entry]]:
        """Yield all chunks with their vectors, `page` at a time, by number."""
        last = 0
        sql = f"{records.ENTRIES} WHERE c.rowid > ? ORDER BY c.rowid LIMIT ?"
        while rows := self._rows(sql, (last, page)):
            entries = [records.read_entry(row) for row in rows]
            last = entries[-1].number
            yield entries

    def neighbours(self, chunk: Chunk, before: int, after: int) -> list[Chunk]:
        """Return the chunks around one, itself included, in reading order."""
        rows = self._rows(
            records.NEIGHBOURS, (chunk.id, chunk.ordinal - before, chunk.ordinal + after)
        )
        return [records.read_chunk(row) for row in rows]

    def place_at(self, chunk: Chunk, offset: int) -> Place:
        """Return the page that holds a character of the chunk's document."""
        rows = self._rows(records.PAGES, (chunk.id,))
        if not rows:
            return Place(chunk.page, chunk.place)
        return find_place(records.read_pages(str(rows[0][0])), offset)

    # ---- what Chroma is still to be told

    def pending(self, most: int = -1) -> list[tuple[int, str, str]]:
        """Return (sequence number, chunk id, upsert or delete), oldest first; -1 means all."""
        rows = self._rows("SELECT seq, chunk_id, op FROM outbox ORDER BY seq LIMIT ?", (most,))
        return [(integer(seq), str(name), str(op)) for seq, name, op in rows]

    def told(self, last: int, deletes: int) -> None:
        """Forget what Chroma was told, up to the sequence number `last`."""
        with self._database.transaction("told"):
            self._run("DELETE FROM outbox WHERE seq <= ?", last)
            self._set_meta({"tombstones": self.number("tombstones") + deletes})

    def flip(self, generation: int, covered: int, facts: Mapping[str, str | int]) -> None:
        """Let a rebuilt Chroma take over: it holds what was told up to `covered`."""
        with self._database.transaction("rebuild"):
            self._run("DELETE FROM outbox WHERE seq <= ?", covered)
            self._set_meta({"generation": generation, "tombstones": 0, **facts})

    def integrity(self) -> list[str]:
        """Return what SQLite itself finds wrong with the file."""
        findings = [str(row[0]) for row in self._rows("PRAGMA integrity_check")]
        findings = [] if findings == ["ok"] else findings
        broken = self._rows("PRAGMA foreign_key_check")
        return [*findings, *(f"{row[0]!s} row {row[1]!s} points nowhere" for row in broken)]

    def _set_meta(self, facts: Mapping[str, str | int]) -> None:
        rows = [(key, str(value)) for key, value in facts.items()]
        self._database.run_many("INSERT OR REPLACE INTO meta VALUES (?, ?)", rows)

    def _run(self, sql: str, *values: Value) -> None:
        self._database.rows(sql, values)

    def _rows(self, sql: str, values: Sequence[Value] = ()) -> list[Row]:
        return self._database.rows(sql, values)

    def _rows_in(self, sql: str, values: Sequence[Value]) -> Iterator[Row]:
        for start in range(0, len(values), _PAGE):
            page = values[start : start + _PAGE]
            yield from self._rows(sql.format(",".join("?" * len(page))), page)


def _refuse_to_replace_lost(folder: Path) -> None:
    if any(folder.glob("index-*")):
        raise IndexDamaged(
            f"{folder / FILE_NAME} is missing beside the vectors it belongs to",
            "restore a backup, or move the folder away and ingest again; nothing was overwritten",
        )
