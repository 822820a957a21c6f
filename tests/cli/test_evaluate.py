"""`rag evaluate` as a user types it."""

import json
import os
import shlex
import signal
import stat
import subprocess
import sys
import time

import pytest
from asked_server import AskedServer, write_documents
from fault_server import as_json, fail

from rag import read_run
from rag.cli.main import main
from rag.cli.measuring.evaluate import tell_command

RAG = [sys.executable, "-m", "rag.cli.main"]


@pytest.fixture(scope="module")
def server():
    with AskedServer().running() as running:
        yield running


@pytest.fixture(scope="module")
def docs(tmp_path_factory):
    return write_documents(tmp_path_factory.mktemp("evaluated") / "docs")


@pytest.fixture(scope="module")
def flags(server, docs):
    flags = ["--endpoint", server.url, "--index", str(docs.parent / "index"),
             "--set", "parse_workers=0", "--set", "refusal_threshold=0"]  # fmt: skip
    assert main(["ingest", str(docs), *flags]) == 0
    return flags


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def write(path, words, document="part-{n}.md"):
    lines = [
        {"id": f"c{n}", "question": f"What of {word} {n}?", "answers": [str(n)],
         "evidence": [document.format(n=n)]}
        for n, word in enumerate(words)
    ]  # fmt: skip
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    return path


def questions(server):
    asked = [r.json["messages"][-1]["content"] for r in server.requests
             if r.path == "/v1/chat/completions"]  # fmt: skip
    return sorted(text.rpartition("Question:")[2].strip() for text in asked)


def test_run_is_a_folder_with_figures_report_and_files_for_other_tools(run, flags, tmp_path):
    cases = write(tmp_path / "cases.jsonl", ["part"] * 6)
    code, out, err = run("evaluate", cases, *flags, "--run", "r")
    assert code == 0, err
    assert "containment" in out
    assert "1.000" in out
    assert "refused of answerable: 0 of 6" in out
    made = {path.name for path in (tmp_path / "r").iterdir()}
    assert made >= {"run.json", "cases.jsonl", "rows.jsonl", "report.html", "report.md",
                    "report.json", "run.trec", "qrels.trec", "ragas.jsonl"}  # fmt: skip
    if os.name != "nt":
        modes = {stat.S_IMODE((tmp_path / "r" / name).stat().st_mode) for name in made - {"lock"}}
        assert modes == {0o600}
    assert read_run("r").figure("containment").value == 1


def test_same_command_shows_a_complete_run_again_and_again_measures_anew(run, flags, server, docs):
    cases = write(docs.parent / "same.jsonl", ["part"] * 3)
    code, out, err = run("evaluate", cases, *flags)
    [folder] = (docs.parent / "index" / "runs").glob("same-*")
    assert code == 0
    assert str(folder) in err
    server.requests.clear()
    code, again, err = run("evaluate", cases, *flags)
    assert (code, again) == (0, out)
    assert "complete" in err
    assert questions(server) == []
    code, _, err = run("evaluate", cases, *flags, "--again")
    assert code == 0
    assert len(questions(server)) == 3
    assert len(list((docs.parent / "index" / "runs").glob("same-*"))) == 2
    write(cases, ["part"] * 4)
    server.requests.clear()
    code, _, err = run("evaluate", cases, *flags)
    assert len(questions(server)) == 4
    assert len(list((docs.parent / "index" / "runs").glob("same-*"))) == 3


def test_answers_of_an_evaluation_are_not_kept_with_a_persons_own(run, flags, tmp_path):
    assert run("evaluate", write(tmp_path / "c.jsonl", ["part"]), *flags)[0] == 0
    code, _, err = run("replay", *flags)
    assert code == 1
    assert "error" in err


def test_failed_cases_are_told_with_their_reason_and_asked_again(run, flags, tmp_path, server):
    cases = write(tmp_path / "cases.jsonl", ["part", "bad", "part"])
    code, _, err = run("evaluate", cases, *flags, "--run", "r")
    assert code == 2
    assert "1 of 3 cases failed" in err
    assert "first c1" in err
    server.requests.clear()
    code, out, err = run("evaluate", cases, *flags, "--run", "r", "--json")
    assert code == 2
    assert "2 of 3 cases were measured before" in err
    assert json.loads(out)["failures"]["c1"]["message"]
    assert set(questions(server)) == {"What of bad 1?"}


def test_retrieval_only_needs_no_chat_model_and_who_needs_one_is_told_of_it(run, tmp_path, docs):
    with AskedServer().running() as server:
        server.on("/api/v1/models", as_json({"models": [
            {"type": "embedding", "key": "text-embedding-stub", "max_context_length": 2048,
             "loaded_instances": [{"id": "text-embedding-stub",
                                   "config": {"context_length": 2048}}]}]}))  # fmt: skip
        flags = ["--endpoint", server.url, "--set", "parse_workers=0", "--docs", docs,
                 "--run", "r"]  # fmt: skip
        cases = write(tmp_path / "cases.jsonl", ["part"] * 2)
        code, out, err = run("evaluate", cases, *flags, "--retrieval-only")
        assert code == 0, err
        assert "nDCG@10" in out
        assert "token-F1" not in out
        code, _, err = run("evaluate", cases, *flags)
        assert code == 1
        assert "--retrieval-only" in err


def test_documents_that_come_with_the_cases_are_indexed_for_the_run(run, flags, tmp_path):
    folder = tmp_path / "set"
    (folder / "qrels").mkdir(parents=True)
    corpus = [{"_id": f"D{n}", "title": "", "text": f"Pump {n} has the colour c{n}."}
              for n in range(3)]  # fmt: skip
    queries = [{"_id": f"q{n}", "text": f"What colour has pump {n}?"} for n in range(3)]
    for name, records in (("corpus", corpus), ("queries", queries)):
        lines = "".join(f"{json.dumps(record)}\n" for record in records)
        (folder / f"{name}.jsonl").write_text(lines, encoding="utf-8")
    qrels = "query-id\tcorpus-id\tscore\n" + "".join(f"q{n}\tD{n}\t1\n" for n in range(3))
    (folder / "qrels" / "test.tsv").write_text(qrels, encoding="utf-8")
    own = [*flags[:2], *flags[4:], "--set", f"index_dir={tmp_path / 'other'}"]
    code, _, err = run("evaluate", folder, *own, "--retrieval-only", "--measures", "R@5")
    assert code == 0, err
    [made] = (tmp_path / "other" / "runs").iterdir()
    assert read_run(made).figure("R@5").value == 1
    assert (made / "index").is_dir()
    assert len(list((made / "documents").iterdir())) == 3
    assert " D0 " in (made / "qrels.trec").read_text("utf-8")
    code, _, err = run("evaluate", folder, *own, "--retrieval-only", "--measures", "R@5")
    assert code == 0
    assert "complete" in err


def test_evidence_in_documents_that_are_not_there_is_told_with_what_to_do(run, flags, tmp_path):
    cases = write(tmp_path / "cases.jsonl", ["part"] * 2, "docs/part-{n}.md")
    code, _, err = run("evaluate", cases, *flags, "--retrieval-only")
    assert code == 0
    assert "2 of 2 pieces of evidence" in err
    assert "docs/part-0.md" in err
    assert "--docs" in err


def test_lines_that_are_no_case_are_told_and_stop_no_other(run, flags, tmp_path):
    cases = write(tmp_path / "cases.jsonl", ["part"] * 2)
    cases.write_text(cases.read_text("utf-8") + '{"bad\n', encoding="utf-8")
    code, _, err = run("evaluate", cases, *flags, "--retrieval-only", "--limit", "1", "--run", "r")
    assert code == 0
    assert "is no case" in err
    assert read_run("r").counts["cases"] == 1


def test_server_that_goes_in_the_middle_costs_no_row(run, docs, tmp_path):
    cases = write(tmp_path / "cases.jsonl", ["part"] * 5)
    with AskedServer().running() as server:
        flags = ["--endpoint", server.url, "--docs", docs, "--run", "r", "--jobs", "1",
                 "--set", "parse_workers=0", "--set", "refusal_threshold=0"]  # fmt: skip
        reply, answered = server.reply, []

        def refuse_the_key(request):
            answered.append(request)
            return fail("wrong key", 401) if len(answered) > 2 else reply(request)

        server.on("/v1/chat/completions", refuse_the_key)
        code, _, err = run("evaluate", cases, *flags)
        assert code == 1
        assert "the same command goes on" in err
        assert read_run("r").counts["asked"] == 2
        server.on("/v1/chat/completions", reply)
        code, _, err = run("evaluate", cases, *flags)
        assert code == 0, err
        assert "2 of 5 cases were measured before" in err


@pytest.mark.parametrize(
    ("more", "said", "expected"),
    [
        (["nowhere.jsonl"], "nowhere.jsonl", 1),
        ([], "no file of cases is named", 2),
        (["c.jsonl", "--measures", "wisdom"], "no measure", 1),
        (["c.jsonl", "--retrieval-only", "--measures", "token-F1"], "measures answers", 2),
        (["c.jsonl", "--retrieval-only", "--measures", "seconds-first-token"], "answers", 2),
        (["c.jsonl", "--retrieval-only", "--measures", "tokens-out-p95"], "measures answers", 2),
        (["c.jsonl", "--measures", "R@5,faithfulness"], "add --judge", 2),
        (["c.jsonl", "--retrieval-only", "--judge"], "no answers to judge", 2),
        (["c.jsonl", "--columns", "question"], "no column", 2),
        (["c.jsonl", "--docs", "nofolder"], "nofolder", 1),
        (["c.jsonl", "--run", "c.jsonl"], "c.jsonl", 1),
        (["c.jsonl", "--run", "."], "is no run", 1),
    ],
)
def test_wrong_words_are_told_with_their_remedy(run, flags, tmp_path, more, said, expected):
    write(tmp_path / "c.jsonl", ["part"])
    code, _, err = run("evaluate", *more, *flags)
    assert code == expected
    assert said in err
    assert "fix:" in err
    assert [path.name for path in tmp_path.iterdir()] == ["c.jsonl"]


def test_measures_are_listed_with_their_meaning(run):
    code, out, _ = run("evaluate", "--list-measures")
    assert code == 0
    assert "nDCG@10" in out
    listed = json.loads(run("evaluate", "--list-measures", "--json")[1])
    assert {"name", "meaning", "source"} <= set(listed[0])


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
@pytest.mark.parametrize("how", [signal.SIGINT, getattr(signal, "SIGKILL", None)])
def test_stopped_run_goes_on_without_repeating_a_case(run, flags, tmp_path, server, how):
    cases = write(tmp_path / "cases.jsonl", ["part", "part", "part", "slow", "part", "part"])
    rows = tmp_path / "r" / "rows.jsonl"
    arguments = ["evaluate", str(cases), *flags, "--run", "r", "--jobs", "1"]
    process = subprocess.Popen([*RAG, *arguments], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while (not rows.exists() or rows.read_bytes().count(b"\n") < 3) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(how)
    _, err = process.communicate(timeout=30)
    if how == signal.SIGINT:
        assert process.returncode == 130
        assert "the same command goes on from here" in err
    assert read_run("r").counts["asked"] == 3
    server.requests.clear()
    code, _, err = run(*arguments)
    assert code == 0, err
    assert "3 of 6 cases were measured before" in err
    assert questions(server) == ["What of part 4?", "What of part 5?", "What of slow 3?"]
    assert [json.loads(line)["case"]["id"] for line in rows.read_text("utf-8").splitlines()] == [
        f"c{n}" for n in range(6)
    ]


def test_passages_found_by_processes_are_those_found_by_one(run, flags, tmp_path):
    cases = write(tmp_path / "cases.jsonl", ["part"] * 6)
    names = ["--measures", "nDCG@10,R@5,evidence-R", "--retrieval-only", "--json"]
    figures = []
    for jobs in (1, 2):
        code, out, err = run("evaluate", cases, *flags, *names, "--run", f"r{jobs}", "--jobs", jobs)
        assert code == 0, err
        figures.append(json.loads(out)["figures"])
    assert figures[0] == figures[1]
    found = [[row.response.ranked for row in read_run(f"r{jobs}").rows] for jobs in (1, 2)]
    assert found[0] == found[1]


def test_question_that_cannot_be_asked_fails_alone_in_a_process_too(run, flags, tmp_path):
    cases = write(tmp_path / "cases.jsonl", ["part", "part " * 5000])
    code, out, _err = run("evaluate", cases, *flags, "--retrieval-only", "--jobs", 2, "--json")
    assert code == 2
    (failure,) = json.loads(out)["failures"].values()
    assert "20000 are the most" in failure["message"]
    assert failure["hint"] == "ask in fewer words; put long texts into the folder"


@pytest.fixture
def own(server, tmp_path):
    """Documents and a run of its own, which lies among them."""
    docs = write_documents(tmp_path / "docs")
    return ["--docs", docs, "--run", docs / "runs" / "r", "--endpoint", server.url,
            "--set", "parse_workers=0", "--set", "refusal_threshold=0"]  # fmt: skip


def listed(run, folder):
    code, out, err = run("list", "--index", folder, "--json")
    assert code == 0, err
    return [one["id"] for one in json.loads(out)["documents"]]


def test_run_below_its_documents_is_no_document(run, own, tmp_path):
    cases = write(tmp_path / "cases.jsonl", ["part"] * 2)
    for said in ("6 indexed", "2 of 2 cases were measured before"):
        code, _, err = run("evaluate", cases, *own, "--retrieval-only")
        assert code == 0, err
        assert said in err
    if os.name != "nt":
        (tmp_path / "link").symlink_to(tmp_path / "docs", target_is_directory=True)
    link = "docs" if os.name == "nt" else "link"
    other = ["--docs", link, "--run", f"{link}/runs/other"]
    code, _, err = run("evaluate", cases, *own, *other, "--retrieval-only")
    assert code == 0, err
    for name in ("r", "other"):
        made = listed(run, tmp_path / "docs" / "runs" / name / "index")
        assert made == [f"part-{n}.md" for n in range(6)]


def test_documents_that_changed_are_told_of_before_the_index_of_a_run_is(run, own, tmp_path):
    cases, docs = write(tmp_path / "cases.jsonl", ["part"] * 2), tmp_path / "docs"
    assert run("evaluate", cases, *own, "--retrieval-only")[0] == 0
    (docs / "part-6.md").write_text("One more.", encoding="utf-8")
    (docs / "part-0.md").unlink()
    code, _, err = run("evaluate", cases, *own, "--retrieval-only")
    assert code == 1
    assert "1 new, 1 gone" in err
    assert "--again" in err
    assert len(listed(run, docs / "runs" / "r" / "index")) == 6
    code, _, err = run("evaluate", cases, *own, "--retrieval-only", "--again")
    assert code == 0, err
    assert listed(run, docs / "runs" / "r" / "index")[-1] == "part-6.md"
    other = write_documents(tmp_path / "other")
    code, _, err = run("evaluate", cases, *own, "--docs", other, "--retrieval-only", "--again")
    assert code == 1
    assert "another folder" in err


def test_run_that_was_made_with_something_else_is_not_said_to_go_on(run, flags, tmp_path):
    cases = write(tmp_path / "cases.jsonl", ["part"] * 2)
    assert run("evaluate", cases, *flags, "--retrieval-only", "--run", "r")[0] == 0
    code, _, err = run("evaluate", cases, *flags, "--retrieval-only", "--run", "r", "-k", 3)
    assert code == 1
    assert "made with something else" in err
    assert "complete" not in err
    assert "before" not in err


def test_judge_is_asked_what_is_measured_and_what_it_says_is_measured(run, flags, tmp_path):
    cases = write(tmp_path / "cases.jsonl", ["part"])
    judged = ["--judge", "--judge-repeats", "1", *flags]
    code, _, err = run("evaluate", cases, "--measures", "recall@5,R@5", *judged, "--run", "all")
    assert code == 0, err
    assert "relevance: 1 verdicts" in err
    assert "relevance: 1 verdicts" in (tmp_path / "all" / "report.md").read_text("utf-8")
    assert read_run("all").manifest.wanted == (
        "R@5", "judge-faithfulness", "judge-relevance", "judge-correctness")  # fmt: skip
    assert run("evaluate", cases, "--measures", "relevance", *judged, "--run", "one")[0] == 0
    made = read_run("one")
    assert made.manifest.wanted == ("judge-relevance",)
    assert made.rows[0].verdicts.keys() == {"relevance"}


def test_report_holds_the_command_that_makes_it_again_without_secrets(run, flags, tmp_path):
    cases = write(tmp_path / "my cases.jsonl", ["part"])
    words = [str(cases), *flags, "--retrieval-only", "--measures", "R@5", "--set", "api_key=hush"]
    assert run("evaluate", *words, "--run", "r")[0] == 0
    command = read_run("r").manifest.command
    assert f"rag evaluate '{cases}'" in command
    assert "hush" not in command
    for page in ("report.md", "report.html"):
        text = (tmp_path / "r" / page).read_text("utf-8")
        assert "--retrieval-only" in text
        assert "hush" not in text
    code, _, err = run(*shlex.split(command)[1:], "--again")
    assert code == 0, err
    assert "is kept" in err


def test_evidence_in_a_file_that_could_not_be_read_is_told_with_its_own_remedy(run, own, tmp_path):
    (tmp_path / "docs" / "part-0.md").write_text("", encoding="utf-8")
    cases = write(tmp_path / "docs" / "cases.jsonl", ["part"] * 2)
    code, _, err = run("evaluate", cases, *own, "--retrieval-only")
    assert code == 0, err
    assert "part-0.md could not be indexed, the file is empty" in err
    assert "ingest the folder" not in err
    assert "cases.jsonl was indexed too" in err


def test_documents_that_are_gone_are_gone_from_the_index_of_a_run_however_many(run, own, tmp_path):
    cases, docs = write(tmp_path / "cases.jsonl", ["part"]), write_documents(tmp_path / "many", 24)
    words = ["evaluate", cases, *own, "--docs", docs, "--run", "r", "--retrieval-only"]
    assert run(*words)[0] == 0
    for n in range(1, 24):
        (docs / f"part-{n}.md").unlink()
    assert run(*words, "--again")[0] == 0
    assert listed(run, "r/index") == ["part-0.md"]


def test_secrets_are_not_in_a_command_that_is_told():
    words = ["evaluate", "c.jsonl", "--endpoint", "http://me:hush@host/v1",
             "--set", "RAG_CHAT_API_KEY=hush", "--set=file-passwords=hush\nhush", "-k", "3"]  # fmt: skip
    told = shlex.split(tell_command(words))
    assert told[1:5] == ["evaluate", "c.jsonl", "--endpoint", "http://(hidden)@host/v1"]
    assert "hush" not in " ".join(told)
    assert told[-2:] == ["-k", "3"]
