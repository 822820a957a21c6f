"""What a server's error means: its words are read before its status, which servers pick freely."""

from __future__ import annotations

import json
import math
import re
import time
from email.utils import parsedate_to_datetime

from rag.models.base.errors import (
    AuthenticationFailed,
    BadResponse,
    ContextOverflow,
    EndpointError,
    ModelLost,
    ModelUnavailable,
    RequestRefused,
    ServerBusy,
)
from rag.models.wire import hints
from rag.models.wire.hints import Commands, commands_of

MISSING_V1 = hints.MISSING_V1
LOAD_MODEL = hints.LOAD_MODEL

MOST_WORDS = 400
_DEEPEST = 5

_OVERFLOW = re.compile(
    r"context length|context size|context window|too large to process|exceed_context_size"
    r"|n_keep|context the overflows|maximum input length|input length exceeds"
    r"|context_length_exceeded|longer than the context",
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
        r"context window of (\d+)",
    )
)
_NO_MODEL = re.compile(
    r"no models? (is |are )?(currently )?loaded|invalid model identifier|model_not_found"
    r"|model .{0,80}(not found|does not exist)",
    re.IGNORECASE | re.DOTALL,
)
# Crashed or unloaded: LM Studio, and the runner of Ollama.
_LOST = re.compile(
    r"model has crashed|model (was |has been )?(unloaded|crashed)"
    r"|failed to load .{0,200}operation cancel"
    r"|runner (process has terminated|has unexpectedly stopped)",
    re.IGNORECASE | re.DOTALL,
)
_NOT_LOADABLE = re.compile(r"failed to load|(error|unable to) load(ing)? (the )?model", re.I)
_LOADING = re.compile(r"loading model|model is (still )?loading|server busy", re.IGNORECASE)
_KEY = re.compile(r"invalid_api_key|api token is required|authentication", re.IGNORECASE)
_WRONG_PATH = re.compile(r"unexpected endpoint or method", re.IGNORECASE)
_NOT_A_NUMBER = re.compile(r"contains NaN|NaN or Inf|unsupported value: NaN", re.IGNORECASE)
_FORMAT = re.compile(r"response_format|input should be 'text' or 'json_object'", re.IGNORECASE)
# The last but one is of llama-cpp-python, the last of llama.cpp, which says no more.
_WRONG_KIND = re.compile(
    r"does not support ((the )?(embeddings?|chat)\b|logits|generate)"
    r"|embeddings? (is|are) (not supported|disabled)|not (an )?(embedding|llm)( model)?\b"
    r"|created with embeddings?=True|^compute error",
    re.IGNORECASE,
)


def brief(text: str) -> str:
    """Return a server's text for a message: one line, printable, at most 400 characters."""
    line = " ".join(text[: 4 * MOST_WORDS].split())[:MOST_WORDS]
    return "".join(c if c.isprintable() else "?" for c in line)


def error_text(body: object) -> str:
    """Return the server's own words from any of the error shapes in use.

    Known: {"error": {"message"}}, {"error": "text"}, {"detail": text or list}, {"message"},
    plain text.  At most 400 characters, on one line: some servers echo the whole input.
    """
    if isinstance(body, bytes):
        body = body.decode("utf-8", "replace")
    try:
        if isinstance(body, str):
            body = _parse(body)
        return brief(_find_text(body, _DEEPEST))
    except RecursionError:
        return "an error nested too deep to read"


def _parse(text: str) -> object:
    try:
        parsed = json.loads(text)
    except ValueError:
        return text
    return parsed if isinstance(parsed, dict | list) else text


def _find_text(body: object, depth: int) -> str:
    if isinstance(body, dict) and depth:
        for key in ("error", "message", "detail", "msg"):
            if body.get(key):
                text = _find_text(body[key], depth - 1)
                if isinstance(place := body.get("loc"), list):
                    return f"{'.'.join(map(str, place))}: {text}"
                extra = [str(body[k]) for k in ("code", "type") if isinstance(body.get(k), str)]
                context = [f"{k}: {body[k]}" for k in ("n_ctx",) if isinstance(body.get(k), int)]
                return " ".join([text, *(f"({e})" for e in extra if e not in text), *context])
        return json.dumps(body)
    if isinstance(body, list) and depth:
        return "; ".join(_find_text(item, depth - 1) for item in body[:3])
    return str(body)


def is_missing_model(message: str) -> bool:
    """Say whether a server's words mean that it has no such model, or none."""
    return bool(_NO_MODEL.search(message))


def overflow_limit(text: str) -> int | None:
    """Return the token limit named in an overflow message, None when it names none."""
    return next((int(found[1]) for p in _LIMITS if (found := p.search(text))), None)


def classify(
    text: str, status: int | None, host: str, server: str = "", model: str = ""
) -> EndpointError:
    """Return the error that the server's words mean; `status` decides only when they do not.

    `status` is None for an error event in the middle of a stream.  The hint is in the commands
    of `server` and names `model`, where they are known.
    """
    said = f"{host} says: {text}" if text else f"{host} answered with status {status}"
    todo = commands_of(server, model)
    return (
        _by_text_of_model(text, said, todo)
        or _by_text_of_request(text, said, todo)
        or _by_status(status, said, todo)
    )


def _by_text_of_model(text: str, said: str, todo: Commands) -> EndpointError | None:
    if _WRONG_PATH.search(text):
        return BadResponse(said, MISSING_V1)
    if _KEY.search(text):
        return AuthenticationFailed(said, hints.KEY)
    if "weights_missing" in text:
        return ModelUnavailable(said, "run: rag models pull")
    if _NO_MODEL.search(text):
        return ModelUnavailable(said, todo.load)
    if _LOST.search(text):
        return ModelLost(said, f"load it again, or a smaller one: {todo.load}", retryable=True)
    if _NOT_LOADABLE.search(text):
        return ModelUnavailable(
            said, "free memory, or choose a smaller or more quantised model; see the server's log"
        )
    if _LOADING.search(text):
        return ServerBusy(said, "wait until the model is loaded, then try again", retryable=True)
    return None


def _by_text_of_request(text: str, said: str, todo: Commands) -> EndpointError | None:
    if _NOT_A_NUMBER.search(text):
        return RequestRefused(said, "load another embedding model, or a less quantised one")
    if _FORMAT.search(text):
        return RequestRefused(said, "the server does not support this form of output")
    if _WRONG_KIND.search(text):
        return _wrong_kind(said, todo)
    if _OVERFLOW.search(text):
        return ContextOverflow(
            said,
            f"{todo.context}; or lower RAG_CHUNK_TOKENS or RAG_TOP_K, or ask a shorter question",
            limit_tokens=overflow_limit(text),
        )
    return None


def _wrong_kind(said: str, todo: Commands) -> EndpointError:
    return ModelUnavailable(
        said,
        "its model is of the wrong kind for this: set RAG_EMBEDDING_ENDPOINT and "
        f"RAG_CHAT_ENDPOINT to a server for each ({todo.embed})",
    )


def _by_status(status: int | None, said: str, todo: Commands) -> EndpointError:
    match status:
        case 401 | 403:
            return AuthenticationFailed(said, hints.KEY)
        case 404:
            return RequestRefused(
                said, f"{MISSING_V1}; a server for chat may have no embeddings, nor the reverse"
            )
        case 429 | 503:
            return ServerBusy(said, "wait a little and try again", retryable=True)
        case 501:
            return _wrong_kind(said, todo)
        case 408 | 409:
            return EndpointError(said, "wait a little and try again", retryable=True)
        case int() if status < 500:
            return RequestRefused(said, "see the server's log; rag doctor shows what was chosen")
        case _:
            return EndpointError(said, "see the server's log, then try again", retryable=True)


def read_seconds(header: str | None) -> float | None:
    """Return the seconds from now that a Retry-After header asks for, None when unreadable."""
    try:
        seconds = float(header or "")
        return max(0.0, seconds) if math.isfinite(seconds) else None
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(header or "").timestamp() - time.time())
    except (ValueError, OverflowError):
        return None
