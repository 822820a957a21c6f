"""Conditions in words in, an error out where a comparison meets one of them."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from ingest.base.errors import PipelineError, SettingsError
from rag.evaluation.base.errors import RegressionFound
from rag.evaluation.base.rows import Report
from rag.evaluation.compare.compare import Comparison, Difference, pair_rows
from rag.evaluation.measures.measure import SetMeasure
from rag.evaluation.measures.registry import find_measure

FAILED = "failed"
"""A condition may be on the number of cases that failed, as if it were a measure."""

_FORM = re.compile(
    r"\s*(?P<measure>[^<>=]+?)\s*(?P<sign>[<>]=?)\s*"
    r"(?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)"
    r"\s*(?P<percent>%?)\s*(?P<word>significant)?\s*",
    re.IGNORECASE,
)
_EXAMPLE = (
    "write --fail-if 'nDCG@10 < -0.01', 'nDCG@10 < -2 %', 'nDCG@10 < 0 significant' or 'failed > 0'"
)
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

    def find_change(self, difference: Difference) -> float:
        """Return what the limit is for; raises SettingsError for a share of 0."""
        value = difference.value
        if not self.is_relative or not value:
            return value
        if not difference.first:
            raise SettingsError(
                f"--fail-if '{self.text}': {self.measure} is 0 in the first run, and nothing "
                "is a percentage of it",
                "give a difference: " + _EXAMPLE,
            )
        return value / abs(difference.first)

    def holds(self, difference: Difference) -> bool:
        """Return whether a difference meets it; raises SettingsError for a share of 0."""
        meets = _SIGNS[self.sign](self.find_change(difference), self.number)
        return meets and (difference.is_significant or not self.for_significant)

    def tell(self, difference: Difference) -> str:
        """Return the condition with what the difference is, in its unit."""
        change = self.find_change(difference)
        is_ = f"{100 * change:+.4g} %" if self.is_relative else f"{change:+.4g}"
        return f"{self.text} (it is {is_})"


def parse_condition(text: str) -> Condition:
    """Return what "nDCG@10 < -0.01" means; raises SettingsError where it means nothing."""
    found = _FORM.fullmatch(text.replace("\u2212", "-"))  # The minus sign of typesetters.
    if found is None:
        raise SettingsError(f"--fail-if '{text}' is no condition", _EXAMPLE)
    name = _find_name(text, found["measure"])
    if name == FAILED and found["word"]:
        raise SettingsError(
            f"--fail-if '{text}': failures are counted and not tested", "leave out the last word"
        )
    is_relative = bool(found["percent"])
    number = float(found["number"]) / (100 if is_relative else 1)
    return Condition(text, name, found["sign"], number, is_relative, bool(found["word"]))


def _find_name(text: str, measure: str) -> str:
    if measure.casefold() == FAILED:
        return FAILED
    try:
        return find_measure(measure).name
    except PipelineError as error:
        raise SettingsError(f"--fail-if '{text}': {error.message}", error.hint) from error


def check_conditions(comparison: Comparison, conditions: Sequence[Condition]) -> None:
    """Raise RegressionFound where any condition holds or the second run is too broken to pass.

    That is one that is unfinished, and unless a condition is on the number of those that
    "failed", one in which more cases failed than in the first.  Raises SettingsError where
    nothing of this is so, but a condition cannot be told: what is not known never passes.
    """
    held, unknown = [], []
    for condition in conditions:
        try:
            difference = _find(comparison, condition)
            if condition.holds(difference):
                held.append(condition.tell(difference))
        except SettingsError as error:
            unknown.append(error)
    if conditions:
        held += _find_breaks(comparison, conditions)
    if held:
        told = "; ".join([*held, *(error.message for error in unknown)])
        raise RegressionFound(
            f"the second run does not pass: {told}",
            "look at the notes and the largest losses above, or at the page of --out",
        )
    if unknown:
        raise SettingsError("; ".join(error.message for error in unknown), unknown[0].hint)


def _find_breaks(comparison: Comparison, conditions: Sequence[Condition]) -> list[str]:
    """Return in words why no figure of the second run can stand for it."""
    second, failures = comparison.second, count_failures(comparison)
    cases = second.counts.get("cases", len(second.rows))
    told = []
    if len(second.rows) < cases:
        told.append(f"it is unfinished, with {len(second.rows)} of {cases} cases")
    if failures.value > 0 and all(one.measure != FAILED for one in conditions):
        told.append(
            f"{failures.second:g} of {failures.cases} cases failed in it, {failures.first:g} in "
            "the first (a condition 'failed > N' would allow N more)"
        )
    return told


def count_failures(comparison: Comparison) -> Difference:
    """Return how many of the cases that both runs have failed in each."""
    pairs = pair_rows(comparison.first.rows, comparison.second.rows)
    first, second = (sum(pair[side].failure is not None for pair in pairs) for side in (0, 1))
    return Difference(
        FAILED, first, second, second - first, None, None, None, cases=len(pairs), direction="lower"
    )


def _find(comparison: Comparison, condition: Condition) -> Difference:
    name = condition.measure
    found = count_failures(comparison) if name == FAILED else comparison.difference(name)
    if found is not None:
        return found
    runs = {"first": comparison.first, "second": comparison.second}
    if all(name in run.manifest.wanted for run in runs.values()):
        empty = [f"the {which} run" for which, run in runs.items() if not _has_value(run, name)]
        raise SettingsError(
            f"--fail-if '{condition.text}': {name} has no value in "
            f"{' and '.join(empty) or 'the cases that both have'}, "
            "as a share of refusals has none where nothing was refused",
            "look at what it is of: rag evaluate --list-measures; or set another condition",
        )
    raise SettingsError(
        f"--fail-if '{condition.text}': {name} was not compared",
        "measure it in both runs: rag evaluate --measures " + name,
    )


def _has_value(run: Report, name: str) -> bool:
    measure = find_measure(name)
    if isinstance(measure, SetMeasure):
        return measure.of(run.rows) is not None
    return any(row.measures.get(name) is not None for row in run.rows)
