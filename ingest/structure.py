"""A text in, the places where it may be cut: sections, paragraphs, items, sentences, words."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from ingest.base.documents import HEADING_SEPARATOR, Document, Heading
from ingest.sentences import SENTENCE_END, ends_sentence

HeadingPath: TypeAlias = tuple[str, ...]
Span: TypeAlias = tuple[int, int]

# Possessive quantifiers and bounded lookaheads keep all of these linear on any text.
_PARAGRAPH = re.compile(r"\n(?:[^\S\n]*+\n)++")
_ITEM_MARK = r"[-*+•‣▪–]\s|\d{1,3}[.)]\s|\(?[a-z]\)\s|```|~~~"
_ITEM = re.compile(rf"\n(?=[^\S\n]{{0,20}}+(?:{_ITEM_MARK})|[^\n|]{{0,200}}+\|)")
_LINE = re.compile(r"\n")
_BOUNDARIES = (_PARAGRAPH, _ITEM, SENTENCE_END, _LINE)
LEVELS = len(_BOUNDARIES)


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


def cut(text: str, start: int, end: int, level: int, body: int = 0) -> Iterator[Span]:
    """Yield the spans between the boundaries of a level (0 paragraph ... LEVELS - 1 line).

    Boundaries up to `body` do not count.
    """
    begin = start
    for found in _BOUNDARIES[level].finditer(text, start, end):
        if body < found.end() < end and (
            found.re is not SENTENCE_END or ends_sentence(text, found)
        ):
            yield begin, found.end()
            begin = found.end()
    if begin < end:
        yield begin, end


def cut_evenly(text: str, start: int, end: int, size: int) -> Iterator[Span]:
    """Yield spans of at most `size` characters, cut before words where there are any."""
    while end - start > size:
        middle = _word_start(text, start + max(1, size // 2), start + size)
        yield start, middle
        start = middle
    if start < end:
        yield start, end


def short_forms(path: HeadingPath) -> Iterator[str]:
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
