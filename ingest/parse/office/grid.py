"""Rows of a sheet as texts in, tables with their captions and column names out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import accumulate, zip_longest

from ingest.parse.base.blocks import Blocks

_LABEL = re.compile(r"[^\W\d_]|^(?:19|20)\d\d$")
_NO_LABELS = frozenset(("TRUE", "FALSE"))
_MAX_LABEL = 100
BESIDE = "\0"
"""Stands in a cell that is merged with the one to its left; no text holds this character."""


def add_grid(blocks: Blocks, rows: Iterable[Sequence[str]]) -> None:
    """Add each run of rows that are not empty as a table.

    A single cell above a table is its caption.  The first row names the columns if it holds
    nothing but distinct labels (words or years); so do the first two if cells of the first are
    merged over several of the second.
    """
    run: list[Sequence[str]] = []
    for row in rows:
        if _filled(row):
            run.append(row)
        elif run:
            _add_run(blocks, run)
            run = []
    _add_run(blocks, run)


def _add_run(blocks: Blocks, run: list[Sequence[str]]) -> None:
    captions = 0
    while captions < len(run) - 1 and _filled(run[captions]) == 1 < _filled(run[captions + 1]):
        captions += 1
    for row in run[:captions]:
        blocks.add(" ".join(cell for cell in row if cell and cell != BESIDE))
    body = run[captions:]
    two = len(body) > 2 and BESIDE in body[0] and _continues(body[0], _separate(body[1]))
    first = [_spread(body[0])] if two else []
    table = first + [_separate(row) for row in body[len(first) :]]
    one = bool(table) and not two and _names_columns(table[0])
    blocks.add_table(table, headers=2 if two else int(one))


def _filled(row: Sequence[str]) -> int:
    return sum(cell not in ("", BESIDE) for cell in row)


def _continues(above: Sequence[str], row: Sequence[str]) -> bool:
    """Say whether a row names what is below the merged cells of the row above, and only that."""
    merged = {at + shift for at, cell in enumerate(above) if cell == BESIDE for shift in (-1, 0)}
    columns = list(zip_longest(_spread(above), row, fillvalue=""))
    return (
        all(_is_label(cell) for cell in row if cell)
        and all(under if at in merged else not over or under in ("", over)
                for at, (over, under) in enumerate(columns))
        and _names_columns([" ".join(names).strip() for names in columns])
    )  # fmt: skip


def _spread(row: Sequence[str]) -> list[str]:
    """Return a row with the text of a merged cell in each of its columns."""
    return list(accumulate(row, _take_left))


def _take_left(left: str, cell: str) -> str:
    return left if cell == BESIDE else cell


def _separate(row: Sequence[str]) -> list[str]:
    """Return a row with the text of a merged cell in the first of its columns only."""
    return ["" if cell == BESIDE else cell for cell in row]


def _names_columns(row: Sequence[str]) -> bool:
    cells = [cell for cell in row if cell]
    return len(cells) > 1 and len(set(cells)) == len(cells) and all(map(_is_label, cells))


def _is_label(cell: str) -> bool:
    return bool(_LABEL.search(cell)) and len(cell) <= _MAX_LABEL and cell not in _NO_LABELS
