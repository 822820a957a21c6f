"""Rows in, what they amount to out: a value and its interval for each measure and group."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from rag.evaluation.base.rows import Figure, Row
from rag.evaluation.measures.measure import Measure, SetMeasure
from rag.evaluation.measures.registry import find_measure
from rag.evaluation.statistics.intervals import (
    FEWEST,
    Interval,
    interval_of_mean,
    interval_of_set,
    interval_of_share,
)


def summarise(rows: Sequence[Row], names: Sequence[str]) -> tuple[Figure, ...]:
    """Return the figures of all rows in the order of the names, then those of each group.

    Groups are by kind, and by language and tag where those have ten cases at least; none is all
    cases.  Measures that apply to no case of a group have no figure there.  A case is missing
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
    for part, fewest in ((_kinds, 1), (_languages, FEWEST), (_tags, FEWEST)):
        found: dict[str, list[Row]] = {}
        for row in rows:
            for name in part(row):
                found.setdefault(name, []).append(row)
        groups |= {
            name: some for name, some in sorted(found.items()) if fewest <= len(some) < len(rows)
        }
    return groups


def _kinds(row: Row) -> list[str]:
    return [f"kind={row.case.kind}"]


def _languages(row: Row) -> list[str]:
    return [f"language={row.case.language}"] if row.case.language else []


def _tags(row: Row) -> list[str]:
    return [f"tag={tag}" for tag in dict.fromkeys(row.case.tags)]


def _figure(measure: Measure | SetMeasure, rows: Sequence[Row], group: str) -> Figure:
    applying = [row for row in rows if measure.applies(row.case)]
    if isinstance(measure, SetMeasure):
        return _figure_of_set(measure, applying, group)
    found = [row.measures.get(measure.name) for row in applying]
    values = [float(value) for value in found if value is not None]
    low, high = interval_of_mean(values, math.inf if measure.unit else 1.0) or (None, None)
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
    low, high = _interval(measure, found, value) or (None, None)
    cases, missing = sum(measure.count(found)), len(rows) - len(read)
    return Figure(measure.name, value, low, high, cases, missing, group)


def _interval(measure: SetMeasure, found: NDArray[np.float64], value: float) -> Interval | None:
    counts = measure.count(found)
    if min(counts) < FEWEST:
        return None
    if measure.is_share:
        return interval_of_share(value, sum(counts))
    return interval_of_set(measure.amount, found, value)
