"""Answers and conversations in, the same out later: one SQLite file in the folder of the index."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from threading import RLock
from typing import Any, TypeVar

from rag.history.errors import HistoryFault, NothingKept
from rag.history.kept import Kept
from rag.history.records import read_record, write_record
from rag.index.base.selection import Selection
from rag.index.store.database import connect

FILE_NAME = "answers.sqlite"
FORMAT = 1
_SCHEMA = """
CREATE TABLE answers (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, asked_at TEXT NOT NULL,
    question TEXT NOT NULL, abstained INTEGER NOT NULL, record TEXT NOT NULL);
CREATE TABLE conversations (
    name TEXT PRIMARY KEY, changed INTEGER NOT NULL, selection TEXT NOT NULL);
CREATE TABLE turns (
    number INTEGER PRIMARY KEY,
    conversation TEXT NOT NULL REFERENCES conversations (name) ON DELETE CASCADE,
    answer TEXT NOT NULL REFERENCES answers (id) ON DELETE CASCADE);
CREATE INDEX turns_of ON turns (conversation, number);
"""
_LISTED = """
SELECT c.name, count(t.number), max(a.asked_at), coalesce((SELECT b.question FROM turns u
    JOIN answers b ON b.id = u.answer WHERE u.conversation = c.name ORDER BY u.number LIMIT 1), '')
FROM conversations c LEFT JOIN turns t ON t.conversation = c.name
LEFT JOIN answers a ON a.id = t.answer GROUP BY c.name ORDER BY c.changed DESC
"""
_ID_DIGITS = 8
_DAMAGED = "move it away: answers are then kept anew, and the index needs it for nothing"

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class AnswerLine:
    """A kept answer as a list shows it; `asked_at` is UTC in ISO 8601."""

    id: str
    asked_at: str
    question: str
    abstained: bool


@dataclass(frozen=True, slots=True)
class ConversationLine:
    """A conversation as a list shows it: `question` is its first, `asked_at` is of its last."""

    name: str
    turns: int
    asked_at: str
    question: str


class History:
    """What is kept beside an index; safe for several threads and several processes.

    The file is made when the first answer is kept, for its owner alone.  Every method is one
    transaction, on disk when it returns, and raises HistoryFault.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder.expanduser() / FILE_NAME
        self._lock = RLock()
        self._connection: sqlite3.Connection | None = None

    # ---- answers

    def keep(self, kept: Kept) -> Kept:
        """Keep an answer and return it with its id."""
        text = write_record(kept)
        digest = sha256(text.encode("utf-8")).hexdigest()
        with self._transaction(create=True) as run:
            for length in range(_ID_DIGITS, len(digest)):
                name = digest[:length]
                if not run.execute("SELECT 1 FROM answers WHERE id = ?", (name,)).fetchone():
                    break
            named = replace(kept, answer=replace(kept.answer, id=name))
            row = (name, kept.asked_at, kept.request.question, kept.answer.abstained)
            sql = "INSERT INTO answers (id, asked_at, question, abstained, record)"
            run.execute(
                f"{sql} VALUES (?, ?, ?, ?, ?)", (*map(_storable, row), write_record(named))
            )
        return named

    def find(self, id: str = "") -> Kept:
        """Return the answer whose id begins so, without one the last; raises NothingKept."""
        if not id:
            rows = self._rows("SELECT record FROM answers ORDER BY number DESC LIMIT 1")
            if not rows:
                raise NothingKept("no answer is kept here", "ask first: rag ask QUESTION")
            return self._read(Kept, rows[0][0])
        sql = "SELECT record FROM answers WHERE id >= ? AND id < ?"
        rows = self._rows(sql, (id.lower(), f"{id.lower()}g"))
        if len(rows) != 1:
            raise NothingKept(
                f"{len(rows) or 'no'} answers are kept whose id begins with {id}",
                "rag replay --list shows them",
            )
        return self._read(Kept, rows[0][0])

    def answers(self, most: int = 20) -> list[AnswerLine]:
        """Return the answers kept last, the newest first; -1 means all."""
        sql = "SELECT id, asked_at, question, abstained FROM answers ORDER BY number DESC LIMIT ?"
        return [
            AnswerLine(name, asked_at, question, bool(abstained))
            for name, asked_at, question, abstained in self._rows(sql, (most,))
        ]

    def forget_answer(self, id: str) -> str:
        """Forget an answer, also in its conversation; return its whole id; raises NothingKept."""
        name = self.find(id).id
        with self._transaction() as run:
            run.execute("DELETE FROM answers WHERE id = ?", (name,))
        self._erase()
        return name

    # ---- conversations

    def start(self, name: str, selection: Selection | None) -> str:
        """Begin a conversation and return its name, without one that of the day."""
        with self._transaction(create=True) as run:
            name = name or _free_name(run)
            if run.execute("SELECT 1 FROM conversations WHERE name = ?", (name,)).fetchone():
                return name
            row = (name, _next(run), write_record(selection or Selection()))
            run.execute("INSERT INTO conversations VALUES (?, ?, ?)", row)
        return name

    def add_turn(self, name: str, answer_id: str) -> None:
        """Add a kept answer to a conversation."""
        with self._transaction(create=True) as run:
            sql = "INSERT INTO turns (conversation, answer) VALUES (?, ?)"
            run.execute(sql, (name, answer_id))
            run.execute("UPDATE conversations SET changed = ? WHERE name = ?", (_next(run), name))

    def limit(self, name: str, selection: Selection | None) -> None:
        """Remember what a conversation is limited to."""
        with self._transaction(create=True) as run:
            row = (write_record(selection or Selection()), name)
            run.execute("UPDATE conversations SET selection = ? WHERE name = ?", row)

    def turns(self, name: str) -> list[Kept]:
        """Return the answers of a conversation, the first first, [] when there is none."""
        sql = (
            "SELECT a.record FROM turns t JOIN answers a ON a.id = t.answer"
            " WHERE t.conversation = ? ORDER BY t.number"
        )
        return [self._read(Kept, row[0]) for row in self._rows(sql, (name,))]

    def selection(self, name: str) -> Selection | None:
        """Return what a conversation is limited to, None for all documents."""
        rows = self._rows("SELECT selection FROM conversations WHERE name = ?", (name,))
        found = self._read(Selection, rows[0][0]) if rows else Selection()
        return None if found == Selection() else found

    def conversations(self) -> list[ConversationLine]:
        """Return all conversations, that which went on last first."""
        return [
            ConversationLine(name, turns, asked_at or "", question)
            for name, turns, asked_at, question in self._rows(_LISTED)
        ]

    def forget(self, name: str) -> int:
        """Forget a conversation with its answers; return how many; raises NothingKept."""
        if name not in {line.name for line in self.conversations()}:
            raise NothingKept(f"there is no conversation '{name}'", "rag chat --list shows them")
        of_it = "SELECT answer FROM turns WHERE conversation = ?"
        with self._transaction() as run:
            count = run.execute(f"DELETE FROM answers WHERE id IN ({of_it})", (name,)).rowcount  # noqa: S608
            run.execute("DELETE FROM conversations WHERE name = ?", (name,))
        self._erase()
        return int(count)

    def close(self) -> None:
        """Close the file; used again after that it is opened anew."""
        with self._lock, self._translated():
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    # ---- the file

    def _rows(self, sql: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        with self._lock, self._translated():
            if self._connection is None and not self.path.exists():
                return []
            return self._open().execute(sql, values).fetchall()

    @contextlib.contextmanager
    def _transaction(self, *, create: bool = False) -> Iterator[sqlite3.Connection]:
        with self._lock, self._translated():
            connection = self._open(create=create)
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    connection.rollback()

    def _open(self, *, create: bool = False) -> sqlite3.Connection:
        if self._connection is None:
            if create:
                self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))
            mode = "rw" if os.access(self.path, os.W_OK) else "ro"
            with contextlib.ExitStack() as undo:
                connection = connect(self.path, mode)
                undo.callback(connection.close)
                self._make_ready(connection, writable=mode == "rw")
                undo.pop_all()
            self._connection = connection
        return self._connection

    def _make_ready(self, connection: sqlite3.Connection, *, writable: bool) -> None:
        """Make the tables where there are none, by one process alone."""
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > FORMAT:
            raise HistoryFault(
                f"{self.path} has format {version}, this program reads {FORMAT}",
                "update the program, or move the file away",
            )
        if not writable:
            return
        connection.execute("PRAGMA secure_delete = ON")
        if version == FORMAT:
            return
        connection.execute("BEGIN IMMEDIATE")
        if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            for statement in _SCHEMA.split(";"):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {FORMAT}")
        connection.execute("COMMIT")
        # Another process may be at the same: then that one does it, or whoever opens it next.
        with contextlib.suppress(sqlite3.OperationalError):
            connection.execute("PRAGMA journal_mode = WAL")

    def _erase(self) -> None:
        """Leave nothing of what was forgotten in the file or in its log."""
        with self._lock, self._translated():
            # Deleted rows are overwritten (secure_delete); the log still has them.
            self._open().execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _read(self, kind: type[Value], text: str) -> Value:
        try:
            return read_record(kind, text)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise HistoryFault(f"{self.path} holds what is no answer: {error}", _DAMAGED) from error

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise _explain(error, self.path) from error
        except OSError as error:
            reason = error.strerror or str(error)
            raise HistoryFault(f"{self.path} cannot be written: {reason}", _ROOM) from error


_ROOM = "check room and permissions there, or switch it off: --set keep_answers=false"


def _explain(error: sqlite3.Error, path: Path) -> HistoryFault:
    code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR):
        return HistoryFault(f"{path} is damaged: {error}", _DAMAGED)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return HistoryFault(f"another program holds {path}", "close it and ask again")
    return HistoryFault(f"{path} cannot be used: {error}", _ROOM)


def _storable(value: object) -> object:
    return value if not isinstance(value, str) else value.encode("utf-8", "replace").decode("utf-8")


def _next(run: sqlite3.Connection) -> int:
    return int(run.execute("SELECT coalesce(max(changed), 0) + 1 FROM conversations").fetchone()[0])


def _free_name(run: sqlite3.Connection) -> str:
    day = f"{datetime.now(UTC).astimezone():%Y-%m-%d}"
    taken = {str(row[0]) for row in run.execute("SELECT name FROM conversations")}
    names = (day, *(f"{day}-{number}" for number in range(2, len(taken) + 3)))
    return next(name for name in names if name not in taken)
