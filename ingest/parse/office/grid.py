"""Rows of a sheet as texts in, tables with their captions and column names out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from ingest.parse.base.blocks import Blocks

_LABEL = re.compile(r"[^\W\d_]|^(?:19|20)\d\d$")
_NO_LABELS = frozenset(("TRUE", "FALSE"))
_MAX_LABEL = 100


def add_grid(blocks: Blocks, rows: Iterable[Sequence[str]]) -> None:
    """Add each run of rows that are not empty as a table.

    A single cell above a table is its caption.  The first row names the columns if it holds
    nothing but distinct labels (words or years).
    """
    run: list[Sequence[str]] = []
    for row in rows:
        if any(row):
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
        blocks.add(" ".join(filter(None, row)))
    body = run[captions:]
    blocks.add_table(body, headers=int(bool(body) and _names_columns(body[0])))


def _filled(row: Sequence[str]) -> int:
    return sum(map(bool, row))


def _names_columns(row: Sequence[str]) -> bool:
    cells = [cell for cell in row if cell]
    return (
        len(cells) > 1
        and len(set(cells)) == len(cells)
        and all(
            _LABEL.search(cell) and len(cell) <= _MAX_LABEL and cell not in _NO_LABELS
            for cell in cells
        )
    )
