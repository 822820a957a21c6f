"""Simulated cases in, how often intervals, tests and claims of power are right out.

    python tests/benchmarks/intervals.py [--sets 2000] [--pairs 500]

Coverage: how often the 95 % interval of a sample holds the mean of what it was drawn from (goal
0.93 to 0.97).  False positives: how often `compare` finds something between two runs of which
neither is better (goal 0.05 at most).  Power: how often a difference is found that is as large
as the smallest one the set is said to show, alone and as one of thirty (goal 0.8 for both).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from math import comb
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from rag.evaluation.base.cases import Case, Relevant
from rag.evaluation.base.responses import Response
from rag.evaluation.base.rows import Manifest, Report, Row
from rag.evaluation.compare.compare import compare
from rag.evaluation.measures.refusal import auroc
from rag.evaluation.statistics.chance import find_detectable, flip_signs
from rag.evaluation.statistics.intervals import (
    interval_of_mean,
    interval_of_set,
    interval_of_spread,
)

SIZES = (50, 100, 300)
MEASURES = (
    "nDCG@10",
    "RR@10",
    "R@5",
    "token-F1",
    "evidence-R",
    "seconds-retrieve",
    "seconds-total",
)
Values = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], Values]


def hits(share: float) -> Draw:
    """Return what draws 0 and 1."""
    return lambda rng, n: (rng.random(n) < share).astype(np.float64)


def gains(none: float, full: float, a: float, b: float) -> Draw:
    """Return what draws 0, 1 and what lies between, as nDCG does."""

    def draw(rng: np.random.Generator, n: int) -> Values:
        kind = rng.random(n)
        return np.where(kind < none, 0.0, np.where(kind < none + full, 1.0, rng.beta(a, b, n)))

    return draw


def seconds(spread: float) -> Draw:
    """Return what draws times, a few of them long."""
    return lambda rng, n: rng.lognormal(0, spread, n)


def steps(worse: float, better: float) -> Draw:
    """Return what draws paired differences of hits, most of them 0."""
    return lambda rng, n: rng.choice([-1.0, 0.0, 1.0], n, p=[worse, 1 - worse - better, better])


def shifts(same: float, mean: float, spread: float) -> Draw:
    """Return what draws paired differences of gains."""
    return lambda rng, n: np.where(rng.random(n) < same, 0.0, rng.normal(mean, spread, n))


KINDS: dict[str, tuple[Draw, float]] = {
    **{f"hits {share}": (hits(share), share) for share in (0.5, 0.7, 0.85, 0.9, 0.95, 0.97)},
    "gains, few 1": (gains(0.5, 0.2, 2, 3), 0.2 + 0.3 * 0.4),
    "gains, half 1": (gains(0.15, 0.5, 3, 3), 0.5 + 0.35 * 0.5),
    "gains, most 1": (gains(0.03, 0.8, 4, 3), 0.8 + 0.17 * 4 / 7),
    "gains, nearly all 1": (gains(0.02, 0.9, 5, 2), 0.9 + 0.08 * 5 / 7),
    **{f"seconds {one}": (seconds(one), float(np.exp(one**2 / 2))) for one in (0.4, 0.6, 0.8)},
    "differences of hits, few": (steps(0.02, 0.06), 0.04),
    "differences of hits, many": (steps(0.1, 0.15), 0.05),
    "differences of gains": (shifts(0.6, 0.02, 0.3), 0.008),
}


def coverage(name: str, n: int, sets: int, rng: np.random.Generator) -> float:
    """Return how often the interval of n values holds their true mean."""
    draw, truth = KINDS[name]
    if name.startswith("hits"):
        return coverage_of_hits(truth, n)
    interval = interval_of_spread if name.startswith("differences") else interval_of_mean
    found = (interval(draw(rng, n).tolist()) for _ in range(sets))
    return sum(one is not None and one[0] <= truth <= one[1] for one in found) / sets


def coverage_of_hits(truth: float, n: int) -> float:
    """Return the same for hits, of which each number can be tried."""
    held = 0.0
    for k in range(n + 1):
        found = interval_of_mean([1.0] * k + [0.0] * (n - k))
        if found is not None and found[0] <= truth <= found[1]:
            held += comb(n, k) * truth**k * (1 - truth) ** (n - k)
    return held


def coverage_of_auroc(truth: float, n: int, sets: int, rng: np.random.Generator) -> float:
    """Return the same for an AUROC, of which a quarter of the cases are of the lower kind."""
    apart = NormalDist().inv_cdf(truth) * 2**0.5
    held = 0
    for _ in range(sets):
        kinds = rng.random(n) < 0.75
        scores = rng.normal(size=n) + apart * kinds
        scored = np.column_stack((scores, kinds))
        value = auroc(scored)
        found = value is not None and interval_of_set(auroc, scored, value)
        held += bool(found) and found[0] <= truth <= found[1]
    return held / sets


def run_of(name: str, figures: dict[str, Values]) -> Report:
    """Return a run that measured these."""
    count = len(next(iter(figures.values())))
    manifest = Manifest(name, name, "", "", "simulated", {}, {}, tuple(figures), "", "")
    rows = tuple(
        Row(
            Case(str(place), f"question {place}", (Relevant("a.txt"),), ("yes",)),
            Response(),
            {measure: float(values[place]) for measure, values in figures.items()},
        )
        for place in range(count)
    )
    return Report(manifest, rows, ())


def draw_runs(names: Sequence[str], n: int, rng: np.random.Generator) -> Iterator[Report]:
    """Yield two runs over the same cases, some hard and some easy, of which neither is better."""
    ease = rng.normal(size=n)
    speed = rng.normal(size=n)
    for name in ("first", "second"):
        rank = np.floor(np.exp(1.2 - ease + 0.5 * rng.normal(size=n))) + 1
        time = np.exp(0.5 * speed + 0.3 * rng.normal(size=n))
        noisy = np.clip(rng.normal(1 / rank, 0.2), 0, 1)
        made = (1 / np.log2(rank + 1), 1 / rank, rank <= 5, noisy, rank <= 9, time / 5, time)
        figures = dict(zip(MEASURES, made, strict=True))
        yield run_of(name, {one: np.asarray(figures[one], dtype=np.float64) for one in names})


def false_positives(n: int, pairs: int, rng: np.random.Generator) -> tuple[float, float]:
    """Return how often a measure differs by its own chance, and any after the correction."""
    alone = 0
    families = 0
    for _ in range(pairs):
        found = compare(*draw_runs(MEASURES, n, rng)).differences
        alone += sum(one.p is not None and one.p < 0.05 for one in found)
        families += any(one.is_significant for one in found[:5])
    return alone / (pairs * len(MEASURES)), families / pairs


def power(same: float, tests: int, n: int, sets: int, rng: np.random.Generator) -> float:
    """Return how often the difference that n cases are said to show in so many tests is found."""
    spread = 0.3
    shift = find_detectable(spread * ((1 - same) / n) ** 0.5, tests)
    drawn = (shifts(same, 0.0, spread)(rng, n) + shift for _ in range(sets))
    return sum(tests * flip_signs(one.tolist()) < 0.05 for one in drawn) / sets


def main() -> None:
    """Print a table of each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", type=int, default=2000)
    parser.add_argument("--pairs", type=int, default=500)
    parser.add_argument("--auroc-sets", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    print(f"{'coverage':26}", *(f"n={n:<5}" for n in SIZES))
    for name in KINDS:
        print(f"{name:26}", *(f"{coverage(name, n, options.sets, rng):.3f}  " for n in SIZES))
    for truth in (0.75, 0.9):
        found = (coverage_of_auroc(truth, n, options.auroc_sets, rng) for n in SIZES)
        print(f"AUROC {truth:<20}", *(f"{one:.3f}  " for one in found), flush=True)
    print(f"{'power':26}", *(f"n={n:<5}" for n in SIZES))
    for same, tests in product((0.0, 0.6), (1, 30)):
        found = (power(same, tests, n, options.pairs, rng) for n in SIZES)
        name = f"same in {same:.0%}, {tests} tests"
        print(f"{name:26}", *(f"{one:.3f}  " for one in found), flush=True)
    print("false positives            alone  any of five, corrected")
    for n in SIZES:
        alone, family = false_positives(n, options.pairs, rng)
        print(f"n={n:<24} {alone:.3f}  {family:.3f}", flush=True)


if __name__ == "__main__":
    main()
