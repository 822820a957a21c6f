import inspect
import socket

import httpx2
import numpy
import openai
import pytest
from fault_server import FaultServer, Reply, as_json, chunk, embedding_rows, sse

from ingest.base.errors import PipelineError
from rag.models.endpoint import Endpoint, Timeouts
from rag.models.errors import (
    AuthenticationFailed,
    BadResponse,
    ContextOverflow,
    EndpointError,
    EndpointUnreachable,
    ModelUnavailable,
    RequestRefused,
    ServerBusy,
)
from rag.models.messages import Message, Usage

VECTORS = [[3.0, 4.0], [0.0, 2.0], [1.0, 0.0]]
UNIT = [[0.6, 0.8], [0.0, 1.0], [1.0, 0.0]]
QUESTION = [Message("user", "What is it?")]


@pytest.fixture
def server():
    with FaultServer().running() as running:
        yield running


@pytest.fixture
def endpoint(server):
    endpoint = Endpoint(server.url, "lm-studio", Timeouts(response=5, retry=0.01))
    yield endpoint
    endpoint.close()


def text_of(deltas) -> str:
    return "".join(delta.text for delta in deltas)


@pytest.mark.parametrize("encode", [True, False], ids=["base64", "floats"])
def test_embeddings_come_back_as_unit_rows_in_order(server, endpoint, encode):
    rows = embedding_rows(VECTORS, encode)
    server.on("/v1/embeddings", as_json({"data": rows[::-1]}))
    vectors = endpoint.embed("m", ["a", "b", "c"])
    assert vectors.dtype == numpy.float32
    assert vectors.flags.c_contiguous
    numpy.testing.assert_allclose(vectors, UNIT, rtol=1e-6)
    sent = server.requests[0].json
    assert sent == {"model": "m", "input": ["a", "b", "c"], "encoding_format": "base64"}


def test_lone_surrogate_is_sent_as_text(server, endpoint):
    server.on("/v1/embeddings", as_json({"data": embedding_rows(VECTORS[:1])}))
    endpoint.embed("m", ["a\ud800b"])
    assert server.requests[0].json["input"] == ["a?b"]


WRONG_ROWS = {
    "too few": embedding_rows(VECTORS[:2]),
    "too many": embedding_rows([*VECTORS, [1.0, 1.0]]),
    "twice the same index": [{**row, "index": 0} for row in embedding_rows(VECTORS)],
    "ragged": embedding_rows([[1.0, 2.0], [1.0, 2.0], [1.0]]),
    "zero": embedding_rows([[1.0, 2.0], [0.0, 0.0], [1.0, 2.0]]),
    "empty": embedding_rows([[1.0], [], [1.0]]),
    "infinite": embedding_rows([[1.0, 2.0], [float("inf"), 0.0], [1.0, 2.0]], encode=True),
    "null": [{**row, "embedding": [None, 1.0]} for row in embedding_rows(VECTORS)],
    "words": [{**row, "embedding": ["a"]} for row in embedding_rows(VECTORS)],
    "cut base64": [{**row, "embedding": "AAAA="} for row in embedding_rows(VECTORS)],
    "five bytes": [{**row, "embedding": "AAAAAAA="} for row in embedding_rows(VECTORS)],
    "no index": [{"embedding": [1.0]} for _ in VECTORS],
}


@pytest.mark.parametrize("rows", WRONG_ROWS.values(), ids=WRONG_ROWS.keys())
def test_embeddings_that_are_wrong_are_never_returned(server, endpoint, rows):
    server.on("/v1/embeddings", as_json({"data": rows}))
    with pytest.raises(BadResponse) as caught:
        endpoint.embed("m", ["a", "b", "c"])
    assert caught.value.hint


FAULTS = {
    "no /v1": (
        as_json({"error": "Unexpected endpoint or method. (POST /embeddings)"}),
        BadResponse, "/v1",
    ),
    "html": (Reply(b"<html>hello</html>", headers={"Content-Type": "text/html"}), BadResponse, "/v1"),
    "not json": (Reply(b"{"), BadResponse, "/v1"),
    "empty object": (as_json({}), BadResponse, "/v1"),
    "no model, object": (
        as_json({"error": {"message": "No models loaded. Please load a model"}}, 404),
        ModelUnavailable, "lms load",
    ),
    "no model, string": (as_json({"error": "No models loaded."}, 400), ModelUnavailable, "lms load"),
    "wrong id": (
        as_json({"error": {"message": 'Invalid model identifier "x".', "code": "model_not_found"}}, 400),
        ModelUnavailable, "rag doctor",
    ),
    "key": (
        as_json({"error": {"code": "invalid_api_key", "message": "An LM Studio API token is required"}}, 401),
        AuthenticationFailed, "RAG_API_KEY",
    ),
    "details": (
        as_json({"detail": [{"msg": "field required"}]}, 422), RequestRefused, "rag doctor",
    ),
    "too long for the batch": (
        as_json({"error": {"code": 500, "message": "input (549 tokens) is too large to process. "
                "increase the physical batch size (current batch size: 512)"}}, 500),
        ContextOverflow, "RAG_CHUNK_TOKENS",
    ),
    "no embedder": (
        as_json({"error": {"message": "This server does not support embeddings."}}, 501),
        ModelUnavailable, "RAG_EMBEDDING_ENDPOINT",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("reply", "kind", "hint"), FAULTS.values(), ids=FAULTS.keys())
def test_fault_becomes_one_error_with_a_remedy_and_is_not_retried(
    server, endpoint, reply, kind, hint
):
    server.on("/v1/embeddings", reply)
    with pytest.raises(kind) as caught:
        endpoint.embed("m", ["a"])
    assert hint in caught.value.hint
    assert "\n" not in caught.value.message
    assert len(server.asked("/v1/embeddings")) == 1


def test_overflow_tells_the_limit_it_read(server, endpoint):
    server.on("/v1/embeddings", FAULTS["too long for the batch"][0])
    with pytest.raises(ContextOverflow) as caught:
        endpoint.embed("m", ["a"])
    assert caught.value.limit_tokens == 512


@pytest.mark.parametrize(
    "fault",
    [
        as_json({"error": {"message": "oops"}}, 500),
        as_json({"error": {"message": "Loading model", "type": "unavailable_error"}}, 503),
        as_json({"error": "The model has crashed without additional information."}, 400),
        Reply(b'{"data": ', fault="short"),
        Reply(b"", fault="reset"),
    ],
    ids=["500", "loading", "crashed", "short body", "reset"],
)
def test_passing_fault_is_retried(server, endpoint, fault):
    server.on("/v1/embeddings", fault, as_json({"data": embedding_rows(VECTORS[:1])}))
    assert endpoint.embed("m", ["a"]).shape == (1, 2)
    assert len(server.asked("/v1/embeddings")) == 2


def test_no_server_is_told_at_once_with_the_ways_out():
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    endpoint = Endpoint(f"http://127.0.0.1:{port}/v1", "k")
    with pytest.raises(EndpointUnreachable, match="no server at") as caught:
        endpoint.get("/v1/models")
    assert "--embedded" in caught.value.hint
    assert not caught.value.retryable
    endpoint.close()


def test_silent_server_ends_in_a_timeout_error(server):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = Endpoint(f"http://127.0.0.1:{silent.getsockname()[1]}/v1", "k", Timeouts(1, 0.2))
        with pytest.raises(EndpointUnreachable, match="in time"):
            endpoint.embed("m", ["a"])
        endpoint.close()


def test_nothing_of_the_environment_reaches_the_wire(server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("OPENAI_ADMIN_KEY", "sk-secret")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-secret")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "project-secret")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/secret")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Secret: secret\nAuthorization: Bearer sk-secret")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    server.on("/v1/embeddings", as_json({"data": embedding_rows(VECTORS[:1])}))
    server.on("/v1/chat/completions", sse(chunk("hi", "stop")))
    endpoint = Endpoint(server.url, "the-key")
    endpoint.get("/v1/models")
    endpoint.embed("m", ["a"])
    list(endpoint.stream("m", QUESTION, 5, 0.0))
    endpoint.close()
    assert len(server.requests) == 3
    for request in server.requests:
        assert "secret" not in str(request.headers)
        assert not [name for name in request.headers if name.startswith(("x-", "openai-"))]
        assert request.headers["authorization"] == "Bearer the-key"


def test_answer_is_streamed_with_usage_and_finish_reason(server, endpoint):
    usage = {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}
    end = {**chunk(), "choices": [], "usage": usage}
    server.on("/v1/chat/completions",
              sse(chunk(role="assistant"), chunk("Grüße"), chunk(" dir", "stop"), end))  # fmt: skip
    deltas = list(endpoint.stream("m", QUESTION, 50, 0.5))
    assert text_of(deltas) == "Grüße dir"
    assert [delta.finish_reason for delta in deltas if delta.finish_reason] == ["stop"]
    assert [delta.usage for delta in deltas if delta.usage] == [Usage(7, 2)]
    sent = server.requests[0].json
    assert (sent["max_tokens"], sent["temperature"], sent["stream"]) == (50, 0.5, True)


def test_first_piece_arrives_before_the_last_is_written(server, endpoint):
    seen: list[str] = []
    observed: list[int] = []

    def pieces():
        yield from sse(chunk("one"), done=False).body
        observed.append(len(seen))
        for _ in range(200):
            if seen:
                break
            import time

            time.sleep(0.01)
        observed.append(len(seen))
        yield from sse(chunk(" two", "stop")).body

    server.on(
        "/v1/chat/completions", Reply(pieces(), headers={"Content-Type": "text/event-stream"})
    )
    seen.extend(delta.text for delta in endpoint.stream("m", QUESTION, 5, 0.0))
    assert "".join(seen) == "one two"


def test_split_characters_comments_and_carriage_returns_are_read(server, endpoint):
    raw = b"".join(sse(chunk("Gr\u00fc\u00dfe \u4f60", "stop")).body).replace(b"\n", b"\r\n")
    pieces = [b": ping\r\n\r\n", *(raw[i : i + 1] for i in range(len(raw)))]
    server.on(
        "/v1/chat/completions", Reply(iter(pieces), headers={"Content-Type": "text/event-stream"})
    )
    assert text_of(endpoint.stream("m", QUESTION, 5, 0.0)) == "Grüße 你"


def test_thinking_is_kept_apart_from_the_answer(server, endpoint):
    server.on("/v1/chat/completions",
              sse(chunk(reasoning_content="hm "), chunk(reasoning="well"), chunk("yes", "stop")))  # fmt: skip
    deltas = list(endpoint.stream("m", QUESTION, 5, 0.0))
    assert text_of(deltas) == "yes"
    assert "".join(delta.reasoning for delta in deltas) == "hm well"


def test_stream_that_ends_without_a_finish_reason_is_marked(server, endpoint):
    server.on("/v1/chat/completions", sse(chunk("half an"), done=False))
    deltas = list(endpoint.stream("m", QUESTION, 5, 0.0))
    assert text_of(deltas) == "half an"
    assert deltas[-1].finish_reason == "truncated"


STREAM_FAULTS = {
    "no chunk": (sse(), BadResponse),
    "no /v1": (as_json({"error": "Unexpected endpoint or method. (POST /x)"}), BadResponse),
    "error event, string": (sse(chunk("a"), {"error": "Model unloaded."}), ModelUnavailable),
    "error event, object": (sse(chunk("a"), {"error": {"message": "n_ctx: 4096 n_keep"}}), ContextOverflow),
    "overflow": (as_json({"error": "Trying to keep the first 15857 tokens when context the overflows. "
                          "However, the model is loaded with context length of only 4096 tokens"}, 400),
                 ContextOverflow),
    "broken json": (sse(b"data: {oops\n\n"), BadResponse),
    "busy": (as_json({"error": {"message": "server busy, please try again."}}, 503), ServerBusy),
}  # fmt: skip


@pytest.mark.parametrize(("reply", "kind"), STREAM_FAULTS.values(), ids=STREAM_FAULTS.keys())
def test_fault_in_a_stream_becomes_one_error_with_a_remedy(server, endpoint, reply, kind):
    server.on("/v1/chat/completions", reply)
    with pytest.raises(kind) as caught:
        list(endpoint.stream("m", QUESTION, 5, 0.0))
    assert caught.value.hint


def test_reset_in_the_middle_of_a_stream_is_an_error(server, endpoint):
    reply = sse(chunk("half"), done=False)
    reply.fault = "reset"
    server.on("/v1/chat/completions", reply)
    with pytest.raises(EndpointUnreachable):
        list(endpoint.stream("m", QUESTION, 5, 0.0))


def exception_classes():
    """Every exception class of the two packages, made without calling its constructor."""
    modules = (openai, openai._exceptions, httpx2)
    classes = {
        member
        for module in modules
        for _, member in inspect.getmembers(module, inspect.isclass)
        if issubclass(member, Exception) and member.__module__.startswith(("openai", "httpx2"))
        and not issubclass(member, Warning)
    }  # fmt: skip
    return sorted(classes, key=lambda c: c.__name__)


@pytest.mark.parametrize("kind", exception_classes(), ids=lambda c: c.__name__)
def test_every_exception_of_the_packages_is_translated(kind):
    request = httpx2.Request("POST", "http://127.0.0.1/v1")

    class Raising(httpx2.BaseTransport):
        def handle_request(self, _request):
            raise error

    error = kind.__new__(kind)
    Exception.__init__(error, "something")
    for name, value in {
        "request": request, "_request": request, "body": None, "status_code": 400, "message": "m",
        "response": httpx2.Response(400, request=request, content=b"{}"),
    }.items():  # fmt: skip
        if not isinstance(getattr(type(error), name, None), property):
            setattr(error, name, value)
    endpoint = Endpoint("http://127.0.0.1:9/v1", "k", transport=Raising())
    with pytest.raises(EndpointError):
        endpoint.get("/v1/models")
    endpoint.close()
    assert issubclass(EndpointError, PipelineError)
