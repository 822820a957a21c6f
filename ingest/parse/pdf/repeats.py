"""The texts of all pages in; the same without headers, footers and broken words out."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

Shape: TypeAlias = tuple[bool, str]

_EDGE_LINES = 3
_LONGEST_LINE = 200
_FEWEST_PAGES, _PAGES_SHARE = 3, 0.5
_FOLLOWS_SHARE = 0.8
_NUMBER = re.compile(r"\d+")
# An amount as it stands in a table; a year is none.
_AMOUNT = re.compile(r"[-+(]?[$€£¥]?\d[\d.,]*\)?%?$")
_YEAR = re.compile(r"(?:19|20)\d\d$")
_AMOUNT_SHARE = 1 / 3
_BROKEN = re.compile(r"([^\W\d_]+)-\n([^\W\d_]+)")
_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")


@dataclass(frozen=True, slots=True)
class Line:
    """A line near the top or the bottom of a page, which counts from 1."""

    page: int
    top: bool
    text: str

    @property
    def shape(self) -> Shape:
        """Return what the line has in common with its like on other pages."""
        return self.top, _NUMBER.sub("#", " ".join(self.text.casefold().split()))

    @property
    def numbers(self) -> tuple[int, ...]:
        """Return the numbers in the line."""
        return tuple(int(number[:9]) for number in _NUMBER.findall(self.text))


def remove_repeats(pages: Sequence[str], labels: Sequence[str]) -> tuple[list[str], set[int]]:
    """Return the pages without running headers, footers and page numbers, and which had some.

    A line goes if it stands near the same edge of at least half the pages, and of three, the
    same but for a number that grows with the pages.  The first page that has it keeps it,
    unless it is nothing but a number, so that no word is lost.  Rows of amounts stay.
    `labels` are what the file calls its pages; the numbers returned count from 1.
    """
    repeated = _find_repeated(pages)
    seen: set[Shape] = set()
    kept, changed = [], set()
    for number, (text, label) in enumerate(zip(pages, labels, strict=True), 1):
        gone, here = set(), set()
        for index, line in _find_furniture(number, text, label, repeated):
            if line.shape in seen or line.shape not in repeated or not _has_letters(line.text):
                gone.add(index)
            here.add(line.shape)
        seen |= here
        lines = enumerate(text.split("\n"))
        kept.append("\n".join(line for index, line in lines if index not in gone).strip())
        if gone:
            changed.add(number)
    return kept, changed


def join_words(pages: Sequence[str]) -> list[str]:
    """Return the pages with the words together that were broken at the end of a line.

    The hyphen stays if the document has the word with it elsewhere and never without, and
    where what follows is a number or begins with a capital letter.
    """
    if not any("-\n" in page for page in pages):
        return list(pages)
    whole = {word for page in pages for word in _WORD.findall(page.lower())}
    return [_BROKEN.sub(lambda found: _join(found, whole), page) for page in pages]


def _join(found: re.Match[str], whole: set[str]) -> str:
    head, tail = found.groups()
    if not tail[0].islower():
        return found.group()
    hyphenated = f"{head}-{tail}"
    if hyphenated.lower() in whole and (head + tail).lower() not in whole:
        return hyphenated
    return head + tail


def _find_repeated(pages: Sequence[str]) -> set[Shape]:
    groups: Mapping[Shape, list[Line]] = defaultdict(list)
    for number, text in enumerate(pages, 1):
        for _, line in _edges(number, text):
            groups[line.shape].append(line)
    fewest = max(_FEWEST_PAGES, _PAGES_SHARE * sum(map(bool, pages)))
    return {
        shape
        for shape, lines in groups.items()
        if len({line.page for line in lines}) >= fewest and _is_furniture(lines)
    }


def _edges(number: int, text: str) -> Iterator[tuple[int, Line]]:
    """Yield the lines near the top, then those near the bottom, from the edge on."""
    lines = text.split("\n")
    filled = [index for index, line in enumerate(lines) if line.strip()]
    for top, chosen in ((True, filled[:_EDGE_LINES]), (False, filled[: -_EDGE_LINES - 1 : -1])):
        for index in chosen:
            if len(lines[index]) <= _LONGEST_LINE:
                yield index, Line(number, top, lines[index])


def _find_furniture(
    number: int, text: str, label: str, repeated: Collection[Shape]
) -> Iterator[tuple[int, Line]]:
    """Yield the lines to remove: from each edge to the first line that is none of them."""
    ended = {True: False, False: False}
    for index, line in _edges(number, text):
        is_label = bool(label) and line.text.strip().casefold() == label.casefold()
        if not is_label and line.shape not in repeated:
            ended[line.top] = True
        if not ended[line.top]:
            yield index, line


def _is_furniture(lines: Sequence[Line]) -> bool:
    """Say whether the numbers in lines of one shape stay or grow with the pages."""
    follows = False
    for numbers in zip(*(line.numbers for line in lines), strict=True):
        offsets = [number - line.page for number, line in zip(numbers, lines, strict=True)]
        if _share_of_most(numbers) >= _FOLLOWS_SHARE:
            continue
        if _share_of_most(offsets) < _FOLLOWS_SHARE:
            return False
        follows = True
    return follows or not _is_row(lines[0].text)


def _share_of_most(values: Sequence[int]) -> float:
    return max(map(values.count, set(values[:20]))) / len(values)


def _is_row(text: str) -> bool:
    words = text.split()
    amounts = [word for word in words if _AMOUNT.match(word) and not _YEAR.match(word)]
    return len(amounts) >= _AMOUNT_SHARE * len(words)


def _has_letters(text: str) -> bool:
    return any(map(str.isalpha, text))
