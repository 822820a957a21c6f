"""A passage's text into what can be quoted alone: sentences, list items, table rows, headings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from ingest.sentences import sentence_spans

MAX_CHARACTERS = 500
MAX_HEADING_WORDS = 10

_BULLET = re.compile(r"\s*[-*+•‣▪–]\s+")
_ITEM = re.compile(r"\s*(?:[-*+•‣▪–]|\(?\d{1,3}[.)]|[a-z]\))\s")
_MARKDOWN_HEADING = re.compile(r"\s{0,3}#{1,6}\s")
_UNDERLINED = re.compile(r"[^\n]+\n\s*([=~^#*-])\1{2,}\s*")
_TABLE_RULE = re.compile(r"[\s|:+=-]+")
_STATEMENT = re.compile(r"[.!…:;,。！：；，]|\d$")


@dataclass(frozen=True, slots=True)
class Unit:
    """A substring of a text; `context` is the heading and the table head above it.

    Heads of tables count as headings.
    """

    text: str
    context: str = ""
    is_heading: bool = False


def split_units(text: str) -> list[Unit]:
    """Return the units of `text` in order; none is longer than about 500 characters.

    >>> [unit.text for unit in split_units("# Leave\\nYou get 30 days. Ask Dr. Ada.\\n- Early.")]
    ['# Leave', 'You get 30 days.', 'Ask Dr. Ada.', 'Early.']
    """
    found: list[Unit] = []
    heading = table_head = ""
    for block, following in pairwise([*_split_blocks(text), ""]):
        if _is_heading(block, following):
            heading, table_head = block.strip(), ""
            found.append(Unit(heading, is_heading=True))
        elif not _is_table_row(block):
            table_head = ""
            found += [Unit(piece, heading) for piece in _split_sentences(block)]
        elif not _TABLE_RULE.fullmatch(block):
            row = block.strip()
            is_head = not table_head and _is_table_row(following)
            context = f"{heading} {table_head}".strip()
            found += [Unit(piece, context, is_head) for piece in _bound(row)]
            table_head = table_head or row
    return found


def _split_blocks(text: str) -> Iterator[str]:
    """Yield runs of lines that belong together: paragraphs, list items, single rows, headings."""
    block = ""
    for line in text.splitlines(keepends=True):
        alone = _MARKDOWN_HEADING.match(line) or _is_table_row(line)
        if block and (not line.strip() or alone or _ITEM.match(line)):
            yield block
            block = ""
        if alone:
            yield line
        elif line.strip():
            block += line
    if block:
        yield block


def _is_table_row(line: str) -> bool:
    content = line.strip()
    return content.startswith("|") or "\t" in content or content.count(" | ") >= 2


def _is_heading(block: str, following: str) -> bool:
    """Tell a title from a statement: short, on one line, without an end, and not the last."""
    if _MARKDOWN_HEADING.match(block) or _UNDERLINED.fullmatch(block):
        return True
    line = block.strip()
    if not following or "\n" in line or _is_table_row(line) or _BULLET.match(block):
        return False
    return len(line.split()) <= MAX_HEADING_WORDS and not _STATEMENT.search(line)


def _split_sentences(block: str) -> Iterator[str]:
    bullet = _BULLET.match(block)
    content = block[bullet.end() :] if bullet else block
    for start, end in sentence_spans(content):
        yield from _bound(content[start:end])


def _bound(piece: str) -> Iterator[str]:
    """Cut what is too long for one quotation at a space, or anywhere if there is none."""
    while len(piece) > MAX_CHARACTERS:
        cut = max(piece.rfind(mark, 1, MAX_CHARACTERS) for mark in " \n，、|") + 1
        cut = cut or MAX_CHARACTERS
        yield piece[:cut].strip()
        piece = piece[cut:].strip()
    if piece:
        yield piece
