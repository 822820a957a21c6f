"""The whole path against real llama.cpp servers: ingest, ask, status, models and doctor."""

import json
import re
from pathlib import Path

import pytest

from rag.cli.main import main
from rag.pipeline import Pipeline
from rag.settings import Settings

HANDBOOK = Path(__file__).parents[2] / "data" / "documents" / "handbook"
EMBEDDING_MODEL, CHAT_MODEL = "all-MiniLM-L6-v2", "tiny-random-chat"
QUESTION = "How many days of leave do I have in a year?"


@pytest.fixture
def two_servers(monkeypatch, llama_embedding_url, llama_chat_url):
    monkeypatch.setenv("RAG_EMBEDDING_ENDPOINT", llama_embedding_url)
    monkeypatch.setenv("RAG_CHAT_ENDPOINT", llama_chat_url)
    monkeypatch.setenv("RAG_ANSWER_TOKENS", "24")


@pytest.fixture(scope="session")
def ingest(tmp_path_factory, llama_embedding_url, llama_chat_url):
    """Ingest through the command line, with llama.cpp unless told otherwise."""

    def ingest(source: Path, **variables: str) -> Path:
        folder = tmp_path_factory.mktemp("llama")
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            patch.setenv("RAG_EMBEDDING_ENDPOINT", llama_embedding_url)
            patch.setenv("RAG_CHAT_ENDPOINT", llama_chat_url)
            for name, value in variables.items():
                patch.setenv(name, value)
            assert main(["ingest", str(source), "--index", str(folder / "index")]) == 0
        return folder / "index"

    return ingest


@pytest.fixture(scope="session")
def handbook_index(ingest):
    """The handbook, embedded by llama.cpp."""
    return ingest(HANDBOOK)


@pytest.fixture(scope="session")
def embedded_index(ingest):
    """A document of the handbook, embedded by the embedded default."""
    return ingest(HANDBOOK / "leave.md", RAG_EMBEDDING_ENDPOINT="embedded")


def settings_for(embedding: str, chat: str, index: Path, **more: object) -> Settings:
    return Settings.load(
        {"embedding_endpoint": embedding, "chat_endpoint": chat, "index_dir": index, **more}
    )


def problem(err: str) -> tuple[str, str]:
    """The error and the fix; there is exactly one of each, on one line each."""
    errors = re.findall(r"^error: (.+)$", err, re.MULTILINE)
    fixes = re.findall(r"^fix: +(.+)$", err, re.MULTILINE)
    assert (len(errors), len(fixes)) == (1, 1), err
    return errors[0], fixes[0]


def test_ask_and_doctor_on_the_command_line(run, two_servers, handbook_index):
    code, out, err = run("ask", QUESTION, "--index", handbook_index)
    assert code == 0, err
    assert out.strip()
    code, out, err = run("status", "--index", handbook_index)
    assert re.search(r"documents +[1-9]\d* \(0 skipped\)", out)
    assert re.search(f"embedded by +{EMBEDDING_MODEL}, 384 dimensions", out)
    code, out, err = run("doctor", "--index", handbook_index)
    assert code == 0, out
    assert not re.search(r"^(warn|fail)", out, re.MULTILINE), out
    assert re.search(f"embedding model: +{EMBEDDING_MODEL}", out)
    assert re.search(f"chat model: +{CHAT_MODEL}", out)
    assert "reads texts of at least 250 tokens whole" in out
    assert re.search(r"embedding speed: +[\d,.]+ texts of 250 tokens per second", out)
    assert re.search(r"chat speed: +first word after [\d.]+ s, then [\d,.]+ tokens", out)
    assert "counted by the server" in out
    assert "4096 tokens" in out
    assert "documents stay on this machine" in out


def test_models_command_names_both_servers(run, two_servers, llama_embedding_url, llama_chat_url):
    code, out, _ = run("models")
    assert code == 0
    assert f"llama.cpp at {llama_embedding_url}" in out
    assert f"llama.cpp at {llama_chat_url}" in out


def test_answer_says_what_was_cut_and_what_was_used(run, two_servers, handbook_index):
    code, out, _ = run("ask", QUESTION, "--index", handbook_index, "--json")
    answer = json.loads(out)
    assert code == 0
    assert answer["model"] == CHAT_MODEL
    assert answer["complete"] is False
    assert answer["usage"]["answer_tokens"] == 24
    assert answer["usage"]["prompt_tokens"] > 500
    assert answer["context"][0]["chunk"]["document_id"].endswith("leave.md")


def test_prompt_fits_the_loaded_context_with_many_passages(
    handbook_index, llama_embedding_url, llama_chat_url
):
    settings = settings_for(llama_embedding_url, llama_chat_url, handbook_index,
                            top_k=40, answer_tokens=24)  # fmt: skip
    with Pipeline(settings) as pipeline:
        answer = pipeline.ask(QUESTION)
    assert answer.usage.prompt_tokens > 2000
    assert answer.usage.answer_tokens == 24


def test_words_of_a_server_killed_while_it_answers_are_kept_and_marked(
    handbook_index, llama_embedding_url, mortal
):
    settings = settings_for(llama_embedding_url, mortal.urls["chat"], handbook_index,
                                answer_tokens=1300)  # fmt: skip
    with Pipeline(settings) as pipeline:
        answer = pipeline.ask(QUESTION, on_text=lambda _: mortal.process.kill())
    assert answer.text
    assert not answer.complete


@pytest.mark.parametrize(
    "server",
    [
        "embedding",
        "embedding without a name",
        "embedding of a quantised file",
    ],
)
def test_index_of_the_embedded_default_is_asked_through_llama_cpp(
    run, two_servers, monkeypatch, embedded_index, llama, server
):
    monkeypatch.setenv("RAG_EMBEDDING_ENDPOINT", llama[server])
    code, out, err = run("ask", QUESTION, "--index", embedded_index)
    assert code == 0, err
    assert out.strip()


def test_command_against_the_wrong_server_is_one_error(run, llama_chat_url, tmp_path):
    code, _, err = run("ingest", HANDBOOK, "--endpoint", llama_chat_url, "--index", tmp_path / "i",
                       "--embedding-model", CHAT_MODEL)  # fmt: skip
    _, fix = problem(err)
    assert code == 1
    assert "RAG_EMBEDDING_ENDPOINT" in fix


def test_wrong_key_on_the_command_line_is_one_error(run, llama, monkeypatch):
    monkeypatch.setenv("RAG_API_KEY", "a-wrong-key")
    code, _, err = run("models", "--endpoint", llama["chat with a key"])
    _, fix = problem(err)
    assert code == 1
    assert "RAG_API_KEY" in fix


def test_server_with_small_batches_embeds_smaller_chunks(run, two_servers, monkeypatch, llama):
    monkeypatch.setenv("RAG_EMBEDDING_ENDPOINT", llama["embedding in small batches"])
    code, _, err = run("ingest", HANDBOOK / "hausordnung-lüttsande.md")
    assert code == 0, err
    assert re.search(r"documents +1 \(0 skipped\)", run("status")[1])
