"""Excel workbooks in, the tables of their sheets out. The home of openpyxl."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, TypeAlias

import openpyxl  # type: ignore[import-untyped]
from openpyxl.utils import column_index_from_string  # type: ignore[import-untyped]

from ingest.parse.base.archive import open_archive, repack_office
from ingest.parse.base.blocks import Blocks, Parsed
from ingest.parse.base.clean import clean
from ingest.parse.office.grid import BESIDE, add_grid
from ingest.parse.office.numbers import show_value

_MAX_ROWS = 1_048_576  # Of a sheet, by the format.
_MAX_CELLS = 4_000_000  # Of a workbook, empty ones before a filled one included.
_MAX_MERGES = 10_000
_MAX_MERGED_COLUMNS = 100
_CHARTS = "xl/chartsheets/"
_MERGE = re.compile(rb'<(?:\w+:)?mergeCell ref="([A-Z]{1,3})(\d{1,7}):([A-Z]{1,3})(\d{1,7})"')
_UNCALCULATED = re.compile(
    rb"(?:</(?:\w+:)?f>|<(?:\w+:)?f(?: [^<>]{0,300})?/>)(?:<(?:\w+:)?v ?/>|<v></v>)?</(?:\w+:)?c>"
)
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")


def parse_xlsx(data: bytes, media_type: str) -> Parsed:  # noqa: ARG001
    """Return the sheets in order, each with its name as heading and its rows as tables.

    Formulas give the value that was stored with them.  Hidden sheets are kept, and noted.
    Raises TooLarge, ParseError.
    """
    archive = open_archive(data, "XLSX")
    charts = sum(name.startswith(_CHARTS) and name.endswith(".xml") for name in archive.members)
    # The library reads pictures of charts only to write them again, and fails on some.
    safe = repack_office(archive, without=_CHARTS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # About styles and extensions, which hold no text.
        workbook = openpyxl.load_workbook(
            io.BytesIO(safe), read_only=True, data_only=True, keep_links=False
        )
        try:
            parsed = _read_workbook(workbook)
        finally:
            workbook.close()
    chart_notes = (f"{charts} chart sheets were not read",) * bool(charts)
    return replace(parsed, notes=parsed.notes + chart_notes)


_Merge: TypeAlias = tuple[int, int, int, int]


@dataclass(slots=True)
class _Budget:
    """How many cells may still be looked at."""

    cells: int = _MAX_CELLS


def _read_workbook(workbook: Any) -> Parsed:
    blocks, budget, uncalculated = Blocks(), _Budget(), 0
    for sheet in workbook.worksheets:
        name = clean(sheet.title).strip()
        blocks.begin_page(f"sheet {name}")
        markup = _markup_of(sheet)
        uncalculated += sum(1 for _ in _UNCALCULATED.finditer(markup))
        rows = _fill_merged(_rows(sheet, budget), _merges(markup))
        first = next(rows, None)
        if first is not None:
            blocks.add(name, level=2)  # The file is called by its own name, not by a sheet.
            add_grid(blocks, chain([first], rows))
    title = clean(str(workbook.properties.title or ""))
    return replace(blocks.finish(title), notes=tuple(_notes(workbook, budget, uncalculated)))


def _notes(workbook: Any, budget: _Budget, uncalculated: int) -> Iterator[str]:
    hidden = [sheet.title for sheet in workbook.worksheets if sheet.sheet_state != "visible"]
    if hidden:
        yield f"hidden sheets: {', '.join(clean(name) for name in hidden[:20])}"
    if uncalculated:
        yield f"{uncalculated} formulas without a stored value: open the file and save it again"
    if budget.cells < 0:
        yield f"only the first {_MAX_CELLS:,} cells were read"


def _markup_of(sheet: Any) -> bytes:
    """Return the XML of a sheet; what the library does not tell in this mode is found there."""
    with sheet._get_source() as source:
        markup: bytes = source.read()
    return markup


def _rows(sheet: Any, budget: _Budget) -> Iterator[tuple[int, list[str]]]:
    """Yield each row that has a value with its number, and one empty row after a gap."""
    sheet.reset_dimensions()  # They may lie, and every row would be as wide.
    gap = False
    for number, row in enumerate(sheet.iter_rows(), 1):
        budget.cells -= len(row)
        if number > _MAX_ROWS or budget.cells < 0:
            return
        cells = [_show(cell) for cell in row]
        if any(cells):
            if gap:
                yield number - 1, []
            yield number, cells
        gap = not any(cells)


def _show(cell: Any) -> str:
    value = cell.value
    if isinstance(value, str):
        if "_x" in value:
            value = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), value)
        return clean(value).strip()
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return show_value(value, cell.number_format if is_number else "")


def _merges(markup: bytes) -> list[_Merge]:
    """Return (first row, last row, column from 0, columns) of the merged cells."""
    merges: list[_Merge] = []
    for number, found in enumerate(_MERGE.finditer(markup)):
        if number == _MAX_MERGES:
            break
        left, right = (column_index_from_string(found[n].decode()) for n in (1, 3))
        width = max(1, min(_MAX_MERGED_COLUMNS, right - left + 1))
        merges.append((int(found[2]), int(found[4]), left - 1, width))
    return sorted(merges)


def _fill_merged(
    rows: Iterator[tuple[int, list[str]]], merges: list[_Merge]
) -> Iterator[list[str]]:
    """Yield the rows with the text of a merged cell in each of the filled rows it spans.

    Beside it, in its first row, the other columns are marked as such.
    """
    waiting = merges[::-1]
    spanning: dict[int, tuple[int, str]] = {}
    for number, cells in rows:
        for column in [c for c, (last, _) in spanning.items() if last < number]:
            del spanning[column]
        while waiting and waiting[-1][0] <= number:
            first, last, column, width = waiting.pop()
            if first == number and column < len(cells):
                if last > first:
                    spanning[column] = (last, cells[column])
                if width > 1 and cells[column] and not any(cells[column + 1 : column + width]):
                    cells += [""] * (column + width - len(cells))
                    cells[column + 1 : column + width] = [BESIDE] * (width - 1)
        if cells:
            cells += [""] * (max(spanning, default=-1) + 1 - len(cells))
            for column, (_, text) in spanning.items():
                cells[column] = cells[column] or text
        yield cells
