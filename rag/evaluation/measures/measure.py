"""What a measure is, of one case or of many, and how it is called."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from rag.evaluation.base.cases import Case
from rag.evaluation.base.responses import Response
from rag.evaluation.base.rows import Row

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Need: TypeAlias = Literal["ranked", "context", "text", "evidence", "spent", "judge"]
Better: TypeAlias = Literal["higher", "lower", ""]


def applies_to_all(case: Case) -> bool:  # noqa: ARG001 - the signature of `Measure.applies`
    """Return True: there is no case it does not apply to."""
    return True


def count_all(found: NDArray[np.float64]) -> tuple[int]:
    """Return how many rows there are, all of one kind."""
    return (len(found),)


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
    better: Better = "higher"
    unit: str = ""


@dataclass(frozen=True, slots=True)
class SetMeasure:
    """A figure that only many cases together have, such as an AUROC.

    `read` returns what of a row enters it, as numbers, None where nothing does; `amount` gets
    those of many rows, (rows, numbers), and returns None where they do not hold what it needs.
    Apart, so that rows are read once and not for each resample.
    """

    name: str
    meaning: str
    source: str
    needs: Need
    read: Callable[[Row], tuple[float, ...] | None]
    amount: Callable[[NDArray[np.float64]], float | None]
    better: Better = "higher"
    unit: str = ""
    applies: Callable[[Case], bool] = applies_to_all
    count: Callable[[NDArray[np.float64]], tuple[int, ...]] = count_all
    is_share: bool = False

    def of(self, rows: Iterable[Row]) -> float | None:
        """Return the figure of the rows, None where none enters it."""
        import numpy as np

        applying = (row for row in rows if self.applies(row.case))
        found = [numbers for row in applying if (numbers := self.read(row)) is not None]
        return self.amount(np.asarray(found, dtype=np.float64)) if found else None


@dataclass(frozen=True, slots=True)
class Family:
    """Measures that differ in a number: `base` is "nDCG", the number that of "nDCG@10".

    `make` gets the number, None for the measure without one, which only those that are
    `whole` have.  `unit` is what is written behind the number.
    """

    base: str
    make: Callable[[int | None], Measure]
    usual: int | None
    whole: bool = False
    unit: str = ""


def has_evidence(case: Case) -> bool:
    """Return whether anything is known that a good answer rests on."""
    return any(piece.grade > 0 for piece in case.relevant)
