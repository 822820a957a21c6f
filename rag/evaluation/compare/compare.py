"""Two runs over the same cases in, their differences out, each with how likely it is chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from rag.evaluation.base.rows import Report


@dataclass(frozen=True, slots=True)
class Difference:
    """A measure in both runs, over the cases that have it in both.

    `value` is that of the second run less that of the first, `low` and `high` its 95 % interval,
    `p` how often chance alone makes one so large, `corrected` the same for so many measures.
    `detectable` is the smallest difference that so many cases would find four times in five.
    `better`, `worse` and `same` count cases; they are 0 for measures of whole sets.
    """

    measure: str
    first: float
    second: float
    value: float
    low: float | None
    high: float | None
    p: float | None
    corrected: float | None
    detectable: float | None
    cases: int
    better: int = 0
    worse: int = 0
    same: int = 0

    @property
    def is_significant(self) -> bool:
        """Return whether chance is an unlikely reason, at 5 % over all measures."""
        return self.corrected is not None and self.corrected < 0.05


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs side by side; `notes` tell what is not the same in both, one line each."""

    first: Report
    second: Report
    differences: tuple[Difference, ...]
    shared: int
    only_first: tuple[str, ...] = ()
    only_second: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())


def compare(first: Report, second: Report, measures: Sequence[str] = ()) -> Comparison:
    """Return what changed from the first run to the second, over the cases that both have.

    `measures` are those the correction is made for, () all that both have.  Raises RunUnusable
    where the runs share no case.
    """
    raise NotImplementedError
