"""An SQLite file that is never overwritten: opened, checked, written in named transactions."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from typing import TypeAlias

from rag.index.base.errors import DiskFull, IndexDamaged, IndexFault, IndexLocked, IndexMismatch
from rag.index.base.failpoint import reach

Value: TypeAlias = "str | int | float | bytes | None"
Row: TypeAlias = "tuple[Value, ...]"

_BUSY_SECONDS = 30.0
_BESIDE_BYTES = 100_000  # The `-shm` file takes 32 KiB, and a log begins with some pages.
_DISK_HINT = "free some space and run the same command again; nothing that was stored is lost"
DAMAGE_HINT = (
    "rag repair saves what can be read, rag import FILE brings back an export;"
    " nothing was overwritten"
)


class Database:
    """One connection for all threads, one statement or transaction at a time.

    Reads between `snapshot()` and its end see one moment, whatever other processes write.
    """

    def __init__(self, path: Path, version: int, *, writable: bool) -> None:
        self.path = path
        self._lock = RLock()
        with translated(path):
            self._connection = connect(path, "rw" if writable else "ro")
        try:
            self._check_version(version)
            self._refuse_cut()
        except BaseException:
            self.close()
            raise

    def rows(self, sql: str, values: Sequence[Value] = ()) -> list[Row]:
        """Run one statement and return all its rows."""
        with self._lock, translated(self.path):
            return self._connection.execute(sql, values).fetchall()

    def pages(self, sql: str, values: Sequence[Value], size: int) -> Iterator[list[Row]]:
        """Run one statement and yield its rows, `size` at a time, to be read without delay."""
        with self._lock, translated(self.path):
            cursor = self._connection.execute(sql, values)
            while rows := cursor.fetchmany(size):
                yield rows

    def run_many(self, sql: str, rows: Iterable[Sequence[Value]]) -> None:
        """Run one statement for each row of values."""
        with self._lock, translated(self.path):
            self._connection.executemany(sql, rows)

    @contextlib.contextmanager
    def transaction(self, name: str) -> Iterator[None]:
        """Do all or nothing: on disk when it returns, rolled back when anything is raised.

        `<name>:before-commit` and `<name>:after-commit` are failpoints.
        """
        with self._lock:
            self._run("BEGIN IMMEDIATE")
            try:
                yield
                reach(f"{name}:before-commit")
                self._run("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.rollback()
                raise
            reach(f"{name}:after-commit")

    def rebuild(self, name: str, work: Callable[[sqlite3.Connection], None]) -> None:
        """Let `work` write to the connection, in one transaction."""
        with self.transaction(name), translated(self.path):
            work(self._connection)

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[None]:
        """Let every read inside see the same moment; may be nested."""
        with self._lock:
            if outermost := not self._connection.in_transaction:
                self._run("BEGIN")
            try:
                yield
            finally:
                if outermost:
                    self._connection.rollback()

    def state(self) -> tuple[int, int]:
        """Return a pair that differs after every change, by this connection or another."""
        version = self.rows("PRAGMA data_version")[0][0]
        assert isinstance(version, int)
        return version, self._connection.total_changes

    def close(self) -> None:
        """Close the connection; closing twice is allowed."""
        with self._lock, translated(self.path):
            self._connection.close()

    def _run(self, sql: str) -> None:
        with translated(self.path):
            self._connection.execute(sql)

    def _check_version(self, version: int) -> None:
        (found,) = self.rows("PRAGMA user_version")[0]
        tables = self.rows("SELECT count(*) FROM sqlite_master WHERE name = 'meta'")[0][0]
        if isinstance(found, int) and found > version:
            raise IndexMismatch(
                f"the index has format {found}, this program reads up to {version}",
                "update the program, or make another: rag ingest --index OTHER FOLDER",
            )
        if isinstance(found, int) and 0 < found < version and tables:
            raise IndexMismatch(
                f"the index has format {found}, this program reads {version}",
                "bring it up to date: rag repair; nothing is embedded again",
            )
        if found != version or not tables:
            raise IndexDamaged(f"{self.path} is not a catalogue of this program", DAMAGE_HINT)

    def _refuse_cut(self) -> None:
        """Raise IndexDamaged when the last page is cut: SQLite takes it to end in zeros.

        The file is never opened beside SQLite: to close it would free the locks of this process.
        """
        (pages,), (size,) = *self.rows("PRAGMA page_count"), *self.rows("PRAGMA page_size")
        if find_log(self.path).left:
            return  # what is not in the file may be in there
        expected, there = int(str(pages)) * int(str(size)), self.path.stat().st_size
        if there < expected:
            raise IndexDamaged(
                f"{self.path} is cut off: {there} of {expected} bytes are left", DAMAGE_HINT
            )


def create(path: Path, schema: str, version: int) -> None:
    """Make a new file with the tables of `schema`; it gets its name when it is complete."""
    unfinished = path.with_name(f"{path.name}.new")
    with translated(path):
        unfinished.unlink(missing_ok=True)
        with contextlib.closing(connect(unfinished, "rwc")) as connection:
            connection.executescript(f"{schema}; PRAGMA user_version = {version}")
            connection.execute("PRAGMA journal_mode = WAL")
        unfinished.replace(path)


def log_of(path: Path) -> Path:
    """Return where SQLite keeps what was stored and is not yet in the file itself."""
    return path.with_name(f"{path.name}-wal")


@dataclass(frozen=True, slots=True)
class Log:
    """Whether a file was `left` with a log, by a crash or as it is open elsewhere, or `lost` it.

    A log is lost when it was deleted by hand, and with it what was stored last.
    """

    left: bool
    lost: bool


def find_log(path: Path) -> Log:
    """Look for the log of a file that this process has not opened yet.

    SQLite makes the log before the `-shm` file beside it, and deletes it after that.
    """
    beside = path.with_name(f"{path.name}-shm")
    before, log = beside.exists(), log_of(path)
    try:
        return Log(log.stat().st_size > 0, False)
    except FileNotFoundError:
        return Log(False, before and beside.exists())


def connect(path: Path, mode: str) -> sqlite3.Connection:
    """Open a file, `mode` being "ro", "rw" or "rwc", and read from it; raises sqlite3.Error."""
    uri = f"{path.resolve().as_uri()}?mode={mode}"
    try:
        return _configure(uri)
    except sqlite3.OperationalError:
        # On a read-only file system a log cannot be made; without one the file is complete.
        if mode != "ro" or log_of(path).exists() or os.access(path.parent, os.W_OK):
            raise
        return _configure(f"{uri}&immutable=1")


def _configure(uri: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        uri, uri=True, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    try:
        # NORMAL would lose the last documents at a power cut; FULL syncs the log once a commit,
        # which is most of the time a small document takes.  Other sizes of log gained nothing.
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        # Of 350 MB, a question reads some hundred pages here and there; SQLite keeps 2 MB.
        connection.execute("PRAGMA cache_size = -32000")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error:
        connection.close()
        raise
    return connection


@contextlib.contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn what sqlite and the operating system raise into our errors with a remedy."""
    try:
        yield
    except sqlite3.Error as error:
        raise _translate(error, path) from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)):
            raise DiskFull(f"no room left to write {path}", _DISK_HINT) from error
        raise IndexFault(
            f"{path} cannot be written: {error.strerror or error}", "check the folder's permissions"
        ) from error


def _is_full(path: Path) -> bool:
    """Say whether what SQLite makes beside a file, even to read it, has no room."""
    with contextlib.suppress(OSError):
        folder = path.parent
        return os.access(folder, os.W_OK) and shutil.disk_usage(folder).free < _BESIDE_BYTES
    return False


def _translate(error: sqlite3.Error, path: Path) -> IndexFault:
    code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return DiskFull(f"no room left to write {path}", _DISK_HINT)
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return IndexDamaged(f"{path} is damaged: {error}", DAMAGE_HINT)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return IndexLocked(f"another program holds {path}", "close it and run the command again")
    if code in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN) and _is_full(path):
        return DiskFull(f"no room left for what reading {path} needs too", _DISK_HINT)
    if code == sqlite3.SQLITE_ERROR:  # Our statements are right: tables or columns are not.
        return IndexDamaged(f"{path} is not built as it should be: {error}", DAMAGE_HINT)
    return IndexFault(f"{path}: {error}", "check the disk and the folder's permissions")
