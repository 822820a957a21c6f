"""Rows of the catalogue in, records out, and the other way round."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from hashlib import sha256
from zlib import crc32

from ingest.base.documents import Chunk, Document, Failure, Health, Known, Page
from rag.index.base.errors import IndexDamaged
from rag.index.base.selection import Selection as Selection
from rag.index.base.selection import storable as storable
from rag.index.base.selection import where_selected as where_selected
from rag.index.store.database import DAMAGE_HINT, Row, Value


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
    mtime_ns: int = 0

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
    """A chunk, its number, and those of its text and vector: chunks of one text share them."""

    chunk: Chunk
    root: str
    text: int
    vector: int
    number: int


@dataclass(frozen=True, slots=True)
class Copy:
    """Another place at which the text of a chunk stands; `heading` is the path to it there."""

    root: str
    document_id: str
    page: int | None
    place: str
    heading: str


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
    root, *numbers = row[11:]
    return Occurrence(read_chunk(row), str(root), *map(integer, numbers))


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
    notes, pages, unknown_share, split_chunks, size_bytes, mtime_ns, chunks = row[11:]
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
        mtime_ns=integer(mtime_ns),
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
