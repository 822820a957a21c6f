"""Word documents in, text with headings and tables in document order out. Home of python-docx."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import docx
from docx.oxml.ns import qn

from ingest.base.errors import ParseError
from ingest.parse.base.blocks import Blocks, Parsed
from ingest.parse.base.clean import clean
from ingest.parse.base.failures import TooLarge

if TYPE_CHECKING:
    from docx.document import Document as WordDocument

_MAX_MEMBERS = 10_000
_MAX_UNPACKED_BYTES = 200 * 1024 * 1024
_MAX_RATIO = 200
_STYLE_NAME = re.compile(r"heading (\d)$")

# Deleted text, and the second copy that Word keeps of a text box for older programs.
_COMPATIBILITY = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_LEFT_OUT = {qn("w:del"), qn("w:moveFrom"), f"{_COMPATIBILITY}Fallback"}
_TEXT, _TAB, _PARAGRAPH, _TABLE, _ROW, _CELL = map(
    qn, ("w:t", "w:tab", "w:p", "w:tbl", "w:tr", "w:tc")
)
_LINE_BREAKS = {qn("w:br"), qn("w:cr")}


def parse_docx(data: bytes, media_type: str) -> Parsed:  # noqa: ARG001
    """Return paragraphs, headings and table rows of a Word document, as they follow each other.

    Headings are known by outline level or by the built-in style, whose name in the file is
    the same in every language of Word.  Raises TooLarge, ParseError.
    """
    _check_archive(data)
    document = docx.Document(io.BytesIO(data))
    levels = dict(_style_levels(document))
    blocks = Blocks()
    title = clean(document.core_properties.title or "")
    for element in _walk(document.element.body):
        if element.tag == _TABLE:
            for row in _rows(element):
                blocks.add(" | ".join(row), tight=True)
            continue
        text, level, item = _text(element), _level(element, levels), _is_item(element)
        if level == 0 and not title:
            title = " ".join(text.split())
        bullet = "- " if item and not level and text.strip() else ""
        blocks.add(bullet + text, level=level or 0, tight=item)
    return blocks.finish(title)


def _check_archive(data: bytes) -> None:
    """Refuse archives that unpack to more than they should; sizes told here bind the reader."""
    try:
        members = zipfile.ZipFile(io.BytesIO(data)).infolist()
    except zipfile.BadZipFile as error:
        raise ParseError(f"damaged DOCX: {error}", "open it and save it again") from error
    unpacked = sum(member.file_size for member in members)
    too_much = unpacked > _MAX_UNPACKED_BYTES or unpacked > _MAX_RATIO * len(data)
    if too_much or len(members) > _MAX_MEMBERS:
        raise TooLarge(
            f"unpacks to {unpacked / 1e6:.0f} MB in {len(members)} parts",
            "save the text in a new document",
        )


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


def _rows(table: Any) -> Iterator[list[str]]:
    """Yield the rows of a table as the texts of those cells that have one, on one line each."""
    for row in _nearest(table, _ROW):
        cells = (" ".join(_cell_words(cell)) for cell in _nearest(row, _CELL))
        yield [cell for cell in cells if cell]


def _cell_words(cell: Any) -> Iterator[str]:
    for part in _walk(cell):
        if part.tag == _PARAGRAPH:
            yield from _text(part).split()
        else:
            for row in _rows(part):
                yield from row


def _text(paragraph: Any) -> str:
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
        elif element.tag not in _LEFT_OUT:
            stack.extend(list(element.iterchildren())[::-1])
    return clean("".join(parts))
