import pytest

from rag.models.base.errors import ContextOverflow, ModelUnavailable, ServerBusy
from rag.models.wire.faults import classify, error_text

HOST = "127.0.0.1:1234"

OVERFLOWS = {
    "LM Studio 0.3": (
        "Trying to keep the first 15857 tokens when context the overflows. However, the model is "
        "loaded with context length of only 4096 tokens, which is not enough.", 4096),
    "LM Studio 0.4": (
        "The number of tokens to keep from the initial prompt is greater than the context length "
        "(n_keep: 13055>= n_ctx: 4096).", 4096),
    "llama.cpp embeddings": (
        "input (549 tokens) is too large to process. increase the physical batch size "
        "(current batch size: 512)", 512),
    "llama.cpp chat": (
        "request (4170 tokens) exceeds the available context size (4096 tokens), try increasing it",
        4096),
    "Ollama": ("the input length exceeds the context length", None),
    "vLLM": (
        "You passed 8193 input tokens and requested 0 output tokens. However, the model's context "
        "length is only 8192 tokens, resulting in a maximum input length of 8192 tokens.", 8192),
    "vLLM, older": ("This model's maximum context length is 2048 tokens.", 2048),
}  # fmt: skip


@pytest.mark.parametrize(("text", "limit"), OVERFLOWS.values(), ids=OVERFLOWS.keys())
@pytest.mark.parametrize("status", [400, 500, None])
def test_overflow_is_known_by_its_words_whatever_the_status(text, limit, status):
    error = classify(text, status, HOST)
    assert isinstance(error, ContextOverflow)
    assert error.limit_tokens == limit
    assert not error.retryable


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"error": {"message": "a", "code": "c"}}, "a (c)"),
        ({"error": "plain"}, "plain"),
        ({"detail": "gone"}, "gone"),
        ({"detail": [{"msg": "x"}, {"msg": "y"}]}, "x; y"),
        ({"message": "m"}, "m"),
        (b'{"error": "bytes"}', "bytes"),
        (b"Internal Server Error", "Internal Server Error"),
        ("two\nlines", "two lines"),
        ({"error": {"message": "too long", "type": "exceed_context_size_error", "n_ctx": 512}},
         "too long (exceed_context_size_error) n_ctx: 512"),
    ],
)  # fmt: skip
def test_words_are_found_in_every_error_shape(body, text):
    assert error_text(body) == text


def test_echoed_input_is_cut():
    assert len(error_text({"error": "x" * 100_000})) == 400


@pytest.mark.parametrize(
    ("text", "status", "kind", "retryable"),
    [
        ("No models loaded. Please load a model in the developer page.", 404, ModelUnavailable, False),
        ("model 'x' not found", 404, ModelUnavailable, False),
        ("The model has crashed without additional information. (Exit code: 6)", 400, ModelUnavailable, True),
        ("Loading model", 503, ServerBusy, True),
        ("", 429, ServerBusy, True),
    ],
)  # fmt: skip
def test_meaning_decides_whether_a_second_try_makes_sense(text, status, kind, retryable):
    error = classify(text, status, HOST)
    assert type(error) is kind
    assert error.retryable is retryable
    assert error.hint
