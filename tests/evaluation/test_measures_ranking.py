"""Measures of ranked retrieval, held against trec_eval's own code."""

import math
import random
from collections.abc import Iterator

import ir_measures
import pytest
import pytrec_eval

from rag.evaluation.measures.ranking import (
    Judged,
    average_precision,
    measure_run,
    ndcg,
    precision,
    rank,
)

DEPTHS = (1, 3, 5, 10, 100)
NAMES = [f"{base}@{k}" for base in ("nDCG", "R", "P", "AP", "Success", "RR") for k in DEPTHS]
NAMES += ["nDCG", "AP", "RR"]
GRADES = (-2, -1, 0, 0, 0, 1, 1, 2, 3)
EXACT = 1e-9


def make_rankings(queries: int, lowest: int = -2) -> tuple[dict, dict]:
    """Return a run and qrels with ties, gaps, unjudged documents and grades of 0 and less."""
    draw = random.Random(6)
    names = [f"d{n}" for n in range(60)] + ["é", "Z", "a b", "文"]
    run, qrels = {}, {}
    for query in range(queries):
        scores = (0.0, 0.5, -1.0, 2.5) if query % 2 else [draw.random() for _ in range(50)]
        found = draw.sample(names, draw.choice((0, 1, 2, 4, 9, 30, 60)))
        judged = draw.sample(names, draw.choice((1, 2, 5, 20, 60)))
        grades = (0, -1) if query % 10 == 0 else GRADES
        qrels[f"q{query}"] = {name: max(lowest, draw.choice(grades)) for name in judged}
        if query % 7:
            run[f"q{query}"] = {name: draw.choice(scores) for name in found}
    return run, qrels


def measure_with_trec_eval(run: dict, qrels: dict) -> Iterator[tuple[str, str, float]]:
    """Yield query, our name of the measure, and its value; RR@k is trec_eval's RR, cut."""
    # Grades below -1 are written outside its memory; whatever is below 1 is not relevant to it.
    qrels = {query: {name: max(-1, grade) for name, grade in grades.items()}
             for query, grades in qrels.items()}  # fmt: skip
    names = {"nDCG": "ndcg_cut", "R": "recall", "P": "P", "AP": "map_cut", "Success": "success"}
    asked = {f"{name}.{','.join(map(str, DEPTHS))}" for name in names.values()}
    evaluator = pytrec_eval.RelevanceEvaluator(qrels, {*asked, "ndcg", "map", "recip_rank"})
    for query, values in evaluator.evaluate({name: run.get(name, {}) for name in qrels}).items():
        whole = {"nDCG": values["ndcg"], "AP": values["map"], "RR": values["recip_rank"]}
        yield from ((query, name, value) for name, value in whole.items())
        for k in DEPTHS:
            yield from (
                (query, f"{ours}@{k}", values[f"{theirs}_{k}"]) for ours, theirs in names.items()
            )
            yield query, f"RR@{k}", whole["RR"] if whole["RR"] * k >= 1 else 0.0


def test_random_rankings_measure_as_with_trec_eval():
    run, qrels = make_rankings(1500)
    ours = measure_run(run, qrels, NAMES)
    compared = 0
    for query, name, value in measure_with_trec_eval(run, qrels):
        assert ours[query][name] == pytest.approx(value, abs=EXACT), (query, name)
        compared += 1
    assert compared == 1500 * len(NAMES)


def test_queries_count_as_with_ir_measures():
    run, qrels = make_rankings(200, lowest=-1)
    run["nobody judged it"] = {"d1": 1.0}
    ours = measure_run(run, qrels, NAMES)
    wanted = [ir_measures.parse_measure(name) for name in NAMES if not name.startswith("RR@")]
    theirs = {(one.query_id, str(one.measure)): one.value
              for one in ir_measures.iter_calc(wanted, qrels, run)}  # fmt: skip
    assert {query for query, _ in theirs} == set(ours) == set(qrels)
    for (query, name), value in theirs.items():
        assert ours[query][name] == pytest.approx(value, abs=EXACT), (query, name)


def test_cut_reciprocal_rank_is_that_of_ms_marco_where_no_scores_are_equal():
    run, qrels = make_rankings(200, lowest=-1)
    run = {
        query: {name: -place for place, name in enumerate(rank(scores))}
        for query, scores in run.items()
    }
    ours = measure_run(run, qrels, ["RR@10"])
    for one in ir_measures.iter_calc([ir_measures.RR @ 10], qrels, run):
        assert ours[one.query_id]["RR@10"] == pytest.approx(one.value, abs=EXACT)


def test_scores_that_differ_by_less_than_trec_eval_keeps_are_equal():
    run = {"q": {"a": 1.0 + 1e-12, "b": 1.0, "c": 1.0}}
    qrels = {"q": {"b": 1}}
    theirs = pytrec_eval.RelevanceEvaluator(qrels, {"recip_rank"}).evaluate(run)
    assert measure_run(run, qrels, ["RR"])["q"]["RR"] == theirs["q"]["recip_rank"]


def test_equal_scores_are_ranked_by_id_from_the_last_to_the_first():
    assert rank({"a": 1.0, "c": 1.0, "b": 2.0}) == ["b", "c", "a"]


def test_gain_is_the_grade_and_the_discount_the_logarithm_of_rank_and_one():
    found = Judged(((1.0,), (), (3.0,)), (1.0, 3.0))
    assert ndcg(found, 10) == pytest.approx((1 + 3 / 2) / (3 + 1 / math.log2(3)))


def test_passage_that_holds_several_pieces_measures_no_more_than_all():
    found = Judged(((1.0, 1.0), (1.0,)), (1.0, 1.0, 1.0))
    assert ndcg(found, 10) == 1
    assert average_precision(found, None) == 1
    assert precision(found, 5) == 2 / 5


def test_nothing_found_and_nothing_to_find_are_0_and_never_nan():
    nothing = measure_run({}, {"q": {}, "r": {"a": 1}}, NAMES)
    assert {value for measured in nothing.values() for value in measured.values()} == {0.0}
