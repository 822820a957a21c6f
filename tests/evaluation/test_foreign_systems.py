"""Systems that are not ours: how they are told apart, what they return, what they cannot."""

import functools
import json
import subprocess
import sys
from decimal import Decimal

import numpy
import pytest

from ingest.base.errors import PipelineError
from rag import Case, Passage, Response, evaluate, read_run
from rag.evaluation.base.cases import Relevant
from rag.evaluation.base.errors import CasesUnreadable, RunUnusable
from rag.evaluation.runs.code import hash_code

CASES = [Case(f"c{n}", f"What of {n}?", (Relevant(f"{n}.md"),)) for n in range(3)]
HOLDING_OUT = Case("out", "What of 0?", answerable=False, without=("0.md",))


def find(question):
    return Response("so", (Passage(f"{question[-2]}.md"),))


# Told apart


def make_system(top, greeting="so"):
    def ask(question, *, times=1):
        return Response(greeting * times, (Passage(f"{question[-2]}.md"),) * top)

    return ask


def test_second_system_does_not_get_the_rows_of_the_first(tmp_path):
    evaluate(make_system(3), CASES, run=tmp_path)
    with pytest.raises(RunUnusable, match="settings.code"):
        evaluate(make_system(5), CASES, run=tmp_path)
    assert evaluate(make_system(3), CASES, run=tmp_path).counts["asked"] == 3
    with pytest.raises(RunUnusable, match="system"):
        evaluate(make_system(3), CASES, run=tmp_path, name="another")


def test_named_system_is_the_same_whatever_its_code_and_settings_tell_it_apart(tmp_path):
    evaluate(make_system(3), CASES, run=tmp_path, name="mine", settings={"top": 3})
    report = evaluate(make_system(4), CASES, run=tmp_path, name="mine", settings={"top": 3})
    assert (report.manifest.system, report.manifest.settings) == ("mine", {"top": 3})
    assert "nothing was asked" in report.notes[0]
    with pytest.raises(RunUnusable, match=r"settings.top \(3 there, 4 now\)"):
        evaluate(make_system(4), CASES, run=tmp_path, name="mine", settings={"top": numpy.int64(4)})


class Asking:
    def __init__(self):
        self.calls = 0

    def __call__(self, question):
        self.calls += 1
        return "so"

    def ask(self, question):
        return question in {"a", "b", "c"}


def recurse(question):
    def again(left):
        return again(left[1:]) if left else "so"

    return again


def test_code_is_told_apart_by_what_it_does_and_not_by_what_changes_as_it_runs():
    one = Asking()
    before = hash_code(one)
    one("?")
    assert hash_code(one) == before == hash_code(Asking())
    told = [one, one.ask, find, make_system(3), make_system(4), lambda q: "a", lambda q: "b",
            functools.partial(find, x=1), functools.partial(find, x=2), recurse("?"), print]  # fmt: skip
    assert len({hash_code(system) for system in told}) == len(told)


def test_code_has_the_same_hash_in_every_process(tmp_path):
    (tmp_path / "system.py").write_text(
        "def ask(question):\n    return [q for q in question if q in {'a', 'b', 'ccc', 'dd'}]\n"
    )
    script = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import system; " + (
        "from rag.evaluation.runs.code import hash_code; print(hash_code(system.ask))"
    )
    told = {
        subprocess.run([sys.executable, "-c", script], capture_output=True, check=True,
                       env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)}).stdout
        for seed in "12"
    }  # fmt: skip
    assert len(told) == 1


# Cases that hold documents out


def test_case_that_holds_documents_out_is_not_asked_of_what_cannot(tmp_path):
    report = evaluate(find, [*CASES, HOLDING_OUT], measures=["R@5"], run=tmp_path)
    assert (report.counts["cases"], report.counts["not asked"], report.counts["failed"]) == (
        3,
        1,
        0,
    )
    assert "takes no `selection`" in report.notes[0]
    assert report.figure("R@5").missing == 0
    assert read_run(tmp_path) == report
    with pytest.raises(CasesUnreadable, match="selection"):
        evaluate(find, [HOLDING_OUT])


@pytest.mark.parametrize("ask", [lambda q, selection: "so", lambda q, **more: "so"])
def test_case_that_holds_documents_out_is_asked_of_what_can(ask):
    report = evaluate(ask, [HOLDING_OUT])
    assert (report.counts["asked"], report.counts.get("not asked"), report.notes) == (1, None, ())


# What they return


def test_numbers_of_other_kinds_are_numbers_in_the_run(tmp_path):
    def ask(question):
        places = [
            Passage(f"{question[-2]}.md", "so", numpy.int64(0), 2.0, score=numpy.float32(0.5))
        ]
        return Response("so", places, abstained=numpy.bool_(False), evidence=Decimal("0.25"))

    report = evaluate(ask, CASES, run=tmp_path)
    assert read_run(tmp_path) == report
    row = json.loads((tmp_path / "rows.jsonl").read_text("utf-8").splitlines()[0])
    [passage] = row["response"]["ranked"]
    assert (passage["score"], passage["start"], passage["end"]) == (0.5, 0, 2)
    assert (row["response"]["evidence"], row["response"]["abstained"]) == (0.25, False)


@pytest.mark.parametrize(
    ("response", "told"),
    [
        (Response(3), "text: int where str belongs"),
        (Response("so", (Passage("a.md", score="high"),)), "ranked: score: str where float"),
        (Response("so", ("a.md",)), "ranked: str where Passage belongs"),
        (Response("so", "a.md"), "ranked: str where a list belongs"),
        (Response("so", (Passage("a.md", start=0.5),)), "ranked: start: float where int"),
    ],
)
def test_response_that_cannot_be_kept_is_a_failure_that_names_the_field(tmp_path, response, told):
    report = evaluate(lambda _question: response, CASES, run=tmp_path)
    assert report.counts["failed"] == 3
    assert told in report.rows[0].failure.message


# Mistakes


async def promise(_question):
    return "so"


class Promising:
    async def __call__(self, _question):
        return "so"


@pytest.mark.parametrize(
    ("ask", "more", "told"),
    [
        (find, {"jobs": 0}, "jobs=0"),
        (find, {"jobs": "2"}, "jobs='2'"),
        (find, {"measures": "R@5"}, "measures='R@5' is a text"),
        (promise, {}, "async def"),
        (Promising(), {}, "async def"),
        ("find", {}, "str cannot be called"),
    ],
)
def test_mistake_is_told_before_anything_is_asked(tmp_path, ask, more, told):
    with pytest.raises(PipelineError, match=told):
        evaluate(ask, CASES, run=tmp_path / "run", **more)
    assert not (tmp_path / "run").exists()


def test_measure_of_two_names_is_measured_once():
    report = evaluate(find, CASES, measures=["R@5", "recall@5", "R@5"])
    assert [figure.measure for figure in report.figures] == ["R@5"]
    assert report.manifest.wanted == ("R@5",)
