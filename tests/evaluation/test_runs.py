"""Runs as folders: kept as they come, gone on with, and read again."""

import json
import os
import stat

import numpy
import pytest

from rag import Case, Passage, Response, compare, evaluate, read_cases, read_run
from rag.evaluation.base.cases import CaseSet, Relevant
from rag.evaluation.base.errors import RunUnusable
from rag.evaluation.base.rows import Failure, Row
from rag.evaluation.runs.folder import RunFolder, set_aside
from rag.evaluation.runs.manifest import make_manifest

CASES = CaseSet("parts", tuple(
    Case(f"c{n}", f"What of part {n}?", (Relevant(f"part-{n}.md", "é\u2028w"),), (f"w{n}",),
         tags=("even",) if n % 2 == 0 else ())
    for n in range(24)
))  # fmt: skip


def find(question):
    number = int(question.split()[-1].rstrip("?"))
    ranked = (Passage("part-1.md", "é\u2028w"), Passage(f"part-{number}.md", "é\u2028w\ud800"))
    return Response(f"It is w{number % 20}", ranked, ranked[:1], abstained=number == 3)


def manifest(**more):
    return make_manifest("find", CASES, ("R@5", "token-F1"), **more)


@pytest.fixture
def folder(tmp_path):
    evaluate(find, CASES, run=tmp_path / "run")
    return tmp_path / "run"


def test_run_read_again_is_the_run_that_was_made(tmp_path, folder):
    report = evaluate(find, CASES, run=folder)
    assert read_run(folder) == report
    assert read_cases(folder / "cases.jsonl").cases[0].id == "c0"
    assert compare(report, read_run(str(folder))).shared == 24


def test_every_mean_can_be_computed_from_the_rows_alone(folder):
    rows = [
        json.loads(line) for line in (folder / "rows.jsonl").read_text("utf-8").split("\n")[:-1]
    ]
    groups = {"": rows, "tag=even": [row for row in rows if "even" in row["case"]["tags"]]}
    checked = 0
    for figure in read_run(folder).figures:
        values = [row["measures"].get(figure.measure) for row in groups[figure.group]]
        known = [value for value in values if value is not None]
        if known:
            assert numpy.mean(known) == pytest.approx(figure.value, abs=1e-12)
            assert len(known) == figure.cases
            checked += 1
    assert checked > 20


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_files_are_for_their_owner_alone(folder):
    for name in ("run.json", "cases.jsonl", "rows.jsonl"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.parametrize("cut", [1, 40, -1])
def test_line_that_a_crash_cut_is_asked_again_and_no_other(folder, cut):
    whole = (folder / "rows.jsonl").read_bytes()
    last = whole.rindex(b"\n", 0, -1) + 1
    (folder / "rows.jsonl").write_bytes(whole[: last + cut] if cut > 0 else whole[:-1])
    asked = []

    def ask(question):
        asked.append(question)
        return find(question)

    ask.__qualname__ = "find"
    report = evaluate(ask, CASES, run=folder)
    assert asked == ["What of part 23?"]
    assert len((folder / "rows.jsonl").read_bytes().split(b"\n")) == 25
    assert report.counts["asked"] == 24


def test_failures_are_asked_again_and_leave_the_file(tmp_path):
    with RunFolder(tmp_path / "run", manifest(), CASES.cases) as run:
        run.write(Row(CASES.cases[0], failure=Failure("no")))
        run.write(Row(CASES.cases[1], find(CASES.cases[1].question), {"R@5": 1.0}))
    unfinished = read_run(tmp_path / "run")
    assert unfinished.counts["cases"] == 24
    assert (unfinished.counts["asked"], unfinished.counts["failed"]) == (2, 1)
    with RunFolder(tmp_path / "run", manifest(), CASES.cases) as run:
        assert list(run.rows()) == ["c1"]
        assert b'"no"' not in (tmp_path / "run" / "rows.jsonl").read_bytes()


def test_run_of_something_else_is_refused_and_what_differs_is_named(folder):
    grown = CaseSet("parts", (*CASES.cases, Case("new", "What of part 9?")))
    with pytest.raises(RunUnusable, match="cases"):
        evaluate(find, grown, run=folder)
    changed = CaseSet("parts", (Case("c0", "What of part 7?"), *CASES.cases[1:]))
    with pytest.raises(RunUnusable, match="cases"):
        evaluate(find, changed, run=folder)
    with pytest.raises(RunUnusable, match="measures"):
        evaluate(find, CASES, measures=["R@5"], run=folder)
    assert read_run(folder).counts["asked"] == 24


def test_difference_of_a_setting_is_named_with_both_values(tmp_path):
    RunFolder(tmp_path / "run", manifest(settings={"top_k": 8}), CASES.cases).close()
    with pytest.raises(RunUnusable, match=r"settings.top_k \(8 there, 30 now\)"):
        RunFolder(tmp_path / "run", manifest(settings={"top_k": 30}), CASES.cases)


def test_two_do_not_write_one_run(tmp_path):
    with RunFolder(tmp_path / "run", manifest(), CASES.cases):
        with pytest.raises(RunUnusable, match="another process writes"):
            RunFolder(tmp_path / "run", manifest(), CASES.cases)
        assert read_run(tmp_path / "run").rows == ()
    RunFolder(tmp_path / "run", manifest(), CASES.cases).close()


def test_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "letters.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(RunUnusable, match=r"letters\.txt"):
        RunFolder(tmp_path, manifest(), CASES.cases)
    assert [one.name for one in tmp_path.iterdir()] == ["letters.txt"]
    with pytest.raises(RunUnusable, match="holds no run"):
        read_run(tmp_path)
    with pytest.raises(RunUnusable, match="there is no folder"):
        read_run(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["run.json", "cases.jsonl", "rows.jsonl"])
def test_file_that_was_damaged_is_named(folder, name):
    (folder / name).write_bytes(b'{"id": \n')
    with pytest.raises(RunUnusable, match=name):
        read_run(folder)


def test_run_set_aside_can_still_be_read_and_keeps_its_index_in_place(folder):
    (folder / "index").mkdir()
    aside = set_aside(folder)
    assert read_run(aside).counts["asked"] == 24
    assert (folder / "index").is_dir()
    assert evaluate(find, CASES, run=folder).counts["asked"] == 24
    assert set_aside(folder / "nowhere") is None
