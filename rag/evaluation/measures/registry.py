"""Every measure by its name, what it means and where it comes from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from rag.evaluation.base.cases import Case
from rag.evaluation.base.responses import Response
from rag.evaluation.base.rows import Row

NEEDS = ("ranked", "context", "text", "evidence", "spent", "judge")
Need = Literal["ranked", "context", "text", "evidence", "spent", "judge"]


@dataclass(frozen=True, slots=True)
class Measure:
    """A figure of one case.

    `of` returns None where the measure does not apply to the case or the response does not tell;
    `applies` says whether it applies to the case at all, so that what is missing can be counted.
    `needs` is what a response must tell.  `meaning` is one sentence for a reader of a report,
    `source` the paper or tool that defines it.  `better` is the direction; "" for what is
    neither, such as the number of tokens.
    """

    name: str
    meaning: str
    source: str
    needs: Need
    of: Callable[[Case, Response], float | None]
    applies: Callable[[Case], bool]
    better: Literal["higher", "lower", ""] = "higher"
    unit: str = ""


@dataclass(frozen=True, slots=True)
class SetMeasure:
    """A figure that only many cases together have, such as an AUROC.

    `of` gets rows and returns None where they do not hold what it needs.
    """

    name: str
    meaning: str
    source: str
    needs: Need
    of: Callable[[Sequence[Row]], float | None]
    better: Literal["higher", "lower", ""] = "higher"


def find_measure(name: str) -> Measure | SetMeasure:
    """Return the measure of a name such as "nDCG@10"; raises PipelineError naming those near."""
    raise NotImplementedError


def default_measures(*, answers: bool, judge: bool) -> tuple[str, ...]:
    """Return the names measured when none are asked for, in the order of a report."""
    raise NotImplementedError


def measure_case(case: Case, response: Response, names: Sequence[str]) -> dict[str, float | None]:
    """Return the figures of one case by name, those of whole sets left out."""
    raise NotImplementedError
