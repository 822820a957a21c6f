"""An index as one file: exported while others read and write it, imported without being trusted.

The file is a zip of `manifest.json` and `catalogue.sqlite`; Chroma is made anew where it is
imported.  Nothing of the file is adopted: rows of our own tables are copied into a catalogue of
our own making, checked, and then put in place.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from rag import __version__
from rag.index.base.errors import IndexDamaged, IndexFault
from rag.index.base.failpoint import reach
from rag.index.care.foreign import Copied, copy_rows, opened, refuse_foreign_schema, tables_of
from rag.index.care.package import BAD_FILE, EXPORT_FORMAT, KIND, Contents, look_into, pack, unpack
from rag.index.care.renew import (
    forget_chroma,
    is_worth_keeping,
    leftovers,
    map_roots,
    put_in_place,
    remove_all,
)
from rag.index.care.soundness import Inspector
from rag.index.manifest import read_manifest
from rag.index.projection.generations import folder_of
from rag.index.store.catalogue import FILE_NAME, FORMAT, Catalogue
from rag.index.store.database import create, translated
from rag.index.store.schema import DROP_VECTORS, SCHEMA
from rag.index.store.words import drop_words, fill_words
from rag.index.upkeep import locked, renew_chroma
from rag.index.verify import check_catalogue


def export_index(
    folder: Path, file: Path, *, replace: bool = False, unused_vectors: bool = True
) -> Contents:
    """Write an index to one file, as it is at one moment, whoever reads or writes meanwhile.

    The file has its name only when it is complete, and replaces another only with `replace`.
    Raises IndexMissing, IndexDamaged, DiskFull, and IndexFault when the file may not be written.
    """
    folder, file = folder.expanduser().resolve(), file.expanduser().resolve()
    Catalogue(folder, writable=False).close()
    _refuse_place(folder, file, replace=replace)
    with (
        translated(file),
        tempfile.TemporaryDirectory(prefix=".export-", dir=file.parent) as workplace,
    ):
        copy = Path(workplace) / FILE_NAME
        with blamed(folder / FILE_NAME, file):
            _back_up(folder / FILE_NAME, copy, unused_vectors=unused_vectors)
        contents = _describe(copy)
        packed = Path(workplace) / "export.zip"
        with packed.open("xb") as stream:
            pack(stream, copy, contents)
            stream.flush()
            os.fsync(stream.fileno())
        reach("export:before-rename")
        packed.replace(file)
    return contents


def _refuse_place(folder: Path, file: Path, *, replace: bool) -> None:
    if file.is_dir() or not file.parent.is_dir():
        raise IndexFault(
            f"'{file}' cannot be written: "
            + ("it is a folder" if file.is_dir() else "there is no such folder"),
            "name a file in an existing folder: rag export backup.zip",
        )
    if folder in file.parents:
        raise IndexFault(f"'{file}' lies inside the index", "name a file outside of it")
    if file.exists() and not replace:
        raise IndexFault(f"'{file}' exists", "name another file, or replace it with --force")


@contextlib.contextmanager
def blamed(source: Path, target: Path) -> Iterator[None]:
    """Tell what fails while one file is copied as of the one at fault."""
    try:
        yield
    except sqlite3.Error as error:
        code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
        writing = code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY)
        with translated(target if writing else source):
            raise


def _back_up(path: Path, copy: Path, *, unused_vectors: bool) -> None:
    """Copy the catalogue with SQLite's own backup, and take the air out of the copy."""
    with opened(path) as source, contextlib.closing(sqlite3.connect(copy)) as target:
        source.backup(target)
        target.execute("PRAGMA journal_mode = DELETE")
        target.execute("DELETE FROM outbox")
        drop_words(target)
        if not unused_vectors:
            target.execute(DROP_VECTORS)
        target.commit()
        target.execute("VACUUM")


def _describe(copy: Path) -> Contents:
    with opened(copy) as source:
        stored = source.execute("SELECT value FROM meta WHERE key = 'manifest'").fetchone()
        manifest = read_manifest(str(stored[0]) if stored else "")
        counts = _counts(source)
    return Contents(
        kind=KIND,
        format=EXPORT_FORMAT,
        program=__version__,
        catalogue_format=FORMAT,
        embedding_model=manifest.embedding_model,
        dimension=manifest.dimension,
        bytes=copy.stat().st_size,
        sha256=_digest(copy),
        **counts,
    )


def _counts(connection: sqlite3.Connection) -> dict[str, int]:
    return {
        table: int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608
        for table in ("documents", "chunks", "vectors")
    }


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


# ---- import


@dataclass(frozen=True, slots=True)
class Imported:
    """What was imported; `warning` says why there is no Chroma yet."""

    contents: Contents
    warning: str = ""


def import_index(
    file: Path, folder: Path, *, replace: bool = False, roots: Mapping[str, str] | None = None
) -> Imported:
    """Make the index of a folder from an exported file.

    `roots` gives folders of the other machine the places they have on this one.  An index that
    is there already is replaced only with `replace`, in one transaction: until then it answers.
    Raises IndexMismatch when the file was made by a newer program, IndexDamaged when it holds
    anything but a sound index, IndexLocked, IndexFault, DiskFull.
    """
    folder = folder.expanduser().resolve()
    there = (folder / FILE_NAME).exists() or any(folder.glob("index-*"))
    if there and not replace:
        raise IndexFault(
            f"there is an index in {folder}",
            "import into another folder with --index DIR, or replace this one with --force",
        )
    look_into(file)  # before anything is made for it
    made = _make_folder(folder)
    try:
        with locked(folder, "rag import"):
            contents = _import(file, folder, roots or {})
            made = False
            return Imported(contents, _build_chroma(folder))
    finally:
        if made:
            shutil.rmtree(folder, ignore_errors=True)


def _make_folder(folder: Path) -> bool:
    """Return whether the folder had to be made."""
    with translated(folder):
        there = folder.exists()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return not there


def _import(file: Path, folder: Path, roots: Mapping[str, str]) -> Contents:
    with (
        translated(folder),
        tempfile.TemporaryDirectory(prefix="import-", dir=folder) as workplace,
    ):
        foreign, own = Path(workplace) / "foreign.sqlite", Path(workplace) / FILE_NAME
        contents = unpack(file, foreign)
        create(own, SCHEMA, FORMAT)
        _copy(foreign, own, contents, roots)
        foreign.unlink()
        put_in_place(own, folder)
        return contents


def _build_chroma(folder: Path) -> str:
    catalogue = Catalogue(folder, writable=True)
    try:
        renew_chroma(catalogue)
        remove_all(leftovers(folder, folder_of(catalogue)))
    except IndexFault as error:
        return f"{error.message}; {error.hint}"
    finally:
        catalogue.close()
    return ""


def _copy(foreign: Path, own: Path, contents: Contents, roots: Mapping[str, str]) -> None:
    copied = Copied()
    with (
        _foreign_errors(),
        opened(foreign) as source,
        contextlib.closing(sqlite3.connect(own, isolation_level=None)) as target,
    ):
        tables = tables_of(target)
        refuse_foreign_schema(source, tables, foreign)
        target.execute("BEGIN")
        for table in tables:
            copy_rows(source, target, table, is_worth_keeping, copied)
        counts = _counts(target)
        if copied.broken or any(getattr(contents, name) != n for name, n in counts.items()):
            raise IndexDamaged("rows of the index in the file cannot be read", BAD_FILE)
        map_roots(target, roots)
        forget_chroma(target)
        fill_words(target)
        target.execute("COMMIT")
    _refuse_unsound(own)


@contextlib.contextmanager
def _foreign_errors() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise IndexDamaged(f"the index in the file cannot be read: {error}", BAD_FILE) from error


def _refuse_unsound(own: Path) -> None:
    inspector = Inspector(own.parent, writable=False)
    try:
        wrong = [finding for finding in check_catalogue(inspector) if finding.damage]
        read_manifest(inspector.meta("manifest"))
    except IndexDamaged as error:
        raise IndexDamaged(
            f"the index in the file is not sound: {error.message}", BAD_FILE
        ) from error
    finally:
        inspector.close()
    if wrong:
        raise IndexDamaged(
            f"the index in the file is not sound: {wrong[0].message}",
            "run rag repair where it comes from and export it again",
        )
