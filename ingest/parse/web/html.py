"""HTML in, visible text out: blocks, headings, lists and tables as rows. The home of lxml."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lxml import etree

from ingest.parse.base.blocks import Blocks, Parsed
from ingest.parse.base.clean import clean, decode

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
_LEVELS = {f"h{level}": level for level in range(1, 7)}
_HIDDEN_STYLE = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)


def parse_html(data: bytes, media_type: str) -> Parsed:  # noqa: ARG001
    """Return what a reader would see of the page; broken markup is read like a browser does."""
    text, note = _decode_html(data)
    reader = _Reader()
    # A target gets events instead of a tree: no depth and no size of markup can hurt it.
    target: Any = reader  # The type stubs ask for methods that the library does not call.
    parser = etree.HTMLParser(
        target=target, encoding="utf-8", remove_comments=True, remove_pis=True, no_network=True
    )
    parser.feed(text.replace("\0", "").encode("utf-8", "replace"))
    parser.close()
    parsed = reader.blocks.finish(_squeeze(reader.title))
    return Parsed(parsed.text, parsed.title, headings=parsed.headings, notes=(note,) * bool(note))


def _decode_html(data: bytes) -> tuple[str, str]:
    """Decode as UTF-8 if that is possible, else as the page declares, else as any text."""
    text, note = decode(data)
    declared = _DECLARED.search(data[:4096].lower())
    if note.startswith("not UTF-8") and declared:
        try:
            return data.decode(declared[1].decode("ascii"), "replace"), ""
        except LookupError:
            pass  # The page names an encoding that does not exist.
    return text, note


@dataclass(slots=True)
class _Reader:
    """Receives the parser's events and builds the blocks."""

    blocks: Blocks = field(default_factory=Blocks)
    title: str = ""
    words: list[str] = field(default_factory=list)
    row: list[str] | None = None
    unseen: list[str] = field(default_factory=list)
    preformatted: int = 0
    in_cell: bool = False
    in_title: bool = False
    bullet: bool = False

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        """Begin an element."""
        if tag == "title" and not self.title:
            self.in_title = True
        elif self.unseen:
            if tag == self.unseen[-1]:
                self.unseen.append(tag)
        elif tag in _UNSEEN or (_is_hidden(attributes) and tag not in _VOID):
            self.unseen.append(tag)
        else:
            self._open(tag)

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
        self._end_row()
        self._flush()

    def _open(self, tag: str) -> None:
        if tag == "br":
            self.words.append("\n")
        elif tag in ("td", "th"):
            self._end_cell()
            self.in_cell = self.row is not None
        elif tag == "tr":
            self._end_row()
            self._flush()
            self.row = []
        elif tag in _BLOCK:
            if tag in _LEVELS or tag == "table":
                self._end_row()
            self._break()
            self.preformatted += tag == "pre"
            self.bullet = self.bullet or (tag == "li" and not self.in_cell)

    def _close(self, tag: str) -> None:
        if tag in ("td", "th"):
            self._end_cell()
        elif tag in ("tr", "table"):
            self._end_row()
        elif tag in _BLOCK:
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
        text = self._take()
        if text:
            self.blocks.add(f"- {text}" if self.bullet else text, level=level, tight=self.bullet)
            self.bullet = False

    def _take(self) -> str:
        text = "".join(self.words)
        self.words.clear()
        if not self.preformatted:
            text = "\n".join(line for line in map(_squeeze, text.split("\n")) if line)
        return text.strip("\n").rstrip() if text.strip() else ""

    def _end_cell(self) -> None:
        if self.in_cell and self.row is not None:
            self.row.append(self._take())
        self.in_cell = False

    def _end_row(self) -> None:
        """Write the row: cells side by side, or below each other when they hold paragraphs."""
        self._end_cell()
        cells = [cell for cell in self.row or () if cell]
        if any("\n" in cell for cell in cells):
            for cell in cells:
                self.blocks.add(cell)
        else:
            self.blocks.add(" | ".join(cells), tight=True)
        self.row = None


def _squeeze(line: str) -> str:
    return " ".join(line.split())


def _is_hidden(attributes: Mapping[str, str]) -> bool:
    return "hidden" in attributes or bool(_HIDDEN_STYLE.search(attributes.get("style", "")))
