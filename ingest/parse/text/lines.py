"""A text in, its lines out, one at a time: a list of them would cost many times the text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from ingest.base.documents import Heading, Table

Line: TypeAlias = tuple[int, str]

MOST_CHARACTERS = 20_000_000

_LONGEST_TITLE = 200
_EMPTY_LINES = re.compile(r"\n{3,}+")


def iterate_lines(text: str, start: int = 0, *, every: bool = False) -> Iterator[Line]:
    """Yield each line from `start` on with the offset at which it starts.

    Of many empty lines in a row only two come, unless `every` one is wanted.
    """
    while (end := text.find("\n", start)) >= 0:
        yield start, text[start:end]
        if end == start and not every and (run := _EMPTY_LINES.match(text, start)):
            end = run.end() - 2
        start = end + 1
    yield start, text[start:]


def keep_start(text: str) -> tuple[str, tuple[str, ...]]:
    """Return what is read of a text, and a note if that is not the whole."""
    if len(text) <= MOST_CHARACTERS:
        return text, ()
    return text[:MOST_CHARACTERS], (f"only the first {MOST_CHARACTERS:,} characters were read",)


def make_headings(start: int, level: int, title: str) -> list[Heading]:
    """Return one heading, its title on one line and not too long, or none if it has no words."""
    title = " ".join(title[: 4 * _LONGEST_TITLE].split())[:_LONGEST_TITLE].rstrip()
    return [Heading(start, level, title)] if title else []


@dataclass(slots=True)
class TableRun:
    """Collects consecutive lines of one table, given as they come, and the tables before it.

    `headed` says that the first row names the columns.  A run of one row is no table.
    """

    tables: list[Table] = field(default_factory=list)
    start: int = -1
    end: int = 0
    first: str = ""
    rows: int = 0
    headed: bool = False

    def row(self, start: int, line: str) -> None:
        """Take a row; the first begins the table where its indentation ends."""
        if self.start < 0:
            self.first = line.strip()
            self.start = start + line.index(self.first[:1])
        self.end = start + len(line.rstrip())
        self.rows += 1

    def rule(self, start: int, line: str, *, heads: bool) -> None:
        """Take a line that only separates; `heads` when what is above it are the columns."""
        if self.rows:
            self.end = start + len(line.rstrip())
            self.headed = self.headed or (heads and self.rows == 1)

    def close(self) -> None:
        """End the table, if one is open."""
        if self.rows > 1:
            self.tables.append(Table(self.start, self.end, self.first if self.headed else ""))
        self.start, self.rows, self.headed = -1, 0, False
