import gzip
import inspect
import socket
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import chain

import httpx2
import numpy
import openai
import pytest
from fault_server import Reply, as_json, chunk, embedding_rows, endless, sse

from ingest.base.errors import PipelineError
from rag.models.base.errors import (
    AuthenticationFailed,
    BadResponse,
    ContextOverflow,
    EndpointError,
    EndpointUnreachable,
    ModelLost,
    ModelUnavailable,
    RequestRefused,
    ServerBusy,
)
from rag.models.base.messages import Message
from rag.models.endpoint import Endpoint, Timeouts
from rag.models.wire.faults import read_seconds

VECTORS = [[3.0, 4.0], [0.0, 2.0], [1.0, 0.0]]
UNIT = [[0.6, 0.8], [0.0, 1.0], [1.0, 0.0]]
QUESTION = [Message("user", "What is it?")]
WAYS = {
    "get": lambda endpoint: endpoint.get("/v1/models"),
    "embed": lambda endpoint: endpoint.embed("m", ["a"]),
    "stream": lambda endpoint: list(endpoint.stream("m", QUESTION, 5, 0.0)),
}


@pytest.fixture
def endpoint(server):
    endpoint = Endpoint(server.url, "lm-studio", Timeouts(response=5, idle=0.5, retry=0.01, load=1))
    yield endpoint
    endpoint.close()


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
    "not json": (Reply(b"{", headers={"Content-Type": "text/plain"}), BadResponse, "/v1"),
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


def test_https_to_a_server_without_it_is_told(server):
    endpoint = Endpoint(server.url.replace("http:", "https:"), "k")
    with pytest.raises(EndpointUnreachable, match="no safe connection") as caught:
        endpoint.get("/v1/models")
    assert "http://" in caught.value.hint
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
    endpoint = Endpoint("http://127.0.0.1:9/v1", "k", Timeouts(retry=0.001), Raising())
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


def test_measured_embeddings_tell_their_lengths_and_who_answered(server, endpoint):
    server.on("/v1/embeddings", as_json({"data": embedding_rows(VECTORS[:2]), "model": "m@q8_0"}),
              as_json({"data": embedding_rows(VECTORS[:1])}))  # fmt: skip
    answer = endpoint.embed_measured("m", ["a", "b"])
    numpy.testing.assert_allclose(answer.vectors, UNIT[:2], rtol=1e-6)
    assert answer.lengths.tolist() == [5.0, 2.0]
    assert answer.lengths.dtype == numpy.float32
    assert answer.model == "m@q8_0"
    assert endpoint.embed_measured("m", ["a"]).model == ""


def test_bare_nan_is_told_with_its_text(server, endpoint):
    server.on("/v1/embeddings", Reply(b'{"data": [{"index": 0, "embedding": [NaN, 1.0]}]}'))
    with pytest.raises(BadResponse, match="text 1 of 1"):
        endpoint.embed("m", ["a"])


@pytest.mark.parametrize("number", [1e300, 1e30, 10**400], ids=["double", "square", "integer"])
def test_number_too_large_is_refused_without_a_warning(server, endpoint, number):
    server.on("/v1/embeddings", as_json({"data": [{"index": 0, "embedding": [number, 1]}]}))
    with pytest.raises(BadResponse):
        endpoint.embed("m", ["a"])


def test_page_of_html_is_told_by_its_type(server, endpoint):
    server.on("/v1/embeddings", FAULTS["html"][0])
    with pytest.raises(BadResponse, match="text/html"):
        endpoint.embed("m", ["a"])


# Limits on what is read.


def test_request_asks_for_no_compression(server, endpoint):
    server.on("/v1/embeddings", as_json({"data": embedding_rows(VECTORS[:1])}))
    endpoint.embed("m", ["a"])
    assert server.requests[0].headers["accept-encoding"] == "identity"


def test_compressed_answer_is_refused_unread(server, endpoint):
    body = gzip.compress(as_json({"data": embedding_rows(VECTORS[:1])}).body)
    server.on("/v1/embeddings", Reply(body, headers={"Content-Encoding": "gzip"}))
    with pytest.raises(BadResponse, match="gzip") as caught:
        endpoint.embed("m", ["a"])
    assert not caught.value.retryable


@pytest.mark.parametrize("ask", WAYS.values(), ids=WAYS.keys())
def test_redirect_is_told_and_not_followed(server, endpoint, ask):
    target = f"{server.root}/elsewhere"
    moved = Reply(b"", 307, {"Location": target})
    for path in ("/v1/models", "/v1/embeddings", "/v1/chat/completions"):
        server.on(path, moved)
    with pytest.raises(BadResponse, match=f"redirects to {target}") as caught:
        ask(endpoint)
    assert "RAG_ENDPOINT" in caught.value.hint
    assert len(server.requests) == 1


def test_path_of_another_server_that_redirects_is_no_json(server, endpoint):
    server.on("/api/v1/models", Reply(b"<html>", 302, {"Location": "/login"}))
    assert endpoint.get("/api/v1/models") is None


def test_answer_that_trickles_ends_in_time(server):
    def trickle():
        for _ in range(60):
            yield b" "
            time.sleep(0.05)

    endpoint = Endpoint(server.url, "k", Timeouts(response=0.4, retry=0.01))
    server.on("/v1/embeddings", lambda _: Reply(trickle()))
    started = time.monotonic()
    with pytest.raises(EndpointUnreachable, match="within 0.4 seconds"):
        endpoint.embed("m", ["a"])
    assert time.monotonic() - started < 2
    endpoint.close()


def test_answer_without_end_is_cut(server, endpoint, monkeypatch):
    monkeypatch.setattr("rag.models.wire.client.MOST_BYTES", 2**20)
    sent = []

    def flood():
        for _ in range(64):
            sent.append(2**16)
            yield b" " * 2**16

    server.on("/v1/embeddings", Reply(flood()))
    with pytest.raises(BadResponse, match="more than"):
        endpoint.embed("m", ["a"])


# Patience.


def answers(*replies):
    return [*replies, as_json({"data": embedding_rows(VECTORS[:1])})]


FIVE_HUNDRED = as_json({"error": {"message": "oops"}}, 500)
CRASHED = as_json(
    {"error": "The model has crashed without additional information. (Exit code: 6)"}, 400
)


def test_other_faults_are_retried_twice_whatever_was_waited_for_before(server, endpoint):
    server.on("/v1/embeddings", *[LOADING] * 3, FIVE_HUNDRED)
    with pytest.raises(EndpointError, match="oops"):
        endpoint.embed("m", ["a"])
    assert len(server.requests) == 3 + 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 501])
def test_refusals_are_never_retried(server, endpoint, status):
    server.on("/v1/embeddings", *answers(as_json({"error": "no"}, status)))
    with pytest.raises(EndpointError) as caught:
        endpoint.embed("m", ["a"])
    assert not caught.value.retryable
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504])
def test_passing_states_are_retried(server, endpoint, status):
    server.on("/v1/embeddings", *answers(as_json({"error": "later"}, status)))
    assert endpoint.embed("m", ["a"]).shape == (1, 2)


@pytest.mark.parametrize("ask", [WAYS["embed"], WAYS["stream"]], ids=["embed", "stream"])
def test_timeout_is_sent_again_once(server, ask):
    slow = [Reply(b"", delay=0.6)]
    server.on("/v1/embeddings", *slow)
    server.on("/v1/chat/completions", *slow)
    endpoint = Endpoint(server.url, "k", Timeouts(response=0.2, retry=0.01))
    with pytest.raises(EndpointUnreachable, match="in time"):
        ask(endpoint)
    endpoint.close()
    assert len(server.requests) == 2


def test_listing_that_times_out_is_not_asked_for_again(server):
    server.on("/v1/models", Reply(b"", delay=0.6))
    endpoint = Endpoint(server.url, "k", Timeouts(response=0.2, retry=0.01))
    with pytest.raises(EndpointUnreachable, match="in time"):
        endpoint.get("/v1/models")
    endpoint.close()
    assert len(server.requests) == 1


def test_retry_after_a_date_is_read():
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=30))
    assert 25 < read_seconds(soon) <= 30
    assert read_seconds("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0
    assert [read_seconds(text) for text in ("2", None, "soon")] == [2.0, None, None]
    assert [read_seconds(text) for text in ("inf", "1e400", "nan")] == [None, None, None]


def test_short_wish_is_no_storm(server):
    busy = Reply(b'{"error": "slow down"}', 429, {"Retry-After": "0.000001"})
    server.on("/v1/embeddings", busy)
    endpoint = Endpoint(server.url, "k", Timeouts(retry=0.1, load=0.5))
    with pytest.raises(ServerBusy):
        endpoint.embed("m", ["a"])
    endpoint.close()
    assert len(server.requests) <= 6


def test_wish_of_more_than_two_minutes_is_an_error_at_once(server):
    server.on("/v1/embeddings", Reply(b"{}", 429, {"Retry-After": "121"}))
    endpoint = Endpoint(server.url, "k", Timeouts(load=3000))
    with pytest.raises(ServerBusy, match="asks to wait 121 seconds"):
        endpoint.embed("m", ["a"])
    endpoint.close()


def test_lost_model_is_loaded_before_the_second_try(server, endpoint):
    happened = []
    endpoint.on_wait = lambda what, _seconds: happened.append(what)
    endpoint.on_lost = lambda model: happened.append(f"load {model}")
    server.on("/v1/embeddings", *answers(CRASHED, CRASHED))
    assert endpoint.embed("m", ["a"]).shape == (1, 2)
    assert ["crashed" in happened[0], happened[1]] == [True, "load m"]
    assert len(happened) == 4


def test_model_lost_for_good_is_given_up(server, endpoint):
    server.on("/v1/embeddings", CRASHED)
    with pytest.raises(ModelLost) as caught:
        endpoint.embed("m", ["a"])
    assert "lms load m" in caught.value.hint
    assert len(server.requests) == 3


def test_model_that_cannot_be_loaded_again_is_the_error_told(server, endpoint):
    def fail(model):
        raise ServerBusy(f"cannot load {model}")

    endpoint.on_lost = fail
    server.on("/v1/embeddings", CRASHED)
    with pytest.raises(ServerBusy, match="cannot load m"):
        endpoint.embed("m", ["a"])
    assert len(server.requests) == 1


# Words of errors.


def test_missing_model_is_told_with_the_models_there_are(server, endpoint):
    server.on("/v1/embeddings", as_json({"error": {"message": 'model "x" not found'}}, 404))
    server.on("/v1/models", as_json({"data": [{"id": "nomic"}, {"id": "qwen"}]}))
    with pytest.raises(ModelUnavailable, match="it offers nomic, qwen"):
        endpoint.embed("x", ["a"])


def test_hints_speak_the_language_of_the_server(server, endpoint):
    server.on("/v1/embeddings", as_json({"error": {"message": 'model "x" not found'}}, 404))
    endpoint.server = "Ollama"
    with pytest.raises(ModelUnavailable) as caught:
        endpoint.embed("x", ["a"])
    assert "ollama pull x" in caught.value.hint


def test_exception_text_is_cut(server, endpoint):
    rows = [{"index": 0, "embedding": ["x" * 5000]}]
    server.on("/v1/embeddings", as_json({"data": rows}))
    with pytest.raises(BadResponse) as caught:
        endpoint.embed("m", ["a"])
    assert len(caught.value.message) < 500


def test_listing_refused_in_plain_text_is_told(server, endpoint):
    server.on("/v1/models", Reply(b"Unauthorized", 401, {"Content-Type": "text/plain"}))
    server.on("/api/v1/models", Reply(b"<html>", 403, {"Content-Type": "text/html"}))
    with pytest.raises(AuthenticationFailed, match="Unauthorized"):
        endpoint.get("/v1/models")
    assert endpoint.get("/api/v1/models") is None


SLOW_HEADS = {
    "a field that never ends": (b"HTTP/1.1 200 OK\r\nX: ", b"x"),
    "interim answers for ever": (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
}


@pytest.mark.parametrize("ask", WAYS.values(), ids=WAYS.keys())
@pytest.mark.parametrize(("start", "piece"), SLOW_HEADS.values(), ids=SLOW_HEADS.keys())
def test_head_that_trickles_ends_in_time(server, start, piece, ask):
    def behave(_request):
        return Reply(chain([start], endless(piece, 1.5)), raw=True, pace=0.02)

    for path in ("/v1/models", "/v1/embeddings", "/v1/chat/completions"):
        server.on(path, behave)
    endpoint = Endpoint(server.url, "k", Timeouts(response=0.2, retry=0.01))
    started = time.monotonic()
    with pytest.raises(EndpointUnreachable, match="in time"):
        ask(endpoint)
    assert time.monotonic() - started < 1
    endpoint.close()


def test_limit_of_the_head_begins_anew_with_each_request(server):
    server.on("/v1/embeddings", as_json({"data": embedding_rows([[1.0]])}))
    endpoint = Endpoint(server.url, "k", Timeouts(response=0.2, retry=0.01))
    endpoint.embed("m", ["a"])
    time.sleep(0.3)
    endpoint.embed("m", ["a"])
    endpoint.close()
    assert len(server.requests) == 2


def test_head_too_large_is_no_reason_to_ask_again(server, endpoint):
    flood = Reply(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000, raw=True)
    server.on("/v1/embeddings", flood)
    with pytest.raises(BadResponse, match="head"):
        endpoint.embed("m", ["a"])
    assert len(server.requests) == 1


def test_broken_connection_names_the_log(server, endpoint):
    server.on("/v1/embeddings", Reply(fault="reset"))
    with pytest.raises(EndpointUnreachable, match="broke") as caught:
        endpoint.embed("m", ["a"])
    assert "server still runs" in caught.value.hint


def test_vectors_of_two_lengths_are_told_with_both(server, endpoint):
    server.on("/v1/embeddings", as_json({"data": embedding_rows([[1.0] * 3, [1.0] * 2])}))
    with pytest.raises(BadResponse, match="2 and 3 numbers"):
        endpoint.embed("m", ["a", "b"])
