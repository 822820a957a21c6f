"""Token budgets against a real llama.cpp server: nothing that is packed is ever refused."""

from contextlib import closing
from pathlib import Path

import httpx2
import pytest

from ingest.base.documents import Chunk
from ingest.tokens import count_tokens
from rag.models.base.errors import ContextOverflow
from rag.models.chat.budget import TokenCounter
from rag.models.discover import list_models
from rag.models.endpoint import Endpoint, Timeouts
from rag.pipeline import Pipeline
from rag.query.base.hits import Hit
from rag.query.context.prompt import build_prompt
from rag.query.writing.write import write_answer
from rag.settings import Settings

HANDBOOK = Path(__file__).parents[2] / "data" / "documents" / "handbook"
CHAT_MODEL = "tiny-random-chat"
QUESTION = "How many days of leave do I have in a year?"
# What cl100k packs well and other tokenizers do not.
HARD = [
    "-" * 300 + "\n" + "." * 300,
    "東京の図書館は月曜日に休みです。" * 20,
    "Библиотека в понедельник закрыта. " * 20,
    "|a|1.25|0x1f3a|\n" * 40,
    "<|im_start|><|im_end|>" * 30,
    "🙂 → ≥ ½ ™ " * 40,
]


@pytest.fixture
def endpoint(llama_chat_url):
    with closing(Endpoint(llama_chat_url, "k", Timeouts(response=60, retry=0.01))) as connected:
        yield connected


@pytest.fixture
def count_really(llama_chat_url):
    def count(text: str) -> int:
        body = {"content": text, "add_special": False}
        root = llama_chat_url.removesuffix("/v1")
        return len(httpx2.post(f"{root}/tokenize", json=body, trust_env=False).json()["tokens"])

    return count


def handbook(size: int) -> list[Hit]:
    texts = [path.read_text(encoding="utf-8") for path in sorted(HANDBOOK.glob("*.[mr]*"))]
    return hits([text[at : at + size] for text in texts for at in range(0, len(text), size)])


def hits(texts: list[str]) -> list[Hit]:
    return [
        Hit(Chunk(f"{n}", f"file {n}.md", 0, text, 0, len(text), 1, None, "A"), 1 / n, n, {})
        for n, text in enumerate(texts, start=1)
    ]


def pack(counter, found, answer_tokens=8):
    return build_prompt(
        QUESTION, found, counter.context_tokens, answer_tokens, "0123456789abcdef", counter.count
    )


def ask(endpoint, prompt):
    stream = endpoint.stream(CHAT_MODEL, prompt.messages, prompt.answer_tokens, 0.5)
    return write_answer(
        QUESTION, prompt, stream, lambda _chunk, _offset: None,
        model=CHAT_MODEL, extractive=False, retrieve_seconds=0.0,
    )  # fmt: skip


def test_server_counts_and_nothing_is_estimated(endpoint, count_really):
    counter = TokenCounter(endpoint, list_models(endpoint).server, CHAT_MODEL, 4096)
    for text in [QUESTION, *HARD]:
        assert count_really(text) <= counter.count(text) <= count_really(text) + 8
    assert counter.source == "server"


@pytest.mark.parametrize("context", [700, 1024, 2048, 4096])
@pytest.mark.parametrize("kind", ["handbook", "hard"])
def test_packed_prompt_fits_and_little_room_is_lost(endpoint, context, kind):
    counter = TokenCounter(endpoint, "llama.cpp", CHAT_MODEL, context)
    found = handbook(400) if kind == "handbook" else hits([text[:200] for text in HARD * 8])
    prompt = pack(counter, found)
    answer = ask(endpoint, prompt)
    sent = answer.usage.prompt_tokens
    assert sent <= prompt.tokens
    assert sent + prompt.answer_tokens <= context
    assert len(prompt.context) < len(found)
    if kind == "handbook":  # but for a passage, the reserve for templates, and the joints
        assert sent > 0.5 * context
    assert answer.notes == (
        f"{len(prompt.context)} of {len(found)} passages fit in the context of {CHAT_MODEL} "
        f"({context} tokens)",
    )


def test_context_of_the_server_is_never_exceeded_when_it_is_all_used(endpoint):
    """The largest answer allowed beside the fullest prompt: llama.cpp would refuse or cut."""
    counter = TokenCounter(endpoint, "llama.cpp", CHAT_MODEL, 4096)
    answer = ask(endpoint, pack(counter, handbook(300), answer_tokens=40))
    assert answer.usage.answer_tokens == 40


def test_ratio_is_learned_from_the_usage_of_the_server(endpoint, count_really):
    counter = TokenCounter(endpoint, "", CHAT_MODEL, 4096)
    assert counter.source == "margin"
    prompt = pack(counter, handbook(400)[:6])
    counted = sum(count_tokens(message.content) for message in prompt.messages)
    counter.learn(counted, ask(endpoint, prompt).usage.prompt_tokens)
    assert counter.source == "usage"
    for hit in handbook(2000):
        assert counter.count(hit.chunk.text) >= count_really(hit.chunk.text)


@pytest.mark.parametrize("kind", ["llama.cpp", ""])
def test_context_that_is_smaller_than_was_said_is_learned_and_packed_again(endpoint, kind):
    counter = TokenCounter(endpoint, kind, CHAT_MODEL, 60_000)
    found = handbook(400) + hits(HARD * 2)
    used, limits = None, []
    while used is None:
        prompt = pack(counter, found)
        try:
            used = ask(endpoint, prompt)
        except ContextOverflow as error:
            limits.append(error.limit_tokens)
            counter.overflowed(error.limit_tokens, prompt.tokens, prompt.answer_tokens)
    assert set(limits) == {4096}
    assert len(limits) <= 4
    assert counter.context_tokens == 4096
    assert 0 < len(used.context) < used.retrieved == len(found)
    assert "4096 tokens" in used.notes[0]
    again = TokenCounter(endpoint, kind, CHAT_MODEL, 60_000, counter.record())
    assert ask(endpoint, pack(again, found)).usage.prompt_tokens < 4096


@pytest.mark.parametrize(("said", "true"), [(1024, 1024), (60_000, 4096)])
def test_question_is_answered_within_the_context_whatever_was_set(
    llama_chat_url, weights_cache, tmp_path, said, true
):
    settings = Settings.load({
        "embedding_endpoint": "embedded", "chat_endpoint": llama_chat_url, "answer_tokens": 24,
        "index_dir": tmp_path / "index", "cache_dir": weights_cache, "top_k": 60,
        "context_tokens": said, "chunk_tokens": 64, "passages_tokens": 8000,
    })  # fmt: skip
    with Pipeline(settings) as pipeline:
        pipeline.ingest(HANDBOOK)
        answer = pipeline.ask(QUESTION)
    assert answer.usage.prompt_tokens + 24 <= true
    assert answer.usage.prompt_tokens > 0.6 * true
    assert 0 < len(answer.context) < answer.retrieved
    assert answer.notes == (
        f"{len(answer.context)} of {answer.retrieved} passages fit in the context of "
        f"{CHAT_MODEL} ({true} tokens)",
    )
    assert answer.served_by == CHAT_MODEL
