"""What is relevant, by rank, in, the measures of ranked retrieval as in trec_eval out."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

Qrels = Mapping[str, Mapping[str, float]]
Run = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Judged:
    """A ranking as it was judged.

    `found` holds for each rank the grades of what is first found there: nothing, the grade of
    one document, or those of several pieces of evidence that one passage holds.  `relevant` are
    the grades of all there is to find.  All grades are above 0.
    """

    found: tuple[tuple[float, ...], ...]
    relevant: tuple[float, ...]


def precision(ranking: Judged, k: int | None) -> float:
    """Return the share of k ranks at which something is found; those that are missing count."""
    size = len(ranking.found) if k is None else k
    return sum(map(bool, ranking.found[:k])) / size if size else 0.0


def recall(ranking: Judged, k: int | None) -> float:
    """Return the share of all that is relevant that is found in the first k ranks."""
    return _share(sum(map(len, ranking.found[:k])), ranking)


def success(ranking: Judged, k: int | None) -> float:
    """Return 1 where anything is found in the first k ranks, else 0."""
    return float(any(ranking.found[:k]))


def reciprocal_rank(ranking: Judged, k: int | None) -> float:
    """Return 1 by the first rank at which something is found, 0 where that is behind k.

    Source: Kantor and Voorhees (2000), the cut as in the evaluation of MS MARCO.
    """
    ranks = (rank for rank, grades in enumerate(ranking.found[:k], start=1) if grades)
    first = next(ranks, None)
    return 1 / first if first else 0.0


def average_precision(ranking: Judged, k: int | None) -> float:
    """Return the mean, over all that is relevant, of the precision where it is found.

    Source: Harman (1992).  Pieces that one passage holds are found at the same precision.
    """
    total, hits = 0.0, 0
    for rank, grades in enumerate(ranking.found[:k], start=1):
        hits += bool(grades)
        total += len(grades) * hits / rank
    return _share(total, ranking)


def ndcg(ranking: Judged, k: int | None) -> float:
    """Return the discounted gain of the first k ranks by that of the best order.

    Source: Jarvelin and Kekalainen (2002).  As in trec_eval's `ndcg_cut` the gain is the grade
    itself (not 2^grade - 1) and the discount log2(rank + 1).  The best order has one piece at
    each rank; passages that hold several can do better, which counts as 1.
    """
    ideal = _gain(sorted(ranking.relevant, reverse=True)[:k])
    return min(1.0, _gain(map(sum, ranking.found[:k])) / ideal) if ideal else 0.0


FORMULAS: Mapping[str, Callable[[Judged, int | None], float]] = {
    "nDCG": ndcg,
    "R": recall,
    "P": precision,
    "RR": reciprocal_rank,
    "AP": average_precision,
    "Success": success,
}


def rank(scores: Mapping[str, float]) -> list[str]:
    """Return the ids by score, the highest first; equal ones by id, the last in the alphabet first.

    That is trec_eval's order, which reads no ranks and keeps 32 bits of a score: what differs by
    less is equal.
    """
    kept = dict(zip(scores, array("f", scores.values()), strict=True))
    return sorted(kept, key=lambda name: (kept[name], name), reverse=True)


def judge_ranking(ranked: Iterable[str], grades: Mapping[str, float]) -> Judged:
    """Return what a ranking of ids finds; what is not judged is not relevant."""
    found = tuple((grades[name],) if grades.get(name, 0) > 0 else () for name in ranked)
    return Judged(found, tuple(grade for grade in grades.values() if grade > 0))


def measure_run(run: Run, qrels: Qrels, names: Sequence[str]) -> dict[str, dict[str, float]]:
    """Return the measures of every judged query by name ("nDCG@10", "AP").

    `run` are scores and `qrels` grades, each by query and document.  As with trec_eval and
    ir_measures, queries that nobody judged are left out, grades of 0 and less are not relevant
    and gain nothing, and a run shorter than k is not divided by less than k.  A query without
    results, or for which nothing is relevant, is 0: as in ir_measures and `trec_eval -c`;
    trec_eval without it leaves those without results out.

    We differ in one thing: `RR@k`, which trec_eval lacks, ranks equal scores in trec_eval's
    order, where ir_measures does as MS MARCO, with the first in the alphabet first.
    """
    chosen = [(name, *_read(name)) for name in names]
    measured = {}
    for query, grades in qrels.items():
        judged = judge_ranking(rank(run.get(query, {})), grades)
        measured[query] = {name: formula(judged, k) for name, formula, k in chosen}
    return measured


def _read(name: str) -> tuple[Callable[[Judged, int | None], float], int | None]:
    base, _, k = name.partition("@")
    return FORMULAS[base], int(k) if k else None


def _share(amount: float, ranking: Judged) -> float:
    return amount / len(ranking.relevant) if ranking.relevant else 0.0


def _gain(grades: Iterable[float]) -> float:
    return sum(grade / math.log2(rank + 1) for rank, grade in enumerate(grades, start=1))
