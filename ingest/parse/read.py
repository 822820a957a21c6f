"""A source in, a Document out: the format is chosen by content first, by name second."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from types import MappingProxyType
from typing import TypeAlias

from ingest.base.documents import Document, Source
from ingest.base.errors import EmptyDocument, ParseError, PipelineError, UnsupportedFormat
from ingest.parse.base import media
from ingest.parse.base.blocks import Parsed, choose_title
from ingest.parse.base.failures import EmptyFile, OutOfMemory
from ingest.parse.base.files import fingerprint_of, read_bytes
from ingest.parse.base.reading import PageLog, Reading

PARSER_VERSION = 3
MAX_CHARACTERS = 20_000_000

Parser: TypeAlias = Callable[[bytes, str], Parsed]

# Each family brings a library of its own, so its module is imported only when it is needed.
_PARSERS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        media.HTML: ("ingest.parse.web.html", "parse_html"),
        media.EPUB: ("ingest.parse.web.epub", "parse_epub"),
        media.EML: ("ingest.parse.web.mail", "parse_mail"),
        media.MBOX: ("ingest.parse.web.mail", "parse_mailbox"),
        media.DOCX: ("ingest.parse.office.word", "parse_docx"),
        media.PPTX: ("ingest.parse.office.slides", "parse_pptx"),
        media.XLSX: ("ingest.parse.office.sheets", "parse_xlsx"),
        media.ODT: ("ingest.parse.office.opendocument", "parse_opendocument"),
        media.ODS: ("ingest.parse.office.opendocument", "parse_opendocument"),
        media.ODP: ("ingest.parse.office.opendocument", "parse_opendocument"),
        media.RTF: ("ingest.parse.office.rich_text", "parse_rtf"),
        media.NOTEBOOK: ("ingest.parse.text.notebook", "parse_notebook"),
        media.CSV: ("ingest.parse.text.tables", "parse_table"),
        media.TSV: ("ingest.parse.text.tables", "parse_table"),
        media.JSON: ("ingest.parse.text.data", "parse_json"),
        media.JSONL: ("ingest.parse.text.data", "parse_json_lines"),
        media.SUBTITLES: ("ingest.parse.text.subtitles", "parse_subtitles"),
    }
)
_TEXT = ("ingest.parse.text.plain", "parse_text")
PLAIN_KINDS = frozenset(
    {
        media.PLAIN,
        media.MARKDOWN,
        media.RST,
        media.ORG,
        media.TEX,
        media.CODE,
        media.CSV,
        media.TSV,
        media.JSON,
        media.JSONL,
        media.SUBTITLES,
        media.UNKNOWN,
    }
)
"""What is read by modules of ours in linear time, so that it needs no process of its own."""


def read_document(
    source: Source, reading: Reading | None = None, log: PageLog | None = None
) -> Document:
    """Open, read and parse one file; whatever is wrong with it comes out as a ParseError."""
    reading, log = reading or Reading(), log or PageLog()
    with _refusals(reading, log):
        return parse(source, _open(source, reading, log), log.fingerprint, reading, log)


def read_plain(source: Source, reading: Reading) -> Document | None:
    """Read a file as `read_document` does, if by its content it is plain text, else return None.

    What other formats hold can make their libraries hang or crash, so a process of its own
    reads them (`ingest.parse.pool`).
    """
    log = PageLog()
    with _refusals(reading, log):
        data = _open(source, reading, log)
        if data and media.sniff(data, source.media_type) not in PLAIN_KINDS:
            return None
        return parse(source, data, log.fingerprint, reading, log)


def _open(source: Source, reading: Reading, log: PageLog) -> bytes:
    data = read_bytes(source.path, reading.max_file_bytes)
    log.open(fingerprint_of(data))
    return data


@contextmanager
def _refusals(reading: Reading, log: PageLog) -> Iterator[None]:
    """Turn whatever is raised into a ParseError that knows which bytes were refused."""
    try:
        try:
            yield
        except PipelineError:
            raise
        except ImportError as error:
            raise UnsupportedFormat(
                f"{error.name} is needed to read it and not installed", "install the program again"
            ) from error
        except MemoryError as error:
            raise out_of_memory(reading) from error
        except Exception as error:
            # The boundary: hostile content makes parsers raise anything, and no file may stop
            # a run.
            raise ParseError(
                f"damaged or not what its name says ({type(error).__name__})",
                "open it in its own program and save it again",
            ) from error
    except ParseError as error:
        error.fingerprint = log.fingerprint
        raise


def out_of_memory(reading: Reading) -> OutOfMemory:
    """Return the error for a file that takes more memory than it may."""
    return OutOfMemory(
        f"reading it takes more than {reading.memory_bytes / 1e6:.0f} MB of memory",
        "split the file or raise RAG_FILE_MEMORY_MEGABYTES",
    )


def parse(
    source: Source, data: bytes, fingerprint: str, reading: Reading, log: PageLog
) -> Document:
    """Turn the bytes of a file into a Document; raises ParseError or what a format raises."""
    if not data:
        raise EmptyFile("the file is empty", "remove it or write something into it")
    media_type = media.sniff(data, source.media_type)
    parsed = _parse(data, media_type, reading, log)
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


def _parse(data: bytes, media_type: str, reading: Reading, log: PageLog) -> Parsed:
    if media_type == media.PDF:
        from ingest.parse.pdf.pages import parse_pdf

        return parse_pdf(data, reading, log)
    module, function = _PARSERS.get(media_type, _TEXT)
    parser: Parser = getattr(import_module(module), function)
    return parser(data, media_type)
