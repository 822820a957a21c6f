"""Many combinations of settings in, the best of them out, most of them after few cases."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ingest.base.errors import PipelineError
from rag.evaluation.base.cases import Case
from rag.evaluation.base.rows import Report
from rag.evaluation.tune.budget import Budget
from rag.evaluation.tune.space import CUTTING, Settings, changes, tell, way_of_cutting
from rag.evaluation.tune.trials import Trial, Trials

Evaluate = Callable[[Settings, Sequence[Case], float], Report]
"""Measures cases under settings within so many seconds.

Raises OutOfTime when they are over, and what else can go wrong with these settings.
"""

FEWEST_CASES = 20
"""No combination is given up after fewer cases."""

_SHOWN = 2.5  # Standard errors: two, and a half as the best is the luckiest of several.
_MOST_FAILED = 0.1  # Of the cases; what fails with every combination is left out of all means.
# A combination that fails must not cost the others; these are defects and wants of memory.
_FAILURES = (
    PipelineError, ArithmeticError, AttributeError, LookupError, MemoryError, OSError,
    RecursionError, TypeError, ValueError,
)  # fmt: skip


class OutOfTime(PipelineError):
    """A trial took longer than there was time."""


@dataclass(slots=True)
class Search:
    """The race between combinations of settings; `sign` is -1 where less is better."""

    evaluate: Evaluate
    measure: str
    sign: int
    present: Settings
    trials: Trials
    budget: Budget
    clock: Callable[[], float]
    on_trial: Callable[[Trial, str], None]
    notes: list[str] = field(default_factory=list)

    def halve(self, arms: Sequence[Settings], cases: Sequence[Case]) -> list[Settings]:
        """Return the combinations that came to the last round, the best first.

        Sequential halving (Karnin, Koren, Somekh, "Almost optimal exploration in multi-armed
        bandits", ICML 2013; Jamieson and Talwalkar, "Non-stochastic best arm identification and
        hyperparameter optimization", AISTATS 2016): each round takes twice the cases of the one
        before and leaves the better half.  All see the same cases, and the present settings stay
        until the end.  Of equals the one with fewer changes is better.
        """
        left = list(arms)
        for size in round_sizes(len(arms), len(cases)):
            ran = self._round(left, cases[:size])
            complete = len(ran) == len(left)
            left = self._rank(ran, cases[:size]) or left
            if not complete and not self._has_time:
                break
            if size < len(cases):
                left = self._better_half(left)
        return left

    def _round(self, arms: Sequence[Settings], cases: Sequence[Case]) -> list[Settings]:
        """Try all, one way of cutting after the other; return those that were measured."""
        ways = list(dict.fromkeys(map(way_of_cutting, arms)))
        in_order = sorted(arms, key=lambda arm: ways.index(way_of_cutting(arm)))
        ran = {id(arm) for arm in in_order if self._try(arm, cases)}
        return [arm for arm in arms if id(arm) in ran]

    def _try(self, settings: Settings, cases: Sequence[Case]) -> bool:
        trial = self.trials.of(settings)
        rest = [case for case in cases if case.id not in trial.values]
        if trial.failure:
            return False
        if rest and not self.budget.fits(settings, len(rest)):
            self._note(f"no time for all {len(cases)} cases of every combination")
            return False
        if rest and not self._measure(trial, rest):
            return False
        self.on_trial(trial, tell(changes(self.present, settings)))
        return True

    def _measure(self, trial: Trial, cases: Sequence[Case]) -> bool:
        """Measure cases and keep the values; False where nothing came of it."""
        settings, began = trial.settings, self.clock()
        try:
            report = self.evaluate(settings, cases, max(0.0, self.budget.left))
            values = {row.case.id: row.measures.get(self.measure) for row in report.rows}
            _refuse_failures(values, report)
        except _FAILURES as error:
            if settings == self.present:
                raise
            reason = error.message if isinstance(error, PipelineError) else repr(error)
            self.trials.give_up(settings, reason)
            self._note(f"given up: {tell(changes(self.present, settings))}: {reason}")
            return False
        seconds = self.clock() - began
        self.budget.note(settings, len(cases), seconds)
        self.trials.add(settings, values, seconds)
        return True

    def without_luck(self, best: Settings) -> Settings:
        """Return the best without those of its changes that are not shown to help.

        Else every change that is found takes along others that were only lucky.  Of the tried
        combinations with a part of its changes it is the least, unless the best is better by
        more than two and a half standard errors of the paired difference.
        """
        wanted = changes(self.present, best).items()
        parts = [
            trial.settings
            for trial in self.trials.all()
            if (part := changes(self.present, trial.settings).items()) and part < wanted
        ]
        close = [part for part in parts if not self._is_shown(best, part)]
        return min([*close, best], key=self._cost)

    def _is_shown(self, best: Settings, part: Settings) -> bool:
        better, other = (self.trials.of(arm).values for arm in (best, part))
        apart = [
            self.sign * (value - beside)
            for id, value in better.items()
            if value is not None and (beside := other.get(id)) is not None
        ]
        if len(apart) < FEWEST_CASES:
            return True
        error = statistics.stdev(apart) / math.sqrt(len(apart))
        return statistics.fmean(apart) > _SHOWN * error

    def _cost(self, settings: Settings) -> tuple[bool, int]:
        """Return what a change costs: reading all documents again first, then how much it is."""
        changed = changes(self.present, settings)
        return not changed.keys().isdisjoint(CUTTING), len(changed)

    def _rank(self, arms: Sequence[Settings], cases: Sequence[Case]) -> list[Settings]:
        """Return combinations by their means over the cases that all of them have measured."""
        tried = [self.trials.of(arm).values for arm in arms]
        shared = [case.id for case in cases if all(one.get(case.id) is not None for one in tried)]
        means = {id(arm): self.trials.of(arm).mean(shared) or 0.0 for arm in arms}
        return sorted(
            arms, key=lambda arm: (-self.sign * round(means[id(arm)], 9), self._cost(arm))
        )

    def _better_half(self, ranked: list[Settings]) -> list[Settings]:
        kept = ranked[: (len(ranked) + 1) // 2]
        rest = [arm for arm in ranked if arm == self.present and arm not in kept]
        return kept + rest

    @property
    def _has_time(self) -> bool:
        return self.budget.left > 0

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)


def _refuse_failures(values: Mapping[str, float | None], report: Report) -> None:
    """Raise PipelineError where so many cases failed that what is left says little."""
    failed = sum(value is None for value in values.values())
    if failed > _MOST_FAILED * len(values):
        reasons = [row.failure.message for row in report.rows if row.failure]
        told = f"{failed} of {len(values)} cases have no value"
        raise PipelineError(": ".join([told, *reasons[:1]]), "rag evaluate shows each of them")


def round_sizes(arms: int, cases: int) -> list[int]:
    """Return how many cases each round takes: all in the last, half as many in each before."""
    sizes = [cases]
    while 2 ** len(sizes) < arms and sizes[0] // 2 >= FEWEST_CASES:
        sizes.insert(0, sizes[0] // 2)
    return sizes
