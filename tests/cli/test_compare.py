"""`rag compare` as a user types it."""

import json

import pytest

from rag.evaluation.base.cases import Case, Relevant
from rag.evaluation.base.responses import Passage, Response
from rag.evaluation.base.rows import Manifest, Row
from rag.evaluation.runs.folder import RunFolder


def write_run(folder, values, text="an answer"):
    cases = [Case(f"q{n}", f"What is {n}?", (Relevant("a.txt"),)) for n in range(len(values))]
    made = Manifest(folder.name, folder.name, "2026-01-01T00:00:00Z", "1", "this",
                    {"top_k": len(text)}, {}, ("R@5", "AP"), "cases", "hash")  # fmt: skip
    run = RunFolder(folder, made, cases)
    for n, (case, value) in enumerate(zip(cases, values, strict=True)):
        passages = (Passage("a.txt", "words"),)
        said = f"{text} {n}" if text else None
        run.write(Row(case, Response(said, passages, passages), {"R@5": value, "AP": 0.5}))
    run.close()


@pytest.fixture
def runs(tmp_path):
    folder = tmp_path / "index" / "runs"
    folder.mkdir(parents=True)
    before = [float(n % 2) for n in range(40)]
    write_run(folder / "old", before)
    write_run(
        folder / "new",
        [0.15 + 0.7 * value + n / 1000 for n, value in enumerate(before)],
        "\x1b[31mred",
    )
    write_run(folder / "found", before, "")
    return folder


def test_runs_are_compared_by_name_or_folder_with_a_verdict_and_both_answers(run, runs):
    code, out, err = run("compare", "old", runs / "new", "--index", runs.parent)
    assert code == 0
    assert "40 in both" in out
    line = next(line for line in out.splitlines() if line.startswith("R@5"))
    assert "0.836     40           no difference shown" in line
    assert "no difference shown; this set could show 0." in line
    assert "the same in all 40 cases" in out
    assert "better in R@5: 20 cases" in out
    assert "worse in R@5: 20 cases" in out
    assert "q38: What is 38?" in out
    assert "first:  an answer 38" in out
    assert "second: red 38" in out
    assert "\x1b" not in out
    assert "does not mean equal" in err
    assert "setting top_k: 9 in the first run, 8 in the second" in err


def test_without_answers_what_was_found_is_shown(run, runs):
    code, out, _ = run("compare", runs / "found", runs / "new")
    assert code == 0
    assert "first:  found a.txt" in out


def test_json_holds_everything_but_the_rows(run, runs):
    code, out, _ = run("compare", runs / "old", runs / "new", "--json", "--measures", "recall@5")
    assert code == 0
    told = json.loads(out)
    assert told["shared"] == 40
    (one,) = told["differences"]
    assert (one["measure"], one["better"], one["worse"]) == ("R@5", 20, 20)
    assert one["verdict"] == "no difference shown"
    assert one["changed"][0]["id"] == "q38"


def test_out_gets_a_page_and_says_where(run, runs, tmp_path):
    code, _, err = run("compare", runs / "old", runs / "new", "--out", tmp_path / "page")
    assert code == 0
    assert "written: " in err
    assert {"comparison.html", "comparison.json"} <= {
        path.name for path in (tmp_path / "page").iterdir()
    }


def test_conditions_decide_the_exit_code_after_all_was_shown(run, runs):
    code, out, err = run("compare", runs / "old", runs / "new", "--fail-if", "R@5 > 0.01")
    assert code == 4
    assert "R@5 > 0.01 (it is +0.0" in err
    assert "better in R@5" in out
    assert run("compare", runs / "old", runs / "new", "--fail-if", "R@5 < -0.05")[0] == 0
    one = ("compare", runs / "old", runs / "new", "--measures", "AP")
    assert run(*one, "--fail-if", "R@5 > 0.01")[0] == 4


def test_a_condition_that_cannot_be_checked_is_no_pass(run, runs):
    both = ("compare", runs / "old", runs / "new")
    assert run(*both, "--fail-if", "R@5 <")[0] == 2
    code, _, err = run(*both, "--fail-if", "token-F1 < 0")
    assert code == 2
    assert "token-F1 was not compared" in err


def test_what_is_no_run_is_told_with_those_there_are(run, runs):
    code, _, err = run("compare", "odl", "new", "--index", runs.parent)
    assert code == 1
    assert "there is no run odl" in err
    assert "found, new, old" in err
    code, _, err = run("compare", runs, runs / "new")
    assert code == 1
    assert "fix:" in err
