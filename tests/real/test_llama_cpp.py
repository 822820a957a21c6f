"""Our side of the protocol against a real llama.cpp server: real vectors, chat of chance."""

import base64
import json
from pathlib import Path

import httpx2
import numpy
import openai
import pytest
from tokenizers import Tokenizer

from rag.models.base.errors import (
    AuthenticationFailed,
    ContextOverflow,
    EndpointUnreachable,
    ModelUnavailable,
)
from rag.models.base.messages import Message
from rag.models.choose import choose_chat, choose_embedding
from rag.models.discover import list_models
from rag.models.embedded.encoder import Encoder
from rag.models.embedded.weights import model_folder
from rag.models.endpoint import Endpoint, Timeouts

HANDBOOK = Path(__file__).parents[2] / "data" / "documents" / "handbook"
EMBEDDING_MODEL, CHAT_MODEL, KEY = "all-MiniLM-L6-v2", "tiny-random-chat", "a-real-key"
QUESTION = "How many days of leave do I have in a year?"
HELLO = [Message("user", "Hello there.")]
TEXTS = [
    "The mast of the Plover 22 is held by four bolts.",
    "leave",
    "Für Überstunden gilt die Betriebsvereinbarung in Lüttsande.",
    "Receipts below 25.50 EUR need no signature; all others do!",
    "東京の図書館は月曜日に休みです。",
    "naïve café, coöperate, Ångström",
    "def read(path: Path) -> str:  # returns the text",
    "emoji 🙂 and symbols → ≥ ½ ™",
    "A much longer text that says the same thing over and over again. " * 15,
    "x",
]


class CountingTransport(httpx2.HTTPTransport):
    """The network, with a count of the requests that were sent into it."""

    def __init__(self) -> None:
        super().__init__()
        self.requests = 0

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        self.requests += 1
        return super().handle_request(request)


@pytest.fixture
def connect():
    """Connect to a URL; all connections are closed after the test."""
    endpoints = []

    def connect(url: str, key: str = "lm-studio", transport=None) -> Endpoint:
        endpoints.append(Endpoint(url, key, Timeouts(response=60, retry=0.01), transport))
        return endpoints[-1]

    yield connect
    for endpoint in endpoints:
        endpoint.close()


@pytest.fixture(scope="session")
def reference(weights_cache):
    """The vectors of the embedded default."""
    return Encoder(model_folder(weights_cache)).encode


@pytest.fixture(scope="session")
def tokens_of(weights_cache):
    """Tokens of a text, special ones included, by the tokenizer that came with the weights."""
    tokenizer = Tokenizer.from_file(str(model_folder(weights_cache) / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return lambda text: tokenizer.encode(text).ids


@pytest.fixture
def raw():
    with httpx2.Client(trust_env=False, timeout=60) as client:
        yield client


# What is offered


@pytest.mark.parametrize(
    ("server", "model", "context", "most"),
    [("embedding", EMBEDDING_MODEL, 512, 512), ("chat", CHAT_MODEL, 4096, 4096)],
)
def test_models_are_listed_with_the_loaded_context(connect, llama, server, model, context, most):
    offer = list_models(connect(llama[server]))
    assert (offer.server, offer.source) == ("llama.cpp", "/v1/models")
    (only,) = offer.models
    assert (only.id, only.loaded) == (model, True)
    assert (only.context_tokens, only.max_context_tokens) == (context, most)


def test_each_server_is_chosen_for_what_it_can_do(connect, llama_embedding_url, llama_chat_url):
    embedding, chat = (list_models(connect(url)) for url in (llama_embedding_url, llama_chat_url))
    assert choose_embedding(embedding, None).model.id == EMBEDDING_MODEL
    assert choose_chat(chat, None).model.id == CHAT_MODEL
    with pytest.raises(ModelUnavailable) as no_embedding:
        choose_embedding(chat, None)
    assert "llama-server" in no_embedding.value.hint
    with pytest.raises(ModelUnavailable) as no_chat:
        choose_chat(embedding, None)
    assert "RAG_CHAT_ENDPOINT" in no_chat.value.hint


def test_model_served_without_a_name_is_known_by_its_file(connect, llama):
    offer = list_models(connect(llama["embedding without a name"]))
    assert choose_embedding(offer, EMBEDDING_MODEL).model.id.endswith(f"{EMBEDDING_MODEL}.gguf")
    assert choose_embedding(offer, None).model == offer.models[0]


# Embeddings


def test_vectors_are_those_of_the_embedded_default(connect, llama_embedding_url, reference):
    vectors = connect(llama_embedding_url).embed(EMBEDDING_MODEL, TEXTS)
    assert vectors.shape == (len(TEXTS), 384)
    assert ((vectors * reference(TEXTS)).sum(axis=1) >= 0.999).all()


def test_floats_and_base64_hold_the_same_numbers(raw, connect, llama_embedding_url):
    def embed(encoding: str) -> list[object]:
        body = {"model": EMBEDDING_MODEL, "input": TEXTS[:3], "encoding_format": encoding}
        answer = raw.post(f"{llama_embedding_url}/embeddings", json=body).json()
        return [item["embedding"] for item in answer["data"]]

    packed = [numpy.frombuffer(base64.b64decode(text), "<f4") for text in embed("base64")]
    ours = connect(llama_embedding_url).embed(EMBEDDING_MODEL, TEXTS[:3])
    numpy.testing.assert_allclose(ours, packed, atol=1e-5)
    numpy.testing.assert_allclose(ours, embed("float"), atol=1e-5)


def test_300_texts_in_one_request_come_back_in_order(connect, llama_embedding_url, reference):
    texts = [f"part {number}" for number in range(300)]
    transport = CountingTransport()
    vectors = connect(llama_embedding_url, transport=transport).embed(EMBEDDING_MODEL, texts)
    assert transport.requests == 1
    assert ((vectors * reference(texts)).sum(axis=1) >= 0.999).all()


def test_overlong_text_is_an_overflow_with_its_limit_at_once(connect, llama_embedding_url):
    transport = CountingTransport()
    endpoint = connect(llama_embedding_url, transport=transport)
    with pytest.raises(ContextOverflow) as caught:
        endpoint.embed(EMBEDDING_MODEL, ["short", "hello " * 5000])
    assert caught.value.limit_tokens == 512
    assert "5002 tokens" in caught.value.message
    assert "RAG_CHUNK_TOKENS" in caught.value.hint
    assert transport.requests == 1


def test_embeddings_of_a_chat_server_are_refused_at_once(connect, llama_chat_url):
    transport = CountingTransport()
    endpoint = connect(llama_chat_url, transport=transport)
    with pytest.raises(ModelUnavailable) as caught:
        endpoint.embed(CHAT_MODEL, ["hello"])
    assert "does not support embeddings" in caught.value.message
    assert "RAG_EMBEDDING_ENDPOINT" in caught.value.hint
    assert transport.requests == 1


# Chat


@pytest.mark.parametrize("surface", ["chat", "completions", "responses"])
def test_answer_is_streamed_with_finish_reason_and_usage(connect, llama_chat_url, surface):
    deltas = list(connect(llama_chat_url).stream(CHAT_MODEL, HELLO, 16, 0.5, surface))
    texts = [delta.text for delta in deltas if delta.text]
    assert len(texts) > 3
    assert [d.finish_reason for d in deltas if d.finish_reason] == ["length"]
    (usage,) = [delta.usage for delta in deltas if delta.usage]
    assert usage.answer_tokens == 16
    assert 5 < usage.prompt_tokens < 40
    assert {delta.model for delta in deltas} <= {CHAT_MODEL, ""}


def test_overlong_chat_is_an_overflow_with_its_limit_at_once(connect, llama_chat_url):
    transport = CountingTransport()
    endpoint = connect(llama_chat_url, transport=transport)
    with pytest.raises(ContextOverflow) as caught:
        list(endpoint.stream(CHAT_MODEL, [Message("user", "hello " * 9000)], 16, 0.5))
    assert caught.value.limit_tokens == 4096
    assert "exceeds the available context size" in caught.value.message
    assert caught.value.hint
    assert transport.requests == 1


def test_chat_of_an_embedding_server_is_refused_at_once(connect, llama_embedding_url):
    transport = CountingTransport()
    endpoint = connect(llama_embedding_url, transport=transport)
    with pytest.raises(ModelUnavailable) as caught:
        list(endpoint.stream(EMBEDDING_MODEL, HELLO, 16, 0.5))
    assert "does not support" in caught.value.message
    assert "RAG_CHAT_ENDPOINT" in caught.value.hint
    assert transport.requests == 1


def test_server_killed_in_mid_answer_is_an_error_and_not_a_short_answer(connect, mortal):
    endpoint = connect(mortal.urls["chat"])
    stream = endpoint.stream(CHAT_MODEL, HELLO, 3500, 0.5)
    assert next(delta.text for delta in stream if delta.text)
    mortal.process.kill()
    with pytest.raises(EndpointUnreachable) as caught:
        list(stream)
    assert caught.value.hint
    mortal.process.wait(10)
    with pytest.raises(EndpointUnreachable, match="no server at"):
        list_models(endpoint)


# Keys


@pytest.mark.parametrize("path", ["models", "embeddings", "chat"])
def test_wrong_key_is_named_as_such(connect, llama, path):
    transport = CountingTransport()
    endpoint = connect(llama["chat with a key"], "a-wrong-key", transport)
    actions = {
        "models": lambda: list_models(endpoint),
        "embeddings": lambda: endpoint.embed(CHAT_MODEL, ["hello"]),
        "chat": lambda: list(endpoint.stream(CHAT_MODEL, HELLO, 16, 0.5)),
    }
    with pytest.raises(AuthenticationFailed) as caught:
        actions[path]()
    assert "RAG_API_KEY" in caught.value.hint
    assert "a-wrong-key" not in f"{caught.value.message} {caught.value.hint}"
    assert transport.requests == 1


def test_right_key_opens_the_server(connect, llama):
    endpoint = connect(llama["chat with a key"], KEY)
    assert choose_chat(list_models(endpoint), None).model.id == CHAT_MODEL
    assert list(endpoint.stream(CHAT_MODEL, HELLO, 4, 0.5))[-1]


# What llama.cpp has besides


def test_server_counts_tokens_as_the_embedded_default_does(raw, llama_embedding_url, tokens_of):
    root = llama_embedding_url.removesuffix("/v1")
    for text in TEXTS:
        body = {"content": text, "add_special": True}
        assert raw.post(f"{root}/tokenize", json=body).json() == {"tokens": tokens_of(text)}


def test_properties_tell_context_template_and_slots(raw, llama_chat_url):
    properties = raw.get(f"{llama_chat_url.removesuffix('/v1')}/props").json()
    assert properties["default_generation_settings"]["n_ctx"] == 4096
    assert properties["model_alias"] == CHAT_MODEL
    assert properties["total_slots"] == 1
    assert "<|im_start|>" in properties["chat_template"]


def test_schema_constrains_even_random_weights(raw, llama_chat_url):
    schema = {
        "type": "object",
        "properties": {
            "answered": {"type": "boolean"},
            "passages": {"type": "array", "items": {"enum": [1, 2, 3]}, "maxItems": 3},
        },
        "required": ["answered", "passages"],
        "additionalProperties": False,
    }
    client = openai.OpenAI(base_url=llama_chat_url, api_key="x", max_retries=0, http_client=raw)
    for _ in range(3):
        answer = client.chat.completions.create(
            model=CHAT_MODEL,
            messages=[{"role": "user", "content": "Hello"}],
            max_tokens=1000,
            response_format={
                "type": "json_schema",
                "json_schema": {"name": "verdict", "schema": schema, "strict": True},
            },
        )
        choice = answer.choices[0]
        assert choice.finish_reason == "stop"
        verdict = json.loads(choice.message.content)
        assert set(verdict) == {"answered", "passages"}
        assert isinstance(verdict["answered"], bool)
        assert set(verdict["passages"]) <= {1, 2, 3}
