"""A handler on a port of this machine: HTTP in, HTTP out, for this machine only."""

from __future__ import annotations

import os
import socketserver
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from rag.models.base.errors import EndpointUnreachable
from rag.models.embedded.reply import Handler, Reply, reply_error

ADDRESS = "127.0.0.1"
MAX_BODY_BYTES = 32 << 20
IDLE_SECONDS = 60
_OWN_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})


def serve(handler: Handler, port: int, on_ready: Callable[[str], None] = lambda _url: None) -> None:
    """Serve on 127.0.0.1 until interrupted; `on_ready` gets the base URL once it is served.

    Raises EndpointUnreachable when the port is taken.
    """
    with _open(handler, port) as server, suppress(KeyboardInterrupt):
        on_ready(f"http://{ADDRESS}:{server.server_port}/v1")
        server.serve_forever()


@contextmanager
def serve_beside(handler: Handler, port: int = 0) -> Iterator[str]:
    """Serve in another thread while the block runs; yield the base URL, which ends in /v1.

    Port 0 takes a free one.  Raises EndpointUnreachable when the port is taken.
    """
    with _open(handler, port) as server:
        thread = Thread(target=server.serve_forever, args=(0.05,), name="loopback", daemon=True)
        thread.start()
        try:
            yield f"http://{ADDRESS}:{server.server_port}/v1"
        finally:
            server.shutdown()
            thread.join()


def _open(handler: Handler, port: int) -> _LoopbackServer:
    try:
        return _LoopbackServer(handler, port)
    except (OSError, OverflowError) as error:
        raise EndpointUnreachable(
            f"Port {port} of {ADDRESS} cannot be opened: {error}", "Choose another port"
        ) from error


class _LoopbackServer(ThreadingHTTPServer):
    daemon_threads = True
    # On Windows the option would let another program take over a port that is in use.
    allow_reuse_address = os.name != "nt"

    def __init__(self, handler: Handler, port: int) -> None:
        self.handler = handler
        super().__init__((ADDRESS, port), _Connection)

    def server_bind(self) -> None:
        # The standard one asks the name service for our own name, which may take seconds.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = ADDRESS, int(self.server_address[1])

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "foldercite"
    sys_version = ""
    timeout = IDLE_SECONDS
    server: _LoopbackServer

    def do_GET(self) -> None:
        self._respond()

    def do_POST(self) -> None:
        self._respond()

    def log_message(self, format: str, *args: Any) -> None:
        """Write nothing: requests hold private documents."""

    def _respond(self) -> None:
        refusal = self._refuse()
        if refusal is not None:
            self.close_connection = True
            self._discard_body()
            self._send(refusal)
            return
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self._send(self.server.handler.handle(self.command, self.path, body))

    def _refuse(self) -> Reply | None:
        """Return the reply to a request that is not even read, or None."""
        # A page in a browser can name a host of its own that leads here: its name gives it away.
        host = self.headers.get("Host", "").casefold()
        name = host if host.endswith("]") else host.rpartition(":")[0] or host
        if name not in _OWN_NAMES:
            return reply_error(421, "This server answers only to the names of this machine")
        if self.headers.get("Transfer-Encoding"):
            return reply_error(411, "Send the body with a Content-Length")
        length = self.headers.get("Content-Length", "0")
        if not (length.isascii() and length.isdigit()):
            return reply_error(400, "Content-Length is not a number")
        if int(length) > MAX_BODY_BYTES:
            return reply_error(413, f"The body is larger than {MAX_BODY_BYTES >> 20} MB")
        return None

    def _discard_body(self) -> None:
        """Read what is already on its way: closing before would take the reply with it."""
        length = self.headers.get("Content-Length", "0")
        left = min(int(length), 4 * MAX_BODY_BYTES) if length.isdecimal() else 0
        while left > 0 and (block := self.rfile.read(min(left, 1 << 16))):
            left -= len(block)

    def _send(self, reply: Reply) -> None:
        chunked = "Content-Length" not in reply.headers and self.request_version != "HTTP/1.0"
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if chunked:
            self.send_header("Transfer-Encoding", "chunked")
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        try:
            for part in reply.body:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part) if chunked else part)
            if chunked:
                self.wfile.write(b"0\r\n\r\n")
        finally:
            reply.close()
