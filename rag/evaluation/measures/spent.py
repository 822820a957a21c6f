"""What questions cost in, seconds and tokens out: of each, and the middle and the slow of many."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from rag.evaluation.base.cases import Case
from rag.evaluation.base.responses import Response
from rag.evaluation.base.rows import Row
from rag.evaluation.measures.measure import Better, Measure, SetMeasure, applies_to_all

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

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


def read_amount(field: str, row: Row) -> tuple[float] | None:
    """Return the same of a row."""
    value = amount(field, None, row.response)
    return None if value is None else (value,)


def percentile(share: int, told: NDArray[np.float64]) -> float:
    """Return a percentile of what the rows tell, between two of them in proportion."""
    import numpy as np

    return float(np.percentile(told, share))


def _measures() -> Iterator[Measure]:
    for name, field, meaning, better, unit in _TABLE:
        of = partial(amount, field)
        yield Measure(name, meaning, _SOURCE, "spent", of, applies_to_all, better, unit)


def _percentiles() -> Iterator[SetMeasure]:
    for name, field, meaning, better, unit in _TABLE:
        for share in _SHARES:
            said = f"{meaning}: {share} % of cases have no more"
            read, of = partial(read_amount, field), partial(percentile, share)
            yield SetMeasure(f"{name}-p{share}", said, _SOURCE, "spent", read, of, better, unit)


MEASURES = tuple(_measures())
SET_MEASURES = tuple(_percentiles())
