"""What a power cut leaves: only what was synced is sure to be on the disk.

SQLite syncs the log at every commit, and the catalogue before it begins the log anew.  So of the
log all that a commit returned for is there; of what was written after it, any part; of the
catalogue what it was when the log was last begun, or any page of later; of Chroma, nothing.
"""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest
from synthetic import add, manifest, unit, words

from rag.index.index import Index
from rag.index.store.catalogue import FILE_NAME, Catalogue
from rag.index.upkeep import find_damage
from rag.index.verify import verify

LOG = f"{FILE_NAME}-wal"
SECTOR = 512


@dataclass(frozen=True)
class Moment:
    """The files of the catalogue when a commit had returned, and what was acknowledged by then."""

    catalogue: bytes
    log: bytes
    state: dict[str, list[str]]

    @property
    def begun(self) -> bytes:
        """What changes when the log is begun anew."""
        return self.log[:32]


def commit_some(folder: Path, count: int) -> Iterator[Moment]:
    """Write to an index and yield the moment after each commit."""
    dice = random.Random(5)
    state: dict[str, list[str]] = {}
    with Index.open_for_writing(folder, manifest(), drain=False) as index:
        for number in range(count):
            if state and dice.random() < 0.3:
                name = dice.choice(sorted(state))
                index.remove_documents("/folder", [name])
                del state[name]
            else:
                name = f"{number % 12}.txt"
                state[name] = words(dice.randint(1, 30), f"version {number}")
                add(index, name, state[name])
            yield Moment(
                (folder / FILE_NAME).read_bytes(), (folder / LOG).read_bytes(), dict(state)
            )


def restore(folder: Path, catalogue: bytes, log: bytes) -> Path:
    """A folder that holds no more than these."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / FILE_NAME).write_bytes(catalogue)
    (folder / LOG).write_bytes(log)
    return folder


def read(folder: Path) -> dict[str, list[str]]:
    catalogue = Catalogue(folder, writable=False)
    try:
        assert catalogue.integrity() == []
        chunks = [entry.chunk for page in catalogue.all_occurrences() for entry in page]
    finally:
        catalogue.close()
    stored: dict[str, list[str]] = {}
    for chunk in sorted(chunks, key=lambda chunk: chunk.ordinal):
        stored.setdefault(chunk.document_id, []).append(chunk.text)
    return stored


@pytest.fixture(scope="module")
def moments(tmp_path_factory: pytest.TempPathFactory) -> list[Moment]:
    """Fifty commits, enough for the log to be begun anew now and then."""
    made = list(commit_some(tmp_path_factory.mktemp("power") / "index", 60))
    assert len({moment.begun for moment in made}) > 1
    return made


def torn(before: bytes, after: bytes, dice: random.Random) -> bytes:
    """The log when some sectors of what was written since `before` reached the disk."""
    tail = bytearray(after[len(before) :])
    for start in range(0, len(tail), SECTOR):
        if dice.random() < 0.5:
            tail[start : start + SECTOR] = bytes(len(tail[start : start + SECTOR]))
    return before + bytes(tail[: dice.randint(0, len(tail))])


def test_every_commit_is_synced(tmp_path: Path) -> None:
    with Index.open_for_writing(tmp_path / "index", manifest(), drain=False) as index:
        rows = index._catalogue._database.rows
        assert rows("PRAGMA synchronous") == [(2,)]  # FULL: the log is synced at each commit
        assert rows("PRAGMA journal_mode") == [("wal",)]


def test_what_was_committed_outlives_what_was_not(moments: list[Moment], tmp_path: Path) -> None:
    dice = random.Random(7)
    tried = 0
    for now, later in pairwise(moments):
        if now.begun != later.begun or not later.log.startswith(now.log):
            continue  # The log was begun anew, over the old one.
        for _ in range(3):
            log = torn(now.log, later.log, dice)
            stored = read(restore(tmp_path / "cut", now.catalogue, log))
            assert stored in (now.state, later.state)
            tried += 1
    assert tried > 60


def test_of_the_catalogue_nothing_is_needed_that_was_not_synced(
    moments: list[Moment], tmp_path: Path
) -> None:
    """Pages copied from the log into the catalogue may be lost, or torn, until it is begun anew."""
    dice = random.Random(9)
    first = moments[0]
    for now in moments:
        if now.begun != first.begun:
            first = now
        assert read(restore(tmp_path / "cut", first.catalogue, now.log)) == now.state
        mixed = bytearray(first.catalogue.ljust(len(now.catalogue), b"\0"))
        for start in range(0, len(now.catalogue), SECTOR):
            if dice.random() < 0.5:
                mixed[start : start + SECTOR] = now.catalogue[start : start + SECTOR]
        assert read(restore(tmp_path / "cut", bytes(mixed), now.log)) == now.state


def test_a_log_that_was_not_synced_would_lose_documents(
    moments: list[Moment], tmp_path: Path
) -> None:
    """The null control: with less than what is synced, something is missing."""
    last = [moment for moment in moments if moment.begun == moments[0].begun][-1]
    lost = restore(tmp_path / "cut", last.catalogue, last.log[: len(last.log) // 2])
    assert read(lost) != last.state


@pytest.mark.parametrize("left", ["empty", "half"])
def test_a_chroma_that_never_reached_the_disk_is_made_anew(
    drained: Path, tmp_path: Path, left: str
) -> None:
    before = read(drained)
    for path in [path for path in drained.glob("index-*/**/*") if path.is_file()]:
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2] if left == "half" else b"")
    with Index.open_for_reading(drained) as index:  # nothing is missing meanwhile
        assert index.search(unit("file 3 number 7"), 1)[0].chunk.text == "file 3 number 7"
    with Index.open_for_writing(drained, manifest()) as index:
        add(index, "new.txt", words(3, "new"))
    assert index.warnings == []
    catalogue = Catalogue(drained, writable=False)
    assert (catalogue.count("outbox"), find_damage(catalogue)) == (0, "")
    catalogue.close()
    assert [finding for finding in verify(drained) if finding.damage] == []
    assert read(drained) == {**before, "new.txt": words(3, "new")}
    with Index.open_for_reading(drained, search="chroma") as index:
        assert index.search(unit("file 3 number 7"), 1)[0].chunk.text == "file 3 number 7"


def test_a_cut_while_the_first_catalogue_is_made_leaves_none(tmp_path: Path) -> None:
    """It has its name when it is complete; what bears another is made anew."""
    folder = tmp_path / "index"
    folder.mkdir()
    (folder / f"{FILE_NAME}.new").write_bytes(b"SQLite format 3\0")
    with Index.open_for_writing(folder, manifest(), drain=False) as index:
        add(index, "a.txt", words(2))
    with sqlite3.connect(folder / FILE_NAME) as connection:
        assert connection.execute("SELECT count(*) FROM documents").fetchone() == (1,)
    connection.close()
