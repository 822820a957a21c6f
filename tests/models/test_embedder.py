"""The embedder against servers that refuse, crash, fall silent, or take less than they say."""

from concurrent.futures import ThreadPoolExecutor

import numpy
import pytest
from embedding_servers import CRASH, Fragile, cutting, embedding, letters, poisoned, refusing
from fault_server import Reply, as_json, embedding_rows, fail

from ingest.base.errors import TextsRejected
from rag.models.base.errors import (
    BadResponse,
    EndpointError,
    EndpointUnreachable,
    ModelUnavailable,
)
from rag.models.discover import ModelInfo
from rag.models.embedding.embedder import connect_embedder
from rag.models.embedding.pace import Pace, PaceRecord
from rag.models.endpoint import Endpoint, Timeouts

PROBE = "A sentence to probe with."


@pytest.fixture
def connect(server):
    endpoint = Endpoint(server.url, "k", Timeouts(response=0.4, retry=0.01, load=1))

    def connect(behaviour, model: ModelInfo, **options):
        server.on("/v1/embeddings", behaviour)
        pace = options.pop("pace", None) or Pace(in_flight=1)
        return connect_embedder(endpoint, model, pace, PROBE, **options)[0]

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


def requests_of(server) -> list[int]:
    """How many texts each request had, that for the probe left out."""
    return [len(request.json["input"]) for request in server.asked("/v1/embeddings")[1:]]


@pytest.mark.parametrize(
    ("query", "document", "sent"),
    [
        (None, None, ["search_document: one", "search_query: two"]),
        ("none", "NONE", ["one", "two"]),
        ("Q: ", None, ["search_document: one", "Q: two"]),
        (None, "D: ", ["D: one", "search_query: two"]),
    ],
)
def test_prefixes_can_be_set(connect, server, query, document, sent):
    embedder = connect(embedding, MODEL, query_prefix=query, document_prefix=document)
    embedder.embed(["one"])
    embedder.embed_query("two")
    asked = [text for r in server.asked("/v1/embeddings") for text in r.json["input"]]
    assert asked[1:] == sent
    assert embedder.identity.endswith("|" + sent[0].removesuffix("one"))


@pytest.mark.parametrize("broken", [zeros, fail("no such thing", 422), fail("boom", 500), CRASH])
def test_a_server_that_fails_at_every_text_is_asked_a_handful_of_times(connect, server, broken):
    embedder = connect(poisoned("text", reply=broken), MODEL)
    with pytest.raises(EndpointError):
        embedder.embed([f"text {n}" for n in range(64)])
    # Each of them is retried by the endpoint where the fault may pass.
    assert len(requests_of(server)) <= 5 * 3


@pytest.mark.parametrize("texts", [1, 2, 64])
@pytest.mark.parametrize("status", [401, 404, 501])
def test_a_fault_of_the_server_is_not_looked_for_in_its_texts(connect, server, texts, status):
    embedder = connect(embedding, MODEL)
    server.on("/v1/embeddings", fail("nothing here", status))
    with pytest.raises(EndpointError, match="nothing here"):
        embedder.embed([f"text {n}" for n in range(texts)])
    assert len(requests_of(server)) <= 5


def test_a_crash_of_a_large_request_is_met_with_smaller_ones(connect, server):
    fragile = Fragile(texts=10, seconds=0)
    embedder = connect(fragile, MODEL, pace=Pace(batch_size=None))
    texts = [f"text {n}" for n in range(16)]
    vectors = embedder.embed(texts)
    numpy.testing.assert_allclose(
        vectors, numpy.stack([embedder.embed([t])[0] for t in texts]), rtol=1e-6
    )
    assert (embedder.batch_size, embedder.in_flight) == (8, 1)
    assert embedder.pace.record == PaceRecord(8, 1), "a later run may look again"


def test_a_crash_far_above_what_the_server_takes_is_not_repeated_in_steps(connect):
    fragile = Fragile(texts=5, seconds=0)
    embedder = connect(fragile, MODEL, pace=Pace(1))
    embedder.embed([f"text {n}" for n in range(16)])
    assert embedder.batch_size == 4


def test_a_poisoned_text_says_nothing_of_how_many_pass(connect):
    embedder = connect(poisoned("evil", reply=CRASH), MODEL, pace=Pace(1))
    with pytest.raises(TextsRejected):
        embedder.embed(["evil", *(f"text {n}" for n in range(15))])
    assert embedder.pace.record == PaceRecord()


def test_a_crash_of_requests_at_once_costs_nothing(connect, server):
    fragile = Fragile(at_once=1, seconds=0.02)
    embedder = connect(fragile, MODEL, pace=Pace(8, batch_size=4))
    embedder.pace.in_flight = 4
    batches = [[f"text {n} {m}" for m in range(4)] for n in range(12)]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(embedder.embed, batches))
    assert fragile.crashes
    assert embedder.in_flight == 1
    for batch, rows in zip(batches, results, strict=True):
        numpy.testing.assert_allclose(rows, embedder.embed(batch), rtol=1e-6)


def test_a_text_that_crashes_the_model_is_refused_alone(connect):
    embedder = connect(poisoned("evil", reply=CRASH), MODEL)
    with pytest.raises(TextsRejected) as caught:
        embedder.embed(["good", "evil", "fair", "fine", "bad"])
    assert list(caught.value.reasons) == [1]
    assert "crashed" in caught.value.reasons[1]
    with pytest.raises(TextsRejected):
        embedder.embed(["evil"])


def test_a_single_text_is_sent_again_when_it_failed_among_others(connect, server):
    embedder = connect(embedding, MODEL)
    server.on("/v1/embeddings", *[CRASH] * 3, embedding)
    assert embedder.embed(["one"]).shape == (1, 26)


def test_a_large_request_that_falls_silent_is_cut_and_never_repeated(connect, server):
    def slow(request):
        return embedding(request) if len(request.json["input"]) <= 4 else Reply(b"", delay=0.8)

    embedder = connect(slow, MODEL, pace=Pace(batch_size=None))
    texts = [f"text {n}" for n in range(8)]
    assert embedder.embed(texts).shape == (8, 26)
    # Twice by the endpoint, then one alone to see that anything passes, then the halves.
    assert requests_of(server) == [8, 8, 1, 4, 4]
    assert embedder.batch_size == 8


def test_a_server_that_falls_silent_for_good_is_left_alone(connect, server):
    embedder = connect(embedding, MODEL)
    server.on("/v1/embeddings", Reply(b"", delay=0.8))
    with pytest.raises(EndpointUnreachable, match="in time"):
        embedder.embed(["one", "two", "three", "four"])
    # The endpoint sends each twice: all of them, then one alone.
    assert requests_of(server) == [4, 4, 1, 1]


def test_a_server_that_has_gone_is_not_asked_again(connect, server):
    embedder = connect(embedding, MODEL)
    embedder.endpoint.close()
    nowhere = Endpoint("http://127.0.0.1:9/v1", "k", Timeouts(retry=0.01, load=1))
    embedder.endpoint = nowhere
    with pytest.raises(EndpointUnreachable, match="no server"):
        embedder.embed(["one", "two"])
    nowhere.close()
    assert embedder.pace.batch_size == 16, "nothing was learned of its pace"


def test_a_server_that_takes_single_texts_only_gets_them(connect, server):
    def first_only(request):
        rows = embedding_rows([letters(request.json["input"][0])])
        return as_json({"data": rows})

    embedder = connect(first_only, MODEL)
    texts = [f"text {n}" for n in range(5)]
    assert embedder.embed(texts).shape == (5, 26)
    assert embedder.batch_size == 1


@pytest.mark.parametrize(("names_limit", "learned"), [(True, 70), (False, 75)])
def test_texts_that_prove_too_long_are_named_and_the_limit_is_learned(
    connect, server, names_limit, learned
):
    embedder = connect(refusing(72, names_limit), MODEL, document_prefix="none")
    embedder.count = lambda texts: [len(text.split()) for text in texts]
    texts = ["short", "long " * 100, "middle " * 70, "longer " * 90]
    with pytest.raises(TextsRejected) as caught:
        embedder.embed(texts)
    assert sorted(caught.value.reasons) == sorted(caught.value.too_long) == [1, 3]
    numpy.testing.assert_allclose(caught.value.vectors, embedder.embed([texts[0], texts[2]]))
    assert embedder.token_limit == learned
    # All, the longest alone, those that are left, and these again above.
    assert requests_of(server) == [4, 1, 2, 2]


def counting_all(limit: int, message: str):
    """A server that counts the tokens of all texts of a request together."""

    def embed(request):
        total = sum(len(text.split()) for text in request.json["input"])
        return embedding(request) if total <= limit else fail(message, bare=True)

    return embed


@pytest.mark.parametrize(
    "message",
    [
        "the input length exceeds the context length",
        "This model's maximum context length is 300 tokens, however you requested 960 tokens",
    ],
)
def test_texts_that_are_too_long_together_are_not_too_long(connect, message):
    embedder = connect(counting_all(300, message), MODEL, pace=Pace(1), document_prefix="none")
    before = embedder.token_limit
    texts = [f"{n} " + "word " * 59 for n in range(16)]
    assert embedder.embed(texts).shape == (16, 26)
    assert embedder.token_limit == before
    assert embedder.batch_size == 4


@pytest.mark.parametrize(
    ("first", "then", "is_same"),
    [
        ("nomic-embed-text-v1.5", "bge-m3", False),
        ("nomic-embed-text-v1.5", "nomic-embed-text-v1", False),
        ("nomic-ai/nomic-embed-text-v1.5-GGUF", "text-embedding-nomic-embed-text-v1.5@q8_0", True),
        ("/models/nomic-embed-text-v1.5.Q4_K_M.gguf", "nomic-embed-text-v1.5:2", True),
        ("bge-m3", None, True),
        (None, "bge-m3", True),
    ],
)
def test_another_model_that_answers_meanwhile_ends_the_run(connect, server, first, then, is_same):
    embedder = connect(lambda request: embedding(request, model=first), MODEL)
    server.on("/v1/embeddings", lambda request: embedding(request, model=then))
    if is_same:
        assert embedder.embed(["one", "two"]).shape == (2, 26)
        return
    with pytest.raises(ModelUnavailable, match=f"{then} answers .* where {first} did") as caught:
        embedder.embed(["one", "two"])
    assert "load" in caught.value.hint
    assert requests_of(server) == [2]


def test_all_texts_may_be_too_long(connect):
    embedder = connect(refusing(72), MODEL)
    with pytest.raises(TextsRejected) as caught:
        embedder.embed(["word " * 100, "word " * 110])
    assert caught.value.vectors.shape == (0, 26)
    assert set(caught.value.too_long) == {0, 1}


def test_a_limit_of_next_to_nothing_is_an_error(connect):
    embedder = connect(refusing(20, names_limit=False), MODEL)
    embedder.count = lambda texts: [len(text.split()) for text in texts]
    with pytest.raises(ModelUnavailable, match="less than 32"):
        embedder.embed(["word " * 40, "ok"])


def test_a_server_with_a_most_of_texts_is_asked_for_no_more(connect, server):
    def embed(request):
        too_many = len(request.json["input"]) > 5
        return (
            fail("batch size 16 > maximum allowed batch size 5", 413)
            if too_many
            else embedding(request)
        )

    embedder = connect(embed, MODEL, pace=Pace(1))
    assert embedder.embed([f"text {n}" for n in range(16)]).shape == (16, 26)
    assert embedder.batch_size == 4
    for _ in range(9):
        embedder.embed([f"text {n}" for n in range(4)])
    assert max(requests_of(server)[7:]) == 4


def test_a_crash_that_the_second_try_mends_slows_down_all_the_same(connect, server):
    embedder = connect(embedding, MODEL, pace=Pace(4, start=PaceRecord(16, 4)))
    server.on("/v1/embeddings", CRASH, embedding)
    embedder.embed(["one", "two"])
    assert (embedder.in_flight, embedder.batch_size) == (1, 16)
    assert embedder.pace.record == PaceRecord(16, 4), "what passes again was not too much"


def test_the_loss_of_a_model_is_told_to_others_too(server):
    server.on("/v1/embeddings", embedding, CRASH, embedding)
    endpoint, lost = Endpoint(server.url, "k", Timeouts(retry=0.01, load=1)), []
    endpoint.on_lost = lost.append
    embedder, _ = connect_embedder(endpoint, MODEL, Pace(), PROBE)
    embedder.embed_query("a question")
    endpoint.close()
    assert lost == [MODEL.id]
    assert embedder.batch_size == 16, "a question says nothing of the pace"


CHINESE = "发票必须在三十天内支付。"


@pytest.mark.parametrize(
    ("model", "texts", "share"),
    [
        ("nomic-embed-text-v1.5", ["The invoice is due.", "Die Rechnung ist fällig."], 0.0),
        ("nomic-embed-text-v1.5", [CHINESE], 1.0),
        ("nomic-embed-text-v1.5", ["Комитет решил."], 1.0),
        ("bge-small-en-v1.5", ["one two three", "четыре", "5 € α"], 0.25),
        ("all-minilm", ["12 + 34 = 46"], None),
        ("multilingual-e5-small", [CHINESE], None),
        ("bge-m3", [CHINESE], None),
        ("something-new", [CHINESE], None),
    ],
)
def test_words_in_other_scripts_are_unknown_to_an_english_vocabulary(connect, model, texts, share):
    assert connect(embedding, ModelInfo(model)).unknown_share(texts) == share


def test_a_tokenizer_at_hand_tells_the_share_of_unknown_words(connect):
    embedder = connect(embedding, ModelInfo("something-new"))
    embedder.exact_unknown = lambda texts: len(texts) / 4
    assert embedder.unknown_share([CHINESE]) == 0.25
