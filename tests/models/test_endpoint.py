import inspect
import socket
import time

import httpx2
import numpy
import openai
import pytest
from fault_server import FaultServer, Reply, as_json, chunk, embedding_rows, sse

from ingest.base.errors import PipelineError
from rag.models.base.errors import (
    AuthenticationFailed,
    BadResponse,
    ContextOverflow,
    EndpointError,
    EndpointUnreachable,
    ModelUnavailable,
    RequestRefused,
    ServerBusy,
)
from rag.models.base.messages import Message, Usage
from rag.models.endpoint import Endpoint, Timeouts

VECTORS = [[3.0, 4.0], [0.0, 2.0], [1.0, 0.0]]
UNIT = [[0.6, 0.8], [0.0, 1.0], [1.0, 0.0]]
QUESTION = [Message("user", "What is it?")]


@pytest.fixture
def server():
    with FaultServer().running() as running:
        yield running


@pytest.fixture
def endpoint(server):
    endpoint = Endpoint(server.url, "lm-studio", Timeouts(response=5, idle=0.5, retry=0.01, load=1))
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


LOADING = as_json(
    {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}, 503
)


def test_loading_is_waited_for_and_told(server, endpoint):
    told: list[tuple[str, float]] = []
    endpoint.on_wait = lambda what, seconds: told.append((what, seconds))
    server.on("/v1/embeddings", *[LOADING] * 4, as_json({"data": embedding_rows(VECTORS[:1])}))
    assert endpoint.embed("m", ["a"]).shape == (1, 2)
    assert len(told) == 4
    assert "Loading model" in told[0][0]
    assert sorted(seconds for _, seconds in told) == [seconds for _, seconds in told]


def test_loading_is_waited_for_when_listing_too(server, endpoint):
    server.on("/v1/models", LOADING, LOADING, as_json({"data": []}))
    assert endpoint.get("/v1/models") == {"data": []}


def test_loading_is_waited_for_before_a_stream_too(server, endpoint):
    server.on("/v1/chat/completions", LOADING, lambda _: sse(chunk("yes", "stop")))
    assert text_of(endpoint.stream("m", QUESTION, 5, 0.0)) == "yes"


def test_waiting_ends_at_its_limit(server, endpoint):
    server.on("/v1/embeddings", LOADING)
    started = time.monotonic()
    with pytest.raises(ServerBusy):
        endpoint.embed("m", ["a"])
    assert time.monotonic() - started < 3


def test_retry_after_is_honoured_and_a_long_one_is_told(server, endpoint):
    busy = as_json({"error": "slow down"}, 429)
    soon = Reply(busy.body, 429, {**busy.headers, "Retry-After": "0.3"})
    late = Reply(busy.body, 429, {**busy.headers, "Retry-After": "180"})
    server.on("/v1/embeddings", soon, as_json({"data": embedding_rows(VECTORS[:1])}))
    started = time.monotonic()
    endpoint.embed("m", ["a"])
    assert 0.3 <= time.monotonic() - started < 2
    server.on("/v1/embeddings", late)
    started = time.monotonic()
    with pytest.raises(ServerBusy) as caught:
        endpoint.embed("m", ["a"])
    assert time.monotonic() - started < 1
    assert "180 seconds" in str(caught.value)


def test_stream_that_falls_silent_is_cut_though_it_pings(server, endpoint):
    def pieces():
        yield from sse(chunk("half an"), done=False).body
        for _ in range(40):
            yield b": ping\n\n"
            time.sleep(0.1)

    server.on(
        "/v1/chat/completions", Reply(pieces(), headers={"Content-Type": "text/event-stream"})
    )
    started = time.monotonic()
    seen = []
    with pytest.raises(EndpointUnreachable, match="sent nothing for 0.5 seconds"):
        seen.extend(endpoint.stream("m", QUESTION, 5, 0.0))
    assert time.monotonic() - started < 3


def test_slow_stream_is_not_cut_while_it_writes(server, endpoint):
    def pieces():
        for word in ["one", "two", "three", "four"]:
            yield from sse(chunk(f"{word} "), done=False).body
            time.sleep(0.3)
        yield from sse(chunk("", "stop")).body

    server.on(
        "/v1/chat/completions", Reply(pieces(), headers={"Content-Type": "text/event-stream"})
    )
    assert text_of(endpoint.stream("m", QUESTION, 5, 0.0)) == "one two three four "


def test_server_that_does_not_stream_is_read_whole(server, endpoint):
    answer = {"model": "m", "choices": [{"index": 0, "finish_reason": "stop",
              "message": {"role": "assistant", "content": "yes"}}]}  # fmt: skip
    server.on("/v1/chat/completions", as_json(answer))
    assert text_of(endpoint.stream("m", QUESTION, 5, 0.0)) == "yes"


def test_unknown_path_in_a_stream_says_what_the_server_said(server, endpoint):
    with pytest.raises(BadResponse, match="Unexpected endpoint") as caught:
        list(endpoint.stream("m", QUESTION, 5, 0.0))
    assert "/v1" in caught.value.hint


NATIVE = {"stats": {"tokens_per_second": 51.4, "time_to_first_token": 0.11, "generation_time": 0.9,
                    "stop_reason": "eosFound"},
          "model_info": {"arch": "phi3", "quant": "Q4_K_M", "format": "gguf", "context_length": 4096},
          "runtime": {"name": "llama.cpp-linux", "version": "1.26.0", "supported_formats": ["gguf"]}}  # fmt: skip


@pytest.mark.parametrize("surface", ["native", "native-completions"])
def test_native_surface_adds_its_statistics(server, endpoint, surface):
    path = {"native": "/api/v0/chat/completions", "native-completions": "/api/v0/completions"}[
        surface
    ]
    piece = (
        chunk("yes")
        if surface == "native"
        else {"choices": [{"index": 0, "text": "yes", "finish_reason": None}]}
    )
    end = {**chunk(finish="stop"), **NATIVE}
    server.on(path, sse(piece, end))
    deltas = list(endpoint.stream("m", QUESTION, 5, 0.0, surface))
    assert text_of(deltas) == "yes"
    (native,) = [delta.native for delta in deltas if delta.native]
    assert (native.tokens_per_second, native.time_to_first_token) == (51.4, 0.11)
    assert (native.architecture, native.quantisation, native.context_tokens) == (
        "phi3",
        "Q4_K_M",
        4096,
    )
    assert (native.runtime, native.stop_reason) == ("llama.cpp-linux 1.26.0", "eosFound")


def test_completions_surface_writes_the_conversation_as_text(server, endpoint):
    event = {"choices": [{"index": 0, "text": "42", "finish_reason": "stop"}], "model": "base"}
    server.on("/v1/completions", sse(event))
    messages = [Message("system", "Rules."), Message("user", "Question: What?")]
    assert text_of(endpoint.stream("base", messages, 5, 0.0, "completions")) == "42"
    assert server.requests[0].json["prompt"] == "Rules.\n\nQuestion: What?\nAnswer:"


def test_responses_surface_is_read_to_its_end(server, endpoint):
    server.on("/v1/responses", sse(
        {"type": "response.created", "response": {"model": "m"}},
        {"type": "response.reasoning_text.delta", "delta": "hm"},
        {"type": "response.output_text.delta", "delta": "forty"},
        {"type": "response.output_text.delta", "delta": "-two"},
        {"type": "response.completed", "response": {
            "model": "m", "usage": {"input_tokens": 9, "output_tokens": 3}}},
        done=False,
    ))  # fmt: skip
    messages = [Message("system", "Rules."), Message("user", "What?")]
    deltas = list(endpoint.stream("m", messages, 5, 0.0, "responses"))
    assert text_of(deltas) == "forty-two"
    assert deltas[-1].finish_reason == "stop"
    assert deltas[-1].usage == Usage(9, 3)
    sent = server.requests[0].json
    assert (sent["instructions"], sent["input"]) == (
        "Rules.",
        [{"role": "user", "content": "What?"}],
    )


def test_failed_response_is_an_error(server, endpoint):
    failed = {"type": "response.failed", "response": {"error": {"message": "No models loaded."}}}
    server.on("/v1/responses", sse(failed, done=False))
    with pytest.raises(ModelUnavailable):
        list(endpoint.stream("m", QUESTION, 5, 0.0, "responses"))


def test_native_embeddings_are_asked_at_their_own_path(server):
    server.on(
        "/api/v0/embeddings", as_json({"object": "list", "data": embedding_rows(VECTORS[:1])})
    )
    endpoint = Endpoint(server.url, "k", native_embeddings=True)
    assert endpoint.embed("m", ["a"]).shape == (1, 2)
    endpoint.close()


def test_native_post_returns_its_answer_or_raises(server, endpoint):
    server.on(
        "/api/v1/models/load", as_json({"status": "loaded"}), as_json({"error": "No models loaded"})
    )
    assert endpoint.post("/api/v1/models/load", {"model": "m"}) == {"status": "loaded"}
    with pytest.raises(ModelUnavailable):
        endpoint.post("/api/v1/models/load", {"model": "m"})
