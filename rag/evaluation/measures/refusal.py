"""Rows in, how well what cannot be answered was refused out."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from rag.evaluation.base.rows import Row
from rag.evaluation.measures.measure import SetMeasure

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Numbers: TypeAlias = "NDArray[np.float64]"

_RETRIEVAL = "van Rijsbergen (1979), a refusal taken as what is to be found"
_HANLEY = "Hanley and McNeil (1982)"


def read_refusal(row: Row) -> tuple[float, float] | None:
    """Return whether a case was refused and whether it has an answer; None if not told."""
    if row.response is None or row.response.abstained is None:
        return None
    return float(row.response.abstained), float(row.case.answerable)


def read_evidence(row: Row, kind: str = "") -> tuple[float, float] | None:
    """Return the evidence score of a case and whether it has an answer; None if not told.

    With `kind` cases without an answer count only where they are of that kind.
    """
    score = row.response.evidence if row.response else None
    if score is None or not math.isfinite(score):
        return None
    if not row.case.answerable and kind not in ("", row.case.kind):
        return None
    return score, float(row.case.answerable)


def refusal_precision(told: Numbers) -> float | None:
    """Return the share of refusals that were right; None where nothing was refused or should be."""
    right, refused, unanswerable, _asked = _count(told)
    return right / refused if refused and unanswerable else None


def refusal_recall(told: Numbers) -> float | None:
    """Return the share of unanswerable cases that were refused."""
    right, _refused, unanswerable, _asked = _count(told)
    return right / unanswerable if unanswerable else None


def refusal_f1(told: Numbers) -> float | None:
    """Return the harmonic mean of both; 0 where nothing was refused that should be."""
    right, refused, unanswerable, _asked = _count(told)
    return 2 * right / (refused + unanswerable) if unanswerable else None


def wrongly_refused(told: Numbers) -> float | None:
    """Return the share of answerable cases that were refused."""
    right, refused, unanswerable, asked = _count(told)
    return (refused - right) / (asked - unanswerable) if asked > unanswerable else None


def wrongly_answered(told: Numbers) -> float | None:
    """Return the share of unanswerable cases that were answered."""
    refused = refusal_recall(told)
    return None if refused is None else 1 - refused


def auroc(scored: Numbers) -> float | None:
    """Return how often the score of an answerable case is above that of one that is not.

    Ties count half: the area under the ROC curve, by ranks (Mann and Whitney 1947).
    """
    import numpy as np

    is_good = scored[:, 1] > 0
    good, bad = scored[is_good, 0], np.sort(scored[~is_good, 0])
    if not len(good) or not len(bad):
        return None
    below = np.searchsorted(bad, good, side="left").sum()
    up_to = np.searchsorted(bad, good, side="right").sum()
    return float(below + up_to) / (2 * len(good) * len(bad))


def _count(told: Numbers) -> tuple[int, int, int, int]:
    """Return the right refusals, all refusals, the unanswerable cases and all that were asked."""
    refused, unanswerable = told[:, 0] > 0, told[:, 1] == 0
    return (
        int((refused & unanswerable).sum()),
        int(refused.sum()),
        int(unanswerable.sum()),
        len(told),
    )


def _auroc(name: str, meaning: str, kind: str = "") -> SetMeasure:
    return SetMeasure(name, meaning, _HANLEY, "evidence", partial(read_evidence, kind=kind), auroc)


MEASURES = (
    SetMeasure("refusal-P", "share of refusals that were right", _RETRIEVAL,
               "text", read_refusal, refusal_precision),
    SetMeasure("refusal-R", "share of unanswerable cases that were refused", _RETRIEVAL,
               "text", read_refusal, refusal_recall),
    SetMeasure("refusal-F1", "harmonic mean of refusal-P and refusal-R", _RETRIEVAL,
               "text", read_refusal, refusal_f1),
    SetMeasure("wrongly-refused", "share of answerable cases that were refused",
               "false positive rate of refusal", "text", read_refusal, wrongly_refused, "lower"),
    SetMeasure("wrongly-answered", "share of unanswerable cases that were answered",
               "false negative rate of refusal", "text", read_refusal, wrongly_answered, "lower"),
    _auroc("AUROC", "how often an answerable case has a higher evidence score than another"),
    _auroc("AUROC-near-miss", "the same against near misses only", "near-miss"),
    _auroc("AUROC-out-of-corpus", "the same against what the documents are not about",
           "out-of-corpus"),
)  # fmt: skip
