"""The index is what the folder is: random changes, ends and restarts against a model in Python.

`tests/benchmarks/sync.py` lets the same machines run longer.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import killed_ingest
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from killed_ingest import Port, ingest
from token_embedder import ServerGone, TokenEmbedder, token, tokens_of, vector

import rag
from ingest.base.documents import IngestReport
from rag.index.base.errors import IndexMismatch
from rag.index.base.failpoint import CRASHED
from rag.index.base.findings import Finding
from rag.index.index import Index
from rag.index.migrate import migrate
from rag.index.repair import compact, repair
from rag.index.store.catalogue import Catalogue
from rag.index.upkeep import rebuild
from rag.index.verify import verify

NAMES = (
    "a.txt", "b.md", "c.txt", "sub/a.txt", "sub/b.md", "sub/deep/c.txt", "sub/deep/d.txt",
    "höhe ü.txt", "other/a.txt", "other/\N{GREEK SMALL LETTER ALPHA}.txt", "z z.md", "e.txt",
)  # fmt: skip
KEPT = "kept.txt"
SENTENCE = "the sea was calm and the boat lay still beside the old stone pier that morning"
WORDS = tuple(SENTENCE.split())
# Few, so that other files come to have the same paragraph.
SHARED = tuple(f"This paragraph number {n} stands in many files of the folder.\n" for n in range(3))
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16")
WRITES = (
    "add_vectors", "add_document", "move_document", "remove_documents", "touch_documents",
    "record_failure", "record_unread",
)  # fmt: skip
FAILPOINTS = tuple(
    f"{name}:{side}-commit" for name in WRITES[:4] for side in ("before", "after")
)  # fmt: skip
IN_CHILD = ("open:after-commit", "chroma:before-write", "chroma:after-write", "told:before-commit")


@dataclass(frozen=True)
class File:
    """What a file of the folder is."""

    text: str
    encoding: str = "utf-8"
    is_readable: bool = True

    def write(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.text.encode(self.encoding))


class Stopped(Exception):
    """The run was ended."""


class StoppingIndex:
    """The index, until its n-th write: that one fails, before or after it is carried out."""

    def __init__(self, index: Index, left: int, *, after: bool) -> None:
        self._index, self._left, self._after = index, left, after

    def __getattr__(self, name: str):
        method = getattr(self._index, name)
        if name not in WRITES:
            return method

        def write(*arguments):
            self._left -= 1
            if self._left == 0 and not self._after:
                raise Stopped
            method(*arguments)
            if self._left == 0:
                raise Stopped

        return write


class Recording:
    """The index, and which of its methods that write were called."""

    def __init__(self, index: Index, written: list[str]) -> None:
        self._index, self._written = index, written

    def __getattr__(self, name: str):
        if name in WRITES:
            self._written.append(name)
        return getattr(self._index, name)


class Sync(RuleBasedStateMachine):
    """A folder, its index without Chroma, and what must be in it."""

    drain = False
    may_wait = False

    def __init__(self) -> None:
        super().__init__()
        self.home = Path(tempfile.mkdtemp(prefix="sync-"))
        self.docs, self.index_folder = self.home / "docs", self.home / "index"
        self.files: dict[str, File] = {}
        self.ignored: set[str] = set()
        self.embedder = TokenEmbedder()
        self.reader: Index | None = None
        # What the index held when it was last known, and every text that a file has had since.
        self.stored: dict[str, str] = {}
        self.possible: dict[str, set[str]] = {}
        self.tokens_made = 0

    @initialize()
    def begin(self) -> None:
        self._put(KEPT, File(self._text(2)))
        self.complete_ingest()

    def teardown(self) -> None:
        self._close_reader()
        for path in self.home.rglob("*"):
            if not path.is_symlink():
                path.chmod(0o700)
        shutil.rmtree(self.home)

    # ---- what happens to files

    @rule(name=st.sampled_from(NAMES), paragraphs=st.integers(0, 4), shared=st.integers(0, 3))
    def write(self, name: str, paragraphs: int, shared: int) -> None:
        self._put(name, File(self._text(paragraphs, shared)))

    @rule(data=st.data(), paragraphs=st.integers(1, 4), shared=st.integers(0, 3))
    def edit_one_paragraph(self, data: st.DataObject, paragraphs: int, shared: int) -> None:
        name = self._choose(data)
        before = self.files[name]
        self._put(name, File(self._text(paragraphs, shared) + before.text, before.encoding))

    @rule(data=st.data(), restore=st.booleans())
    def edit_same_size(self, data: st.DataObject, restore: bool) -> None:
        """Change a letter; the time of the file may be set back to what it was."""
        name = self._choose(data)
        before = self.files[name]
        if "calm" not in before.text and "wild" not in before.text:
            return
        path = self.docs / name
        status = path.stat()
        swap = ("calm", "wild") if "calm" in before.text else ("wild", "calm")
        self._put(name, File(before.text.replace(*swap), before.encoding))
        assert path.stat().st_size == status.st_size
        if restore and os.name != "nt":  # where the time of the change can be read too
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))

    @rule(data=st.data(), encoding=st.sampled_from(ENCODINGS))
    def change_encoding(self, data: st.DataObject, encoding: str) -> None:
        name = self._choose(data)
        self._put(name, File(self.files[name].text, encoding))

    @rule(data=st.data(), new=st.sampled_from(NAMES))
    def rename(self, data: st.DataObject, new: str) -> None:
        """Move a file, to another folder perhaps, in place of what is there."""
        old = self._choose(data)
        if old in (new, KEPT) or Path(old).suffix != Path(new).suffix:
            return
        (self.docs / new).parent.mkdir(parents=True, exist_ok=True)
        (self.docs / old).replace(self.docs / new)
        self._know(new, self.files.pop(old))

    @rule(data=st.data())
    def swap(self, data: st.DataObject) -> None:
        one, other = self._choose(data), self._choose(data)
        if one == other or Path(one).suffix != Path(other).suffix:
            return
        aside = self.home / "aside"
        (self.docs / one).replace(aside)
        (self.docs / other).replace(self.docs / one)
        aside.replace(self.docs / other)
        first, second = self.files[one], self.files[other]
        self._know(one, second)
        self._know(other, first)

    @rule(data=st.data(), new=st.sampled_from(NAMES))
    def copy(self, data: st.DataObject, new: str) -> None:
        self._put(new, self.files[self._choose(data)])

    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        name = self._choose(data)
        if name != KEPT:
            (self.docs / name).unlink()
            del self.files[name]

    @rule(data=st.data())
    def touch(self, data: st.DataObject) -> None:
        os.utime(self.docs / self._choose(data))

    @precondition(lambda self: hasattr(os, "geteuid") and os.geteuid() != 0)
    @rule(data=st.data())
    def change_mode(self, data: st.DataObject) -> None:
        name = self._choose(data)
        before = self.files[name]
        (self.docs / name).chmod(0 if before.is_readable else 0o600)
        self._know(name, File(before.text, before.encoding, not before.is_readable))

    @rule(names=st.sets(st.sampled_from(NAMES), max_size=2))
    def ignore(self, names: set[str]) -> None:
        """Have some files left out from now on, and only these."""
        self.ignored = names
        lines = [f"/{name}\n" for name in sorted(names)]
        (self.docs / ".ragignore").write_text("".join(lines), encoding="utf-8")

    @precondition(lambda self: self.may_wait)
    @rule()
    def wait(self) -> None:
        """Let so much time pass that size and time prove that a file is the same."""
        time.sleep(2.1)

    # ---- what happens to the index

    @rule()
    def complete_ingest(self) -> None:
        self._ingest(self.embedder)
        self.stored = self._expected()
        self.possible = {name: {file.text} for name, file in self.files.items()}
        self.check()

    @rule()
    def ingest_twice(self) -> None:
        """What was just ingested is not embedded again, nor written but for file times."""
        self.complete_ingest()
        embedder = TokenEmbedder(self.embedder.model)
        written: list[str] = []

        def port(index: Index) -> Recording:
            return Recording(index, written)

        report = self._ingest(embedder, port)
        assert (embedder.asked, report.ingested, report.removed, report.moved) == ([], (), (), 0)
        assert set(written) <= {"touch_documents", "record_unread"}

    @rule(after_texts=st.integers(0, 6))
    def ingest_until_the_model_fails(self, after_texts: int) -> None:
        embedder = TokenEmbedder(self.embedder.model, dies_after=after_texts, batch_size=2)
        with contextlib.suppress(ServerGone):
            self._ingest(embedder)
        self.check_unfinished()

    @rule(writes=st.integers(1, 8), after=st.booleans())
    def ingest_until_the_index_fails(self, writes: int, after: bool) -> None:
        def port(index: Index) -> StoppingIndex:
            return StoppingIndex(index, writes, after=after)

        with contextlib.suppress(Stopped):
            self._ingest(self.embedder, port)
        self.check_unfinished()

    @rule(name=st.sampled_from(FAILPOINTS), count=st.integers(1, 3))
    def ingest_until_killed(self, name: str, count: int) -> None:
        self._ingest_and_kill(name, count)

    @rule()
    def other_model_is_refused(self) -> None:
        with pytest.raises(IndexMismatch):
            self._ingest(self.embedder.other())

    @rule()
    def compact(self) -> None:
        compact(self.index_folder)

    @rule()
    def open_again(self) -> None:
        self._close_reader()

    # ---- what must be true

    @invariant()
    def nothing_is_lost(self) -> None:
        """Whatever was done to files since, the index still opens and holds what it held."""
        if self.stored:
            assert {d.id for d in self._reading.documents() if d.status == "ok"} == set(self.stored)

    def check(self) -> None:
        """The index is the folder: each text once, each token leads to its files, no damage."""
        assert self._stored_texts() == {n: _words(t) for n, t in self.stored.items()}
        assert self._damage() == []
        alive: dict[str, set[str]] = {}
        for name, text in self.stored.items():
            for word in tokens_of(text):
                alive.setdefault(word, set()).add(name)
        for number in range(self.tokens_made):
            self._check_token(token(number), alive.get(token(number), set()))

    def check_unfinished(self) -> None:
        """What a run that was ended leaves is a moment on its way, and no damage."""
        held = self._stored_texts()
        wanted = self._expected()
        for name, words in held.items():
            texts = self.possible.get(name, set()) | {self.stored.get(name, "")}
            assert words in [_words(text) for text in texts], name
        for name, text in self.stored.items():
            if wanted.get(name) == text:
                assert held.get(name) == _words(text), name
        texts = {_words(t): t for seen in self.possible.values() for t in seen}
        texts |= {_words(t): t for t in self.stored.values()}
        self.stored = {name: texts[words] for name, words in held.items()}
        assert self._damage() == []

    def _check_token(self, word: str, names: set[str]) -> None:
        found = self._reading.search(vector(word, self.embedder.model), 200)
        having = [f for f in found if word in f.chunk.text.split()]
        places = [f.chunk.document_id for f in having]
        places += [copy.document_id for f in having for copy in f.copies]
        assert sorted(places) == sorted(names), word
        assert not names or word in found[0].chunk.text.split()

    def _stored_texts(self) -> dict[str, tuple[str, ...]]:
        """The words of each document in the index, from its chunks in their order."""
        catalogue = Catalogue(self.index_folder, writable=False)
        try:
            entries = [entry.chunk for page in catalogue.all_occurrences() for entry in page]
        finally:
            catalogue.close()
        assert len({chunk.id for chunk in entries}) == len(entries)
        texts: dict[str, tuple[str, ...]] = {}
        ordinals: dict[str, list[int]] = {}
        for chunk in sorted(entries, key=lambda chunk: chunk.ordinal):
            texts[chunk.document_id] = texts.get(chunk.document_id, ()) + _words(chunk.text)
            ordinals.setdefault(chunk.document_id, []).append(chunk.ordinal)
        assert all(seen == list(range(len(seen))) for seen in ordinals.values())
        return texts

    def _damage(self) -> list[Finding]:
        return [finding for finding in verify(self.index_folder) if finding.damage]

    def _expected(self) -> dict[str, str]:
        return {
            name: file.text
            for name, file in self.files.items()
            if file.is_readable and file.text.strip() and name not in self.ignored
        }

    # ---- doing it

    def _ingest(self, embedder: TokenEmbedder, port: Port = lambda index: index) -> IngestReport:
        self._let_go()
        return ingest(self.docs, self.index_folder, embedder, drain=self.drain, port=port)

    def _let_go(self) -> None:
        """Do what must be done before others use the index; a reader without Chroma stays."""

    @property
    def _reading(self) -> Index:
        if self.reader is None:
            search = "auto" if self.drain else "exact"
            self.reader = Index.open_for_reading(self.index_folder, search=search)
        return self.reader

    def _close_reader(self) -> None:
        if self.reader is not None:
            self.reader.close()
            self.reader = None

    def _choose(self, data: st.DataObject) -> str:
        return data.draw(st.sampled_from(sorted(self.files)))

    def _put(self, name: str, file: File) -> None:
        path = self.docs / name
        if path.exists():
            path.chmod(0o600)
        file.write(path)
        self._know(name, File(file.text, file.encoding))

    def _know(self, name: str, file: File) -> None:
        self.files[name] = file
        self.possible.setdefault(name, set()).add(file.text)

    def _text(self, paragraphs: int, shared: int = 0) -> str:
        parts = list(SHARED[:shared])
        for _ in range(paragraphs):
            first = self.tokens_made % len(WORDS)
            parts.append(" ".join([token(self.tokens_made), *WORDS[first:], *WORDS[:first]]) + "\n")
            self.tokens_made += 1
        return "\n".join(reversed(parts)) + "\n" if parts else ""

    def _ingest_and_kill(self, name: str, count: int) -> None:
        self._let_go()
        paths = (Path(rag.__file__).parents[1], Path(__file__).parent)
        arguments = [
            self.docs, self.index_folder, self.embedder.model,
            "drain" if self.drain else "catalogue", name, count,
        ]  # fmt: skip
        done = subprocess.run(
            [sys.executable, killed_ingest.__file__, *map(str, arguments)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        in_child = name in IN_CHILD and "AssertionError" in done.stderr  # the parent tells of it
        assert done.returncode in (0, CRASHED) or in_child, done.stderr
        self.check_unfinished()


class SyncThroughChroma(Sync):
    """The same with Chroma told of everything, asked, made anew, and moved to another model."""

    drain = True

    @rule(name=st.sampled_from(IN_CHILD), count=st.integers(1, 2))
    def ingest_until_chroma_is_killed(self, name: str, count: int) -> None:
        self._ingest_and_kill(name, count)

    @rule()
    def make_chroma_anew(self) -> None:
        self._let_go()
        rebuild(self.index_folder)

    @rule()
    def lose_chroma(self) -> None:
        self._let_go()
        for path in self.index_folder.glob("index-*"):
            shutil.rmtree(path)

    @rule()
    def repair(self) -> None:
        self._let_go()
        repair(self.index_folder)
        assert self._damage() == []

    @rule()
    def change_model(self) -> None:
        self._let_go()
        self.embedder = self.embedder.other()
        manifest = self.embedder.manifest(killed_ingest.OPTIONS.recipe)
        done = migrate(self.index_folder, self.embedder, manifest)
        assert (done.needed, done.refused, done.warning) == (True, (), "")
        assert self._damage() == []

    def _damage(self) -> list[Finding]:
        self._let_go()
        return super()._damage()

    def _let_go(self) -> None:
        """Chroma bears one process: a reader that has it open keeps others from examining it."""
        self._close_reader()


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def run(machine: type[Sync], runs: int, steps: int) -> None:
    how = settings(
        max_examples=runs,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )
    run_state_machine_as_test(machine, settings=how)


class Named:
    """Stands for what Hypothesis draws: these names, in turn."""

    def __init__(self, *names: str) -> None:
        self.names = list(names)

    def draw(self, _strategy: object) -> str:
        return self.names.pop(0)


CHANGES: dict[str, Callable[[Sync], None]] = {
    "edited": lambda m: m.edit_one_paragraph(Named("a.txt"), 1, 0),
    "edited, same size": lambda m: m.edit_same_size(Named("a.txt"), False),
    "edited, same size and time": lambda m: m.edit_same_size(Named("a.txt"), True),
    "encoded anew": lambda m: m.change_encoding(Named("a.txt"), "utf-16"),
    "renamed": lambda m: m.rename(Named("a.txt"), "c.txt"),
    "moved to a folder": lambda m: m.rename(Named("a.txt"), "sub/deep/c.txt"),
    "renamed over another": lambda m: m.rename(Named("a.txt"), "e.txt"),
    "swapped": lambda m: m.swap(Named("a.txt", "e.txt")),
    "copied": lambda m: m.copy(Named("a.txt"), "c.txt"),
    "deleted": lambda m: m.delete(Named("a.txt")),
    "touched": lambda m: m.touch(Named("a.txt")),
    "emptied": lambda m: m.write("a.txt", 0, 0),
    "ignored": lambda m: m.ignore({"a.txt"}),
}


@pytest.mark.parametrize("change", CHANGES)
def test_each_change_of_a_file_reaches_the_index(change: str) -> None:
    machine = Sync()
    try:
        machine.begin()
        machine.write("a.txt", 3, 1)
        machine.write("e.txt", 2, 1)
        machine.complete_ingest()
        CHANGES[change](machine)
        machine.complete_ingest()
    finally:
        machine.teardown()


def test_the_index_is_what_the_folder_is() -> None:
    run(Sync, 25, 20)


def test_chroma_is_what_the_folder_is_too() -> None:
    """One fixed story, as every step takes a second; the benchmark makes up others."""
    machine = SyncThroughChroma()
    try:
        machine.begin()
        machine.write(NAMES[0], 3, 2)
        machine.write(NAMES[1], 2, 1)
        machine.ingest_until_chroma_is_killed("chroma:after-write", 1)
        machine.change_model()
        (machine.docs / NAMES[1]).unlink()
        del machine.files[NAMES[1]]
        machine.lose_chroma()
        machine.complete_ingest()
        machine.repair()
        machine.check()
        assert machine._reading.search_method == "Chroma"
    finally:
        machine.teardown()
