"""Word documents in, text with headings and tables in document order out. Home of python-docx."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import docx
from docx.oxml.ns import qn

from ingest.parse.base.archive import open_archive, parse_xml, repack_office
from ingest.parse.base.blocks import Blocks, Parsed
from ingest.parse.base.clean import clean

if TYPE_CHECKING:
    from docx.document import Document as WordDocument

_STYLE_NAME = re.compile(r"heading (\d)$")
_MAX_SPAN = 100

_MAIN = b"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
_ALIASES: Mapping[bytes, bytes] = MappingProxyType(
    {
        b"application/vnd.ms-word.document.macroEnabled.main+xml": _MAIN,
        b"application/vnd.ms-word.template.macroEnabledTemplate.main+xml": _MAIN,
        b"application/vnd.openxmlformats-officedocument.wordprocessingml.template.main+xml": _MAIN,
    }
)

# Deleted text, and the second copy that Word keeps of a text box for older programs.
_COMPATIBILITY = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_LEFT_OUT = {qn("w:del"), qn("w:moveFrom"), f"{_COMPATIBILITY}Fallback"}
_TEXT, _TAB, _PARAGRAPH, _TABLE, _ROW, _CELL, _BOX = map(
    qn, ("w:t", "w:tab", "w:p", "w:tbl", "w:tr", "w:tc", "w:txbxContent")
)
_LINE_BREAKS = {qn("w:br"), qn("w:cr")}
_FOOTNOTE, _ENDNOTE, _COMMENT = map(
    qn, ("w:footnoteReference", "w:endnoteReference", "w:commentReference")
)
_NOTE_PARTS = {"footnotes": _FOOTNOTE, "endnotes": _ENDNOTE, "comments": _COMMENT}


def parse_docx(data: bytes, media_type: str) -> Parsed:  # noqa: ARG001
    """Return paragraphs, headings and tables of a Word document, as they follow each other.

    Headings are known by outline level or by the built-in style, whose name in the file is
    the same in every language of Word.  Notes, comments and text boxes follow the paragraph
    they belong to; headers and footers are left out.  Raises TooLarge, ParseError.
    """
    document = docx.Document(io.BytesIO(repack_office(open_archive(data, "DOCX"), _ALIASES)))
    reader = _Reader(dict(_style_levels(document)), dict(_notes(document)))
    reader.title = clean(document.core_properties.title or "")
    reader.read(document.element.body)
    return reader.blocks.finish(reader.title)


@dataclass(slots=True)
class _Reader:
    """Turns the elements of a document into blocks; `aside` waits for the end of a paragraph."""

    levels: dict[str, int]
    notes: dict[tuple[str, str], str]
    title: str = ""
    numbered: int = 0
    blocks: Blocks = field(default_factory=Blocks)
    aside: list[Any] = field(default_factory=list)

    def read(self, container: Any) -> None:
        """Read paragraphs and tables in order."""
        for element in _walk(container):
            if element.tag == _TABLE:
                self._read_table(element)
            else:
                self._read_paragraph(element)
            self._read_aside()

    def _read_paragraph(self, element: Any) -> None:
        text, level, item = self._text(element), _level(element, self.levels), _is_item(element)
        if level == 0 and not self.title:
            self.title = " ".join(text.split())
        bullet = "- " if item and not level and text.strip() else ""
        self.blocks.add(bullet + text, level=level or 0, tight=item)

    def _read_table(self, table: Any) -> None:
        """Write the rows; those marked as header, else the first, name the columns."""
        elements = list(_nearest(table, _ROW))
        rows: list[list[str]] = []
        marked = 0
        while marked < len(elements) and _is_header(elements[marked]):
            marked += 1
        for number, row in enumerate(elements, 1):
            rows.append(self._row(row, rows[-1] if rows else [], spread=number < marked))
        self.blocks.add_table(rows, max(1, marked))

    def _row(self, row: Any, above: list[str], *, spread: bool) -> list[str]:
        """Return the texts of the cells by column; a cell merged downwards is in every row.

        One merged over several columns is in each of them if it is to `spread`.
        """
        cells: list[str] = []
        for cell in _nearest(row, _CELL):
            properties = cell.find(qn("w:tcPr"))
            text = " ".join(self._cell_words(cell))
            if not text and _is_continued(properties) and len(cells) < len(above):
                text = above[len(cells)]
            cells += [text] + [text if spread else ""] * (_span(properties) - 1)
        return cells

    def _cell_words(self, cell: Any) -> Iterator[str]:
        for part in _walk(cell):
            if part.tag == _PARAGRAPH:
                yield from self._text(part).split()
            else:
                for inner in _nearest(part, _ROW):
                    for deeper in _nearest(inner, _CELL):
                        yield from self._cell_words(deeper)

    def _text(self, paragraph: Any) -> str:
        """Return what the paragraph shows, links and accepted insertions included."""
        parts: list[str] = []
        stack = [paragraph]
        while stack:
            element = stack.pop()
            if element.tag == _TEXT:
                parts.append(element.text or "")
            elif element.tag == _TAB:
                parts.append("\t")
            elif element.tag in _LINE_BREAKS:
                parts.append("\n")
            elif element.tag in (_FOOTNOTE, _ENDNOTE, _COMMENT):
                parts.append(self._mark(element))
            elif element.tag == _BOX:
                self.aside.append(element)
            elif element.tag not in _LEFT_OUT:
                stack.extend(list(element.iterchildren())[::-1])
        return clean("".join(parts))

    def _mark(self, reference: Any) -> str:
        """Keep a note for the end of the paragraph and return the mark that stands for it."""
        text = self.notes.pop((reference.tag, reference.get(qn("w:id"), "")), "")
        if not text:
            return ""
        if reference.tag == _COMMENT:
            self.aside.append(text)
            return ""
        self.numbered += 1
        self.aside.append(f"[{self.numbered}] {text}")
        return f"[{self.numbered}]"

    def _read_aside(self) -> None:
        waiting, self.aside = self.aside, []
        for item in waiting:
            if isinstance(item, str):
                self.blocks.add(item)
            else:
                self.read(item)


def _notes(document: WordDocument) -> Iterator[tuple[tuple[str, str], str]]:
    """Yield the texts of footnotes, endnotes and comments by (tag of what refers to it, id)."""
    for relation in document.part.rels.values():
        tag = _NOTE_PARTS.get(relation.reltype.rpartition("/")[2])
        if tag is None or relation.is_external:
            continue
        for note in parse_xml(relation.target_part.blob, "DOCX").iterchildren("{*}*"):
            plain = _Reader({}, {})
            text = " ".join(" ".join(plain._cell_words(note)).split())
            author = clean(note.get(qn("w:author"), "")).strip() or "unknown"
            if text and not note.get(qn("w:type")):
                comment = f"Comment by {author}: {text}"
                yield (tag, note.get(qn("w:id"), "")), comment if tag == _COMMENT else text


def _is_header(row: Any) -> bool:
    mark = row.find(f"{qn('w:trPr')}/{qn('w:tblHeader')}")
    return mark is not None and mark.get(qn("w:val"), "true") not in ("0", "false", "off")


def _span(properties: Any) -> int:
    span = "" if properties is None else _value(properties.find(qn("w:gridSpan")))
    return min(_MAX_SPAN, int(span)) if span.isdecimal() and int(span) else 1


def _is_continued(properties: Any) -> bool:
    merge = None if properties is None else properties.find(qn("w:vMerge"))
    return merge is not None and _value(merge) != "restart"


def _style_levels(document: WordDocument) -> Iterator[tuple[str, int]]:
    """Yield (style id, level) of the styles that make headings; the title has level 0."""
    parents, own = {}, {}
    for style in document.styles.element.iterchildren(qn("w:style")):
        name = style.get(qn("w:styleId"), "")
        parents[name] = _value(style.find(qn("w:basedOn")))
        own[name] = _own_level(style)
    for name in own:
        seen: set[str] = set()
        ancestor = name
        while ancestor in own and own[ancestor] is None and ancestor not in seen:
            seen.add(ancestor)
            ancestor = parents[ancestor]
        level = own.get(ancestor)
        if level is not None:
            yield name, level


def _own_level(style: Any) -> int | None:
    name = _value(style.find(qn("w:name"))).lower()
    found = _STYLE_NAME.match(name)
    if found:
        return int(found[1])
    return 0 if name == "title" else _outline_level(style)


def _outline_level(element: Any) -> int | None:
    """Return the level set on a style or paragraph itself, 1 outermost, None for body text."""
    value = _value(element.find(f"{qn('w:pPr')}/{qn('w:outlineLvl')}"))
    return int(value) + 1 if value.isdigit() and int(value) < 9 else None


def _level(paragraph: Any, levels: dict[str, int]) -> int | None:
    """Return 1 to 9 for a heading, 0 for the title of the document, None for other text."""
    level = _outline_level(paragraph)
    if level is not None:
        return level
    return levels.get(_value(paragraph.find(f"{qn('w:pPr')}/{qn('w:pStyle')}")))


def _is_item(paragraph: Any) -> bool:
    return paragraph.find(f"{qn('w:pPr')}/{qn('w:numPr')}") is not None


def _value(element: Any) -> str:
    return "" if element is None else str(element.get(qn("w:val"), ""))


def _walk(element: Any) -> Iterator[Any]:
    """Yield paragraphs and tables in order, also those inside content controls."""
    return _nearest(element, _PARAGRAPH, _TABLE)


def _nearest(element: Any, *tags: str) -> Iterator[Any]:
    """Yield the descendants of these kinds in order, but none inside another one."""
    stack = list(element.iterchildren())[::-1]
    while stack:
        child = stack.pop()
        if child.tag in tags:
            yield child
        elif child.tag not in _LEFT_OUT:
            stack.extend(list(child.iterchildren())[::-1])
