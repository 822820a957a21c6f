"""A passage's text into what can be quoted alone: sentences, list items, table rows, headings."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from typing import Literal

from ingest.sentences import sentence_spans

MAX_CHARACTERS = 500
MAX_HEADING_WORDS, MAX_FRAGMENT_WORDS = 10, 16

Kind = Literal["heading", "row", "rule", "item", "text"]

_BULLET = re.compile(r"\s*[-*+•‣▪–]\s+")
_ITEM = re.compile(r"\s*(?:[-*+•‣▪–]|\(?\d{1,3}[.)]|[a-z]\))\s")
_MARKDOWN_HEADING = re.compile(r"\s{0,3}#{1,6}\s")
_NUMBERED_HEADING = re.compile(
    r"\s*\d{1,2}((?:\.\d{1,2}){0,3})[^\S\n]+[^\W\d_][^\d.!?:;,]{1,70}\s*"
)
_UNDERLINED = re.compile(r"[^\n]+\n\s*([=~^#*-])\1{2,}\s*")
_TABLE_RULE = re.compile(r"[\s|:+=-]+")
_STATEMENT = re.compile(r"[.!…:;,。！：；，]|\d$")
_LEAD_IN = re.compile(r"[:：][*_\s]*\Z")
_NAMED = re.compile(r"\s*[^\W\d_](?:[^\W\d_]|[ /-]){0,30}[:：]\s")
_CELLS = re.compile(r"\S(?:\t+| \| | {3,}| ?\.{4,} ?)(?=[^\s.])")
_BARS = re.compile(r"\||\t")
_NUMBER = re.compile(r"\s*\(?\d{1,3}[.)]\s+")
_LINE_END = re.compile(r"[.!?:;,{}。！？；，][\s\"')\]]*\Z")
_DIGIT = re.compile(r"\d")
_CJK = re.compile(r"[\u3040-\u9fff\uac00-\ud7af]")
_CODE_ENDS = ("{", "}", ";")
_KEY = re.compile(r"(\s*(?:- )?)[\w.$-]+(?: [\w.$-]+)?[ \t]*[:=](?:\s|\Z)")
_CODE_MARKS = re.compile(r"""\A(?:\s*(?:"{3}|'{3}|/\*+|\*+/|//+))+\s*|\s*(?:"{3}|'{3}|\*+/)\s*\Z""")
_LEAST_ROWS, _MOSTLY = 3, 0.8
_CLAUSE_ENDS = ("; ", "；", ", ", "，", "、", "|", " ", "\n")


@dataclass(frozen=True, slots=True)
class Unit:
    """A substring of a text; `context` is what stands above it and belongs to it.

    That is the heading, the words that lead into its list, the head of its table; these are
    headings themselves.  `head` is the head of a row's table, where it can be quoted as well.
    `is_fragment` says that it is a short line without an end, as titles are.
    """

    text: str
    context: str = ""
    is_heading: bool = False
    is_row: bool = False
    head: str = ""
    is_fragment: bool = False


@dataclass(frozen=True, slots=True)
class _Block:
    """Lines that belong together; `apart` says that a blank line stands above them."""

    text: str
    kind: Kind
    apart: bool


def split_units(text: str) -> list[Unit]:
    """Return the units of `text` in order; none is longer than about 500 characters.

    >>> [unit.text for unit in split_units("# Leave\\nYou get 30 days. Ask Dr. Ada.\\n- Early.")]
    ['# Leave', 'You get 30 days.', 'Ask Dr. Ada.', 'Early.']
    """
    reader = _Reader()
    found: list[Unit] = []
    for block, following in pairwise([*_classify(_split_blocks(text)), None]):
        if block:
            found += reader.read(block, following)
    return found


class _Reader:
    """Remembers what stands above while the blocks of a text are read in order."""

    def __init__(self) -> None:
        self._heading = self._lead = self._head = ""
        self._rows, self._head_is_near = 0, False

    def read(self, block: _Block, following: _Block | None) -> Iterator[Unit]:
        """Yield the units of one block."""
        if block.kind == "heading":
            self._heading, self._lead, self._head = block.text.strip(), "", ""
            yield Unit(self._heading, is_heading=True)
        elif block.kind == "row":
            yield from self._read_row(block, following)
        elif block.kind != "rule":
            self._head = ""
            yield from self._read_text(block, following)

    def _read_row(self, block: _Block, following: _Block | None) -> Iterator[Unit]:
        row = block.text.strip().strip("|").strip()
        if block.apart and self._rows:
            self._head = ""
        context = " ".join(filter(None, (self._heading, self._lead, self._head)))
        if self._head or not (following and following.kind in ("row", "rule")):
            self._rows += 1
            head = self._head if self._head_is_near else ""
            yield from (Unit(piece, context, is_row=True, head=head) for piece in _bound(row))
            return
        self._rows, self._head_is_near = 0, not following.apart
        # Without bars between its cells the first row may be one like the others.
        has_bars, has_digit = bool(_BARS.search(block.text)), bool(_DIGIT.search(row))
        is_alike = not has_bars and (_NAMED.match(row) or (has_digit and _CELLS.search(row)))
        self._head = "" if is_alike else row
        is_head = has_bars or not (is_alike or has_digit)
        yield from (Unit(piece, context, is_head, is_row=True) for piece in _bound(row))

    def _read_text(self, block: _Block, following: _Block | None) -> Iterator[Unit]:
        if block.kind != "item":
            self._lead = ""
        context = f"{self._heading} {self._lead}".strip()
        pieces = list(_split_sentences(block.text))
        leads = bool(following and following.kind in ("item", "row") and pieces)
        leads = leads and block.kind != "item" and bool(_LEAD_IN.search(pieces[-1]))
        for number, piece in enumerate(pieces, start=1):
            ends_in_lead = leads and number == len(pieces)
            is_fragment = block.kind == "text" and _is_fragment(piece)
            yield Unit(piece, context, ends_in_lead, is_fragment=is_fragment)
        if leads:
            self._lead = pieces[-1]


def _classify(blocks: Iterator[_Block]) -> Iterator[_Block]:
    """Yield the blocks as what they are; lines that end on purpose are blocks of their own."""
    for block, following in pairwise([*blocks, _Block("", "text", apart=False)]):
        if _TABLE_RULE.fullmatch(block.text):
            yield replace(block, kind="rule")
        elif block.kind == "row":
            yield block
        elif _is_heading(block.text, following.text):
            yield replace(block, kind="heading")
        elif _ITEM.match(block.text):
            yield replace(block, kind="item")
        else:
            yield from _split_lines(block)


def _split_lines(block: _Block) -> Iterator[_Block]:
    apart = block.apart
    before, rows, after = _part_rows(block.text)
    for kind, lines in _name(before, rows, after):
        for line in lines:
            yield _Block(line, kind, apart)
            apart = False


def _name(before: str, rows: Sequence[str], after: str) -> Iterator[tuple[Kind, Sequence[str]]]:
    yield "text", _find_lines(before) if before else ()
    yield "row", rows
    yield "text", _find_lines(after) if after else ()


def _split_blocks(text: str) -> Iterator[_Block]:
    """Yield single rows, and as text all else: paragraphs, list items, headings."""
    block, apart, is_apart = "", False, False
    lines = text.splitlines(keepends=True)
    for above, line, following in zip(["", *lines], lines, [*lines[1:], ""], strict=False):
        starts = not block or block.rstrip().endswith((".", "!", "?"))
        is_row = _is_row(line, above, following)
        alone = is_row or bool(_MARKDOWN_HEADING.match(line))
        alone = alone or (starts and _is_heading_line(line, following))
        if block and (not line.strip() or alone or _ITEM.match(line)):
            yield _Block(block, "text", is_apart)
            block = ""
        if not line.strip():
            apart = True
        elif alone:
            yield _Block(line, "row" if is_row else "text", apart)
            apart = False
        else:
            is_apart = is_apart if block else apart
            block, apart = block + line, False
    if block:
        yield _Block(block, "text", is_apart)


def _is_row(line: str, above: str, below: str) -> bool:
    """Tell a row of a table: one alone has bars or tabs, others have a row beside them."""
    cells = _CELLS.findall(line.strip())
    sure = line.lstrip().startswith("|") or "\t" in line.strip() or line.count(" | ") > 1
    return sure or bool(cells and any(_CELLS.search(near.strip()) for near in (above, below)))


def _is_heading_line(line: str, following: str) -> bool:
    """Tell a title in capitals or with a number right above its text from other lines."""
    if line.isupper() and following.strip() and not _DIGIT.search(line):
        return _is_short(line)
    found = _NUMBERED_HEADING.fullmatch(line)
    if not found or len(line.split()) > MAX_HEADING_WORDS or not following.strip():
        return False
    after = _NUMBERED_HEADING.fullmatch(following)
    return not following.lstrip()[0].islower() and (not after or after[1] != found[1])


def _is_heading(block: str, following: str) -> bool:
    """Tell a title from a statement: short, on one line, without an end, and not the last."""
    if _MARKDOWN_HEADING.match(block) or _UNDERLINED.fullmatch(block):
        return True
    line = block.strip()
    if not following or "\n" in line or _BULLET.match(block):
        return False
    if _NUMBER.match(block):
        return not _ITEM.match(following) and _is_short(_NUMBER.sub("", block).strip())
    return _is_heading_line(block, following) or _is_short(line)


def _is_short(line: str) -> bool:
    return len(line.split()) <= MAX_HEADING_WORDS and not _STATEMENT.search(line)


def _is_fragment(piece: str) -> bool:
    ended = _LINE_END.search(piece) or _NAMED.match(piece) or _CJK.search(piece)
    return not ended and len(piece.split()) <= MAX_FRAGMENT_WORDS


def _find_lines(block: str) -> Sequence[str]:
    """Return the lines of a block if most were ended on purpose, else the block as one.

    So was a line after which the next word would have found room.
    """
    lines = block.splitlines(keepends=True)
    if entries := _find_entries(lines):
        return entries
    width = 0.85 * max(len(line.strip()) for line in lines)
    breaks = list(pairwise(line.strip() for line in lines))
    on_purpose = [
        a.endswith(_CODE_ENDS) or (_begins_anew(a, b) and len(a) + len(b.split()[0]) < width)
        for a, b in breaks
    ]
    if not breaks or 2 * sum(on_purpose) < len(breaks) or _UNDERLINED.fullmatch(block):
        return [block]
    return _cut_before(lines, [0, *(n for n, pair in enumerate(breaks, 1) if _begins_anew(*pair))])


def _find_entries(lines: Sequence[str]) -> Sequence[str]:
    """Return the entries of a record of `key: value` lines, each with those set in below it."""
    keys = [_KEY.match(line) for line in lines]
    indents = [len(key[1]) for key in keys if key]
    starts = [n for n, key in enumerate(keys) if key and len(key[1]) == min(indents)]
    if len(starts) < 2 or starts[0] or len(indents) < _MOSTLY * len(lines):
        return ()
    return _cut_before(lines, starts)


def _cut_before(lines: Sequence[str], starts: Sequence[int]) -> Sequence[str]:
    return ["".join(lines[start:end]) for start, end in pairwise([*starts, len(lines)])]


def _begins_anew(above: str, line: str) -> bool:
    return not line[0].islower() or above.endswith(_CODE_ENDS)


def _part_rows(block: str) -> tuple[str, Sequence[str], str]:
    """Return the rows of a table that lost its bounds, and the prose before and after them.

    No row ends a sentence or goes on in the next line, and most hold a number.
    """
    lines = block.splitlines(keepends=True)
    alike = [_may_be_row(*pair) for pair in pairwise([*lines, ""])]
    runs = [list(run) for is_row, run in groupby(range(len(lines)), alike.__getitem__) if is_row]
    rows = max(runs, key=len, default=[])
    numbers = sum(bool(_DIGIT.search(lines[number])) for number in rows[1:])
    if len(rows) < _LEAST_ROWS or 2 * numbers <= len(rows) - 1:
        return block, (), ""
    start, end = rows[0], rows[-1] + 1
    return "".join(lines[:start]), lines[start:end], "".join(lines[end:])


def _may_be_row(line: str, following: str) -> bool:
    begins = not line.strip()[0].islower() and not following.strip()[:1].islower()
    return begins and not _LINE_END.search(line) and len(sentence_spans(line)) == 1


def _split_sentences(block: str) -> Iterator[str]:
    bullet = _BULLET.match(block)
    content = block[bullet.end() :] if bullet else block
    for start, end in sentence_spans(content):
        yield from _bound(_CODE_MARKS.sub("", content[start:end]))


def _bound(piece: str) -> Iterator[str]:
    """Cut what is too long for one quotation: behind a clause, at a space, or anywhere."""
    while len(piece) > MAX_CHARACTERS:
        ends = (piece.rfind(mark, MAX_CHARACTERS // 2, MAX_CHARACTERS) for mark in _CLAUSE_ENDS)
        cut = next((end for end in ends if end > 0), MAX_CHARACTERS - 1) + 1
        yield piece[:cut].strip()
        piece = piece[cut:].strip()
    if piece:
        yield piece
