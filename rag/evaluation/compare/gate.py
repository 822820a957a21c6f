"""Conditions in words in, an error out where a comparison meets one of them."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from ingest.base.errors import PipelineError, SettingsError
from rag.evaluation.base.errors import RegressionFound
from rag.evaluation.compare.compare import Comparison, Difference
from rag.evaluation.measures.registry import find_measure

_FORM = re.compile(
    r"\s*(?P<measure>[^\s<>=]+)\s*(?P<sign>[<>]=?)\s*(?P<number>[+-]?(?:\d+\.?\d*|\.\d+))"
    r"\s*(?P<percent>%?)\s*(?P<word>significant)?\s*"
)
_EXAMPLE = "write --fail-if 'nDCG@10 < -0.01', 'nDCG@10 < -2 %' or 'nDCG@10 < 0 significant'"
_SIGNS: Mapping[str, Callable[[float, float], bool]] = MappingProxyType(
    {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
)


@dataclass(frozen=True, slots=True)
class Condition:
    """A limit to the difference in a measure, second run less first.

    `number` is a share of the first run's figure where the condition is relative.  One for what
    is significant holds only where chance is an unlikely reason, corrected for all measures.
    """

    text: str
    measure: str
    sign: str
    number: float
    is_relative: bool = False
    for_significant: bool = False

    def holds(self, difference: Difference) -> bool:
        """Return whether a difference meets it; raises SettingsError for a share of 0."""
        value = difference.value
        if self.is_relative and value:
            if not difference.first:
                raise SettingsError(
                    f"--fail-if '{self.text}': {self.measure} is 0 in the first run, and nothing "
                    "is a percentage of it",
                    "give a difference: " + _EXAMPLE,
                )
            value /= abs(difference.first)
        meets = _SIGNS[self.sign](value, self.number)
        return meets and (difference.is_significant or not self.for_significant)


def parse_condition(text: str) -> Condition:
    """Return what "nDCG@10 < -0.01" means; raises SettingsError where it means nothing."""
    found = _FORM.fullmatch(text)
    if found is None:
        raise SettingsError(f"--fail-if '{text}' is no condition", _EXAMPLE)
    try:
        name = find_measure(found["measure"]).name
    except PipelineError as error:
        raise SettingsError(f"--fail-if '{text}': {error.message}", error.hint) from error
    is_relative = bool(found["percent"])
    number = float(found["number"]) / (100 if is_relative else 1)
    return Condition(text, name, found["sign"], number, is_relative, bool(found["word"]))


def check_conditions(comparison: Comparison, conditions: Sequence[Condition]) -> None:
    """Raise RegressionFound with all conditions that hold, if any does.

    Raises SettingsError for a measure that was not compared: what is not known never passes.
    """
    held = []
    for condition in conditions:
        difference = comparison.difference(condition.measure)
        if difference is None:
            raise SettingsError(
                f"--fail-if '{condition.text}': {condition.measure} was not compared",
                "measure it in both runs: rag evaluate --measures " + condition.measure,
            )
        if condition.holds(difference):
            held.append(f"{condition.text} (it is {difference.value:+.4g})")
    if held:
        raise RegressionFound(
            f"the second run fails {len(held)} of {len(conditions)} conditions: " + "; ".join(held),
            "look at the largest losses above, or at the page of --out",
        )
