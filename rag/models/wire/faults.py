"""What a server's error means: its words are read before its status, which servers pick freely."""

from __future__ import annotations

import json
import re

from rag.models.base.errors import (
    AuthenticationFailed,
    BadResponse,
    ContextOverflow,
    EndpointError,
    ModelUnavailable,
    RequestRefused,
    ServerBusy,
)

_OVERFLOW = re.compile(
    r"context length|context size|context window|too large to process|exceed_context_size"
    r"|n_keep|context the overflows|maximum input length|input length exceeds",
    re.IGNORECASE,
)
_LIMITS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"current batch size:\s*(\d+)",
        r"context length of only (\d+)",
        r"n_ctx[\"']?\s*[:=]\s*(\d+)",
        r"maximum input length of (\d+)",
        r"context size \((\d+)",
        r"maximum context length is (\d+)",
        r"context length is only (\d+)",
    )
)
_NO_MODEL = re.compile(
    r"no models? (is |are )?(currently )?loaded|invalid model identifier|model_not_found"
    r"|model .{0,80}(not found|does not exist)",
    re.IGNORECASE | re.DOTALL,
)
_GONE = re.compile(r"model has crashed|model (was )?unloaded|failed to load", re.IGNORECASE)
_LOADING = re.compile(r"loading model|model is loading|server busy", re.IGNORECASE)
_KEY = re.compile(r"invalid_api_key|api token is required|authentication", re.IGNORECASE)
_WRONG_PATH = re.compile(r"unexpected endpoint or method", re.IGNORECASE)
_NOT_A_NUMBER = re.compile(r"contains NaN|NaN or Inf|unsupported value: NaN", re.IGNORECASE)
_FORMAT = re.compile(r"response_format|input should be 'text' or 'json_object'", re.IGNORECASE)
_WRONG_KIND = re.compile(
    r"does not support (embeddings|logits|chat)|embeddings? (is|are) (not supported|disabled)"
    r"|not (an )?embedding model",
    re.IGNORECASE,
)

MISSING_V1 = "check RAG_ENDPOINT: the address of an OpenAI-compatible server ends in /v1"
LOAD_MODEL = (
    "load one in LM Studio (or: lms get nomic-ai/nomic-embed-text-v1.5 && lms load MODEL), "
    "then see: rag doctor"
)


def error_text(body: object) -> str:
    """Return the server's own words from any of the error shapes in use.

    Known: {"error": {"message"}}, {"error": "text"}, {"detail": text or list}, {"message"},
    plain text.  At most 400 characters, on one line: some servers echo the whole input.
    """
    if isinstance(body, bytes):
        body = body.decode("utf-8", "replace")
    if isinstance(body, str):
        try:
            parsed = json.loads(body)
        except ValueError:
            parsed = None
        body = parsed if isinstance(parsed, dict | list) else body
    text = _find_text(body)
    return " ".join(text.split())[:400]


def _find_text(body: object) -> str:
    if isinstance(body, dict):
        for key in ("error", "message", "detail", "msg"):
            if body.get(key):
                text = _find_text(body[key])
                extra = [str(body[k]) for k in ("code", "type") if isinstance(body.get(k), str)]
                context = [f"{k}: {body[k]}" for k in ("n_ctx",) if isinstance(body.get(k), int)]
                return " ".join([text, *(f"({e})" for e in extra if e not in text), *context])
        return json.dumps(body)
    if isinstance(body, list):
        return "; ".join(_find_text(item) for item in body[:3])
    return str(body)


def overflow_limit(text: str) -> int | None:
    """Return the token limit named in an overflow message, None when it names none."""
    return next((int(found[1]) for p in _LIMITS if (found := p.search(text))), None)


def classify(text: str, status: int | None, host: str) -> EndpointError:
    """Return the error that the server's words mean; `status` decides only when they do not.

    `status` is None for an error event in the middle of a stream.
    """
    said = f"{host} says: {text}" if text else f"{host} answered with status {status}"
    return _by_text(text, said) or _by_status(status, said)


def _by_text(text: str, said: str) -> EndpointError | None:
    if _WRONG_PATH.search(text):
        return BadResponse(said, MISSING_V1)
    if _KEY.search(text):
        return AuthenticationFailed(said, "set RAG_API_KEY to the server's key or token")
    if "weights_missing" in text:
        return ModelUnavailable(said, "run: rag models pull")
    if _NO_MODEL.search(text):
        return ModelUnavailable(said, LOAD_MODEL)
    if _GONE.search(text):
        return ModelUnavailable(said, "load the model again in the server", retryable=True)
    if _LOADING.search(text):
        return ServerBusy(said, "wait until the model is loaded, then try again", retryable=True)
    if _NOT_A_NUMBER.search(text):
        return RequestRefused(said, "load another embedding model, or a less quantised one")
    if _FORMAT.search(text):
        return RequestRefused(said, "the server does not support this form of output")
    if _WRONG_KIND.search(text):
        return ModelUnavailable(
            said, "set RAG_EMBEDDING_ENDPOINT and RAG_CHAT_ENDPOINT to a server for each"
        )
    if _OVERFLOW.search(text):
        return ContextOverflow(
            said,
            "load the model with a larger context (llama.cpp embeds up to --ubatch-size), lower "
            "RAG_CHUNK_TOKENS or RAG_TOP_K, or ask a shorter question",
            limit_tokens=overflow_limit(text),
        )
    return None


def _by_status(status: int | None, said: str) -> EndpointError:
    match status:
        case 401 | 403:
            return AuthenticationFailed(said, "set RAG_API_KEY to the server's key or token")
        case 404:
            return RequestRefused(said, MISSING_V1)
        case 408 | 409 | 429 | 502 | 503 | 504:
            return ServerBusy(said, "wait a little and try again", retryable=True)
        case int() if status < 500:
            return RequestRefused(said, "see the server's log; rag doctor shows what was chosen")
        case _:
            return EndpointError(said, "see the server's log, then try again", retryable=True)


def read_seconds(header: str | None) -> float | None:
    """Return the seconds of a Retry-After header, None when it is missing or a date."""
    try:
        return max(0.0, float(header or ""))
    except ValueError:
        return None
