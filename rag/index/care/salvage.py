"""A catalogue that is damaged in, a new one with all of it that is whole out."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy

from rag.index.base.errors import IndexDamaged
from rag.index.care.foreign import Copied, copy_rows, opened, tables_of
from rag.index.care.renew import forget_chroma, is_worth_keeping
from rag.index.care.soundness import Inspector, is_sound
from rag.index.store.catalogue import FILE_NAME, FORMAT
from rag.index.store.database import create
from rag.index.store.records import vector_row
from rag.index.store.schema import PUT_VECTOR, SCHEMA
from rag.index.store.words import fill_words

_LEFT_OVER = (
    "DELETE FROM chunks WHERE NOT EXISTS (SELECT 1 FROM documents d"
    " WHERE d.root = chunks.root AND d.id = chunks.document_id)",
    "DELETE FROM texts WHERE NOT EXISTS (SELECT 1 FROM chunks WHERE text_number = texts.number)",
)
_COUNT_CHUNKS = (
    "SELECT root, document_id, count(*) FROM chunks INDEXED BY chunks_by_document"
    " GROUP BY root, document_id"
)


Describe = Callable[[str], tuple[str, int] | None]


@dataclass(frozen=True, slots=True)
class Salvaged:
    """What was saved of a damaged catalogue, and the documents that were there only in part.

    `has_manifest` is False when nothing says which model the vectors are of: then they are
    kept for texts that come back, and nothing else.
    """

    documents: int
    chunks: int
    vectors: int
    incomplete: tuple[str, ...]
    has_manifest: bool


def salvage(damaged: Path, folder: Path, describe: Describe) -> Salvaged:
    """Make a new catalogue, in a folder of its own, of what can be read of a damaged one.

    A document of which anything is missing or changed is left out, so that the next ingest
    reads it again; its vectors are kept, so that nothing is embedded twice.  `describe` returns
    identity and dimension of a manifest, or None.  Raises IndexDamaged when nothing can be read.
    """
    create(folder / FILE_NAME, SCHEMA, FORMAT)
    try:
        with (
            opened(damaged, damaged=True) as source,
            contextlib.closing(_connect(folder)) as target,
        ):
            target.execute("BEGIN")
            incomplete = _copy_all(source, target)
            target.execute("COMMIT")
    except sqlite3.DatabaseError as error:
        raise IndexDamaged(
            f"nothing of {damaged} can be read: {error}",
            "restore it with rag import, or ingest the folders again",
        ) from error
    return _leave_out_unsound(folder, incomplete, describe)


def keep_vectors(folder: Path, keys: Sequence[str], vectors: Iterable[Sequence[float]]) -> None:
    """Store those vectors that are sound in a catalogue that nobody else has open."""
    rows = [numpy.asarray(vector, dtype="<f4").tobytes() for vector in vectors]
    kept = [vector_row(key, row) for key, row in zip(keys, rows, strict=True) if is_sound(row, 0)]
    with contextlib.closing(_connect(folder)) as target:
        target.execute("BEGIN")
        target.executemany(PUT_VECTOR, kept)
        target.execute("COMMIT")


def _connect(folder: Path) -> sqlite3.Connection:
    return sqlite3.connect(folder / FILE_NAME, isolation_level=None)


def _copy_all(source: sqlite3.Connection, target: sqlite3.Connection) -> set[tuple[str, str]]:
    """Copy what can be read; return the documents that may have lost chunks."""
    copied = Copied()
    found = source.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    names = {str(name) for (name,) in found}
    for table in tables_of(target):
        if table.name in names:
            copy_rows(source, target, table, is_worth_keeping, copied)
    target.execute("INSERT OR IGNORE INTO roots (root) SELECT DISTINCT root FROM documents")
    return _count_again(source, target) if "chunks" in copied.broken else set()


def _count_again(source: sqlite3.Connection, target: sqlite3.Connection) -> set[tuple[str, str]]:
    """Return the documents of which an index, stored apart, does not tell as many chunks."""
    expected: dict[tuple[str, str], int] = {}
    with contextlib.suppress(sqlite3.DatabaseError):
        for root, name, count in source.execute(_COUNT_CHUNKS):
            expected[str(root), str(name)] = count
    rows = target.execute(
        "SELECT root, id, (SELECT count(*) FROM chunks c WHERE c.root = d.root"
        " AND c.document_id = d.id) FROM documents d WHERE status = 'ok'"
    )
    return {(root, name) for root, name, count in rows if expected.get((root, name)) != count}


def _leave_out_unsound(
    folder: Path, incomplete: set[tuple[str, str]], describe: Describe
) -> Salvaged:
    """Look at every row that was saved, and drop what is not sound, with its documents."""
    inspector = Inspector(folder, writable=False)
    try:
        described = describe(inspector.meta("manifest"))
        bad, flawed = _examine(inspector, described)
    finally:
        inspector.close()
    dropped = sorted(incomplete | flawed)
    with contextlib.closing(_connect(folder)) as target:
        target.execute("BEGIN")
        target.executemany("DELETE FROM chunks WHERE root = ? AND document_id = ?", dropped)
        target.executemany("DELETE FROM documents WHERE root = ? AND id = ?", dropped)
        for statement in _LEFT_OVER:
            target.execute(statement)
        target.executemany("DELETE FROM vectors WHERE number = ?", [(n,) for n in bad])
        if described is None:
            target.execute("DELETE FROM meta")
        forget_chroma(target)
        fill_words(target)
        documents, chunks, vectors = (
            int(target.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608
            for table in ("documents", "chunks", "vectors")
        )
        target.execute("COMMIT")
    names = tuple(name for _, name in dropped)
    return Salvaged(documents, chunks, vectors, names, described is not None)


def _examine(
    inspector: Inspector, described: tuple[str, int] | None
) -> tuple[list[int], set[tuple[str, str]]]:
    """Return the vectors and the documents that are of no use."""
    identity, dimension = described or ("", 0)
    bad = [number for number, _ in inspector.bad_vectors(dimension)]
    if described is None:
        return bad, inspector.document_names()
    flawed = {(flaw.root, flaw.document_id) for flaw in inspector.flaws(identity, frozenset(bad))}
    return bad, flawed | set(inspector.unreadable_documents())
