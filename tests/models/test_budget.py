import json
from contextlib import closing

import pytest
from fault_server import FaultServer, Reply, as_json
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.base.documents import Chunk
from ingest.tokens import count_tokens
from rag.models.base.errors import ContextOverflow, EndpointUnreachable
from rag.models.chat.budget import TokenCounter
from rag.models.endpoint import Endpoint, Timeouts
from rag.query.base.hits import Hit
from rag.query.context.prompt import build_prompt

TEXT = "The mast of the Plover 22 is held by four bolts."
MODEL, LISTED = "qwen3-8b", 4096


class Server:
    """Counts as cl100k does, with some tokens more for each of its own; or answers as told."""

    def __init__(self, per_token=1, answer=None):
        self.per_token, self.answer = per_token, answer
        self.asked = []

    def post(self, path, body):
        self.asked.append((path, dict(body)))
        if isinstance(self.answer, Exception):
            raise self.answer
        if self.answer is not None:
            return self.answer
        text = body.get("content", body.get("prompt"))
        count = self.per_token * count_tokens(text)
        return {"tokens": [1] * count} if "content" in body else {"count": count, "tokens": []}


def counter_of(kind="LM Studio", server=None, known=None, listed=LISTED):
    return TokenCounter(server or Server(), kind, MODEL, listed, known)


# The server's own count


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("llama.cpp", {"model": MODEL, "content": TEXT, "add_special": False}),
        ("vLLM", {"model": MODEL, "prompt": TEXT}),
    ],
)
def test_server_that_counts_is_asked_in_its_own_words(kind, body):
    server = Server(per_token=3)
    counter = counter_of(kind, server)
    real = 3 * count_tokens(TEXT)
    assert real <= counter.count(TEXT) <= real + 8
    assert server.asked == [("/tokenize", body)]
    assert counter.source == "server"


@pytest.mark.parametrize("kind", ["LM Studio", "Ollama", "the server", ""])
def test_server_that_cannot_count_is_never_asked(kind):
    server = Server()
    counter = counter_of(kind, server)
    counter.count(TEXT)
    assert server.asked == []
    assert counter.source == "margin"


NO_COUNT = {
    "LM Studio's answer to any path": {"ok": True, "error": "Unexpected endpoint"},
    "no JSON object": ["tokens"],
    "nothing": None,
    "not a count": {"count": "many"},
    "no number": {"count": True},
    "negative": {"count": -1},
    "not a list": {"tokens": "abc"},
    "fault": EndpointUnreachable("gone", "try again"),
}


@pytest.mark.parametrize("answer", NO_COUNT.values(), ids=NO_COUNT.keys())
@pytest.mark.parametrize("kind", ["llama.cpp", "vLLM"])
def test_server_without_a_count_is_not_asked_twice_and_costs_nothing(kind, answer):
    server = Server(answer=answer if answer is not None else 0)
    counter = counter_of(kind, server)
    expected = counter_of().count(TEXT)
    assert [counter.count(TEXT), counter.count(TEXT)] == [expected, expected]
    assert len(server.asked) == 1
    assert counter.source == "margin"


@pytest.mark.parametrize(
    ("kind", "reply", "exact"),
    [
        ("llama.cpp", as_json({"tokens": list(range(200))}), True),
        ("llama.cpp", as_json({"tokens": [{"id": 1, "piece": "a"}] * 200}), True),
        ("vLLM", as_json({"count": 200, "max_model_len": 4096, "tokens": [1] * 200}), True),
        ("vLLM", as_json({"count": 200, "max_model_len": 4096, "tokens": None}), True),
        ("vLLM", as_json({"detail": "Not Found"}, 404), False),
        ("llama.cpp", as_json({"error": "Unexpected endpoint or method. (POST /tokenize)"}), False),
        ("llama.cpp", as_json({"error": {"message": "Loading model"}}, 503), False),
        ("llama.cpp", as_json({"error": {"message": "Invalid API Key"}}, 401), False),
        ("llama.cpp", Reply(b"<html>", headers={"Content-Type": "text/html"}), False),
        ("llama.cpp", Reply(fault="reset"), False),
    ],
)  # fmt: skip
def test_counts_come_over_the_wire(kind, reply, exact):
    with FaultServer().running() as server:
        server.on("/tokenize", reply)
        endpoint = Endpoint(server.url, "k", Timeouts(retry=0.01))
        with closing(endpoint):
            counter = TokenCounter(endpoint, kind, MODEL, LISTED)
            counts = {counter.count(TEXT) for _ in range(3)}
    assert (counter.source == "server") is exact
    assert counts == ({204} if exact else {counter_of().count(TEXT)})
    assert len(server.asked("/tokenize")) == (3 if exact else 1)


def test_half_a_surrogate_pair_is_counted():
    server = Server()
    assert counter_of("llama.cpp", server).count("a\ud800b") > 0
    assert server.asked[0][1]["content"] == "a?b"
    assert counter_of().count("a\ud800b") > 0


# The ratio


def test_unknown_tokenizer_is_reckoned_with_a_margin():
    for text in (TEXT, "word " * 1000, "x"):
        assert 0 <= counter_of().count(text) - 1.35 * count_tokens(text) < 1.001


@pytest.mark.parametrize(
    ("prompts", "ratio"),
    [
        ([(1000, 1400)], 1.54),
        ([(1000, 1100), (1000, 1400), (1000, 1000)], 1.54),
        # A few answers never lower it, and many do not below what other scripts need.
        ([(1000, 1000)] * 4, 1.35),
        ([(1000, 1150)] * 5, 1.265),
        ([(1000, 900)] * 20, 1.2),
        ([(200, 300)], 1.65),
        # What the server had in its cache it may not have counted.
        ([(1000, 600)] * 20, 1.35),
        # Not enough to learn from, unknown, or not what was asked for.
        ([(199, 400)], 1.35),
        ([(1000, 0)], 1.35),
        ([(0, 0)], 1.35),
        ([(1000, 12)], 1.35),
        ([(1000, 9000)], 1.35),
        # The latest twenty count.
        ([(1000, 3000)] + 20 * [(1000, 1200)], 1.32),
        ([(1000, 3000)] + 19 * [(1000, 1200)], 3.3),
    ],
)
def test_ratio_is_learned_from_usage(prompts, ratio):
    counter = counter_of()
    for counted, prompt_tokens in prompts:
        counter.learn(counted, prompt_tokens)
    assert counter.ratio == pytest.approx(ratio)
    assert counter.count("word " * 1000) == pytest.approx(ratio * 1001, abs=2)
    heard = any(800 <= 1000 * told / max(sent, 1) <= 4000 and sent >= 200 for sent, told in prompts)
    assert counter.source == ("usage" if heard else "margin")


# The context


@pytest.mark.parametrize("absurd", [10**400, -(10**400), -1, 0, True])
def test_absurd_count_of_the_server_teaches_nothing(absurd):
    counter = counter_of()
    counter.learn(1000, absurd)
    assert counter.source == "margin"


def test_absurd_limit_and_ratio_are_survived():
    counter = counter_of(known={"ratios": [10**400, 1e308]})
    assert counter.source == "margin"
    counter.overflowed(10**400, 1000, 500)
    assert counter.count(TEXT) < 100 * count_tokens(TEXT)


def test_limit_that_the_server_names_is_the_context_from_then_on():
    counter = counter_of(listed=8192)
    assert counter.context_tokens == 8192
    counter.overflowed(4096, 6500, 500)
    assert counter.context_tokens == 4096
    counter.overflowed(2048, 3500, 500)
    assert counter.context_tokens == 2048
    assert counter.ratio == 1.35


@pytest.mark.parametrize("limit", [None, 0])
def test_limit_that_is_not_named_is_less_than_what_was_sent(limit):
    counter = counter_of()
    counter.overflowed(limit, 3500, 500)
    assert counter.context_tokens == 3000


def test_overflow_of_what_should_have_fitted_counts_more_from_then_on():
    counter = counter_of()
    before = counter.count(TEXT)
    counter.overflowed(4096, 3500, 500)
    assert counter.context_tokens == 4096
    assert counter.count(TEXT) >= 1.2 * before


def test_server_whose_count_proved_too_low_is_not_asked_again():
    server = Server()
    counter = counter_of("llama.cpp", server)
    before = counter.count(TEXT)
    counter.overflowed(4096, 3500, 500)
    assert counter.count(TEXT) > before
    assert len(server.asked) == 1


# What is kept


def test_record_survives_json_and_brings_everything_back():
    counter = counter_of()
    counter.learn(1000, 1234)
    counter.overflowed(3000, 3500, 500)
    record = json.loads(json.dumps(counter.record()))
    again = counter_of(known=record)
    assert (again.ratio, again.context_tokens) == (counter.ratio, 3000)
    assert again.record() == record


@pytest.mark.parametrize("listed", [2048, 8192])
def test_changed_context_drops_the_learned_limit_but_not_the_ratio(listed):
    counter = counter_of()
    counter.learn(1000, 1234)
    counter.overflowed(3000, 3500, 500)
    again = counter_of(known=counter.record(), listed=listed)
    assert again.context_tokens == listed
    assert again.ratio == pytest.approx(counter.ratio)


def test_nothing_learned_is_an_almost_empty_record():
    assert counter_of().record() == {"ratios": []}


@pytest.mark.parametrize(
    "known",
    [
        {},
        {"ratios": None, "context_tokens": None},
        {"ratios": "1.2", "context_tokens": "300", "listed_tokens": LISTED},
        {"ratios": [None, "x", [1], -2, 0, float("nan"), float("inf")]},
        {"ratios": {"a": 1}, "context_tokens": True, "listed_tokens": LISTED},
        {"context_tokens": -5, "listed_tokens": LISTED},
        {"context_tokens": 10_000, "listed_tokens": LISTED},
    ],
)
def test_damaged_record_is_as_good_as_none(known):
    counter = counter_of(known=known)
    assert (counter.ratio, counter.context_tokens) == (1.35, LISTED)


# Prompts


def hits_of(texts):
    return [
        Hit(Chunk(f"{n}", f"file {n}.pdf", 0, text, 0, len(text), 1, None, "A"), 1 / n, n, {})
        for n, text in enumerate(texts, start=1)
    ]


def pack(counter, texts, answer_tokens=200, question="What holds the mast?"):
    return build_prompt(question, hits_of(texts), counter.context_tokens, answer_tokens,
                        "0123456789abcdef", counter.count)  # fmt: skip


TEXTS = st.lists(
    st.builds(lambda text, times: text * times,
              st.text(st.sampled_from("aB é→東🙂\n .,|-0"), min_size=1, max_size=30),
              st.integers(1, 40)),
    min_size=1, max_size=8,
)  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(TEXTS, st.integers(1, 3), st.integers(300, 6000), st.sampled_from(["llama.cpp", "vLLM"]))
def test_prompt_counted_by_the_server_never_holds_more_than_was_reckoned(
    texts, per_token, context, kind
):
    server = Server(per_token)
    counter = counter_of(kind, server, listed=context)
    try:
        prompt = pack(counter, texts)
    except ContextOverflow:
        return
    real = per_token * sum(count_tokens(message.content) for message in prompt.messages)
    assert real + 64 <= prompt.tokens
    assert prompt.tokens + prompt.answer_tokens <= context


@settings(max_examples=40, deadline=None)
@given(
    TEXTS, st.floats(1.0, 5.0), st.integers(500, 3000), st.integers(3000, 9000), st.booleans(),
    st.sampled_from(["llama.cpp", "LM Studio"]),
)  # fmt: skip
def test_refused_prompts_become_smaller_until_one_fits(
    texts, ratio, context, listed, is_told, kind
):
    """Whatever the server has and however it counts, asking again comes to an end."""
    counter = counter_of(kind, listed=listed)
    for _ in range(15):
        try:
            prompt = pack(counter, texts)
        except ContextOverflow:
            return
        real = ratio * sum(count_tokens(message.content) for message in prompt.messages)
        if real + prompt.answer_tokens <= context:
            return
        counter.overflowed(context if is_told else None, prompt.tokens, prompt.answer_tokens)
    pytest.fail("no prompt was small enough after 15 tries")


@pytest.mark.parametrize("kind", ["llama.cpp", "LM Studio"])
def test_prompt_far_below_the_limit_that_is_refused_becomes_smaller_soon(kind):
    """The server counts five times as many tokens as we do."""
    counter = counter_of(kind)
    texts = ["word " * 100] * 8
    before = pack(counter, texts)
    assert len(before.context) == 8
    for _ in range(3):
        prompt = pack(counter, texts)
        counter.overflowed(4096, prompt.tokens, prompt.answer_tokens)
    assert 0 < len(pack(counter, texts).context) < 8


def test_learned_ratio_lets_more_passages_fit():
    texts = ["word " * 100] * 40
    counter = counter_of(listed=4096)
    before = len(pack(counter, texts).context)
    for _ in range(5):
        counter.learn(1000, 900)
    assert len(pack(counter, texts).context) > before


def test_what_an_overflow_made_us_assume_is_dropped_after_a_few_answers():
    counter = counter_of()
    counter.overflowed(4096, 3000, 500)
    assert counter.ratio > 1.5
    for _ in range(5):
        assert counter.ratio > 1.5
        counter.learn(1000, 1000)
    assert counter.ratio == 1.2
