"""An embedding server in a process of its own, whose vectors let a unique token find its file.

    python tests/stub_server.py

Prints its port, then answers until its standard input ends.  It offers two models.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from fault_server import FaultServer, Reply, Request, as_json, embedding_rows
from token_embedder import vector

MODELS = ("stub-a", "stub-b")


@contextmanager
def serving() -> Iterator[str]:
    """Run the server; gives its address, with /v1."""
    process = subprocess.Popen(
        [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
    finally:
        process.communicate(timeout=30)


class StubServer(FaultServer):
    """Answers as LM Studio does, and keeps no record of what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        loaded = [
            {"type": "embedding", "key": name, "loaded_instances": [{"id": name}]}
            for name in (f"text-embedding-{model}" for model in MODELS)
        ]
        self.on("/api/v1/models", as_json({"models": loaded}))
        self.on("/v1/embeddings", self.embed)

    def embed(self, request: Request) -> Reply:
        self.requests.clear()
        asked = request.json
        model = asked["model"].removeprefix("text-embedding-")
        rows = [vector(text, model) for text in asked["input"]]
        encode = asked.get("encoding_format") == "base64"
        return as_json({"data": embedding_rows(rows, encode), "model": asked["model"]})


def main() -> None:
    with StubServer().running() as server:
        print(server.root.rpartition(":")[2], flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
