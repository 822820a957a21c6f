"""Two runs compared: what changed, what may be chance, and conditions on it."""

import random
from dataclasses import replace

import pytest

from ingest.base.errors import PipelineError, SettingsError
from rag.evaluation.base.cases import Case, Relevant
from rag.evaluation.base.errors import RegressionFound, RunUnusable
from rag.evaluation.base.responses import Response
from rag.evaluation.base.rows import Failure, Manifest, Report, Row
from rag.evaluation.compare.compare import compare
from rag.evaluation.compare.gate import check_conditions, parse_condition
from rag.evaluation.measures.registry import measure_case


def make_run(values, name="run", wanted=("R@5",), **manifest):
    """A run of one case for each value of the first measure."""
    made = Manifest(name, name, "", "1", "this", {}, {}, tuple(wanted), "cases", "hash")
    rows = [
        Row(
            Case(str(n), f"question {n}", (Relevant("a.txt"),)),
            Response(text=f"answer {n}", model="small"),
            dict.fromkeys(wanted, value),
        )
        for n, value in enumerate(values)
    ]
    return Report(replace(made, **manifest), tuple(rows), ())


def random_values(count, seed=1):
    generator = random.Random(seed)
    return [generator.random() for _ in range(count)]


def test_a_sure_gain_is_better_and_its_interval_is_around_it():
    before = random_values(80)
    one = compare(
        make_run(before), make_run([v + 0.1 + (n % 7) / 100 for n, v in enumerate(before)])
    ).differences[0]
    assert one.value == pytest.approx(one.second - one.first)
    assert one.low < one.value < one.high
    assert one.low > 0.1
    assert one.p == one.corrected == 1 / 10_000
    assert (one.better, one.worse, one.same, one.cases) == (80, 0, 0, 80)
    assert one.verdict == "better"
    assert 0 < one.detectable < one.value


def test_noise_shows_no_difference_and_what_the_set_could_show():
    one = compare(make_run(random_values(60)), make_run(random_values(60, 2))).differences[0]
    assert one.verdict == "no difference shown"
    assert one.low < 0 < one.high
    assert one.detectable > abs(one.value)


def test_runs_that_are_the_same_have_no_interval_and_no_chance_to_differ():
    values = random_values(30)
    one = compare(make_run(values), make_run(values)).differences[0]
    assert (one.value, one.low, one.p, one.detectable, one.same) == (0.0, None, 1.0, None, 30)
    assert one.verdict == "the same"
    one = compare(scored(1, 1.0), scored(1, 1.0)).differences[0]
    assert (one.verdict, one.same) == ("the same", 60)


def refusing(flipped=()):
    """A run that refuses every third case, which has no answer, and those that flipped not so."""
    names = ("wrongly-refused", "refusal-P")
    run = make_run([None] * 30, wanted=names)
    rows = []
    for n, row in enumerate(run.rows):
        case = replace(row.case, answerable=n % 3 > 0)
        response = Response(abstained=(n % 3 == 0) is (n not in flipped))
        rows.append(replace(row, case=case, response=response,
                            measures=measure_case(case, response, names)))  # fmt: skip
    return replace(run, rows=tuple(rows))


def test_refusals_that_flipped_are_listed_and_counted():
    found = compare(refusing({1, 2}), refusing({2, 4, 5}))
    one = found.difference("wrongly-refused")
    assert (one.better, one.worse, one.same, one.cases) == (1, 2, 17, 20)
    assert [(row.case.id, d) for row, _, d in found.changed("wrongly-refused")] == [
        ("1", -1.0), ("4", 1.0), ("5", 1.0)]  # fmt: skip


def test_lower_seconds_are_better_and_more_tokens_are_neither():
    names = ("seconds-total", "tokens-in")
    old, new = make_run([2.0] * 20, wanted=names), make_run([1.0] * 20, wanted=names)
    seconds, tokens = compare(old, new).differences
    assert (seconds.verdict, seconds.better, seconds.worse) == ("better", 20, 0)
    assert (tokens.verdict, tokens.better, tokens.worse) == ("lower", 0, 0)


def test_speed_is_corrected_apart_from_quality():
    before = random_values(30)
    after = [v + 0.05 * (n % 3 - 0.7) for n, v in enumerate(before)]
    quality = ("R@5", "AP", "P@5")
    names = (*quality, "seconds-total")
    found = compare(make_run(before, wanted=names), make_run(after, wanted=names)).differences
    p = found[0].p
    assert [one.corrected for one in found] == pytest.approx([min(1, 3 * p)] * 3 + [p])
    (alone,) = compare(
        make_run(before, wanted=names), make_run(after, wanted=names), ["recall@5"]
    ).differences
    assert (alone.measure, alone.corrected) == ("R@5", p)
    assert alone.detectable < found[0].detectable
    assert found[0].detectable < alone.detectable * 1.25


def test_a_measure_named_twice_is_corrected_for_once():
    old, new = make_run(random_values(30)), make_run(random_values(30, 2))
    (one,) = compare(old, new, ["R@5", "recall@5"], also=["r@5", "AP"]).differences
    assert one.corrected == one.p


def test_where_too_few_cases_changed_that_is_told_and_nothing_could_be_shown():
    names = ("R@5", "AP", "P@5", "RR@10")
    before = [0.0] * 200
    few, enough = ([1.0] * changed + before[changed:] for changed in (7, 8))
    found = compare(make_run(before, wanted=names), make_run(few, wanted=names)).differences[0]
    assert (found.verdict, found.detectable) == ("too few cases changed to tell", None)
    found = compare(make_run(before, wanted=names), make_run(enough, wanted=names)).differences[0]
    assert (found.verdict, found.detectable is None) == ("better", False)


def test_an_interval_of_a_difference_may_lie_beyond_what_was_seen():
    before = [0.0] * 60
    one = compare(make_run(before), make_run([0.5, *before[1:]])).differences[0]
    assert one.low < 0 < one.high


def test_only_cases_that_both_have_are_compared_and_the_others_are_told():
    first, second = make_run([1.0] * 12), make_run([1.0] * 15)
    rows = list(second.rows)
    rows[0] = replace(rows[0], case=replace(rows[0].case, question="another"))
    rows[1] = replace(rows[1], response=None, measures={}, failure=Failure("it failed"))
    rows[2] = replace(rows[2], case=replace(rows[2].case, answers=("new",)))
    found = compare(first, replace(second, rows=tuple(rows)))
    assert (found.shared, found.only_second, found.only_first) == (11, ("12", "13", "14"), ())
    assert (found.differences[0].cases, found.differences[0].missing) == (10, 1)
    told = "\n".join(found.notes)
    assert "3 cases only the second run has, left out: 12, 13, 14" in told
    assert "1 case with another question in the second run, left out: 0" in told
    assert "1 case with other labels in the second run, compared all the same: 2" in told
    assert "1 case of 15 failed in the second run, left out: 1" in told


def test_notes_tell_what_the_runs_were_made_with():
    first = make_run([1.0], settings={"chunk_size": 400, "top_k": 5})
    second = make_run(
        [1.0], settings={"chunk_size": 800, "top_k": 5}, index={"model": "b"}, judge="j", jobs=4
    )
    second = replace(second, counts={"cases": 9})
    assert compare(first, second).notes == (
        "the second run is unfinished: 1 of 9 cases are in it",
        "setting chunk_size: 400 in the first run, 800 in the second",
        "index model: none in the first run, b in the second",
        "judge: none in the first run, j in the second",
        "cases asked at once: not told in the first run, 4 in the second; "
        "seconds differ for that reason too",
    )


def test_runs_without_a_common_case_or_measure_cannot_be_compared():
    with pytest.raises(RunUnusable, match="share no case"):
        compare(make_run([1.0]), make_run([]))
    with pytest.raises(RunUnusable, match="not measured in both runs: AP"):
        compare(make_run([1.0]), make_run([1.0]), ["R@5", "AP"])
    with pytest.raises(PipelineError, match="nonsense"):
        compare(make_run([1.0]), make_run([1.0]), ["nonsense"])


def test_changed_cases_come_best_first_with_both_rows():
    found = compare(make_run([0.0, 1.0, 0.5, 0.2]), make_run([1.0, 0.0, 0.5, 0.3]))
    assert [(a.case.id, b.case.id, round(d, 1)) for a, b, d in found.changed("R@5")] == [
        ("0", "0", 1.0), ("3", "3", 0.1), ("1", "1", -1.0)]  # fmt: skip
    slow = ("seconds-total",)
    found = compare(make_run([1.0, 2.0], wanted=slow), make_run([2.0, 1.0], wanted=slow))
    assert [d for *_, d in found.changed("seconds-total")] == [-1.0, 1.0]


def scored(seed, apart):
    generator = random.Random(seed)
    run = make_run([None] * 60, wanted=("AUROC",))
    rows = [
        replace(row, case=replace(row.case, answerable=n % 3 > 0), measures={},
                response=Response(evidence=generator.gauss(0, 1) + apart * (n % 3 > 0)))
        for n, row in enumerate(run.rows)
    ]  # fmt: skip
    return replace(run, rows=tuple(rows))


def test_measures_of_whole_sets_are_compared_by_swapping_results():
    one = compare(scored(1, 0.0), scored(2, 4.0)).differences[0]
    assert one.verdict == "better"
    assert one.low > 0
    assert (one.better, one.worse, one.same, one.cases) == (0, 0, 0, 60)
    one = compare(scored(1, 1.0), scored(2, 1.0)).differences[0]
    assert one.verdict == "no difference shown"


def gate(first, second, *conditions):
    check_conditions(
        compare(make_run(first), make_run(second)), [parse_condition(c) for c in conditions]
    )


def test_conditions_that_hold_are_all_told():
    with pytest.raises(RegressionFound) as found:
        gate(
            [1.0] * 20,
            [0.9] * 20,
            "R@5 < -0.05",
            "R@5 < -0.5",
            "recall@5<=-5%",
            "R@5 < 0 significant",
        )
    assert found.value.exit_code == 4
    told = "R@5 < -0.05 (it is -0.1); recall@5<=-5% (it is -10 %); R@5 < 0 significant (it is -0.1)"
    assert found.value.message.endswith(told)


@pytest.mark.parametrize(
    "condition",
    ["R@5 < -1e-3", "R@5 < 0 Significant", "R@5 < \u22120.05", "R @ 5 < -5E-2", "r@5 < -5 % SIGNIFICANT"],
)  # fmt: skip
def test_conditions_are_read_as_people_write_them(condition):
    with pytest.raises(RegressionFound):
        gate([1.0] * 20, [0.9] * 20, condition)
    assert parse_condition("evidence-R@500 tokens < 0").measure == "evidence-R@500tokens"


def failing(run, *places):
    rows = [
        Row(row.case, failure=Failure("it failed")) if n in places else row
        for n, row in enumerate(run.rows)
    ]
    return replace(run, rows=tuple(rows))


def test_a_run_that_failed_more_often_does_not_pass():
    first, limit = make_run([1.0] * 20), parse_condition("R@5 < -0.5")
    second = failing(first, *range(12))
    assert compare(first, second).failed == 12
    with pytest.raises(RegressionFound, match="12 of 20 cases failed in it, 0 in the first"):
        check_conditions(compare(first, second), [limit])
    with pytest.raises(RegressionFound, match=r"failed > 5 \(it is \+12\)"):
        check_conditions(compare(first, second), [parse_condition("failed > 5")])
    check_conditions(compare(first, second), [limit, parse_condition("failed > 12")])
    check_conditions(compare(second, second), [limit, parse_condition("Failed > 0")])
    check_conditions(compare(first, second), [])
    with pytest.raises(SettingsError, match="not tested"):
        parse_condition("failed > 0 significant")


def test_a_run_that_is_unfinished_does_not_pass():
    first = make_run([1.0] * 20)
    second = replace(first, counts={"cases": 139})
    with pytest.raises(RegressionFound, match="unfinished, with 20 of 139 cases"):
        check_conditions(compare(first, second), [parse_condition("failed > 5")])
    check_conditions(compare(second, first), [parse_condition("R@5 < 0")])


def test_what_holds_is_told_also_where_another_condition_cannot_be():
    with pytest.raises(RegressionFound) as found:
        gate([1.0] * 20, [0.9] * 20, "AP < 0", "R@5 < -0.05")
    assert "R@5 < -0.05 (it is -0.1)" in found.value.message
    assert "AP was not compared" in found.value.message


def test_a_share_of_refusals_that_is_of_nothing_says_so():
    first = refusing()
    rows = [replace(row, response=Response(abstained=False), measures={}) for row in first.rows]
    found = compare(first, replace(first, rows=tuple(rows)))
    with pytest.raises(SettingsError, match="refusal-P has no value in the second run"):
        check_conditions(found, [parse_condition("refusal-P < 0")])


@pytest.mark.parametrize("condition", ["R@5 < -0.2", "R@5 > 0", "R@5 < -20 %", "R@5 >= 1"])
def test_conditions_that_do_not_hold_pass(condition):
    gate([1.0] * 20, [0.9] * 20, condition)


def test_a_loss_that_may_be_chance_is_not_significant():
    first, second = [1.0, 1.0, 0.0], [1.0, 0.0, 0.0]
    gate(first, second, "R@5 < 0 significant")
    with pytest.raises(RegressionFound):
        gate(first, second, "R@5 < 0")


@pytest.mark.parametrize(
    "text", ["", "R@5", "R@5 <", "R@5 < x", "R@5 == 1", "R@5 < nan", "R@5 < 1 sure", "nonsense < 0"]
)
def test_what_is_no_condition_is_refused(text):
    with pytest.raises(SettingsError) as found:
        parse_condition(text)
    assert found.value.exit_code == 2
    assert found.value.hint


def test_what_was_not_compared_never_passes():
    with pytest.raises(SettingsError, match="AP was not compared"):
        gate([1.0], [1.0], "AP < -0.5")
    with pytest.raises(SettingsError, match="nothing is a percentage"):
        gate([0.0], [1.0], "R@5 < -5 %")
