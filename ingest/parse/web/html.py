"""HTML in, visible text out: blocks, headings, lists and tables as rows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from lxml import etree

from ingest.parse.base.blocks import Blocks, Parsed
from ingest.parse.base.clean import Decoded, clean, decode_text
from ingest.parse.web.parts import decode_declared
from ingest.parse.web.table import MAX_SPAN, Cell, TableRows

_DECLARED = re.compile(
    rb"<(?:meta|\?xml)[^>]{0,200}?(?:charset|encoding)\s*=\s*[\"']?([\w.:-]{2,40})"
)
_UNSEEN_TAGS = (
    "script style nav template noscript svg math iframe object select textarea button head"
)
_VOID_TAGS = "area base br col embed hr img input link meta param source track wbr"
_BLOCK_TAGS = (
    "address article aside blockquote body caption dd details dialog div dl dt fieldset figcaption "
    "figure footer form h1 h2 h3 h4 h5 h6 header hr html legend li main ol p pre section summary "
    "table tbody tfoot thead tr ul"
)
_UNSEEN = frozenset(_UNSEEN_TAGS.split())
_VOID = frozenset(_VOID_TAGS.split())
_BLOCK = frozenset(_BLOCK_TAGS.split())
_BODY = frozenset(("tbody", "tfoot"))
_LEVELS = {f"h{level}": level for level in range(1, 7)}
_HIDDEN_STYLE = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)


def parse_html(data: bytes, media_type: str) -> Parsed:  # noqa: ARG001
    """Return what a reader would see of the page; broken markup is read like a browser does."""
    page = _decode_html(data)
    parsed = read_page(page.text)
    return replace(parsed, encoding=page.encoding, notes=(page.note,) * bool(page.note))


def read_page(text: str) -> Parsed:
    """Return what a reader would see of a page that is decoded."""
    reader = _Reader()
    # A target gets events instead of a tree: no depth and no size of markup can hurt it.
    target: Any = reader  # The type stubs ask for methods that the library does not call.
    parser = etree.HTMLParser(
        target=target, encoding="utf-8", remove_comments=True, remove_pis=True, no_network=True
    )
    parser.feed(text.replace("\0", "").encode("utf-8", "replace"))
    parser.close()
    return reader.blocks.finish(_squeeze(reader.title))


def _decode_html(data: bytes) -> Decoded:
    """Decode as UTF-8 if that is possible, else as the page declares, else as any text."""
    decoded = decode_text(data)
    declared = _DECLARED.search(data[:4096].lower())
    if decoded.note.startswith("not UTF-8") and declared:
        return decode_declared(data, declared[1].decode("ascii")) or decoded
    return decoded


@dataclass(slots=True)
class _Reader:
    """Receives the parser's events and builds the blocks."""

    blocks: Blocks = field(default_factory=Blocks)
    title: str = ""
    words: list[str] = field(default_factory=list)
    row: list[Cell] | None = None
    spans: tuple[int, int] = (1, 1)
    table: TableRows = field(default_factory=TableRows)
    in_head: bool = False
    unseen: list[str] = field(default_factory=list)
    preformatted: int = 0
    in_cell: bool = False
    is_header: bool = False
    in_title: bool = False
    bullet: bool = False

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        """Begin an element."""
        if tag == "title" and not self.title:
            self.in_title = True
        elif self.unseen:
            if tag == self.unseen[-1]:
                self.unseen.append(tag)
        elif tag in _UNSEEN or (attributes and _is_hidden(attributes) and tag not in _VOID):
            self.unseen.append(tag)
        else:
            self._open(tag, attributes)

    def end(self, tag: str) -> None:
        """Finish an element."""
        if tag == "title":
            self.in_title = False
        elif self.unseen:
            if tag == self.unseen[-1]:
                self.unseen.pop()
        else:
            self._close(tag)

    def data(self, data: str) -> None:
        """Take text."""
        if self.in_title:
            self.title += clean(data)
        elif not self.unseen:
            text = clean(data)
            self.words.append(text if self.preformatted else re.sub(r"\s+", " ", text))

    def close(self) -> None:
        """Finish the page."""
        self._end_table()
        self._flush()

    def _open(self, tag: str, attributes: Mapping[str, str]) -> None:
        if tag == "br":
            self.words.append("\n")
        elif tag in ("td", "th"):
            self._end_cell()
            self.in_cell = self.row is not None
            self.is_header = tag == "th" or self.in_head
            self.spans = (_span(attributes, "colspan"), _span(attributes, "rowspan"))
        elif tag == "tr":
            self._end_row()
            self._flush()
            self.row = []
        elif tag in _BLOCK:
            if tag in _LEVELS or tag == "table":
                self._end_table()
            self.in_head = tag == "thead" or (self.in_head and tag not in _BODY)
            self._break()
            self.preformatted += tag == "pre"
            self.bullet = self.bullet or (tag == "li" and not self.in_cell)

    def _close(self, tag: str) -> None:
        if tag in ("td", "th"):
            self._end_cell()
        elif tag == "tr":
            self._end_row()
        elif tag == "table":
            self._end_table()
        elif tag in _BLOCK:
            self.in_head = self.in_head and tag != "thead"
            self._break(_LEVELS.get(tag, 0))
            self.bullet = self.bullet and tag != "li"
            self.preformatted = max(0, self.preformatted - (tag == "pre"))

    def _break(self, level: int = 0) -> None:
        """End a block; inside a table cell that is only a new line."""
        if self.in_cell:
            self.words.append("\n")
        else:
            self._flush(level)

    def _flush(self, level: int = 0) -> None:
        text = self._take() if self.words else ""
        if not text:
            return
        self.table.write(self.blocks)
        bullet = "- " if self.bullet else ""
        verbatim = self.preformatted > 0
        self.blocks.add(bullet + text, level=level, tight=self.bullet, verbatim=verbatim)
        self.bullet = False

    def _take(self) -> str:
        text = "".join(self.words)
        self.words.clear()
        if not self.preformatted:
            text = "\n".join(line for line in map(_squeeze, text.split("\n")) if line)
        return text.strip("\n").rstrip() if text.strip() else ""

    def _end_cell(self) -> None:
        if self.in_cell and self.row is not None:
            self.row.append(Cell(self._take(), *self.spans, self.is_header))
        self.in_cell = False

    def _end_row(self) -> None:
        self._end_cell()
        if self.row is not None:
            self.table.add(self.row)
        self.row = None

    def _end_table(self) -> None:
        self._end_row()
        self.table.write(self.blocks)
        self.in_head = False


def _squeeze(line: str) -> str:
    return " ".join(line.split())


def _is_hidden(attributes: Mapping[str, str]) -> bool:
    return "hidden" in attributes or bool(_HIDDEN_STYLE.search(attributes.get("style", "")))


def _span(attributes: Mapping[str, str], name: str) -> int:
    """Return over how many columns or rows a cell goes, within reason."""
    value = attributes.get(name, "1").strip()
    return max(1, min(MAX_SPAN, int(value))) if value.isdecimal() and len(value) < 6 else 1
