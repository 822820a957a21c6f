"""Sources in, sample documents of Office out: DOCX, PPTX, XLSX; and how an archive is written."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date
from io import BytesIO
from typing import Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

import docx
import openpyxl
import pptx
from pptx.util import Cm
from read_sources import (
    DOCUMENTS,
    ORGANISATION,
    WRITTEN,
    Part,
    read_blocks,
    read_parts,
)

STAMP = WRITTEN.strftime("%Y-%m-%dT%H:%M:%SZ")
MODIFIED = re.compile(rb"(<dcterms:modified[^>]*>)[^<]*")


def write_docx(source: str, target: str) -> None:
    """Write a Word document with real headings, lists and tables."""
    document = docx.Document()
    for block in read_blocks(source):
        if block.kind == "heading":
            document.add_heading(block.text, level=block.level)
        elif block.kind == "item":
            document.add_paragraph(block.text, style="List Bullet")
        elif block.kind == "table":
            style = "Light Grid"
            table = document.add_table(len(block.rows), len(block.rows[0]), style)
            fill_table(table, block.rows)
        else:
            document.add_paragraph(block.text)
    set_properties(document.core_properties, next(read_blocks(source)).text)
    save(document, target)


def write_pptx(source: str, target: str) -> None:
    """Write a presentation: a slide for each heading, with bullets or a table, and notes."""
    presentation = pptx.Presentation()
    parts = read_parts(source)
    for number, part in enumerate(parts):
        rows = next((block.rows for block in part.blocks if block.rows), ())
        layout = presentation.slide_layouts[0 if number == 0 else 5 if rows else 1]
        slide = presentation.slides.add_slide(layout)
        slide.shapes.title.text = part.title
        if rows:
            frame = slide.shapes.add_table(
                len(rows), len(rows[0]), Cm(1.5), Cm(5), Cm(22), Cm(1.2 * len(rows))
            )
            fill_table(frame.table, rows)
        else:
            slide.placeholders[1].text = "\n".join(block.text for block in part.blocks)
        if part.notes:
            slide.notes_slide.notes_text_frame.text = part.notes
    set_properties(presentation.core_properties, parts[0].title)
    save(presentation, target)


def fill_table(table: Any, rows: tuple[tuple[str, ...], ...]) -> None:
    """Write texts into the cells of a table that is as large."""
    for cells, row in zip(table.rows, rows, strict=True):
        for cell, text in zip(cells.cells, row, strict=True):
            cell.text = text


def set_properties(properties: Any, title: str) -> None:
    """Fill in who wrote an Office document, and a fixed date."""
    properties.author = properties.last_modified_by = ORGANISATION
    properties.title = title
    properties.created = properties.modified = WRITTEN
    properties.comments = ""


def write_xlsx(source: str, target: str) -> None:
    """Write a workbook: a sheet for each table, with numbers and dates as such."""
    title, *parts = read_parts(source)
    workbook = openpyxl.Workbook()
    workbook.remove(workbook.active)
    for part in parts:
        sheet = workbook.create_sheet(part.title)
        for row in rows_of(part):
            sheet.append([read_value(text) for text in row])
        sheet.freeze_panes = "A2"
    workbook.properties.title, workbook.properties.creator = title.title, ORGANISATION
    workbook.properties.created = WRITTEN.replace(tzinfo=None)
    save(workbook, target)


def read_value(text: str) -> str | int | date | None:
    """Return what a cell of a table holds."""
    if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        return date.fromisoformat(text)
    return int(text) if text.isdecimal() else text or None


def rows_of(part: Part) -> Iterator[tuple[str, ...]]:
    """Yield the rows of all tables of a part."""
    for block in part.blocks:
        yield from block.rows


def save(document: Any, target: str) -> None:
    """Write an Office document with fixed dates, so that a second run writes equal bytes."""
    buffer = BytesIO()
    document.save(buffer)
    with ZipFile(buffer) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    core = "docProps/core.xml"
    members[core] = MODIFIED.sub(rb"\g<1>" + STAMP.encode(), members[core])
    write_archive(target, members)


def write_archive(target: str, members: Mapping[str, bytes | str], mimetype: str = "") -> None:
    """Write an archive; the type of an OpenDocument or an e-book comes first and as it is."""
    first = {"mimetype": mimetype} if mimetype else {}
    with ZipFile(DOCUMENTS / target, "w") as archive:
        for name, content in {**first, **members}.items():
            entry = ZipInfo(name, WRITTEN.timetuple()[:6])
            entry.create_system = 3  # Else the bytes depend on the system that this runs on.
            archive.writestr(entry, content, ZIP_STORED if name in first else ZIP_DEFLATED)
