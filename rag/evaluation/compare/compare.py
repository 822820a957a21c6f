"""Two runs over the same cases in, their differences out, each with how likely it is chance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from rag.evaluation.base.errors import RunUnusable
from rag.evaluation.base.rows import Report, Row
from rag.evaluation.compare.notes import find_notes
from rag.evaluation.measures.measure import Better, Measure, SetMeasure
from rag.evaluation.measures.registry import measures_of
from rag.evaluation.statistics.chance import (
    LEVEL,
    can_reach,
    correct,
    find_detectable,
    flip_signs,
    swap_results,
)
from rag.evaluation.statistics.intervals import (
    FEWEST,
    find_error,
    interval_of_error,
    interval_of_spread,
)

Pair: TypeAlias = tuple[Row, Row]


@dataclass(frozen=True, slots=True)
class Difference:
    """A measure in both runs, over the cases that have it in both.

    `value` is that of the second run less that of the first, `low` and `high` its 95 % interval,
    `p` how often chance alone makes one so large, `corrected` the same for so many measures:
    those of speed and cost are one family, all others another.
    `error` is the standard error of `value`, `detectable` the smallest difference that such
    cases would find four times in five, corrected likewise; None where so few of them changed
    that no correction could ever pass 5 %.  `better`, `worse` and `same` count cases; the first
    two are 0 for measures of whole sets and where neither `direction` is better.  `missing`
    cases have it in one run only.
    """

    measure: str
    first: float
    second: float
    value: float
    low: float | None
    high: float | None
    p: float | None
    corrected: float | None = None
    detectable: float | None = None
    cases: int = 0
    better: int = 0
    worse: int = 0
    same: int = 0
    missing: int = 0
    direction: Better = "higher"
    error: float | None = None

    @property
    def is_significant(self) -> bool:
        """Return whether chance is an unlikely reason, at 5 % over all measures."""
        return self.corrected is not None and self.corrected < LEVEL

    @property
    def verdict(self) -> str:
        """Return what may be said: "better", "worse", or where nothing is shown, just that.

        "higher" and "lower" for measures that have no better direction, "the same" where no
        case changed, "too few cases changed to tell" where nothing could have been shown.
        """
        if self.same == self.cases:
            return "the same"
        if not self.is_significant:
            return "no difference shown" if self.detectable else "too few cases changed to tell"
        way = "higher" if self.value > 0 else "lower"
        if not self.direction:
            return way
        return "better" if way == self.direction else "worse"


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs side by side; `notes` tell what is not the same in both, one line each.

    `shared` counts the cases that both have, with the same question.
    """

    first: Report
    second: Report
    differences: tuple[Difference, ...]
    shared: int
    only_first: tuple[str, ...] = ()
    only_second: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def failed(self) -> int:
        """Return how many of the cases that both have failed in either."""
        pairs = pair_rows(self.first.rows, self.second.rows)
        return sum(any(row.failure is not None for row in pair) for pair in pairs)

    def difference(self, measure: str) -> Difference | None:
        """Return the difference in a measure, None where it was not compared."""
        return next((one for one in self.differences if one.measure == measure), None)

    def changed(self, measure: str) -> list[tuple[Row, Row, float]]:
        """Return the cases a measure differs in, with second less first, the best change first.

        Empty for measures of whole sets.  Cases that changed as much stay in their order.
        """
        one = self.difference(measure)
        sign = 1.0 if one is not None and one.direction == "lower" else -1.0
        changes = [
            (before, after, float(b - a))
            for before, after in pair_rows(self.first.rows, self.second.rows)
            if (a := before.measures.get(measure)) is not None
            and (b := after.measures.get(measure)) is not None
            and a != b
        ]
        return sorted(changes, key=lambda change: sign * change[2])


def compare(
    first: Report, second: Report, measures: Sequence[str] = (), also: Sequence[str] = ()
) -> Comparison:
    """Return what changed from the first run to the second, over the cases that both have.

    `measures` are those the correction is made for, () all that both have, and those of `also`
    that both have, which need not be there.  Raises RunUnusable where the runs share no case,
    or not one of `measures`; PipelineError for one that nobody knows.
    """
    pairs = pair_rows(first.rows, second.rows)
    if not pairs:
        raise RunUnusable(
            "the runs share no case with the same id and question",
            "compare runs of the same file of cases",
        )
    chosen = measures_of((*(measures or _common(first, second)), *also))
    found = [one for measure in chosen if (one := _difference(measure, pairs)) is not None]
    _check_all(found, measures_of(measures))
    old, new = ({row.case.id for row in run.rows} for run in (first, second))
    return Comparison(
        first,
        second,
        _correct(found, chosen),
        len(pairs),
        tuple(row.case.id for row in first.rows if row.case.id not in new),
        tuple(row.case.id for row in second.rows if row.case.id not in old),
        find_notes(first, second),
    )


def pair_rows(first: Sequence[Row], second: Sequence[Row]) -> list[Pair]:
    """Return the rows of the cases that ask the same in both, in the order of the first."""
    others = {row.case.id: row for row in second}
    return [
        (row, other)
        for row in first
        if (other := others.get(row.case.id)) is not None
        and other.case.question == row.case.question
    ]


def _common(first: Report, second: Report) -> list[str]:
    return [name for name in first.manifest.wanted if name in set(second.manifest.wanted)]


def _check_all(found: Sequence[Difference], asked: Sequence[Measure | SetMeasure]) -> None:
    known = {one.measure for one in found}
    if missing := [measure.name for measure in asked if measure.name not in known]:
        raise RunUnusable(
            f"not measured in both runs: {', '.join(missing)}",
            f"measure them in both: rag evaluate --measures {','.join(missing)}",
        )


def _correct(found: Sequence[Difference], chosen: Sequence[Measure | SetMeasure]) -> (
    tuple[Difference, ...]
):  # fmt: skip
    """Correct each chance, and what could be shown, for the family of its measure."""
    spent = {measure.name for measure in chosen if measure.needs == "spent"}
    corrected: dict[str, Difference] = {}
    for is_cost in (False, True):
        family = [one for one in found if (one.measure in spent) is is_cost]
        chances = correct([1.0 if one.p is None else one.p for one in family])
        for one, chance in zip(family, chances, strict=True):
            shown = find_detectable(one.error, len(family)) if one.error else None
            shown = shown if can_reach(one.cases - one.same, len(family)) else None
            corrected[one.measure] = replace(one, corrected=chance, detectable=shown)
    return tuple(corrected[one.measure] for one in found)


def _difference(measure: Measure | SetMeasure, pairs: Sequence[Pair]) -> Difference | None:
    applying = [pair for pair in pairs if measure.applies(pair[0].case)]
    if isinstance(measure, SetMeasure):
        return _difference_of_set(measure, applying)
    found = [tuple(row.measures.get(measure.name) for row in pair) for pair in applying]
    values = [(a, b) for a, b in found if a is not None and b is not None]
    if not values:
        return None
    changes = [b - a for a, b in values]
    low, high = interval_of_spread(changes) or (None, None)
    gains = [-one if measure.better == "lower" else one for one in changes if measure.better]
    return Difference(
        measure.name,
        fmean(a for a, _ in values),
        fmean(b for _, b in values),
        fmean(changes),
        low,
        high,
        p=flip_signs(changes),
        cases=len(values),
        better=sum(one > 0 for one in gains),
        worse=sum(one < 0 for one in gains),
        same=changes.count(0),
        missing=sum((a is None) is not (b is None) for a, b in found),
        direction=measure.better,
        error=stdev(changes) / math.sqrt(len(changes)) if len(changes) > 1 else None,
    )


def _difference_of_set(measure: SetMeasure, pairs: Sequence[Pair]) -> Difference | None:
    """Return the difference over the cases that enter the figure in both runs."""
    read = [tuple(measure.read(row) for row in pair) for pair in pairs]
    both = [pair for pair in read if None not in pair]
    found = np.asarray(both, dtype=np.float64)
    if not both:
        return None
    first, second = (measure.amount(found[:, side]) for side in (0, 1))
    if first is None or second is None:
        return None

    def change(drawn: NDArray[np.float64]) -> float | None:
        old, new = (measure.amount(drawn[:, side]) for side in (0, 1))
        return None if old is None or new is None else new - old

    fewest = min(min(measure.count(found[:, side])) for side in (0, 1))
    error = find_error(change, found) if fewest >= FEWEST else None
    low, high = interval_of_error(second - first, error) if error else (None, None)
    return Difference(
        measure.name,
        first,
        second,
        second - first,
        low,
        high,
        p=swap_results(measure.amount, found[:, 0], found[:, 1]),
        cases=len(both),
        same=sum(before == after for before, after in both),
        missing=sum((a is None) is not (b is None) for a, b in read),
        direction=measure.better,
        error=error,
    )
