"""A key in, an HTTP client out that sends nothing else about this machine and reads with limits."""

from __future__ import annotations

import ssl
import time
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator
from typing import Any

import httpcore2
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
# Four times what httpcore2 asks for: vectors as text are a megabyte for each batch.
_READ_BYTES = 256 * 2**10


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
        for piece in _without_mark(self._stream):
            self._size += len(piece)
            self._event_size += len(piece)
            if self._event_size > MOST_EVENT_BYTES or self._size > MOST_BYTES:
                raise EndlessAnswer(self._host)
            yield piece

    def close(self) -> None:
        """Close the connection, or give it back."""
        self._stream.close()


def _without_mark(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Leave out a byte order mark: with it, the first event would have no name of a field."""
    start, rest = b"", iter(pieces)
    for piece in rest:
        start += piece
        if len(start) >= len(BOM_UTF8) or not BOM_UTF8.startswith(start):
            break
    yield start.removeprefix(BOM_UTF8)
    yield from rest


class PunctualStream(httpcore2.NetworkStream):
    """A connection whose reads after a request share one limit, until `end_head` is called.

    The limit of each read alone would never end a head that comes as a byte now and then, nor
    one interim answer after the other.
    """

    def __init__(self, stream: httpcore2.NetworkStream) -> None:
        self._stream = stream
        self._due: float | None = None
        self._was_answered = True

    @property
    def is_stale(self) -> bool:
        """Say that nothing was read since the last request: an answer now is another's."""
        return not self._was_answered

    def end_head(self) -> None:
        """Say that the head was read: who reads on keeps its own time."""
        self._due = None

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send, and begin to wait for a head."""
        self._was_answered = False
        try:
            self._stream.write(buffer, timeout)
        finally:
            # A server may answer a request that it does not read to its end.
            self._due = None if timeout is None else time.monotonic() + timeout

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Return what has arrived; raises ReadTimeout also when the head takes too long."""
        if self._due is not None:
            left = self._due - time.monotonic()
            if left <= 0:
                raise httpcore2.ReadTimeout("the head of the answer did not end")
            timeout = left if timeout is None else min(left, timeout)
        piece = self._stream.read(max(max_bytes, _READ_BYTES), timeout)
        self._was_answered = True
        return piece

    def close(self) -> None:
        """Close the connection."""
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> PunctualStream:
        """Return the same connection, encrypted."""
        return PunctualStream(self._stream.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        """Return what the connection knows of itself."""
        if info == "is_readable":
            # What was decrypted already is no longer to be seen at the socket.
            encrypted = self._stream.get_extra_info("ssl_object")
            if encrypted is not None and encrypted.pending():
                return True
        return self._stream.get_extra_info(info)


class _Backend(httpcore2.SyncBackend):
    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> PunctualStream:
        stream = super().connect_tcp(host, port, timeout, local_address, socket_options)
        return PunctualStream(stream)


class Network(httpx2.HTTPTransport):
    """The network without proxies, over connections that keep time."""

    def __init__(self, verify: bool, keepalive_expiry: float) -> None:
        # The base class would open the same pool, and takes no backend.
        self._pool = httpcore2.ConnectionPool(
            ssl_context=httpx2.create_ssl_context(verify=verify, trust_env=False),
            max_connections=None,
            keepalive_expiry=keepalive_expiry,
            network_backend=_Backend(),
        )

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Return the answer to this request, never one that a server sent twice before.

        What came in one piece with an earlier answer waits in the parser of its connection; such
        a connection is closed, and the request made on another.
        """
        while True:
            answer = super().handle_request(request)
            network = answer.extensions.get("network_stream")
            if not (isinstance(network, PunctualStream) and network.is_stale):
                return answer
            answer.close()


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
        network = answer.extensions.get("network_stream")
        if isinstance(network, PunctualStream):
            network.end_head()
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
            seconds = answer.request.extensions.get("timeout", {}).get("read", response)
            answer.stream = WholeAnswer(stream, seconds, host)

    return httpx2.Client(
        timeout=httpx2.Timeout(response, connect=connect),
        # Proxies of the environment break loopback and would see private documents.
        trust_env=False,
        follow_redirects=False,
        # Certificates take a tenth of a second to load and are of use to https only.  Servers
        # close after 5 s: a request never meets a closing line.
        transport=transport or Network(verify=verify, keepalive_expiry=3.0),
        event_hooks={"request": [prepare], "response": [guard]},
    )
