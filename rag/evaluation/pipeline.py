"""Evaluation on one screen: cases in, each asked and measured, a report with intervals out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from rag.evaluation.base.cases import Case, CaseSet
from rag.evaluation.base.responses import Response
from rag.evaluation.base.rows import Manifest, Report, Row

if TYPE_CHECKING:
    from rag.evaluation.judge.judge import Judge
    from rag.query.base.answers import Answer
    from rag.query.base.hits import Retrieval

Ask: TypeAlias = "Callable[[str], Answer | Retrieval | Response | str]"


def evaluate(
    ask: Ask,
    cases: CaseSet | Iterable[Case],
    *,
    measures: Sequence[str] = (),
    judge: Judge | None = None,
    run: str | Path | None = None,
    manifest: Manifest | None = None,
    jobs: int = 1,
    on_row: Callable[[Row], None] = lambda _row: None,
) -> Report:
    """Ask every case, measure what came back, and return rows and figures.

    `ask` is any callable: of this program (`pipeline.ask`, `pipeline.passages`) or another one
    that returns a text or a `Response`.  One that raises costs its case only.  With `run` the
    rows are kept in that folder as they come, and a run that was stopped is gone on with.
    `jobs` cases are asked at once, from threads.  `on_row` is told each row as it is measured.
    """
    raise NotImplementedError
