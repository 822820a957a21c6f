"""Rows in, what they amount to out: a value and its interval for each measure and group."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

import numpy as np

from rag.evaluation.base.rows import Figure, Row
from rag.evaluation.measures.measure import Measure, SetMeasure
from rag.evaluation.measures.registry import find_measure
from rag.evaluation.statistics.intervals import FEWEST, interval_of_mean, interval_of_set


def summarise(rows: Sequence[Row], names: Sequence[str]) -> tuple[Figure, ...]:
    """Return the figures of all rows in the order of the names, then those of each group.

    Groups are by kind, language and tag, each where it has ten cases at least and is not all of
    them; measures that apply to no case of a group have no figure there.  A case is missing
    where a measure applies and has no value, as it is where the case failed.
    """
    measures = [find_measure(name) for name in names]
    figures = [_figure(measure, rows, "") for measure in measures]
    for group, members in _group(rows).items():
        found = (_figure(measure, members, group) for measure in measures)
        figures += [figure for figure in found if figure.cases or figure.missing]
    return tuple(figures)


def _group(rows: Sequence[Row]) -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = {}
    for part in (_kinds, _languages, _tags):
        found: dict[str, list[Row]] = {}
        for row in rows:
            for name in part(row):
                found.setdefault(name, []).append(row)
        groups |= sorted(found.items())
    return {name: found for name, found in groups.items() if FEWEST <= len(found) < len(rows)}


def _kinds(row: Row) -> list[str]:
    return [f"kind={row.case.kind}"]


def _languages(row: Row) -> list[str]:
    return [f"language={row.case.language}"] if row.case.language else []


def _tags(row: Row) -> list[str]:
    return [f"tag={tag}" for tag in dict.fromkeys(row.case.tags)]


def _figure(measure: Measure | SetMeasure, rows: Sequence[Row], group: str) -> Figure:
    if isinstance(measure, SetMeasure):
        return _figure_of_set(measure, rows, group)
    applying = [row for row in rows if measure.applies(row.case)]
    found = [row.measures.get(measure.name) for row in applying]
    values = [float(value) for value in found if value is not None]
    low, high = interval_of_mean(values) or (None, None)
    missing = len(applying) - len(values)
    value = fmean(values) if values else None
    return Figure(measure.name, value, low, high, len(values), missing, group)


def _figure_of_set(measure: SetMeasure, rows: Sequence[Row], group: str) -> Figure:
    """Return a figure of all rows that enter it; of none where they do not hold what it needs."""
    read = [numbers for row in rows if (numbers := measure.read(row)) is not None]
    found = np.asarray(read, dtype=np.float64)
    value = measure.amount(found) if read else None
    if value is None:
        return Figure(measure.name, None, None, None, 0, 0, group)
    low, high = interval_of_set(measure.amount, found, value) or (None, None)
    missing = sum(row.failure is not None for row in rows)
    return Figure(measure.name, value, low, high, len(found), missing, group)
