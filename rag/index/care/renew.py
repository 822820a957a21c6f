"""A catalogue made beside another: fitted to its folder, then put in the other's place."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from ingest.base.documents import chunk_id
from rag.index.base.errors import IndexDamaged, IndexFault, IndexMissing
from rag.index.base.failpoint import reach
from rag.index.store.catalogue import FILE_NAME, UNREAD, Catalogue
from rag.index.store.database import Row, translated
from rag.index.store.records import storable
from rag.index.store.schema import TELL_ALL
from rag.index.store.upgrade import safety_copies

FINISHED = f"{FILE_NAME}.repaired-"
"""What a repaired catalogue is called, with the date, until it has taken its place."""

_NUMBERS = ("chroma_documents", "ingested_ns")
_MOST_DIGITS = 19
# In this order: a `-shm` without its log would say that the log was lost.
_LOGS = ("-shm", "-wal")


def is_worth_keeping(table: str, row: Row) -> bool:
    """Say whether a row means something in another folder: what is said of Chroma does not."""
    if table != "meta":
        return table != "outbox"
    key, value = str(row[0]), str(row[1])
    if key in _NUMBERS:
        return value.isascii() and value.isdigit() and len(value) <= _MOST_DIGITS
    return key == "manifest" or key.startswith(UNREAD)


def forget_chroma(target: sqlite3.Connection) -> None:
    """Let Chroma be told everything, as it holds nothing of a catalogue that is new here."""
    target.execute(TELL_ALL)


def map_roots(target: sqlite3.Connection, places: Mapping[str, str]) -> None:
    """Give folders, or all that lie in one, other paths; the ids of their chunks follow.

    Raises IndexFault when a folder is not known, or its new place is taken.
    """
    for old, new in places.items():
        roots = [str(root) for (root,) in target.execute("SELECT root FROM roots ORDER BY root")]
        moved = {root: place for root in roots if (place := _moved(root, old, new))}
        if not moved:
            raise IndexFault(
                f"no folder of the index is '{old}', or lies in it",
                f"it has: {', '.join(roots) or 'none'}",
            )
        for root, place in moved.items():
            if place in roots and place != root:
                raise IndexFault(f"'{place}' is a folder of the index already", "name another")
            _move_root(target, root, place)


def _moved(root: str, old: str, new: str) -> str:
    """Return the new path of a root that is `old` or lies in it, "" of any other."""
    old = storable(old.rstrip("/\\")) or old
    rest = root.removeprefix(old)
    if root != old and not (root.startswith(old) and rest[:1] in ("/", "\\")):
        return ""
    parts = [part for part in rest.replace("\\", "/").split("/") if part]
    return storable(os.path.realpath(Path(new).expanduser().joinpath(*parts)))


def _move_root(target: sqlite3.Connection, root: str, place: str) -> None:
    target.execute("UPDATE roots SET root = ? WHERE root = ?", (place, root))
    target.execute("UPDATE documents SET root = ? WHERE root = ?", (place, root))
    target.execute("UPDATE chunks SET root = ? WHERE root = ?", (place, root))
    target.execute("UPDATE meta SET key = ? WHERE key = ?", (f"{UNREAD}{place}", f"{UNREAD}{root}"))
    rows = target.execute(
        "SELECT c.number, c.document_id, c.ordinal, t.text, d.recipe FROM chunks c"
        " JOIN texts t ON t.number = c.text_number"
        " JOIN documents d ON d.root = c.root AND d.id = c.document_id WHERE c.root = ?",
        (place,),
    )
    target.executemany(
        "UPDATE chunks SET id = ? WHERE number = ?",
        [
            (chunk_id(place, name, ordinal, text, recipe), number)
            for number, name, ordinal, text, recipe in rows.fetchall()
        ],
    )


# ---- taking the other's place


def put_in_place(new: Path, folder: Path) -> None:
    """Make a finished catalogue that of a folder: in one transaction if the one there is read."""
    try:
        Catalogue(folder, writable=True).close()
    except (IndexMissing, IndexDamaged):
        take_place(new, folder)
    else:
        overwrite(new, folder)


def overwrite(new: Path, folder: Path) -> None:
    """Make the catalogue in use the same as another, in one transaction: readers see old or new.

    Numbers that the old one gave are not given again, as readers know vectors by them.
    """
    path = folder / FILE_NAME
    with (
        translated(path),
        contextlib.closing(sqlite3.connect(new)) as source,
        contextlib.closing(sqlite3.connect(path, timeout=30.0)) as target,
    ):
        target.execute("PRAGMA synchronous = FULL")
        given = target.execute("SELECT seq FROM sqlite_sequence WHERE name = 'vectors'").fetchone()
        _raise_numbers(source, int(given[0]) if given else 0)
        reach("overwrite:before-commit")
        source.backup(target)
        reach("overwrite:after-commit")


def _raise_numbers(source: sqlite3.Connection, given: int) -> None:
    highest = source.execute("SELECT max(number) FROM vectors").fetchone()[0]
    by = max(given, highest or 0)
    if given:
        source.execute("UPDATE vectors SET number = number + ?", (by,))
        source.execute("UPDATE chunks SET vector_number = vector_number + ?", (by,))
        source.commit()


def take_place(new: Path, folder: Path) -> Path | None:
    """Give a finished catalogue its name, and keep a damaged one with its log beside it.

    Returns what that is called then, None when there was none.  What was begun is ended by
    `finish` when the machine stops in between.
    """
    with translated(folder / FILE_NAME):
        settle(new)
        finished = folder / f"{FINISHED}{time.strftime('%Y%m%d-%H%M%S')}"
        new.replace(finished)
        reach("take-place:finished")
    return finish(folder)


def finish(folder: Path) -> Path | None:
    """End what `take_place` began; return where the damaged catalogue is kept, if there was one.

    Its log goes first: beside the new catalogue it would be taken for the log of that.
    """
    kept = None
    for finished in sorted(folder.glob(f"{FINISHED}*")):
        path = folder / FILE_NAME
        with translated(path):
            if path.exists():
                date = finished.name.removeprefix(FINISHED)
                kept = path.with_name(f"{FILE_NAME}.damaged-{date}")
                _keep(path, kept)
            for log in _LOGS:
                path.with_name(path.name + log).unlink(missing_ok=True)
            reach("take-place:before-rename")
            finished.replace(path)
    return kept


def _keep(path: Path, kept: Path) -> None:
    """Give the damaged catalogue a second name, so that there is one under the first always."""
    log = path.with_name(f"{path.name}-wal")
    if log.exists() and log.stat().st_size:
        shutil.copyfile(log, kept.with_name(f"{kept.name}-wal"))
    kept.unlink(missing_ok=True)
    try:
        os.link(path, kept)
    except OSError:  # a file system without links
        shutil.copyfile(path, kept)


def cut_log(folder: Path) -> None:
    """Bring what the log holds into the catalogue and give its room back, as far as possible."""
    path = folder / FILE_NAME
    with (
        contextlib.suppress(sqlite3.Error),
        contextlib.closing(sqlite3.connect(path, timeout=30.0)) as connection,
    ):
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def shrink(folder: Path) -> None:
    """Give the free pages of a catalogue, and those of its log, back to the disk."""
    path = folder / FILE_NAME
    with translated(path), contextlib.closing(sqlite3.connect(path, timeout=30.0)) as connection:
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def settle(path: Path) -> None:
    """Bring all of a catalogue that nobody has open into its file, and that onto the disk."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    _remove(path, _LOGS)
    with path.open("rb+") as stream:
        os.fsync(stream.fileno())


def _remove(path: Path, suffixes: Sequence[str]) -> None:
    for suffix in suffixes:
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def leftovers(folder: Path, current: Path) -> list[Path]:
    """Return what runs that were ended left in the folder of an index; the rest is in use.

    `current` is the folder of the Chroma in use; with it a catalogue of an older format
    has done its duty.  What was damaged is kept for its owner.
    """
    patterns = (f"{FILE_NAME}.new*", "import-*", "index-*")
    found = {path for pattern in patterns for path in folder.glob(pattern)}
    if current.is_dir():
        found.update(path for path in safety_copies(folder / FILE_NAME) if path.exists())
    return sorted(found - {current})


def remove_all(paths: Sequence[Path]) -> None:
    """Delete files and folders, as far as possible."""
    for path in paths:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                path.unlink()
