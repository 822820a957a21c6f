"""A catalogue of an older format in, the same in today's out, in one transaction."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import zlib
from collections.abc import Iterator
from pathlib import Path

from rag.index.base.errors import IndexDamaged
from rag.index.base.failpoint import reach
from rag.index.store.database import DAMAGE_HINT, connect, translated
from rag.index.store.records import hash_text
from rag.index.store.schema import PLAIN, TELL_ALL
from rag.index.store.words import fill_words

_OLD = (1, 2)
_TABLES = ("documents", "chunks", "vectors")

# Vectors keep their keys, so that nothing is embedded again.  Chroma knew chunks by their ids
# and has to be told everything anew.
_STEPS = """
DROP INDEX chunks_by_document; DROP INDEX chunks_by_vector; DROP TABLE outbox;
ALTER TABLE documents RENAME TO documents_1; ALTER TABLE chunks RENAME TO chunks_1;
ALTER TABLE vectors RENAME TO vectors_1;
{schema};
INSERT INTO roots (root) SELECT DISTINCT root FROM documents_1;
INSERT INTO documents
    (root, id, fingerprint, recipe, size_bytes, mtime_ns, seen_ns, media_type, title, status,
    reason, message, hint, notes, pages)
SELECT root, id, fingerprint, recipe, size_bytes, mtime_ns, seen_ns, media_type, title, status,
    reason, message, hint, notes, {pages} FROM documents_1;
INSERT INTO vectors (key, vector, crc)
SELECT key, vector, crc32(vector) FROM vectors_1 ORDER BY rowid;
INSERT OR IGNORE INTO texts (hash, text) SELECT hash_text(text), text FROM chunks_1 ORDER BY rowid;
INSERT INTO chunks
    (id, root, document_id, ordinal, text_number, start, "end", tokens, page, heading, place,
    columns, vector_number)
SELECT c.id, root, document_id, ordinal, t.number, start, "end", tokens, page, heading, {place},
    {columns}, v.number
FROM chunks_1 c JOIN texts t ON t.hash = hash_text(c.text) JOIN vectors v ON v.key = c.vector_key
ORDER BY c.rowid;
UPDATE documents SET chunk_count = (
    SELECT count(*) FROM chunks c WHERE c.root = documents.root AND c.document_id = documents.id);
DROP TABLE chunks_1; DROP TABLE documents_1; DROP TABLE vectors_1;
{tell_all};
INSERT OR REPLACE INTO meta VALUES ('generation', '0'), ('seal', ''), ('tombstones', '0')"""


def safety_copies(path: Path) -> list[Path]:
    """Return where catalogues of older formats are kept until the new one was opened once more."""
    return [_safety_copy(path, version) for version in _OLD]


def _safety_copy(path: Path, version: int) -> Path:
    return path.with_name(f"{path.name}.format-{version}")


def upgrade(path: Path) -> bool:
    """Bring a catalogue of format 1 or 2 into format 3; return whether it was one.

    The caller holds the writer's lock.  The old file is copied first.  A crash or a full disk
    leaves it as it was.  Format 2 only lacks the word index.  Raises IndexDamaged, DiskFull.
    """
    with translated(path), contextlib.closing(connect(path, "rw")) as connection:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version not in _OLD:
            return False
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
        if not tables.issuperset(_TABLES):
            return False
        if ("texts" in tables) != (version == 2) or "words" in tables:
            message = f"{path} says that it is of format {version}, which it is not"
            raise IndexDamaged(message, DAMAGE_HINT)
        _copy(connection, _safety_copy(path, version))
        connection.execute("PRAGMA foreign_keys = OFF")
        with _transaction(connection):
            if version == 1:
                _rewrite(connection, path)
            fill_words(connection)
            connection.execute("PRAGMA user_version = 3")
        return True


def _copy(connection: sqlite3.Connection, path: Path) -> None:
    unfinished = path.with_name(f"{path.name}.new")
    unfinished.unlink(missing_ok=True)
    with contextlib.closing(sqlite3.connect(unfinished)) as target:
        connection.backup(target)
    with unfinished.open("rb+") as file:
        os.fsync(file.fileno())
    unfinished.replace(path)


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        reach("upgrade:before-commit")
        connection.execute("COMMIT")
    except BaseException:
        connection.rollback()
        raise
    reach("upgrade:after-commit")


def _rewrite(connection: sqlite3.Connection, path: Path) -> None:
    """Bring the tables of format 1 into those of format 2."""
    connection.create_function("hash_text", 1, hash_text, deterministic=True)
    connection.create_function("crc32", 1, zlib.crc32, deterministic=True)
    connection.create_function("pages_of", 1, _pages_of, deterministic=True)
    chunks = connection.execute("SELECT count(*) FROM chunks").fetchone()
    told = {row[1] for row in connection.execute("PRAGMA table_info(chunks)")}
    steps = _STEPS.format(
        schema="; ".join(part for part in PLAIN.split(";") if "TABLE meta " not in part),
        # Some catalogues of format 1 had labels for pages already.
        pages="pages" if "place" in told else "pages_of(page_starts)",
        place="place" if "place" in told else "iif(page IS NULL, '', 'p. ' || page)",
        columns="columns" if "columns" in told else "''",
        tell_all=TELL_ALL,
    )
    for statement in steps.split(";"):
        connection.execute(statement)
    kept = connection.execute("SELECT count(*) FROM chunks").fetchone()
    if kept != chunks or connection.execute("PRAGMA foreign_key_check").fetchone():
        raise IndexDamaged(f"{path} has chunks without a vector", DAMAGE_HINT)


def _pages_of(starts: str) -> str:
    return json.dumps(
        [[start, f"p. {n}", 1.0, []] for n, start in enumerate(json.loads(starts), 1)]
    )
