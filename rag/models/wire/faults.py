"""What a server's error means: its words are read before its status, which servers pick freely."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Sequence
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
from rag.models.wire.hints import MISSING_V1, Commands, commands_of

MOST_WORDS = 400
MOST_TOKENS = 10**9
"""A count beyond it is none."""

_DEEPEST = 5
# Of a server's words: those before are enough to find its own among an echo of the request.
MOST_READ = 4000
# As many characters in a row, blanks left out, are no coincidence.
_ECHO = 20
_BLANKS = re.compile(r"\\[nrt]|[\s\\]")

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
    r"|\bmodel[\s:=]*[\"'`]?[\w./:@+-]{0,80}[\"'`]?,? (is |was )?(not found|does not exist)",
    re.IGNORECASE,
)
# Crashed or unloaded: LM Studio, and the runner of Ollama.
_LOST = re.compile(
    r"model has crashed|model (was |has been )?(unloaded|crashed)"
    r"|failed to load .{0,200}operation cancel"
    r"|runner (process has terminated|has unexpectedly stopped)",
    re.IGNORECASE | re.DOTALL,
)
_NOT_LOADABLE = re.compile(r"failed to load|(error|unable to) load(ing)? (the )?model", re.I)
_LOADING = re.compile(
    r"(^|[:.!-] ?)(still )?loading (the )?model\b|\bserver (is )?busy"
    r"|model is (still |currently )?(being loaded|loading)\b",
    re.IGNORECASE,
)
_KEY = re.compile(
    r"invalid_api_key|authentication_?error|api (token|key) is (required|invalid|missing)"
    r"|(invalid|incorrect|missing|no) api.key|authentication (failed|is required|required)",
    re.IGNORECASE,
)
_ENCRYPTED = re.compile(r"HTTP request (was sent )?to (an )?HTTPS", re.IGNORECASE)
_WRONG_PATH = re.compile(r"unexpected endpoint or method", re.IGNORECASE)
_NOT_A_NUMBER = re.compile(r"contains NaN|NaN or Inf|unsupported value: NaN", re.IGNORECASE)
_FORMAT = re.compile(
    r"response_format|input should be 'text' or 'json_object'|json_schema|structured outputs?\b"
    r"|(pars|compil|invalid|unsupported).{0,40}grammar|grammar.{0,40}(pars|compil|support)",
    re.IGNORECASE,
)
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


def without_echo(words: str, sent: Sequence[str]) -> str:
    """Return a server's words with "…" for what only repeats the texts of the request.

    What was sent says nothing of the fault, and a document has no place in a message.
    """
    if not sent:
        return words
    blanks = {i for found in _BLANKS.finditer(words) for i in range(*found.span())}
    places = [i for i in range(len(words)) if i not in blanks]
    said = "".join(words[i] for i in places)
    texts = "\0".join(_BLANKS.sub("", text) for text in sent)
    kept, after = "", 0
    for start in range(len(said) - _ECHO + 1):
        if said[start : start + _ECHO] in texts:
            first, last = places[start], places[start + _ECHO - 1]
            kept += words[after:first] + "…" if first >= after else ""
            after = last + 1
    return kept + words[after:]


def error_text(body: object, sent: Sequence[str] = ()) -> str:
    """Return the server's own words from any of the error shapes in use.

    Known: {"error": {"message"}}, {"error": "text"}, {"detail": text or list}, {"message"},
    plain text.  At most 400 characters, on one line, without what repeats the texts `sent`.
    """
    if isinstance(body, bytes):
        body = body.decode("utf-8", "replace")
    try:
        if isinstance(body, str):
            body = _parse(body)
        return brief(without_echo(_find_text(body, _DEEPEST)[:MOST_READ], sent))
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
        return json.dumps(body, ensure_ascii=False)
    if isinstance(body, list) and depth:
        return "; ".join(_find_text(item, depth - 1) for item in body[:3])
    return str(body)


def is_missing_model(message: str) -> bool:
    """Say whether a server's words mean that it has no such model, or none."""
    return bool(_NO_MODEL.search(message))


def overflow_limit(text: str) -> int | None:
    """Return the token limit named in an overflow message, None when it names none."""
    named = (int(found[1][:12]) for p in _LIMITS if (found := p.search(text)))
    return next((tokens for tokens in named if 0 < tokens < MOST_TOKENS), None)


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
        # After an overflow, which may quote a text about keys.
        or (AuthenticationFailed(said, hints.KEY) if _KEY.search(text) else None)
        or _by_status(status, said, todo)
    )


def _by_text_of_model(text: str, said: str, todo: Commands) -> EndpointError | None:
    if _WRONG_PATH.search(text):
        return BadResponse(said, MISSING_V1)
    if _ENCRYPTED.search(text):
        return BadResponse(said, hints.WRITE_HTTPS)
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
        case 404 | 405:
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
