"""Records to frames of bytes and back: what the program and the processes that read say."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from ingest.base.documents import Document, Heading, Page, Source, Table
from ingest.base.errors import ParseError
from ingest.parse.base.reading import Reading

_LENGTH_BYTES = 4
_MOST_BYTES = 1 << 29

Message = Mapping[str, Any]


def write_frame(stream: IO[bytes], message: Message) -> None:
    """Write a length, then the message as JSON in which even half a surrogate pair survives."""
    data = json.dumps(message, ensure_ascii=False).encode("utf-8", "surrogatepass")
    stream.write(len(data).to_bytes(_LENGTH_BYTES, "little") + data)
    stream.flush()


def read_frame(stream: IO[bytes]) -> Message | None:
    """Return the next message, None when the other side is gone or makes no sense."""
    length = int.from_bytes(stream.read(_LENGTH_BYTES), "little")
    data = stream.read(length) if 0 < length <= _MOST_BYTES else b""
    if not data or len(data) < length:
        return None
    try:
        message: Message = json.loads(data.decode("utf-8", "surrogatepass"))
    except ValueError:
        return None
    return message


def pack_request(source: Source, reading: Reading, texts: Mapping[int, str | None]) -> Message:
    """Return what a process needs to read a file of which some pages are known."""
    fields = {**_fields(source), "path": str(source.path.absolute())}
    return {"source": fields, "reading": _fields(reading), "texts": list(texts.items())}


def unpack_request(message: Message) -> tuple[Source, Reading, dict[int, str | None]]:
    """Return source, reading and known pages of a request."""
    source, reading = message["source"], message["reading"]
    return (
        Source(**{**source, "path": Path(source["path"])}),
        Reading(**{**reading, "passwords": tuple(reading["passwords"])}),
        dict(message["texts"]),
    )


def pack_document(document: Document) -> Message:
    """Return a document without its source, which the other side has."""
    return {
        **_fields(document),
        "source": None,
        "pages": _pack_pages(document.pages),
        "headings": [[h.start, h.level, h.title] for h in document.headings],
        "tables": [[t.start, t.end, t.columns] for t in document.tables],
    }


def unpack_document(message: Message, source: Source) -> Document:
    """Return the document of a source."""
    return Document(
        **{
            **message,
            "source": source,
            "pages": _unpack_pages(message["pages"]),
            "headings": tuple(Heading(*fields) for fields in message["headings"]),
            "tables": tuple(Table(*fields) for fields in message["tables"]),
            "notes": tuple(message["notes"]),
        }
    )


def pack_error(error: ParseError) -> Message:
    """Return what is known of a refusal."""
    return {
        "reason": error.reason,
        "message": error.message,
        "hint": error.hint,
        "fingerprint": error.fingerprint,
        "pages": _pack_pages(error.pages),
    }


def unpack_error(message: Message) -> ParseError:
    """Return the error of the class that has the reason."""
    kinds = {kind.reason: kind for kind in _kinds(ParseError)}
    error = kinds.get(message["reason"], ParseError)(message["message"], message["hint"])
    error.fingerprint = message["fingerprint"]
    error.pages = _unpack_pages(message["pages"])
    return error


def _pack_pages(pages: Iterable[Page]) -> list[list[Any]]:
    return [[page.start, page.label, page.score, page.findings] for page in pages]


def _unpack_pages(packed: Iterable[Sequence[Any]]) -> tuple[Page, ...]:
    return tuple(Page(start, label, score, tuple(found)) for start, label, score, found in packed)


def _fields(record: Any) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__slots__}


def _kinds(kind: type[ParseError]) -> Iterator[type[ParseError]]:
    """Yield the classes of an error family, those that inherit a reason before its owner."""
    for smaller in kind.__subclasses__():
        yield from _kinds(smaller)
    yield kind
