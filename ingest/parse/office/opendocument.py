"""OpenDocument texts, sheets and slides (ODT, ODS, ODP) in, text with its structure out.

The format is that of OASIS OpenDocument 1.3, part 3: one `content.xml` in an archive.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from ingest.parse.base import media
from ingest.parse.base.archive import Archive, encrypted, open_archive, parse_xml
from ingest.parse.base.blocks import Blocks, Parsed
from ingest.parse.base.clean import clean
from ingest.parse.office.grid import add_grid
from ingest.parse.office.opendocument_cells import Cells
from ingest.parse.office.opendocument_text import (
    DRAW,
    OFFICE,
    PRESENTATION,
    SVG,
    TABLE,
    TEXT,
    Inline,
    has_text,
)

_KINDS = {media.ODT: "ODT", media.ODS: "ODS", media.ODP: "ODP"}
_LEFT_OUT = frozenset(
    (f"{TEXT}tracked-changes", f"{TEXT}table-of-content", f"{TEXT}sequence-decls",
     f"{OFFICE}forms", f"{PRESENTATION}notes", f"{OFFICE}annotation")
)  # fmt: skip
_LENGTH = re.compile(r"(-?\d+(?:\.\d+)?)(cm|mm|in|pt|pc|px)?")
_CENTIMETRES = {"cm": 1.0, "mm": 0.1, "in": 2.54, "pt": 2.54 / 72, "pc": 2.54 / 6, "px": 2.54 / 96}
_LINE_CENTIMETRES = 0.6
_NOT_CONTENT = ("page-number", "date-time", "header", "footer")


def parse_opendocument(data: bytes, media_type: str) -> Parsed:
    """Return headings, paragraphs, lists and tables; sheets and slides are pages.

    Deleted text that is still tracked is left out; notes and comments follow the paragraph
    they belong to.  Raises TooLarge, EncryptedDocument, ParseError.
    """
    kind = _KINDS.get(media_type, "OpenDocument")
    archive = open_archive(data, kind)
    if b"encryption-data" in _optional(archive, "META-INF/manifest.xml"):
        raise encrypted()
    root = parse_xml(archive.read("content.xml"), kind)
    reader = _Reader(title=_title(archive, kind))
    for body in root.iterchildren(f"{OFFICE}body"):
        for content in body.iterchildren("{*}*"):
            reader.read_content(content)
    return reader.blocks.finish(reader.title)


def _optional(archive: Archive, name: str) -> bytes:
    return archive.read(name) if name in archive else b""


def _title(archive: Archive, kind: str) -> str:
    meta = _optional(archive, "meta.xml")
    titles = parse_xml(meta, kind).iter("{http://purl.org/dc/elements/1.1/}title") if meta else ()
    return clean(next((title.text or "" for title in titles), "")).strip()


@dataclass(slots=True)
class _Reader:
    """Turns the elements of a document into blocks."""

    title: str = ""
    numbered: int = 0
    blocks: Blocks = field(default_factory=Blocks)
    cells: Cells = field(default_factory=Cells)

    def read_content(self, content: Any) -> None:
        """Read what is in the body, by what kind of body it is."""
        if content.tag == f"{OFFICE}spreadsheet":
            for sheet in content.iterchildren(f"{TABLE}table"):
                self._read_sheet(sheet)
        elif content.tag == f"{OFFICE}presentation":
            for number, page in enumerate(content.iterchildren(f"{DRAW}page"), 1):
                self._read_slide(page, number)
        else:
            self._read(content)

    def _read(self, container: Any) -> None:
        """Read the blocks of a text, also those inside sections, frames and groups."""
        stack = list(container.iterchildren("{*}*"))[::-1]
        while stack:
            element = stack.pop()
            if element.tag in (f"{TEXT}h", f"{TEXT}p"):
                self._read_paragraph(element)
            elif element.tag == f"{TEXT}list":
                self._read_list(element)
            elif element.tag == f"{TABLE}table":
                self._read_table(element)
            elif element.tag not in _LEFT_OUT:
                stack.extend(list(element.iterchildren("{*}*"))[::-1])

    def _read_paragraph(self, element: Any) -> None:
        inline = Inline(numbered=self.numbered)
        text = inline.read(element)
        level = element.get(f"{TEXT}outline-level", "1") if element.tag == f"{TEXT}h" else "0"
        if not self.title and element.get(f"{TEXT}style-name") == "Title":
            self.title = " ".join(text.split())
        self.blocks.add(text, level=min(9, int(level)) if level.isdecimal() else 1)
        self._read_aside(inline)

    def _read_aside(self, inline: Inline) -> None:
        self.numbered = inline.numbered
        for item in inline.aside:
            if isinstance(item, str):
                self.blocks.add(item)
            else:
                self._read(item)

    def _read_list(self, element: Any) -> None:
        """Write the items of a list and of the lists in it, each on a line."""
        aside, stack = Inline(numbered=self.numbered), [(0, element)]
        while stack:
            depth, here = stack.pop()
            if here.tag == f"{TEXT}h":
                self._read_paragraph(here)
            elif here.tag == f"{TEXT}p":
                text = " ".join(aside.read(here).split())
                if text:
                    self._add_item("  " * max(0, depth - 1) + f"- {text}")
            else:
                inside = depth + (here.tag == f"{TEXT}list")
                stack.extend((inside, child) for child in list(here.iterchildren("{*}*"))[::-1])
        self._read_aside(aside)

    def _add_item(self, line: str) -> None:
        self.blocks.add(line, tight=True, verbatim=True)

    def _read_table(self, element: Any) -> None:
        self.cells.inline = Inline(numbered=self.numbered)
        rows = list(self.cells.rows(element))
        headers = sum(1 for _ in element.iterfind(f"{TABLE}table-header-rows/{TABLE}table-row"))
        self.blocks.add_table(rows, max(1, headers))
        self._read_aside(self.cells.inline)

    def _read_sheet(self, sheet: Any) -> None:
        name = clean(sheet.get(f"{TABLE}name", "")).strip()
        self.blocks.begin_page(f"sheet {name}")
        self.cells.inline = Inline(numbered=self.numbered)
        rows = list(self.cells.rows(sheet))
        if any(map(any, rows)):
            self.blocks.add(name, level=2)
            add_grid(self.blocks, rows)
        self._read_aside(self.cells.inline)

    def _read_slide(self, page: Any, number: int) -> None:
        """Read the title, then the other shapes from top to bottom, then the notes."""
        empty = not has_text(page)
        self.blocks.begin_page(
            f"slide {number}", score=0.0 if empty else 1.0, findings=("empty",) * empty
        )
        shapes = [shape for shape in page.iterchildren("{*}*") if shape.tag not in _LEFT_OUT]
        classes = {id(shape): shape.get(f"{PRESENTATION}class", "") for shape in shapes}
        for shape in shapes:
            if classes[id(shape)] == "title":
                self.blocks.add(_words(shape), level=1 if number == 1 else 2)
        for shape in sorted(shapes, key=_position):
            if classes[id(shape)] not in ("title", *_NOT_CONTENT):
                self._read(shape)
        for notes in page.iterchildren(f"{PRESENTATION}notes"):
            text = _words(notes)
            self.blocks.add(f"Notes: {text}" if text else "")


def _words(element: Any) -> str:
    """Return the words of all paragraphs in the element."""
    paragraphs = (Inline().read(part) for part in element.iter(f"{TEXT}p", f"{TEXT}h"))
    return " ".join(" ".join(paragraphs).split())


def _position(shape: Any) -> tuple[int, float]:
    """Return what sorts shapes from top to bottom, and left to right within a line."""
    return round(_length(shape.get(f"{SVG}y")) / _LINE_CENTIMETRES), _length(shape.get(f"{SVG}x"))


def _length(text: str | None) -> float:
    found = _LENGTH.match(text or "")
    return float(found[1]) * _CENTIMETRES[found[2] or "cm"] if found else 0.0
