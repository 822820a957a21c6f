from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import kill_harness
import pytest
from synthetic import add, manifest, unit, words

from rag.index.base.failpoint import CRASHED
from rag.index.care.soundness import Inspector
from rag.index.index import Index
from rag.index.projection.chroma import ChromaVectors
from rag.index.projection.generations import folder_of
from rag.index.store.catalogue import Catalogue
from rag.index.upkeep import find_damage

HARNESS = Path(kill_harness.__file__)

COMMITS = ("add_vectors", "add_document", "move_document", "remove_documents", "record_failure")
IN_PARENT = [f"{name}:{side}-commit" for name in COMMITS for side in ("before", "after")]
IN_CHILD = [
    "open:before-commit",
    "open:after-commit",
    "chroma:before-write",
    "chroma:after-write",
    "told:before-commit",
    "told:after-commit",
    "seal:before-commit",
    "seal:after-commit",
]
IN_REBUILD = ["rebuild:page", "rebuild:before-commit", "rebuild:after-commit"]


class Ordeal:
    """One index that is killed again and again, and what must be in it."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self.environment = environment
        self.state: dict[str, list[str]] = {}
        self.in_doubt: dict[str, list[str]] = {}
        self.gone: set[str] = set()
        self.rounds = 0

    def run(
        self, way: str, trap: str = "-", count: int = 1, kill_after: float | None = None
    ) -> tuple[int, list[str]]:
        """Let the harness work until it ends or is killed; return its status and warnings."""
        self.rounds += 1
        steps = 40 if way == "catalogue" else 10
        arguments = [self.folder, self.rounds, steps, way, trap, count]
        process = subprocess.Popen(
            [sys.executable, HARNESS, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=self.environment,
            text=True,
        )
        process.stdin.write(json.dumps(self.state))
        process.stdin.close()
        warnings: list[str] = []
        timer: threading.Timer | None = None
        self.in_doubt = self.state
        for line in process.stdout:
            word, _, rest = line.partition(" ")
            if word.strip() == "open" and kill_after is not None:
                timer = threading.Timer(kill_after, process.kill)
                timer.start()
            elif word == "try":
                self.in_doubt = kill_harness.apply(self.state, json.loads(rest))
            elif word.strip() == "done":
                self.gone |= {t for texts in self.state.values() for t in texts}
                self.state = self.in_doubt
            elif word == "closed":
                warnings = json.loads(rest)
        process.stdout.close()
        status = process.wait()
        if timer is not None:
            timer.cancel()
        return status, warnings

    def check(self, method: str = "exact") -> None:
        """Everything acknowledged is there once and is found; nothing that went away is."""
        catalogue = Inspector(self.folder, writable=False)
        stored: dict[str, list[str]] = {}
        entries = [entry for page in catalogue.all_occurrences() for entry in page]
        for entry in sorted(entries, key=lambda entry: entry.chunk.ordinal):
            stored.setdefault(entry.chunk.document_id, []).append(entry.chunk.text)
        assert catalogue.integrity() == []
        assert list(catalogue.word_flaws()) == []
        catalogue.close()
        assert stored in (self.state, self.in_doubt)
        self.state = stored
        alive: dict[str, set[str]] = {}
        for name, texts in stored.items():
            for text in texts:
                alive.setdefault(text, set()).add(name)
        gone = sorted(self.gone - set(alive))
        dice = random.Random(self.rounds)
        with Index.open_for_reading(self.folder, search=method) as index:
            for text in dice.sample(sorted(alive), min(30, len(alive))):
                found = index.search(unit(text), 2)
                places = {found[0].chunk.document_id, *(c.document_id for c in found[0].copies)}
                assert (found[0].chunk.text, places) == (text, alive[text])
                assert len(found) < 2 or found[1].chunk.text != text
            for text in dice.sample(gone, min(10, len(gone))):
                assert text not in [one.chunk.text for one in index.search(unit(text), 5)]

    def check_chroma(self) -> None:
        """After a run that nobody disturbs Chroma holds the vectors in use."""
        with Index.open_for_writing(self.folder, manifest()) as index:
            pass
        assert index.warnings == []
        catalogue = Catalogue(self.folder, writable=False)
        assert (catalogue.count("outbox"), find_damage(catalogue)) == (0, "")
        chroma = ChromaVectors(folder_of(catalogue))
        assert {key for keys, _ in chroma.pages() for key in keys} == catalogue.keys_in_use()
        chroma.close()
        catalogue.close()
        self.check("chroma")


@pytest.fixture
def ordeal(tmp_path: Path, python_environment: dict[str, str]) -> Ordeal:
    return Ordeal(tmp_path / "index", python_environment)


def test_a_writer_killed_at_any_commit_loses_and_doubles_nothing(ordeal: Ordeal) -> None:
    for number, trap in enumerate(IN_PARENT):
        status, _ = ordeal.run("catalogue", trap, 1 + number % 3)
        assert status == CRASHED, trap
        ordeal.check()
    ordeal.check_chroma()


@pytest.mark.parametrize("way", ["catalogue", "drain"])
def test_a_writer_killed_at_any_moment_loses_and_doubles_nothing(ordeal: Ordeal, way: str) -> None:
    dice, killed = random.Random(way), 0
    reach = 0.2 if way == "catalogue" else 2.0
    while killed < 2:
        # Every run but the first begins with what the drain of the killed one left behind.
        status, _ = ordeal.run(way, kill_after=dice.uniform(0, reach))
        if status in (0, CRASHED):
            reach /= 2  # it ended first: this machine is quicker
        else:
            killed += 1
        ordeal.check()
    ordeal.check_chroma()


def test_a_drain_that_crashes_anywhere_hurts_neither_writer_nor_answers(ordeal: Ordeal) -> None:
    for trap in IN_CHILD:
        status, warnings = ordeal.run("drain", trap)
        assert status == 0, trap
        assert f"status {CRASHED}" in warnings[-1], trap
        ordeal.check()
    ordeal.check_chroma()


def test_a_rebuild_that_crashes_anywhere_leaves_the_old_or_the_new(ordeal: Ordeal) -> None:
    assert ordeal.run("drain") == (0, [])
    for trap in IN_REBUILD:
        catalogue = Catalogue(ordeal.folder, writable=True)
        catalogue.set_meta({"chroma_version": "another"})
        catalogue.close()
        status, warnings = ordeal.run("drain", trap)
        assert status == 0, trap
        assert f"status {CRASHED}" in warnings[0], trap
        ordeal.check()
    ordeal.check_chroma()


# ---- null control: the same fault, without a catalogue

BARE_WRITE = """
import sys, chromadb
from synthetic import unit, words
settings = chromadb.config.Settings(_env_file=None, anonymized_telemetry=False)
chunks = chromadb.PersistentClient(sys.argv[1], settings).create_collection("chunks")
for start in range(0, 1500, 500):
    texts = words(1500)[start : start + 500]
    chunks.add(ids=texts, embeddings=[unit(t) for t in texts])
"""
BARE_READ = """
import sys, chromadb
from synthetic import unit
settings = chromadb.config.Settings(_env_file=None, anonymized_telemetry=False)
chunks = chromadb.PersistentClient(sys.argv[1], settings).get_collection("chunks")
found = [chunks.query(query_embeddings=[unit(t)], n_results=1)["ids"][0] for t in
         ("text number 7", "text number 700")]
print("all" if found == [["text number 7"], ["text number 700"]] else "lost")
"""


def cut_pickle(folder: Path) -> None:
    """What a kill leaves while Chroma rewrites this file: it truncates before it writes."""
    (path,) = folder.rglob("index_metadata.pickle")
    path.write_bytes(b"")


def test_the_same_fault_bricks_bare_chroma_and_not_this_index(
    tmp_path: Path, python_environment: dict[str, str]
) -> None:
    paths = [python_environment["PYTHONPATH"], str(HARNESS.parent)]
    environment = {**python_environment, "PYTHONPATH": os.pathsep.join(paths)}

    def run(script: str, folder: Path) -> str:
        command = [sys.executable, "-c", script, str(folder)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        return done.stdout.strip()

    run(BARE_WRITE, tmp_path / "bare")
    shutil.copytree(tmp_path / "bare", tmp_path / "sound")
    cut_pickle(tmp_path / "bare")
    assert run(BARE_READ, tmp_path / "sound") == "all"
    assert run(BARE_READ, tmp_path / "bare") != "all"

    with Index.open_for_writing(tmp_path / "ours", manifest()) as index:
        add(index, "a.txt", words(1500))
    cut_pickle(tmp_path / "ours")
    with Index.open_for_reading(tmp_path / "ours") as index:
        for text in ("text number 7", "text number 700"):
            assert index.search(unit(text), 1)[0].chunk.text == text
        assert index.search_method == "Chroma"
