"""Rows in, how well what cannot be answered was refused out."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

from rag.evaluation.base.rows import Row
from rag.evaluation.measures.measure import SetMeasure

_RETRIEVAL = "van Rijsbergen (1979), a refusal taken as what is to be found"
_HANLEY = "Hanley and McNeil (1982)"


def refusal_precision(rows: Sequence[Row]) -> float | None:
    """Return the share of refusals that were right; None where nothing was refused or should be."""
    right, refused, unanswerable, _asked = _count(rows)
    return right / refused if refused and unanswerable else None


def refusal_recall(rows: Sequence[Row]) -> float | None:
    """Return the share of unanswerable cases that were refused."""
    right, _refused, unanswerable, _asked = _count(rows)
    return right / unanswerable if unanswerable else None


def refusal_f1(rows: Sequence[Row]) -> float | None:
    """Return the harmonic mean of both; 0 where nothing was refused that should be."""
    right, refused, unanswerable, _asked = _count(rows)
    return 2 * right / (refused + unanswerable) if unanswerable else None


def wrongly_refused(rows: Sequence[Row]) -> float | None:
    """Return the share of answerable cases that were refused."""
    right, refused, unanswerable, asked = _count(rows)
    return (refused - right) / (asked - unanswerable) if asked > unanswerable else None


def wrongly_answered(rows: Sequence[Row]) -> float | None:
    """Return the share of unanswerable cases that were answered."""
    refused = refusal_recall(rows)
    return None if refused is None else 1 - refused


def measure_auroc(rows: Sequence[Row], kind: str = "") -> float | None:
    """Return how often the evidence score of an answerable case is above that of one that is not.

    Ties count half.  With `kind` the unanswerable cases are only those of that kind.
    """
    good, bad = [], []
    for row in rows:
        score = row.response.evidence if row.response else None
        if score is None or not math.isfinite(score):
            continue
        if row.case.answerable:
            good.append(score)
        elif kind in ("", row.case.kind):
            bad.append(score)
    return auroc(good, bad) if good and bad else None


def auroc(good: Sequence[float], bad: Sequence[float]) -> float:
    """Return the area under the ROC curve, by ranks (Mann and Whitney 1947); neither is empty."""
    import numpy

    ordered = numpy.sort(numpy.asarray(bad, dtype=float))
    below = numpy.searchsorted(ordered, good, side="left").sum()
    up_to = numpy.searchsorted(ordered, good, side="right").sum()
    return float(below + up_to) / (2 * len(good) * len(bad))


def _count(rows: Sequence[Row]) -> tuple[int, int, int, int]:
    """Return the right refusals, all refusals, the unanswerable cases and all that were asked."""
    told = [
        (row.response.abstained, row.case.answerable)
        for row in rows
        if row.response is not None and row.response.abstained is not None
    ]
    refused = [answerable for abstained, answerable in told if abstained]
    unanswerable = sum(not answerable for _abstained, answerable in told)
    return refused.count(False), len(refused), unanswerable, len(told)


def _auroc(name: str, meaning: str, kind: str = "") -> SetMeasure:
    of: Callable[[Sequence[Row]], float | None] = partial(measure_auroc, kind=kind)
    return SetMeasure(name, meaning, _HANLEY, "evidence", of)


MEASURES = (
    SetMeasure("refusal-P", "share of refusals that were right", _RETRIEVAL,
               "text", refusal_precision),
    SetMeasure("refusal-R", "share of unanswerable cases that were refused", _RETRIEVAL,
               "text", refusal_recall),
    SetMeasure("refusal-F1", "harmonic mean of refusal-P and refusal-R", _RETRIEVAL,
               "text", refusal_f1),
    SetMeasure("wrongly-refused", "share of answerable cases that were refused",
               "false positive rate of refusal", "text", wrongly_refused, "lower"),
    SetMeasure("wrongly-answered", "share of unanswerable cases that were answered",
               "false negative rate of refusal", "text", wrongly_answered, "lower"),
    _auroc("AUROC", "how often an answerable case has a higher evidence score than another"),
    _auroc("AUROC-near-miss", "the same against near misses only", "near-miss"),
    _auroc("AUROC-out-of-corpus", "the same against what the documents are not about",
           "out-of-corpus"),
)  # fmt: skip
