"""Rows in, a report out: figures of what the system told, and what could not be measured."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rag.evaluation.base.rows import Manifest, Report, Row
from rag.evaluation.judge.agreement import tell_verdicts
from rag.evaluation.measures.registry import Measure, SetMeasure, find_measure
from rag.evaluation.statistics.summary import summarise


def make_report(
    manifest: Manifest,
    rows: Sequence[Row],
    cases: int,
    folder: str = "",
    notes: Iterable[str] = (),
) -> Report:
    """Return what the rows amount to, of so many cases there are.

    Measures that need what no response tells are left out: a system that only finds passages has
    no figures of answers, rather than figures that are missing for all cases.  What a judge
    could not say is in the notes.
    """
    names = [name for name in manifest.wanted if _is_told(find_measure(name), rows)]
    figures = summarise(rows, names)
    counts = count(rows, cases)
    if left_out := manifest.left_out:
        counts["not asked"] = left_out
        notes = (f"{left_out} cases were not asked: {manifest.system} {_CANNOT}", *notes)
    notes = (*notes, *tell_verdicts(rows))
    return Report(manifest, tuple(rows), figures, counts, folder, notes)


_CANNOT = "cannot leave out the documents they hold out, as it takes no `selection`"


def count(rows: Sequence[Row], cases: int) -> dict[str, int]:
    """Return the numbers of cases, of those asked and failed, and what a judge could not say."""
    verdicts = [verdict for row in rows for verdict in row.verdicts.values()]
    return {
        "cases": cases,
        "asked": len(rows),
        "failed": sum(row.failure is not None for row in rows),
        "verdicts": len(verdicts),
        "unread": sum(len(verdict.failures) for verdict in verdicts),
        "no verdict": sum(verdict.score is None for verdict in verdicts),
        "disagreed": sum(verdict.agreed is False for verdict in verdicts),
    }


def _is_told(measure: Measure | SetMeasure, rows: Sequence[Row]) -> bool:
    if isinstance(measure, SetMeasure):
        return measure.of(rows) is not None
    if measure.needs == "judge":
        return any(row.verdicts for row in rows)
    if any(row.measures.get(measure.name) is not None for row in rows):
        return True
    return measure.needs in ("ranked", "context", "text") and any(
        row.response and getattr(row.response, measure.needs) is not None for row in rows
    )
