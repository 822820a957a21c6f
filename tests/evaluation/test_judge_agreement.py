"""What a judge said is counted, told, and held against people."""

import pytest
from evaluation.made_judge import CASE, ScriptedModel

from rag.evaluation.base.cases import Case, Relevant
from rag.evaluation.base.rows import Row, Verdict
from rag.evaluation.judge.agreement import (
    calibrate_judge,
    count_verdicts,
    rank_correlation,
    tell_calibration,
    tell_verdicts,
    weighted_kappa,
)
from rag.evaluation.judge.judge import Judge
from rag.models.base.errors import BadResponse


def test_verdicts_of_a_run_are_counted():
    verdicts = [
        Verdict(0.5, (1.0, 0.0), ("broken",), agreed=False),
        Verdict(1.0, (1.0, 1.0), agreed=True, cut=True, extra=2),
        Verdict(None, (), ("broken", "broken")),
        Verdict(0.0, why="not judged"),
    ]
    rows = [Row(CASE, verdicts={"relevance": one}) for one in verdicts]
    counts = count_verdicts(rows)["relevance"]
    assert (counts.asked, counts.failed, counts.disagreed, counts.repeated) == (7, 3, 1, 2)
    assert (counts.verdicts, counts.half, counts.cut, counts.extra) == (4, 1, 1, 2)
    [line] = tell_verdicts(rows)
    assert line.startswith(
        "relevance: 4 verdicts; the judge agreed with itself on 1 and contradict"
    )
    assert "1 on a cut context" in line
    assert "2 more requests" in line
    assert tell_verdicts(rows[1:2])[0].count(";") == 3
    assert tell_verdicts([Row(CASE)]) == ()


def labelled(n: int, label: float) -> Case:
    evidence = (Relevant("leave.md", "You get 27 days."),)
    return Case(f"c{n}", "How long?", evidence, ("27 days",), judged_answer="27 days.",
                labels={"relevance": label, "faithfulness": label})  # fmt: skip


def test_judge_is_held_against_labels_and_a_small_set_is_said_to_be_small():
    cases = [labelled(n, n % 2) for n in range(4)]
    model = ScriptedModel("no", "no", "yes", "yes", "no", "no", "partly", "partly")
    found = calibrate_judge(Judge(model, ["relevance"], 2), [*cases, CASE])
    [agreement] = found.agreements
    assert (agreement.answers, agreement.equal, agreement.is_small) == (4, 0.75, True)
    assert 0.5 < agreement.kappa < 1
    assert 0.5 < agreement.correlation < 1
    [line] = tell_calibration(found)
    assert "same grade on 75%" in line
    assert "too few" in line


def test_answers_without_a_score_are_counted_apart():
    judge = Judge(ScriptedModel(BadResponse("broken")), ["faithfulness"], 1)
    [agreement] = calibrate_judge(judge, [labelled(1, 1.0)]).agreements
    assert (agreement.answers, agreement.unread, agreement.equal) == (0, 1, None)
    assert "1 more could not be judged" in tell_calibration(calibrate_judge(
        judge, [labelled(1, 1.0)]))[0]  # fmt: skip


def test_kappa_is_that_of_the_literature():
    assert weighted_kappa([0, 1, 2], [0, 1, 2], 3) == 1
    assert weighted_kappa([1, 1], [1, 1], 3) is None
    # By hand: squared differences are 2 in 4 pairs, by chance 22 in 16.
    assert weighted_kappa([0, 1, 2, 2], [0, 2, 2, 1], 3) == pytest.approx(1 - (2 / 4) / (22 / 16))


def test_rank_correlation_is_that_of_the_literature():
    # By hand: squared differences of ranks are 4, so 1 - 6 * 4 / (5 * 24).
    assert rank_correlation([1, 2, 3, 4, 5], [2, 1, 4, 3, 5]) == pytest.approx(0.8)
    # Ties at their middle rank: 0, 1.5, 1.5, 3 and 0.5, 0.5, 2.5, 2.5.
    assert rank_correlation([0, 0.5, 0.5, 1], [0, 0, 1, 1]) == pytest.approx(3 / 18**0.5)
    assert rank_correlation([1, 1], [0, 1]) is None
