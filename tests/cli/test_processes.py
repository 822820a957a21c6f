"""What only shows with real processes: terminals, interrupts, locks, full disks."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from fault_server import FaultServer, as_json, embedding_rows

POSIX = pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals and terminals")
RAG = [sys.executable, "-m", "rag.cli.main"]


@pytest.fixture
def documents(tmp_path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    for number in range(12):
        text = f"# Part {number}\n\nThe secret of part {number} is the word w{number}."
        (folder / f"part-{number:02}.md").write_text(text, encoding="utf-8")
    return folder


class SlowServer(FaultServer):
    """Embeds documents while `gate` is open, and other texts always."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.gate.set()
        self.on("/api/v1/models", as_json({"models": [
            {"type": "embedding", "key": "text-embedding-stub", "loaded_instances": [{"id": "e"}]},
            {"type": "llm", "key": "stub-chat", "loaded_instances": [{"id": "stub-chat"}]},
        ]}))  # fmt: skip
        self.on("/v1/embeddings", self.embed)

    def embed(self, request):
        texts = request.json["input"]
        if any("secret" in text for text in texts):
            self.gate.wait(20)
        return as_json(
            {"data": embedding_rows([[1 + t.count(c) for c in "etaoin"] for t in texts])}
        )

    def wait_for(self, requests: int) -> None:
        """Wait until so many requests with documents have come: the self-check has none."""
        deadline = time.monotonic() + 30
        while self.documents_asked() < requests and time.monotonic() < deadline:
            time.sleep(0.01)
        assert self.documents_asked() >= requests

    def documents_asked(self) -> int:
        return sum(b"secret" in request.body for request in self.asked("/v1/embeddings"))


@pytest.fixture
def server():
    with SlowServer().running() as running:
        yield running
        running.gate.set()


def start(folder: Path, *arguments: str, **options) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*RAG, *arguments], cwd=folder, text=True, encoding="utf-8",
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options,
    )  # fmt: skip


def ingest(tmp_path: Path, server: FaultServer, *more: str, **options) -> subprocess.Popen[str]:
    flags = ("--endpoint", server.url, "--set", "batch_size=2", *more)
    return start(tmp_path, "ingest", "docs", *flags, **options)


@POSIX
def test_interrupt_keeps_what_is_done_and_says_how_to_go_on(tmp_path, server, documents):
    process = ingest(tmp_path, server)
    server.wait_for(3)
    server.gate.clear()
    server.wait_for(4)
    process.send_signal(signal.SIGINT)
    started = time.monotonic()
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert time.monotonic() - started < 10
    assert "the same command goes on from here" in err
    assert "Traceback" not in err
    server.gate.set()
    again = ingest(tmp_path, server, "--json")
    out, err = again.communicate(timeout=60)
    assert again.returncode == 0, err
    report = json.loads(out)
    assert report["unchanged"] >= 2
    assert report["unchanged"] + len(report["ingested"]) == 12
    assert report["embedded"] <= 12 - 2 * 2


def test_second_writer_is_told_who_holds_the_index(tmp_path, server, documents):
    first = ingest(tmp_path, server)
    server.wait_for(1)
    server.gate.clear()
    server.wait_for(2)
    second = ingest(tmp_path, server)
    _, err = second.communicate(timeout=20)
    server.gate.set()
    first.communicate(timeout=60)
    assert first.returncode == 0
    assert second.returncode == 75
    assert str(first.pid) in err
    assert "fix:" in err


@POSIX
def test_full_disk_is_told_and_the_next_run_completes(tmp_path, server, documents):
    import resource

    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))

    process = ingest(tmp_path, server, preexec_fn=small_files)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert re.search(r"^error: .+\nfix: .*(space|disk).*", err, re.MULTILINE), err
    assert "Traceback" not in err
    again = ingest(tmp_path, server, "--json")
    _, err = again.communicate(timeout=60)
    assert again.returncode == 0, err
    status = start(tmp_path, "status").communicate(timeout=60)[0]
    assert re.search(r"documents +12 \(0 skipped\)", status)


def talk(folder: Path, arguments: list[str], lines: list[tuple[str, str]]) -> tuple[int, str]:
    """Run a command on a terminal of its own: wait for a text, type a line, and so on."""
    import pty

    control, terminal = pty.openpty()
    process = subprocess.Popen(
        [*RAG, *arguments], cwd=folder, stdin=terminal, stdout=terminal, stderr=terminal
    )
    os.close(terminal)
    seen = ""
    pending = list(lines)
    while True:
        try:
            data = os.read(control, 65536)
        except OSError:  # Linux: the other side is closed
            break
        if not data:
            break
        seen += data.decode("utf-8", "replace")
        if pending and pending[0][0] in seen:
            os.write(control, (pending.pop(0)[1] + "\n").encode())
    os.close(control)
    return process.wait(60), seen


@POSIX
def test_no_server_on_a_terminal_offers_the_embedded_model(tmp_path, documents, weights_cache):
    flags = ["--endpoint", "http://127.0.0.1:9/v1"]
    code, seen = talk(tmp_path, ["ingest", "docs", *flags], [("[Y/n]", "y")])
    assert code == 0
    assert "no server at http://127.0.0.1:9/v1" in seen
    assert "12 indexed" in seen
    code, seen = talk(tmp_path, ["ask", "why?", *flags], [("[Y/n]", "n")])
    assert code == 1
    assert "Traceback" not in seen


@POSIX
def test_no_question_on_a_terminal_starts_a_prompt(tmp_path, documents, weights_cache):
    code, _ = talk(tmp_path, ["ingest", "docs", "--embedded"], [])
    assert code == 0
    question = "What is the secret of part 7?"
    code, seen = talk(
        tmp_path, ["ask", "--embedded"], [("ends.", question), ("Sources", ""), ("> ", "")]
    )
    assert code == 0
    assert "w7" in seen
    assert "part-07.md" in seen


@POSIX
def test_reader_that_leaves_early_causes_no_traceback(tmp_path, documents, weights_cache):
    made = start(tmp_path, "ingest", "docs", "--embedded")
    made.communicate(timeout=60)
    assert made.returncode == 0
    process = start(tmp_path, "status", "--json")
    process.stdout.close()
    assert "Traceback" not in process.stderr.read()
    process.stderr.close()
    assert process.wait(30) == 1


@POSIX
def test_embedded_model_can_be_served_to_others(tmp_path, documents, weights_cache):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    serving = start(tmp_path, "serve-embedded", "--port", str(port))
    assert f"http://127.0.0.1:{port}/v1" in serving.stderr.readline()
    flags = ("--endpoint", f"http://127.0.0.1:{port}")
    made = start(tmp_path, "ingest", "docs", *flags)
    _, err = made.communicate(timeout=60)
    assert made.returncode == 0, err
    asked = start(tmp_path, "ask", *flags, "What is the secret of part 7?")
    out, err = asked.communicate(timeout=60)
    assert asked.returncode == 0, err
    assert "w7" in out
    assert "Extractive answer" in out
    taken = start(tmp_path, "serve-embedded", "--port", str(port))
    _, err = taken.communicate(timeout=60)
    assert taken.returncode == 1
    assert "fix:" in err
    assert "answers at" not in err
    serving.send_signal(signal.SIGINT)
    serving.communicate(timeout=20)
    assert serving.returncode == 0
