"""A run as a folder: everything it needs to be gone on with, looked at and compared."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock as ThreadLock
from typing import Self

from rag.batch.results import open_private, rewrite
from rag.evaluation.base.cases import Case
from rag.evaluation.base.errors import RunUnusable
from rag.evaluation.base.rows import Manifest, Report, Row
from rag.evaluation.reading.write import write_cases
from rag.evaluation.runs.manifest import differences
from rag.evaluation.runs.report import make_report
from rag.history.records import read_record, write_record
from rag.index.base.lock import Lock

RUN, CASES, ROWS = "run.json", "cases.jsonl", "rows.jsonl"
INDEX, DOCUMENTS = "index", "documents"
"""Folders in a run: what was indexed for it alone, and documents that came with the cases."""
_LOCK = "lock"
_OURS = (RUN, CASES, ROWS, INDEX, DOCUMENTS, _LOCK)


class RunFolder:
    """`run.json`, `cases.jsonl`, `rows.jsonl`; each row is on disk when `write` returns.

    Opened again with a manifest of the same fingerprint, it holds the rows that are there; of a
    line that a crash cut only that is lost.  `manifest` is the one it was begun with.  Raises
    RunUnusable for another fingerprint, for a folder that holds something else, and while another
    process writes it.
    """

    def __init__(self, folder: Path, manifest: Manifest, cases: Sequence[Case]) -> None:
        self._lock, self._one_at_a_time = _take(folder), ThreadLock()
        try:
            is_there = (folder / RUN).exists()
            self.manifest = _read_same(folder, manifest) if is_there else manifest
            self._rows = _open_rows(folder / ROWS)
            write_cases(folder / CASES, cases)
            if not is_there:
                rewrite(folder / RUN, [_line(manifest)])  # last: with it the folder is a run
            self._file = open_private(folder / ROWS, "ab")
        except BaseException:
            self._lock.release()
            raise

    def rows(self) -> dict[str, Row]:
        """Return the rows that are there by the id of their case; failures are not."""
        return dict(self._rows)

    def write(self, row: Row) -> None:
        """Add a row and return when it is on disk; from any thread."""
        line = _line(row) + b"\n"
        with self._one_at_a_time:
            self._file.write(line)
            self._file.flush()
            os.fsync(self._file.fileno())
            self._rows[row.case.id] = row

    def close(self) -> None:
        """Let another process write."""
        with self._one_at_a_time:
            self._file.close()
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


@dataclass(frozen=True, slots=True)
class _Stored:
    manifest: Manifest
    ids: tuple[str, ...]
    rows: dict[str, Row]


def read_run(folder: str | Path) -> Report:
    """Return a run, also an unfinished one; its figures are computed from its rows.

    Raises RunUnusable where the folder is none.
    """
    stored = _read(Path(folder))
    rows = [stored.rows[id] for id in stored.ids if id in stored.rows]
    return make_report(stored.manifest, rows, len(stored.ids), str(folder))


def count_done(folder: Path) -> int:
    """Return how many cases of a run need not be asked again, 0 where there is none."""
    if not (folder / RUN).exists():
        return 0
    return sum(row.failure is None for row in _read_rows(folder / ROWS))


def check_folder(folder: Path) -> None:
    """Raise RunUnusable where a run cannot be begun or gone on with, before anything is done."""
    _take(folder).release()


def set_aside(folder: Path) -> Path | None:
    """Give a run another name, so that it can be made anew; return that, None without a run.

    What was indexed for it stays.  Raises RunUnusable while it is written.
    """
    if not (folder / RUN).exists():
        return None
    lock = _take(folder)
    try:
        aside = folder.with_name(f"{folder.name}-{time.strftime('%Y%m%dT%H%M%S')}")
        aside.mkdir(mode=0o700)
        for entry in folder.iterdir():
            if not entry.name.startswith((INDEX, DOCUMENTS, _LOCK)):
                entry.rename(aside / entry.name)
    finally:
        lock.release()
    return aside


def _read(folder: Path) -> _Stored:
    manifest = _read_manifest(folder)
    try:
        lines = (folder / CASES).read_bytes().splitlines()
        ids = tuple(str(json.loads(line)["id"]) for line in lines)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunUnusable(f"{folder / CASES} cannot be read: {error}", _ANEW) from error
    rows = _read_rows(folder / ROWS)
    return _Stored(manifest, ids, {row.case.id: row for row in rows})


_ANEW = "measure anew into another folder: rag evaluate ... --run DIR"


def _read_manifest(folder: Path) -> Manifest:
    try:
        text = (folder / RUN).read_text(encoding="utf-8")
        return read_record(Manifest, text)
    except FileNotFoundError:
        problem = f"{folder} holds no run" if folder.exists() else f"there is no folder {folder}"
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        problem = f"{folder / RUN} cannot be read: {error}"
    raise RunUnusable(problem, "name the folder of a run, as rag evaluate told it")


def _read_same(folder: Path, manifest: Manifest) -> Manifest:
    """Return the manifest of a run; raises RunUnusable, naming what differs from the one given."""
    there = _read_manifest(folder)
    if there.fingerprint == manifest.fingerprint:
        return there
    told = "; ".join(differences(there, manifest)) or "another version of the program"
    raise RunUnusable(
        f"the run in {folder} was made with something else: {told}",
        "name another folder with --run, or measure anew with --again, which keeps the old run",
    )


def _take(folder: Path) -> Lock:
    """Return the lock of a folder, which is made where it is not there."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        others = sorted(one.name for one in folder.iterdir() if not _is_ours(one.name))
    except OSError as error:
        raise RunUnusable(f"{folder} cannot be a run: {error.strerror}", _ANEW) from error
    if others and not (folder / RUN).exists():
        raise RunUnusable(f"{folder} is no run, it holds '{others[0]}'", _ANEW)
    lock = Lock(folder, _LOCK)
    if not lock.try_acquire("rag evaluate"):
        raise RunUnusable(
            f"another process writes {folder}: {lock.holder()}", "wait for it, or end that process"
        )
    return lock


def _is_ours(name: str) -> bool:
    return name.startswith(_OURS) or name.endswith(".new")  # what a crash left of writing


def _open_rows(path: Path) -> dict[str, Row]:
    """Return the rows of a file and leave only these in it."""
    rows = [row for row in _read_rows(path) if row.failure is None]
    if path.exists():
        rewrite(path, [_line(row) for row in rows])
    return {row.case.id: row for row in rows}


def _read_rows(path: Path) -> list[Row]:
    """Return the rows of a file; what follows its last line's end was cut by a crash."""
    try:
        *lines, _torn = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    rows = []
    for number, line in enumerate(lines, start=1):
        try:
            rows.append(read_record(Row, line.decode("utf-8")))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise RunUnusable(f"{path}, line {number} is no row: {error}", _ANEW) from error
    return rows


def _line(record: object) -> bytes:
    return write_record(record).encode("utf-8")
