"""Passages in, the documents they came from with the hashes of their bytes out."""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from rag.history.kept import Seen
from rag.index.store.database import connect
from rag.index.store.facts import FILE_NAME
from rag.index.store.records import storable

_FINGERPRINT = (
    "SELECT fingerprint, size_bytes, mtime_ns FROM documents"
    " WHERE root = ? AND id = ? AND status = 'ok'"
)


def see_documents(
    folder: Path, documents: Iterable[tuple[str, str]], *, on_disk: bool = False
) -> tuple[Seen, ...]:
    """Return each (root, id) once as it is in the index of a folder now, in their order.

    With `on_disk` it is also told what became of the files since.
    """
    wanted = tuple(dict.fromkeys(documents))
    try:
        with contextlib.closing(connect(folder.expanduser() / FILE_NAME, "ro")) as catalogue:
            return tuple(_see(catalogue, *one, on_disk=on_disk) for one in wanted)
    except sqlite3.Error:
        return ()  # an index that cannot be read is told of by whoever searches it


def _see(catalogue: sqlite3.Connection, root: str, name: str, *, on_disk: bool) -> Seen:
    row = catalogue.execute(_FINGERPRINT, (storable(root), storable(name))).fetchone()
    seen = Seen(root, name, str(row[0]) if row else "")
    if not row or not on_disk:
        return seen
    return replace(seen, waits=_look(Path(root), name, *row))


def _look(root: Path, name: str, fingerprint: str, size: int, mtime_ns: int) -> str:
    """Return what became of a file; one that was only touched is read to see that."""
    try:
        status = (root / name).stat()
        if (status.st_size, status.st_mtime_ns) == (size, mtime_ns):
            return ""
        if status.st_size == size:
            with (root / name).open("rb") as stream:
                if hashlib.file_digest(stream, "sha256").hexdigest() == fingerprint:
                    return ""
    except FileNotFoundError:
        return "was deleted since it was indexed" if root.is_dir() else ""
    except (OSError, ValueError):
        return ""  # a drive that is away says nothing about the file
    return "was changed since it was indexed"
