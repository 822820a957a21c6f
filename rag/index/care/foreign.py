"""Rows of an SQLite file that may be damaged, or made by someone else, into a fresh catalogue.

Of the other file only rows of our own tables are read, by our own statements; what each value
may be is taken from the fresh catalogue.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rag.index.base.errors import IndexDamaged
from rag.index.store.database import Row, translated

LONGEST_VALUE = 200_000_000

_KINDS: Mapping[str, tuple[type, ...]] = {
    "TEXT": (str,),
    "INTEGER": (int,),
    "REAL": (float, int),
    "BLOB": (bytes,),
}
_FARTHEST = 40
_WIDEST = 1 << 20
_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Table:
    """A table of ours: its columns, what each may hold, whether its rows have numbers."""

    name: str
    columns: tuple[str, ...]
    kinds: tuple[tuple[type, ...], ...]
    numbered: bool

    def select(self, *before: str) -> str:
        """Return the statement that reads the columns, after those named."""
        columns = ", ".join((*before, *(f'"{column}"' for column in self.columns)))
        return f'SELECT {columns} FROM "{self.name}"'  # noqa: S608

    def fits(self, row: Row) -> bool:
        """Say whether each value is of its column's kind."""
        return all(isinstance(value, kinds) for value, kinds in zip(row, self.kinds, strict=True))


@dataclass(slots=True)
class Copied:
    """What became of the rows: copied, and by table whether some could not be read."""

    rows: dict[str, int] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)


Keep = Callable[[str, Row], bool]


def tables_of(connection: sqlite3.Connection) -> list[Table]:
    """Return the tables of a fresh catalogue in the order they were made, but for its words.

    Those follow from the rest, and are made anew wherever rows are taken over.
    """
    rows = connection.execute(
        "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite!_%'"
        " ESCAPE '!' AND name NOT GLOB 'word*' ORDER BY rowid"
    ).fetchall()
    return [_describe(connection, str(name), str(sql)) for name, sql in rows]


def _describe(connection: sqlite3.Connection, name: str, sql: str) -> Table:
    columns = connection.execute(f'PRAGMA table_info("{name}")').fetchall()
    kinds = tuple(
        _KINDS[kind] if notnull or key else (*_KINDS[kind], type(None))
        for _, _, kind, notnull, _, key in columns
    )
    numbered = "WITHOUT ROWID" not in sql.upper()
    return Table(name, tuple(str(column[1]) for column in columns), kinds, numbered)


@contextlib.contextmanager
def opened(path: Path, *, damaged: bool = False) -> Iterator[sqlite3.Connection]:
    """Open another file to read; with `damaged`, although its size or schema may be wrong."""
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
    with contextlib.closing(connection):
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST_VALUE)
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA cell_size_check = ON")
        if damaged:
            # Only so does SQLite open a file that is shorter than its header says.
            connection.execute("PRAGMA writable_schema = ON")
            connection.text_factory = lambda data: data.decode("utf-8", "replace")
        yield connection


def refuse_foreign_schema(source: sqlite3.Connection, ours: list[Table], path: Path) -> None:
    """Raise IndexDamaged unless the file has our tables and nothing that acts by itself."""
    with translated(path):
        found = source.execute("SELECT type, name, sql FROM sqlite_master").fetchall()
        names = {str(name) for kind, name, _ in found if kind == "table"}
        acting = {str(name) for kind, name, _ in found if kind not in ("table", "index")}
        acting |= {str(n) for _, n, sql in found if "VIRTUAL" in str(sql).upper().split()[:3]}
        for table in ours:
            columns = source.execute(f'PRAGMA table_xinfo("{table.name}")').fetchall()
            plain = {str(column[1]) for column in columns if not column[6]}
            if not plain.issuperset(table.columns):
                acting.add(table.name)
    unknown = {name for name in names if not name.startswith("sqlite_")} - {t.name for t in ours}
    if wrong := sorted(acting | unknown):
        raise IndexDamaged(
            f"{path.name} holds what no index has: {', '.join(wrong)[:100]}",
            "do not use this file; ask for another export",
        )


def copy_rows(
    source: sqlite3.Connection, target: sqlite3.Connection, table: Table, keep: Keep, copied: Copied
) -> None:
    """Copy what can be read of a table, and is kept; rows of the wrong kind are not."""
    marks = ", ".join("?" * len(table.columns))
    names = ", ".join(f'"{column}"' for column in table.columns)
    put = f'INSERT OR IGNORE INTO "{table.name}" ({names}) VALUES ({marks})'  # noqa: S608
    before = target.total_changes
    batch: list[Row] = []
    for row in read_rows(source, table, copied):
        if not table.fits(row):
            copied.broken.add(table.name)
        elif keep(table.name, row):
            batch.append(row)
        if len(batch) >= _AT_ONCE:
            target.executemany(put, batch)
            batch.clear()
    target.executemany(put, batch)
    copied.rows[table.name] = target.total_changes - before


def read_rows(source: sqlite3.Connection, table: Table, copied: Copied) -> Iterator[Row]:
    """Yield every row that can be read, whatever lies broken between them."""
    scan = _scan if table.numbered else _scan_from_both_ends
    try:
        yield from scan(source, table, copied)
    except sqlite3.DatabaseError:
        copied.broken.add(table.name)


def _scan(source: sqlite3.Connection, table: Table, copied: Copied) -> Iterator[Row]:
    sql = f"{table.select('rowid')} WHERE rowid > ? ORDER BY rowid"
    last, ended = 0, False
    while not ended:
        try:
            for number, row in _growing(source.execute(sql, (last,)), last):
                last = number
                yield row
            return
        except sqlite3.DatabaseError:
            copied.broken.add(table.name)
        found, ended = _find_readable(source, table.name, last)
        # A number in a damaged page can be anything; a wider gap than this holds no rows of ours.
        yield from _between(source, table, last + 1, min(found - 1, last + _WIDEST))
        last = found - 1


def _find_readable(source: sqlite3.Connection, name: str, last: int) -> tuple[int, bool]:
    """Return a number above `last` from which rows can be read, and whether none are left."""
    sql = f'SELECT rowid FROM "{name}" WHERE rowid >= ? ORDER BY rowid LIMIT 1'  # noqa: S608
    for power in range(_FARTHEST):
        start = last + 1 + (1 << power)
        with contextlib.suppress(sqlite3.DatabaseError):
            found = next(_growing(source.execute(sql, (start,)), start - 1), None)
            return (found[0], False) if found else (start, True)
    return last + 1, True


def _between(source: sqlite3.Connection, table: Table, low: int, high: int) -> Iterator[Row]:
    """Yield what can be read in a range, by halving it."""
    if low > high:
        return
    sql = f"{table.select('rowid')} WHERE rowid BETWEEN ? AND ? ORDER BY rowid"
    try:
        rows = list(_growing(source.execute(sql, (low, high)), low - 1))
    except sqlite3.DatabaseError:
        if low == high:
            return
        middle = (low + high) // 2
        yield from _between(source, table, low, middle)
        yield from _between(source, table, middle + 1, high)
    else:
        yield from (row for _, row in rows)


def _growing(rows: sqlite3.Cursor, last: int) -> Iterator[tuple[int, Row]]:
    """Yield number and rest as long as numbers grow; a damaged tree can lead back, for ever."""
    for number, *rest in rows:
        if number <= last:
            raise sqlite3.DatabaseError("row numbers lead back")
        last = number
        yield number, tuple(rest)


def _scan_from_both_ends(source: sqlite3.Connection, table: Table, copied: Copied) -> Iterator[Row]:
    key = f'"{table.columns[0]}"'
    for order in ("ASC", "DESC"):
        try:
            yield from source.execute(f"{table.select()} ORDER BY {key} {order}")
            return
        except sqlite3.DatabaseError:
            copied.broken.add(table.name)
