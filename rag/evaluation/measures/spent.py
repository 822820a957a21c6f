"""What questions cost in, seconds and tokens out: of each, and the middle and the slow of many."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial

from rag.evaluation.base.cases import Case
from rag.evaluation.base.responses import Response
from rag.evaluation.base.rows import Row
from rag.evaluation.measures.measure import Better, Measure, SetMeasure, applies_to_all

_SOURCE = "as the system tells it"
_SHARES = (50, 95)
# Name, field of `Spent`, meaning, direction and unit.
_TABLE: tuple[tuple[str, str, str, Better, str], ...] = (
    ("seconds-retrieve", "retrieve", "time until passages were found", "lower", "s"),
    ("seconds-first-token", "first_token", "time until the first word", "lower", "s"),
    ("seconds-total", "total", "time until the answer was complete", "lower", "s"),
    ("tokens-per-second", "tokens_per_second", "speed of the model's writing", "higher", "1/s"),
    ("tokens-in", "prompt_tokens", "tokens the model read", "", "tokens"),
    ("tokens-out", "answer_tokens", "tokens the model wrote", "", "tokens"),
)


def amount(field: str, _case: Case | None, response: Response | None) -> float | None:
    """Return a field of what was spent, None where it is not told."""
    value = getattr(response.spent, field) if response else None
    return float(value) if value is not None and math.isfinite(value) else None


def percentile(field: str, share: int, rows: Sequence[Row]) -> float | None:
    """Return a percentile of what the rows tell, between two of them in proportion."""
    import numpy

    told = [value for row in rows if (value := amount(field, None, row.response)) is not None]
    return float(numpy.percentile(told, share)) if told else None


def _measures() -> Iterator[Measure]:
    for name, field, meaning, better, unit in _TABLE:
        of = partial(amount, field)
        yield Measure(name, meaning, _SOURCE, "spent", of, applies_to_all, better, unit)


def _percentiles() -> Iterator[SetMeasure]:
    for name, field, meaning, better, unit in _TABLE:
        for share in _SHARES:
            said = f"{meaning}: {share} % of cases have no more"
            of = partial(percentile, field, share)
            yield SetMeasure(f"{name}-p{share}", said, _SOURCE, "spent", of, better, unit)


MEASURES = tuple(_measures())
SET_MEASURES = tuple(_percentiles())
