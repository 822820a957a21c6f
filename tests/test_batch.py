"""Questions read from files, answers written so that a later run goes on, many asked at once."""

import json
import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest
from asked_server import PARALLEL, AskedServer, write_documents
from kept_answers import answer

from ingest.base.errors import PipelineError
from rag.batch.questions import Question, read_questions
from rag.batch.results import Results
from rag.batch.run import ask_all
from rag.history.kept import Request
from rag.models.base.errors import EndpointUnreachable
from rag.models.choose import Choice
from rag.models.discover import ModelInfo
from rag.pipeline import Pipeline
from rag.settings import Settings

# Reading questions


def test_lines_of_text_are_questions():
    found = read_questions("\ufeffWhen?\r\n\n  Who? \n[1] what?\n")
    assert [(one.index, one.question) for one in found] == [
        (0, "When?"), (1, "Who?"), (2, "[1] what?")]  # fmt: skip


def test_objects_may_have_a_name_a_filter_and_a_number():
    lines = '{"question": "When?", "id": 7, "filter": ".md", "k": 3}\n{"question": "Who?"}\n'
    expected = [Question(0, "When?", 7, (".md",), 3), Question(1, "Who?")]
    assert read_questions(lines) == expected
    listed = json.dumps([json.loads(line) for line in lines.splitlines()])
    assert read_questions(listed) == expected
    assert read_questions('["When?"]') == [Question(0, "When?")]


@pytest.mark.parametrize(
    "line",
    ["{bad", "3", '{"q": "When?"}', '{"question": ""}', '{"question": "W?", "k": 0}',
     '{"question": "W?", "filter": [1]}', "null", '{"question": 3}', '{"question": "?!"}',
     '{"question": "W?", "filter": 5}', '{"question": "W?", "filter": {".md": 1}}', "[" * 99999,
     '{"question": "W?", "k": 1e9}', f'{{"question": "W?", "k": {10**30}}}',
     '{"question": "W\\ud800?"}', f'{{"question": "{"W " * 10_001}"}}'],
)  # fmt: skip
def test_line_that_is_no_question_says_why_and_stops_no_other(line):
    good, bad, last = read_questions(f'{{"question": "When?"}}\n{line}\n{{"question": "Who?"}}')
    assert (good.problem, last.problem) == ("", "")
    assert bad.problem
    assert last.index == 2


@pytest.mark.parametrize(
    ("text", "questions"),
    [
        ('{"question": "a\u2028b?"}\n{"question": "c?"}', ["a\u2028b?", "c?"]),
        ('{\n  "question":\n    "When?"\n}\n', ["When?"]),
        ('{\n "question": "When?"}\n\n{"question":\n "Who?"}', ["When?", "Who?"]),
        ("{curly} question?\nWho?", ["{curly} question?", "Who?"]),
        ('[\n  "When?",\n  {"question": "Who?"}\n]', ["When?", "Who?"]),
        ('"When?"\r\nWho?', ['"When?"', "Who?"]),
    ],
)
def test_all_that_is_json_is_read_as_such_and_nothing_else(text, questions):
    found = read_questions(text)
    assert [one.question for one in found] == questions
    assert not any(one.problem for one in found)


# Writing answers


def write(path, questions, results):
    written = Results(path, questions)
    try:
        left = [question for question in questions if not written.has(question)]
        for question in left:
            written.write(question, results[question.question])
    finally:
        written.close()
    return [question.question for question in left]


def lines(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


QUESTIONS = [Question(0, "When?", "a"), Question(1, "Who?"), Question(2, "Why?", "c")]
RESULTS = {"When?": answer(), "Who?": answer("She [1]."), "Why?": PipelineError("no", "again")}


def test_answers_are_whole_lines_and_failed_questions_are_asked_again(tmp_path):
    path = tmp_path / "out.jsonl"
    assert write(path, QUESTIONS, RESULTS) == ["When?", "Who?", "Why?"]
    first, second, third = lines(path)
    assert (first["index"], first["id"], first["answer"]["text"]) == (0, "a", answer().text)
    assert second["id"] is None
    assert third["error"] == {"message": "no", "hint": "again"}
    assert write(path, QUESTIONS, {"Why?": answer()}) == ["Why?"]
    assert [("error" in line, line["id"]) for line in lines(path)] == [
        (False, "a"), (False, None), (False, "c")]  # fmt: skip
    assert write(path, QUESTIONS, {}) == []


def test_line_that_a_crash_cut_is_dropped_and_done_again(tmp_path):
    path = tmp_path / "out.jsonl"
    write(path, QUESTIONS[:2], RESULTS)
    whole = path.read_bytes()
    for length in (len(whole) - 1, len(whole) - 30, whole.index(b"\n") + 3):
        path.write_bytes(whole[:length])
        assert write(path, QUESTIONS[:2], RESULTS) == ["Who?"]
        assert path.read_bytes() == whole


def test_changed_question_under_the_same_id_takes_the_place_of_the_old(tmp_path):
    path = tmp_path / "out.jsonl"
    write(path, QUESTIONS[:2], RESULTS)
    changed = [Question(0, "Since when?", "a"), QUESTIONS[1]]
    assert write(path, changed, {"Since when?": answer()}) == ["Since when?"]
    assert [line["question"] for line in lines(path)] == ["Who?", "Since when?"]


def test_each_answer_has_the_place_its_question_has_now(tmp_path):
    path = tmp_path / "out.jsonl"
    when, who, why = (Question(n, text) for n, text in enumerate(("When?", "Who?", "Why?")))
    results = dict.fromkeys(("When?", "Who?", "Why?"), answer())
    write(path, [when, who, why], results)
    assert write(path, [replace(why, index=0), replace(when, index=1)], {}) == []
    assert [(line["index"], line["question"]) for line in lines(path)] == [
        (1, "When?"), (None, "Who?"), (0, "Why?")]  # fmt: skip
    assert write(path, [when, who], {}) == []
    assert [line["index"] for line in lines(path)] == [0, 1, None]


def test_same_question_twice_and_same_id_twice_settle(tmp_path):
    path = tmp_path / "out.jsonl"
    questions = [Question(0, "When?"), Question(1, "When?"), Question(2, "Who?", "a"),
                 Question(3, "Why?", "a"), Question(4, "When?", None, (".md",)),
                 Question(5, "When?", 0), Question(6, "When?", "0")]  # fmt: skip
    results = dict.fromkeys(("When?", "Who?", "Why?"), answer())
    assert len(write(path, questions, results)) == 7
    whole = path.read_bytes()
    assert write(path, questions, {}) == []
    assert path.read_bytes() == whole
    assert [line["id"] for line in lines(path)][5:] == [0, "0"]


@pytest.mark.parametrize("content", ["my notes", "my notes\n", '{"a": 1}\n', "[]\n"])
def test_file_of_something_else_is_never_overwritten(tmp_path, content):
    path = tmp_path / "out.jsonl"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(PipelineError, match="no file of answers"):
        Results(path, QUESTIONS)
    assert path.read_text("utf-8") == content


# Asking


@pytest.fixture(scope="module")
def server():
    with AskedServer().running() as running:
        yield running


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory, server):
    home = tmp_path_factory.mktemp("batch")
    settings = Settings.load({
        "endpoint": server.url, "index_dir": str(home / "index"), "parse_workers": 0,
        "refusal_threshold": 0.0,
    })  # fmt: skip
    with Pipeline(settings) as pipeline:
        pipeline.ingest(write_documents(home / "docs"))
        yield pipeline


def ask(number):
    return f"What is the secret word of part {number}?"


def test_answers_come_in_order_and_as_many_at_once_as_the_server_takes(pipeline, server):
    done, threads = [], set()
    before = len(pipeline.history.answers(-1))

    def on_done(outcome):
        done.append(outcome.index)
        threads.add(threading.get_ident())

    questions = [ask(number % 6) for number in range(24)]
    outcomes = list(pipeline.ask_all(questions, on_done=on_done))
    assert [one.index for one in outcomes] == list(range(24))
    assert sorted(done) == list(range(24))
    assert all(f"{n % 6}" in one.answer.text for n, one in enumerate(outcomes))
    assert len(threads) == PARALLEL
    assert 1 < server.most_at_once("/v1/chat/completions") <= PARALLEL
    assert len({one.answer.id for one in outcomes}) == 24
    assert len(pipeline.history.answers(-1)) - before == 24


def test_one_bad_question_stops_no_other(pipeline):
    outcomes = list(pipeline.ask_all([ask(0), "something bad", "  ", ask(1)], jobs=2))
    assert [one.error is None for one in outcomes] == [True, False, False, True]
    assert "refused" in str(outcomes[1].error)


def test_defect_that_a_question_shows_stops_no_other():
    def answer_one(request):
        return {"1?": answer, "3?": answer}[request.question]()

    requests = [Request(f"{n}?") for n in range(4)]
    outcomes = list(ask_all(answer_one, requests, Models(), 2, lambda _: None))
    assert [one.error is None for one in outcomes] == [False, True, False, True]
    assert "KeyError" in outcomes[0].error.message


class Models:
    """A server for two at a time that keeps its models."""

    settings = Settings.load({"endpoint": "http://127.0.0.1:1/v1"})

    def __init__(self) -> None:
        self.prepared = []
        info = ModelInfo("stub-chat", parallel=2)
        self.servers = SimpleNamespace(chat_choice=Choice(info, "the only one"))

    def chat(self):
        return SimpleNamespace(is_extractive=False)

    def prepare(self, questions):
        self.prepared.append(len(questions))
        raise PipelineError("one of them is too long")


def test_server_that_is_gone_stops_all():
    asked = []

    def answer_one(request):
        asked.append(request.question)
        if len(asked) > 3:
            raise EndpointUnreachable("no server", "start it")
        return answer()

    done = []
    requests = [Request(f"{n}?") for n in range(50)]
    with pytest.raises(EndpointUnreachable):
        list(ask_all(answer_one, requests, Models(), None, done.append))
    assert len(done) == 3
    assert len(asked) < 12


def test_questions_are_prepared_some_at_a_time_and_a_bad_one_is_told_later():
    models = Models()
    requests = [Request(f"{n}?") for n in range(250)]
    outcomes = list(ask_all(lambda _: answer(), requests, models, 3, lambda _: None))
    assert len(outcomes) == 250
    assert models.prepared == [100, 100, 50]


def test_who_stops_does_not_wait_for_what_is_left():
    gate, asked = threading.Event(), []

    def answer_one(request):
        asked.append(request)
        if len(asked) > 1:
            gate.wait(20)
        return answer()

    running = ask_all(answer_one, [Request("?")] * 50, Models(), 2, lambda _: None)
    next(running)
    started = time.monotonic()
    running.close()
    assert time.monotonic() - started < 5
    gate.set()
    assert len(asked) < 8
