"""The judge of a run: the model that was asked for, and how far it agrees with people."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from rag.batch.results import rewrite
from rag.cli.console import Terminal
from rag.connections import Connections
from rag.evaluation.base.cases import CRITERIA, CaseSet
from rag.evaluation.judge.agreement import JudgeCalibration, calibrate_judge, tell_calibration
from rag.evaluation.judge.judge import Judge
from rag.history.records import read_record, write_record
from rag.pipeline import Pipeline

_KEPT = "judge.json"


@contextmanager
def judging(
    pipeline: Pipeline, options: argparse.Namespace, wanted: Sequence[str]
) -> Iterator[Judge | None]:
    """Yield the judge of the measures that are wanted, None where none is asked for."""
    criteria, repeats = [one for one in CRITERIA if f"judge-{one}" in wanted], options.judge_repeats
    if not options.judge:
        yield None
    elif not options.judge_model:
        yield Judge(pipeline.models.chat(), criteria, repeats)
    else:
        other = pipeline.settings.model_copy(update={"chat_model": options.judge_model})
        with closing(Connections(other)) as models:
            yield Judge(models.chat(), criteria, repeats)


def hold_against_people(
    judge: Judge | None, cases: CaseSet, folder: Path, terminal: Terminal
) -> tuple[str, ...]:
    """Return what a reader should know of a judge, where people labelled answers; asked once."""
    labelled = [case for case in cases.cases if case.labels and case.judged_answer]
    if not judge or not labelled:
        return ()
    kept = folder / _KEPT
    with suppress(OSError, ValueError, TypeError, KeyError, AttributeError):
        return tell_calibration(read_record(JudgeCalibration, kept.read_text(encoding="utf-8")))
    terminal.note(f"the judge is asked about {len(labelled)} answers that people labelled")
    calibration = calibrate_judge(judge, labelled)
    rewrite(kept, [write_record(calibration).encode()])
    return tell_calibration(calibration)
