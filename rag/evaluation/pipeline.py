"""Evaluation on one screen: cases in, each asked and measured, a report with intervals out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, TypeAlias

from ingest.base.errors import PipelineError
from rag.batch.run import HOPELESS, in_order, prepare_questions
from rag.evaluation.base.cases import Case, CaseSet
from rag.evaluation.base.errors import CasesUnreadable
from rag.evaluation.base.rows import Failure, Manifest, Report, Row
from rag.evaluation.measures.registry import (
    default_measures,
    find_measure,
    measure_case,
    measure_verdicts,
)
from rag.evaluation.runs.folder import RunFolder
from rag.evaluation.runs.manifest import describe
from rag.evaluation.runs.report import make_report
from rag.evaluation.runs.responses import Returned, as_response
from rag.index.base.selection import Selection

if TYPE_CHECKING:
    from rag.evaluation.judge.judge import Judge

Ask: TypeAlias = Callable[..., Returned]


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
    prepare: Callable[[Sequence[str]], None] = lambda _questions: None,
) -> Report:
    """Ask every case, measure what came back, and return rows and figures.

    `ask` is any callable: of this program (`pipeline.ask`, `pipeline.passages`) or another one
    that returns a text or a `Response`; of a case that holds documents out it is also given a
    `selection` without them.  One that raises costs its case only, but what no other case would
    fare better with (the server or the index is gone) stops all.  With `run` the rows are kept
    in that folder as they come, and a run that was stopped is gone on with; what failed is asked
    again.  `manifest` tells what the run is made with, and its measures go before `measures`;
    without one it is what `ask` tells of itself.  `jobs` cases are asked at once, from threads,
    one from this thread.  `on_row` is told each row as it is measured, one at a time; `prepare`
    gets a hundred questions before the first of them is asked.
    """
    asked = cases if isinstance(cases, CaseSet) else CaseSet("cases", tuple(cases))
    _check_ids(asked.cases)
    wanted = tuple(measures) or default_measures(answers=True, judge=judge is not None)
    names = tuple(find_measure(name).name for name in wanted)
    made = manifest or describe(ask, asked, names, judge.name if judge else "")
    rows: dict[str, Row] = {}
    lock = Lock()
    with RunFolder(Path(run), made, asked.cases) if run else nullcontext() as folder:
        if folder:
            made, rows = folder.manifest, folder.rows()

        def work(_place: int, case: Case) -> None:
            row = _ask_and_measure(ask, case, made.wanted, judge)
            with lock:
                rows[case.id] = row
                if folder:
                    folder.write(row)
                on_row(row)

        left = [case for case in asked.cases if case.id not in rows]
        for _ in in_order(work, left, jobs, partial(_prepare, prepare)):
            pass
    told = [rows[case.id] for case in asked.cases]
    return make_report(made, told, len(told), str(run or ""))


def _prepare(prepare: Callable[[Sequence[str]], None], cases: Sequence[Case]) -> None:
    prepare_questions(prepare, [case.question for case in cases])


def _ask_and_measure(ask: Ask, case: Case, wanted: Sequence[str], judge: Judge | None) -> Row:
    """Return the row of a case; raises only what no other case would fare better with."""
    held_out = {"selection": Selection(except_ids=case.without)} if case.without else {}
    began = time.perf_counter()
    try:
        response = as_response(ask(case.question, **held_out), time.perf_counter() - began)
        measured = measure_case(case, response, wanted)
    except HOPELESS:
        raise
    except PipelineError as error:
        return Row(case, failure=Failure(error.message, error.hint))
    except Exception as error:  # nobody knows what a foreign system raises
        return Row(case, failure=Failure(f"{type(error).__name__}: {error}", _FOREIGN))
    verdicts = judge.judge(case, response) if judge else {}
    return Row(case, response, measured | measure_verdicts(verdicts), verdicts)


_FOREIGN = "see what the system that was asked says of it, and run the same again"


def _check_ids(cases: Sequence[Case]) -> None:
    """Raise CasesUnreadable where there is no case, or two cannot be told apart."""
    ids = [case.id for case in cases]
    if not ids:
        raise CasesUnreadable("there is no case to ask", "rag.read_cases reads a file of them")
    if len(set(ids)) < len(ids):
        twice = next(id for place, id in enumerate(ids) if id in ids[:place])
        raise CasesUnreadable(f"two cases have the id {twice}", "give each an id of its own")
