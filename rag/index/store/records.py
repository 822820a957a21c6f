"""Rows of the catalogue and back: its tables, the statements that read them, the records made."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import astuple, dataclass

from ingest.base.documents import Chunk, Failure, Known, Page
from rag.index.base.errors import IndexDamaged
from rag.index.store.database import Row, Value

TABLES = ("documents", "chunks", "vectors", "outbox")

SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE documents (
    root TEXT NOT NULL, id TEXT NOT NULL, fingerprint TEXT NOT NULL, recipe TEXT NOT NULL,
    size_bytes INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, seen_ns INTEGER NOT NULL,
    media_type TEXT NOT NULL, title TEXT NOT NULL DEFAULT '',
    status TEXT NOT NULL DEFAULT 'ok' CHECK (status IN ('ok', 'skipped')),
    reason TEXT NOT NULL DEFAULT '', message TEXT NOT NULL DEFAULT '',
    hint TEXT NOT NULL DEFAULT '', notes TEXT NOT NULL DEFAULT '[]',
    pages TEXT NOT NULL DEFAULT '[]',
    PRIMARY KEY (root, id)
);
CREATE TABLE vectors (key TEXT PRIMARY KEY, vector BLOB NOT NULL);
CREATE TABLE chunks (
    rowid INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,
    root TEXT NOT NULL, document_id TEXT NOT NULL, ordinal INTEGER NOT NULL,
    text TEXT NOT NULL, start INTEGER NOT NULL, "end" INTEGER NOT NULL,
    tokens INTEGER NOT NULL, page INTEGER, heading TEXT NOT NULL,
    place TEXT NOT NULL, columns TEXT NOT NULL,
    vector_key TEXT NOT NULL REFERENCES vectors (key),
    FOREIGN KEY (root, document_id) REFERENCES documents (root, id) ON UPDATE CASCADE
);
CREATE INDEX chunks_by_document ON chunks (root, document_id, ordinal);
CREATE INDEX chunks_by_vector ON chunks (vector_key);
CREATE TABLE outbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, chunk_id TEXT NOT NULL,
    op TEXT NOT NULL CHECK (op IN ('upsert', 'delete'))
)"""

PUT_SOURCE = """
INSERT INTO documents (root, id, fingerprint, recipe, size_bytes, mtime_ns, seen_ns, media_type)
VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (root, id) DO UPDATE SET
    fingerprint = excluded.fingerprint, recipe = excluded.recipe,
    size_bytes = excluded.size_bytes, mtime_ns = excluded.mtime_ns,
    seen_ns = excluded.seen_ns, media_type = excluded.media_type, title = '', status = 'ok',
    reason = '', message = '', hint = '', notes = '[]', pages = '[]'"""

PUT_CHUNK = """
INSERT INTO chunks
    (id, root, document_id, ordinal, text, start, "end", tokens, page, heading, place, columns,
    vector_key)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET
    start = excluded.start, "end" = excluded."end", tokens = excluded.tokens,
    page = excluded.page, heading = excluded.heading,
    place = excluded.place, columns = excluded.columns"""

KNOWN = "id, fingerprint, recipe, size_bytes, mtime_ns, seen_ns, status, reason, message, hint"

DOCUMENTS = """
SELECT root, id, media_type, title, status, reason, message, hint, notes, pages,
    size_bytes, (SELECT count(*) FROM chunks c WHERE c.root = d.root AND c.document_id = d.id)
FROM documents d ORDER BY root, id"""

CHUNKS_OF_DOCUMENTS = "chunks c JOIN documents d ON d.root = c.root AND d.id = c.document_id"

_CHUNK = (
    'c.id, c.document_id, c.ordinal, c.text, c.start, c."end", c.tokens, c.page, c.heading,'
    " c.place, c.columns"
)

ENTRIES = f"""
SELECT {_CHUNK}, c.root, d.media_type, c.rowid, v.vector
FROM {CHUNKS_OF_DOCUMENTS} JOIN vectors v ON v.key = c.vector_key"""  # noqa: S608

VECTOR_ROWS = """
SELECT c.rowid, v.vector FROM chunks c JOIN vectors v ON v.key = c.vector_key
WHERE c.rowid > ?"""

NEIGHBOURS = f"""
SELECT {_CHUNK} FROM chunks c JOIN chunks o ON o.root = c.root AND o.document_id = c.document_id
WHERE o.id = ? AND c.ordinal BETWEEN ? AND ? ORDER BY c.ordinal"""  # noqa: S608


PAGES = f"SELECT d.pages FROM {CHUNKS_OF_DOCUMENTS} WHERE c.id = ?"  # noqa: S608


@dataclass(frozen=True, slots=True)
class Selection:
    """Which documents to search: all conditions that are given must hold.

    Several values of one condition mean any of them.  `path_globs` are matched against the
    document id (`*` crosses folders, case counts); `suffixes` are like ".pdf", in any case;
    `roots` are folders that were ingested.
    """

    path_globs: tuple[str, ...] = ()
    media_types: tuple[str, ...] = ()
    suffixes: tuple[str, ...] = ()
    roots: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A source as the index knows it; `status` is "ok" or "skipped" with a reason.

    Of one that was never opened only the reason is known, not its type or size.
    """

    root: str
    id: str
    media_type: str
    title: str
    status: str
    reason: str
    message: str
    hint: str
    notes: tuple[str, ...]
    page_count: int
    size_bytes: int
    chunks: int


@dataclass(frozen=True, slots=True)
class Entry:
    """A chunk with all that search and Chroma need; `vector` is little-endian float32."""

    chunk: Chunk
    root: str
    media_type: str
    number: int
    vector: bytes


def where_selected(selection: Selection) -> tuple[str, list[Value]]:
    """Return a condition on `documents d` and the values it needs."""
    parts: list[str] = ["1"]
    values: list[Value] = []
    if selection.path_globs:
        parts.append(f"({' OR '.join(['d.id GLOB ?'] * len(selection.path_globs))})")
        values.extend(map(storable, selection.path_globs))
    for column, allowed in (("d.media_type", selection.media_types), ("d.root", selection.roots)):
        if allowed:
            parts.append(f"{column} IN ({','.join('?' * len(allowed))})")
            values.extend(map(storable, allowed))
    if selection.suffixes:
        parts.append(f"({' OR '.join(['substr(lower(d.id), ?) = ?'] * len(selection.suffixes))})")
        for suffix in selection.suffixes:
            values.extend((-len(suffix), suffix.lower()))
    return " AND ".join(parts), values


def chunk_row(root: str, document_id: str, chunk: Chunk, key: str) -> Sequence[Value]:
    """Return the values of `PUT_CHUNK`."""
    return (
        chunk.id,
        root,
        document_id,
        chunk.ordinal,
        storable(chunk.text),
        chunk.start,
        chunk.end,
        chunk.tokens,
        chunk.page,
        storable(chunk.heading),
        storable(chunk.place),
        storable(chunk.columns),
        key,
    )


def read_chunk(row: Row) -> Chunk:
    """Return the chunk whose columns a row starts with."""
    name, document, ordinal, text, start, end, tokens, page, heading, place, columns = row[:11]
    return Chunk(
        id=str(name),
        document_id=str(document),
        ordinal=integer(ordinal),
        text=str(text),
        start=integer(start),
        end=integer(end),
        tokens=integer(tokens),
        page=None if page is None else integer(page),
        heading=str(heading),
        place=str(place),
        columns=str(columns),
    )


def read_entry(row: Row) -> Entry:
    """Return the record of a row of `ENTRIES`."""
    root, media_type, number, vector = row[11:]
    return Entry(read_chunk(row), str(root), str(media_type), integer(number), blob(vector))


def read_known(row: Row) -> Known:
    """Return the record of a row of the columns `KNOWN`."""
    name, fingerprint, recipe, size, mtime, seen, status, *why = row
    reason, message, hint = map(str, why)
    failure = Failure(str(name), reason, message, hint) if status == "skipped" else None
    return Known(
        str(fingerprint), str(recipe), integer(size), integer(mtime), integer(seen), failure
    )


def read_document(row: Row) -> StoredDocument:
    """Return the record of a row of `DOCUMENTS`."""
    root, name, media_type, title, status, reason, message, hint = map(str, row[:8])
    notes, pages, size_bytes, chunks = row[8:]
    return StoredDocument(
        root,
        name,
        media_type,
        title,
        status,
        reason,
        message,
        hint,
        tuple(json.loads(str(notes))),
        len(json.loads(str(pages))),
        integer(size_bytes),
        integer(chunks),
    )


def write_failures(failures: Sequence[Failure]) -> str:
    """Return failures as one line of JSON."""
    return json.dumps([[*map(storable, astuple(failure))] for failure in failures])


def read_unread(root: str, text: str) -> list[StoredDocument]:
    """Return what `write_failures` wrote of the files of a root that were not opened."""
    try:
        failures = [Failure(*map(str, fields)) for fields in json.loads(text)]
    except (ValueError, TypeError) as error:
        raise IndexDamaged(
            f"the list of files skipped in {root} cannot be read", "ingest the folder again"
        ) from error
    return [
        StoredDocument(
            root, f.source_id, "", "", "skipped", f.reason, f.message, f.hint, (), 0, 0, 0
        )
        for f in failures
    ]


def write_pages(pages: Sequence[Page]) -> str:
    """Return pages as one line of JSON."""
    return json.dumps([astuple(page) for page in pages])


def read_pages(text: str) -> list[Page]:
    """Return what `write_pages` wrote."""
    return [
        Page(start, label, score, tuple(findings))
        for start, label, score, findings in json.loads(text)
    ]


def storable(text: str) -> str:
    """Return the text as SQLite can hold it: lone surrogates (of file names) are escaped."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def integer(value: Value) -> int:
    """Return a column that is declared INTEGER."""
    assert isinstance(value, int)
    return value


def blob(value: Value) -> bytes:
    """Return a column that is declared BLOB."""
    assert isinstance(value, bytes)
    return value
