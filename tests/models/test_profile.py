"""What is found out of an embedding server in its self-check, and what is remembered of it."""

import json
from collections import Counter
from dataclasses import replace

import numpy
import pytest
from embedding_servers import (
    CRASH,
    Fragile,
    capped,
    cutting,
    embedding,
    letters,
    mixing,
    refusing,
    words,
)
from fault_server import as_json, embedding_rows, fail

from ingest.base.errors import TextsRejected
from rag.models.base.errors import ContextOverflow, EndpointError, ModelUnavailable
from rag.models.discover import ModelInfo
from rag.models.embedding.checks import find_true_limit
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


def pooled(noise: float, read=lambda words: words):
    """A model that averages its words and is a little off each time."""
    random = numpy.random.default_rng(7)
    vectors: dict[str, numpy.ndarray] = {}

    def embed(texts):
        rows = []
        for text in texts:
            counts = Counter(read(text.split()))
            for word in counts:
                vectors.setdefault(word, random.normal(size=64))
            row = sum(vectors[word] * n for word, n in counts.items())
            row = row / numpy.linalg.norm(row) + random.normal(size=64) * noise / 8
            rows.append(row / numpy.linalg.norm(row))
        return numpy.stack(rows)

    return embed


def right(limit):
    return lambda words: words[:limit]


def left(limit):
    return lambda words: words[-limit:]


def middle(limit):
    return lambda words: (
        words if len(words) <= limit else words[: limit // 2] + words[-limit // 2 :]
    )


def limit_of(embed, tokens: int, reserved: int = 2) -> int:
    return find_true_limit(embed, ModelUnavailable("reads next to nothing"), tokens, "", reserved)


@pytest.mark.parametrize("cut", [right, left, middle])
@pytest.mark.parametrize("noise", [0, 1e-4, 5e-4])
@pytest.mark.parametrize(("limit", "tokens"), [(128, 250), (512, 4000), (2048, 2600), (8192, 9900)])
def test_what_is_cut_in_silence_is_noticed_at_any_length(cut, noise, limit, tokens):
    assert limit - 8 <= limit_of(pooled(noise, cut(limit)), tokens) <= limit


@pytest.mark.parametrize("noise", [0, 1e-4, 5e-4])
@pytest.mark.parametrize("tokens", [32, 128, 512, 2048, 8192])
def test_a_model_that_reads_all_is_not_said_to_cut(noise, tokens):
    assert limit_of(pooled(noise), tokens) == tokens


@pytest.mark.parametrize("decay", [0.9, 0.99, 1.01, 1.1])
def test_a_model_that_looks_at_one_end_most_is_not_said_to_cut(decay):
    def embed(texts):
        rows = [[1e-3] * 26 for _ in texts]
        for row, text in zip(rows, texts, strict=True):
            for place, word in enumerate(text.split()):
                row[ord(word[0]) - 97] += 0.01 + decay**place / decay ** (250 if decay > 1 else 0)
        return numpy.array([row / numpy.linalg.norm(row) for row in rows])

    assert limit_of(embed, 250) == 250


@pytest.mark.parametrize(("limit", "tokens"), [(1500, 2600), (600, 1000), (100, 250)])
def test_an_unusual_limit_is_come_close_to(limit, tokens):
    assert limit * 3 / 4 <= limit_of(pooled(0, right(limit)), tokens) <= limit


@pytest.mark.parametrize("special", [0, 2, 9])
def test_a_limit_that_is_named_is_made_use_of(special):
    """Whether the tokens that are added are those expected, none, or a few more."""
    lengths = []

    def embed(texts):
        lengths.append(longest := max(len(text.split()) for text in texts) + special)
        if longest > 512:
            raise ContextOverflow("too large", limit_tokens=512)
        return pooled(0)(texts)

    assert 512 * 7 / 8 - 9 <= limit_of(embed, 1000, 6) <= 506
    assert len(lengths) <= 5


def test_the_prefix_is_taken_off_the_limit_that_is_named(measure):
    found = measure(refusing(512), MODEL, kind="llama.cpp", tokens=1000)
    assert 495 <= profile_of(found).token_limit <= 510
    with pytest.raises(TextsRejected):
        found.embedder.embed(["word " * 600])


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
    assert "lms load something-new --context-length" in caught.value.hint


def test_overflow_that_names_no_limit_is_halved(measure):
    assert 50 <= profile_of(measure(refusing(100, names_limit=False))).token_limit <= 100


@pytest.mark.parametrize(
    ("kind", "hint"),
    [("LM Studio", "lms load something-new --context-length"), ("Ollama", "OLLAMA_CONTEXT_LENGTH"), ("llama.cpp", "--ubatch-size")],
)  # fmt: skip
def test_a_limit_below_what_chunks_need_is_told_with_the_remedy(measure, kind, hint):
    ((message, todo),) = profile_of(measure(cutting(130), kind=kind)).warnings()
    assert "reads 126 tokens of a text, chunks have 250" in message
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


def noisy_batches(request):
    texts = request.json["input"]
    padded = " ".join("padding" for _ in texts[1:])
    return embedding(request, lambda text: words(f"{text} {padded}"))


@pytest.mark.parametrize("behaviour", [mixing, one_vector_for_all, noisy_batches])
def test_a_server_that_cannot_batch_gets_single_texts(measure, behaviour):
    found = measure(behaviour, wishes=Wishes(batch_size=64))
    assert not profile_of(found).batch_equals_single
    assert (found.embedder.batch_size, profile_of(found).prefixes_help) == (1, None)
    ((message, hint),) = profile_of(found).warnings()
    assert "one by one" in message
    assert hint


@pytest.mark.parametrize(
    ("behaviour", "verdict"),
    [
        (capped(10), True),
        (capped(4), True),
        (capped(3), True),
        (capped(1), None),
        (Fragile(texts=4, seconds=0), True),
        (Fragile(texts=1, seconds=0), None),
    ],
)
@pytest.mark.parametrize("model", [PLAIN, MODEL])
def test_a_server_that_takes_few_texts_at_once_is_measured_and_not_said_to_mix(
    measure, behaviour, verdict, model
):
    found = measure(behaviour, model)
    assert profile_of(found).batch_equals_single is verdict
    assert profile_of(found).token_limit == 250
    assert profile_of(found).warnings() == []
    assert found.embedder.embed([f"text {n}" for n in range(16)]).shape[0] == 16


def test_long_texts_that_are_too_much_together_are_measured_alone(measure):
    def embed(request):
        texts = request.json["input"]
        is_too_much = len(texts) > 1 and sum(map(len, texts)) > 2000
        return CRASH if is_too_much else by_words(request)

    assert profile_of(measure(embed, MODEL)).token_limit == 250


def test_no_more_texts_are_sent_than_the_settings_say(server, measure):
    profile = profile_of(measure(by_words, MODEL, wishes=Wishes(batch_size=1)))
    assert {len(request.json["input"]) for request in server.asked("/v1/embeddings")} == {1}
    assert profile.batch_equals_single is None
    server.requests.clear()
    assert profile_of(measure(by_words, MODEL)).batch_equals_single, "found out when it matters"


def test_a_server_that_has_been_mended_is_sent_batches_again(measure, memory):
    measure(mixing)
    found = measure(by_words, tokens=400)
    assert profile_of(found).batch_equals_single
    assert found.embedder.batch_size == 16


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


def lost_without(request):
    """A model that says little of texts without a prefix."""

    def vector(text):
        row = words(text)
        return row if "search_" in text else [1.0, *[n / 9 for n in row[1:-8]], *[0.0] * 8]

    return embedding(request, vector)


def test_prefixes_that_help_are_told_from_those_that_make_no_difference(measure):
    assert profile_of(measure(lost_without, MODEL)).prefixes_help is True
    assert profile_of(measure(by_words, PLAIN)).prefixes_help is None


def test_prefixes_that_make_no_difference_are_not_said_to_help(measure):
    def deaf(request):
        return embedding(request, lambda text: words(text.split(": ")[-1]))

    profile = profile_of(measure(deaf, MODEL))
    assert profile.prefixes_help is None
    assert profile.warnings() == []


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
    assert measure(by_words, tokens=100).embedder.token_limit == 250
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
        ("batch_size", True),
        ("in_flight", 10**6),
        ("token_limit", -5),
        ("token_limit", 10**9),
        ("tried_tokens", -5),
        ("dimension", 0),
        ("texts_per_second", float("nan")),
        ("texts_per_second", float("inf")),
        ("texts_per_second", -1.0),
        ("unit_length", 1),
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


def test_a_speed_probed_with_numbers_of_the_settings_is_not_remembered(ready, measure, memory):
    found = measure(by_words, wishes=Wishes(batch_size=2))
    remember_pace(found, memory, PaceRecord(2, 4, True, 50.0))
    assert ready(by_words).embedder.pace.record == PaceRecord()


def test_a_limit_that_proved_wrong_is_kept_for_the_next_run(server, measure, memory):
    found = measure(by_words, MODEL)
    server.on("/v1/embeddings", refusing(100))
    with pytest.raises(TextsRejected):
        found.embedder.embed(["word " * 200])
    limit = found.embedder.token_limit
    assert 80 <= limit <= 100
    remember_pace(found, memory)
    server.requests.clear()
    again = measure(by_words, MODEL)
    assert again.embedder.token_limit == limit
    assert len(server.asked("/v1/embeddings")) == 1
    assert "reads" in profile_of(again).warnings()[0][0]


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
