"""A text in, the places where it may be cut out: blocks, items and rows, sentences, words."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from ingest.base.documents import Table
from ingest.sentences import SENTENCE_END, ends_sentence

Span: TypeAlias = tuple[int, int]

# A block is a paragraph, list, table or piece of code; a part is what it has on its outer level.
BLOCKS, PARTS, NESTED, INNERMOST, SENTENCES, LINES = range(6)
LEVELS = 6

# Possessive quantifiers and bounded lookaheads keep all of these linear on any text.
_LINE_HEAD = re.compile(
    r"(?P<indent>[^\S\n]*+)(?:(?P<blank>\n|\Z)|(?P<fence>`{3,}+|~{3,}+)"
    r"|(?P<item>(?:[-*+•‣▪◦–]|1[.)]|\(?a\))(?=\s))|(?P<later>(?:\d{1,3}+[.)]|\(?[a-z]\))(?=\s))"
    r"|(?P<row>[^\n|]{0,200}+\|))?"
)
_RULE = re.compile(r"[ \t|:+=-]*+(?:\n|\Z)")
_CLOSING = {
    mark: re.compile(rf"^[^\S\n]*+({mark}{{3,}}+)[^\S\n]*+$", re.MULTILINE) for mark in "`~"
}
_CODE_BREAK = re.compile(
    r"\n(?:[^\S\n]*+\n)++(?P<indent>[^\S\n]*+)"
    r"|\n(?=[^\S\n]{0,20}+(?:(?:export|async|pub|public|private|static|abstract)\s{1,4}){0,3}"
    r"(?:def|class|func|function|fn|interface|struct|enum|trait|impl|module|type)\s)"
)
# No cut between a fence and the line above or below that it belongs to.
_LINE = re.compile(r"\n(?![^\S\n]{0,20}+(?:`{3,}+|~{3,}+)[^\S\n]*+(?:\n|\Z))")
_FENCE = re.compile(r"\s*+(?:`{3,}+|~{3,}+)")
_COLONS = (":", "：")
_INTRODUCTION = 400  # Characters of the sentence that may lead to a list, table or code at most.
_CODE_INDENT = 4


@dataclass(slots=True)
class Outline:
    """The boundaries of a section's blocks, parts and nested parts, each at a start of a line.

    A chunk should not end at a boundary that is `glued`: what is before it leads to what is
    after it.  `code` are spans that are cut between lines and not between sentences.
    """

    boundaries: tuple[list[int], ...] = field(default_factory=lambda: ([], [], [], []))
    glued: set[int] = field(default_factory=set)
    code: list[Span] = field(default_factory=list)

    def cut(self, text: str, start: int, end: int, level: int) -> Iterator[Span]:
        """Yield the spans between the boundaries of one level, from BLOCKS to LINES."""
        for place in self._places(text, start, end, level):
            yield start, place
            start = place
        if start < end:
            yield start, end

    def _places(self, text: str, start: int, end: int, level: int) -> Iterable[int]:
        if level == LINES:
            return _line_starts(text, start, end)
        if level == SENTENCES:
            return () if self._is_code(start) else _sentence_starts(text, start, end)
        places = self.boundaries[level]
        return places[bisect_right(places, start) : bisect_left(places, end)]

    def _is_code(self, start: int) -> bool:
        number = bisect_right(self.code, start, key=lambda span: span[0])
        return number > 0 and start < self.code[number - 1][1]


def outline_code(text: str, start: int, end: int, body: int) -> Outline:
    """Return the outline of source code: blank lines first, then definitions."""
    outline = Outline(code=[(start, end)])
    for place, indent in _code_breaks(text, body, end):
        outline.boundaries[PARTS if indent is None else BLOCKS].append(place)
    return outline


def outline_text(text: str, start: int, end: int, body: int, tables: Sequence[Table]) -> Outline:
    """Return the outline of a section, of which nothing is cut before or at `body`.

    `tables` are those known of the whole document; others are seen by their bars.
    """
    return _Scanner(text, end, max(start, body), tables).run(start)


class _Scanner:
    """One pass over the lines of a section; `open` is the kind of block that goes on."""

    def __init__(self, text: str, end: int, body: int, tables: Sequence[Table]) -> None:
        self.text = text
        self.end = end
        self.body = body
        self.tables = tables
        self.outline = Outline()
        self.open = ""
        self.indent = 0
        self.rows = 0
        self.after_blank = False
        self.unclosed: dict[str, int] = {}

    def run(self, start: int) -> Outline:
        number = bisect_right(self.tables, start, key=lambda table: table.end)
        while start < self.end:
            stop = _line_end(self.text, start, self.end)
            if number < len(self.tables) and self.tables[number].start < stop:
                start = self._table(start, min(self.tables[number].end, self.end))
                number += 1
                continue
            head = _LINE_HEAD.match(self.text, start, self.end)
            assert head, "every part of it may be missing"
            if head.lastgroup == "blank":
                self.after_blank = True
            elif head.lastgroup == "fence" and (closing := self._closing(head, stop)):
                stop = self._fence(start, stop, closing, _width(head["indent"]))
            else:
                self._line(head, start, stop)
            start = stop
        return self.outline

    def _line(self, head: re.Match[str], start: int, stop: int) -> None:
        kind, width = head.lastgroup, _width(head["indent"])
        in_list, after_blank = self.open == "list", self.after_blank
        self.after_blank = False
        if kind == "item" or (kind == "later" and (after_blank or in_list)):
            self._item(start, width)
        elif in_list and (not after_blank or width > self.indent):
            if after_blank:
                self._mark(NESTED, start)
        elif kind == "row" and self._is_row(stop, after_blank):
            self._row(start, after_blank)
        elif width >= _CODE_INDENT and (after_blank or self.open == "indented"):
            if self.open != "indented":
                self._begin("indented", start)
            elif after_blank:
                self._mark(PARTS, start)
        elif self.open or after_blank:
            self._mark(BLOCKS, start)
            self.open = ""

    def _item(self, start: int, width: int) -> None:
        if self.open != "list":
            self._begin("list", start)
            self.indent = width
        else:
            # Numbers that are aligned to the right differ by one.
            self._mark(PARTS if width <= self.indent + 1 else NESTED, start)
            self.indent = min(self.indent, width)

    def _is_row(self, stop: int, after_blank: bool) -> bool:
        """Tell a row from a line of prose that happens to have a bar in it."""
        if self.open == "rows" and not after_blank:
            return True
        below = _LINE_HEAD.match(self.text, stop, self.end)
        return below is not None and below.lastgroup == "row"

    def _row(self, start: int, after_blank: bool) -> None:
        """Keep the names of the columns, the rule below them and the first row together."""
        if self.open != "rows" or after_blank:
            self._begin("rows", start)
            self.rows = 1
        elif not (self.rows == 1 and _RULE.match(self.text, start, self.end)):
            self.rows += 1
            if self.rows > 2:
                self._mark(PARTS, start)

    def _table(self, start: int, end: int) -> int:
        """Mark the rows of a known table; return where the line after it begins."""
        self._row(start, after_blank=True)
        while (start := _line_end(self.text, start, self.end)) < end:
            self._row(start, after_blank=False)
        self.open, self.after_blank = "table", False
        return start

    def _closing(self, head: re.Match[str], stop: int) -> re.Match[str] | None:
        """Find the fence that closes this one, in the same section."""
        fence = head["fence"]
        if fence[0] == "`" and "`" in self.text[head.end() : stop]:
            return None
        if len(fence) >= self.unclosed.get(fence[0], len(fence) + 1):
            return None
        for found in _CLOSING[fence[0]].finditer(self.text, stop, self.end):
            if len(found[1]) >= len(fence):
                return found
        self.unclosed[fence[0]] = len(fence)
        return None

    def _fence(self, start: int, stop: int, closing: re.Match[str], width: int) -> int:
        """Mark the outside and the inside of fenced code; return where the line after it begins."""
        inside = self.open == "list" and (not self.after_blank or width > self.indent)
        level = NESTED if inside else BLOCKS
        if inside:
            self._mark(NESTED, start)
        else:
            self._begin("code", start)
        self.after_blank = False
        self.outline.code.append((start, closing.end()))
        for place, indent in _code_breaks(self.text, stop, closing.start()):
            deep = indent is not None and indent > width
            self._mark(min(level + 1 + deep, INNERMOST), place)
        return _line_end(self.text, closing.end(), self.end)

    def _begin(self, kind: str, start: int) -> None:
        """Begin a block, with the last sentence of the paragraph before it where it leads there."""
        if not self.open:
            self._introduce(start, always=kind == "rows")
        self._mark(BLOCKS, start)
        self.open = kind

    def _introduce(self, start: int, *, always: bool) -> None:
        blocks = self.outline.boundaries[BLOCKS]
        low = max(self.body, blocks[-1] if blocks else 0, start - _INTRODUCTION)
        stop = low + len(self.text[low:start].rstrip())
        if low < stop and (always or self.text[stop - 1] in _COLONS):
            self.outline.glued.add(start)
            for last in deque(_sentence_starts(self.text, low, stop), 1):
                self._mark(BLOCKS, last)

    def _mark(self, level: int, place: int) -> None:
        if place > self.body:
            self.outline.boundaries[level].append(place)
            if self.text[max(0, place - 64) : place].rstrip().endswith(_COLONS):
                self.outline.glued.add(place)


def _width(indent: str) -> int:
    return len(indent.expandtabs(4))


def _line_end(text: str, start: int, end: int) -> int:
    """Return where the next line begins, `end` at most."""
    return text.find("\n", start, end) + 1 or end


def _sentence_starts(text: str, start: int, end: int) -> Iterator[int]:
    for found in SENTENCE_END.finditer(text, start, end):
        if found.end() < end and ends_sentence(text, found):
            yield found.end()


def _line_starts(text: str, start: int, end: int) -> Iterator[int]:
    """Yield the starts of lines but not those after an opening fence or of a closing one."""
    for found in _LINE.finditer(text, start, end):
        if found.end() < end and not _FENCE.match(text, start, found.end()):
            yield found.end()
        start = found.end()


def _code_breaks(text: str, start: int, end: int) -> Iterator[tuple[int, int | None]]:
    """Yield the lines after blank ones, with their indent, and those of definitions, with None."""
    for found in _CODE_BREAK.finditer(text, start, end):
        indent = found["indent"]
        place = found.end() - len(indent or "")
        if place < end and not text[start:place].isspace():
            yield place, None if indent is None else _width(indent)
            start = place


def cut_evenly(text: str, start: int, end: int, size: int) -> Iterator[Span]:
    """Yield spans of at most `size` characters, cut before words where there are any."""
    while end - start > size:
        middle = _word_start(text, start + max(1, size // 2), start + size)
        yield start, middle
        start = middle
    if start < end:
        yield start, end


def _word_start(text: str, low: int, high: int) -> int:
    """Return the last position in low..high where a word starts, else `high` or just below."""
    for position in range(high, low - 1, -1):
        if text[position - 1].isspace() or _is_wide(text[position - 1]):
            return position
    for position in range(high, low, -1):
        if not unicodedata.combining(text[position]):
            return position
    return high


def _is_wide(char: str) -> bool:
    """Say whether the character belongs to a script that is written without spaces."""
    return (
        "\u3000" <= char <= "\u9fff" or "\uac00" <= char <= "\ud7af" or "\uff00" <= char <= "\uffef"
    )
