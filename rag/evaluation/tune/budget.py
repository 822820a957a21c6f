"""Time that was given in, whether a trial still fits into it out."""

from __future__ import annotations

from collections.abc import Callable

from rag.evaluation.tune.space import Setting, Settings, way_of_cutting

# The confirmation takes what trials took, and a half more where cases are not alike.
_SAFETY = 1.5


class Budget:
    """Seconds that are left, with those of the confirmation in reserve.

    What a trial will take is foreseen from what earlier ones took: so much for each case, and
    for documents that are cut anew as long as the longest time before.  Nothing is foreseen of
    the first.
    """

    def __init__(self, seconds: float, confirming: int, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._began = clock()
        self._seconds = seconds
        self._confirming = 2 * confirming
        self._cut: set[tuple[Setting, ...]] = set()
        self._cutting = 0.0
        self._cases = 0
        self._asking = 0.0

    @property
    def spent(self) -> float:
        """Return the seconds since the beginning."""
        return self._clock() - self._began

    @property
    def left(self) -> float:
        """Return the seconds left for trials."""
        return self._seconds - self.spent - _SAFETY * self._confirming * self._per_case

    def fits(self, settings: Settings, cases: int) -> bool:
        """Return whether a trial of so many cases may be started."""
        cutting = 0.0 if way_of_cutting(settings) in self._cut else self._cutting
        return cutting + cases * self._per_case < self.left

    def note(self, settings: Settings, cases: int, seconds: float) -> None:
        """Learn from a trial how long they take."""
        way = way_of_cutting(settings)
        if way in self._cut:
            self._cases += cases
            self._asking += seconds
        else:
            self._cut.add(way)
            self._cutting = max(self._cutting, seconds - cases * self._per_case)

    @property
    def _per_case(self) -> float:
        return self._asking / self._cases if self._cases else 0.0
