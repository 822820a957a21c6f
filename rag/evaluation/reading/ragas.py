"""Rows in, files out with which other tools go on: the columns of ragas, runs of TREC."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rag.evaluation.base.rows import Row


def write_ragas(path: Path, rows: Sequence[Row]) -> None:
    """Write `user_input`, `retrieved_contexts`, `response`, `reference` as lines of JSON."""
    raise NotImplementedError
