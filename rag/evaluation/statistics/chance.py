"""Paired results in, how likely chance alone makes such a difference out."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from rag.evaluation.statistics.intervals import Amount

ROUNDS = 9999
SET_ROUNDS = 999
LEVEL = 0.05
POWER = 0.8
_AT_ONCE = 1000
_ENOUGH = 20
_SEED = 20_260_502
_NORMAL = NormalDist()


def flip_signs(differences: Sequence[float]) -> float:
    """Return how often differences with random signs have a mean as far from 0, both ways.

    All assignments of signs are tried where they are no more than 9 999, else so many at
    random, of which the one seen is one.  Differences of 0 have no sign and no say.

    Source: M. Smucker, J. Allan and B. Carterette, A Comparison of Statistical Significance
    Tests for Information Retrieval Evaluation, CIKM 2007.
    """
    unequal = np.asarray([one for one in differences if one], dtype=np.float64)
    found = np.concatenate([signs @ unequal for signs in _signs(len(unequal), ROUNDS)])
    least = abs(float(unequal.sum())) - 1e-9 * float(np.abs(unequal).sum())  # but for rounding
    far = int(np.count_nonzero(np.abs(found) >= least))
    is_exact = _is_exact(len(unequal), ROUNDS)
    return far / len(found) if is_exact else (far + 1) / (len(found) + 1)


def swap_results(of: Amount, first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Return how often the difference of a figure is as large with results swapped at random.

    The test of `flip_signs` for figures of whole sets: within a case either run may have had
    either result.  A swap that leaves no figure counts as one as large.  At random 999 times at
    most, and no longer than until twenty were as large.

    Source: J. Besag and P. Clifford, Sequential Monte Carlo p-values, Biometrika 78 (1991).
    """
    seen = abs(_differ(of, first, second))
    far = done = 0
    for signs in (row for batch in _signs(len(first), SET_ROUNDS) for row in batch):
        swapped = (signs < 0)[:, None]
        old, new = np.where(swapped, second, first), np.where(swapped, first, second)
        far += abs(_differ(of, old, new)) >= seen - 1e-12
        done += 1
        if far == _ENOUGH and not _is_exact(len(first), SET_ROUNDS):
            return far / done
    return far / done if _is_exact(len(first), SET_ROUNDS) else (far + 1) / (done + 1)


def _differ(of: Amount, first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    before, after = of(first), of(second)
    return math.inf if before is None or after is None else after - before


def _is_exact(count: int, rounds: int) -> bool:
    return 1 << count <= rounds


def _signs(count: int, rounds: int) -> Iterator[NDArray[np.float64]]:
    """Yield rows of 1 and -1: each there is, or so many at random."""
    if _is_exact(count, rounds):
        numbers = np.arange(1 << count)[:, None]
        yield np.where(numbers >> np.arange(count) & 1, -1.0, 1.0)
        return
    generator = np.random.default_rng(_SEED)
    for begin in range(0, rounds, _AT_ONCE):
        shape = (min(_AT_ONCE, rounds - begin), count)
        yield np.where(generator.integers(0, 2, shape, dtype=np.int8), -1.0, 1.0)


def correct(chances: Sequence[float]) -> list[float]:
    """Return each chance corrected for how many there are, in their order.

    Source: S. Holm, A Simple Sequentially Rejective Multiple Test Procedure, Scandinavian
    Journal of Statistics 6 (1979) 65-70.
    """
    corrected = [1.0] * len(chances)
    reached = 0.0
    ranked = sorted(range(len(chances)), key=chances.__getitem__)
    for rank, place in enumerate(ranked):
        reached = max(reached, min(1.0, (len(chances) - rank) * chances[place]))
        corrected[place] = reached
    return corrected


def find_detectable(error: float, tests: int = 1) -> float:
    """Return the difference that one of so many tests, 5 % together, finds four times in five.

    `error` is the standard error of the difference: the standard deviation of paired
    differences by the root of their number.  The result is 2.80 of it for one test and 3.93
    for thirty: the quantile is that of Bonferroni, which Holm's first step has.

    Source: H. S. Bloom, Minimum Detectable Effects, Evaluation Review 19 (1995) 547-556.
    """
    return (_NORMAL.inv_cdf(1 - LEVEL / (2 * tests)) + _NORMAL.inv_cdf(POWER)) * error


def can_reach(changed: int, tests: int = 1) -> bool:
    """Return whether so many cases that differ could pass the first of so many tests at all.

    Signs that all agree have a chance of 2 in 2 ** changed, and the least of Holm's is that
    times `tests`.
    """
    return tests * 2.0 ** (1 - changed) < LEVEL
