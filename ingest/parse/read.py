"""A source in, a Document out: the format is chosen by content first, by name second."""

from __future__ import annotations

from collections.abc import Callable

from ingest.base.documents import Document, Source
from ingest.base.errors import EmptyDocument, ParseError, PipelineError
from ingest.parse.base import media
from ingest.parse.base.blocks import Parsed, choose_title
from ingest.parse.base.failures import EmptyFile
from ingest.parse.base.files import MAX_FILE_BYTES, fingerprint_of, read_bytes

PARSER_VERSION = 2
MAX_CHARACTERS = 20_000_000


def read_document(source: Source, max_bytes: int = MAX_FILE_BYTES) -> Document:
    """Open, read and parse one file; whatever is wrong with it comes out as a ParseError."""
    try:
        data = read_bytes(source.path, max_bytes)
        return parse(source, data, fingerprint_of(data))
    except PipelineError:
        raise
    except Exception as error:
        # The boundary: hostile content makes parsers raise anything, and no file may stop a run.
        raise ParseError(
            f"damaged or not what its name says ({type(error).__name__})",
            "open it in its own program and save it again",
        ) from error


def parse(source: Source, data: bytes, fingerprint: str) -> Document:
    """Turn the bytes of a file into a Document; raises ParseError or what a format raises."""
    if not data:
        raise EmptyFile("the file is empty", "remove it or write something into it")
    media_type = media.sniff(data, source.media_type)
    parsed = _parser(media_type)(data, media_type)
    if not parsed.text.strip():
        raise EmptyDocument("the file holds no text", "remove it or write something into it")
    text, notes = parsed.text, parsed.notes
    if len(text) > MAX_CHARACTERS:
        text = text[:MAX_CHARACTERS]
        notes = (*notes, f"only the first {MAX_CHARACTERS:,} characters were read")
    return Document(
        source=source,
        fingerprint=fingerprint,
        title=choose_title(source, parsed),
        text=text,
        pages=tuple(page for page in parsed.pages if page.start <= len(text)),
        headings=tuple(heading for heading in parsed.headings if heading.start < len(text)),
        tables=tuple(table for table in parsed.tables if table.end <= len(text)),
        notes=notes,
        encoding=parsed.encoding,
    )


def _parser(media_type: str) -> Callable[[bytes, str], Parsed]:
    """Import only the family that is needed: each brings a library of its own."""
    if media_type == media.PDF:
        from ingest.parse.pdf.pages import parse_pdf

        return parse_pdf
    if media_type == media.DOCX:
        from ingest.parse.office.word import parse_docx

        return parse_docx
    if media_type == media.HTML:
        from ingest.parse.web.html import parse_html

        return parse_html
    from ingest.parse.text.plain import parse_text

    return parse_text
