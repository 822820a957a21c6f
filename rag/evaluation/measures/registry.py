"""Every measure by its name, what it means and where it comes from.

A measure is a function and a line of `MEASURES` in its module; one with a number ("nDCG@10") is a
line of `FAMILIES`.  Names stand in files and stay as they are.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from functools import cache

from ingest.base.errors import PipelineError
from rag.evaluation.base.cases import Case
from rag.evaluation.base.responses import Response
from rag.evaluation.base.rows import Verdict
from rag.evaluation.measures import answers, passages, refusal, spent
from rag.evaluation.measures.measure import Family, Measure, Need, SetMeasure

__all__ = [
    "NEEDS",
    "Measure",
    "Need",
    "SetMeasure",
    "default_measures",
    "describe",
    "find_measure",
    "measure_case",
    "measure_verdicts",
    "measures_of",
]

NEEDS: tuple[Need, ...] = ("ranked", "context", "text", "evidence", "spent", "judge")
_JUDGE = "judge-"
_JUDGED = "Zheng et al. (2023), LLM as a judge, of one answer"
_NUMBER = re.compile(r"(?:(?P<number>[1-9][0-9]{0,6}) ?(?P<unit>[a-z]*))?")


def _not_measured_here(_case: Case, _response: Response) -> None:
    """Return None: a judge says it, see `measure_verdicts`."""


_FIXED: tuple[Measure | SetMeasure, ...] = (
    *answers.MEASURES,
    Measure("judge-faithfulness", "what the answer says stands in what the model was shown",
            _JUDGED, "judge", _not_measured_here, answers.is_answerable),
    Measure("judge-relevance", "the answer answers the question",
            _JUDGED, "judge", _not_measured_here, answers.is_answerable),
    Measure("judge-correctness", "the answer says what a reference says",
            _JUDGED, "judge", _not_measured_here, answers.has_references),
    *refusal.MEASURES,
    *spent.MEASURES,
    *spent.SET_MEASURES,
)  # fmt: skip
_FAMILIES = {family.base.casefold(): family for family in passages.FAMILIES}
_BY_NAME = {measure.name.casefold(): measure for measure in _FIXED}
_ALSO = {
    "recall": "R", "precision": "P", "mrr": "RR", "reciprocal-rank": "RR", "map": "AP",
    "average-precision": "AP", "hit": "Success", "hits": "Success", "hit-rate": "Success",
    "hitrate": "Success", "evidence-recall": "evidence-R",
    "token-recall": "token-R", "token-precision": "token-P", "iou": "token-IoU",
    "em": "exact-match", "f1": "token-F1", "contains": "containment",
    "citation-precision": "citation-P", "citation-recall": "citation-R",
    "support": "support-rate", "refusal-precision": "refusal-P", "refusal-recall": "refusal-R",
    "faithfulness": "judge-faithfulness", "relevance": "judge-relevance",
    "correctness": "judge-correctness",
}  # fmt: skip

_RETRIEVAL = (
    "nDCG@10", "R@5", "R@10", "P@5", "RR@10", "AP", "Success@5",
    "evidence-R@500tokens", "evidence-R@1000tokens", "evidence-R@2000tokens",
    "evidence-R@4000tokens", "token-R@5", "token-P@5", "token-IoU@5",
)  # fmt: skip
_SECONDS = ("seconds-retrieve", "seconds-retrieve-p95")
_ANSWERS = (
    "evidence-R",
    *(measure.name for measure in answers.MEASURES),
    *(measure.name for measure in refusal.MEASURES),
)
_SPENT = (
    *_SECONDS, "seconds-first-token", "seconds-first-token-p95", "seconds-total",
    "seconds-total-p95", "tokens-per-second", "tokens-in", "tokens-out",
)  # fmt: skip


@cache
def find_measure(name: str) -> Measure | SetMeasure:
    """Return the measure of a name such as "nDCG@10"; raises PipelineError naming those near.

    Small and capital letters are the same, and so are "recall@5" and R@5, "MRR@10" and RR@10,
    "hit@5" and Success@5, "F1" and token-F1; the measure has the name of the literature.
    """
    base, _, behind = (part.strip() for part in name.casefold().partition("@"))
    base = "-".join(base.replace("_", " ").split())
    base = _ALSO.get(base, base).casefold()
    found = _NUMBER.fullmatch(behind)
    if found and base in _FAMILIES:
        number = int(found["number"]) if found["number"] else None
        return _make(_FAMILIES[base], number, found["unit"] or "", name)
    if base in _BY_NAME and not behind:
        return _BY_NAME[base]
    raise _unknown(name, base)


def measures_of(names: Iterable[str]) -> tuple[Measure | SetMeasure, ...]:
    """Return the measures of names in their order, one that has several names ("F1") once.

    Raises what `find_measure` does.
    """
    return tuple({measure.name: measure for measure in map(find_measure, names)}.values())


def default_measures(*, answers: bool, judge: bool) -> tuple[str, ...]:
    """Return the names measured when none are asked for, in the order of a report."""
    judged = tuple(name for name in _BY_NAME if name.startswith(_JUDGE)) if judge else ()
    return (*_RETRIEVAL, *_ANSWERS, *judged, *_SPENT) if answers else (*_RETRIEVAL, *_SECONDS)


def measure_case(case: Case, response: Response, names: Sequence[str]) -> dict[str, float | None]:
    """Return the figures of one case by name.

    Those of whole sets are left out, and those of a judge: see `measure_verdicts`.
    """
    return {
        measure.name: _finite(measure.of(case, response))
        for measure in measures_of(names)
        if isinstance(measure, Measure) and measure.needs != "judge"
    }


def measure_verdicts(verdicts: Mapping[str, Verdict]) -> dict[str, float | None]:
    """Return what a judge said as figures of the case: "judge-faithfulness" and the like.

    A row's measures are `measure_case(...) | measure_verdicts(row.verdicts)`.  None is what the
    judge could not say.
    """
    return {f"{_JUDGE}{name}": _finite(verdict.score) for name, verdict in verdicts.items()}


def describe() -> tuple[Measure | SetMeasure, ...]:
    """Return all measures in the order of a report, those with a number by the usual one."""
    families = [
        family.make(number)
        for family in _FAMILIES.values()
        for number in dict.fromkeys((family.usual, *((None,) if family.whole else ())))
    ]
    return (*families, *_FIXED)


def _make(family: Family, number: int | None, unit: str, name: str) -> Measure:
    if number is None and not family.whole:
        example = family.make(family.usual).name
        raise PipelineError(f"the measure {name} needs a number", f"write {example}")
    if unit and not (family.unit or "ranks").startswith(unit):
        raise _unknown(name, family.base.casefold())
    return family.make(number)


def _unknown(name: str, base: str) -> PipelineError:
    """Return an error that names the measures that are spelled most alike."""
    known = {one.name.partition("@")[0].casefold(): one.name for one in reversed(describe())}
    also = {other: known[meant.casefold()] for other, meant in _ALSO.items()}
    near = get_close_matches(base, [*known, *also], 3, 0.5)
    names = dict.fromkeys({**known, **also}[one] for one in near)
    hint = f"did you mean {' or '.join(names)}? " if names else ""
    return PipelineError(
        f"there is no measure {name!r}", f"{hint}rag evaluate --list-measures names all"
    )


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
