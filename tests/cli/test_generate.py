"""`rag generate-cases` as a user types it."""

import json
import re
import signal

import pytest
from asked_server import AskedServer, write_documents
from fault_server import fail

from rag.cli.main import main
from rag.evaluation.reading.read import read_cases


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A server and the flags for an index that was made with it once: no test changes it."""
    home = tmp_path_factory.mktemp("generate")
    folder = write_documents(home / "docs", 24)
    for n, path in enumerate(sorted(folder.iterdir())):
        text = f"On {n + 1} May {1990 + n} Ada Fell replaced pump w{n}-7 of the plant for {n + 310} euro."
        path.write_text(f"# Part {n}\n\n{text}", encoding="utf-8")
    with AskedServer().running() as server:
        flags = ["--endpoint", server.url, "--index", str(home / "index"),
                 "--set", "parse_workers=0", "--set", "exact_up_to=500"]  # fmt: skip
        assert main(["ingest", str(folder), *flags]) == 0
        yield server, flags


@pytest.fixture
def server(served):
    server, _flags = served
    server.on("/v1/embeddings", server.embed)
    server.on("/v1/chat/completions", server.reply)
    return server


@pytest.fixture
def flags(served, server):
    return served[1]


def write_question(server, request):
    """Reply as a chat model that was shown a passage, or a question and what is left."""
    if "answered" in json.dumps(request.json):
        return server.reply_as(json.dumps({"answered": "no"}))
    passage = request.json["messages"][-1]["content"]
    pump, price = re.search(r"pump (w\d+-7) of the plant for (\d+)", passage).groups()
    quote = f"replaced pump {pump} of the plant for {price} euro"
    reply = {"question": f"What was paid for {pump}?", "answer": price, "quote": quote}
    return server.reply_as(json.dumps(reply))


def test_model_writes_cases_that_can_be_read_again(run, flags, server, tmp_path):
    server.on("/v1/chat/completions", lambda request: write_question(server, request))
    path = tmp_path / "cases.jsonl"
    code, out, err = run("generate-cases", *flags, "--out", path, "--questions", 8,
                         "--unanswerable", "0")  # fmt: skip
    assert code == 0, err
    cases = read_cases(path)
    assert cases.problems == ()
    assert len(cases.cases) == 8
    assert path.stat().st_mode & 0o777 == 0o600
    assert "written by stub-chat" in out
    assert out.count("→") == 3
    assert f"rag evaluate {path}" in err
    assert all(case.relevant and case.answers for case in cases.cases)


def test_without_a_model_a_rule_makes_them_and_says_so(run, flags, tmp_path):
    path = tmp_path / "cases.jsonl"
    code, out, err = run("generate-cases", *flags, "--out", path, "--questions", 6, "--by-rule")
    assert code == 0, err
    assert "made by rule" in out
    assert "easier than what people ask" in " ".join(err.split())
    assert all("rule" in case.tags for case in read_cases(path).cases)


def test_file_that_is_there_is_replaced_only_by_force(run, flags, tmp_path):
    path = tmp_path / "cases.jsonl"
    path.write_text("mine", encoding="utf-8")
    command = ("generate-cases", *flags, "--by-rule", "--questions", 4, "--out", path)
    code, _, err = run(*command)
    assert code == 2
    assert "--force" in err
    assert path.read_text("utf-8") == "mine"
    assert run(*command, "--force")[0] == 0
    assert read_cases(path).cases
    code, _, err = run("generate-cases", *flags, "--out", tmp_path / "no" / "c.jsonl")
    assert code == 2
    assert "name a file" in err


def test_server_that_fails_on_the_way_leaves_what_was_made(run, flags, server, tmp_path):
    asked = []

    def reply(request):
        asked.append(request)
        return fail("out of order") if len(asked) > 4 else write_question(server, request)

    server.on("/v1/chat/completions", reply)
    path = tmp_path / "cases.jsonl"
    code, out, err = run("generate-cases", *flags, "--out", path, "--questions", 12,
                         "--unanswerable", "0")  # fmt: skip
    assert code == 1
    assert "hold no more" not in err
    assert "out of order" in err
    assert "the model failed" in out
    assert 0 < len(read_cases(path).cases) <= 4


def test_stopped_by_hand_it_keeps_what_was_made(run, flags, server, tmp_path):
    path = tmp_path / "cases.jsonl"
    asked = []

    def reply(request):
        asked.append(request)
        if len(asked) == 4:
            signal.raise_signal(signal.SIGINT)
        return write_question(server, request)

    server.on("/v1/chat/completions", reply)
    command = ("generate-cases", *flags, "--questions", 15, "--unanswerable", "0", "--out", path)
    code, _, err = run(*command)
    assert code == 130
    draft = tmp_path / "cases.draft.jsonl"
    assert f"made so far are in {draft}" in " ".join(err.split())
    assert len(read_cases(draft).cases) == 3
    assert draft.stat().st_mode & 0o777 == 0o600
    assert not path.exists()
    code, _, err = run(*command)
    assert code == 2
    assert "use them" in err
    assert run(*command, "--force", "--by-rule")[0] == 0
    assert not draft.exists()
    assert read_cases(path).cases


def test_json_tells_cases_and_what_was_dropped(run, flags, tmp_path):
    code, out, _ = run("generate-cases", *flags, "--by-rule", "--questions", 4, "--json",
                       "--out", tmp_path / "c.jsonl")  # fmt: skip
    assert code == 0
    told = json.loads(out)
    assert len(told["cases"]["cases"]) == 4
    assert "dropped" in told


def test_only_the_collection_that_is_set_is_asked_about(run, tmp_path):
    with AskedServer().running() as server:
        flags = ["--endpoint", server.url, "--index", str(tmp_path / "index"),
                 "--set", "parse_workers=0", "--set", "exact_up_to=500"]  # fmt: skip
        for name in ("north", "south"):
            folder = tmp_path / name
            folder.mkdir()
            for n in range(4):
                text = f"# Part {n}\n\nThe {name} depot {n} holds {n + 30} crates of dried apples."
                (folder / f"{name}-{n}.md").write_text(text, encoding="utf-8")
            assert run("ingest", folder, *flags, "--collection", name)[0] == 0
        path = tmp_path / "cases.jsonl"
        code, _, err = run("generate-cases", *flags, "--by-rule", "--unanswerable", "0",
                           "--set", "collection=south", "--out", path)  # fmt: skip
    assert code == 0, err
    cases = read_cases(path).cases
    assert cases
    assert all(one.document.startswith("south") for case in cases for one in case.relevant)
