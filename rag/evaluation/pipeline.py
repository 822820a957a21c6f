"""Evaluation on one screen: cases in, each asked and measured, a report with intervals out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Lock
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias

from ingest.base.errors import PipelineError
from rag.batch.run import HOPELESS, in_order, prepare_questions
from rag.evaluation.base.cases import CRITERIA, Case, CaseSet
from rag.evaluation.base.rows import Failure, Manifest, Report, Row, Verdict
from rag.evaluation.measures.registry import (
    default_measures,
    find_measure,
    measure_case,
    measure_verdicts,
)
from rag.evaluation.runs.asking import check_asking, choose_cases
from rag.evaluation.runs.folder import RunFolder
from rag.evaluation.runs.manifest import describe
from rag.evaluation.runs.report import make_report
from rag.evaluation.runs.responses import Returned, as_response
from rag.evaluation.runs.rows import is_to_judge
from rag.index.base.selection import Selection
from rag.models.base.errors import ModelUnavailable

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
    name: str = "",
    settings: Mapping[str, str | int | float | bool | None] = MappingProxyType({}),
    manifest: Manifest | None = None,
    jobs: int = 1,
    on_row: Callable[[Row], None] = lambda _row: None,
    prepare: Callable[[Sequence[str]], None] = lambda _questions: None,
) -> Report:
    """Ask every case, measure what came back, and return rows and figures.

    `ask` is any callable: of this program (`pipeline.ask`, `pipeline.passages`) or another one
    that returns a text or a `Response`.  A case that holds documents out is asked only of what
    takes a `selection`, which is then one without them; else it is left out and counted.  One
    that raises costs its case only, but what no other case would fare better with (the server
    or the index is gone) stops all.  A `judge` that fails costs no answer.

    With `run` the rows are kept in that folder as they come, and a run that was stopped, or whose
    cases changed, is gone on with; what failed, or was not judged, is asked again.  `name` and
    `settings` tell the system from others, without a name its code does; or `manifest` tells all
    that, and the measures.  `jobs` cases are asked at once, one from this thread.  `on_row` is
    told each row, one at a time; `prepare` gets a hundred questions before they are asked.
    """
    check_asking(ask, cases, measures, jobs)
    given = cases if isinstance(cases, CaseSet) else CaseSet("cases", tuple(cases))
    asked = choose_cases(ask, given)
    names = tuple(measures) or default_measures(answers=True, judge=judge is not None)
    made = manifest or describe(ask, asked, names, judge.name if judge else "", name, settings)
    made = replace(made, jobs=jobs, left_out=len(given.cases) - len(asked.cases))
    with RunFolder(Path(run), made, asked.cases) if run else nullcontext() as folder:
        made, rows = (folder.manifest, folder.rows()) if folder else (made, {})
        keep = _keep_in(rows, folder, on_row)

        def work(_place: int, case: Case) -> None:
            row, fault = _measure(ask, case, made.wanted, judge, rows.get(case.id))
            keep(row)
            if fault:
                raise fault

        left = [case for case in asked.cases if _is_left(rows.get(case.id), judge)]
        for _ in in_order(work, left, jobs, partial(_prepare, prepare)):
            pass
    notes = (*(folder.notes if folder else ()), *(() if left else (_COMPLETE,)))
    told = [rows[case.id] for case in asked.cases]
    return make_report(made, told, len(told), str(run or ""), notes)


_COMPLETE = "this run was complete: nothing was asked, these are its figures of before"


def _keep_in(
    rows: dict[str, Row], folder: RunFolder | None, on_row: Callable[[Row], None]
) -> Callable[[Row], None]:
    """Return what keeps a row and tells of it, from any thread."""
    lock = Lock()

    def keep(row: Row) -> None:
        with lock:
            rows[row.case.id] = row
            if folder:
                folder.write(row)
            on_row(row)

    return keep


def _is_left(row: Row | None, judge: Judge | None) -> bool:
    return row is None or (judge is not None and is_to_judge(row))


def _prepare(prepare: Callable[[Sequence[str]], None], cases: Sequence[Case]) -> None:
    prepare_questions(prepare, [case.question for case in cases])


def _measure(
    ask: Ask, case: Case, wanted: Sequence[str], judge: Judge | None, before: Row | None
) -> tuple[Row, PipelineError | None]:
    """Return the row of a case, and what keeps the judge from all others.

    What was answered `before` is judged again only.  Raises what no other case would fare better
    with.
    """
    row = before or _ask_and_measure(ask, case, wanted)
    if judge is None or row.response is None:
        return row, None
    found, fault = _judge(judge, row)
    verdicts = {name: _surer(row.verdicts.get(name), verdict) for name, verdict in found.items()}
    measured = {**row.measures, **measure_verdicts(verdicts)}
    return replace(row, measures=measured, verdicts=verdicts), fault


def _ask_and_measure(ask: Ask, case: Case, wanted: Sequence[str]) -> Row:
    held_out = {"selection": Selection(except_ids=case.without)} if case.without else {}
    began = time.perf_counter()
    try:
        response = as_response(ask(case.question, **held_out), time.perf_counter() - began)
        return Row(case, response, measure_case(case, response, wanted))
    except HOPELESS:
        raise
    except PipelineError as error:
        return Row(case, failure=Failure(error.message, error.hint))
    except Exception as error:  # nobody knows what a foreign system raises
        return Row(case, failure=Failure(f"{type(error).__name__}: {error}", _FOREIGN))


_FOREIGN = "see what the system that was asked says of it, and run the same again"


def _judge(judge: Judge, row: Row) -> tuple[Mapping[str, Verdict], PipelineError | None]:
    """Return verdicts, failed ones where the judge failed, and what it cannot judge others for."""
    assert row.response is not None
    try:
        return judge.judge(row.case, row.response), None
    except (*HOPELESS, ModelUnavailable) as error:
        return _no_verdicts(row.case, error.message), error
    except Exception as error:  # a defect of a judge must not cost the answer
        return _no_verdicts(row.case, f"{type(error).__name__}: {error}"), None


def _no_verdicts(case: Case, why: str) -> dict[str, Verdict]:
    applying = (name for name in CRITERIA if find_measure(f"judge-{name}").applies(case))
    return {name: Verdict(None, failures=(why,)) for name in applying}


def _surer(before: Verdict | None, now: Verdict) -> Verdict:
    """Return the verdict of two in which less failed."""
    return before if before and len(before.failures) < len(now.failures) else now
