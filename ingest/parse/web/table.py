"""Cells of an HTML table in, rows in a text out: a table, or paragraphs where it is layout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ingest.parse.base.blocks import Blocks

MAX_SPAN = 100


@dataclass(frozen=True, slots=True)
class Cell:
    """The text of a cell, over how many columns and rows it goes, and whether it is a header."""

    text: str
    columns: int = 1
    rows: int = 1
    is_header: bool = False


@dataclass(slots=True)
class TableRows:
    """Collects rows until they can be written; a cell over several rows is in each of them."""

    rows: list[list[Cell]] = field(default_factory=list)

    def add(self, row: list[Cell]) -> None:
        """Append a row."""
        if row:
            self.rows.append(row)

    def write(self, blocks: Blocks) -> None:
        """Write what was collected; a table without header whose cells hold paragraphs is layout.

        The rows at the top that have header cells only name the columns.
        """
        rows, self.rows = self.rows, []
        headers = 0
        while headers < len(rows) and all(cell.is_header for cell in rows[headers]):
            headers += 1
        if headers or not any("\n" in cell.text for row in rows for cell in row):
            while headers > 1 and len(rows[0]) == 1 == rows[0][0].rows:
                blocks.add(rows.pop(0)[0].text)  # One cell over all columns is a caption.
                headers -= 1
            blocks.add_table(_lay_out(rows, headers), headers)
            return
        for row in rows:
            if any("\n" in cell.text for cell in row):
                for cell in row:
                    blocks.add(cell.text)
            else:
                blocks.add_table(_lay_out([row]))


def _lay_out(rows: Sequence[Sequence[Cell]], headers: int = 0) -> list[list[str]]:
    """Return the texts by column: cells over several columns leave the others empty.

    In header rows that others follow they name each of their columns.
    """
    laid_out = []
    spanning: dict[int, tuple[int, str]] = {}  # column -> rows still to come, text
    for number, row in enumerate(rows, 1):
        texts: list[str] = []
        for cell in row:
            _continue_spans(texts, spanning)
            beside = cell.text if number < headers else ""
            if cell.rows > 1:
                spanning[len(texts)] = (cell.rows, cell.text)
            texts += [cell.text] + [beside] * (cell.columns - 1)
        _continue_spans(texts, spanning)
        laid_out.append(texts)
        spanning = {
            column: (left - 1, text) for column, (left, text) in spanning.items() if left > 1
        }
    return laid_out


def _continue_spans(texts: list[str], spanning: dict[int, tuple[int, str]]) -> None:
    """Add the cells from rows above that stand at the next columns."""
    while len(texts) in spanning:
        texts.append(spanning[len(texts)][1])
