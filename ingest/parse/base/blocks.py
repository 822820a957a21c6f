"""Blocks of text in reading order in, one text with its headings out; and the choice of a title."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from pathlib import PurePath

from ingest.base.documents import Heading, Page, Source, Table
from ingest.parse.base.media import CODE

_MOST_HEADERS = 3
_FILE_LIKE = re.compile(r"\.\w{2,4}$|^(untitled|document|word document|slide 1)\b", re.IGNORECASE)
_SEPARATOR = re.compile(r"_|(?<!\d)-|-(?!\d)")
_WORD = re.compile(r"[^\W\d_]{2,}|[\u3040-\u9fff\uac00-\ud7af]")
_PERIOD = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)|\b[QH][1-4]\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a parser found: cleaned text, and where its pages, tables and headings start.

    `title` is what the document calls itself, "" when it does not say.
    """

    text: str
    title: str = ""
    pages: tuple[Page, ...] = ()
    headings: tuple[Heading, ...] = ()
    tables: tuple[Table, ...] = ()
    notes: tuple[str, ...] = ()
    encoding: str = ""


@dataclass(slots=True)
class Blocks:
    """Collects paragraphs, rows and headings, and knows where each one starts."""

    parts: list[str] = field(default_factory=list)
    headings: list[Heading] = field(default_factory=list)
    pages: list[Page] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    waiting: list[Page] = field(default_factory=list)
    length: int = 0
    tight: bool = False

    def add(
        self, text: str, *, level: int = 0, tight: bool = False, verbatim: bool = False
    ) -> None:
        """Append a block; `level` 0 is no heading; two `tight` blocks share a paragraph.

        A `verbatim` block keeps the indentation of its first line.
        """
        text = text.strip("\n").rstrip() if verbatim else text.strip()
        if not text.strip():
            return
        if self.parts:
            self._append("\n" if tight and self.tight and not self.waiting else "\n\n")
        self._place_pages()
        if level:
            self.headings.append(Heading(self.length, level, " ".join(text.split())))
        self._append(text)
        self.tight = tight

    def begin_page(self, label: str, *, score: float = 1.0, findings: tuple[str, ...] = ()) -> None:
        """Let a page start at the next block; one without a block starts where the next does."""
        self.waiting.append(Page(0, label, score, findings))

    def add_table(self, rows: Sequence[Sequence[str]], headers: int = 0) -> None:
        """Append rows, one on each line, of which the first `headers` name the columns.

        Header rows are joined to one line, the names of each column after each other.  Empty
        rows and empty columns are left out; what has one row or column is no table.
        """
        lines = _table_lines(_join_headers(rows, headers) if headers > 1 else rows)
        if not lines:
            return
        headers = min(headers, len(lines) - 1, 1)
        self.tight = False
        self.add(lines[0], tight=True)
        start = self.length - len(lines[0])
        for line in lines[1:]:
            self.add(line, tight=True)
        self.tight = False
        if len(lines) > 1 and any(" | " in line for line in lines):
            self.tables.append(Table(start, self.length, "".join(lines[:headers])))

    def _place_pages(self) -> None:
        self.pages.extend(replace(page, start=self.length) for page in self.waiting)
        self.waiting.clear()

    def _append(self, text: str) -> None:
        self.parts.append(text)
        self.length += len(text)

    def finish(self, title: str) -> Parsed:
        """Return everything collected as one text."""
        self._place_pages()
        text, headings = "".join(self.parts), tuple(self.headings)
        return Parsed(text, title, tuple(self.pages), headings, tuple(self.tables))


def _join_headers(rows: Sequence[Sequence[str]], headers: int) -> list[Sequence[str]]:
    """Return the rows with one header; where more rows are marked than head a table, the first."""
    filled = [row for row in rows if any(map(str.strip, row))]
    if headers > _MOST_HEADERS or headers >= len(filled):
        return filled
    columns = zip_longest(*filled[:headers], fillvalue="")
    joined = [" ".join(filter(None, dict.fromkeys(map(str.strip, names)))) for names in columns]
    return [joined, *filled[headers:]]


def _table_lines(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the rows as lines, cells side by side, without what is empty throughout."""
    cells = [[" ".join(cell.split()) for cell in row] for row in rows]
    used = sorted({column for row in cells for column, cell in enumerate(row) if cell})
    return [_line([row[at] for at in used if at < len(row)]) for row in cells if any(row)]


def _line(cells: list[str]) -> str:
    """Return the cells side by side; empty ones keep the others in place, but not at the end."""
    filled = max(number for number, cell in enumerate(cells, 1) if cell)
    return " | ".join(cells[:filled]).strip()


def stem_title(source: Source) -> str:
    """Return the file's name as words: "leave_policy-2024-05.pdf" reads "leave policy 2024-05"."""
    if source.media_type == CODE:
        return PurePath(source.id).name
    stem = PurePath(source.id).stem
    return " ".join(_SEPARATOR.sub(" ", stem).split()) or stem


def choose_title(source: Source, parsed: Parsed) -> str:
    """Return the document's own title, else its first level-1 heading, else its file name.

    A year or quarter that only the file name tells is appended: of twenty quarterly reports
    with the same title the name alone says which is which.
    """
    stem = stem_title(source)
    if source.media_type == CODE:
        return stem
    outer = (heading.title for heading in parsed.headings if heading.level == 1)
    for candidate in (parsed.title, next(outer, "")):
        title = " ".join(candidate.split())[:200]
        if _WORD.search(title) and not _FILE_LIKE.search(title):
            missing = set(_PERIOD.findall(stem)) - set(_PERIOD.findall(title))
            return f"{title} ({stem})" if missing else title
    return stem
