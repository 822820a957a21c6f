"""A table of questions in, cases out: CSV of any delimiter, as spreadsheets and ragas write it."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TextIO

from rag.evaluation.base.errors import CasesUnreadable
from rag.evaluation.reading.lines import Item, known_fields, normalize, read_value

_DELIMITERS = ",;\t|"
_EVIDENCE = ("document", "page", "excerpt", "start", "end", "grade")
_LISTS = ("answers", "near", "without", "tags")
_JOINED = frozenset((*_EVIDENCE, *_LISTS, "evidence", "labels"))
_EXAMPLE = "question,answer,document,page"


def read_table(path: Path, columns: Mapping[str, str]) -> Iterator[Item]:
    """Yield a case for each id of a table, for each question where there are no ids.

    Rows of one case join what they say: each adds its evidence, answers, near documents and tags.
    A cell holds one of them, or a list of JSON.  Raises CasesUnreadable without a column of
    questions.
    """
    joined: dict[str, dict[str, object]] = {}
    places: dict[str, str] = {}
    for place, row in _read_rows(path, columns):
        if isinstance(row, str):
            yield place, row
            continue
        key = str(row.get("id") or row.get("question") or place)
        places.setdefault(key, place)
        if problem := _join(joined.setdefault(key, {"evidence": []}), row):
            yield place, problem
    for key, record in joined.items():
        yield places[key], read_value(record)


def _read_rows(
    path: Path, columns: Mapping[str, str]
) -> Iterator[tuple[str, dict[str, object] | str]]:
    """Yield the fields of each row that has any, or why the row cannot be read."""
    with path.open(encoding="utf-8-sig", newline="") as lines:
        delimiter = _find_delimiter(path, lines, columns)
        rows = csv.DictReader(lines, delimiter=delimiter)
        while True:
            try:
                row = next(rows)
            except StopIteration:
                return
            except csv.Error as error:
                yield f"{path.name}:{rows.reader.line_num}", f"this row cannot be read: {error}"
                continue
            filled = {name: cell.strip() for name, cell in row.items() if _is_filled(name, cell)}
            yield f"{path.name}:{rows.line_num}", known_fields(filled, columns)


def _is_filled(name: object, cell: object) -> bool:
    """Say whether a cell has a column and a text; cells beyond the header have none."""
    return isinstance(name, str) and isinstance(cell, str) and bool(cell.strip())


def _find_delimiter(path: Path, lines: TextIO, columns: Mapping[str, str]) -> str:
    """Return the delimiter by which most columns of the first line are known."""
    header = lines.readline()
    lines.seek(0)
    known = {sign: _known_columns(header, sign, columns) for sign in _DELIMITERS}
    best = max(_DELIMITERS, key=lambda sign: (len(known[sign]), header.count(sign)))
    names = next(csv.reader([header], delimiter=best), [])
    read = [normalize(name) for name in names if known_fields({name: ""}, columns)]
    if twice := next((name for name in read if read.count(name) > 1), ""):
        raise CasesUnreadable(
            f"{path.name} has two columns called {twice}", "give each a name of its own"
        )
    missing = {normalize(name) for name in columns.values()} - {normalize(name) for name in names}
    if missing or "question" not in known[best]:
        raise CasesUnreadable(
            f"{path.name} has no column {', '.join(sorted(missing)) or 'question'}; "
            f"it has {', '.join(names)[:200] or 'none'}",
            f"say which is which: question=COLUMN, or call them so: {_EXAMPLE}",
        )
    return best


def _known_columns(header: str, delimiter: str, columns: Mapping[str, str]) -> dict[str, object]:
    try:
        names = next(csv.reader([header], delimiter=delimiter), [])
    except csv.Error:
        return {}
    return known_fields(dict.fromkeys(names, ""), columns)


def _join(record: dict[str, object], row: Mapping[str, object]) -> str:
    """Add a row to the record of its case; return what contradicts it, "" where nothing does."""
    for field, value in row.items():
        if field not in _JOINED and record.setdefault(field, value) != value:
            return f"another '{field}' than in an earlier row of the same case"
    for field in _LISTS:
        if field in row:
            earlier = record.setdefault(field, [])
            assert isinstance(earlier, list)
            earlier += [one for one in _items(str(row[field]), field) if one not in earlier]
    evidence = record["evidence"]
    assert isinstance(evidence, list)
    evidence += _pieces(row)
    return ""


def _pieces(row: Mapping[str, object]) -> list[object]:
    """Return the evidence of a row: what a cell lists, and what the columns say."""
    listed: list[object] = _items(str(row["evidence"]), "evidence") if "evidence" in row else []
    piece = {field: row[field] for field in _EVIDENCE if field in row}
    if not piece.keys() & {"document", "page", "excerpt"}:
        return listed
    if piece.keys() == {"document"}:
        return [*listed, *_items(str(piece["document"]), "document")]
    return [*listed, piece]


def _items(cell: str, field: str) -> list[object]:
    """Return what a cell lists as JSON, tags also with commas between; else the cell."""
    if cell.startswith("[") and cell.endswith("]"):
        try:
            listed = json.loads(cell)
        except (ValueError, RecursionError):
            return [cell]
        is_flat = not any(isinstance(one, list | dict) for one in listed)
        return list(listed) if is_flat or field == "evidence" else [cell]
    return [tag.strip() for tag in cell.split(",")] if field == "tags" else [cell]
