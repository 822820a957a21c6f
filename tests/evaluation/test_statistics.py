"""Intervals, chances and summaries against what can be known without them."""

import math
import random
import time

import numpy as np
import pytest

from rag.evaluation.base.cases import Case, Relevant
from rag.evaluation.base.responses import Response
from rag.evaluation.base.rows import Failure, Row
from rag.evaluation.measures.measure import Measure
from rag.evaluation.measures.registry import default_measures, find_measure, measure_case
from rag.evaluation.statistics.chance import (
    can_reach,
    correct,
    find_detectable,
    flip_signs,
    swap_results,
)
from rag.evaluation.statistics.intervals import (
    find_error,
    interval_of_mean,
    interval_of_set,
    interval_of_spread,
)
from rag.evaluation.statistics.summary import summarise


def test_interval_of_hits_is_wilsons():
    low, high = interval_of_mean([1.0] * 81 + [0.0] * 182)
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)  # Newcombe 1998, table I


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_interval_of_hits_that_are_all_the_same_has_a_width(value):
    low, high = interval_of_mean([value] * 50)
    assert 0 <= low < high <= 1
    assert high - low == pytest.approx(0.0714, abs=1e-3)


def test_too_few_values_and_equal_ones_have_no_interval():
    assert interval_of_mean([0.0, 1.0] * 4) is None
    assert interval_of_mean([]) is None
    assert interval_of_mean([0.1] * 40) is None
    assert interval_of_spread([1.0] * 40) is None


def test_interval_of_much_that_is_normal_is_that_of_the_normal():
    values = np.random.default_rng(1).normal(5, 2, 400)
    low, high = interval_of_mean(values.tolist())
    error = values.std(ddof=1) / 20
    assert low == pytest.approx(values.mean() - 1.96 * error, abs=0.1 * error)
    assert high == pytest.approx(values.mean() + 1.96 * error, abs=0.1 * error)
    assert interval_of_mean(values.tolist()) == (low, high)


def test_interval_scales_with_its_values_and_stays_among_them():
    values = [0.0] * 3 + [1.0] * 30 + [0.5]
    low, high = interval_of_mean(values, 1.0)
    assert high == 1
    wide = interval_of_mean([1e6 * value for value in values], 1e6)
    assert wide == pytest.approx((1e6 * low, 1e6 * high), rel=1e-3)


def test_one_win_in_fifty_is_no_sure_gain():
    low, high = interval_of_spread([1.0] + [0.0] * 49)
    assert low < 0 < high


@pytest.mark.parametrize("spread", [0.5, 0.9])
def test_intervals_hold_the_truth_about_95_times_in_100(spread):
    generator = np.random.default_rng(3)
    truth = math.exp(spread**2 / 2)
    found = [interval_of_mean(generator.lognormal(0, spread, 60).tolist()) for _ in range(400)]
    assert 0.9 < sum(a <= truth <= b for a, b in found) / 400 < 0.98


def column(values):
    """The values as a figure of many items gets them: (items, numbers)."""
    return np.asarray(values, dtype=np.float64)[:, None]


def test_interval_of_a_set_is_uneven_near_its_end_and_none_at_it():
    def share(items):
        return float(items.mean())

    low, high = interval_of_set(share, column([1] * 95 + [0] * 5), 0.95)
    assert 0 < low < 0.95 < high < 1
    assert 0.95 - low > high - 0.95
    assert interval_of_set(share, column([1] * 95), 1.0) is None
    assert interval_of_set(lambda items: None, column([1, 0] * 50), 0.5) is None
    assert interval_of_set(share, column([1, 0]), 0.5) is None


def test_error_of_a_mean_is_its_standard_error():
    values = np.random.default_rng(5).normal(0, 1, (300, 1))
    error = find_error(lambda drawn: float(drawn.mean()), values)
    assert error == pytest.approx(1 / math.sqrt(300), rel=0.15)


def test_chance_of_few_differences_is_exact():
    assert flip_signs([1.0, 2.0, 3.0]) == 2 / 8
    assert flip_signs([0.1, 0.2, -0.3]) == 1.0
    assert flip_signs([1.0] * 10 + [0.0] * 500) == 2 / 1024
    assert flip_signs([0.0] * 40) == 1.0
    assert flip_signs([]) == 1.0


def test_chance_of_many_differences_is_as_the_binomial_says():
    # 25 of 35 signs are plus: two-sided sign test.
    tail = sum(math.comb(35, k) for k in range(25, 36)) / 2**35
    assert flip_signs([1.0] * 25 + [-1.0] * 10) == pytest.approx(2 * tail, abs=0.005)
    assert flip_signs([1.0] * 60) == 1 / 10_000


def test_swapping_results_is_flipping_signs_for_a_mean():
    def mean(items):
        return float(items.mean())

    first, second = [0.0, 0.2, 0.4, 0.1, 0.6], [0.5, 0.4, 0.3, 0.8, 0.9]
    changes = [b - a for a, b in zip(first, second, strict=True)]
    assert swap_results(mean, column(first), column(second)) == flip_signs(changes)
    generator = random.Random(2)
    first = column([generator.random() for _ in range(40)])
    assert swap_results(mean, first, first + 1) == 1 / 1000
    assert swap_results(mean, first, first) == 1.0


def test_chances_are_corrected_as_holm_does():
    assert correct([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert correct([0.6, 0.7]) == [1.0, 1.0]
    assert correct([]) == []


def test_detectable_difference_is_two_and_eight_tenths_of_the_error():
    assert find_detectable(0.01) == pytest.approx(0.02802, abs=1e-5)


def test_of_more_tests_less_can_be_shown():
    # Normal quantiles at 1 - 0.05 / 60 and at 0.8, from a table.
    assert find_detectable(0.01, 30) == pytest.approx(0.01 * (3.1440 + 0.8416), abs=1e-5)
    assert [can_reach(changed) for changed in (5, 6)] == [False, True]
    assert [can_reach(changed, 30) for changed in (10, 11)] == [False, True]


def row(number, value, **case):
    labelled = Case(str(number), f"question {number}", (Relevant("a.txt"),), **case)
    return Row(labelled, Response(), {"R@5": value})


def test_summary_counts_what_entered_and_what_is_missing():
    rows = [row(n, n % 2) for n in range(20)]
    rows += [row(20, None), Row(rows[0].case, failure=Failure("it failed"))]
    rows += [Row(Case("22", "nothing is relevant to it"), Response(), {"R@5": None})]
    (figure,) = summarise(rows, ["R@5"])
    assert (figure.value, figure.cases, figure.missing) == (0.5, 20, 2)
    assert figure.low < 0.5 < figure.high


def test_summary_of_nothing_has_no_value():
    (figure,) = summarise([], ["R@5"])
    assert (figure.value, figure.low, figure.cases) == (None, None, 0)


def refused(number, kind, abstained=None, evidence=None):
    """A row of a kind of case, measured as a run measures it."""
    case = Case(str(number), "q", answerable=kind == "answerable", kind=kind)
    response = Response(abstained=abstained, evidence=evidence)
    names = ("refusal-R", "wrongly-refused", "wrongly-answered")
    return Row(case, response, measure_case(case, response, names))


def figures_of(rows, *names):
    return {(figure.measure, figure.group): figure for figure in summarise(rows, names)}


def test_shares_of_refusals_are_of_the_cases_that_matter():
    rows = [refused(n, "answerable", False) for n in range(30)]
    rows += [refused(n, "near-miss", n < 42) for n in range(30, 45)]
    rows += [refused(45, "answerable")]
    rows += [Row(rows[30].case, failure=Failure("it failed"))]
    found = figures_of(rows, "wrongly-refused", "refusal-R", "refusal-P", "refusal-F1")
    wrongly = found["wrongly-refused", ""]
    assert (wrongly.value, wrongly.cases, wrongly.missing, wrongly.low) == (0, 30, 1, 0)
    assert wrongly.high == pytest.approx(0.1135, abs=1e-4)  # Wilson's of 0 in 30
    assert (found["refusal-R", ""].cases, found["refusal-R", ""].missing) == (15, 1)
    precision = found["refusal-P", ""]
    assert (precision.value, precision.cases, precision.missing, precision.high) == (1, 12, 2, 1)
    assert precision.low == pytest.approx(0.7575, abs=1e-4)  # Wilson's of 12 in 12


def test_an_area_counts_the_kinds_it_is_of_and_needs_ten_of_each():
    rows = [refused(n, "answerable", evidence=n % 9 + 3) for n in range(40)]
    rows += [refused(n, "near-miss", evidence=n % 9) for n in range(40, 49)]
    rows += [refused(n, "out-of-corpus", evidence=n % 9) for n in range(50, 70)]
    rows += [refused(70, "near-miss")]
    found = figures_of(rows, "AUROC-near-miss", "AUROC-out-of-corpus", "AUROC")
    near, far = found["AUROC-near-miss", ""], found["AUROC-out-of-corpus", ""]
    assert (near.cases, near.missing, near.low) == (49, 1, None)
    assert (far.cases, far.missing) == (60, 0)
    assert far.low < far.value < far.high


def test_groups_of_one_kind_have_no_figure_that_needs_both():
    rows = [refused(n, "answerable", n < 3) for n in range(20)]
    rows += [refused(n, "near-miss", n < 22) for n in range(20, 24)]
    found = figures_of(rows, "refusal-P", "refusal-F1", "refusal-R", "wrongly-refused")
    assert {group for _, group in found} == {"", "kind=answerable", "kind=near-miss"}
    assert [name for name, group in found if group == "kind=answerable"] == ["wrongly-refused"]
    near = found["refusal-R", "kind=near-miss"]
    assert (near.value, near.cases, near.low) == (0.5, 4, None)


def test_groups_have_ten_cases_and_are_not_all():
    rows = [
        row(n, 1.0, language="en" if n < 10 else "de", tags=("all", f"t{n}")) for n in range(25)
    ]
    groups = [figure.group for figure in summarise(rows, ["R@5"])]
    assert groups == ["", "language=de", "language=en"]


def test_figures_of_sets_leave_failures_out_and_say_so():
    cases = [Case(str(n), "q", answerable=n % 2 == 0) for n in range(40)]
    rows = [
        Row(case, Response(evidence=(i * 7 % 13) + 6 * case.answerable))
        for i, case in enumerate(cases)
    ]
    failed = Row(Case("x", "q"), failure=Failure("it failed"))
    (figure,) = summarise([*rows, failed], ["AUROC"])
    assert (figure.cases, figure.missing) == (40, 1)
    assert figure.low < figure.value < figure.high


def test_a_thousand_cases_are_summarised_in_seconds():
    names = default_measures(answers=True, judge=False)
    each = [name for name in names if isinstance(find_measure(name), Measure)]
    generator = random.Random(1)
    rows = [
        Row(Case(str(n), "q", (Relevant("a"),), answerable=n % 4 > 0, language="ende"[n % 2 * 2 :][:2]),
            Response(abstained=n % 3 == 0, evidence=generator.random()),
            {name: generator.random() for name in each})
        for n in range(1000)
    ]  # fmt: skip
    begun = time.process_time()
    summarise(rows, names)
    assert time.process_time() - begun < 8
