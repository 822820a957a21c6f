"""What `rag doctor` finds on a simulated LM Studio, and what it leaves alone."""

import json
import socket

import pytest
from fault_server import FaultServer, as_json
from lm_studio import LMStudio, Model, embedding_model

from rag.cli.main import main
from rag.doctor import examine
from rag.pipeline import Pipeline
from rag.settings import Settings

EMBEDDER, CHAT = "text-embedding-nomic-embed-text-v1.5", "phi-4"


@pytest.fixture
def folder(tmp_path):
    documents = tmp_path / "documents"
    documents.mkdir()
    (documents / "a.md").write_text("# Bolts\n\nTighten them to 22 Nm.", encoding="utf-8")
    return documents


@pytest.fixture
def settings(tmp_path):
    def make(studio, **given):
        given = {"endpoint": studio.url, "index_dir": tmp_path / "index", **given}
        return Settings.load(given)

    return make


def studio_with(**given) -> LMStudio:
    return LMStudio([embedding_model(), Model(CHAT, load_context=8192)], **given)


def by_subject(findings):
    return {finding.subject: finding for finding in findings}


def test_loaded_models_are_timed_and_nothing_is_loaded(settings):
    with studio_with().running() as studio:
        studio.load(EMBEDDER)
        studio.load(CHAT)
        before = list(studio.instances)
        found = by_subject(examine(settings(studio)))
        assert studio.instances == before
    assert "texts of 250 tokens per second" in found["embedding speed"].message
    assert "first word after" in found["chat speed"].message
    assert found["context"].message.startswith("8192 tokens")
    assert found["context"].level == "ok"
    assert not [f for f in found.values() if f.level == "fail"]


def test_models_that_are_not_loaded_stay_so(settings):
    with studio_with().running() as studio:
        found = by_subject(examine(settings(studio)))
        assert studio.instances == []
    assert "not loaded yet" in found["chat model"].message
    assert not {"chat speed", "embedding speed", "context"} & set(found)


def test_probe_loads_and_measures_and_keeps_it_with_the_index(settings, folder, tmp_path):
    with studio_with().running() as studio:
        with Pipeline(settings(studio)) as pipeline:
            pipeline.ingest(folder)
        kept = json.loads((tmp_path / "index" / "models.json").read_text(encoding="utf-8"))
        found = by_subject(examine(settings(studio), probe=True))
        again = json.loads((tmp_path / "index" / "models.json").read_text(encoding="utf-8"))
    (key,) = kept
    assert not kept[key]["settled"]
    assert again[key]["settled"]
    assert again[key]["texts_per_second"] > 0
    assert "reads texts of at least 250 tokens whole" in found["embedding"].message
    assert "chat speed" in found


def test_silent_cut_below_the_length_of_chunks_is_a_warning(settings):
    models = [embedding_model(load_context=128), Model(CHAT)]
    with LMStudio(models).running() as studio:
        findings = list(examine(settings(studio), probe=True))
    (warning,) = [f for f in findings if f.subject == "embedding" and f.level == "warn"]
    assert "chunks have 250" in warning.message
    assert "--context-length" in warning.fix


def test_another_chat_model_that_answers_is_told(settings):
    with studio_with().running() as studio:
        studio.load(EMBEDDER)
        studio.load(CHAT)
        chat = studio.server.scripts["/v1/chat/completions"][0]

        def renamed(request):
            reply = chat(request)
            reply.body = [piece.replace(CHAT.encode(), b"gemma-3") for piece in reply.body]
            return reply

        studio.server.on("/v1/chat/completions", renamed)
        findings = list(examine(settings(studio)))
    assert any("gemma-3 answered" in f.message for f in findings if f.level == "warn")


def test_index_of_a_model_that_is_not_loaded_is_not_checked_against_it(settings, folder):
    with studio_with(room=1).running() as studio:
        with Pipeline(settings(studio)) as pipeline:
            pipeline.ingest(folder)
            pipeline.ask("How tight are the bolts?")
        assert [i.model.key for i in studio.instances] == [CHAT]
        found = by_subject(examine(settings(studio)))
        assert [i.model.key for i in studio.instances] == [CHAT]
    assert found["index"].level == "ok"


def test_exit_code_and_json_of_the_command(settings, tmp_path, capsys):
    with studio_with().running() as studio:
        arguments = ["doctor", "--json", "--endpoint", studio.url, "--index", str(tmp_path / "i")]
        assert main([*arguments, "--probe"]) == 0
        findings = json.loads(capsys.readouterr().out)
    assert {f["level"] for f in findings} <= {"ok", "warn"}
    assert {"server", "privacy", "embedding", "chat speed", "index", "disk", "versions"} <= {
        f["subject"] for f in findings
    }


def test_dead_server_is_told_once(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    given = {"endpoint": f"http://127.0.0.1:{port}", "index_dir": tmp_path / "index"}
    findings = list(examine(Settings.load(given)))
    assert [f.subject for f in findings if f.level == "fail"] == ["server"]


def test_model_that_nobody_will_load_is_a_warning(settings):
    with studio_with(version="0.3", jit=False).running() as studio:
        found = by_subject(examine(settings(studio)))
    assert found["chat model"].level == "warn"
    assert f"lms load {CHAT}" in found["chat model"].fix


def test_index_of_another_model_is_told_without_loading_one(settings, folder):
    with studio_with().running() as studio, Pipeline(settings(studio)) as pipeline:
        pipeline.ingest(folder)
    models = [embedding_model("text-embedding-bge-m3"), Model(CHAT)]
    with LMStudio(models).running() as studio:
        found = by_subject(examine(settings(studio)))
        assert studio.instances == []
    assert found["index model"].level == "fail"
    assert EMBEDDER in found["index model"].message


def test_model_run_elsewhere_is_a_warning_of_privacy(settings, tmp_path):
    server = FaultServer()
    ids = ["nomic-embed-text", "big:cloud"]
    server.on("/v1/models", as_json({"data": [{"id": i, "owned_by": "library"} for i in ids]}))
    rows = [
        {"name": "nomic-embed-text", "capabilities": ["embedding"]},
        {"name": "big:cloud", "capabilities": ["completion"], "remote_host": "https://far.invalid"},
    ]
    server.on("/api/tags", as_json({"models": rows}))
    server.on("/api/ps", as_json({"models": []}))
    with server.running():
        found = by_subject(examine(settings(server)))
    assert found["privacy"].level == "warn"
    assert "far.invalid" in found["privacy"].message


def test_context_without_room_for_a_passage_is_a_failure(settings):
    with LMStudio([embedding_model(), Model(CHAT, load_context=512)]).running() as studio:
        found = by_subject(examine(settings(studio), probe=True))
    assert found["context"].level == "fail"
    assert "--context-length" in found["context"].fix
