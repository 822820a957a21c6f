"""An open PDF and the number of a page in, its text out by the extractor that reads it best."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

from ingest.base.errors import EncryptedDocument, ParseError
from ingest.parse.base.clean import clean
from ingest.parse.base.reading import PageLog, Reading
from ingest.parse.pdf import quality
from ingest.parse.pdf.ocr import OcrFailed, Recogniser, is_installed
from ingest.parse.pdf.pdfium import LINE_HYPHEN, DamagedFile, Look, Pdfium

if TYPE_CHECKING:
    from ingest.parse.pdf.fallback import Pypdf

_GOOD_ENOUGH = 0.5
_LEAST_LEFT = 0.5
_OCR_SECONDS = 6  # As many times what a page may take.
_SOFT_HYPHEN = re.compile("\xad[ \t\r]*\n")
_LIGATURES = str.maketrans(
    {"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"}
)

PdfFile: TypeAlias = "Pdfium | Pypdf"


@dataclass(frozen=True, slots=True)
class PageText:
    """The clean text of a page, and what was found wrong with it."""

    text: str
    findings: tuple[str, ...] = ()

    @property
    def score(self) -> tuple[float, int]:
        """Order two readings of the same page."""
        return quality.score(self.findings), len(self.text)

    def has(self, *findings: str) -> bool:
        """Say whether one of these was found."""
        return any(finding in self.findings for finding in findings)


class PageReader:
    """Reads the pages of one file; `file` is the extractor that opened it.

    `ocr_failure` says why a picture of a page could not be read, "" when none failed.
    """

    def __init__(self, data: bytes, reading: Reading) -> None:
        """Open the file; raises EncryptedDocument, ParseError."""
        self._data = data
        self._reading = reading
        self._found_words = False
        self.ocr_failure = ""
        self.file: PdfFile = self._open()

    def _open(self) -> PdfFile:
        try:
            return Pdfium(self._data, self._reading.passwords)
        except (DamagedFile, EncryptedDocument) as error:
            first = error
        from ingest.parse.pdf.fallback import Pypdf

        # It rebuilds more of a damaged file, and knows older ways to spell a password.
        try:
            return Pypdf(self._data, self._reading.passwords)
        except DamagedFile as second:
            if isinstance(first, EncryptedDocument):
                raise first from second
            raise ParseError(
                f"damaged PDF: {second or first}", "open it and export it again as PDF"
            ) from second

    def close(self) -> None:
        """Free the memory of the file."""
        self.file.close()

    @cached_property
    def _other(self) -> Pypdf | None:
        """Open the file a second time, by the second extractor, None if that cannot read it."""
        if not isinstance(self.file, Pdfium):
            return None
        from ingest.parse.pdf.fallback import Pypdf

        try:
            return Pypdf(self._data, self._reading.passwords)
        except (DamagedFile, EncryptedDocument):
            return None

    @cached_property
    def _recogniser(self) -> Recogniser | None:
        """Return what reads pictures, None where it is not wanted or not installed."""
        wanted = self._reading.ocr and isinstance(self.file, Pdfium) and is_installed()
        return Recogniser() if wanted else None

    def read(self, number: int, log: PageLog) -> PageText:
        """Return the text of a page, which counts from 1; tells the log how long it may take."""
        log.begin(number, self._reading.page_seconds)
        page = _extract(self.file, number - 1)
        look = self._look(number - 1, page.text)
        # Beside pages with words one with nothing on it is blank; alone it may be misread.
        doubtful = look is Look.WORDS or (look is Look.NOTHING and not self._found_words)
        if doubtful and quality.score(page.findings) < _GOOD_ENOUGH:
            page = self._read_again(page, number - 1)
        self._found_words |= bool(page.text)
        unread = page.has(quality.EMPTY, quality.GARBAGE, quality.DAMAGED)
        if look is Look.PICTURE or (unread and look is not Look.NOTHING):
            page = self._recognise(page, number, log)
        return page

    def _look(self, index: int, text: str) -> Look:
        """Return what the page has on it, WORDS when that cannot be told."""
        if not isinstance(self.file, Pdfium):
            return Look.WORDS
        try:
            return self.file.look(index, text)
        except DamagedFile:
            return Look.WORDS

    def _read_again(self, page: PageText, index: int) -> PageText:
        # Where one counts more pages than the other, the same number is not the same page.
        if self._other is None or self._other.count != self.file.count:
            return page
        again = _extract(self._other, index)
        # Nothing found here and an error there is an error, not an empty page.
        if page.has(quality.EMPTY) and again.has(quality.DAMAGED):
            return again
        return max(page, again, key=lambda one: one.score)

    def _recognise(self, page: PageText, number: int, log: PageLog) -> PageText:
        """Return what is read off the picture of a page where that is better than its text."""
        if self._recogniser is None or not isinstance(self.file, Pdfium):
            return page
        log.begin(number, _OCR_SECONDS * self._reading.page_seconds)
        try:
            picture = self.file.picture(number - 1)
            text = _tidy(self._recogniser.read(picture))
        except (DamagedFile, OcrFailed) as error:
            self.ocr_failure = str(error)
            return page
        findings = quality.judge(text)
        if len(text) <= len(page.text) or quality.GARBAGE in findings:
            return page
        return PageText(text, (quality.OCR, *findings))


def _extract(file: PdfFile, index: int) -> PageText:
    try:
        raw, reordered = file.text(index)
    except DamagedFile:
        return PageText("", (quality.DAMAGED,))
    raw = _SOFT_HYPHEN.sub("-\n", raw).replace(LINE_HYPHEN, "-\n")
    findings: Collection[str] = quality.judge(raw)
    if reordered:
        findings = (*findings, quality.COLUMNS)
    text = _tidy(raw)
    if quality.GARBAGE in findings and len(text) < _LEAST_LEFT * len(raw):
        text = ""  # What is left are the few glyphs whose numbers happen to be letters.
    return PageText(text, tuple(findings))


def _tidy(raw: str) -> str:
    text = clean(raw).translate(_LIGATURES)
    return "\n".join(line.rstrip(" \t") for line in text.split("\n")).strip()
