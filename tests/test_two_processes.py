"""One process writes while others ask, and no second one writes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import asker
import pytest
import stub_server
from token_embedder import token

import rag
from rag.index.base.errors import IndexLocked
from rag.pipeline import Pipeline
from rag.settings import Settings

KEPT = 40
ASKERS, QUESTIONS = 4, 250
THREADS, EACH = 64, 20

HOLD = """
import sys, time
from pathlib import Path
from rag.index.index import Index
from token_embedder import TokenEmbedder
index = Index.open_for_writing(Path(sys.argv[1]), TokenEmbedder().manifest("r"), command="hold")
print("held", flush=True)
time.sleep(600)
"""
WRITE = """
import json, sys, time
from pathlib import Path
from rag.index.base.errors import IndexLocked
from rag.index.index import Index
from token_embedder import TokenEmbedder
told = []
for folder in sys.argv[1:]:
    started = time.perf_counter()
    try:
        with Index.open_for_writing(Path(folder), TokenEmbedder().manifest("r")):
            told.append((0.0, "written"))
    except IndexLocked as error:
        told.append((time.perf_counter() - started, f"{error.exit_code} {error.message}"))
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with stub_server.serving() as address:
        yield address


@pytest.fixture
def home(tmp_path: Path, url: str) -> Path:
    """A folder of documents and the settings of its index, ingested."""
    (tmp_path / "docs").mkdir()
    for number in range(KEPT):
        write(tmp_path, number)
    given = {
        "endpoint": url, "embedding_model": "text-embedding-stub-a", "parse_workers": 0,
        "index_dir": str(tmp_path / "index"), "cache_dir": str(tmp_path / "cache"),
    }  # fmt: skip
    (tmp_path / "settings.json").write_text(json.dumps(given), encoding="utf-8")
    words = " ".join(token(number) for number in range(KEPT))
    (tmp_path / "kept.txt").write_text(words, encoding="utf-8")
    (tmp_path / "removed.txt").touch()
    ingest(tmp_path)
    return tmp_path


def environment() -> dict[str, str]:
    paths = (Path(rag.__file__).parents[1], Path(__file__).parent)
    return {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))}


def write(home: Path, number: int) -> Path:
    path = home / "docs" / f"{number}.txt"
    path.write_text(f"{token(number)} is the word of file {number} of all.\n", encoding="utf-8")
    return path


def settings(home: Path) -> Settings:
    return Settings.load(json.loads((home / "settings.json").read_text(encoding="utf-8")))


def ingest(home: Path) -> None:
    with Pipeline(settings(home)) as pipeline:
        pipeline.ingest(home / "docs")
        assert pipeline.warnings == []


class Changing:
    """Adds and removes documents, one ingest after the other, and lists what is gone for good."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.rounds = 0
        self.next = KEPT
        self.alive: list[int] = []

    def change(self) -> None:
        gone, self.alive = self.alive[:5], self.alive[5:]
        for number in gone:
            (self.home / "docs" / f"{number}.txt").unlink()
        for _ in range(8):
            write(self.home, self.next)
            self.alive.append(self.next)
            self.next += 1
        ingest(self.home)
        with (self.home / "removed.txt").open("a", encoding="utf-8") as stream:
            stream.write("".join(f"{token(number)}\n" for number in gone))
        self.rounds += 1


def start(home: Path, seed: int) -> subprocess.Popen[str]:
    command = [sys.executable, asker.__file__, str(home), str(QUESTIONS), str(seed)]
    return subprocess.Popen(
        command, env=environment(), cwd=home, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def test_four_processes_ask_while_one_ingests_without_an_error_or_a_stale_answer(
    home: Path,
) -> None:
    changing = Changing(home)
    changing.change()
    changing.change()  # something is gone before the first question
    processes = [start(home, seed) for seed in range(ASKERS)]
    while any(process.poll() is None for process in processes):
        changing.change()
    told = []
    for process in processes:
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        told.append(json.loads(out))
    assert [what for one in told for what in one["wrong"]] == []
    assert sum(one["asked"] for one in told) >= 1000
    assert changing.rounds >= 3


def test_many_threads_get_the_answers_of_one_while_an_ingest_runs(home: Path) -> None:
    changing = Changing(home)
    stop = threading.Event()

    def keep_changing() -> None:
        while not stop.is_set():
            changing.change()

    with Pipeline(settings(home)) as pipeline, ThreadPoolExecutor(THREADS + 1) as pool:

        def ask(number: int) -> tuple[str, str]:
            (hit, *_) = pipeline.search(token(number), 3)
            return hit.chunk.document_id, hit.chunk.text

        alone = {number: ask(number) for number in range(KEPT)}
        changed = pool.submit(keep_changing)
        try:

            def ask_some(thread: int) -> list[bool]:
                numbers = [(thread * 7 + n) % KEPT for n in range(EACH)]
                return [ask(number) == alone[number] for number in numbers]

            answers = list(pool.map(ask_some, range(THREADS)))
        finally:
            stop.set()
        changed.result(60)
    assert sum(map(len, answers)) == THREADS * EACH
    assert all(map(all, answers))
    assert changing.rounds >= 1


def test_a_second_writer_is_refused_at_once_however_the_folder_is_spelled(tmp_path: Path) -> None:
    index = tmp_path / "index"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(index)], env=environment(), text=True,
        stdout=subprocess.PIPE,
    )  # fmt: skip
    assert holder.stdout.readline() == "held\n"
    spellings = [str(index), "index", "./other/../index", f"{index}{os.sep}"]
    (tmp_path / "other").mkdir()
    if os.name == "posix":
        (tmp_path / "link").symlink_to(index)
        spellings.append("link")

    def write_to(folders: list[str]) -> list[tuple[float, str]]:
        done = subprocess.run(
            [sys.executable, "-c", WRITE, *folders], env=environment(), cwd=tmp_path,
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        return json.loads(done.stdout)

    try:
        told = write_to(spellings * 4)
        assert len(told) >= 16
        for seconds, message in told:
            assert seconds < 1
            assert message.startswith(f"{IndexLocked.exit_code} another run is writing")
            assert f"process {holder.pid} (hold" in message
    finally:
        holder.kill()
        holder.communicate()
    started = time.monotonic()
    assert {message for _, message in write_to(spellings)} == {"written"}
    assert time.monotonic() - started < 30
