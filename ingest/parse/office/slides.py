"""PowerPoint presentations in, slides with titles, text, tables and notes out. Home of pptx."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pptx

from ingest.parse.base.archive import open_archive, parse_xml, repack_office
from ingest.parse.base.blocks import Blocks, Parsed
from ingest.parse.base.clean import clean

if TYPE_CHECKING:
    from pptx.slide import Slide

_FAMILY = b"application/vnd.openxmlformats-officedocument.presentationml."
_MAIN = _FAMILY + b"presentation.main+xml"
_MACROS = b"application/vnd.ms-powerpoint."
_ALIASES: Mapping[bytes, bytes] = MappingProxyType(
    {
        _FAMILY + b"slideshow.main+xml": _MAIN,
        _FAMILY + b"template.main+xml": _MAIN,
        _MACROS + b"slideshow.macroEnabled.main+xml": _MAIN,
        _MACROS + b"template.macroEnabled.main+xml": _MAIN,
    }
)
_LINE_EMU = 228_600  # Shapes whose tops are within a quarter of an inch stand side by side.
_NOT_CONTENT = ("sldNum", "dt", "ftr", "hdr")  # What repeats on each slide.
_RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_DRAWING = "{http://schemas.openxmlformats.org/drawingml/2006/main}"


def parse_pptx(data: bytes, media_type: str) -> Parsed:  # noqa: ARG001
    """Return the slides in order, each with its title as heading, its shapes and its notes.

    Shapes are read from top to bottom, left to right.  Hidden slides are kept, and noted.
    Raises TooLarge, ParseError.
    """
    presentation = pptx.Presentation(
        io.BytesIO(repack_office(open_archive(data, "PPTX"), _ALIASES))
    )
    blocks, hidden, unread = Blocks(), [], []
    for number, slide in enumerate(presentation.slides, 1):
        if slide._element.get("show") in ("0", "false"):
            hidden.append(str(number))
        try:
            _read_slide(slide, number, blocks)
        except (KeyError, ValueError, AttributeError, TypeError):
            unread.append(str(number))
    notes = _note("hidden", hidden) + _note("damaged and read in part", unread)
    parsed = blocks.finish(clean(presentation.core_properties.title or ""))
    return Parsed(parsed.text, parsed.title, parsed.pages, parsed.headings, parsed.tables, notes)


def _note(what: str, numbers: list[str]) -> tuple[str, ...]:
    if not numbers:
        return ()
    more = ", ..." if len(numbers) > 20 else ""
    return (f"slides {what}: {', '.join(numbers[:20])}{more}",)


def _read_slide(slide: Slide, number: int, blocks: Blocks) -> None:
    """Add one slide; a slide without any text is a page with the finding "empty"."""
    shapes = list(_in_reading_order(slide.shapes))
    title = slide.shapes.title
    text = clean(title.text_frame.text).strip() if title is not None else ""
    notes = _notes_of(slide)
    is_empty = not (
        text or notes or any(element.text for element in slide._element.iter(f"{_DRAWING}t"))
    )
    blocks.begin_page(
        f"slide {number}", score=0.0 if is_empty else 1.0, findings=("empty",) * is_empty
    )
    blocks.add(" ".join(text.split()), level=1 if number == 1 else 2)
    for shape in shapes:
        if title is None or shape.shape_id != title.shape_id:
            _read_shape(shape, blocks)
    blocks.add(f"Notes: {notes}" if notes else "")


def _in_reading_order(shapes: Any) -> Iterator[Any]:
    """Yield the shapes in rows from top to bottom, those of a group where the group stands."""
    row: list[Any] = []
    for shape in sorted(shapes, key=_top):
        if row and _top(shape) - _top(row[0]) > _LINE_EMU:
            yield from _open_groups(row)
            row = []
        row.append(shape)
    yield from _open_groups(row)


def _open_groups(row: list[Any]) -> Iterator[Any]:
    for shape in sorted(row, key=lambda shape: shape.left or 0):
        if hasattr(shape, "shapes"):
            yield from _in_reading_order(shape.shapes)
        else:
            yield shape


def _top(shape: Any) -> int:
    return int(shape.top or 0)


def _read_shape(shape: Any, blocks: Blocks) -> None:
    if any(mark.get("type") in _NOT_CONTENT for mark in shape._element.iter("{*}ph")):
        return
    if shape.has_text_frame:
        _read_text(shape.text_frame, blocks)
    elif getattr(shape, "has_table", False):
        rows = [[_cell_text(cell) for cell in row.cells] for row in shape.table.rows]
        blocks.add_table(rows, headers=1)
    elif getattr(shape, "has_chart", False):
        _read_chart(shape.chart, blocks)
    else:
        for diagram in shape._element.iter("{*}relIds"):
            part = shape.part.related_part(diagram.get(f"{_RELATION}dm"))
            for paragraph in parse_xml(part.blob, "PPTX").iter(f"{_DRAWING}p"):
                words = (text.text or "" for text in paragraph.iter(f"{_DRAWING}t"))
                blocks.add(f"- {clean(''.join(words))}".rstrip("- "), tight=True)


def _read_text(frame: Any, blocks: Blocks) -> None:
    """Add the paragraphs of a text frame; several of them are a list, indented by level."""
    lines = [(paragraph.level, clean(paragraph.text).strip()) for paragraph in frame.paragraphs]
    lines = [(level, text) for level, text in lines if text]
    if len(lines) == 1:
        blocks.add(lines[0][1])
        return
    blocks.add("\n".join("  " * level + "- " + " ".join(text.split()) for level, text in lines))


def _cell_text(cell: Any) -> str:
    return "" if cell.is_spanned else clean(cell.text)


def _read_chart(chart: Any, blocks: Blocks) -> None:
    """Add title and values of a chart as a table: a row for each category."""
    if chart.has_title and chart.chart_title.has_text_frame:
        blocks.add(clean(chart.chart_title.text_frame.text))
    for plot in chart.plots:
        series = list(plot.series)
        rows = [["", *(clean(one.name) for one in series)]]
        columns = [list(one.values) for one in series]
        for index, category in enumerate(plot.categories):
            values = (column[index] if index < len(column) else None for column in columns)
            rows.append([clean(str(category)), *("" if v is None else f"{v:g}" for v in values)])
        blocks.add_table(rows, headers=1)


def _notes_of(slide: Slide) -> str:
    if not slide.has_notes_slide:
        return ""
    frame = slide.notes_slide.notes_text_frame
    return clean(frame.text).strip() if frame is not None else ""
