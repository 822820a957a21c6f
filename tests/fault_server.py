"""A real HTTP server on loopback whose every answer is scripted, faults included."""

from __future__ import annotations

import base64
import io
import json
import socket
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Reply:
    """What is sent back: `body` as bytes or pieces; `fault` breaks the connection after it.

    Faults: "reset" closes with a TCP reset (before any byte when there is no body), "close"
    closes early, "short" promises more bytes than it sends.  `delay` seconds pass before the
    first byte, `pace` seconds before each further piece.  A `raw` body holds the head as well
    and is sent as it is.
    """

    body: bytes | Iterable[bytes] = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})
    fault: str = ""
    delay: float = 0.0
    pace: float = 0.0
    raw: bool = False


@dataclass
class Request:
    """What arrived, and when it was answered; `ended` is 0 until then."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    started: float = 0.0
    ended: float = 0.0

    @property
    def json(self):
        return json.loads(self.body)


Behaviour = Reply | Callable[[Request], Reply]


def as_json(value, status: int = 200) -> Reply:
    return Reply(json.dumps(value).encode(), status)


def sse(*events, done: bool = True) -> Reply:
    """A stream of server-sent events; dictionaries are sent as JSON, bytes as they are."""
    pieces = [e if isinstance(e, bytes) else b"data: " + json.dumps(e).encode() + b"\n\n"
              for e in events]  # fmt: skip
    return as_stream(pieces + ([b"data: [DONE]\n\n"] if done else []))


def as_stream(pieces: Iterable[bytes], **more) -> Reply:
    """Pieces of a stream as they are, in chunks of HTTP/1.1."""
    return Reply(pieces, headers={"Content-Type": "text/event-stream"}, **more)


def fail(message: str, status: int = 400, *, bare: bool = False, **more) -> Reply:
    """An error as OpenAI writes it; `bare`: as LM Studio and Ollama's own paths do."""
    return as_json({"error": message if bare else {"message": message, **more}}, status)


def with_headers(reply: Reply, **headers: str) -> Reply:
    """The same with more headers, `_` for `-`."""
    more = {name.replace("_", "-"): value for name, value in headers.items()}
    return replace(reply, headers={**reply.headers, **more})


def bytes_of(reply: Reply) -> bytes:
    return reply.body if isinstance(reply.body, bytes) else b"".join(reply.body)


def one_by_one(content: bytes) -> list[bytes]:
    """Every byte a piece of its own."""
    return [content[i : i + 1] for i in range(len(content))]


def endless(piece: bytes, seconds: float = 5.0) -> Iterator[bytes]:
    """The same piece again and again, for so long that a client must have given up."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield piece


def raw_reply(body: bytes, length: int | None = None, kind: str = "application/json") -> bytes:
    """A whole answer, head and body, with the length it claims."""
    length = len(body) if length is None else length
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n"
    return head.encode() + body


def gzip_bomb(megabytes: int) -> Reply:
    """A gzip answer a thousandth of the size that it unpacks to."""
    packer = zlib.compressobj(9, wbits=-15)
    block = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    head = b"\x1f\x8b\x08" + bytes(6) + b"\xff"
    return with_headers(Reply(head + block * megabytes), Content_Encoding="gzip")


def chunk(content=None, finish=None, **delta):
    """One chunk of a streamed chat answer."""
    if content is not None:
        delta["content"] = content
    return {
        "id": "x", "object": "chat.completion.chunk", "created": 0, "model": "stub",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    }  # fmt: skip


def embedding_rows(vectors, encode: bool = False) -> list[dict]:
    def value(row):
        if not encode:
            return list(map(float, row))
        return base64.b64encode(struct.pack(f"<{len(row)}f", *row)).decode()

    return [
        {"object": "embedding", "index": i, "embedding": value(row)}
        for i, row in enumerate(vectors)
    ]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # The default of 5 refuses a burst of connections.
    request_queue_size = 64

    def handle_error(self, request, client_address) -> None:
        """A connection broken on purpose is no news."""


class FaultServer:
    """Answers each path with the next behaviour of its script; the last one repeats.

    A path without a script is answered as LM Studio does: 200 with an error in the body.
    A connection that is idle for `idle_seconds` is closed.
    """

    def __init__(self, idle_seconds: float | None = None) -> None:
        self.scripts: dict[str, list[Behaviour]] = {}
        self.requests: list[Request] = []
        self._lock = threading.Lock()
        handler = type("Handler", (_Handler,), {"owner": self, "timeout": idle_seconds})
        self._server = _Server(("127.0.0.1", 0), handler)
        self.root = f"http://127.0.0.1:{self._server.server_port}"
        self.url = f"{self.root}/v1"

    def on(self, path: str, *behaviours: Behaviour) -> None:
        self.scripts[path] = list(behaviours)

    def next_reply(self, request: Request) -> Reply:
        with self._lock:
            self.requests.append(request)
            script = self.scripts.get(request.path)
            if not script:
                text = f"Unexpected endpoint or method. ({request.method} {request.path})"
                return as_json({"error": text})
            behaviour = script.pop(0) if len(script) > 1 else script[0]
        return behaviour(request) if callable(behaviour) else behaviour

    def asked(self, path: str) -> list[Request]:
        return [request for request in self.requests if request.path == path]

    def most_at_once(self, *paths: str) -> int:
        """The most requests for these paths (none: for all) that were served at one time."""
        served = [r for r in self.requests if not paths or r.path in paths]
        return max(
            (sum(o.started <= r.started < (o.ended or r.started + 1) - 0.005 for o in served)
             for r in served), default=0,
        )  # fmt: skip

    @contextmanager
    def running(self) -> Iterator[FaultServer]:
        thread = threading.Thread(target=self._server.serve_forever, args=(0.005,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body are two packets: the second would wait 40 ms for the first to be confirmed.
    disable_nagle_algorithm = True
    owner: FaultServer

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def log_message(self, format, *args) -> None:
        pass

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, self.path, headers, body, started=time.monotonic())
        reply = self.owner.next_reply(request)
        try:
            time.sleep(reply.delay)
            if reply.fault == "reset" and not reply.body:
                self._break(reply.fault)
            else:
                self._send(reply)
        except OSError:  # the client has gone, or does not read
            self.close_connection = True
        finally:
            request.ended = time.monotonic()

    def _send(self, reply: Reply) -> None:
        if reply.raw:
            for piece in _paced(
                [reply.body] if isinstance(reply.body, bytes) else reply.body, reply.pace
            ):
                self.wfile.write(piece)
            self._break(reply.fault)
            return
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if isinstance(reply.body, bytes):
            extra = 100 if reply.fault == "short" else 0
            self.send_header("Content-Length", str(len(reply.body) + extra))
            self.end_headers()
            self.wfile.write(reply.body)
        else:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for piece in _paced(reply.body, reply.pace):
                self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
                self.wfile.flush()
            if not reply.fault:
                self.wfile.write(b"0\r\n\r\n")
        if reply.fault:
            self._break(reply.fault)

    def _break(self, fault: str) -> None:
        """End the connection in the way named."""
        self.wfile.flush()
        if fault == "reset":
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.connection.close()
            self.wfile = io.BytesIO()  # the base class flushes it once more
        self.close_connection = True


def _paced(pieces: Iterable[bytes], seconds: float) -> Iterator[bytes]:
    for number, piece in enumerate(pieces):
        if number:
            time.sleep(seconds)
        yield piece
