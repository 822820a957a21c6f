"""Which documents to search, as conditions of SQL."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from ingest.base.errors import PipelineError

if TYPE_CHECKING:
    from rag.index.store.database import Value


@dataclass(frozen=True, slots=True)
class Selection:
    """Which documents to search: all conditions that are given must hold.

    Several values of one condition mean any of them.  `path_globs` are matched against the
    document id (`*` crosses folders, case counts); `suffixes` are like ".pdf", in any case;
    `roots` are folders that were ingested, `collections` names under which such were put.
    `modified_after` and `modified_before` are days or moments of ISO 8601, local where no zone is
    named: files changed at the first or later, and before the second.  Documents with one of the
    `except_ids` are held out.
    """

    path_globs: tuple[str, ...] = ()
    media_types: tuple[str, ...] = ()
    suffixes: tuple[str, ...] = ()
    roots: tuple[str, ...] = ()
    collections: tuple[str, ...] = ()
    modified_after: str = ""
    modified_before: str = ""
    except_ids: tuple[str, ...] = ()


def where_selected(selection: Selection) -> tuple[str, list[Value]]:
    """Return a condition on `documents d` and the values it needs.

    Raises PipelineError when a date is none.
    """
    parts: list[str] = ["1"]
    values: list[Value] = []
    if selection.path_globs:
        parts.append(f"({' OR '.join(['d.id GLOB ?'] * len(selection.path_globs))})")
        values.extend(map(storable, selection.path_globs))
    for column, allowed in (("d.media_type", selection.media_types), ("d.root", selection.roots)):
        if allowed:
            parts.append(f"{column} IN ({','.join('?' * len(allowed))})")
            values.extend(map(storable, allowed))
    if selection.except_ids:
        parts.append(f"d.id NOT IN ({','.join('?' * len(selection.except_ids))})")
        values.extend(map(storable, selection.except_ids))
    if selection.collections:
        marks = ",".join("?" * len(selection.collections))
        parts.append(f"d.root IN (SELECT root FROM roots WHERE collection IN ({marks}))")  # noqa: S608
        values.extend(map(storable, selection.collections))
    if selection.suffixes:
        parts.append(f"({' OR '.join(['substr(lower(d.id), ?) = ?'] * len(selection.suffixes))})")
        for suffix in selection.suffixes:
            values.extend((-len(suffix), suffix.lower()))
    for sign, date in ((">=", selection.modified_after), ("<", selection.modified_before)):
        if date:
            parts.append(f"d.mtime_ns {sign} ?")
            values.append(moment_ns(date))
    return " AND ".join(parts), values


def moment_ns(date: str) -> int:
    """Return a day or moment of ISO 8601 in nanoseconds since 1970; raises PipelineError."""
    try:
        nanoseconds = int(datetime.fromisoformat(date.strip()).timestamp()) * 1_000_000_000
        # A column of SQLite holds no more; such a year is a slip of the keyboard.
        nanoseconds.to_bytes(8, "big", signed=True)
        return nanoseconds
    except (ValueError, OverflowError, OSError) as error:
        raise PipelineError(f"{date!r} is no date", "write it like 2024-01-31") from error


def storable(text: str) -> str:
    """Return the text as SQLite can hold it: lone surrogates (of file names) are escaped."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
