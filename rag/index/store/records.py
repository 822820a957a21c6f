"""Rows of the catalogue in, records out, and the other way round."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from hashlib import sha256
from zlib import crc32

from ingest.base.documents import Chunk, Document, Failure, Health, Known, Page
from rag.index.base.errors import IndexDamaged
from rag.index.store.database import DAMAGE_HINT, Row, Value


@dataclass(frozen=True, slots=True)
class Selection:
    """Which documents to search: all conditions that are given must hold.

    Several values of one condition mean any of them.  `path_globs` are matched against the
    document id (`*` crosses folders, case counts); `suffixes` are like ".pdf", in any case;
    `roots` are folders that were ingested, `collections` names under which such were put.
    """

    path_globs: tuple[str, ...] = ()
    media_types: tuple[str, ...] = ()
    suffixes: tuple[str, ...] = ()
    roots: tuple[str, ...] = ()
    collections: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A source as the index knows it; `status` is "ok" or "skipped" with a reason.

    Of one that was never opened only the reason is known, not its type or size.  `encoding`,
    `language`, `unknown_share` and `split_chunks` are those of `Document` and `Health`.
    """

    root: str
    id: str
    media_type: str
    title: str
    status: str
    reason: str
    message: str
    hint: str
    encoding: str = ""
    language: str = ""
    collection: str = ""
    notes: tuple[str, ...] = ()
    pages: tuple[Page, ...] = ()
    unknown_share: float | None = None
    split_chunks: int = 0
    size_bytes: int = 0
    chunks: int = 0

    @property
    def page_count(self) -> int:
        """Return how many pages there are, 0 when the format has none."""
        return len(self.pages)


@dataclass(frozen=True, slots=True)
class Entry:
    """A vector that is in use, and one of the chunks that have it.

    `vector` is little-endian float32; `number` and `key` name it for ever.
    """

    chunk: Chunk
    root: str
    media_type: str
    number: int
    key: str
    vector: bytes


@dataclass(frozen=True, slots=True)
class Occurrence:
    """A chunk with the numbers of its text and vector: chunks of one text share the number."""

    chunk: Chunk
    root: str
    text: int
    vector: int


@dataclass(frozen=True, slots=True)
class Copy:
    """Another place at which the text of a chunk stands; `heading` is the path to it there."""

    root: str
    document_id: str
    page: int | None
    place: str
    heading: str


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
    if selection.collections:
        marks = ",".join("?" * len(selection.collections))
        parts.append(f"d.root IN (SELECT root FROM roots WHERE collection IN ({marks}))")  # noqa: S608
        values.extend(map(storable, selection.collections))
    if selection.suffixes:
        parts.append(f"({' OR '.join(['substr(lower(d.id), ?) = ?'] * len(selection.suffixes))})")
        for suffix in selection.suffixes:
            values.extend((-len(suffix), suffix.lower()))
    return " AND ".join(parts), values


def hash_text(text: str) -> str:
    """Return what a text, as it is stored, is known by: 32 hexadecimal digits."""
    return sha256(text.encode("utf-8")).hexdigest()[:32]


def text_row(chunk: Chunk) -> Sequence[Value]:
    """Return the values of `PUT_TEXT`."""
    text = storable(chunk.text)
    return hash_text(text), text


def vector_row(key: str, vector: bytes) -> Sequence[Value]:
    """Return the values of `PUT_VECTOR`."""
    return key, vector, crc32(vector)


def chunk_row(root: str, document_id: str, chunk: Chunk, key: str) -> Sequence[Value]:
    """Return the values of `PUT_CHUNK`."""
    return (
        chunk.id,
        root,
        document_id,
        chunk.ordinal,
        hash_text(storable(chunk.text)),
        chunk.start,
        chunk.end,
        chunk.tokens,
        chunk.page,
        storable(chunk.heading),
        storable(chunk.place),
        storable(chunk.columns),
        key,
    )


def describe_document(document: Document, health: Health) -> Sequence[Value]:
    """Return the first values of `DESCRIBE_DOCUMENT`, all but root and id."""
    return (
        storable(document.title),
        json.dumps(document.notes),
        write_pages(document.pages),
        document.encoding,
        health.language,
        health.unknown_share,
        health.split_chunks,
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
    root, media_type, number, key, vector = row[11:]
    chunk = read_chunk(row)
    return Entry(chunk, str(root), str(media_type), integer(number), str(key), blob(vector))


def read_occurrence(row: Row) -> Occurrence:
    """Return the record of a row of `OCCURRENCES`."""
    root, text, vector, _ = row[11:]
    return Occurrence(read_chunk(row), str(root), integer(text), integer(vector))


def read_known(row: Row) -> Known:
    """Return the record of a row of `KNOWN`."""
    name, fingerprint, recipe, size, mtime, ctime, seen, status, *why = row
    reason, message, hint = map(str, why)
    failure = Failure(str(name), reason, message, hint) if status == "skipped" else None
    numbers = integer(size), integer(mtime), integer(seen)
    return Known(str(fingerprint), str(recipe), *numbers, failure, integer(ctime))


def read_document(row: Row) -> StoredDocument:
    """Return the record of a row of `DOCUMENTS`."""
    root, name, media_type, title, status, reason, message, hint, *texts = map(str, row[:11])
    encoding, language, collection = texts
    notes, pages, unknown_share, split_chunks, size_bytes, chunks = row[11:]
    return StoredDocument(
        root,
        name,
        media_type,
        title,
        status,
        reason,
        message,
        hint,
        encoding=encoding,
        language=language,
        collection=collection,
        notes=tuple(json.loads(str(notes))),
        pages=tuple(read_pages(str(pages))),
        unknown_share=unknown_share if isinstance(unknown_share, float) else None,
        split_chunks=integer(split_chunks),
        size_bytes=integer(size_bytes),
        chunks=integer(chunks),
    )


def write_failures(failures: Sequence[Failure]) -> str:
    """Return failures as one line of JSON."""
    return json.dumps(
        [[*map(storable, (f.source_id, f.reason, f.message, f.hint))] for f in failures]
    )


def read_unread(root: str, collection: str, text: str) -> list[StoredDocument]:
    """Return what `write_failures` wrote of the files of a root that were not opened."""
    try:
        failures = [
            Failure(str(name), str(reason), str(message), str(hint))
            for name, reason, message, hint in json.loads(text)
        ]
    except (ValueError, TypeError) as error:
        raise IndexDamaged(
            f"the list of files skipped in {root} cannot be read", "ingest the folder again"
        ) from error
    return [
        StoredDocument(
            root,
            f.source_id,
            media_type="",
            title="",
            status="skipped",
            reason=f.reason,
            message=f.message,
            hint=f.hint,
            collection=collection,
        )
        for f in failures
    ]


def write_pages(pages: Sequence[Page]) -> str:
    """Return pages as one line of JSON."""
    return json.dumps([astuple(page) for page in pages])


def read_pages(text: str) -> list[Page]:
    """Return the pages that `write_pages` wrote."""
    return [
        Page(start, label, score, tuple(findings))
        for start, label, score, findings in json.loads(text)
    ]


def storable(text: str) -> str:
    """Return the text as SQLite can hold it: lone surrogates (of file names) are escaped."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def integer(value: Value) -> int:
    """Return a column that is declared INTEGER; raises IndexDamaged."""
    if not isinstance(value, int):
        raise IndexDamaged(f"the catalogue has {value!r:.20} where a number should be", DAMAGE_HINT)
    return value


def blob(value: Value) -> bytes:
    """Return a column that is declared BLOB; raises IndexDamaged."""
    if not isinstance(value, bytes):
        raise IndexDamaged("the catalogue has no vector where one should be", DAMAGE_HINT)
    return value
