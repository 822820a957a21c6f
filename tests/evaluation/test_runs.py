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


def test_run_read_again_is_the_run_that_was_made(tmp_path):
    folder = tmp_path / "run"
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


def test_system_that_tells_only_what_a_model_was_shown_has_figures_of_a_budget():
    shown = Response(context=(Passage("a.md", "Leave is 27 days.", 0, 17),))
    case = Case("a", "How long?", (Relevant("a.md", "27 days"),))
    report = evaluate(lambda _question: shown, [case], measures=["evidence-R@500tokens", "R@5"])
    assert [(figure.measure, figure.value) for figure in report.figures] == [
        ("evidence-R@500tokens", 1.0)
    ]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_files_are_for_their_owner_alone(folder):
    with RunFolder(folder.with_name("other"), manifest(), CASES.cases):
        files = [*folder.iterdir(), *folder.with_name("other").iterdir()]
    names = {file.name for file in files}
    assert {"run.json", "cases.jsonl", "rows.jsonl", "lock", "lock.holder"} <= names
    for name in names - {"lock.holder"}:
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.parametrize("cut", [1, 40, -1])
def test_line_that_a_crash_cut_is_asked_again_and_no_other(tmp_path, cut):
    folder = tmp_path / "run"
    evaluate(find, CASES, run=folder, name="mine")
    whole = (folder / "rows.jsonl").read_bytes()
    last = whole.rindex(b"\n", 0, -1) + 1
    (folder / "rows.jsonl").write_bytes(whole[: last + cut] if cut > 0 else whole[:-1])
    asked = []

    def ask(question):
        asked.append(question)
        return find(question)

    report = evaluate(ask, CASES, run=folder, name="mine")
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
    other = CaseSet("others", (Case("c0", "What of part 7?"), Case("x", "What of part 8?")))
    with pytest.raises(RunUnusable, match="holds 24 other cases, none of these 2"):
        evaluate(find, other, run=folder)
    with pytest.raises(RunUnusable, match="measures"):
        evaluate(find, CASES, measures=["R@5"], run=folder)
    with pytest.raises(RunUnusable, match="settings.code .*name="):
        evaluate(lambda question: find(question), CASES, run=folder, measures=[])
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


@pytest.mark.parametrize("name", ["run.json", "cases.jsonl"])
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


def test_two_runs_set_aside_in_one_second_have_two_names(folder):
    first = set_aside(folder)
    evaluate(find, CASES, run=folder)
    second = set_aside(folder)
    assert first != second
    assert read_run(first).counts["asked"] == read_run(second).counts["asked"] == 24


@pytest.mark.skipif(os.name == "nt", reason="Windows has no folders of such names")
def test_run_that_cannot_be_moved_is_told_of(tmp_path):
    folder = tmp_path / ("run" * 80)
    RunFolder(folder, manifest(), CASES.cases).close()
    with pytest.raises(RunUnusable, match="cannot be set aside: File name too long"):
        set_aside(folder)
    assert read_run(folder).counts["cases"] == 24


def test_run_refused_before_it_began_leaves_no_folder(tmp_path):
    with pytest.raises(TypeError):
        evaluate(find, [Case("a", "What of part 1?", tags=({"no", "text"},))], run=tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


# Cases that changed, and lines that cannot be read


class Counting:
    """A system that remembers what it was asked."""

    def __init__(self):
        self.asked = []

    def __call__(self, question):
        self.asked.append(question)
        return find(question)


def test_added_and_changed_cases_are_asked_and_no_others(tmp_path):
    evaluate(Counting(), CASES, run=tmp_path)
    ask = Counting()
    changed = Case("c0", "What of part 7?", tags=("even",))
    grown = CaseSet("parts", (changed, *CASES.cases[2:], Case("new", "What of part 9?")))
    report = evaluate(ask, grown, run=tmp_path)
    assert ask.asked == ["What of part 7?", "What of part 9?"]
    assert report.notes == ("the cases changed: 2 rows of others were put into rows.aside.jsonl",)
    assert len((tmp_path / "rows.jsonl").read_bytes().splitlines()) == 24
    assert read_run(tmp_path).rows == report.rows
    assert [row.case for row in report.rows] == list(grown.cases)


def test_rows_of_cases_that_were_left_out_once_come_back(tmp_path):
    evaluate(Counting(), CASES, run=tmp_path)
    few = evaluate(Counting(), CaseSet("parts", CASES.cases[:5]), run=tmp_path)
    assert few.counts["asked"] == len(read_run(tmp_path).rows) == 5
    ask = Counting()
    assert evaluate(ask, CASES, run=tmp_path).counts["asked"] == 24
    assert ask.asked == []


def test_complete_run_says_that_nothing_was_asked(folder):
    assert "nothing was asked" in evaluate(find, CASES, run=folder).notes[0]


BAD = [b"", b"\xff", b"[]", b"{}", b'{"case": null}', b'{"case": {"id": "c1", "question": 3}}',
       b'{"case": {"id": 1, "question": "?"}}',
       b'{"case": {"id": "c1", "question": "?"}, "measures": {"R@5": "0.3"}}']  # fmt: skip


@pytest.mark.parametrize("bad", BAD)
def test_line_that_is_no_row_is_left_out_and_its_case_asked_again(folder, bad):
    lines = (folder / "rows.jsonl").read_bytes().split(b"\n")
    (folder / "rows.jsonl").write_bytes(b"\n".join([lines[0], bad, *lines[2:]]))
    found = read_run(folder)
    assert (found.counts["asked"], found.counts["unreadable"]) == (23, 1)
    assert "1 lines of rows.jsonl cannot be read" in found.notes[0]
    report = evaluate(find, CASES, run=folder)
    assert (report.counts["asked"], len(report.notes)) == (24, 1)
    assert (folder / "rows.aside.jsonl").read_bytes() == bad + b"\n"
    assert read_run(folder).counts.get("unreadable") is None


def test_how_many_were_asked_at_once_is_told_and_no_reason_to_refuse(tmp_path):
    few = CaseSet("parts", CASES.cases[:4])
    assert evaluate(find, few, jobs=2, run=tmp_path).manifest.jobs == 2
    assert evaluate(find, few, jobs=3, run=tmp_path).manifest.jobs == 2
    evaluate(find, CASES, jobs=4, run=tmp_path)
    assert read_run(tmp_path).manifest.jobs is None
