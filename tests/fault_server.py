"""A real HTTP server on loopback whose every answer is scripted, faults included."""

from __future__ import annotations

import base64
import io
import json
import socket
import struct
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Reply:
    """What is sent back: `body` as bytes or pieces; `fault` breaks the connection after it.

    Faults: "reset" closes with a TCP reset, "close" closes early, "short" promises more bytes
    than it sends.
    """

    body: bytes | Iterable[bytes] = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})
    fault: str = ""


@dataclass
class Request:
    """What arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

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
    tail = [b"data: [DONE]\n\n"] if done else []
    return Reply(iter(pieces + tail), headers={"Content-Type": "text/event-stream"})


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
    def handle_error(self, request, client_address) -> None:
        """A connection broken on purpose is no news."""


class FaultServer:
    """Answers each path with the next behaviour of its script; the last one repeats.

    A path without a script is answered as LM Studio does: 200 with an error in the body.
    """

    def __init__(self) -> None:
        self.scripts: dict[str, list[Behaviour]] = {}
        self.requests: list[Request] = []
        self._lock = threading.Lock()
        handler = type("Handler", (_Handler,), {"owner": self})
        self._server = _Server(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
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

    @contextmanager
    def running(self) -> Iterator[FaultServer]:
        thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
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
        reply = self.owner.next_reply(Request(self.command, self.path, headers, body))
        try:
            if reply.fault == "reset" and not reply.body:
                self._break(reply.fault)
                return
            self._send(reply)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _send(self, reply: Reply) -> None:
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
            for piece in reply.body:
                self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
                self.wfile.flush()
            if not reply.fault:
                self.wfile.write(b"0\r\n\r\n")
        if reply.fault:
            self._break(reply.fault)

    def _break(self, fault: str) -> None:
        self.wfile.flush()
        if fault == "reset":
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.connection.close()
            self.wfile = io.BytesIO()  # the base class flushes it once more
        self.close_connection = True
