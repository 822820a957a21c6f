"""Serves models with llama.cpp until standard input closes; a process of its own, for the tests.

In: JSON on the command line, a name to {"model": path} for each server, with "alias", "key",
"embedding" and "batch" (tokens, 512 unless told) as needed.  Out: one line of JSON with the URL
of each name, when all are ready.  llama.cpp replaces signal handlers and may end its process:
neither should happen to pytest.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

import xllamacpp

BATCH_TOKENS = 512
CHAT_CONTEXT_TOKENS = 4096


def start(described: Mapping[str, Any]) -> xllamacpp.Server:
    """Start one server on a free port of loopback."""
    params = xllamacpp.CommonParams()
    params.model.path = described["model"]
    params.hostnames, params.port = ["127.0.0.1"], 0
    params.n_batch = params.n_ubatch = described.get("batch", BATCH_TOKENS)
    params.n_parallel = 1
    params.embedding = bool(described.get("embedding"))
    if not params.embedding:
        params.n_ctx = CHAT_CONTEXT_TOKENS
    if alias := described.get("alias"):
        params.model_alias = {alias}
    if key := described.get("key"):
        params.api_keys = [key]
    return xllamacpp.Server(params)


def main() -> None:
    """Serve what the command line describes."""
    servers = {name: start(described) for name, described in json.loads(sys.argv[1]).items()}
    urls = {name: f"{server.listening_address}/v1" for name, server in servers.items()}
    print(json.dumps(urls), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
