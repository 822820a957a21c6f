"""A fast embedding server with prepared answers, in a process of its own.

    python tests/benchmarks/embedding_server.py --ignore-encoding --delay 0.03 --per-text 0.0005

Prints its port, then answers until it is ended.  A request for base64 gets base64, or lists of
numbers with --ignore-encoding, as from LM Studio.  A connection without a request for --idle
seconds is closed without notice.
"""

from __future__ import annotations

import argparse
import base64
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache

import numpy
import orjson

DIMENSIONS = 768
_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")


@contextmanager
def serving(*options: str) -> Iterator[str]:
    """Run the server with these options; gives its address, with /v1."""
    process = subprocess.Popen([sys.executable, __file__, *options], stdout=subprocess.PIPE)
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


@cache
def prepared(count: int, encode: bool) -> bytes:
    """Return the whole response for `count` texts: unit vectors, the same in every process."""
    vectors = numpy.random.default_rng(7).standard_normal((count, DIMENSIONS))
    vectors = (vectors / numpy.linalg.norm(vectors, axis=1, keepdims=True)).astype("<f4")
    rows = [
        {"object": "embedding", "index": i,
         "embedding": base64.b64encode(row.tobytes()).decode() if encode else row.tolist()}
        for i, row in enumerate(vectors)
    ]  # fmt: skip
    usage = {"prompt_tokens": 0, "total_tokens": 0}
    body = orjson.dumps({"object": "list", "data": rows, "model": "stub", "usage": usage})
    head = (
        "HTTP/1.1 200 OK\r\nX-Powered-By: Express\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: keep-alive\r\nKeep-Alive: timeout=5\r\n\r\n"
    )
    return head.encode() + body


def read_request(connection: socket.socket) -> bytes:
    """Return the body of the next request; b"" when the client has closed."""
    received = bytearray()
    while (end := received.find(b"\r\n\r\n")) < 0:
        if not (piece := connection.recv(1 << 18)):
            return b""
        received += piece
    length = _LENGTH.search(received, 0, end)
    total = end + 4 + (int(length[1]) if length else 0)
    while len(received) < total:
        if not (piece := connection.recv(1 << 18)):
            return b""
        received += piece
    return bytes(received[end + 4 : total])


def answer(connection: socket.socket, options: argparse.Namespace) -> None:
    """Answer one connection's requests until it has been idle too long."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.settimeout(options.idle)
    with connection, suppress(OSError):  # OSError: idle for too long, or the client is gone
        while body := read_request(connection):
            request = orjson.loads(body)
            encode = request.get("encoding_format") == "base64" and not options.ignore_encoding
            count = len(request["input"])
            response = prepared(count, encode)
            if options.delay or options.per_text:
                time.sleep(options.delay + options.per_text * count)
            connection.sendall(response)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ignore-encoding", action="store_true")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds for each request")
    parser.add_argument("--per-text", type=float, default=0.0, help="seconds for each text")
    parser.add_argument("--idle", type=float, default=5.0, help="seconds until a quiet close")
    options = parser.parse_args()
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
        print(listener.getsockname()[1], flush=True)
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=answer, args=(connection, options), daemon=True).start()


if __name__ == "__main__":
    main()
