"""The file of the catalogue, opened and checked, and the facts about the index as a whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from rag.index.base.errors import IndexDamaged, IndexMissing
from rag.index.store import schema
from rag.index.store.database import DAMAGE_HINT, Database, Row, Value, create, find_log, log_of
from rag.index.store.records import integer
from rag.index.store.upgrade import upgrade
from rag.index.store.words import PREPARED_AS, fill_words

FILE_NAME = "catalogue.sqlite"
FORMAT = 3

_PAGE = 500
"""Values in one `IN (...)`: every SQLite allows at least 999."""


class Facts:
    """The SQLite file of one index; every method is one transaction and safe from any thread.

    Who opens it writable holds the writer's lock, or is a child of whoever does: a file of an
    older format is brought up to date then (`upgraded`).
    """

    def __init__(self, folder: Path, *, writable: bool, new: bool = False) -> None:
        self.folder = folder
        path = folder / FILE_NAME
        if not path.exists():
            _refuse_to_replace_lost(folder)
            if not new:
                raise IndexMissing(f"there is no index in {folder}", "make one: rag ingest FOLDER")
            create(path, schema.SCHEMA, FORMAT)
        self._log = find_log(path)
        self.upgraded = writable and upgrade(path)
        self._database = Database(path, FORMAT, writable=writable)
        if writable:
            self._renew_old_words()

    def find_losses(self) -> list[str]:
        """Return what a crash, or a hand, took away since the file was last closed in order.

        Raises IndexDamaged when what is left cannot be used; reads the whole file after a crash.
        """
        path = self._database.path
        if self._log.left or self._log.lost:
            found = str(self._rows("PRAGMA quick_check(1)")[0][0])
            if found != "ok":
                raise IndexDamaged(f"{path} is damaged: {found}", DAMAGE_HINT)
        if not self._log.lost:
            return []
        return [
            f"{log_of(path)} was deleted: what was stored last may be missing,"
            " and is read again by: rag ingest FOLDER"
        ]

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def snapshot(self) -> AbstractContextManager[None]:
        """Let all reads inside see one moment."""
        return self._database.snapshot()

    def state(self) -> tuple[int, int]:
        """Return a pair that differs after every change, by whatever process."""
        return self._database.state()

    # ---- facts about the index as a whole

    def meta(self, key: str, default: str = "") -> str:
        """Return a fact stored under `key`."""
        rows = self._rows("SELECT value FROM meta WHERE key = ?", (key,))
        return str(rows[0][0]) if rows else default

    def number(self, key: str) -> int:
        """Return a fact that is a number, 0 when it was never set; raises IndexDamaged."""
        value = self.meta(key, "0")
        try:
            return int(value)
        except ValueError:
            raise IndexDamaged(
                f"{self.folder / FILE_NAME} has {value[:20]!r} where {key} should be a number",
                DAMAGE_HINT,
            ) from None

    def set_meta(self, facts: Mapping[str, str | int], name: str = "meta") -> None:
        """Store facts, together; `name` is that of the failpoint."""
        with self._database.transaction(name):
            self._set_meta(facts)

    def count(self, table: str) -> int:
        """Return how many rows one of `schema.TABLES` has."""
        if table not in schema.TABLES:
            raise ValueError(table)
        return integer(self._rows(f"SELECT count(*) FROM {table}")[0][0])  # noqa: S608

    def integrity(self) -> list[str]:
        """Return what SQLite itself finds wrong with the file."""
        findings = [str(row[0]) for row in self._rows("PRAGMA integrity_check")]
        return [] if findings == ["ok"] else findings

    def dangling(self) -> list[str]:
        """Return which rows name rows of other tables that are not there."""
        broken = Counter((row[0], row[2]) for row in self._rows("PRAGMA foreign_key_check"))
        return [
            f"{count} of the {table!s} point nowhere, where {parent!s} should be"
            for (table, parent), count in broken.items()
        ]

    def renew_words(self) -> None:
        """Make the word index anew from the chunks, in one transaction."""
        self._database.rebuild("words", fill_words)

    def optimize_words(self) -> None:
        """Merge the word index into one piece, which is smaller and read faster."""
        with self._database.transaction("optimize_words"):
            self._run("INSERT INTO words (words) VALUES ('optimize')")

    def _renew_old_words(self) -> None:
        """Make the word index anew where other terms were prepared than are now."""
        try:
            if self.meta("words") != PREPARED_AS:
                self.renew_words()
        except BaseException:
            self.close()
            raise

    def _set_meta(self, facts: Mapping[str, str | int]) -> None:
        rows = [(key, str(value)) for key, value in facts.items()]
        self._database.run_many("INSERT OR REPLACE INTO meta VALUES (?, ?)", rows)

    def _run(self, sql: str, *values: Value) -> None:
        self._database.rows(sql, values)

    def _rows(self, sql: str, values: Sequence[Value] = ()) -> list[Row]:
        return self._database.rows(sql, values)

    def _rows_in(
        self, sql: str, values: Sequence[Value], before: Sequence[Value] = ()
    ) -> Iterator[Row]:
        """Run a statement with `IN ({})` for all values; those of `before` stand before it."""
        for start in range(0, len(values), _PAGE):
            page = values[start : start + _PAGE]
            yield from self._rows(sql.format(",".join("?" * len(page))), (*before, *page))


def _refuse_to_replace_lost(folder: Path) -> None:
    # A log without its file would be taken for that of a new one.
    if any(folder.glob("index-*")) or log_of(folder / FILE_NAME).exists():
        raise IndexDamaged(
            f"{folder / FILE_NAME} is missing beside the files it belongs to",
            "rag repair saves the vectors that Chroma has, rag import FILE --force brings back an"
            " export; nothing was overwritten",
        )
