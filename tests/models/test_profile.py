"""What is found out of an embedding server in its self-check, and what is remembered of it."""

import json
from dataclasses import replace

import pytest
from embedding_servers import Fragile, cutting, embedding, letters, mixing, refusing, words
from fault_server import FaultServer, as_json, embedding_rows, fail

from rag.models.base.errors import EndpointError, ModelUnavailable
from rag.models.discover import ModelInfo
from rag.models.embedding.pace import PaceRecord
from rag.models.embedding.profile import (
    EmbeddingProfile,
    Wishes,
    measured_embedder,
    probe_speed,
    read_profile,
    ready_embedder,
    remember_pace,
)
from rag.models.endpoint import Endpoint, Timeouts
from rag.models.memory import FILE_NAME, Memory

PROBE = "A sentence to probe with."
MODEL = ModelInfo("text-embedding-nomic-embed-text-v1.5", "embedding", True, 2048, 2048)
PLAIN = ModelInfo("something-new", context_tokens=2048)


def by_words(request):
    return embedding(request, words)


@pytest.fixture
def server():
    with FaultServer().running() as server:
        yield server


@pytest.fixture
def memory(tmp_path):
    return Memory(tmp_path)


@pytest.fixture
def ready(server, memory):
    endpoint = Endpoint(server.url, "k", Timeouts(retry=0.01, load=1))

    def ready(behaviour, model: ModelInfo = PLAIN, kind: str = "LM Studio", **options):
        server.on("/v1/embeddings", behaviour)
        return ready_embedder(endpoint, model, kind, memory, PROBE, **options)

    yield ready
    endpoint.close()


@pytest.fixture
def measure(ready, memory):
    def measure(*arguments, tokens: int = 250, **options):
        return measured_embedder(ready(*arguments, **options), memory, tokens)

    return measure


def profile_of(found) -> EmbeddingProfile:
    assert found.profile is not None
    return found.profile


# The limit


@pytest.mark.parametrize("behaviour", [cutting, refusing])
@pytest.mark.parametrize("limit", [400, 300, 130, 64])
def test_true_limit_is_found(measure, behaviour, limit):
    found = measure(behaviour(limit), MODEL)
    assert min(limit, 250) / 2 - 8 <= profile_of(found).token_limit <= min(limit, 250)
    assert found.embedder.token_limit == profile_of(found).token_limit
    assert profile_of(found).tried_tokens == 250


def test_model_that_reads_next_to_nothing_is_refused(measure):
    with pytest.raises(ModelUnavailable, match="reads less than 32") as caught:
        measure(cutting(16))
    assert "larger context" in caught.value.hint


def test_overflow_that_names_no_limit_is_halved(measure):
    assert 50 <= profile_of(measure(refusing(100, names_limit=False))).token_limit <= 100


@pytest.mark.parametrize(
    ("kind", "hint"),
    [("LM Studio", "lms load something-new --context-length"), ("Ollama", "OLLAMA_CONTEXT_LENGTH"), ("llama.cpp", "--ubatch-size")],
)  # fmt: skip
def test_a_limit_below_what_chunks_need_is_told_with_the_remedy(measure, kind, hint):
    ((message, todo),) = profile_of(measure(cutting(130), kind=kind)).warnings()
    assert "reads 125 tokens of a text, chunks have 250" in message
    assert hint in todo
    assert "RAG_CHUNK_TOKENS" in todo


def test_a_listed_context_below_what_chunks_need_is_told_too(measure):
    profile = profile_of(measure(by_words, ModelInfo("new", context_tokens=128)))
    assert profile.warnings() == []
    ((message, _),) = profile.warnings(250)
    assert "chunks have 250" in message


# Batches and vectors


def test_an_honest_server_is_asked_a_dozen_times_and_needs_no_warning(server, measure):
    profile = profile_of(measure(by_words, MODEL))
    assert profile.batch_equals_single
    assert profile.unit_length
    assert profile.dimension == 72
    assert profile.warnings() == []
    asked = [request.json["input"] for request in server.asked("/v1/embeddings")]
    assert len(asked) <= 12
    assert max(map(len, asked)) <= 16
    assert sum(len(text) for texts in asked for text in texts) < 10_000


def test_lengths_other_than_one_are_a_fact_and_no_fault(measure):
    profile = profile_of(measure(embedding))
    assert not profile.unit_length
    assert profile.warnings() == []


def one_vector_for_all(request):
    return as_json({"data": embedding_rows([words(request.json["input"][0])])})


def no_lists(request):
    return fail("one text, please", 422) if len(request.json["input"]) > 1 else by_words(request)


def noisy_batches(request):
    texts = request.json["input"]
    padded = " ".join("padding" for _ in texts[1:])
    return embedding(request, lambda text: words(f"{text} {padded}"))


@pytest.mark.parametrize(
    "behaviour", [mixing, one_vector_for_all, no_lists, Fragile(texts=4), noisy_batches]
)
def test_a_server_that_cannot_batch_gets_single_texts(measure, behaviour):
    found = measure(behaviour, wishes=Wishes(batch_size=64))
    assert not profile_of(found).batch_equals_single
    assert (found.embedder.batch_size, profile_of(found).prefixes_help) == (1, None)
    ((message, hint),) = profile_of(found).warnings()
    assert "one by one" in message
    assert hint


def test_a_server_that_breaks_down_meanwhile_is_no_verdict(server, ready, memory):
    found = ready(by_words)
    server.on("/v1/embeddings", by_words, by_words, fail("no such key", 401))
    with pytest.raises(EndpointError):
        measured_embedder(found, memory, 250)
    assert memory.recall(found.key) is None


# Prefixes and names


def drowned(request):
    """A model to which a prefix is all there is."""

    def vector(text):
        return words("search" if "search_" in text else text)

    return embedding(request, vector)


def test_prefixes_that_help_are_told_from_those_that_harm(measure):
    assert profile_of(measure(by_words, MODEL)).prefixes_help
    assert profile_of(measure(by_words, PLAIN)).prefixes_help is None


def test_prefixes_that_harm_are_told(measure):
    profile = profile_of(measure(drowned, MODEL))
    assert profile.prefixes_help is False
    ((message, hint),) = profile.warnings()
    assert "prefixes" in message
    assert "RAG_QUERY_PREFIX=none" in hint


def test_prefixes_switched_off_are_not_tried(measure):
    wishes = Wishes(query_prefix="none", document_prefix="none")
    assert profile_of(measure(by_words, MODEL, wishes=wishes)).prefixes_help is None


@pytest.mark.parametrize(
    ("answered", "is_told"),
    [
        ("text-embedding-nomic-embed-text-v1.5@q4_k_m", False),
        ("nomic-ai/nomic-embed-text-v1.5-GGUF:2", True),
        ("/models/nomic-embed-text-v1.5.gguf", False),
        ("bge-m3", True),
        (None, False),
    ],
)
def test_another_model_that_answers_is_told(measure, answered, is_told):
    profile = profile_of(measure(lambda request: embedding(request, words, answered), MODEL))
    assert profile.answered_by == (answered or "")
    assert [str(answered) in message for message, _ in profile.warnings()] == [True] * is_told


# Memory


def test_a_second_run_asks_once(server, measure, memory):
    first = measure(by_words, MODEL)
    server.requests.clear()
    second = measure(by_words, MODEL)
    assert second.profile == first.profile
    assert second.embedder.token_limit == first.embedder.token_limit
    assert len(server.asked("/v1/embeddings")) == 1


def test_asking_measures_nothing(server, ready, memory, tmp_path):
    assert ready(by_words).profile is None
    assert len(server.asked("/v1/embeddings")) == 1
    assert not (tmp_path / FILE_NAME).exists()


def test_shorter_chunks_need_no_new_check_and_longer_ones_do(server, measure):
    measure(by_words, tokens=250)
    server.requests.clear()
    assert measure(by_words, tokens=100).embedder.token_limit == 100
    assert len(server.asked("/v1/embeddings")) == 1
    assert measure(by_words, tokens=400).embedder.token_limit == 400
    assert len(server.asked("/v1/embeddings")) > 4


def test_chunks_beyond_the_listed_context_are_not_checked_again(server, measure):
    small = ModelInfo("new", context_tokens=128)
    measure(by_words, small)
    server.requests.clear()
    measure(by_words, small)
    assert len(server.asked("/v1/embeddings")) == 1


def other_dimension(request):
    return embedding(request, letters)


@pytest.mark.parametrize(
    ("behaviour", "model", "options"),
    [
        (by_words, replace(MODEL, context_tokens=512), {}),
        (by_words, replace(MODEL, id="text-embedding-nomic-embed-text-v1"), {}),
        (other_dimension, MODEL, {}),
        (by_words, MODEL, {"wishes": Wishes(query_prefix="Q: ")}),
    ],
    ids=["context", "model", "dimension", "prefix"],
)
def test_what_was_seen_of_something_else_does_not_count(
    server, measure, ready, behaviour, model, options
):
    measure(by_words, MODEL)
    server.requests.clear()
    assert ready(behaviour, model, **options).profile is None


def test_records_survive_a_round_trip_and_nothing_else_does(measure, memory):
    found = measure(by_words, MODEL)
    record = memory.recall(found.key)
    assert record is not None
    assert read_profile(record) == found.profile
    assert read_profile(json.loads(json.dumps(record))) == found.profile
    for name, value in (
        ("batch_size", 0),
        ("batch_size", "8"),
        ("in_flight", 10**6),
        ("token_limit", -5),
        ("model", None),
    ):
        assert read_profile({**record, name: value}) is None
    for name in record:
        assert read_profile({k: v for k, v in record.items() if k != name}) is None
    assert read_profile(None) is None
    assert all(text not in str(record) for text in ("ferry", PROBE))


def test_the_pace_reached_is_where_the_next_run_begins(measure, ready, memory):
    found = measure(by_words, MODEL)
    for _ in range(20):
        found.embedder.embed(["some words"] * found.embedder.batch_size)
    reached = found.embedder.pace.record
    remember_pace(found, memory)
    assert reached.texts_per_second > 0
    again = ready(by_words, MODEL)
    assert again.embedder.pace.record == reached
    assert profile_of(again).pace == reached


def test_numbers_of_the_settings_are_not_remembered_as_found(measure, ready, memory):
    found = measure(by_words, wishes=Wishes(batch_size=3, in_flight=5))
    remember_pace(found, memory)
    assert ready(by_words).embedder.pace.record == PaceRecord()


def test_a_limit_that_proved_wrong_is_forgotten(server, measure, ready, memory):
    found = measure(by_words, MODEL)
    server.on("/v1/embeddings", refusing(100))
    with pytest.raises(Exception, match="could not be embedded"):
        found.embedder.embed(["word " * 200])
    remember_pace(found, memory)
    assert ready(by_words, MODEL).profile is None


# Speed


def timed(seconds_of):
    def embed(request):
        return replace(by_words(request), delay=seconds_of(len(request.json["input"])))

    return embed


def test_speed_is_found_where_batches_pay(ready):
    found = ready(timed(lambda _texts: 0.05), wishes=Wishes(in_flight=1))
    pace = probe_speed(found, 20, 2.0)
    assert pace.batch_size >= 64
    assert pace.texts_per_second > 16 / 0.05
    assert found.embedder.batch_size == 16, "the embedder itself is as it was"


def test_speed_is_found_where_only_requests_at_once_pay(ready):
    found = ready(timed(lambda texts: 0.002 * texts), kind="vLLM")
    pace = probe_speed(found, 5, 2.5)
    assert pace.in_flight > 1
    assert pace.batch_size <= 64


def test_speed_of_a_server_that_crashes_above_one_at_once(ready):
    pace = probe_speed(ready(Fragile(at_once=1, seconds=0.02), kind="vLLM"), 20, 1.5)
    assert pace.in_flight == 1
    assert pace.settled


def test_speed_is_told_even_when_the_time_is_too_short(ready):
    pace = probe_speed(ready(timed(lambda _texts: 0.1)), 20, 0.05)
    assert not pace.settled
    assert 0 < pace.texts_per_second <= 160


def test_speed_texts_differ_so_that_no_cache_helps(server, ready):
    found = ready(timed(lambda _texts: 0.01))
    server.requests.clear()
    probe_speed(found, 20, 0.1)
    texts = [text for request in server.requests for text in request.json["input"]]
    assert len(set(texts)) == len(texts)
    assert {len(text.split()) for text in texts} == {20}
