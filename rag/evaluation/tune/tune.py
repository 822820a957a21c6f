"""Cases and settings that may change in, the settings that answer them best out.

Half of the cases choose the settings, the other half, which had no say, must confirm them:
the best of many is the luckiest too, and on the cases that chose it always looks better.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ingest.base.errors import PipelineError
from rag.evaluation.base.cases import Case
from rag.evaluation.measures.registry import Measure, describe, find_measure
from rag.evaluation.tune.budget import Budget
from rag.evaluation.tune.decide import Decision, decide, direction
from rag.evaluation.tune.halving import FEWEST_CASES, Evaluate, Search
from rag.evaluation.tune.space import Axes, Settings, asking_arms, changes, cutting_arms
from rag.evaluation.tune.split import Split, split_cases
from rag.evaluation.tune.trials import Trial, Trials

_FOUND = ("ranked", "context")  # Tuning finds passages and writes no answers.
_WAYS_OF_ASKING = 2  # So many of the best are tried with each way of cutting, and the present one.


@dataclass(frozen=True, slots=True)
class Tried:
    """Settings that were tried, as what they change; `value` is the mean over their cases."""

    changes: Settings
    cases: int
    value: float | None
    seconds: float
    failure: str = ""


@dataclass(frozen=True, slots=True)
class TuneReport:
    """What was tried, best first, and what became of it.

    `present` are the settings as they were, `best` what the best combination changes, and
    `chosen` what is to be changed: the same where it was confirmed, else nothing.  `train` and
    `test` count the cases that chose and those that confirmed.
    """

    measure: str
    present: Settings
    best: Settings
    chosen: Settings
    decision: Decision
    tried: tuple[Tried, ...]
    train: int
    test: int
    seconds: float
    notes: tuple[str, ...] = ()


def tune(
    evaluate: Evaluate,
    cases: Sequence[Case],
    present: Settings,
    axes: Axes,
    measure: str,
    *,
    seconds: float,
    folder: Path | None = None,
    made_with: str = "",
    clock: Callable[[], float] = time.monotonic,
    on_trial: Callable[[Trial, str], None] = lambda _trial, _what: None,
) -> TuneReport:
    """Search `axes` for settings under which `measure` is better, and confirm them.

    First what acts when one asks, then the best of that with other ways of cutting, for which
    documents are read again.  No trial is started that will not fit into `seconds`; the
    confirmation has its time in reserve and is let finish.  With a `folder` what was tried is
    kept, and not tried again by a run of the same `made_with`.  `on_trial` is told each
    combination after each round.  Raises PipelineError where there are too few cases, and what
    `evaluate` raises under the present settings.
    """
    goal = check(measure, cases)
    split, others = _split(goal, cases)
    test = (*split.test, *others.test)
    budget = Budget(seconds, len(test), clock)
    trials = Trials(folder, made_with)
    search = Search(evaluate, measure, direction(goal), present, trials, budget, clock, on_trial)
    asking = search.halve(asking_arms(present, axes), split.train)
    if not any(trial.values for trial in trials.all()):
        raise PipelineError("there was no time to try anything", "give more: --minutes 30")
    arms = cutting_arms(present, axes, [present, *asking[:_WAYS_OF_ASKING]])
    best = search.without_luck(search.halve(arms, split.train)[0])
    decision = _confirm(search, best, test)
    changed = changes(present, best)
    return TuneReport(
        measure,
        present,
        changed,
        changed if decision.is_better else {},
        decision,
        tuple(_tried(trial, search) for trial in _in_order(trials, search, split.train)),
        len(split.train),
        len(split.test),
        budget.spent,
        tuple(search.notes),
    )


def check(name: str, cases: Sequence[Case]) -> Measure:
    """Return the measure of a name; raises PipelineError where it or the cases are of no use."""
    measure = find_measure(name)
    if not isinstance(measure, Measure) or measure.needs not in _FOUND:
        names = ", ".join(one.name for one in describe() if one.needs in _FOUND)
        raise PipelineError(
            f"{name} cannot be tuned for: tuning only finds passages and writes no answers",
            f"choose what is measured of the passages of each case, as --measure: {names}",
        )
    fit = sum(map(measure.applies, cases))
    if fit < 2 * FEWEST_CASES:
        raise PipelineError(
            f"{name} applies to {fit} cases; {2 * FEWEST_CASES} are the fewest, half to choose "
            "settings by and half to confirm them",
            "label more questions, or make some: rag generate-cases --questions 200",
        )
    return measure


def _split(goal: Measure, cases: Sequence[Case]) -> tuple[Split, Split]:
    """Return halves of the cases the measure applies to, and of the others."""
    fit = [case for case in cases if goal.applies(case)]
    return split_cases(fit), split_cases([case for case in cases if not goal.applies(case)])


def _confirm(search: Search, best: Settings, test: Sequence[Case]) -> Decision:
    if best == search.present:
        return Decision(False, "no better settings found: the present ones are the best tried")
    reports = [search.evaluate(settings, test, math.inf) for settings in (search.present, best)]
    return decide(search.measure, *reports)


def _in_order(trials: Trials, search: Search, train: Sequence[Case]) -> list[Trial]:
    """Return the trials that went on longest first, of those the best first."""
    ids = [case.id for case in train]

    def key(trial: Trial) -> tuple[int, float]:
        return -len(trial.values), -search.sign * (trial.mean(ids) or 0.0)

    return sorted(trials.all(), key=key)


def _tried(trial: Trial, search: Search) -> Tried:
    return Tried(
        changes(search.present, trial.settings),
        len(trial.values),
        trial.mean(trial.values),
        trial.seconds,
        trial.failure,
    )
