"""The embedder against servers that read less of a text than they say."""

import numpy
import pytest
from fault_server import FaultServer, as_json, embedding_rows

from ingest.base.errors import TextsRejected
from rag.models.base.errors import BadResponse, ModelUnavailable
from rag.models.discover import ModelInfo
from rag.models.embedder import connect_embedder, with_true_limit
from rag.models.endpoint import Endpoint, Timeouts

PROBE = "A sentence to probe with."


def letters(text: str) -> list[float]:
    return [1 + text.count(letter) for letter in "abcdefghijklmnopqrstuvwxyz"]


def cutting(limit: int):
    """A server that reads the first words only and says nothing."""

    def embed(request):
        texts = [" ".join(text.split()[:limit]) for text in request.json["input"]]
        return as_json({"data": embedding_rows([letters(text) for text in texts])})

    return embed


def refusing(limit: int):
    """A server that refuses longer texts, as llama.cpp does."""

    def embed(request):
        longest = max(len(text.split()) for text in request.json["input"])
        if longest > limit:
            text = (
                f"input ({longest} tokens) is too large to process. (current batch size: {limit})"
            )
            return as_json({"error": {"code": 500, "message": text}}, 500)
        return cutting(limit)(request)

    return embed


@pytest.fixture
def connect():
    with FaultServer().running() as server:
        endpoint = Endpoint(server.url, "k", Timeouts(retry=0.01, load=1))

        def connect(behaviour, model: ModelInfo):
            server.on("/v1/embeddings", behaviour)
            return connect_embedder(endpoint, model, 1, PROBE)[0]

        yield connect
        endpoint.close()


MODEL = ModelInfo("text-embedding-nomic-embed-text-v1.5", "embedding", True, 2048, 2048)


def test_documents_and_questions_get_their_prefixes(connect):
    texts: list[str] = []

    def embed(request):
        texts.extend(request.json["input"])
        return cutting(999)(request)

    embedder = connect(embed, MODEL)
    embedder.embed(["one"])
    embedder.embed_query("two\nlines")
    assert texts == [f"search_document: {PROBE}", "search_document: one", "search_query: two lines"]
    assert embedder.dimension == 26
    assert embedder.identity == "nomic-embed-text-v1.5|26|search_document: "


@pytest.mark.parametrize(
    ("model", "most"),
    [
        (MODEL, 2048),
        (ModelInfo("all-minilm", context_tokens=512), 256),
        (ModelInfo("something-new"), 512),
        (ModelInfo("something-new", max_context_tokens=8192), 8192),
    ],
)
def test_limit_is_the_least_of_what_is_known(connect, model, most):
    assert most - 20 < connect(cutting(99999), model).token_limit <= most - 2


@pytest.mark.parametrize("server", [cutting, refusing])
@pytest.mark.parametrize("limit", [400, 300, 130, 64])
def test_true_limit_is_found(connect, server, limit):
    embedder = with_true_limit(connect(server(limit), MODEL), 250)
    assert min(limit, 250) / 2 - 8 <= embedder.token_limit <= min(limit, 250)


def test_model_that_reads_next_to_nothing_is_refused(connect):
    with pytest.raises(ModelUnavailable, match="reads less than 32") as caught:
        with_true_limit(connect(cutting(16), MODEL), 250)
    assert "larger context" in caught.value.hint


def test_overflow_that_names_no_limit_is_halved(connect):
    def embed(request):
        if max(len(text.split()) for text in request.json["input"]) > 100:
            return as_json({"error": "the input length exceeds the context length"}, 400)
        return cutting(999)(request)

    embedder = connect(embed, MODEL)
    assert 50 <= with_true_limit(embedder, 250).token_limit <= 100


def poisoned(*words: str, reply):
    """A server that fails for every batch that holds one of the words."""

    def embed(request):
        texts = request.json["input"]
        if any(word in text for text in texts for word in words):
            return reply(texts) if callable(reply) else reply
        return cutting(9999)(request)

    return embed


def zeros(texts):
    return as_json({"data": embedding_rows([[0.0] * 26 for _ in texts])})


@pytest.mark.parametrize(
    "reply",
    [
        as_json({"error": {"message": "embedding contains NaN or Inf values"}}, 400),
        as_json({"error": "json: unsupported value: NaN"}, 500),
        as_json({"detail": [{"msg": "bad text"}]}, 422),
        zeros,
    ],
    ids=["NaN 400", "NaN 500", "refused", "zero vectors"],
)
def test_poison_in_a_batch_is_found_and_the_rest_embedded(connect, reply):
    embedder = connect(poisoned("evil", "bad", reply=reply), MODEL)
    texts = [f"text {n}" for n in range(9)]
    texts[2], texts[7] = "an evil one", "a bad one"
    with pytest.raises(TextsRejected) as caught:
        embedder.embed(texts)
    assert sorted(caught.value.reasons) == [2, 7]
    good = [text for n, text in enumerate(texts) if n not in (2, 7)]
    numpy.testing.assert_allclose(caught.value.vectors, embedder.embed(good), rtol=1e-6)


def test_fault_of_every_text_is_the_servers(connect):
    broken = connect(poisoned("PROBEFREE", reply=zeros), MODEL)
    with pytest.raises(BadResponse):
        broken.embed(["PROBEFREE a", "PROBEFREE b"])


def test_single_refused_text_is_rejected_alone(connect):
    embedder = connect(poisoned("evil", reply=zeros), MODEL)
    with pytest.raises(TextsRejected) as caught:
        embedder.embed(["evil"])
    assert list(caught.value.reasons) == [0]
    assert caught.value.vectors.shape == (0, 26)
