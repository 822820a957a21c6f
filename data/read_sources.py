"""A source of `sources/` in, its blocks out; and what all sample documents have in common.

A source is a small part of Markdown: `#` to `###` headings, `-` and `1.` lists, tables, and
paragraphs of one line each; `---` starts a new page.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

HERE = Path(__file__).parent
SOURCES = HERE / "sources"
DOCUMENTS = HERE / "documents"
ORGANISATION = "Merrowby Buoy Works"
WRITTEN = datetime(2025, 8, 4, 9, 0, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of a source: `kind` is heading, item, table, page or text."""

    kind: str
    text: str = ""
    level: int = 0
    mark: str = ""
    rows: tuple[tuple[str, ...], ...] = ()


def read_blocks(name: str) -> Iterator[Block]:
    """Yield the blocks of a source in reading order."""
    rows: list[tuple[str, ...]] = []
    for line in [*(SOURCES / name).read_text(encoding="utf-8").splitlines(), ""]:
        if line.startswith("|"):
            rows.append(tuple(cell.strip() for cell in line.strip("|").split("|")))
            continue
        if rows:
            yield Block("table", rows=(rows[0], *rows[2:]))
            rows = []
        if line:
            yield read_line(line)


def read_line(line: str) -> Block:
    """Return the block that one line outside a table stands for."""
    mark, _, rest = line.partition(" ")
    if line == "---":
        return Block("page")
    if set(mark) == {"#"}:
        return Block("heading", rest, level=len(mark))
    if mark == "-" or (mark.endswith(".") and mark[:-1].isdigit()):
        return Block("item", rest, mark=mark)
    return Block("text", line)


@dataclass(slots=True)
class Part:
    """A slide, sheet or chapter: its heading, its blocks, and the text after `Notes:`."""

    title: str
    blocks: list[Block]
    notes: str = ""


def read_parts(name: str) -> list[Part]:
    """Return a source cut at its headings."""
    parts: list[Part] = []
    for block in read_blocks(name):
        if block.kind == "heading":
            parts.append(Part(block.text, []))
        elif block.text.startswith("Notes: "):
            parts[-1].notes = block.text.removeprefix("Notes: ")
        else:
            parts[-1].blocks.append(block)
    return parts
