"""A run as a folder: everything it needs to be gone on with, looked at and compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from rag.evaluation.base.cases import Case
from rag.evaluation.base.rows import Manifest, Report, Row


class RunFolder:
    """`run.json`, `cases.jsonl`, `rows.jsonl`; each row is on disk when `write` returns.

    Opened again with a manifest of the same fingerprint, it holds the rows that are there; of a
    line that a crash cut only that is lost.  Raises RunUnusable for another fingerprint, for a
    folder that holds something else, and while another process writes it.
    """

    def __init__(self, folder: Path, manifest: Manifest, cases: Sequence[Case]) -> None:
        raise NotImplementedError

    def rows(self) -> dict[str, Row]:
        """Return the rows that are there by the id of their case; failures are not."""
        raise NotImplementedError

    def write(self, row: Row) -> None:
        """Add a row and return when it is on disk; from any thread."""
        raise NotImplementedError

    def close(self) -> None:
        """Let another process write."""
        raise NotImplementedError


def read_run(folder: str | Path) -> Report:
    """Return a run, also an unfinished one; its figures are computed from its rows.

    Raises RunUnusable where the folder is none.
    """
    raise NotImplementedError


Progress = Callable[[int, int, int], None]
