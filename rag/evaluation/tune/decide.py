"""The present settings and the best found, both measured on new cases, in; a decision out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rag.evaluation.base.rows import Report
from rag.evaluation.compare.compare import Difference, compare
from rag.evaluation.measures.registry import Measure, SetMeasure, find_measure
from rag.evaluation.report.words import say_verdict


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether settings are to change, in words; `differences` has the chosen measure first.

    `notes` are what is worth knowing and changes nothing, such as time.
    """

    is_better: bool
    words: str
    differences: tuple[Difference, ...] = ()
    notes: tuple[str, ...] = ()


def decide(measure: str, present: Report, best: Report) -> Decision:
    """Return whether the best is better where it counts and worse nowhere, beyond chance.

    The chosen measure was named beforehand and is tested by itself, and its interval must lie
    above 0; the others are corrected for how many they are.  What takes longer is noted and no
    reason to refuse.
    """
    (chosen,) = compare(present, best, (measure,)).differences
    measured = [
        [one.measure for one in run.figures if not one.group and one.value is not None]
        for run in (present, best)
    ]
    others = [name for name in measured[0] if name in measured[1] and name != measure]
    rest = compare(present, best, others).differences if others else ()
    worse = [one for one in rest if one.is_significant and _gain(one) < 0]
    refused = [told(one) for one in worse if find_measure(one.measure).needs != "spent"]
    notes = tuple(f"slower: {told(one)}" for one in worse if _is_spent(one))
    if not chosen.is_significant or _gain(chosen) <= 0 or _holds_nought(chosen):
        return Decision(False, _tell_chance(chosen), (chosen, *rest), notes)
    if refused:
        words = f"refused: {told(chosen)} is better, but worse is {'; '.join(refused)}"
        return Decision(False, words, (chosen, *rest), notes)
    return Decision(True, f"better settings: {told(chosen)}", (chosen, *rest), notes)


def told(difference: Difference) -> str:
    """Return a difference in a line, with its interval and its corrected chance."""
    parts = list(_parts(difference))
    inside = f" ({', '.join(parts)})" if parts else ""
    change = f"{difference.first:.3f} to {difference.second:.3f}"
    return f"{difference.measure} {change}, {difference.value:+.3f}{inside}"


def _parts(difference: Difference) -> Iterator[str]:
    if difference.low is not None and difference.high is not None:
        yield f"95 % interval {difference.low:+.3f} to {difference.high:+.3f}"
    if (p := difference.corrected) is not None:
        yield f"p {p:.3f}" if p >= 0.001 else "p < 0.001"
    yield f"{difference.cases} held-out cases"


def _tell_chance(difference: Difference) -> str:
    is_unsure = difference.is_significant and _holds_nought(difference)
    why = "the interval holds 0" if is_unsure else say_verdict(difference)
    return f"no better settings shown: {told(difference)}: {why}"


def _holds_nought(difference: Difference) -> bool:
    low, high = difference.low, difference.high
    return low is not None and high is not None and low <= 0 <= high


def _gain(difference: Difference) -> float:
    """Return the difference, above 0 where the second is better, 0 where neither can be."""
    return direction(find_measure(difference.measure)) * difference.value


def direction(measure: Measure | SetMeasure) -> int:
    """Return 1 where more is better, -1 where less is, 0 where neither is."""
    return {"higher": 1, "lower": -1, "": 0}[measure.better]


def _is_spent(difference: Difference) -> bool:
    return find_measure(difference.measure).needs == "spent"
