"""Rankings as TREC has them: runs and judgements of relevance."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rag.evaluation.base.rows import Row


def write_trec(run: Path, qrels: Path, rows: Sequence[Row], tag: str) -> None:
    """Write what was found and what is relevant, so that trec_eval gives our figures."""
    raise NotImplementedError
