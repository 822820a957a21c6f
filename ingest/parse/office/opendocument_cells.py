"""A table of an OpenDocument file in, its rows as texts out, however often they are repeated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ingest.parse.office.opendocument_text import OFFICE, TABLE, Inline

_ROW = f"{TABLE}table-row"
_CELL, _COVERED = f"{TABLE}table-cell", f"{TABLE}covered-table-cell"
_MAX_REPEATED_ROWS = 1_000
_MAX_COLUMNS = 1_024
_MAX_CELLS = 4_000_000


@dataclass(slots=True)
class Cells:
    """Reads tables; `inline` keeps the notes in their cells, `left` how many cells may follow."""

    inline: Inline = field(default_factory=Inline)
    left: int = _MAX_CELLS

    def rows(self, table: Any) -> Iterator[list[str]]:
        """Yield the rows, those of groups and headers too; of repeated empty rows only one."""
        stack = list(table.iterchildren(f"{TABLE}*"))[::-1]
        while stack and self.left > 0:
            element = stack.pop()
            if element.tag == _ROW:
                row = self._row(element)
                for _ in range(_repeated(element, "rows", _MAX_REPEATED_ROWS) if any(row) else 1):
                    self.left -= len(row) + 1
                    yield row
            elif element.tag not in (f"{TABLE}table", f"{TABLE}shapes"):
                stack.extend(list(element.iterchildren(f"{TABLE}*"))[::-1])

    def _row(self, row: Any) -> list[str]:
        """Return the texts of the cells; empty cells at the end are left out."""
        cells: list[str] = []
        blanks = 0
        for cell in row.iterchildren(_CELL, _COVERED):
            text = "" if cell.tag == _COVERED else self._text(cell)
            repeated = _repeated(cell, "columns", _MAX_COLUMNS)
            if not text:
                blanks += repeated
            elif len(cells) + blanks + repeated <= _MAX_COLUMNS:
                cells += [""] * blanks + [text] * repeated
                blanks = 0
        return cells

    def _text(self, cell: Any) -> str:
        """Return what the cell shows; a date is written in ISO 8601."""
        day = cell.get(f"{OFFICE}date-value")
        if day:
            return str(day).removesuffix("T00:00:00").replace("T", " ")
        words = self.inline.read(cell).split() if len(cell) else ()
        return " ".join(words) or str(cell.get(f"{OFFICE}value", ""))


def _repeated(element: Any, what: str, limit: int) -> int:
    count = element.get(f"{TABLE}number-{what}-repeated", "1")
    return max(1, min(limit, int(count))) if count.isdecimal() and len(count) < 12 else 1
