"""A real llama.cpp server for every test that wants one: models made here, served by a process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

HERE = Path(__file__).parent
HANDBOOK = HERE.parents[1] / "data" / "documents" / "handbook"
EMBEDDING_MODEL, CHAT_MODEL, KEY = "all-MiniLM-L6-v2", "tiny-random-chat", "a-real-key"
START_SECONDS = 60


@dataclass(frozen=True)
class Models:
    """Where the two model files are."""

    embedding: Path
    chat: Path


@dataclass(frozen=True)
class Running:
    """A process and the URL of each of its servers."""

    process: subprocess.Popen[str]
    urls: Mapping[str, str]


@pytest.fixture(scope="session")
def models(tmp_path_factory, weights_cache) -> Models:
    pytest.importorskip("xllamacpp", reason="there is no build of llama.cpp for this platform",
                        exc_type=ImportError)  # fmt: skip
    pytest.importorskip("gguf", reason="gguf makes the models")
    from real.make_gguf import make_chat, make_minilm

    folder = tmp_path_factory.mktemp("models")
    texts = [path.read_text(encoding="utf-8") for path in sorted(HANDBOOK.glob("*.[mr]*"))]
    return Models(
        make_minilm(weights_cache / EMBEDDING_MODEL, folder / f"{EMBEDDING_MODEL}.gguf"),
        make_chat(folder / f"{CHAT_MODEL}.gguf", texts),
    )


@contextmanager
def serving(servers: Mapping[str, object], log: Path) -> Iterator[Running]:
    """Run llama.cpp with these servers; `log` gets what it says."""
    # A thread that waits must not spin: on a busy machine it would be 30 times slower.
    environment = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0"}
    command = [sys.executable, str(HERE / "llama_server.py"), json.dumps(servers)]
    with log.open("w", encoding="utf-8") as errors, subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
        text=True, encoding="utf-8", env=environment,
    ) as process:  # fmt: skip
        alarm = threading.Timer(START_SECONDS, process.kill)
        alarm.start()
        try:
            line = process.stdout.readline()
            alarm.cancel()
            assert line, f"llama.cpp did not start:\n{log.read_text(encoding='utf-8')[-2000:]}"
            yield Running(process, json.loads(line))
        finally:
            alarm.cancel()
            _stop(process)


def _stop(process: subprocess.Popen[str]) -> None:
    process.stdin.close()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()


@pytest.fixture(scope="session")
def llama(models, tmp_path_factory) -> Iterator[Mapping[str, str]]:
    """The URLs of all servers most tests share."""
    embedding, chat = str(models.embedding), str(models.chat)
    servers = {
        "embedding": {"model": embedding, "alias": EMBEDDING_MODEL, "embedding": True},
        "embedding without a name": {"model": embedding, "embedding": True},
        "embedding of a quantised file": {
            "model": embedding, "alias": f"{EMBEDDING_MODEL}-Q8_0", "embedding": True,
        },
        "embedding in small batches": {
            "model": embedding, "alias": EMBEDDING_MODEL, "embedding": True, "batch": 128,
        },
        "chat": {"model": chat, "alias": CHAT_MODEL},
        "chat with a key": {"model": chat, "alias": CHAT_MODEL, "key": KEY},
    }  # fmt: skip
    with serving(servers, tmp_path_factory.mktemp("log") / "llama.log") as running:
        yield running.urls


@pytest.fixture(scope="session")
def llama_embedding_url(llama) -> str:
    return llama["embedding"]


@pytest.fixture(scope="session")
def llama_chat_url(llama) -> str:
    return llama["chat"]


@pytest.fixture
def mortal(models, tmp_path) -> Iterator[Running]:
    """A chat server of one's own, to be killed."""
    servers = {"chat": {"model": str(models.chat), "alias": CHAT_MODEL}}
    with serving(servers, tmp_path / "llama.log") as running:
        yield running


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    for name in [name for name in os.environ if name.upper().startswith("RAG_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def run(capsys) -> Callable[..., tuple[int, str, str]]:
    """Run the command line; returns exit code, output, messages."""
    from rag.cli.main import main

    def run(*arguments: object) -> tuple[int, str, str]:
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return code, captured.out, captured.err

    return run
