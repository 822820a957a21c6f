"""PDF in, the text of its pages out, good pages even when others are bad. The home of pypdf."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Iterator, Sequence
from typing import Any

import pypdf
from pypdf.errors import PyPdfError

from ingest.base.documents import Heading, Page
from ingest.base.errors import EmptyDocument, EncryptedDocument, ParseError
from ingest.parse.base.blocks import Parsed
from ingest.parse.base.clean import clean
from ingest.parse.base.reading import PageLog, Reading

_MAX_OUTLINE = 2_000
_MAX_ARRAY = 5_000_000  # Quarterly reports of large companies are over the library's default.


def parse_pdf(data: bytes, reading: Reading, log: PageLog) -> Parsed:  # noqa: ARG001
    """Return the text of all pages, where each starts, and the outline as headings.

    Raises EncryptedDocument, EmptyDocument when no page has text, ParseError.
    """
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    try:
        with pypdf.apply_configuration(array_maximum_element_count=_MAX_ARRAY):
            reader = _open(data)
            pages, bad = _page_texts(reader)
            outline = list(_outline(reader))
            title = clean(str((reader.metadata and reader.metadata.title) or ""))
    except PyPdfError as error:
        reason = " ".join(str(error).split())[:200]
        raise ParseError(f"damaged PDF: {reason}", "open it and export it again as PDF") from error
    blank = [number for number, text in enumerate(pages, 1) if not text and number not in bad]
    if len(blank) + len(bad) == len(pages):
        raise EmptyDocument(
            f"no text on any of {len(pages)} pages", "it is probably a scan: run OCR on it first"
        )
    text, starts = _join(pages)
    notes = _note(blank, "without text (a scan or a picture)") + _note(bad, "that cannot be read")
    headings = tuple(_headings(outline, pages, starts))
    placed = tuple(Page(start, f"p. {number}") for number, start in enumerate(starts, 1))
    return Parsed(text, title, pages=placed, headings=headings, notes=notes)


def _open(data: bytes) -> pypdf.PdfReader:
    reader = pypdf.PdfReader(io.BytesIO(data), strict=False)
    # Most "protected" files open with the empty password.
    if reader.is_encrypted and not reader.decrypt(""):
        raise EncryptedDocument("a password is needed", "save a copy without a password")
    return reader


def _page_texts(reader: pypdf.PdfReader) -> tuple[list[str], list[int]]:
    """Return the text of each page, "" for none, and the numbers of the pages that failed."""
    texts, bad = [], []
    for number in range(1, len(reader.pages) + 1):
        try:
            texts.append(clean(reader.pages[number - 1].extract_text()).strip())
        except Exception:
            # One bad page must not cost the good ones, and the library raises all kinds.
            texts.append("")
            bad.append(number)
    return texts, bad


def _join(pages: Sequence[str]) -> tuple[str, tuple[int, ...]]:
    starts, position = [], 0
    for page in pages:
        starts.append(position)
        position += len(page) + 2
    return "\n\n".join(pages), tuple(starts)


def _outline(reader: pypdf.PdfReader) -> Iterator[tuple[int, int, str]]:
    """Yield (page index, level, title) of the bookmarks; a damaged outline is none."""
    try:
        entries = list(_flatten(reader.outline, 1))[:_MAX_OUTLINE]
        for level, entry in entries:
            page = reader.get_destination_page_number(entry)
            if page is not None and page >= 0:
                yield page, level, clean(str(entry.title or ""))
    except Exception:
        # Bookmarks are an extra: without them the text is still all there.
        return


def _flatten(entries: Sequence[Any], level: int) -> Iterator[tuple[int, Any]]:
    for entry in entries:
        if isinstance(entry, list):
            yield from _flatten(entry, level + 1)
        else:
            yield level, entry


def _headings(
    outline: Sequence[tuple[int, int, str]], pages: Sequence[str], starts: Sequence[int]
) -> Iterator[Heading]:
    """Yield the bookmarks whose title stands on the page they point to, in reading order."""
    found: dict[int, Heading] = {}
    for page, level, title in outline:
        words = title.split()[:40]
        if not words or page >= len(pages):
            continue
        pattern = r"\s+".join(map(re.escape, words))
        match = re.search(pattern, pages[page], re.IGNORECASE)
        if match:
            start = starts[page] + match.start()
            found.setdefault(start, Heading(start, level, " ".join(words)))
    yield from (found[start] for start in sorted(found))


def _note(pages: Sequence[int], what: str) -> tuple[str, ...]:
    if not pages:
        return ()
    shown = ", ".join(map(str, pages[:10])) + (", …" if len(pages) > 10 else "")
    return (f"{len(pages)} page{'s' * (len(pages) > 1)} {what}: {shown}",)
