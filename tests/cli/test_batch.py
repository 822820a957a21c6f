"""`rag ask --batch` as a user types it."""

import json
import os
import signal
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from asked_server import AskedServer, write_documents
from fault_server import Reply

from rag.cli.main import main

RAG = [sys.executable, "-m", "rag.cli.main"]


@pytest.fixture(scope="module")
def server():
    with AskedServer().running() as running:
        yield running


@pytest.fixture(scope="module")
def flags(tmp_path_factory, server):
    home = tmp_path_factory.mktemp("asked")
    docs = write_documents(home / "docs")
    flags = ["--endpoint", server.url, "--index", str(home / "index"),
             "--set", "parse_workers=0", "--set", "refusal_threshold=0"]  # fmt: skip
    assert main(["ingest", str(docs), *flags]) == 0
    return flags


def lines(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_batch_answers_all_and_then_only_what_failed(run, flags, tmp_path, server):
    out, questions = tmp_path / "out.jsonl", tmp_path / "q.jsonl"
    questions.write_text(
        '{"id": "a", "question": "What of part 1?"}\n{"id": "b", "question": "a bad 2?"}\n'
        '{"id": "c", "question": "What of part 3?", "filter": "part-3*", "k": 1}\n',
        encoding="utf-8",
    )
    code, _, err = run("ask", "--batch", questions, "--out", out, *flags)
    assert code == 2
    assert "1 of 3 questions have no answer" in err
    assert {line["id"]: "error" in line for line in lines(out)} == {
        "a": False, "b": True, "c": False}  # fmt: skip
    [third] = [line for line in lines(out) if line["id"] == "c"]
    assert [one["hit"]["chunk"]["document_id"] for one in third["answer"]["citations"]] == [
        "part-3.md"
    ]
    questions.write_text(questions.read_text("utf-8").replace("bad 2", "better 2"), "utf-8")
    server.requests.clear()
    code, _, err = run("ask", "--batch", questions, "--out", out, *flags)
    assert code == 0
    assert "2 answered before, 1 answered now" in err
    assert len(server.asked("/v1/chat/completions")) == 1
    assert sorted(line["id"] for line in lines(out)) == ["a", "b", "c"]


def test_bad_filters_stop_no_other_question(run, flags, tmp_path):
    out, questions = tmp_path / "out.jsonl", tmp_path / "q.jsonl"
    questions.write_text(
        '{"id": 0, "question": "What of part 1?", "filter": 5}\n'
        '{"id": 1, "question": "What of part 2?", "filter": "after:banana"}\n'
        '{"id": 2, "question": "What of part 3?", "filter": ["part-3*"]}\n'
        '{"id": {"a": 1}, "question": "?"}\n',
        encoding="utf-8",
    )
    code, _, err = run("ask", "--batch", questions, "--out", out, *flags)
    assert code == 2
    assert "3 of 4 questions have no answer" in err
    assert "1 answered now" in err
    found = {line["index"]: line for line in lines(out)}
    assert [found[index]["id"] for index in range(4)] == [0, 1, 2, {"a": 1}]
    assert "filter" in found[0]["error"]["message"]
    assert "banana" in found[1]["error"]["message"]
    assert found[2]["answer"]["text"] == "It is 3 [1]."


def test_question_asked_with_something_else_is_asked_again_and_twins_settle(
    run, flags, tmp_path, server
):
    out, questions = tmp_path / "out.jsonl", tmp_path / "q.txt"
    questions.write_text("What of part 1?\nWhat of part 2?\nWhat of part 1?\n", "utf-8")
    command = ("ask", "--batch", questions, "--out", out, *flags)
    assert run(*command)[0] == 0
    assert sorted(line["index"] for line in lines(out)) == [0, 1, 2]
    for more, asked in [((), 0), (("-k", "1"), 3), (("-k", "1"), 0),
                        (("-k", "1", "--filter", "part-*"), 3), (("--strict",), 3)]:  # fmt: skip
        server.requests.clear()
        assert run(*command, *more)[0] == 0
        assert len(server.asked("/v1/chat/completions")) == asked, more
        assert sorted(line["index"] for line in lines(out)) == [0, 1, 2]
    assert lines(out)[0]["with"] == {"strict": True}


def test_all_of_an_answer_is_written_when_that_is_asked_for(run, flags, tmp_path):
    (tmp_path / "q.txt").write_text("What of part 1?\n", "utf-8")
    sizes = {}
    for more in ((), ("--explain",)):
        out = tmp_path / f"out{len(more)}.jsonl"
        assert run("ask", "--batch", tmp_path / "q.txt", "--out", out, *flags, *more)[0] == 0
        [line] = lines(out)
        sizes[more] = out.stat().st_size
        assert {"context", "messages", "found"} & {*line["answer"]} == (
            {"context", "messages", "found"} if more else set()
        )
        assert "secret word" in line["answer"]["citations"][0]["hit"]["chunk"]["text"]
    assert sizes[()] < sizes[("--explain",)] / 2


def test_server_that_dies_in_the_middle_loses_no_answer(run, flags, tmp_path, server):
    (tmp_path / "q.txt").write_text("".join(f"What of part {n}?\n" for n in range(8)), "utf-8")
    out, asked = tmp_path / "out.jsonl", []

    def die(request):
        asked.append(request)
        return server.reply(request) if len(asked) < 4 else Reply(fault="reset")

    command = ("ask", "--batch", tmp_path / "q.txt", "--out", out, "--jobs", "2", *flags)
    server.on("/v1/chat/completions", die)
    try:
        code, _, err = run(*command)
    finally:
        server.on("/v1/chat/completions", server.reply)
    assert code == 2
    assert "error: " in err
    assert "run the same command again" in err
    answered = [line["index"] for line in lines(out) if "answer" in line]
    assert len(answered) == 3
    code, _, err = run(*command)
    assert code == 0
    assert "3 answered before, 5 answered now" in err
    assert sorted(line["index"] for line in lines(out)) == list(range(8))


def test_questions_and_answers_can_go_through_pipes(flags, tmp_path):
    done = subprocess.run(
        [*RAG, "ask", "--batch", "-", "--out", "-", *flags], cwd=tmp_path, timeout=120,
        input="What of part 1?\n\nWhat of part 2?\n", text=True, capture_output=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert {line["index"]: line["answer"]["text"] for line in found} == {
        0: "It is 1 [1].", 1: "It is 2 [1]."}  # fmt: skip
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="needs named pipes")
def test_answers_can_go_into_a_named_pipe(run, flags, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "q.txt").write_text("What of part 1?\n", "utf-8")
    with ThreadPoolExecutor(1) as pool:
        read = pool.submit((tmp_path / "pipe").read_text, "utf-8")
        code, _, _ = run("ask", "--batch", tmp_path / "q.txt", "--out", tmp_path / "pipe", *flags)
        assert code == 0
        assert json.loads(read.result(20))["answer"]["text"] == "It is 1 [1]."


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
@pytest.mark.parametrize("how", [signal.SIGINT, getattr(signal, "SIGKILL", None)])
def test_stopped_batch_keeps_what_is_done_and_goes_on(run, flags, tmp_path, how):
    questions = tmp_path / "q.txt"
    questions.write_text("What of part 1?\nTell it slow 2?\nTell slow 3?\n", "utf-8")
    out = tmp_path / "out.jsonl"
    arguments = ["ask", "--batch", str(questions), "--out", str(out), "--jobs", "1", *flags]
    process = subprocess.Popen([*RAG, *arguments], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while (not out.exists() or not out.read_bytes()) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(how)
    _, err = process.communicate(timeout=30)
    if how == signal.SIGINT:
        assert process.returncode == 130
        assert "the same command goes on from here" in err
        assert "Traceback" not in err
    assert [line["index"] for line in lines(out)] == [0]
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    questions.write_text("What of part 2?\nWhat of part 1?\n", "utf-8")
    code, _, err = run(*arguments)
    assert code == 0
    assert "1 answered before, 1 answered now" in err
    assert [(line["index"], line["question"]) for line in lines(out)] == [
        (1, "What of part 1?"), (0, "What of part 2?")]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--batch", "q.txt"], "--out"),
        (["--batch", "q.txt", "--out", "o", "a question"], "--out"),
        (["--out", "o", "a question"], "--batch"),
        (["--jobs", "2", "a question"], "--batch"),
        (["--batch", "missing.txt", "--out", "o"], "missing.txt"),
        (["--batch", "empty.txt", "--out", "o"], "no question"),
        (["--batch", "latin.txt", "--out", "o"], "UTF-8"),
        (["--batch", "q.txt", "--out", "o", "--json"], "--json"),
        (["--batch", "q.txt", "--out", "o", "--filter", "after:banana"], "banana"),
        (["--batch", "q.txt", "--out", "q.txt"], "holds the questions"),
        (["--batch", "q.txt", "--out", "folder"], "is a folder"),
        (["--batch", "q.txt", "--out", "nowhere/o"], "cannot be written"),
        (["?"], "no question"),
    ],
)
def test_wrong_use_is_told(run, tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "q.txt").write_text("Why?\n", encoding="utf-8")
    (tmp_path / "empty.txt").write_text("\n", encoding="utf-8")
    (tmp_path / "latin.txt").write_bytes("Größe?".encode("latin-1"))
    code, _, err = run("ask", *arguments)
    assert code == 2
    assert said in err
    assert not (tmp_path / "o").exists()
    assert (tmp_path / "q.txt").read_text("utf-8") == "Why?\n"
