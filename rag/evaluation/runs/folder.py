"""A run as a folder: everything it needs to be gone on with, looked at and compared."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import count
from pathlib import Path
from threading import Lock as ThreadLock
from typing import Self

from rag.batch.results import open_private, rewrite
from rag.evaluation.base.cases import Case
from rag.evaluation.base.errors import RunUnusable
from rag.evaluation.base.rows import Manifest, Report, Row
from rag.evaluation.reading.write import write_cases
from rag.evaluation.runs.manifest import differences, fingerprint_of
from rag.evaluation.runs.report import make_report
from rag.evaluation.runs.rows import (
    ASIDE,
    ROWS,
    Settled,
    count_settled,
    read_lines,
    settle_rows,
)
from rag.history.records import read_record, write_record
from rag.index.base.lock import Lock

RUN, CASES = "run.json", "cases.jsonl"
INDEX, DOCUMENTS = "index", "documents"
"""Folders in a run: what was indexed for it alone, and documents that came with the cases."""
_LOCK = "lock"
_IGNORE = ".ragignore"  # in it: all; else questions and answers were found as documents
_OURS = (RUN, CASES, ROWS, ASIDE, INDEX, DOCUMENTS, _LOCK, _IGNORE)


class RunFolder:
    """`run.json`, `cases.jsonl`, `rows.jsonl`; each row is on disk when `write` returns.

    Opened again with a manifest that differs in nothing but the cases, it holds the rows of those
    that are the same; see `settle_rows` for the others.  Of a line that a crash cut only that is
    lost.  `manifest` is the one it was begun with, `notes` tell what became of its lines.  Raises
    RunUnusable for a run that was made with something else, for a folder that holds something
    else, and while another process writes it.
    """

    def __init__(self, folder: Path, manifest: Manifest, cases: Sequence[Case]) -> None:
        self._folder, self._cases = folder, cases
        self._lock, self._one_at_a_time = _take(folder), ThreadLock()
        try:
            there = _read_same(folder, manifest) if (folder / RUN).exists() else manifest
            settled = settle_rows(folder, cases)
            self._rows, self._is_twice = settled.rows, False
            self.notes = tuple(_tell(settled))
            self.manifest = replace(there, jobs=_jobs(there, manifest, settled, cases))
            write_cases(folder / CASES, cases)
            rewrite(folder / RUN, [_line(self.manifest)])  # last: with it the folder is a run
            self._file = open_private(folder / ROWS, "ab")
        except BaseException:
            _leave(folder, self._lock)
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
            self._is_twice |= row.case.id in self._rows
            self._rows[row.case.id] = row

    def close(self) -> None:
        """Leave one row of each case, and let another process write."""
        try:
            with self._one_at_a_time:
                self._file.close()
            if self._is_twice:
                settle_rows(self._folder, self._cases)
        finally:
            self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def read_run(folder: str | Path) -> Report:
    """Return a run, also an unfinished one; its figures are computed from its rows.

    Lines that are no rows are left out and counted.  Raises RunUnusable where the folder is no run.
    """
    folder = Path(folder)
    manifest, ids = _read_manifest(folder), _read_ids(folder / CASES)
    lines, unread = read_lines(folder / ROWS)
    rows = {line.row.case.id: line.row for line in lines}
    told = [rows[id] for id in ids if id in rows]
    notes = _tell(Settled(rows, len(unread)))
    try:
        report = make_report(manifest, told, len(ids), str(folder), notes)
    except (TypeError, ValueError, AttributeError) as error:
        raise RunUnusable(f"{folder / ROWS} holds what is no row: {error}", _ANEW) from error
    counts = {**report.counts, "unreadable": len(unread)} if unread else report.counts
    return replace(report, counts=counts)


def count_done(folder: Path, manifest: Manifest, cases: Sequence[Case]) -> int:
    """Return how many of the cases a run need not ask again, 0 where there is none.

    Raises RunUnusable where it was made with something else.
    """
    if not (folder / RUN).exists():
        return 0
    _read_same(folder, manifest)
    return count_settled(folder, cases)


def check_folder(folder: Path) -> None:
    """Raise RunUnusable where a run cannot be begun or gone on with, before anything is done."""
    _take(folder).release()


def set_aside(folder: Path) -> Path | None:
    """Give a run another name, so that it can be made anew; return that, None without a run.

    What was indexed for it stays.  Raises RunUnusable while it is written, and where it cannot be
    moved.
    """
    if not (folder / RUN).exists():
        return None
    lock = _take(folder)
    try:
        aside = _make_aside(folder)
        for entry in list(folder.iterdir()):
            if not entry.name.startswith((INDEX, DOCUMENTS, _LOCK)):
                entry.rename(aside / entry.name)
    except OSError as error:
        raise RunUnusable(
            f"the run in {folder} cannot be set aside: {error.strerror}",
            "move the folder away, or name another with --run",
        ) from error
    finally:
        lock.release()
    return aside


def _make_aside(folder: Path) -> Path:
    """Return a new folder named by the run and the second, and by a number where that is there."""
    name = f"{folder.name}-{time.strftime('%Y%m%dT%H%M%S')}"
    for number in count(1):
        aside = folder.with_name(f"{name}-{number}" if number > 1 else name)
        with suppress(FileExistsError):
            aside.mkdir(mode=0o700)
            break
    return aside


def _read_ids(path: Path) -> list[str]:
    try:
        return [str(json.loads(line)["id"]) for line in path.read_bytes().splitlines()]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunUnusable(f"{path} cannot be read: {error}", _ANEW) from error


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
    """Return the manifest of a run, of the cases there are now.

    Raises RunUnusable, naming what differs from the one given.
    """
    there = _read_manifest(folder)
    now = replace(
        there,
        fingerprint=manifest.fingerprint,
        cases_hash=manifest.cases_hash,
        cases_name=manifest.cases_name,
        command=manifest.command or there.command,
        left_out=manifest.left_out,
    )
    if there.fingerprint == manifest.fingerprint or fingerprint_of(now) == manifest.fingerprint:
        return now
    told = differences(there, manifest)
    fix = "name another folder with --run, or measure anew with --again, which keeps the old run"
    if any(one.startswith("settings.code ") for one in told):
        fix = f"{fix}; with evaluate(..., name=...) code may change"
    told = told or ["another version of the program"]
    raise RunUnusable(f"the run in {folder} was made with something else: {'; '.join(told)}", fix)


def _jobs(there: Manifest, given: Manifest, settled: Settled, cases: Sequence[Case]) -> int | None:
    """Return how many cases of the run were, and will be, asked at once; None where that varies."""
    if there.jobs == given.jobs or len(settled.rows) == len(cases):
        return there.jobs
    return None if settled.rows else given.jobs


def _tell(settled: Settled) -> Iterator[str]:
    if unread := settled.unread:
        yield f"{unread} lines of {ROWS} cannot be read: left out, and asked again by `evaluate`"
    if others := settled.others:
        yield f"the cases changed: {others} rows of others were put into {ASIDE}"


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
    rewrite(folder / _IGNORE, [b"*"])
    return lock


def _leave(folder: Path, lock: Lock) -> None:
    """Release the lock of a folder; one that holds nothing else is taken away."""
    lock.release()
    entries = list(folder.iterdir())
    if all(entry.name.startswith((_LOCK, _IGNORE)) for entry in entries):
        with suppress(OSError):
            for entry in entries:
                entry.unlink()
            folder.rmdir()


def _is_ours(name: str) -> bool:
    return name.startswith(_OURS) or name.endswith(".new")  # what a crash left of writing


def _line(record: object) -> bytes:
    return write_record(record).encode("utf-8")
