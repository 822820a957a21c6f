"""Cases and responses in, how well what cannot be answered was refused out."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from rag.evaluation.base.cases import Case
from rag.evaluation.base.responses import Response
from rag.evaluation.base.rows import Row
from rag.evaluation.measures.answers import is_answerable
from rag.evaluation.measures.measure import Measure, SetMeasure, applies_to_all

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Numbers: TypeAlias = "NDArray[np.float64]"

_RETRIEVAL = "van Rijsbergen (1979), a refusal taken as what is to be found"
_HANLEY = "Hanley and McNeil (1982)"


def did(case: Case, response: Response, *, answerable: bool, refused: bool) -> float | None:
    """Return 1 where a case of that kind was refused, or was answered, else 0.

    None for a case of the other kind, and where the response does not tell.
    """
    if response.abstained is None or case.answerable is not answerable:
        return None
    return float(response.abstained is refused)


def is_unanswerable(case: Case) -> bool:
    """Return whether a case must be refused."""
    return not case.answerable


def is_against(kind: str, case: Case) -> bool:
    """Return whether a case is answerable or of a kind that is not."""
    return case.answerable or case.kind == kind


def read_refusal(row: Row) -> tuple[float, float] | None:
    """Return whether a case was refused and whether it has an answer; None if not told."""
    if row.response is None or row.response.abstained is None:
        return None
    return float(row.response.abstained), float(row.case.answerable)


def read_evidence(row: Row) -> tuple[float, float] | None:
    """Return the evidence score of a case and whether it has an answer; None if not told."""
    score = row.response.evidence if row.response else None
    if score is None or not math.isfinite(score):
        return None
    return score, float(row.case.answerable)


def refusal_precision(told: Numbers) -> float | None:
    """Return the share of refusals that were right.

    None where nothing was refused, and where all cases are answerable or none is: it is then
    0 or 1 whatever was refused.
    """
    right, refused = _count(told)
    return right / refused if refused and _has_both(told) else None


def refusal_f1(told: Numbers) -> float | None:
    """Return the harmonic mean of that and of the share of unanswerable cases refused.

    0 where nothing was refused that should be, None where all cases are answerable or none is.
    """
    right, refused = _count(told)
    return 2 * right / (refused + int((told[:, 1] == 0).sum())) if _has_both(told) else None


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


def _count(told: Numbers) -> tuple[int, int]:
    """Return the right refusals and all refusals."""
    refused = told[:, 0] > 0
    return int((refused & (told[:, 1] == 0)).sum()), int(refused.sum())


def _has_both(told: Numbers) -> bool:
    return min(_kinds(told)) > 0


def _refused(told: Numbers) -> tuple[int]:
    return (_count(told)[1],)


def _kinds(told: Numbers) -> tuple[int, int]:
    """Return the answerable cases and the others."""
    answerable = int(told[:, 1].sum())
    return answerable, len(told) - answerable


def _auroc(name: str, meaning: str, applies: Callable[[Case], bool] = applies_to_all) -> SetMeasure:
    return SetMeasure(
        name, meaning, _HANLEY, "evidence", read_evidence, auroc, applies=applies, count=_kinds
    )


MEASURES: tuple[Measure | SetMeasure, ...] = (
    SetMeasure("refusal-P", "share of refusals that were right", _RETRIEVAL, "evidence",
               read_refusal, refusal_precision, count=_refused, is_share=True),
    Measure("refusal-R", "share of unanswerable cases that were refused", _RETRIEVAL, "evidence",
            partial(did, answerable=False, refused=True), is_unanswerable),
    SetMeasure("refusal-F1", "harmonic mean of refusal-P and refusal-R", _RETRIEVAL, "evidence",
               read_refusal, refusal_f1, count=_kinds),
    Measure("wrongly-refused", "share of answerable cases that were refused",
            "false positive rate of refusal", "evidence",
            partial(did, answerable=True, refused=True), is_answerable, "lower"),
    Measure("wrongly-answered", "share of unanswerable cases that were answered",
            "false negative rate of refusal", "evidence",
            partial(did, answerable=False, refused=False), is_unanswerable, "lower"),
    _auroc("AUROC", "how often an answerable case has a higher evidence score than another"),
    _auroc("AUROC-near-miss", "the same against near misses only",
           partial(is_against, "near-miss")),
    _auroc("AUROC-out-of-corpus", "the same against what the documents are not about",
           partial(is_against, "out-of-corpus")),
)  # fmt: skip
