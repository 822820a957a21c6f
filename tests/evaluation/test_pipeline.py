"""`evaluate` with systems of any kind: they answer, they fail, they are ours."""

import threading
from contextlib import nullcontext
from pathlib import Path

import pytest
from kept_answers import answer, hit

from ingest.base.errors import PipelineError
from rag import Case, CaseSet, Passage, Pipeline, Response, Settings, evaluate, read_cases, read_run
from rag.evaluation.base.cases import Relevant
from rag.evaluation.base.errors import CasesUnreadable
from rag.evaluation.base.rows import Verdict
from rag.evaluation.runs.responses import as_response
from rag.models.base.errors import EndpointUnreachable
from rag.query.base.answers import refuse
from rag.query.base.hits import Retrieval

DATA = Path(__file__).parents[2] / "data"
CASES = tuple(
    Case(f"c{n}", f"What of part {n}?", (Relevant(f"part-{n}.md"),), (f"w{n}",)) for n in range(6)
)


def find(question):
    number = question.split()[-1].rstrip("?")
    return Response(f"It is w{number}", (Passage(f"part-{number}.md"), Passage("part-0.md")))


def test_foreign_system_is_measured_by_what_it_tells():
    report = evaluate(find, CASES, measures=["recall@5", "RR@10", "containment"])
    assert [row.case.id for row in report.rows] == [case.id for case in CASES]
    assert {figure.measure: figure.value for figure in report.figures if not figure.group} == {
        "R@5": 1.0, "RR@10": 1.0, "containment": 1.0}  # fmt: skip
    assert report.manifest.system == "find"
    assert report.folder == ""


def test_system_that_returns_texts_has_no_figures_of_what_it_found():
    report = evaluate(lambda question: f"It is w{question[-2]}", CASES)
    names = {figure.measure for figure in report.figures}
    assert "token-F1" in names
    assert "seconds-total" in names
    assert not names & {"R@5", "nDCG@10", "evidence-R", "AUROC", "wrongly-refused"}


def test_case_that_raises_costs_itself_only():
    def ask(question):
        if "part 1" in question:
            raise ConnectionResetError("gone")
        if "part 2" in question:
            raise PipelineError("refused", "ask in other words")
        return 3 if "part 3" in question else find(question)

    report = evaluate(ask, CASES, measures=["R@5"])
    failures = [row.failure and row.failure.message for row in report.rows]
    assert failures == [None, "ConnectionResetError: gone", "refused",
                        "the system returned int, which is no answer", None, None]  # fmt: skip
    assert report.rows[2].failure.hint == "ask in other words"
    assert report.counts["failed"] == 3
    figure = report.figure("R@5")
    assert (figure.value, figure.cases, figure.missing) == (1.0, 3, 3)


def test_what_no_other_case_fares_better_with_stops_all_and_keeps_the_rows(tmp_path):
    asked = []

    def ask(question):
        asked.append(question)
        if len(asked) == 4:
            raise EndpointUnreachable("no server", "start it")
        return find(question)

    with pytest.raises(EndpointUnreachable):
        evaluate(ask, CASES, run=tmp_path / "run")
    assert len(asked) == 4
    report = evaluate(ask, CASES, run=tmp_path / "run")
    assert report.counts["failed"] == 0
    assert asked[3:] == [asked[3], *(case.question for case in CASES[3:])]


def test_who_stops_it_is_heard(tmp_path):
    def ask(question):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate(ask, CASES, run=tmp_path / "run")
    assert evaluate(find, CASES[:1]).counts["asked"] == 1


def test_one_job_asks_in_the_thread_of_the_caller_and_more_in_others():
    threads = set()

    def ask(question):
        threads.add(threading.current_thread())
        return find(question)

    evaluate(ask, CASES)
    assert threads == {threading.current_thread()}
    told = []
    report = evaluate(ask, CASES, jobs=3, on_row=told.append)
    assert len(threads) > 1
    assert [row.case.id for row in report.rows] == [case.id for case in CASES]
    assert sorted(row.case.id for row in told) == [case.id for case in CASES]


def test_documents_that_a_case_holds_out_are_not_searched():
    seen = []

    def ask(question, selection=None):
        seen.append(selection and selection.except_ids)
        return "so"

    evaluate(ask, [CASES[0], Case("out", "What?", answerable=False, without=("a.md",))])
    assert seen == [None, ("a.md",)]


class Judging:
    """A judge that says the same of every answer, and something unreadable of one."""

    name = "a judge"

    def judge(self, case, response):
        if case.id == "c1":
            return {"faithfulness": Verdict(None, failures=("no JSON",))}
        return {"faithfulness": Verdict(0.5, (0.0, 1.0), agreed=False)}


def test_judge_that_could_not_say_is_counted_and_in_no_mean():
    report = evaluate(find, CASES, judge=Judging())
    figure = report.figure("judge-faithfulness")
    assert (figure.value, figure.cases, figure.missing) == (0.5, 5, 1)
    assert (report.counts["unread"], report.counts["disagreed"]) == (1, 5)
    assert report.manifest.judge == "a judge"


class Recovering:
    """A judge that fails in a way of its own at its first case, then knows everything."""

    name = "a judge"

    def __init__(self, error):
        self.error, self.judged = error, []

    def judge(self, case, response):
        self.judged.append(case.id)
        if self.error:
            error, self.error = self.error, None
            raise error
        return {name: Verdict(1.0, (1.0,)) for name in ("faithfulness", "relevance")}


def ask_once(question):
    """Answer as `find`, and no question twice."""
    assert question not in ASKED
    ASKED.append(question)
    return find(question)


ASKED = []


@pytest.mark.parametrize("error", [KeyError("grade"), EndpointUnreachable("gone", "start it")])
def test_failure_of_a_judge_costs_no_answer_and_is_judged_again(tmp_path, error):
    ASKED.clear()
    judge = Recovering(error)
    stops = isinstance(error, EndpointUnreachable)
    with pytest.raises(EndpointUnreachable) if stops else nullcontext():
        evaluate(ask_once, CASES, judge=judge, run=tmp_path)
    assert len(judge.judged) == (1 if stops else 6)
    first = read_run(tmp_path).rows[0]
    assert first.response.text == "It is w0"
    assert first.verdicts["relevance"].score is None
    judge.judged.clear()
    report = evaluate(ask_once, CASES, judge=judge, run=tmp_path)
    assert judge.judged == [f"c{n}" for n in range(6 if stops else 1)]
    assert report.figure("judge-relevance").cases == 6
    assert report.rows[0].measures["judge-relevance"] == 1.0
    assert len((tmp_path / "rows.jsonl").read_text("utf-8").splitlines()) == 6
    assert report.counts["unread"] == report.counts["failed"] == 0


def test_verdict_that_was_read_in_part_is_not_lost_by_asking_again(tmp_path):
    class Failing(Judging):
        def judge(self, case, response):
            return {"faithfulness": Verdict(0.5, (0.5,), ("no JSON",))}

    class Worse(Judging):
        def judge(self, case, response):
            return {"faithfulness": Verdict(None, (), ("no JSON", "no JSON"))}

    evaluate(find, CASES, judge=Failing(), run=tmp_path)
    report = evaluate(find, CASES, judge=Worse(), run=tmp_path)
    assert report.figure("judge-faithfulness").value == 0.5


@pytest.mark.parametrize("cases", [[], [CASES[0], CASES[0]], "cases.jsonl", [Case(3, "?")]])
def test_no_cases_and_two_of_one_id_are_refused(cases):
    with pytest.raises(CasesUnreadable):
        evaluate(find, cases)


def test_measure_that_is_none_is_told_before_anything_is_asked():
    with pytest.raises(PipelineError, match="no measure"):
        evaluate(lambda _question: pytest.fail("asked"), CASES, measures=["wisdom"])


# What a system returns, read


def test_answer_of_ours_tells_all_of_itself():
    found = (Retrieval("When?", (hit("a.md"), hit("b.md", rank=2))),
             Retrieval("Where?", (hit("c.md"), hit("a.md"))))  # fmt: skip
    response = as_response(answer(found=found), 9.0)
    assert [one.document for one in response.ranked] == ["a.md", "c.md", "b.md"]
    [shown] = response.context
    assert (shown.text, shown.start, shown.end, shown.tokens) == ("It starts at noon.", 0, 18, 5)
    assert shown.places == ("b.md",)
    assert [(said.cited, said.supported) for said in response.statements] == [((0,), True)]
    assert (response.evidence, response.abstained, response.model) == (0.8, False, "qwen3-8b")
    assert response.spent.total == 0.3


def test_survey_has_no_ranking_and_refusal_without_a_model_shows_nothing():
    assert as_response(answer(), 1.0).ranked is None
    refused = refuse("?", "m", extractive=False, retrieve_seconds=0.1, context=(hit(),))
    response = as_response(refused, 1.0)
    assert response.abstained
    assert response.context == ()
    assert response.spent.first_token is None


# Ours


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory, weights_cache):
    settings = Settings.load({
        "endpoint": "embedded", "index_dir": str(tmp_path_factory.mktemp("index")),
        "parse_workers": 0, "ocr": "off", "keep_answers": False,
    })  # fmt: skip
    with Pipeline(settings) as pipeline:
        pipeline.ingest(DATA / "documents" / "handbook")
        yield pipeline


@pytest.fixture(scope="module")
def cases():
    found = read_cases(DATA / "cases.jsonl")
    of_handbook = [
        Case(case.id, case.question,
             tuple(Relevant(one.document.removeprefix("handbook/"), one.excerpt)
                   for one in case.relevant), case.answers)
        for case in found.cases if all("handbook/" in one.document for one in case.relevant)
        and case.answerable
    ]  # fmt: skip
    return CaseSet("handbook", tuple(of_handbook[:8]))


def test_passages_are_found_and_no_answers_are_measured(pipeline, cases):
    report = evaluate(pipeline.passages, cases)
    assert report.figure("R@10").value > 0.7
    assert report.figure("evidence-R").cases == 8
    assert report.figure("wrongly-refused").value < 0.5
    assert report.figure("token-F1") is None
    assert all(row.response.text is None for row in report.rows)


def test_answers_are_measured_and_the_manifest_says_what_made_them(pipeline, cases):
    report = evaluate(pipeline.ask, CaseSet("three", cases.cases[:3]))
    assert report.figure("support-rate").value > 0.5
    made = report.manifest
    assert made.settings["chat_model"] == "extractive"
    assert made.settings["refusal_threshold"] > 0
    assert made.index["documents"] > 3
    assert made.system == "Pipeline.ask"
    assert evaluate(pipeline.passages, cases).manifest.fingerprint != made.fingerprint


@pytest.mark.parametrize("way", ["search", "explain"])
def test_other_ways_to_find_passages_need_no_chat_model(pipeline, cases, way):
    report = evaluate(getattr(pipeline, way), cases, measures=["R@10"])
    assert report.counts["failed"] == 0
    assert report.figure("R@10").value > 0.7
    assert "chat_model" not in report.manifest.settings


def test_held_out_documents_are_not_found_by_ours(pipeline, cases):
    first = cases.cases[0]
    document = first.relevant[0].document
    held = Case("held", first.question, first.relevant, without=(document,))
    report = evaluate(pipeline.passages, [held], measures=["R@10"])
    assert report.figure("R@10").value == 0
    assert document not in {one.document for one in report.rows[0].response.ranked}
