"""PDF in, the text of its pages out, good pages even when others are bad."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice

from ingest.base.documents import Heading, Page
from ingest.base.errors import EmptyDocument
from ingest.parse.base.blocks import Parsed
from ingest.parse.base.clean import clean
from ingest.parse.base.failures import TimedOut
from ingest.parse.base.reading import PageLog, Reading
from ingest.parse.pdf import quality
from ingest.parse.pdf.ocr import INSTALL_HINT, is_installed
from ingest.parse.pdf.reader import PageReader, PageText, PdfFile
from ingest.parse.pdf.repeats import join_words, remove_repeats

_MAX_PAGES = 20_000
_MAX_TEXT = 20_000_000
_MAX_OUTLINE = 2_000
_LONGEST_LABEL = 20

Bookmark = tuple[int, int, str]


@dataclass(frozen=True, slots=True)
class Outside:
    """What a file says outside of its pages; `labels` has one for each, "" for none."""

    title: str
    outline: tuple[Bookmark, ...]
    labels: tuple[str, ...]


def parse_pdf(data: bytes, reading: Reading, log: PageLog) -> Parsed:
    """Return the text of all pages, how well each was read, and the outline as headings.

    Pages that the log has are not read again.  Raises EncryptedDocument, EmptyDocument when
    no page has text, TimedOut when none was read in time, ParseError.
    """
    log.begin(0, reading.file_seconds)
    with closing(PageReader(data, reading)) as reader:
        count = reader.file.count
        outside = _look_outside(reader.file, min(count, _MAX_PAGES))
        pages = list(_read_pages(reader, min(count, _MAX_PAGES), log))
    log.begin(0, reading.file_seconds)
    notes = [f"OCR failed: {reader.ocr_failure}"] if reader.ocr_failure else []
    if len(pages) < count:
        notes.append(f"only the first {len(pages)} of {count} pages were read")
    _refuse_without_text(pages, reading, reader.ocr_failure)
    return _assemble(pages, outside, reading, notes)


def _read_pages(reader: PageReader, count: int, log: PageLog) -> Iterator[PageText]:
    room = _MAX_TEXT
    for number in range(1, count + 1):
        if number not in log.texts:
            page = reader.read(number, log)
            log.done(number, quality.pack_page(page.text, page.findings))
        packed = log.texts[number]
        if packed is None:
            yield PageText("", (quality.TIMEOUT,))
        else:
            yield PageText(*quality.unpack_page(packed))
            room -= len(packed)
        if room < 0:
            return


def _look_outside(file: PdfFile, count: int) -> Outside:
    outline = islice(file.outline(), _MAX_OUTLINE)
    return Outside(
        clean(file.title),
        tuple((page, level, clean(title)) for page, level, title in outline),
        tuple(clean(file.label(index)).strip()[:_LONGEST_LABEL] for index in range(count)),
    )


def _refuse_without_text(pages: Sequence[PageText], reading: Reading, ocr_failure: str) -> None:
    if any(page.text for page in pages):
        return
    if any(page.has(quality.TIMEOUT) for page in pages):
        raise TimedOut(
            f"none of {len(pages)} pages could be read in {reading.page_seconds:g} s",
            "raise RAG_PAGE_TIMEOUT_SECONDS or save the file in a simpler form",
        )
    failed = f"; OCR failed: {ocr_failure}" if ocr_failure else ""
    error = EmptyDocument(f"no text on any page of {len(pages)}{failed}", _scan_hint(reading))
    error.pages = tuple(
        Page(0, f"p. {number}", quality.score(page.findings), page.findings)
        for number, page in enumerate(pages, 1)
    )
    raise error


def _scan_hint(reading: Reading) -> str:
    if is_installed() and reading.ocr:
        return "OCR found no words either: export it again with text"
    if is_installed():
        return "it is probably a scan: RAG_OCR=auto reads it (OCR is off)"
    return f"it is probably a scan: {INSTALL_HINT} (OCR)"


def _assemble(
    pages: Sequence[PageText], outside: Outside, reading: Reading, notes: Sequence[str]
) -> Parsed:
    """Put the pages together, without headers and footers and with broken words mended."""
    labels = outside.labels[: len(pages)]
    kept, repeated = remove_repeats([page.text for page in pages], labels)
    texts = join_words(kept)
    starts = _starts(texts)
    placed: list[Page] = []
    found: dict[str, list[int]] = defaultdict(list)
    for number, (page, text, label) in enumerate(zip(pages, texts, labels, strict=True), 1):
        findings = page.findings
        if number in repeated:
            findings += (quality.BOILERPLATE,) if text else (quality.EMPTY, quality.BOILERPLATE)
        for finding in findings:
            found[finding].append(number)
        score = quality.score(findings)
        placed.append(Page(starts[number - 1], f"p. {label or number}", score, findings))
    return Parsed(
        "\n\n".join(texts),
        outside.title,
        pages=tuple(placed),
        headings=tuple(_headings(outside.outline, texts, starts)),
        notes=(*notes, *_notes(found, reading)),
    )


def _notes(pages: Mapping[str, Sequence[int]], reading: Reading) -> Iterator[str]:
    """Yield a sentence for each finding that may cost text, the worst first."""
    hint = "" if is_installed() or not reading.ocr else f"; {INSTALL_HINT}"
    sentences = {
        quality.EMPTY: f"without text (a scan or a picture{hint})",
        quality.DAMAGED: "cannot be read",
        quality.TIMEOUT: f"not read within {reading.page_seconds:g} s",
        quality.GARBAGE: "not readable: the font does not tell its letters",
        quality.GLUED: "with words run together",
        quality.OCR: "read off a picture",
    }
    for finding, sentence in sentences.items():
        if numbers := pages.get(finding):
            more = len(numbers) - 10
            shown = ", ".join(map(str, numbers[:10])) + (f" and {more} more" if more > 0 else "")
            yield f"page{'s' * (len(numbers) > 1)} {shown} {sentence}"


def _starts(texts: Sequence[str]) -> list[int]:
    starts, position = [], 0
    for text in texts:
        starts.append(position)
        position += len(text) + 2
    return starts


def _headings(
    outline: Sequence[Bookmark], pages: Sequence[str], starts: Sequence[int]
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
