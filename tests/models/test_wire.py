"""The embedded models through the real OpenAI client, in process and over loopback."""

import base64
import http.client
import json
import socket
import threading
from contextlib import contextmanager

import httpx2
import numpy
import openai
import pytest

from rag.models.base.errors import EndpointUnreachable
from rag.models.base.passages import NOT_IN_DOCUMENTS, Passage, render_passages
from rag.models.embedded.extractive import THRESHOLD
from rag.models.embedded.extractive import answer as score_answer
from rag.models.embedded.loopback import MAX_BODY_BYTES, serve_beside
from rag.models.embedded.reply import Reply
from rag.models.embedded.wire import EmbeddedServer, InProcessTransport

PASSAGES = [
    Passage(1, "pump.pdf p. 3", "The pump is serviced every 500 hours. Seals are original parts."),
    Passage(2, "fees.txt", "The fee is 20 euros for members. The fee is 30 euros for guests."),
]
BLOCKS = render_passages(PASSAGES, "0f3a")
FEES = '"The fee is 20 euros for members." [2] "The fee is 30 euros for guests." [2]'


@contextmanager
def in_process(handler):
    with httpx2.Client(transport=InProcessTransport(handler)) as client:
        yield "http://embedded/v1", client


@contextmanager
def over_loopback(handler):
    with serve_beside(handler) as url, httpx2.Client(trust_env=False) as client:
        yield url, client


@contextmanager
def connect(wire, handler):
    with wire(handler) as (url, client):
        yield openai.OpenAI(base_url=url, api_key="x", max_retries=0, http_client=client)


@pytest.fixture(scope="module")
def server(weights_cache):
    return EmbeddedServer(weights_cache)


@pytest.fixture(params=[in_process, over_loopback])
def wire(request):
    return request.param


@pytest.fixture
def client(wire, server):
    with connect(wire, server) as client:
        yield client


def ask(client, question, **options):
    messages = [
        {"role": "system", "content": "Cite."},
        {"role": "user", "content": f"{BLOCKS}\n\nQuestion: {question}"},
    ]
    return client.chat.completions.create(model="extractive", messages=messages, **options)


def test_models_are_listed_with_their_kind_and_context(client):
    models = {model.id: model for model in client.models.list()}
    assert {name: model.type for name, model in models.items()} == {
        "all-MiniLM-L6-v2": "embeddings",
        "extractive": "llm",
    }
    assert models["all-MiniLM-L6-v2"].meta == {"n_ctx": 256, "n_embd": 384}
    assert models["extractive"].meta == {"n_ctx": 32_768}
    assert {model.owned_by for model in models.values()} == {"foldercite"}


def test_embeddings_are_the_same_as_numbers_and_as_bytes(client, server):
    texts = ["one text", "another, longer text", "三"]
    expected = server.encoder.encode(texts)
    for encoding in ("float", "base64"):
        answer = client.embeddings.create(
            model="all-MiniLM-L6-v2", input=texts, encoding_format=encoding
        )
        rows = [item.embedding for item in answer.data]
        if encoding == "base64":
            rows = [numpy.frombuffer(base64.b64decode(row), "<f4") for row in rows]
        numpy.testing.assert_allclose(numpy.array(rows, numpy.float32), expected, atol=1e-6)
        assert [item.index for item in answer.data] == [0, 1, 2]
        assert answer.usage.prompt_tokens == sum(server.count_tokens(texts))


def test_embedding_of_a_single_string_is_one_row(client):
    answer = client.embeddings.create(model="all-MiniLM-L6-v2", input="text " * 400)
    assert [len(item.embedding) for item in answer.data] == [384]
    assert answer.usage.prompt_tokens == 256


def test_chat_answers_from_the_passages(client, server):
    answer = ask(client, "How much is the fee?")
    assert answer.choices[0].message.content == FEES
    assert answer.choices[0].finish_reason == "stop"
    usage = answer.usage
    assert usage.completion_tokens == server.count_tokens([FEES])[0]
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens


def test_chat_says_when_the_documents_do_not_hold_it(client):
    answer = ask(client, "Which team won the ice hockey cup of 1954?")
    assert answer.choices[0].message.content == NOT_IN_DOCUMENTS


def test_chat_quotes_what_is_only_a_little_like_the_question(server):
    text = "A lost device is reported to the help desk at once. The canteen opens at noon."
    question = "Someone stole my notebook, what now?"
    score = score_answer(question, [Passage(1, "it.md", text)], server.encoder.encode).score
    assert THRESHOLD < score < 0.25
    prompt = f"{render_passages([Passage(1, 'it.md', text)], '0123456789abcdef')}\n\nQuestion: {question}"
    body = json.dumps({"model": "extractive", "messages": [{"role": "user", "content": prompt}]})
    reply = server.handle("POST", "/v1/chat/completions", body.encode())
    said = json.loads(b"".join(reply.body))["choices"][0]["message"]["content"]
    assert said.startswith('"A lost device is reported')


def test_chat_without_passages_says_so(client):
    messages = [{"role": "user", "content": [{"type": "text", "text": "Hello?"}]}]
    answer = client.chat.completions.create(model="extractive", messages=messages)
    assert answer.choices[0].message.content == NOT_IN_DOCUMENTS


def test_chat_stream_begins_with_the_role_and_ends_with_stop_and_usage(client):
    options = {"include_usage": True}
    chunks = list(ask(client, "How much is the fee?", stream=True, stream_options=options))
    assert chunks[0].choices[0].delta.role == "assistant"
    pieces = [chunk.choices[0].delta.content for chunk in chunks[1:-2]]
    assert len(pieces) == 2
    assert "".join(pieces) == FEES
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].choices == []
    assert chunks[-1].usage.completion_tokens > 10
    assert len({chunk.id for chunk in chunks}) == 1


def test_chat_stream_has_no_usage_unless_asked(client):
    chunks = list(ask(client, "How much is the fee?", stream=True))
    assert all(chunk.usage is None for chunk in chunks)
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_chat_stream_arrives_while_it_is_made(wire):
    first_was_read = threading.Event()

    class Slow:
        def handle(self, method, path, body):
            return Reply(200, {"Content-Type": "text/event-stream"}, self.speak())

        def speak(self):
            for word in ("one", "two"):
                choice = {"index": 0, "delta": {"content": word}, "finish_reason": None}
                chunk = {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "m"}
                yield b"data: " + json.dumps(chunk | {"choices": [choice]}).encode() + b"\n\n"
                assert first_was_read.wait(20), "the first part was held back"
            yield b"data: [DONE]\n\n"

    words = []
    with connect(wire, Slow()) as client:
        for chunk in ask(client, "?", stream=True):
            words.append(chunk.choices[0].delta.content)
            first_was_read.set()
    assert words == ["one", "two"]


def test_stream_that_is_left_early_is_closed(wire):
    closed = threading.Event()

    class Endless:
        def handle(self, method, path, body):
            return Reply(200, {"Content-Type": "text/event-stream"}, self.speak())

        def speak(self):
            try:
                while True:
                    yield b"data: " + b"x" * 65536 + b"\n\n"
            finally:
                closed.set()

    with wire(Endless()) as (url, client):
        with client.stream("GET", f"{url}/models") as response:
            next(response.iter_bytes())
        assert closed.wait(20)


EMBED, CHAT = "/embeddings", "/chat/completions"
MINILM = {"model": "all-MiniLM-L6-v2"}
TALK = {"model": "extractive", "messages": [{"role": "user", "content": "?"}]}


@pytest.mark.parametrize(
    ("path", "request_body", "status", "said"),
    [
        (EMBED, MINILM | {"input": []}, 400, "input is empty"),
        (EMBED, MINILM | {"input": ["a", ""]}, 400, "empty string"),
        (EMBED, MINILM | {"input": [1, 2]}, 400, "list of strings"),
        (EMBED, MINILM | {"input": [[1, 2]]}, 400, "list of strings"),
        (EMBED, MINILM, 400, "list of strings"),
        (EMBED, MINILM | {"input": "a", "dimensions": 64}, 400, "384 dimensions"),
        (EMBED, MINILM | {"input": "a", "encoding_format": "int8"}, 400, "'base64'"),
        (EMBED, {"model": "gpt", "input": "a"}, 404, "no model 'gpt'"),
        (EMBED, {"input": "a"}, 404, "no model None"),
        (EMBED, {"model": "extractive", "input": "a"}, 400, "use all-MiniLM-L6-v2"),
        (CHAT, TALK | MINILM, 400, "use extractive"),
        (CHAT, TALK | {"messages": []}, 400, "message of the user"),
        (CHAT, TALK | {"messages": ["x"]}, 400, "message of the user"),
        (CHAT, TALK | {"tools": [{"type": "function"}]}, 400, "tools"),
        (CHAT, TALK | {"response_format": {"type": "json_schema"}}, 400, "'text'"),
        (CHAT, [], 400, "JSON object"),
        ("/responses", {}, 404, "nothing at /v1/responses"),
        ("/models", {}, 405, "wants GET"),
    ],
)
def test_wrong_request_gets_an_error_of_the_protocol(client, path, request_body, status, said):
    with pytest.raises(openai.APIStatusError, match=said) as raised:
        client.post(path, cast_to=object, body=request_body)
    assert raised.value.status_code == status
    assert raised.value.body["type"] == "invalid_request_error"


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[" * 100_000])
def test_bad_json_is_refused(server, body):
    reply = server.handle("POST", "/v1/embeddings", body)
    assert reply.status == 400
    assert "not valid JSON" in json.loads(b"".join(reply.body))["error"]["message"]


def test_lone_surrogate_is_embedded(server):
    body = b'{"model": "all-MiniLM-L6-v2", "input": "half \\ud83d pair"}'
    assert server.handle("POST", "/v1/embeddings", body).status == 200


def test_missing_weights_name_the_command(wire, tmp_path):
    with connect(wire, EmbeddedServer(tmp_path)) as client:
        assert len(list(client.models.list())) == 2
        for stream in (True, False):
            with pytest.raises(openai.InternalServerError, match="rag models pull") as raised:
                ask(client, "How much?", stream=stream)
            assert raised.value.status_code == 503
            assert raised.value.code == "weights_missing"


@contextmanager
def raw(handler):
    """A connection below the client, for requests no client would send."""
    with serve_beside(handler) as url:
        connection = http.client.HTTPConnection(url.removesuffix("/v1").partition("//")[2])
        try:
            yield connection
        finally:
            connection.close()


def error_of(response):
    return response.status, json.loads(response.read())["error"]["message"]


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:80", "", "[::2]:80"])
def test_foreign_host_name_is_refused(server, host):
    with raw(server) as connection:
        connection.request("GET", "/v1/models", headers={"Host": host})
        assert connection.getresponse().status == 421


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:80", "[::1]:99", "127.0.0.1"])
def test_own_host_names_are_served_on_one_connection(server, host):
    with raw(server) as connection:
        for _ in range(3):
            connection.request("GET", "/v1/models?x=1", headers={"Host": host})
            response = connection.getresponse()
            assert response.status == 200
            assert not response.will_close
            response.read()


def test_body_over_the_limit_is_refused(server):
    with raw(server) as connection:
        connection.request("POST", "/v1/embeddings", body=b"x" * (MAX_BODY_BYTES + 1))
        assert error_of(connection.getresponse()) == (413, "The body is larger than 32 MB")


def test_body_without_a_length_is_refused(server):
    with raw(server) as connection:
        headers = {"Transfer-Encoding": "chunked"}
        connection.request("POST", "/v1/embeddings", body=iter([b"{}"]), headers=headers)
        assert connection.getresponse().status == 411


def test_stream_to_an_old_client_ends_with_the_connection(server):
    body = json.dumps(TALK | {"stream": True}).encode()
    with (
        serve_beside(server) as url,
        socket.create_connection(("127.0.0.1", httpx2.URL(url).port), timeout=20) as connection,
    ):
        head = (
            f"POST /v1/chat/completions HTTP/1.0\r\nHost: localhost\r\nContent-Length: {len(body)}"
        )
        connection.sendall(head.encode() + b"\r\n\r\n" + body)
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    assert received.endswith(b"data: [DONE]\n\n")
    assert b"chunked" not in received


def test_taken_port_is_told(server):
    with serve_beside(server) as url:
        port = httpx2.URL(url).port
        with pytest.raises(EndpointUnreachable, match=f"Port {port}"), serve_beside(server, port):
            pass
