"""Every exception of openai and httpx2 in, one of ours out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import httpx2
import openai

from rag.models.base.errors import (
    BadResponse,
    EndpointError,
    EndpointUnreachable,
    RequestRefused,
    ServerBusy,
)
from rag.models.wire.faults import (
    MOST_READ,
    brief,
    classify,
    error_text,
    read_seconds,
    without_echo,
)
from rag.models.wire.hints import MISSING_V1, WRITE_HTTPS, commands_of
from rag.models.wire.patience import AnswerTimeout

# ValueError and those after it: what openai-python lets through when a server answers with
# something else than the protocol.
_FOREIGN = (
    openai.OpenAIError, httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError,
    httpx2.CookieConflict, OSError,
    ValueError, TypeError, AttributeError, LookupError, ArithmeticError, RecursionError,
)  # fmt: skip
# The words of h11; the second for a first byte that no text begins with.
_HEAD_TOO_LONG = "Receive buffer too long"
_NO_HEAD = "illegal request line"
_START_OF_TLS = r"\x15\x03"


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is spoken to, about which model, and the texts `sent`, which no error may repeat.

    `server` is the name of its program, "" when that is not known.
    """

    url: str
    host: str
    server: str = ""
    model: str = ""
    sent: Sequence[str] = ()


@contextmanager
def translated(peer: Peer) -> Iterator[None]:
    """Turn every exception of openai and httpx2 into an EndpointError."""
    try:
        yield
    except _FOREIGN as error:
        raise _translate(error, peer) from error


def _translate(error: Exception, peer: Peer) -> EndpointError:
    match error:
        case openai.APIStatusError():
            return explain_status(error.response, error.body, peer)
        case openai.APITimeoutError() | httpx2.TimeoutException():
            return _timeout(error, peer)
        case openai.APIConnectionError() | httpx2.TransportError() | OSError():
            return _broken(error, peer)
        case openai.APIError():
            return explain_event(error.body or str(error), peer)
        case json.JSONDecodeError():
            return _no_json(error, peer)
        case _:
            text = brief(without_echo(f"{type(error).__name__}: {error}"[:MOST_READ], peer.sent))
            return BadResponse(
                f"{peer.host} sent an answer that cannot be read: {text}", MISSING_V1
            )


def explain_status(response: httpx2.Response, body: object, peer: Peer) -> EndpointError:
    """Return what an answer with an error status means; `body` is its JSON, None without one."""
    if response.is_redirect:
        target = brief(response.headers.get("location", ""))
        if not target:
            return BadResponse(f"{peer.host} redirects, and does not say where", MISSING_V1)
        return BadResponse(
            f"{peer.host} redirects to {target}", "set RAG_ENDPOINT to it if you trust it"
        )
    words = error_text(response.content if body is None else body, peer.sent)
    meant = classify(words, response.status_code, peer.host, peer.server, peer.model)
    if isinstance(meant, ServerBusy):
        meant.ask_to_wait(read_seconds(response.headers.get("retry-after")))
    return meant


def explain_event(failure: object, peer: Peer, status: int | None = None) -> EndpointError:
    """Return what an error inside an answer means; llama.cpp writes the status into it."""
    code = failure.get("code") if isinstance(failure, dict) else None
    known = code if isinstance(code, int) and 400 <= code < 600 else status
    return classify(error_text(failure, peer.sent), known, peer.host, peer.server, peer.model)


def _no_json(error: json.JSONDecodeError, peer: Peer) -> EndpointError:
    """Return what the text means that stands where JSON should be: it may be an error."""
    return explain_text(error.doc, peer)


def explain_text(text: str, peer: Peer) -> EndpointError:
    """Return what a text means that stands where an answer should be."""
    words = brief(without_echo(text[:MOST_READ], peer.sent))
    if words and not words.startswith(("{", "[")):
        meant = classify(words, 200, peer.host, peer.server, peer.model)
        if type(meant) is not RequestRefused:
            return meant
        return BadResponse(f"{peer.host} sent an answer that cannot be read: {words}", MISSING_V1)
    # Not shown: it may be a part of the answer.
    return BadResponse(f"{peer.host} sent an event that is no JSON", "see the server's log")


def _timeout(error: Exception, peer: Peer) -> EndpointUnreachable:
    cause = error.__cause__ if isinstance(error, openai.OpenAIError) else error
    if isinstance(cause, httpx2.ConnectTimeout):
        return _nobody_there(peer)
    return AnswerTimeout(
        f"{peer.host} did not answer in time",
        "wait for the model to load, or raise RAG_RESPONSE_TIMEOUT_SECONDS",
        retryable=True,
    )


def _broken(error: Exception, peer: Peer) -> EndpointError:
    cause = error.__cause__ if isinstance(error, openai.OpenAIError) else error
    if isinstance(cause, httpx2.ConnectError):
        text = brief(str(cause))
        if "SSL" not in text and "certificate" not in text.lower():
            return _nobody_there(peer)
        return EndpointUnreachable(
            f"no safe connection to {peer.host}: {text}",
            "write http:// in RAG_ENDPOINT if the server has no certificate",
        )
    text = brief(str(cause or error))
    if text == _HEAD_TOO_LONG:
        return BadResponse(f"{peer.host} sent more than can be the head of an answer", MISSING_V1)
    if text == _NO_HEAD or _START_OF_TLS in text:
        return BadResponse(f"{peer.host} answered http:// with something else", WRITE_HTTPS)
    return EndpointUnreachable(
        f"the connection to {peer.host} broke: {text}",
        "see whether the server still runs, and its log, then try again",
        retryable=True,
    )


def _nobody_there(peer: Peer) -> EndpointUnreachable:
    start = commands_of(peer.server, peer.model).start
    return EndpointUnreachable(
        f"no server at {peer.url}", f"{start}, set RAG_ENDPOINT, or add --embedded"
    )
