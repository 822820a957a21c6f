"""Values of cases in, the interval in which what they estimate lies 95 times in 100 out.

What was chosen is what covers 0.93 to 0.97 in `tests/benchmarks/intervals.py`, for hits and
misses, for gains that are mostly 0 or 1, for seconds and for paired differences of them.
Of 50 such values percentiles of resampled means cover 0.79 to 0.96, BCa 0.66 to 0.96.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from statistics import NormalDist, fmean, stdev
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Interval: TypeAlias = tuple[float, float]
Amount: TypeAlias = Callable[[NDArray[np.float64]], float | None]

FEWEST = 10
"""Of fewer values there is no interval: what they hold of the spread is too little."""
ROUNDS = 1000
_ROWS = 100_000  # Rows that may be measured for the spread of one figure of a set.
_SEED = 20_260_501
_Z = NormalDist().inv_cdf(0.975)
_LEAST_SPREAD = 0.28


def interval_of_mean(values: Sequence[float], most: float = math.inf) -> Interval | None:
    """Return the interval of a mean of what lies from 0 to `most`, and not beyond.

    It is `interval_of_share` where all values are 0 or 1, else `interval_of_spread`.
    """
    if len(values) < FEWEST:
        return None
    if set(values) <= {0.0, 1.0}:
        return interval_of_share(fmean(values), len(values))
    found = interval_of_spread(values)
    return found and (max(0.0, found[0]), min(most, found[1]))


def interval_of_spread(values: Sequence[float]) -> Interval | None:
    """Return the symmetric studentised bootstrap interval of a mean.

    None for fewer than ten values and for values that are all the same, of which no resample
    differs.  Also right for paired differences, where Wilson's would take one win in fifty for
    a sure gain.  The spread of a resample counts as 0.28 of that of the values at least, for
    resamples that miss the few values that differ.

    Source: P. Hall, On symmetric bootstrap confidence intervals, JRSS B 50 (1988) 35-45;
    B. Efron and R. Tibshirani, An Introduction to the Bootstrap (1993), 12.5.
    """
    count, mean = len(values), fmean(values)
    centred = np.asarray(values, dtype=np.float64) - mean
    spread = float(np.sqrt(np.mean(centred**2)))
    if count < FEWEST or min(values) == max(values) or spread == 0.0:
        return None
    standard = (centred / spread).astype(np.float32)
    weights = _weights(count)
    means = weights @ standard
    spreads = np.sqrt(np.maximum(weights @ standard**2 - means**2, _LEAST_SPREAD**2))
    reach = float(np.quantile(np.abs(means / spreads), 0.95)) * spread * math.sqrt(
        count / (count - 1)
    )  # fmt: skip
    return mean - reach, mean + reach


def interval_of_share(share: float, count: int) -> Interval:
    """Return Wilson's interval of a share of so many cases, which has a width also at 0 and 1.

    Source: E. B. Wilson, JASA 22 (1927) 209-212; L. Brown, T. Cai and A. DasGupta, Interval
    Estimation for a Binomial Proportion, Statistical Science 16 (2001) 101-133.
    """
    shrink = 1 + _Z**2 / count
    centre = (share + _Z**2 / (2 * count)) / shrink
    reach = _Z / shrink * math.sqrt(share * (1 - share) / count + _Z**2 / (4 * count**2))
    return max(0.0, centre - reach), min(1.0, centre + reach)


@lru_cache(maxsize=4)
def _weights(count: int) -> NDArray[np.float32]:
    """Return how much of each resample each value is: (ROUNDS, count), each row sums to 1.

    The same for all measures of as many cases, so that a mean costs a product of matrices.
    """
    generator = np.random.default_rng(_SEED)
    weights = np.empty((ROUNDS, count), dtype=np.float32)
    for row in weights:
        row[:] = np.bincount(generator.integers(0, count, count), minlength=count)
    return weights / np.float32(count)


def interval_of_set(of: Amount, items: NDArray[np.float64], value: float) -> Interval | None:
    """Return the interval of a figure of many items, from the spread of the figure resampled.

    On the scale of log odds for what lies between 0 and 1 and of logarithms for what is above, so
    that an interval near an end is as uneven as it must be: percentiles cover 0.85 to 0.96 of
    AUROCs, this 0.93 to 0.96.  None for fewer than ten items, at 0 and 1, where resampling shows
    no spread, and where most resamples have no figure.

    Source: M. Pepe, The Statistical Evaluation of Medical Tests (2003), 5.2, for the log odds;
    B. Efron and R. Tibshirani, An Introduction to the Bootstrap (1993), chapter 6.
    """
    error = find_error(of, items)
    if error is None or value in (0.0, 1.0):
        return None
    if 0 < value < 1:
        reach = math.exp(_Z * error / (value * (1 - value)))
        odds = value / (1 - value)
        return odds / reach / (1 + odds / reach), odds * reach / (1 + odds * reach)
    if value > 1:
        reach = math.exp(_Z * error / value)
        return value / reach, value * reach
    return interval_of_error(value, error)


def interval_of_error(value: float, error: float) -> Interval:
    """Return the interval of a figure whose standard error is known."""
    return value - _Z * error, value + _Z * error


def find_error(of: Amount, items: NDArray[np.float64]) -> float | None:
    """Return the standard error of a figure of many items, (items, ...), drawn with replacement.

    100 to 400 times, the more the fewer items there are.  None for fewer than ten items, where
    all figures are the same, and where most are None.
    """
    count = len(items)
    if count < FEWEST:
        return None
    generator = np.random.default_rng(_SEED)
    rounds = max(100, min(400, _ROWS // count))
    figures = [of(items[generator.integers(0, count, count)]) for _ in range(rounds)]
    known = [figure for figure in figures if figure is not None]
    return (stdev(known) or None) if len(known) > rounds // 2 else None
