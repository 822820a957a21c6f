"""A key in, an HTTP client out that sends nothing else about this machine and reads with limits."""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx2

from rag.models.base.errors import BadResponse
from rag.models.wire.patience import AnswerTimeout

MOST_BYTES = 256 * 2**20
"""Of an answer: 2048 vectors of 4096 numbers written as text are 176 MB."""

MOST_EVENT_BYTES = 4 * 2**20
"""Of one event of a stream, which carries a word or, at its end, the whole answer."""

_SENT_HEADERS = frozenset(
    ("host", "accept", "accept-encoding", "connection", "content-type", "content-length",
     "user-agent")
)  # fmt: skip


EVENTS = "text/event-stream"


class EndlessAnswer(BadResponse):
    """A stream went beyond every limit; what came before it may be used."""

    def __init__(self, host: str) -> None:
        super().__init__(
            f"{host} sent an answer without end", "load another chat model, or update the server"
        )


class WholeAnswer(httpx2.SyncByteStream):
    """The bytes of an answer that is read whole: not too many, and not for too long.

    A read timeout would never end an answer that comes as a byte now and then.
    """

    def __init__(self, stream: httpx2.SyncByteStream, seconds: float, host: str) -> None:
        self._stream = stream
        self._seconds = seconds
        self._host = host

    def __iter__(self) -> Iterator[bytes]:
        due, size = time.monotonic() + self._seconds, 0
        for piece in self._stream:
            size += len(piece)
            if size > MOST_BYTES:
                raise BadResponse(
                    f"{self._host} sent more than {MOST_BYTES // 2**20} MB in one answer",
                    "lower RAG_BATCH_SIZE, or see the server's log",
                )
            if time.monotonic() > due:
                raise AnswerTimeout(
                    f"{self._host} did not finish its answer within {self._seconds:g} seconds",
                    "see the server's log, or raise RAG_RESPONSE_TIMEOUT_SECONDS",
                )
            yield piece

    def close(self) -> None:
        """Close the connection, or give it back."""
        self._stream.close()


class EventBytes(httpx2.SyncByteStream):
    """The bytes of a stream of events; raises EndlessAnswer when one event has too many."""

    def __init__(self, stream: httpx2.SyncByteStream, host: str) -> None:
        self._stream = stream
        self._host = host
        self._size = self._event_size = 0

    def begin_event(self) -> None:
        """Say that an event was read: the next may be as long."""
        self._event_size = 0

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._stream:
            self._size += len(piece)
            self._event_size += len(piece)
            if self._event_size > MOST_EVENT_BYTES or self._size > MOST_BYTES:
                raise EndlessAnswer(self._host)
            yield piece

    def close(self) -> None:
        """Close the connection, or give it back."""
        self._stream.close()


def open_client(
    key: str,
    host: str,
    *,
    connect: float,
    response: float,
    verify: bool,
    transport: httpx2.BaseTransport | None,
) -> httpx2.Client:
    """Return a client for one server; seconds for a connection, for an answer's first byte
    and again for the rest of it.
    """

    def prepare(request: httpx2.Request) -> None:
        for name in set(request.headers) - _SENT_HEADERS:
            del request.headers[name]
        request.headers["authorization"] = f"Bearer {key or 'none'}"
        # A few compressed bytes can become any number of them.
        request.headers["accept-encoding"] = "identity"

    def guard(answer: httpx2.Response) -> None:
        encoding = answer.headers.get("content-encoding", "").strip().lower()
        if encoding not in ("", "identity"):
            raise BadResponse(
                f"{host} compressed its answer ({encoding[:40]}), which was not asked for",
                "switch compression off in the server, or in the proxy before it",
            )
        stream = answer.stream
        assert isinstance(stream, httpx2.SyncByteStream)
        is_stream = EVENTS in answer.request.headers["accept"] and answer.is_success
        kind = answer.headers.get("content-type", "")
        if is_stream and "json" not in kind and "html" not in kind:
            answer.stream = EventBytes(stream, host)
        else:
            answer.stream = WholeAnswer(stream, response, host)

    return httpx2.Client(
        timeout=httpx2.Timeout(response, connect=connect),
        # Shorter than the 5 s after which servers close: a request never meets a closing line.
        limits=httpx2.Limits(keepalive_expiry=3.0),
        # Proxies of the environment break loopback and would see private documents.
        trust_env=False,
        # Certificates take a tenth of a second to load and are of use to https only.
        verify=verify,
        follow_redirects=False,
        transport=transport,
        event_hooks={"request": [prepare], "response": [guard]},
    )
