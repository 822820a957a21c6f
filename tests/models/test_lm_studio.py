"""The simulated LM Studio is held against the documented shapes, and our client against it."""

import http.client
import json
import time
from urllib.parse import urlsplit

import jsonschema
import lm_studio_shapes as shapes
import numpy
import pytest
from fault_server import FaultServer, as_json
from lm_studio import CRASHED, LMStudio, Model, embedding_model

from rag.models.base.errors import ContextOverflow, EndpointError, ModelUnavailable
from rag.models.base.messages import Message, NativeReport, Usage
from rag.models.discover import ModelInfo, describe_model, list_models
from rag.models.endpoint import Endpoint, Timeouts
from rag.models.wire.surfaces import SURFACES
from rag.pipeline import Pipeline
from rag.settings import Settings

PHI = Model("phi-4")
NOMIC = embedding_model()
GEMMA = Model("google/gemma-3-4b", "vlm", architecture="gemma3", format="mlx", quantisation="4bit")
QUESTION = [Message("system", "Answer."), Message("user", "What is a bolt?")]
REPORT = NativeReport(
    51.43709529007664, 0.111, 0.954, "eosFound", "phi3", "Q4_K_M", "gguf", 4096,
    "llama.cpp-mac-arm64-apple-metal-advsimd 1.26.0",
)  # fmt: skip


@pytest.fixture
def start(request):
    """Start a server with these models and switches; its endpoint is `studio.endpoint`."""

    def start(*models, native_embeddings=False, **switches):
        studio = LMStudio(list(models or (PHI, NOMIC)), **switches)
        running = studio.running()
        running.__enter__()
        request.addfinalizer(lambda: running.__exit__(None, None, None))
        endpoint = Endpoint(
            studio.url, "k", Timeouts(response=5, retry=0.01, load=1),
            native_embeddings=native_embeddings,
        )  # fmt: skip
        request.addfinalizer(endpoint.close)
        return studio, endpoint

    return start


@pytest.fixture
def scripted(request):
    """Start a server that answers one path with one value."""

    def scripted(path, value, **given):
        running = FaultServer().running()
        server = running.__enter__()
        request.addfinalizer(lambda: running.__exit__(None, None, None))
        server.on(path, as_json(value))
        endpoint = Endpoint(server.url, "k", Timeouts(response=5, retry=0.01, load=1), **given)
        request.addfinalizer(endpoint.close)
        return endpoint

    return scripted


def ask(studio, path, body=None):
    """What the server answers without our client between: status and JSON."""
    connection = http.client.HTTPConnection(urlsplit(studio.url).netloc, timeout=5)
    try:
        if body is None:
            connection.request("GET", path)
        else:
            connection.request("POST", path, json.dumps(body))
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


# ---- the shapes

CHAT_BODY = {
    "model": "phi-4",
    "messages": [
        {"role": "system", "content": "Always answer in rhymes."},
        {"role": "user", "content": "Introduce yourself."},
    ],
    "temperature": 0.7,
    "max_tokens": 100,
    "stream": False,
}
TEXT_BODY = {"model": "phi-4", "prompt": "Tell me about bolts.", "stream": False, "stop": "\n"}
EMBED_BODY = {"model": NOMIC.key, "input": "Text"}


@pytest.mark.parametrize(
    ("path", "body", "shape"),
    [
        ("/api/v0/models", None, shapes.MODELS),
        ("/api/v0/models/phi-4", None, shapes.MODEL),
        ("/api/v0/embeddings", EMBED_BODY, shapes.EMBEDDINGS),
        ("/api/v0/embeddings", EMBED_BODY | {"input": ["a", "b"]}, shapes.EMBEDDINGS),
        ("/api/v0/chat/completions", CHAT_BODY, shapes.CHAT),
        ("/api/v0/completions", TEXT_BODY, shapes.COMPLETION),
        ("/v1/models", None, shapes.OPENAI_MODELS),
        ("/v1/embeddings", EMBED_BODY | {"encoding_format": "base64"}, shapes.EMBEDDINGS),
        ("/v1/chat/completions", CHAT_BODY, shapes.OPENAI_CHAT),
        ("/v1/completions", TEXT_BODY, shapes.OPENAI_COMPLETION),
        ("/api/v1/models", None, shapes.MODELS_V1),
        ("/api/v1/models/load", {"model": "phi-4"}, shapes.LOADED_V1),
        (
            "/api/v1/models/load",
            {"model": "phi-4", "context_length": 8192, "echo_load_config": True},
            shapes.LOADED_V1,
        ),
        ("/api/v1/models/unload", {"instance_id": NOMIC.key}, shapes.UNLOADED_V1),
    ],
)
def test_answers_have_the_documented_shape(start, path, body, shape):
    studio, _ = start(tells_loaded_context=False)
    studio.load(NOMIC.key)
    status, answer = ask(studio, path, body)
    assert status == 200
    jsonschema.validate(answer, shape)


def test_newer_listings_tell_the_loaded_context_too(start):
    studio, _ = start(PHI, NOMIC, GEMMA)
    studio.load("phi-4", 8192)
    jsonschema.validate(ask(studio, "/api/v0/models")[1], shapes.NEWER_MODELS)
    row = ask(studio, "/api/v0/models/phi-4")[1]
    jsonschema.validate(row, shapes.NEWER_MODEL)
    assert row["loaded_context_length"] == 8192
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(row, shapes.MODEL)


@pytest.mark.parametrize(
    ("answer", "shape"),
    [
        (shapes.DOCUMENTED_EMBEDDINGS, shapes.EMBEDDINGS),
        (shapes.DOCUMENTED_COMPLETION, shapes.COMPLETION),
        (shapes.DOCUMENTED_CHAT, shapes.CHAT),
        (shapes.DOCUMENTED_MODEL, shapes.MODEL),
        (shapes.DOCUMENTED_MODELS, shapes.MODELS),
        (shapes.DOCUMENTED_MODELS_V1, shapes.MODELS_V1),
        (shapes.DOCUMENTED_LOAD, shapes.LOADED_V1),
    ],
)
def test_documented_answers_have_the_documented_shape(answer, shape):
    jsonschema.validate(answer, shape)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(answer | {"more": 1}, shape)


# ---- documented answers, read by our client


def test_documented_embeddings_are_read_as_unit_rows(scripted):
    endpoint = scripted("/api/v0/embeddings", shapes.DOCUMENTED_EMBEDDINGS, native_embeddings=True)
    vectors = endpoint.embed(NOMIC.key, ["Text"])
    assert vectors.shape == (1, 3)
    assert vectors.dtype == numpy.float32
    assert float(numpy.linalg.norm(vectors)) == pytest.approx(1.0)


def test_documented_chat_is_read_with_its_report(scripted):
    endpoint = scripted("/api/v0/chat/completions", shapes.DOCUMENTED_CHAT)
    (delta,) = endpoint.stream("phi-4", QUESTION, 100, 0.7, "native")
    assert delta.text.startswith("Hello, I'm your AI guide")
    assert (delta.finish_reason, delta.model, delta.usage) == ("stop", "phi-4", Usage(21, 82))
    assert delta.native == NativeReport(
        13.08336436034801, 0.778, 6.344, "stop", "phi3", "Q4_K_M", "gguf", 4096,
        "llama.cpp-mac-arm64-apple-metal-advsimd 1.26.0",
    )  # fmt: skip


def test_documented_empty_completion_is_read_with_its_wild_speed(scripted):
    endpoint = scripted("/api/v0/completions", shapes.DOCUMENTED_COMPLETION)
    (delta,) = endpoint.stream("phi-4", QUESTION, 100, 0.7, "native-completions")
    assert (delta.text, delta.finish_reason, delta.usage) == ("", "stop", Usage(8, 0))
    assert delta.native.tokens_per_second == 250000
    assert delta.native.generation_time == 0.318


def test_documented_models_are_read(scripted):
    phi, nomic = list_models(scripted("/api/v0/models", shapes.DOCUMENTED_MODELS)).models
    assert phi == ModelInfo(
        "phi-4", "chat", False, None, 16384, "Q4_K_M",
        architecture="phi3", publisher="lmstudio-community", format="gguf",
    )  # fmt: skip
    assert (nomic.kind, nomic.loaded, nomic.max_context_tokens) == ("embedding", False, 2048)
    one = scripted("/api/v0/models/phi-4", shapes.DOCUMENTED_MODEL)
    assert describe_model(one, "phi-4") == phi


def test_documented_models_of_the_newer_path_are_read(scripted):
    gemma, nomic = list_models(scripted("/api/v1/models", shapes.DOCUMENTED_MODELS_V1)).models
    assert gemma == ModelInfo(
        "gemma-3-270m-it-qat", "chat", True, 4096, 32768, "Q4_0", architecture="gemma3",
        publisher="lmstudio-community", format="gguf", size_bytes=241410208,
    )  # fmt: skip
    assert (nomic.kind, nomic.loaded, nomic.context_tokens) == ("embedding", False, None)
    assert (nomic.publisher, nomic.size_bytes) == ("gaianet", 274290560)


# ---- our client against the simulated server


@pytest.mark.parametrize("native", [False, True])
def test_embeddings_find_the_text_of_the_same_words(start, native):
    studio, endpoint = start(native_embeddings=native)
    texts = ["Tighten the bolt to 22 Nm.", "Leave is 30 days.", "The bolt is tight at 22 Nm"]
    vectors = endpoint.embed(NOMIC.key, texts)
    assert int((vectors[:2] @ vectors[2]).argmax()) == 0
    assert numpy.linalg.norm(vectors, axis=1) == pytest.approx(numpy.ones(3), abs=1e-6)
    path = f"{'/api/v0' if native else '/v1'}/embeddings"
    assert studio.events == [f"jit {NOMIC.key}", f"ask {path} {NOMIC.key}"][::-1]


@pytest.mark.parametrize("surface", sorted(SURFACES))
def test_every_surface_streams_the_same_answer(start, surface):
    _, endpoint = start(answer="A bolt holds two parts [1].")
    deltas = list(endpoint.stream("phi-4", QUESTION, 100, 0.0, surface))
    assert "".join(delta.text for delta in deltas) == "A bolt holds two parts [1]."
    assert [d.finish_reason for d in deltas if d.finish_reason] == ["stop"]
    used = [delta.usage for delta in deltas if delta.usage]
    assert used[-1].answer_tokens == 6
    assert used[-1].prompt_tokens > 0
    assert {delta.model for delta in deltas if delta.model} == {"phi-4"}
    reports = [delta.native for delta in deltas if delta.native]
    assert reports == ([REPORT] if surface.startswith("native") else [])


@pytest.mark.parametrize("surface", sorted(SURFACES))
def test_every_surface_tells_an_answer_that_was_cut(start, surface):
    _, endpoint = start(answer="A bolt holds two parts [1].")
    deltas = list(endpoint.stream("phi-4", QUESTION, 3, 0.0, surface))
    assert "".join(delta.text for delta in deltas) == "A bolt holds"
    assert [d.finish_reason for d in deltas if d.finish_reason] == ["length"]


@pytest.mark.parametrize("version", ["0.3", "0.4"])
def test_prompt_beyond_the_loaded_context_names_the_limit(start, version):
    _, endpoint = start(Model("phi-4", load_context=100), version=version)
    long = [Message("user", "one " * 500)]
    with pytest.raises(ContextOverflow) as caught:
        list(endpoint.stream("phi-4", long, 10, 0.0))
    assert caught.value.limit_tokens == 100


@pytest.mark.parametrize(("truncates", "same"), [(True, True), (False, False)])
def test_embedding_input_is_cut_at_the_loaded_context_in_silence(start, truncates, same):
    _, endpoint = start(embedding_model(load_context=64), truncates=truncates)
    first, second = endpoint.embed(NOMIC.key, ["one " * 80 + "red engines", "one " * 80 + "cold"])
    assert (float(first @ second) > 0.9999) is same


def test_answers_differ_by_what_was_loaded_before_each(start):
    studio, endpoint = start(jit=False)
    with pytest.raises(ModelUnavailable, match="No models loaded"):
        endpoint.embed(NOMIC.key, ["x"])
    assert list(ask(studio, "/v1/models")[1]["data"]) == []
    studio.load(NOMIC.key)
    # With one model loaded the name asked for is ignored, and the answer names who answered.
    body = ask(studio, "/v1/chat/completions", CHAT_BODY | {"model": "gpt-9"})[1]
    assert body["model"] == NOMIC.key
    studio.load("phi-4")
    with pytest.raises(ModelUnavailable, match="Invalid model identifier"):
        list(endpoint.stream("gpt-9", QUESTION, 10, 0.0))


def test_model_loaded_by_a_request_is_evicted_by_the_next_one(start):
    studio, endpoint = start()
    endpoint.embed(NOMIC.key, ["x"])
    list(endpoint.stream("phi-4", QUESTION, 10, 0.0))
    assert f"evict {NOMIC.key}" in studio.events
    studio.load(NOMIC.key)
    endpoint.embed(NOMIC.key, ["x"])
    list(endpoint.stream("phi-4", QUESTION, 10, 0.0))
    assert sorted(i.id for i in studio.instances) == ["phi-4", NOMIC.key]
    assert studio.events.count(f"evict {NOMIC.key}") == 1


def test_crash_answers_once_and_the_next_request_loads_again(start):
    studio, _ = start()
    studio.load(NOMIC.key)
    studio.crashes.add(NOMIC.key)
    assert ask(studio, "/v1/embeddings", EMBED_BODY) == (400, {"error": CRASHED})
    assert ask(studio, "/v1/embeddings", EMBED_BODY)[0] == 200
    assert studio.events[-1] == f"jit {NOMIC.key}"


def test_memory_for_one_model_refuses_the_second(start):
    studio, endpoint = start(room=1)
    studio.load(NOMIC.key)
    status, body = ask(studio, "/api/v1/models/load", {"model": "phi-4"})
    assert (status, "insufficient system resources" in body["error"]["message"]) == (500, True)
    with pytest.raises(EndpointError, match="insufficient system resources"):
        list(endpoint.stream("phi-4", QUESTION, 10, 0.0))


def test_odd_requests_are_refused_as_they_are_there(start):
    studio, _ = start()
    assert ask(studio, "/v1/embeddings", EMBED_BODY | {"input": [[1, 2]]})[0] == 400
    assert ask(studio, "/api/v1/models/load", {"model": "none"})[0] == 404
    assert ask(studio, "/api/v1/models/unload", {"instance_id": "none"})[0] == 404
    too_much = {"model": "phi-4", "context_length": PHI.max_context + 1}
    assert ask(studio, "/api/v1/models/load", too_much)[0] == 400
    assert ask(studio, "/api/v1/models/load", too_much | {"context_length": 16384})[0] == 200
    status, body = ask(studio, "/nothing/here", {})
    assert (status, "Unexpected endpoint" in body["error"]) == (200, True)
    old, _ = start(version="0.3")
    assert "Unexpected endpoint" in ask(old, "/api/v1/models")[1]["error"]


def test_load_takes_its_time(start):
    studio, _ = start(load_seconds=0.2)
    started = time.monotonic()
    answer = ask(studio, "/api/v1/models/load", {"model": "phi-4"})[1]
    assert time.monotonic() - started >= 0.2
    assert answer["load_time_seconds"] >= 0.2


@pytest.mark.parametrize("version", ["0.3", "0.4"])
@pytest.mark.parametrize("surface", ["chat", "native"])
def test_folder_is_ingested_and_a_question_answered(start, tmp_path, version, surface):
    studio, _ = start(version=version)
    folder = tmp_path / "documents"
    folder.mkdir()
    (folder / "bolts.md").write_text("# Bolts\n\nTighten the bolt to 22 Nm.\n", encoding="utf-8")
    (folder / "leave.md").write_text("# Leave\n\nThere are 30 days of leave.\n", encoding="utf-8")
    settings = Settings(
        endpoint=studio.url, index_dir=tmp_path / "index", chat_surface=surface,
        embedding_surface="native" if surface == "native" else "openai",
    )  # fmt: skip
    with Pipeline(settings) as pipeline:
        assert len(pipeline.ingest(folder).ingested) == 2
        answer = pipeline.ask("How tight is the bolt?")
    assert "22 Nm" in answer.text
    assert [(c.number, c.verified) for c in answer.citations] == [(1, True)]
    assert (answer.native == REPORT) is (surface == "native")
    if version == "0.4":
        assert {e.split()[0] for e in studio.events if not e.startswith("ask")} == {"load"}
