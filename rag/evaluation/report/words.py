"""Figures in, the words and numbers of a report out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from ingest.base.errors import PipelineError
from rag.evaluation.base.rows import Figure, Report, Row
from rag.evaluation.compare.compare import Difference
from rag.evaluation.measures.registry import Measure, SetMeasure, find_measure

KINDS = ("answerable", "near-miss", "out-of-corpus", "unanswerable")
NOTHING = "–"
CORRECTED = (
    "p is corrected for the number of measures, those of speed and cost on their own (Holm), and "
    "so is what this set could show. No difference shown does not mean equal: a smaller one than "
    "that would mostly be missed."
)


def show(value: float | None) -> str:
    """Return a number as a report prints it, three digits behind the point where it is small."""
    if value is None or not math.isfinite(value):
        return NOTHING
    if value == int(value) and abs(value) >= 10:
        return f"{value:,.0f}"
    return f"{value:z.3f}" if abs(value) < 10 else f"{value:,.1f}"


def show_chance(p: float | None) -> str:
    """Return a p-value; none is 0."""
    return "< 0.001" if p is not None and p < 0.001 else show(p)


def show_interval(figure: Figure | Difference) -> str:
    """Return the interval of a figure, "–" where there is none."""
    if figure.low is None or figure.high is None:
        return NOTHING
    return f"{show(figure.low)} to {show(figure.high)}"


def explain(measure: str) -> Measure | SetMeasure | None:
    """Return the measure of a name, None for one that this version does not know."""
    try:
        return find_measure(measure)
    except PipelineError:
        return None


def unit_of(measure: str) -> str:
    """Return the unit of a measure, "" for a share or one that is not known."""
    return getattr(explain(measure), "unit", "")


def direction_of(measure: str) -> int:
    """Return 1 where more is better, -1 where less is, 0 where neither."""
    found = explain(measure)
    return {"higher": 1, "lower": -1, "": 0}[found.better if found else "higher"]


def measures_of(report: Report) -> list[str]:
    """Return the names of all measures of a report, in its order."""
    named = (figure.measure for figure in report.figures if not figure.group)
    return list(dict.fromkeys(named))


def values_of(rows: Iterable[Row], measure: str) -> list[float]:
    """Return the values of the cases that have a finite one, in their order."""
    values = (row.measures.get(measure) for row in rows)
    return [value for value in values if value is not None and math.isfinite(value)]


def groups_of(report: Report) -> dict[str, list[str]]:
    """Return the groups that have figures, by what they are grouped by."""
    found: dict[str, list[str]] = {}
    for group in dict.fromkeys(figure.group for figure in report.figures if figure.group):
        found.setdefault(group.partition("=")[0], []).append(group)
    return found


def count_refusals(rows: Iterable[Row]) -> dict[str, tuple[int, int]]:
    """Return by kind how many were refused, of how many of which that is known."""
    found: dict[str, tuple[int, int]] = {}
    for row in rows:
        if row.response is not None and row.response.abstained is not None:
            refused, known = found.get(row.case.kind, (0, 0))
            found[row.case.kind] = (refused + row.response.abstained, known + 1)
    return {kind: found[kind] for kind in KINDS if kind in found}


def failures_by_reason(rows: Iterable[Row]) -> dict[tuple[str, str], list[str]]:
    """Return the ids of the cases that failed by message and hint, the most frequent first."""
    found: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        if row.failure:
            found.setdefault((row.failure.message, row.failure.hint), []).append(row.case.id)
    return dict(sorted(found.items(), key=lambda item: -len(item[1])))


def say_verdict(difference: Difference) -> str:
    """Return in a sentence what a difference means, and what else the cases could have shown."""
    verdict, could = difference.verdict, difference.detectable
    if difference.is_significant:
        return f"{verdict}; chance is an unlikely reason"
    if difference.same == difference.cases:
        return f"{verdict} in all {difference.cases:,} cases"
    if could is None:
        return verdict
    return f"{verdict}; this set could show {show(could) if could >= 1 else f'{could:.2g}'}"


def command_of(report: Report) -> str:
    """Return the command that makes the run again, "" where none made it."""
    command = report.manifest.command
    return command if not command or " --again" in command else f"{command} --again"


def tell_settings(report: Report) -> Mapping[str, str]:
    """Return what a run was made with, by name, its settings left out."""
    made = report.manifest
    return {
        "made": made.made_at,
        "system": made.system,
        "index": ", ".join(f"{name} {str(value)[:40]}" for name, value in made.index.items())
        or "none",
        "cases": f"{made.cases_name} ({made.cases_hash[:12]})",
        "judge": made.judge or "none",
        "version": made.version,
        "fingerprint": made.fingerprint[:16],
        "kept in": report.folder or "nowhere",
    }
