"""Kills `rag` while it works, again and again, and counts what is lost, doubled, stale, unopenable.

    python tests/benchmarks/kill.py --kills 200 [--aimed 60] [--seed 1]

A process ingests, removes, compacts, repairs or migrates; SIGKILL ends it at a random moment, or
a failpoint at a commit.  Then what was acknowledged must be answered, the next run must complete,
and `rag verify` must find no damage.  At last the same is done to Chroma without a catalogue.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS.parent), str(TESTS), str(TESTS / "index")]

import stub_server
import test_kill
from token_embedder import token, tokens_of, vector

from ingest.base.errors import PipelineError
from rag.cli.main import main as rag
from rag.index.base import failpoint
from rag.index.base.failpoint import CRASHED
from rag.index.index import Index
from rag.index.migrate import migrate
from rag.index.store.catalogue import Catalogue
from rag.index.verify import verify
from rag.pipeline import Pipeline
from rag.settings import Settings

FILES = 120
LONG = 40  # paragraphs of every tenth file
WORDS = ("sea", "boat", "pier", "oar", "sail", "keel", "mast", "tide", "rope", "wind")
CHUNK_TOKENS = 32  # a paragraph

# Where each operation commits, in its own process or in the one that has Chroma open.
_TRANSACTIONS = {
    "ingest": (
        "add_vectors", "add_document", "move_document", "remove_documents", "touch_documents",
        "record_failure", "open", "told", "seal",
    ),
    "remove": ("remove_root", "drop_unused_vectors", "told", "seal"),
    "compact": ("drop_unused_vectors", "rebuild"),
    "repair": ("rebuild",),
    "migrate": ("add_vectors", "migrate", "rebuild"),
}  # fmt: skip
_PLACES = {
    "ingest": ("chroma:before-write", "chroma:after-write"),
    "compact": ("rebuild:page",),
    "repair": ("rebuild:page",),
    "migrate": ("rebuild:page",),
}
AIMS = [
    (operation, f"{name}:{side}-commit")
    for operation, names in _TRANSACTIONS.items()
    for name in names
    for side in ("before", "after")
] + [(operation, name) for operation, names in _PLACES.items() for name in names]
OPERATIONS = ("ingest", "ingest", "ingest", "ingest", "migrate", "repair", "compact", "remove")


def settings_of(home: Path, url: str, model: str) -> Settings:
    return Settings.load({
        "endpoint": url, "embedding_model": f"text-embedding-{model}", "index_dir": home / "index",
        "cache_dir": home / "cache", "parse_workers": 0, "batch_size": 16,
        "chunk_tokens": CHUNK_TOKENS,
    })  # fmt: skip


# ---- the process that is killed


def victim(home: Path, url: str, model: str, operation: str, trap: str, count: int) -> int:
    """Do one thing as `rag` does it; says how many files of an ingest are done."""
    if trap != "-":
        failpoint.arm(trap, count)
    print("begin", flush=True)
    flags = ["--index", str(home / "index"), "--set", f"cache_dir={home / 'cache'}"]
    flags += ["--set", f"chunk_tokens={CHUNK_TOKENS}"]
    server = ["--endpoint", url, "--embedding-model", f"text-embedding-{model}"]
    if operation == "ingest":
        with Pipeline(settings_of(home, url, model)) as pipeline:
            report = pipeline.ingest(
                home / "docs", lambda told: print("files", told.files_done, flush=True)
            )
        print("report", len(report.ingested), pipeline.warnings, flush=True)
        return 0
    words = {
        "remove": ["remove", str(home / "more"), *flags],
        "compact": ["compact", *flags],
        "repair": ["repair", *flags],
        "migrate": ["migrate", *flags, *server],
    }
    return rag(words[operation])


# ---- what is done to it, and what must be true


@dataclass
class Ordeal:
    """One index that is killed again and again, and what must be in it."""

    home: Path
    url: str
    dice: random.Random
    model: str = "stub-a"
    made: int = 0
    texts: dict[str, str] = field(default_factory=dict)
    stored: dict[str, str] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    counts: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    @property
    def index(self) -> Path:
        return self.home / "index"

    def fail(self, kind: str, what: str) -> None:
        self.counts[kind] += 1
        self.problems.append(f"round {self.counts['rounds']}: {kind}: {what}")
        print(self.problems[-1], flush=True)

    def warn(self, warning: str) -> None:
        """Count a warning; that the child of a killed run still has Chroma open is no fault."""
        if "Chroma is open in" in warning:
            self.counts["waited"] += 1
        else:
            self.fail("warned", warning)

    # ---- the folders

    def text(self, long: bool) -> str:
        parts = []
        for _ in range(LONG if long else 1):
            words = self.dice.sample(WORDS, 6)
            parts.append(f"{token(self.made)} {' '.join(words)} were seen by the old harbour wall.")
            self.made += 1
        return "\n\n".join([*parts, "Every file ends with this same paragraph about the sea.\n"])

    def put(self, name: str, text: str) -> None:
        path = self.home / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        self.texts[name] = text

    def begin(self) -> None:
        for number in range(FILES):
            self.put(f"docs/{number:03}.txt", self.text(number % 10 == 0))
        for number in range(10):
            self.put(f"more/{number:03}.txt", self.text(False))
        self.complete()

    def change(self) -> None:
        """Edit, add, rename, copy, delete, break a few files of the folder."""
        names = sorted(name for name in self.texts if name.startswith("docs/"))
        for name in self.dice.sample(names, 14):
            match self.dice.choice(("edit", "edit", "edit", "rename", "delete", "touch", "empty")):
                case "edit":
                    self.put(name, self.text(self.dice.random() < 0.2))
                case "rename":
                    (self.home / name).rename(self.home / f"docs/m{self.made:05}.txt")
                    self.texts[f"docs/m{self.made:05}.txt"] = self.texts.pop(name)
                    self.made += 1
                case "delete":
                    (self.home / name).unlink()
                    del self.texts[name]
                case "touch":
                    os.utime(self.home / name)
                case "empty":
                    self.put(name, "")
        while sum(name.startswith("docs/") for name in self.texts) < FILES:
            self.made += 1
            self.put(f"docs/n{self.made:05}.txt", self.text(False))

    # ---- one round

    def round(self, operation: str, trap: str = "-", count: int = 1) -> None:
        self.counts["rounds"] += 1
        if operation == "migrate":
            self.model = "stub-b" if self.model == "stub-a" else "stub-a"
        if operation == "ingest" or trap.startswith("rebuild"):
            self.change()
        if operation in ("compact", "repair") or trap.startswith(("told", "seal")):
            self.ingest()  # so that there is something to tell, or to drop
            self.change()
        limit = None if trap != "-" else self.dice.uniform(0, 1.5 if operation == "ingest" else 2.5)
        status, acknowledged = self.kill(operation, trap, count, limit)
        self.counts["killed"] += status != 0
        self.counts["aimed"] += trap != "-" and status != 0
        self.counts["unaimed"] += trap == "-" and status != 0
        if trap != "-" and not status:
            print(f"  not reached: {operation} {trap}", flush=True)
        self.check(operation, acknowledged)
        self.complete()

    def kill(self, operation: str, trap: str, count: int, limit: float | None) -> tuple[int, int]:
        """Return 0 when the run came to its end; and how many files it said were done."""
        command = [sys.executable, __file__, "--victim", operation, "--home", self.home]
        command += ["--url", self.url, "--model", self.model, "--trap", trap, "--count", count]
        process = subprocess.Popen(
            list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        acknowledged, timer, said = 0, None, ""
        for line in process.stdout:
            word, _, rest = line.partition(" ")
            if word.strip() == "begin" and limit is not None:
                timer = threading.Timer(limit, process.kill)
                timer.start()
            elif word == "files":
                acknowledged = int(rest)
            said += line
        said += process.stderr.read()
        status = process.wait()
        process.stdout.close()
        process.stderr.close()
        if timer is not None:
            timer.cancel()
        if status not in (0, CRASHED, -9) and str(CRASHED) not in said:
            self.fail("failed", f"{operation} {trap} ended with {status}: {said[-500:]}")
        return status or int(f"status {CRASHED}" in said), acknowledged

    def check(self, operation: str, acknowledged: int) -> None:
        """What was acknowledged is there and answers; each document is as before or as after."""
        try:
            held = self.read()
        except PipelineError as error:
            self.fail("unopenable", f"{operation}: {error.message}")
            return
        for name in self.stored.keys() | self.texts.keys():
            before, after = self.stored.get(name, ""), self.texts.get(name, "")
            words, old, new = (tuple(t.split()) for t in (held.get(name, ""), before, after))
            if operation == "remove" and name.startswith("more/") and not words:
                continue
            if words not in (old, new):
                kind = "doubled" if len(words) > max(len(old), len(new)) else "lost"
                self.fail(kind, f"{operation}: {name} is neither as before nor as after")
        for name in held.keys() - self.stored.keys() - self.texts.keys():
            self.fail("stale", f"{operation}: {name}")
        if self.count_done(held) < acknowledged:
            self.fail("lost", f"{acknowledged} files were acknowledged, fewer are there")
        self.ask(held)

    def count_done(self, held: dict[str, str]) -> int:
        """How many files that had to be read are in the index as they are now."""
        moved = {text for name, text in self.stored.items() if name not in self.texts}
        done = 0
        for name, text in self.texts.items():
            if text and text != self.stored.get(name) and text not in moved:
                done += held.get(name, "").split() == text.split()
            elif not text:
                done += name not in held
        return done

    def read(self) -> dict[str, str]:
        """The text of each document in the index, by folder and name."""
        catalogue = Catalogue(self.index, writable=False)
        try:
            entries = [entry for page in catalogue.all_occurrences() for entry in page]
        finally:
            catalogue.close()
        texts: dict[str, str] = {}
        for entry in sorted(entries, key=lambda entry: entry.chunk.ordinal):
            name = f"{Path(entry.root).name}/{entry.chunk.document_id}"
            texts[name] = f"{texts.get(name, '')} {entry.chunk.text}"
        return texts

    def ask(self, held: dict[str, str], search: str = "exact") -> None:
        """Tokens of documents find them, and only them; those that are gone find nothing."""
        alive: dict[str, set[str]] = {}
        for name, text in held.items():
            for word in tokens_of(text):
                alive.setdefault(word, set()).add(name)
        gone = sorted({token(number) for number in range(self.made)} - alive.keys())
        some = self.dice.sample(sorted(alive), 40) + self.dice.sample(gone, min(20, len(gone)))
        try:
            with Index.open_for_reading(self.index, search=search) as index:
                model = index.manifest.embedding_model.removeprefix("text-embedding-")
                for word in some:
                    hits = index.search(vector(word, model), 3)
                    having = [hit for hit in hits if word in hit.chunk.text.split()]
                    places = [(hit.root, hit.chunk.document_id) for hit in having]
                    places += [(c.root, c.document_id) for hit in having for c in hit.copies]
                    names = [f"{Path(root).name}/{name}" for root, name in places]
                    self.count_answers(word, names, alive.get(word, set()))
        except PipelineError as error:
            self.fail("unopenable", error.message)

    def count_answers(self, word: str, found: list[str], wanted: set[str]) -> None:
        self.counts["asked"] += 1
        if len(found) > len(set(found)):
            self.fail("doubled", f"{word} is found twice: {found}")
        if set(found) - wanted:
            self.fail("stale", f"{word} finds {found}")
        if wanted - set(found):
            self.fail("lost", f"{word} does not find {wanted}")

    def complete(self) -> None:
        """The next run nobody disturbs: the index is the folders, and sound."""
        try:
            self.ingest()
            findings = [f"{f.subject}: {f.message}" for f in verify(self.index) if f.damage]
            held = self.read()
        except PipelineError as error:
            self.fail("unopenable", f"{error.message}; {error.hint}")
            return
        for finding in findings:
            self.fail("damaged", finding)
        wanted = {name: tuple(text.split()) for name, text in self.texts.items() if text}
        if {name: tuple(text.split()) for name, text in held.items()} != wanted:
            self.fail("lost", "after a whole run the index is not what the folders are")
        self.stored = {name: text for name, text in self.texts.items() if text}
        self.ask(held, "chroma" if self.counts["rounds"] % 10 == 0 else "exact")

    def ingest(self) -> None:
        self.choose_model()
        with Pipeline(settings_of(self.home, self.url, self.model)) as pipeline:
            for folder in ("docs", "more"):
                pipeline.ingest(self.home / folder)
                for warning in pipeline.warnings:
                    self.warn(warning)
        self.stored = {name: text for name, text in self.texts.items() if text}

    def choose_model(self) -> None:
        """End a migration that was killed; one that was not is nothing to do."""
        if not (self.index / "catalogue.sqlite").exists():
            return
        with Pipeline(settings_of(self.home, self.url, self.model)) as pipeline:
            embedder = pipeline.models.embedder_for_chunks(CHUNK_TOKENS * 5 // 4)
            migrate(self.index, embedder, pipeline.models.manifest(""))


# ---- null control


def brick_bare_chroma(home: Path) -> str:
    """What is left of Chroma, without a catalogue, of a kill while it writes its list of ids."""
    paths = os.pathsep.join(map(str, (TESTS.parent, TESTS / "index")))

    def run(script: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", script, str(home / "bare")],
            env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        return done.stdout.strip() or f"status {done.returncode} {done.stderr.strip()[-100:]}"

    run(test_kill.BARE_WRITE)
    test_kill.cut_pickle(home / "bare")
    return run(test_kill.BARE_READ)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--aimed", type=int, default=70, help="how many of them at failpoints")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--victim")
    parser.add_argument("--home", type=Path)
    parser.add_argument("--url")
    parser.add_argument("--model")
    parser.add_argument("--trap", default="-")
    parser.add_argument("--count", type=int, default=1)
    asked = parser.parse_args()
    if asked.victim:
        return victim(asked.home, asked.url, asked.model, asked.victim, asked.trap, asked.count)
    home = Path(tempfile.mkdtemp(prefix="kill-"))
    started = time.perf_counter()
    with contextlib.ExitStack() as undo:
        undo.callback(shutil.rmtree, home, ignore_errors=True)
        dice = random.Random(asked.seed)
        ordeal = Ordeal(home, undo.enter_context(stub_server.serving()), dice)
        ordeal.begin()
        aims = list(AIMS)
        dice.shuffle(aims)
        while ordeal.counts["killed"] < asked.kills:
            number = ordeal.counts["rounds"]
            if ordeal.counts["aimed"] < asked.aimed and (number % 2 or number > asked.kills):
                ordeal.round(*aims[number // 2 % len(aims)], 1 + number // 2 // len(aims))
            else:
                ordeal.round(dice.choice(OPERATIONS))
            if ordeal.counts["rounds"] % 10 == 0:
                print(dict(ordeal.counts), f"{time.perf_counter() - started:.0f} s", flush=True)
        control = brick_bare_chroma(home)
    counts = ordeal.counts
    print(f"\nseed {asked.seed}, {time.perf_counter() - started:.0f} s")
    print(
        f"kills {counts['killed']}: {counts['aimed']} aimed, {counts['unaimed']} at random moments"
    )
    print(f"questions {counts['asked']}")
    for kind in ("lost", "doubled", "stale", "unopenable", "damaged", "warned", "failed", "waited"):
        print(f"{kind:12} {counts[kind]}")
    print(f"Chroma without a catalogue, killed while it writes its list of ids: {control}")
    return int(bool(ordeal.problems))


if __name__ == "__main__":
    sys.exit(main())
