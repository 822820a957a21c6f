import pytest

from rag.models.base.errors import (
    ContextOverflow,
    EndpointError,
    ModelLost,
    ModelUnavailable,
    RequestRefused,
    ServerBusy,
)
from rag.models.wire.faults import classify, error_text
from rag.models.wire.hints import commands_of

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
    "Ollama chat": (
        "the prompt is longer than the context length currently available to the model", None),
    "llama-cpp-python": (
        "This model's maximum context length is 512 tokens, however you requested 700 tokens "
        "(context_length_exceeded)", 512),
    "LiteLLM around vLLM": (
        "litellm.BadRequestError: OpenAIException - You passed 900 input tokens. However, the "
        "model's context length is only 512 tokens", 512),
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
        ({"detail": [{"loc": ["body", "temperature"], "msg": "Input should be less than 2", "type": "less_than"}]},
         "body.temperature: Input should be less than 2"),
        ({"detail": [{"loc": ["body", "messages", 0, "role"], "msg": "x", "input": "y" * 999}]},
         "body.messages.0.role: x"),
        ({"error": "red \x1b[31m and \u202e back \x00"}, "red ?[31m and ? back ?"),
    ],
)  # fmt: skip
def test_words_are_found_in_every_error_shape(body, text):
    assert error_text(body) == text


def test_echoed_input_is_cut():
    assert len(error_text({"error": "x" * 100_000})) == 400
    details = {"detail": [{"loc": ["body"], "msg": "y" * 5000}] * 9}
    assert len(classify(error_text(details), 422, HOST).message) < 430


@pytest.mark.parametrize("depth", [10, 5000, 200_000])
def test_error_nested_without_end_is_read(depth):
    assert error_text(b'{"error":' * depth + b'"x"' + b"}" * depth)
    assert error_text(b"[" * depth + b"]" * depth)


@pytest.mark.parametrize(
    ("text", "status", "kind", "retryable"),
    [
        ("No models loaded. Please load a model in the developer page.", 404, ModelUnavailable, False),
        ("model 'x' not found", 404, ModelUnavailable, False),
        ("The model has crashed without additional information. (Exit code: 6)", 400, ModelLost, True),
        ("Loading model", 503, ServerBusy, True),
        ("", 429, ServerBusy, True),
        ("", 502, EndpointError, True),
        ("", 501, ModelUnavailable, False),
        ("Model unloaded.", None, ModelLost, True),
        ('Failed to load model "x". Error: Operation canceled.', 400, ModelLost, True),
        ('Failed to load model "x". Error: insufficient system resources', 400, ModelUnavailable, False),
        ("error loading model architecture: unknown", 500, ModelUnavailable, False),
        ("llama runner process has terminated: exit status 2", 500, ModelLost, True),
        ("This server does not support embeddings. Start it with `--embeddings`", 501, ModelUnavailable, False),
        ("the current context does not support logits computation. skipping", 500, ModelUnavailable, False),
        ("Llama model must be created with embedding=True to call this method", 500, ModelUnavailable, False),
        ("The model does not support Chat Completions API", 404, ModelUnavailable, False),
        ('"nomic-embed-text" does not support chat', 400, ModelUnavailable, False),
        ("Compute error.", 500, ModelUnavailable, False),
        ("Not Found", 404, RequestRefused, False),
        ("embedding contains NaN or Inf values", 500, RequestRefused, False),
    ],
)  # fmt: skip
def test_meaning_decides_whether_a_second_try_makes_sense(text, status, kind, retryable):
    error = classify(text, status, HOST)
    assert type(error) is kind
    assert error.retryable is retryable
    assert error.hint


SERVERS = {
    "LM Studio": ("lms server start", "lms load m", "--context-length"),
    "Ollama": ("ollama serve", "ollama pull m", "OLLAMA_CONTEXT_LENGTH"),
    "llama.cpp": ("llama-server -m", "llama-server -m", "--ubatch-size"),
    "vLLM": ("vllm serve m", "vllm serve m", "--max-model-len"),
    "the embedded model": ("start it", "rag models pull", "RAG_CHUNK_TOKENS"),
    "": ("lms server start", "lms load m", "--context-length"),
    "another": ("lms server start", "lms load m", "--context-length"),
}  # fmt: skip


@pytest.mark.parametrize(("server", "words"), SERVERS.items(), ids=SERVERS.keys())
def test_hints_are_in_the_commands_of_the_server(server, words):
    start, load, context = words
    assert start in commands_of(server, "m").start
    assert load in classify("No models loaded.", 400, HOST, server, "m").hint
    assert load in classify("The model has crashed", 400, HOST, server, "m").hint
    assert context in classify("n_ctx: 4096 n_keep", 400, HOST, server, "m").hint
    assert "RAG_CHUNK_TOKENS" in classify("n_ctx: 4096 n_keep", 400, HOST, server, "m").hint
    assert "RAG_EMBEDDING_ENDPOINT" in classify("", 501, HOST, server, "m").hint
