"""Rows out of files whose pages lead anywhere."""

from __future__ import annotations

import sqlite3
import struct
from pathlib import Path

import pytest

from rag.index.care.foreign import Copied, opened, read_rows, tables_of

PAGE = 4096


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "some.sqlite"
    connection = sqlite3.connect(made)
    connection.execute("CREATE TABLE things (number INTEGER PRIMARY KEY, value TEXT NOT NULL)")
    connection.executemany(
        "INSERT INTO things VALUES (?, ?)",
        [(number, f"{number} " * 100) for number in range(1, 201)],
    )
    connection.commit()
    connection.close()
    return made


def children(data: bytearray) -> list[int]:
    """Where the root page of the table keeps the numbers of its pages, in order."""
    root = PAGE
    assert data[root] == 5, "an interior page of a table"
    (count,) = struct.unpack_from(">H", data, root + 3)
    cells = struct.unpack_from(f">{count}H", data, root + 12)
    return [*(root + cell for cell in cells), root + 8]


def read(path: Path) -> tuple[list[int], bool]:
    copied = Copied()
    with opened(path, damaged=True) as source:
        (table,) = tables_of(source)
        rows = [int(str(row[0])) for row in read_rows(source, table, copied)]
    return rows, bool(copied.broken)


def test_a_whole_table_is_read_in_order(path: Path) -> None:
    assert read(path) == (list(range(1, 201)), False)


@pytest.mark.timeout(30)
@pytest.mark.parametrize("place", [1, 3, -1])
def test_pages_that_lead_back_end(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    pointers = children(data)
    first = data[pointers[0] : pointers[0] + 4]
    data[pointers[place] : pointers[place] + 4] = first
    data[pointers[2] : pointers[2] + 4] = struct.pack(">I", 60_000)
    path.write_bytes(data)
    rows, broken = read(path)
    assert broken
    assert len(rows) == len(set(rows)) > 10
    assert rows == sorted(rows)
