"""Figures of many cases, names of measures, and what is never a number."""

import json
import math
import random

import numpy as np
import pytest

from ingest.base.errors import PipelineError
from rag.evaluation.base.cases import Case
from rag.evaluation.base.responses import Response, Spent
from rag.evaluation.base.rows import Failure, Row, Verdict
from rag.evaluation.measures.measure import Measure, SetMeasure
from rag.evaluation.measures.refusal import auroc
from rag.evaluation.measures.registry import (
    NEEDS,
    default_measures,
    describe,
    find_measure,
    measure_case,
    measure_verdicts,
    measures_of,
)


def row(kind, abstained=None, evidence=None, **spent):
    case = Case("c", "?", answerable=kind == "answerable", kind=kind)
    return Row(
        case, Response(text="", abstained=abstained, evidence=evidence, spent=Spent(**spent))
    )


ROWS = [
    row("answerable", False, 0.9), row("answerable", False, 0.5), row("answerable", True, 0.2),
    row("near-miss", False, 0.5), row("near-miss", True, 0.1), row("out-of-corpus", True, 0.0),
    row("unanswerable", None, math.nan), Row(Case("f", "?"), failure=Failure("it broke")),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "expected"),
    [("refusal-P", 2 / 3), ("refusal-F1", 2 / 3), ("AUROC", 7.5 / 9),
     ("AUROC-near-miss", 4.5 / 6), ("AUROC-out-of-corpus", 1)],
)  # fmt: skip
def test_refusals_measure_as_counted_by_hand(name, expected):
    assert find_measure(name).of(ROWS) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("name", "kind", "refused", "expected"),
    [("refusal-R", "near-miss", True, 1), ("refusal-R", "near-miss", False, 0),
     ("refusal-R", "answerable", True, None), ("wrongly-refused", "answerable", True, 1),
     ("wrongly-refused", "near-miss", True, None), ("wrongly-answered", "near-miss", False, 1),
     ("wrongly-answered", "near-miss", True, 0), ("wrongly-answered", "near-miss", None, None)],
)  # fmt: skip
def test_a_refusal_is_right_or_wrong_by_the_kind_of_its_case(name, kind, refused, expected):
    asked = row(kind, refused)
    assert measure_case(asked.case, asked.response, [name]) == {name: expected}


def test_area_is_the_share_of_pairs_in_the_right_order():
    draw = random.Random(2)
    good, bad = ([draw.choice(range(9)) / 9 for _ in range(n)] for n in (90, 70))
    pairs = [(one > other) + (one == other) / 2 for one in good for other in bad]
    scored = np.array([(one, 1) for one in good] + [(other, 0) for other in bad])
    assert auroc(scored) == pytest.approx(sum(pairs) / len(pairs))


def test_rows_that_cannot_tell_have_no_figure():
    for measure in describe():
        if isinstance(measure, SetMeasure):
            assert measure.of([]) is None
            assert measure.of(ROWS[-1:]) is None
            assert measure.of([row("answerable")]) is None


def test_what_was_spent_has_a_middle_and_a_slow_end():
    rows = [row("answerable", total=float(seconds)) for seconds in range(101)]
    assert find_measure("seconds-total-p50").of(rows) == 50
    assert find_measure("seconds-total-p95").of([*rows, ROWS[0], ROWS[-1]]) == 95
    assert find_measure("seconds-total").of(rows[7].case, rows[7].response) == 7


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ("nDCG@10", "nDCG@10"), ("ndcg@3", "nDCG@3"), ("recall@5", "R@5"), ("MRR@10", "RR@10"),
        ("mrr", "RR"), ("MAP", "AP"), ("hit@5", "Success@5"), ("precision@7", "P@7"),
        ("Evidence_Recall@1000", "evidence-R@1000tokens"), ("evidence-R@500t", "evidence-R@500tokens"),
        ("evidence-R", "evidence-R"), ("token-iou@5", "token-IoU@5"), ("F1", "token-F1"),
        ("exact match", "exact-match"), ("auroc", "AUROC"), ("faithfulness", "judge-faithfulness"),
        (" nDCG @ 10 ", "nDCG@10"), ("seconds-total-p95", "seconds-total-p95"),
    ],
)  # fmt: skip
def test_names_are_read_leniently_and_lead_to_that_of_the_literature(asked, name):
    assert find_measure(asked).name == name


def test_measure_with_several_names_is_measured_once():
    names = ("F1", "nDCG@10", "token-F1", "ndcg@10", "AUROC")
    assert [one.name for one in measures_of(names)] == ["token-F1", "nDCG@10", "AUROC"]


@pytest.mark.parametrize(
    ("asked", "hint"),
    [("nDGC@10", "nDCG"), ("recal@5", "R@5"), ("token-F2", "token-F1"), ("R", "R@5"), ("nDCG@0", "nDCG"),
     ("nDCG@-1", "nDCG"), ("nDCG@10tokens", "nDCG"), ("AUROC@5", "AUROC"), ("", "--list-measures"),
     ("@5", "--list-measures"), ("zzz", "--list-measures"), ("P@5@5", "P@5")],
)  # fmt: skip
def test_unknown_name_is_told_with_what_is_near(asked, hint):
    with pytest.raises(PipelineError) as caught:
        find_measure(asked)
    assert hint in caught.value.hint


def test_every_measure_is_found_by_its_name_and_says_what_it_is():
    names = [measure.name for measure in describe()]
    assert len(names) == len(set(names))
    for measure in describe():
        assert find_measure(measure.name).name == measure.name
        assert measure.meaning
        assert measure.source
        assert measure.needs in NEEDS


@pytest.mark.parametrize("answers", [True, False])
@pytest.mark.parametrize("judge", [True, False])
def test_default_measures_are_known_and_judged_only_with_a_judge(answers, judge):
    names = default_measures(answers=answers, judge=judge)
    assert [find_measure(name).name for name in names] == list(names)
    assert any(name.startswith("judge-") for name in names) is (answers and judge)


def test_no_figure_is_ever_nan():
    spent = Spent(math.nan, math.inf, -math.inf, math.nan)
    empty = Response(text="", ranked=(), context=(), evidence=math.nan, spent=spent)
    for case in (Case("c", "?"), Case("c", "?", answers=("",)), Case("c", "?", answerable=False)):
        for response in (Response(), empty):
            measured = measure_case(case, response, [one.name for one in describe()])
            json.dumps(measured, allow_nan=False)


def test_figures_of_sets_and_of_a_judge_are_no_figures_of_a_case():
    names = default_measures(answers=True, judge=True)
    measured = measure_case(Case("c", "?"), Response(), names)
    own = [find_measure(name) for name in names]
    assert set(measured) == {
        one.name for one in own if isinstance(one, Measure) and one.needs != "judge"
    }


def test_verdicts_become_figures_and_what_could_not_be_said_is_none():
    said = {"faithfulness": Verdict(0.5), "relevance": Verdict(None, failures=("no JSON",))}
    figures = measure_verdicts(said)
    assert figures == {"judge-faithfulness": 0.5, "judge-relevance": None}
    assert all(find_measure(name).needs == "judge" for name in figures)
