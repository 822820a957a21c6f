"""Every command as a user types it, with good and with bad input."""

import json
import re
import shutil
import socket
from pathlib import Path

import pytest
from fault_server import FaultServer, as_json, chunk, embedding_rows, sse

from rag.cli.commands.models import show_table
from rag.cli.console import Terminal, clean
from rag.cli.main import main
from rag.models.discover import ModelInfo

DATA = Path(__file__).parents[2] / "data" / "documents"
QUESTION = "How tight do the bolts at the foot of the mast have to be on a Plover 22?"


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("RAG_ENDPOINT", "RAG_INDEX_DIR", "RAG_CHAT_MODEL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def sample_index(tmp_path_factory, weights_cache) -> Path:
    """An index of the sample documents, made once by the command line itself."""
    folder = tmp_path_factory.mktemp("index")
    flags = ["--embedded", "--index", str(folder), "--set", "ocr=off"]
    assert main(["ingest", str(DATA), *flags]) == 0
    return folder


@pytest.fixture
def server():
    """A server as LM Studio is: native listing, embeddings, a chat model with a set answer."""
    with FaultServer().running() as running:
        running.on("/api/v1/models", as_json({"models": [
            {"type": "llm", "key": "stub-chat", "max_context_length": 131072,
             "loaded_instances": [{"id": "stub-chat", "config": {"context_length": 4096}}]},
            {"type": "embedding", "key": "text-embedding-stub", "max_context_length": 2048,
             "loaded_instances": [{"id": "text-embedding-stub",
                                   "config": {"context_length": 2048}}]},
        ]}))  # fmt: skip
        running.on("/v1/embeddings", embed)
        running.on(
            "/v1/chat/completions", lambda _: sse(chunk("It is 22 Nm [1]."), chunk("", "stop"))
        )
        yield running


def embed(request):
    """Letters counted: texts with the same words are near each other."""
    texts = request.json["input"]
    return as_json({"data": embedding_rows([[1 + t.count(c) for c in "etaoinshr"] for t in texts])})


def problem(err: str) -> tuple[str, str]:
    """The error and the fix; there is exactly one of each, on one line each."""
    errors = re.findall(r"^error: (.+)$", err, re.MULTILINE)
    fixes = re.findall(r"^fix: +(.+)$", err, re.MULTILINE)
    assert (len(errors), len(fixes)) == (1, 1), err
    return errors[0], fixes[0]


def test_answer_has_sources_with_exact_quotes(run, sample_index):
    code, out, _ = run("ask", "--embedded", "--index", sample_index, QUESTION)
    assert code == 0
    assert "22" in out
    assert "Extractive answer" in out
    assert re.search(r"\[\d\] workshop/plover-service-manual.pdf p\. 3", out)


def test_question_outside_the_documents_is_refused_with_the_nearest(run, sample_index):
    code, out, _ = run("ask", "--embedded", "--index", sample_index,
                       "Who composed the opera Fidelio?")  # fmt: skip
    assert code == 0
    assert out.startswith("Not in your documents.")
    assert "Nearest passages" in out
    assert "Sources" not in out


def test_json_holds_the_whole_answer(run, sample_index):
    code, out, _ = run("ask", "--embedded", "--index", sample_index, "--json", QUESTION)
    answer = json.loads(out)
    assert code == 0
    assert answer["extractive"] is True
    assert answer["model"] == "extractive"
    citation = answer["citations"][0]
    text = citation["hit"]["chunk"]["text"]
    assert citation["quote"] in text
    ranks = [hit["rank"] for hit in answer["context"]]
    assert 1 in ranks
    assert len(set(ranks)) == len(ranks)


@pytest.mark.parametrize(
    ("patterns", "allowed"),
    [
        (["workshop/*"], r"workshop/"),
        ([".md"], r".*\.md$"),
        (["office/*", "handbook/*"], r"(office|handbook)/"),
        (["manual"], r".*manual"),
        ([".pdf", "workshop/*"], r"workshop/.*\.pdf$"),
    ],
)
def test_filter_keeps_to_paths_and_types(run, sample_index, patterns, allowed):
    flags = [word for pattern in patterns for word in ("--filter", pattern)]
    _, out, _ = run("ask", "--embedded", "--index", sample_index, "--json", *flags, QUESTION)
    found = [hit["chunk"]["document_id"] for hit in json.loads(out)["context"]]
    assert found
    assert all(re.match(allowed, name) for name in found)


def test_top_k_limits_the_passages(run, sample_index):
    _, out, _ = run("ask", "--embedded", "--index", sample_index, "--json", "-k", "2", QUESTION)
    assert 1 <= len(json.loads(out)["context"]) <= 2  # what continues each other is joined


def test_question_can_come_through_a_pipe(run, sample_index, monkeypatch, tmp_path):
    (tmp_path / "q.txt").write_text(QUESTION, encoding="utf-8")
    with (tmp_path / "q.txt").open(encoding="utf-8") as pipe:
        monkeypatch.setattr("sys.stdin", pipe)
        code, out, _ = run("ask", "--embedded", "--index", sample_index)
    assert code == 0
    assert "Sources" in out


def test_second_ingest_reads_and_embeds_nothing(run, tmp_path, weights_cache):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("# Alpha\n\nOne fact.", encoding="utf-8")
    (tmp_path / "docs" / "b.md").write_text("# Beta\n\nAnother fact.", encoding="utf-8")
    flags = ("--embedded", "--json")
    _, out, _ = run("ingest", "docs", *flags)
    assert (len(json.loads(out)["ingested"]), json.loads(out)["embedded"]) == (2, 2)
    _, out, _ = run("ingest", "docs", *flags)
    again = json.loads(out)
    assert (again["ingested"], again["unchanged"], again["embedded"]) == ([], 2, 0)
    (tmp_path / "docs" / "a.md").write_text("# Alpha\n\nOther words now.", encoding="utf-8")
    (tmp_path / "docs" / "b.md").rename(tmp_path / "docs" / "c.md")
    _, out, _ = run("ingest", "docs", "--dry-run")
    assert re.search(r"changed +a\.md\nmoved +b\.md -> c\.md", out)
    _, out, _ = run("ingest", "docs", *flags)
    third = json.loads(out)
    assert (third["ingested"], third["moved"], third["embedded"]) == (["a.md"], 1, 1)
    (tmp_path / "docs" / "c.md").unlink()
    _, out, _ = run("ingest", "docs", *flags)
    assert json.loads(out)["removed"] == ["c.md"]


def test_skipped_files_are_told_with_reason_and_fix_and_strict_counts_them(
    run, tmp_path, weights_cache
):
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "good.md").write_text("# Good\n\nText.", encoding="utf-8")
    (docs / "empty.txt").write_bytes(b"")
    (docs / "binary.txt").write_bytes(bytes(range(256)) * 50)
    (docs / "broken.pdf").write_bytes(b"%PDF-1.7 and nothing more")
    (docs / "locked.pdf").write_bytes(encrypted_pdf())
    (docs / "scan.pdf").write_bytes((DATA / "office" / "delivery-note-scan.pdf").read_bytes())
    without_ocr = ("--embedded", "--set", "ocr=off")  # With the extra the scan would be read.
    code, out, _ = run("ingest", "docs", *without_ocr)
    assert code == 0
    for name in ("empty.txt", "binary.txt", "broken.pdf", "locked.pdf", "scan.pdf"):
        assert re.search(rf"skipped: {name}: .+\n +fix: .+", out), name
    assert "5 skipped" in out
    assert run("ingest", "docs", *without_ocr, "--strict")[0] == 3
    _, status, _ = run("status")
    assert "locked.pdf" in status


def encrypted_pdf() -> bytes:
    import io

    from pypdf import PdfWriter

    writer = PdfWriter()
    writer.add_blank_page(100, 100)
    writer.encrypt("secret")
    stream = io.BytesIO()
    writer.write(stream)
    return stream.getvalue()


def test_text_the_model_refuses_costs_its_file_only(run, server, tmp_path):
    docs = tmp_path / "docs"
    docs.mkdir()
    for name in ("a", "b", "c", "d"):
        (docs / f"{name}.md").write_text(f"# Part {name}\n\nSome words of part {name}.", "utf-8")
    (docs / "c.md").write_text("# Part c\n\nPoisonous words.", "utf-8")

    def refuse_poison(request):
        if any("Poisonous" in text for text in request.json["input"]):
            return as_json({"error": {"message": "embedding contains NaN or Inf values"}}, 400)
        return embed(request)

    server.on("/v1/embeddings", refuse_poison)
    code, out, _ = run("ingest", "docs", "--endpoint", server.url)
    assert code == 0
    assert "3 indexed" in out
    assert re.search(r"skipped: c\.md: .*NaN.*\n +fix: ", out)
    assert "3 unchanged, 1 skipped" in run("ingest", "docs", "--endpoint", server.url)[1]


def test_status_shows_what_is_in_the_index(run, sample_index):
    code, out, _ = run("status", "--index", sample_index)
    assert code == 0
    files = sum(path.is_file() for path in DATA.rglob("*"))
    assert re.search(rf"documents +{files - 1} \(1 skipped\)", out)
    assert "all-MiniLM-L6-v2, 384 dimensions" in out
    assert "delivery-note-scan.pdf" in out
    listed = json.loads(run("status", "--index", sample_index, "--json")[1])
    assert len(listed["documents"]) == files


def test_answer_through_a_server_is_streamed_and_cited(run, server, tmp_path):
    flags = ("--endpoint", server.url)
    assert run("ingest", DATA / "workshop", *flags)[0] == 0
    code, out, _ = run("ask", QUESTION, *flags)
    assert code == 0
    assert out.startswith("It is 22 Nm [1].")
    assert "Extractive" not in out
    assert "[1] " in out.split("Sources")[1]
    sent = server.asked("/v1/chat/completions")[-1].json
    assert sent["model"] == "stub-chat"
    assert sent["messages"][-1]["content"].endswith(f"Question: {QUESTION}")


def test_models_are_listed_with_the_choice_and_its_reason(run, server):
    code, out, _ = run("models", "--endpoint", server.url)
    assert code == 0
    assert out.splitlines() == [
        f"LM Studio at {server.url}",
        "  model                kind       state   context/most",
        "→ stub-chat            chat       loaded  4096/131072",
        "→ text-embedding-stub  embedding  loaded  2048/2048",
        "embedding: text-embedding-stub — the only embedding model loaded",
        "chat: stub-chat — the only chat model loaded",
    ]


def test_models_are_listed_for_programs_too(run, server):
    code, out, _ = run("models", "--endpoint", server.url, "--json")
    told = json.loads(out)
    assert code == 0
    (listed,) = told["servers"]
    assert (listed["url"], listed["server"], listed["source"]) == (
        server.url, "LM Studio", "/api/v1/models")  # fmt: skip
    assert [model["id"] for model in listed["models"]] == ["stub-chat", "text-embedding-stub"]
    assert told["embedding"] == {
        "model": "text-embedding-stub", "server": server.url,
        "reason": "the only embedding model loaded",
    }  # fmt: skip
    assert told["chat"]["model"] == "stub-chat"


def test_models_are_listed_when_none_of_them_embeds(run, server):
    name = "a-publisher/a-model-with-a-very-long-name-that-goes-on-and-on-instruct-2507"
    chat = {"type": "llm", "key": name, "loaded_instances": [], "quantization": {"name": "Q8_0"}}
    server.on("/api/v1/models", as_json({"models": [chat]}))
    code, out, _ = run("models", "--endpoint", server.url)
    assert code == 1
    assert f"→ {name}  chat  not loaded  Q8_0" in out
    assert f"chat: {name} — the only chat model offered" in out
    assert "embedding: none — LM Studio offers no embedding model" in out
    assert "\nfix: load one" in out
    code, out, _ = run("models", "--endpoint", server.url, "--json")
    assert code == 1
    assert "no embedding model" in json.loads(out)["embedding"]["error"]
    assert "lms get" in json.loads(out)["embedding"]["fix"]
    assert json.loads(out)["chat"]["model"] == name


def test_server_without_models_is_told_in_words(run, server):
    server.on("/api/v1/models", as_json({"models": []}))
    server.on("/v1/models", as_json({"object": "list", "data": []}))
    code, out, _ = run("models", "--endpoint", server.url)
    assert code == 1
    assert out.splitlines()[1] == "  no models"
    assert "context" not in out


def test_model_that_runs_elsewhere_is_listed_so(capsys):
    host = "https://ollama.com:443"
    models = [
        ModelInfo("a:1b-cloud", "chat", False, remote_host=host),
        ModelInfo("b:cloud", "chat"),
    ]
    show_table(Terminal(), models, [])
    _, first, second = capsys.readouterr().out.splitlines()
    assert first.endswith(f"at {host}")
    assert second.endswith("at another machine")


def test_waiting_for_a_list_of_models_is_told(run, server):
    busy = as_json({"error": {"message": "Loading model"}}, 503)
    there = as_json({"models": [{"type": "llm", "key": "c", "loaded_instances": []}]})
    server.on("/api/v1/models", busy, there)
    _, _, err = run("models", "--endpoint", server.url)
    assert "Loading model" in err


def test_long_names_give_way_on_a_narrow_terminal(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("FORCE_COLOR", "1")
    names = [f"text-embedding-of-the-very-long-name-that-goes-on-v{n}" for n in (1, 2)]
    show_table(Terminal(), [ModelInfo(n, "embedding", True, 2048, 8192, "F16") for n in names], [])
    lines = clean(capsys.readouterr().out).splitlines()
    assert max(map(len, lines)) <= 60
    assert len(lines) == len({*lines}) == 3
    assert lines[1].split()[0].startswith("text-")
    assert "…" in lines[1]


def test_doctor_is_content_with_a_good_server_and_index(run, sample_index, weights_cache):
    code, out, _ = run("doctor", "--embedded", "--index", sample_index)
    assert code == 0
    assert "fail" not in out
    assert "documents stay on this machine" in out


def test_doctor_names_each_problem_with_its_fix(run, closed_port, monkeypatch):
    monkeypatch.setenv("RAG_ENDPONT", "x")
    code, out, _ = run("doctor", "--endpoint", f"http://127.0.0.1:{closed_port}")
    assert code == 1
    assert "RAG_ENDPONT" in out
    problems = re.findall(r"^(warn|fail) .*\n +fix: .+", out, re.MULTILINE)
    assert len(problems) == len(re.findall(r"^(warn|fail) ", out, re.MULTILINE)) >= 3
    findings = json.loads(
        run("doctor", "--json", "--endpoint", f"http://127.0.0.1:{closed_port}")[1]
    )
    assert {"level", "subject", "message", "fix"} == set(findings[0])


@pytest.fixture
def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        return closed.getsockname()[1]


def test_verify_repair_and_a_damaged_index(run, tmp_path, weights_cache):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("# Alpha\n\nThe mast is red.", encoding="utf-8")
    assert run("ingest", "docs", "--embedded")[0] == 0
    code, out, _ = run("verify", "--sample", "0")
    assert (code, out) == (0, "the index is sound\n")
    (chroma,) = (tmp_path / "data" / "index").glob("index-*/chroma.sqlite3")
    chroma.write_bytes(b"")
    code, out, _ = run("verify")
    assert code == 1
    assert "damaged: Chroma: " in out
    assert "fix: rag repair" in out
    assert run("ask", "--embedded", "What colour is the mast?")[1].startswith('"The mast is red."')
    assert run("repair")[0] == 0
    assert run("verify")[0] == 0


def test_moved_folder_is_told_and_can_be_forgotten(run, tmp_path, weights_cache):
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "a.md").write_text("# Alpha\n\nThe mast is red.", encoding="utf-8")
    run("ingest", "old", "--embedded")
    (tmp_path / "old").rename(tmp_path / "new")
    _, _, err = run("ask", "--embedded", "What colour is the mast?")
    assert "is not there" in err
    assert "rag remove" in err
    code, out, _ = run("remove", tmp_path / "old")
    assert code == 0
    assert out == f"1 document of {tmp_path / 'old'} forgotten\n"
    assert "new" not in run("status")[1]
    message, _ = problem(run("remove", "old")[2])
    assert "no folder of this index" in message


def test_file_has_one_place_however_its_folder_is_named(run, tmp_path, weights_cache):
    inner = tmp_path / "docs" / "inner"
    inner.mkdir(parents=True)
    (tmp_path / "docs" / "a.md").write_text("# Alpha\n\nThe mast is red.", encoding="utf-8")
    (inner / "b.md").write_text("# Mayor\n\nThe mayor is Otto Brand.", encoding="utf-8")
    flags = ("--embedded",)
    run("ingest", inner, *flags)
    run("ingest", "docs", *flags)
    listed = json.loads(run("status", "--json")[1])["documents"]
    assert sorted(d["id"] for d in listed) == ["a.md", "inner/b.md"]
    (inner / "b.md").write_text("# Mayor\n\nThe mayor is Greta Halvorsen.", encoding="utf-8")
    run("ingest", inner / "b.md", *flags)
    run("ingest", inner, *flags)
    out = run("ask", *flags, "Who is the mayor?")[1]
    assert "Greta Halvorsen" in out
    assert "Otto Brand" not in out
    (inner / "b.md").unlink()
    run("ingest", inner, *flags)
    assert len(json.loads(run("status", "--json")[1])["documents"]) == 1


def test_same_name_in_two_folders_is_told_apart(run, tmp_path, weights_cache):
    for folder, rent in (("north", "400"), ("south", "700")):
        (tmp_path / folder).mkdir()
        text = f"# Rent\n\nThe monthly rent of the workshop is {rent} euro."
        (tmp_path / folder / "rent.txt").write_text(text, encoding="utf-8")
        run("ingest", folder, "--embedded")
    for folder, rent in (("north", "400"), ("south", "700")):
        out = run("ask", "--embedded", f"Is the monthly rent of the workshop {rent} euro?")[1]
        assert f"{tmp_path / folder}: rent.txt" in out


def test_documents_folder_is_not_taken_for_the_index(run, tmp_path, weights_cache):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("# Alpha\n\nThe mast is red.", encoding="utf-8")
    code, _, err = run("ingest", "docs", "--embedded", "--index", "docs")
    assert code == 1
    assert "--index" in problem(err)[1]
    assert [path.name for path in (tmp_path / "docs").iterdir()] == ["a.md"]


def test_emptied_folder_answers_no_more(run, tmp_path, weights_cache):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("# Alpha\n\nThe mast is red.", encoding="utf-8")
    run("ingest", "docs", "--embedded")
    (tmp_path / "docs" / "a.md").unlink()
    code, out, _ = run("ingest", "docs", "--embedded")
    assert code == 0
    assert "1 removed" in out
    assert "nothing was ingested" in problem(run("ask", "--embedded", "What colour?")[2])[0]


def test_embedded_means_that_no_server_is_asked(run, server, sample_index, monkeypatch):
    monkeypatch.setenv("RAG_CHAT_ENDPOINT", server.url)
    monkeypatch.setenv("RAG_EMBEDDING_ENDPOINT", server.url)
    monkeypatch.setenv("RAG_EMBEDDING_MODEL", "text-embedding-stub")
    code, out, _ = run("ask", "--embedded", "--index", sample_index, QUESTION)
    assert code == 0
    assert "Extractive answer" in out
    assert server.requests == []


def test_dry_run_works_before_anything_was_ingested(run):
    code, out, _ = run("ingest", DATA / "workshop", "--dry-run")
    assert code == 0
    assert re.search(r"^new +faq\.md$", out, re.MULTILINE)


def test_failed_ingest_leaves_no_empty_index(run, tmp_path, weights_cache):
    run("ingest", "no-such-folder", "--embedded")
    assert not (tmp_path / "data").exists()


def test_files_that_were_never_opened_are_listed_by_status(run, tmp_path, weights_cache):
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "a.md").write_text("# Alpha\n\nThe mast is red.", encoding="utf-8")
    for number in range(30):
        (docs / f"photo-{number}.png").write_bytes(b"\x89PNG")
    out = run("ingest", "docs", "--embedded")[1]
    assert "30 skipped" in out
    assert "and 10 more: rag status --json" in out
    assert run("status", "--json")[1].count(".png") >= 30


def test_filter_that_matches_nothing_is_told(run, sample_index):
    for pattern in ("*.nothing", ".exe", "no/such/file.md"):
        code, _, err = run(
            "ask", "--embedded", "--index", sample_index, "--filter", pattern, "why?"
        )
        assert code == 1
        assert "no document in the index matches" in problem(err)[0]


def test_empty_pipe_is_told(run, sample_index, monkeypatch, tmp_path):
    (tmp_path / "q.txt").write_text("", encoding="utf-8")
    with (tmp_path / "q.txt").open(encoding="utf-8") as pipe:
        monkeypatch.setattr("sys.stdin", pipe)
        code, _, err = run("ask", "--embedded", "--index", sample_index)
    assert code == 1
    assert "the question is empty" in problem(err)[0]


def test_prompt_too_long_for_the_model_is_packed_again(run, server, tmp_path):
    flags = ("--endpoint", server.url)
    run("ingest", DATA / "workshop", *flags)
    sizes: list[int] = []

    def short_of_room(request):
        sizes.append(len(request.body))
        if len(sizes) < 3:
            return as_json(
                {"error": "request (4801 tokens) exceeds the available context size (4096 tokens)"},
                400,
            )
        return sse(chunk("It is 22 Nm [1]."), chunk("", "stop"))

    server.on("/v1/chat/completions", short_of_room)
    code, out, err = run("ask", QUESTION, *flags, "--json")
    assert code == 0, err
    assert sizes == sorted(sizes, reverse=True)
    assert 0 < len(json.loads(out)["context"]) < 8


def test_thinking_is_not_shown_as_the_answer(run, server):
    flags = ("--endpoint", server.url)
    run("ingest", DATA / "workshop", *flags)
    server.on("/v1/chat/completions", lambda _: sse(
        chunk("<thi"), chunk("nk>Is it [2]? NOT_IN"), chunk("_DOCUMENTS</think>"),
        chunk("It is 22 Nm [1]."), chunk("", "stop")))  # fmt: skip
    _, out, err = run("ask", QUESTION, *flags)
    assert out.startswith("It is 22 Nm [1].")
    assert "Is it" not in out + err
    _, out, err = run("ask", QUESTION, *flags, "--show-thinking")
    assert out.startswith("It is 22 Nm [1].")
    assert "Is it [2]? NOT_IN_DOCUMENTS" in err


# ---- what goes wrong, each one line with its fix


@pytest.mark.parametrize("command", [("ask", "why?"), ("ingest", DATA), ("models",)])
def test_no_server_names_the_ways_out(run, closed_port, command, sample_index):
    flags = ("--endpoint", f"http://127.0.0.1:{closed_port}/v1", "--index", sample_index)
    code, _, err = run(*command, *flags)
    message, fix = problem(err)
    assert code == 1
    assert f"no server at http://127.0.0.1:{closed_port}/v1" in message
    assert "--embedded" in fix


def test_server_without_v1_is_told(run, server):
    server.scripts.clear()
    code, _, err = run("ingest", DATA, "--endpoint", server.url)
    message, fix = problem(err)
    assert code == 1
    assert "Unexpected endpoint" in message
    assert "/v1" in fix


def test_no_model_loaded_names_what_to_load(run, server):
    server.on("/v1/embeddings", as_json({"error": "No models loaded. Please load a model"}, 404))
    _, fix = problem(run("ingest", DATA, "--endpoint", server.url)[2])
    assert "lms load" in fix


def test_only_a_chat_model_names_the_built_in_embedder(run, server):
    server.on(
        "/api/v1/models", as_json({"models": [{"type": "llm", "key": "c", "loaded_instances": []}]})
    )
    message, fix = problem(run("ingest", DATA, "--endpoint", server.url)[2])
    assert "no embedding model" in message
    assert "RAG_EMBEDDING_ENDPOINT=embedded" in fix


def test_missing_folder_is_told(run, weights_cache):
    code, _, err = run("ingest", "no-such-folder", "--embedded")
    assert code == 1
    assert "no-such-folder" in problem(err)[0]


def test_empty_folder_is_told(run, tmp_path, weights_cache):
    (tmp_path / "empty").mkdir()
    code, _, err = run("ingest", "empty", "--embedded")
    assert code == 1
    assert "empty" in problem(err)[0]


def test_asking_without_an_index_names_the_command_that_makes_one(run, weights_cache):
    code, _, err = run("ask", "--embedded", "why?")
    assert code == 1
    assert "rag ingest" in problem(err)[1]


def test_index_of_another_embedding_model_is_refused(run, server, sample_index):
    for command in (("ask", QUESTION), ("ingest", DATA)):
        code, _, err = run(*command, "--endpoint", server.url, "--index", sample_index)
        message, fix = problem(err)
        assert code == 1
        assert "all-MiniLM-L6-v2" in message
        assert "text-embedding-stub" in message
        assert "rag ingest" in fix


def test_invalid_setting_is_wrong_usage(run):
    code, _, err = run("ask", "-k", "0", "why?")
    assert code == 2
    assert "--top-k" in problem(err)[0]
    assert "give --top-k" in problem(err)[1]
    assert run("ask", "--set", "nonsense=1", "why?")[0] == 2
    assert run("ask", "--set", "nonsense", "why?")[0] == 2


def test_wrong_words_are_wrong_usage(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["frobnicate"])
    assert stopped.value.code == 2


def test_model_that_is_not_offered_is_told(run, server, tmp_path):
    assert run("ingest", DATA / "handbook", "--endpoint", server.url)[0] == 0
    message, fix = problem(run("ask", "--endpoint", server.url, "--model", "gpt-9", "why?")[2])
    assert "gpt-9" in message
    assert "stub-chat" in message
    assert fix


def test_control_sequences_of_documents_never_reach_the_terminal(run, server, tmp_path):
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "evil.txt").write_text(
        "The code is 7. \x1b]0;owned\x07\x1b[2J\x1b[31mRed\u202e text." + " More of it." * 9,
        "utf-8",
    )
    run("ingest", "docs", "--endpoint", server.url)
    server.on("/v1/chat/completions",
              lambda _: sse(chunk("The code is 7 [1].\x1b]0;x\x07\x1b[2J\x9b2J"), chunk("", "stop")))  # fmt: skip
    _, out, err = run("ask", "What is the code?", "--endpoint", server.url)
    assert "The code is 7 [1]." in out
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", out + err)


# ---- folders: several, known, missing, emptied, in collections


def make_folder(root: Path, *names: str) -> Path:
    """A folder with one short document of each name."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"# {name}\n\nThe word of {root.name} is w{name[:-3]}.", "utf-8")
    return root


def stored(run, *flags: str) -> list[str]:
    """Every document of the index as folder/id."""
    documents = json.loads(run("list", "--json", *flags)[1])["documents"]
    return [f"{Path(d['root']).name}/{d['id']}" for d in documents]


def test_several_folders_are_ingested_each_with_its_report(run, server, tmp_path):
    make_folder(tmp_path / "a", "1.md")
    make_folder(tmp_path / "b", "2.md", "3.md")
    flags = ("--endpoint", server.url)
    code, out, _ = run("ingest", "a", "b", *flags)
    assert code == 0
    assert re.search(r"^a\n1 indexed.*\n(.*\n)+?b\n2 indexed", out, re.MULTILINE)
    told = json.loads(run("ingest", "a", "b", *flags, "--json")[1])
    assert [(o["folder"], o["report"]["unchanged"]) for o in told] == [("a", 1), ("b", 2)]


def test_folder_that_is_missing_does_not_stop_the_others_nor_lose_anything(run, server, tmp_path):
    for name in ("a", "b", "c"):
        make_folder(tmp_path / name, f"{name}.md")
    flags = ("--endpoint", server.url)
    run("ingest", "a", "b", "c", *flags)
    (tmp_path / "b").rename(tmp_path / "unmounted")
    make_folder(tmp_path / "c", "new.md")
    code, out, err = run("ingest", *flags)
    assert code == 1
    message, fix = problem(err)
    assert f"'{tmp_path / 'b'}' is not there" in message
    assert f"rag remove '{tmp_path / 'b'}'" in fix
    assert f"{tmp_path / 'c'}\n1 indexed" in out
    assert stored(run) == ["a/a.md", "b/b.md", "c/c.md", "c/new.md"]
    (told,) = [o for o in json.loads(run("ingest", *flags, "--json")[1]) if o["error"]]
    assert told["folder"] == str(tmp_path / "b")
    assert told["report"] is None


def test_without_a_folder_all_known_ones_are_brought_in_line(run, server, tmp_path):
    flags = ("--endpoint", server.url)
    code, _, err = run("ingest", *flags)
    assert code == 1
    assert problem(err)[1] == "rag ingest FOLDER"
    make_folder(tmp_path / "a", "1.md", "sub/2.md")
    make_folder(tmp_path / "b", "3.md", "4.md", "sub/5.md")
    run("ingest", "a", *flags)
    run("ingest", "b/3.md", *flags)
    make_folder(tmp_path / "a", "new.md")
    (tmp_path / "a" / "1.md").unlink()
    out = run("ingest", "--dry-run", *flags)[1]
    assert re.search(r"^new +new\.md\nremoved +1\.md$", out, re.MULTILINE)
    assert run("ingest", *flags)[0] == 0
    assert stored(run) == ["a/new.md", "a/sub/2.md", "b/3.md"], "single files stay single"
    (tmp_path / "b" / "3.md").unlink()
    assert run("ingest", *flags)[0] == 0
    assert stored(run) == ["a/new.md", "a/sub/2.md"]


def test_emptied_folder_of_many_documents_keeps_them_until_that_is_confirmed(run, server, tmp_path):
    docs = make_folder(tmp_path / "docs", *(f"{n}.md" for n in range(21)))
    flags = ("--endpoint", server.url)
    run("ingest", "docs", *flags)
    for path in docs.iterdir():
        path.unlink()
    assert "21 documents would vanish" in run("ingest", "docs", "--dry-run")[2]
    code, _, err = run("ingest", "docs", *flags)
    message, fix = problem(err)
    assert code == 1
    assert "nothing was removed" in message
    assert "mount its drive" in fix
    assert "--yes" in fix
    assert len(stored(run)) == 21
    code, out, _ = run("ingest", "docs", *flags, "--yes")
    assert code == 0
    assert "21 removed" in out


def test_ignored_files_leave_the_index_and_are_counted(run, server, tmp_path):
    make_folder(tmp_path / "docs", *(f"{n}.md" for n in range(30)), "drafts/x.md")
    flags = ("--endpoint", server.url)
    run("ingest", "docs", *flags)
    (tmp_path / "docs" / ".ragignore").write_text("*.md\n!1*.md\ndrafts/\n", "utf-8")
    (tmp_path / "docs" / ".hidden").write_text("x", "utf-8")
    plan = json.loads(run("ingest", "docs", "--dry-run", "--json")[1])
    assert "drafts/" in plan["ignored"]
    assert len(plan["vanished"]) == 20
    code, out, _ = run("ingest", "docs", *flags)
    assert code == 0
    assert "20 removed" in out
    assert "entries passed over: 20 by .ragignore, 1 hidden or of tools" in out
    assert len(stored(run)) == 11
    told = json.loads(run("ingest", "docs", *flags, "--json")[1])
    assert (told["ignored"], told["hidden"], told["embedded"]) == (20, 1, 0)


def test_damaged_ignore_file_is_told_and_stops_nothing(run, server, tmp_path):
    make_folder(tmp_path / "docs", "a.md", "b.md")
    (tmp_path / "docs" / ".ragignore").write_bytes(b"b.md\n\xff\xfb!\n")
    code, out, _ = run("ingest", "docs", "--endpoint", server.url)
    assert code == 0
    assert re.search(r"skipped: \.ragignore: .*UTF-8.*\n +fix: ", out)
    assert stored(run)[-1:] == ["docs/a.md"]


def test_hidden_files_and_links_are_read_when_the_settings_say_so(run, server, tmp_path):
    make_folder(tmp_path / "docs", "a.md", ".notes.md")
    flags = ("--endpoint", server.url)
    run("ingest", "docs", *flags)
    assert stored(run) == ["docs/a.md"]
    run("ingest", "docs", *flags, "--set", "hidden_files=true")
    assert stored(run) == ["docs/.notes.md", "docs/a.md"]


def test_collections_keep_folders_apart(run, server, tmp_path):
    for name in ("home", "work"):
        make_folder(tmp_path / name, f"{name}.md")
    flags = ("--endpoint", server.url)
    run("ingest", "home", *flags)
    assert run("ingest", "work", "--collection", "work", *flags)[0] == 0
    assert stored(run, "--collection", "work") == ["work/work.md"]
    asked = json.loads(run("ask", "word?", "--collection", "work", "--json", *flags)[1])
    assert {hit["chunk"]["document_id"] for hit in asked["context"]} == {"work.md"}
    everything = json.loads(run("ask", "word?", "--json", *flags)[1])
    assert len(everything["context"]) == 2
    code, _, err = run("ask", "word?", "--collection", "nosuch", *flags)
    message, fix = problem(err)
    assert code == 1
    assert "no collection 'nosuch'" in message
    assert "default, work" in fix
    make_folder(tmp_path / "home", "new.md")
    run("ingest", "--collection", "work", *flags)
    assert "home/new.md" not in stored(run)


def test_folder_moves_to_the_collection_it_is_ingested_into(run, server, tmp_path):
    make_folder(tmp_path / "docs", "a.md", "inner/b.md")
    flags = ("--endpoint", server.url)
    run("ingest", "docs", *flags)
    code, _, err = run("ingest", "docs/inner", "--collection", "private", *flags)
    assert code == 1
    assert "is part of" in problem(err)[0]
    _, _, err = run("ingest", "docs", "--collection", "private", *flags)
    assert "was in the collection default; it is in private now" in err
    assert stored(run, "--collection", "private") == ["docs/a.md", "docs/inner/b.md"]
    run("ingest", "docs", *flags)
    assert len(stored(run, "--collection", "private")) == 2, "it stays without being named"
    code, _, err = run("ingest", ".", *flags)
    assert code == 1
    assert "is in the collection 'private'" in problem(err)[0]


def test_collection_with_a_bad_name_is_wrong_usage(run, tmp_path):
    make_folder(tmp_path / "docs", "a.md")
    assert run("ingest", "docs", "--collection", "No Good/")[0] == 2


def test_many_removals_are_held_back_and_all_else_is_done(run, server, tmp_path):
    docs = make_folder(tmp_path / "docs", *(f"{n}.md" for n in range(30)))
    flags = ("--endpoint", server.url)
    run("ingest", "docs", *flags)
    for number in range(1, 30):
        (docs / f"{number}.md").unlink()
    make_folder(docs, "new.md")
    code, out, err = run("ingest", "docs", *flags)
    message, fix = problem(err)
    assert code == 1
    assert out.startswith("1 indexed")
    assert f"29 documents are not in '{docs}' any more" in message
    assert f"rag ingest '{docs}' --yes" in fix
    assert len(stored(run)) == 31
    told = json.loads(run("ingest", "docs", *flags, "--json")[1])
    assert (len(told["held_back"]), told["removed"]) == (29, [])
    assert "29 removed" in run("ingest", "docs", *flags, "--yes")[1]
    assert stored(run) == ["docs/0.md", "docs/new.md"]


@pytest.mark.parametrize("left", ["nothing", "an empty folder"])
def test_folder_around_another_that_is_gone_does_not_take_it_over(run, server, tmp_path, left):
    make_folder(tmp_path / "docs", "a.md", "in/b.md")
    flags = ("--endpoint", server.url)
    run("ingest", "docs/in", *flags)
    shutil.rmtree(tmp_path / "docs" / "in")
    if left == "an empty folder":
        (tmp_path / "docs" / "in").mkdir()
    assert "removed   in/b.md" in run("ingest", "docs", "--dry-run")[1]
    code, _, err = run("ingest", "docs", *flags)
    message, fix = problem(err)
    assert code == 1
    assert "nothing was changed" in message
    assert f"rag remove '{tmp_path / 'docs' / 'in'}'" in fix
    assert stored(run) == ["in/b.md"]
    told = json.loads(run("ingest", "docs", *flags, "--yes", "--json")[1])
    assert told["removed"] == ["in/b.md"]
    assert stored(run) == ["docs/a.md"]


def test_single_files_of_a_folder_do_not_take_over_one_inside(run, server, tmp_path):
    make_folder(tmp_path / "docs", "a.md", "in/b.md")
    flags = ("--endpoint", server.url)
    run("ingest", "docs/in", *flags)
    run("ingest", "docs/a.md", *flags)
    (tmp_path / "docs" / "in").rename(tmp_path / "unmounted")
    run("ingest", *flags)
    assert stored(run) == ["docs/a.md", "in/b.md"]


def test_renamed_folder_is_told_with_the_way_to_forget_its_old_name(run, server, tmp_path):
    docs = make_folder(tmp_path / "docs", "a.md")
    flags = ("--endpoint", server.url)
    run("ingest", "docs", *flags)
    docs.rename(tmp_path / "docs2")
    _, _, err = run("ingest", "docs2", *flags)
    assert f"'{docs}' is gone and its files are all in '{tmp_path / 'docs2'}'" in err
    assert f"rag remove '{docs}'" in err
    make_folder(tmp_path / "other", "b.md")
    assert "is gone" not in run("ingest", "other", *flags)[2]


@pytest.mark.parametrize("command", ["ingest", "watch", "remove", "show"])
def test_empty_name_is_wrong_usage(command, capsys):
    with pytest.raises(SystemExit) as ended:
        main([command, ""])
    assert ended.value.code == 2
    assert "the name is empty" in capsys.readouterr().err


def test_part_of_a_folder_brings_all_of_it_in_line_and_that_is_said(run, server, tmp_path):
    docs = make_folder(tmp_path / "docs", "a.md", "in/b.md")
    flags = ("--endpoint", server.url)
    assert "is part of" not in run("ingest", "docs", *flags)[2]
    said = f"'docs/in' is part of '{docs}': all of that is brought in line"
    assert said in run("ingest", "docs/in", *flags)[2]
    assert said in run("ingest", "docs/in", "--dry-run")[2]
    assert json.loads(run("ingest", "docs/in", *flags, "--json")[1])["folder"] == str(docs)


def test_folder_that_is_named_twice_is_ingested_once(run, server, tmp_path):
    make_folder(tmp_path / "docs", "a.md")
    told = json.loads(run("ingest", "docs", "./docs/", "--dry-run", "--json")[1])
    assert [outcome["folder"] for outcome in told] == ["docs"]


def test_single_file_that_is_gone_is_forgotten_by_the_plain_command(run, server, tmp_path):
    make_folder(tmp_path / "docs", "a.md", "b.md")
    flags = ("--endpoint", server.url)
    run("ingest", "docs/a.md", "docs/b.md", *flags)
    (tmp_path / "docs" / "a.md").unlink()
    message, fix = problem(run("ingest", "docs/a.md", *flags)[2])
    assert "there is no file or folder 'docs/a.md' any more" in message
    assert fix.endswith("rag ingest")
    assert "there is no file or folder 'docs/x.md'" in problem(run("ingest", "docs/x.md")[2])[0]


def test_text_under_names_that_say_nothing_is_read(run, server, tmp_path):
    docs = make_folder(tmp_path / "docs", "a.md", "b.bak", "c.tmp", "d.dat", "e.bin")
    (docs / "letter.doc").write_text(r"{\rtf1 The mast is red.}", "utf-8")
    (docs / "old.xls").write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 99)
    (docs / "program.bin").write_bytes(bytes(range(256)))
    told = json.loads(run("ingest", "docs", "--endpoint", server.url, "--json")[1])
    assert told["ingested"] == ["a.md", "b.bak", "c.tmp", "d.dat", "e.bin", "letter.doc"]
    reasons = {failure["source_id"]: failure["reason"] for failure in told["skipped"]}
    assert reasons == {"old.xls": "unsupported", "program.bin": "binary"}
