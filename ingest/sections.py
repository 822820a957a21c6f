"""A document in, its sections out, and the short words that name a section or a table's columns."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias, TypeVar

from ingest.base.documents import (
    HEADING_SEPARATOR,
    Chunk,
    Document,
    Heading,
    Table,
    chunk_id,
)

HeadingPath: TypeAlias = tuple[str, ...]
Measure: TypeAlias = Callable[[Iterable[str]], list[int]]
_Key = TypeVar("_Key", bound=Hashable)

MOST_CHARACTERS = 8
"""A token stands for at most so many characters here, whatever the counter says.

WordPiece takes any unbroken run of more than 100 characters (Thai, a row of digits) for one
unknown token, and nothing would bound a chunk of such text.  What has more characters per token
of room is therefore cut uncounted.  Prose has 4 to 5, so nothing else changes.
"""

_CELL_SEPARATOR = " | "


@dataclass(frozen=True, slots=True)
class Section:
    """The span under one heading; `path` leads to it, the document's title first.

    `body` is where the text below the heading begins: nothing is cut before it, so that no
    heading stands alone.
    """

    start: int
    end: int
    path: HeadingPath
    body: int = 0


class Piece(NamedTuple):
    """A span of a section; it is cut further while `tokens` is 0, `over` when that was counted."""

    section: int
    start: int
    end: int
    tokens: int = 0
    over: bool = False


class Draft(NamedTuple):
    """A chunk to be; `tokens` are exact and include the heading path and the columns."""

    section: int
    start: int
    end: int
    path: HeadingPath
    columns: str = ""
    tokens: int = 0

    def finish(self, document: Document, header: str, ordinal: int, recipe: str) -> Chunk:
        """Return the chunk that it became, `ordinal` counting from 0 in its document."""
        text = document.text[self.start : self.end]
        place = document.place_at(self.start)
        return Chunk(
            id=chunk_id(document.source.root, document.id, ordinal, text, recipe),
            document_id=document.id,
            ordinal=ordinal,
            text=text,
            start=self.start,
            end=self.end,
            tokens=self.tokens,
            page=place.page,
            heading=header,
            place=place.label,
            columns=self.columns,
        )


def find_sections(document: Document) -> list[Section]:
    """Return the sections of a document; together they are its whole text.

    A heading with nothing below it but a deeper heading belongs to that one's section.
    """
    text, top = document.text, (_tidy(document.title),)
    inside = (heading for heading in document.headings if 0 <= heading.start < len(text))
    headings = sorted(inside, key=lambda heading: heading.start)
    starts = [heading.start for heading in headings]
    sections: list[Section] = []
    begin = 0
    if not text[: starts[0] if starts else len(text)].isspace() and (not starts or starts[0] > 0):
        begin = starts[0] if starts else len(text)
        sections.append(Section(0, begin, top))
    paths = _paths(headings, top)
    for number, (heading, path) in enumerate(zip(headings, paths, strict=True)):
        end = starts[number + 1] if number + 1 < len(starts) else len(text)
        deeper = number + 1 < len(headings) and headings[number + 1].level > heading.level
        if deeper and _is_one_line(text[heading.start : end]):
            continue
        sections.append(Section(begin, end, path, _body_start(text, heading.start, end)))
        begin = end
    return sections


def find_tables(document: Document) -> list[Table]:
    """Return the tables that have a row, each from its first character that is not blank."""
    text = document.text
    tables: list[Table] = []
    for table in document.tables:
        start, end = max(0, table.start), min(len(text), table.end)
        rows = text[start:end]
        if rows.strip() and (not tables or start >= tables[-1].end):
            tables.append(Table(start + len(rows) - len(rows.lstrip()), end, table.columns))
    return tables


class Labels:
    """What is embedded before the text of a chunk: its heading path, the columns of its table.

    Each takes at most a quarter of the limit, in the longest of its forms that does.
    """

    def __init__(
        self, sections: list[Section], tables: list[Table], limit: int, measure: Measure
    ) -> None:
        self.limit = limit
        self.tables = tables
        paths = {path for section in sections for path in (section.path, section.path[:-1])}
        most = limit // 4 * MOST_CHARACTERS
        self._headers = self._choose({path: short_paths(path) for path in paths}, measure)
        self._columns = self._choose(
            {table.start: short_columns(table.columns, most) for table in tables}, measure
        )

    def header(self, path: HeadingPath) -> str:
        """Return a heading path as it is embedded."""
        return self._headers[path][0]

    def columns(self, start: int) -> str:
        """Return the columns that a chunk starting here is embedded with, "" outside of tables."""
        return self._columns_at(start)[0]

    def room(self, path: HeadingPath, start: int) -> int:
        """Return how many tokens are left for the text of a chunk that starts here."""
        return self.limit - self._headers[path][1] - self._columns_at(start)[1]

    def _columns_at(self, start: int) -> tuple[str, int]:
        number = bisect_left(self.tables, start, key=lambda table: table.start) - 1
        if number < 0 or start >= self.tables[number].end:
            return "", 0
        return self._columns[self.tables[number].start]

    def _choose(
        self, forms: dict[_Key, Iterator[str]], measure: Measure
    ) -> dict[_Key, tuple[str, int]]:
        chosen: dict[_Key, tuple[str, int]] = {}
        while forms:
            candidates = [(key, next(rest, "")) for key, rest in forms.items()]
            counts = measure(form for _, form in candidates)
            for (key, form), tokens in zip(candidates, counts, strict=True):
                if not form or tokens <= self.limit // 4:
                    chosen[key] = (form, tokens if form else 0)
                    del forms[key]
        return chosen


def short_paths(path: HeadingPath) -> Iterator[str]:
    """Yield a heading path ever shorter: the middle goes first, then the ends of the parts."""
    yield HEADING_SEPARATOR.join(path)
    for kept in (2, 1):
        if len(path) > kept + 1:
            yield HEADING_SEPARATOR.join((path[0], "…", *path[-kept:]))
    for length in (60, 40, 25):
        yield HEADING_SEPARATOR.join(
            _shorten(part, length) for part in dict.fromkeys(path[:1] + path[-1:])
        )
    for length in (40, 20, 10):
        yield _shorten(path[0], length) if path else ""


def short_columns(columns: str, most: int) -> Iterator[str]:
    """Yield the names of columns ever shorter, of `most` characters at most, cut between cells."""
    line = _tidy(columns)
    while line:
        if len(line) <= most:
            yield line
        most = min(most, len(line) * 4 // 5)
        line = line[: max(0, line.rfind(_CELL_SEPARATOR, 0, most + 1))]


def _shorten(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1].rstrip()}…"


def _tidy(title: str) -> str:
    return " ".join(title.split())


def _paths(headings: list[Heading], top: HeadingPath) -> Iterator[HeadingPath]:
    """Yield the path of each heading; one that only begins the document's title is left out."""
    stack: list[Heading] = []
    for heading in headings:
        while stack and stack[-1].level >= heading.level:
            stack.pop()
        stack.append(heading)
        titles = [_tidy(above.title) for above in stack]
        repeated = bool(titles[0]) and top[0].casefold().startswith(titles[0].casefold())
        yield top + tuple(filter(None, titles[repeated:]))


def _body_start(text: str, start: int, end: int) -> int:
    """Return where the line after the heading's words, and after its underline, begins."""
    position, seen = start, False
    for line in text[start : min(end, start + 2000)].splitlines(keepends=True):
        words = any(map(str.isalnum, line))
        if seen and words:
            return position
        seen = seen or words
        position += len(line)
    return position


def _is_one_line(text: str) -> bool:
    """Say whether one line at most holds letters or digits; underlines do not count."""
    lines = text.split("\n", 12)
    return len(lines) <= 12 and sum(any(map(str.isalnum, line)) for line in lines) <= 1
