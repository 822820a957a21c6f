from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from synthetic import ROOT, add, key, manifest, unit

from ingest.base.documents import Page
from rag.index.base.errors import IndexDamaged, IndexMismatch
from rag.index.base.failpoint import CRASHED
from rag.index.care.soundness import Inspector
from rag.index.index import Index
from rag.index.store.catalogue import FILE_NAME, FORMAT, Catalogue
from rag.index.store.upgrade import safety_copies
from rag.index.upkeep import rebuild

GOLDEN = Path(__file__).parent

# Before format 2 pages had labels already, for a time.
WITH_PLACES = """
ALTER TABLE documents RENAME COLUMN page_starts TO pages;
UPDATE documents SET pages = '[[0, "p. 1", 1.0, []], [8, "p. 2", 1.0, []]]' WHERE pages <> '[]';
ALTER TABLE chunks ADD COLUMN place TEXT NOT NULL DEFAULT '';
ALTER TABLE chunks ADD COLUMN columns TEXT NOT NULL DEFAULT '';
UPDATE chunks SET place = 'p. ' || page WHERE page IS NOT NULL;
"""


def make(folder: Path, version: int, changes: str = "") -> Path:
    """An index of an older format whose Chroma is a generation behind it."""
    (folder / "index-1").mkdir()
    golden = GOLDEN / f"golden_format_{version}.sql"
    connection = sqlite3.connect(folder / FILE_NAME)
    connection.executescript(golden.read_text(encoding="utf-8") + changes)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.close()
    return folder


@pytest.fixture(
    params=[(1, ""), (1, WITH_PLACES), (2, "")], ids=["format 1", "with places", "format 2"]
)
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return make(tmp_path, *request.param)


def copy_of(folder: Path, version: int) -> Path:
    return safety_copies(folder / FILE_NAME)[version - 1]


def format_of(path: Path) -> int:
    connection = sqlite3.connect(path)
    try:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])
    finally:
        connection.close()


def check(folder: Path, method: str) -> None:
    """All that the golden index held is there."""
    with Index.open_for_reading(folder, search=method) as index:
        documents = {(d.root, d.id): d for d in index.documents()}
        paper = documents[ROOT, "paper.pdf"]
        assert [d.chunks for d in documents.values()] == [3, 0, 3, 0, 1]
        assert paper.pages == (Page(0, "p. 1"), Page(8, "p. 2"))
        assert (paper.notes, paper.unknown_share) == (("a page without text",), None)
        assert documents[ROOT, "locked.pdf"].reason == "encrypted"
        assert documents[ROOT, "photo.png"].reason == "unsupported"
        assert index.collections() == {"default": [ROOT, "/second"]}
        places = [(c.page, c.place, c.columns) for c in index.chunks(ROOT, "paper.pdf")]
        assert places == [(1, "p. 1", ""), (1, "p. 1", ""), (2, "p. 2", "")]
        assert index.known(ROOT)["copy.txt"].recipe == "recipe-1"
        for text in ("one", "two", "three", "a second text", "name; colon", "elsewhere"):
            assert index.search(unit(text), 1)[0].chunk.text == text
        assert [c.document_id for c in index.search(unit("three"), 1)[0].copies] == ["paper.pdf"]
        assert index.stored_keys([key("forgotten")]) == {key("forgotten")}
        assert index.search(unit("forgotten"), 1)[0].chunk.text != "forgotten"
        assert (index.status().chunks, index.status().texts) == (7, 6)
        (three,) = index.search_words(["three"], 5)
        assert [three.chunk.document_id, three.copies[0].document_id] == ["copy.txt", "paper.pdf"]
        assert index.search_words(["forgotten"], 5) == []
        assert index.frequency(["three", "forgotten"]) == {"three": 2, "forgotten": 0}
    inspector = Inspector(folder, writable=False)
    assert list(inspector.word_flaws()) == []
    inspector.close()


def test_a_writer_brings_an_old_format_up_to_date_and_chroma_with_it(old: Path) -> None:
    version = format_of(old / FILE_NAME)
    with Index.open_for_writing(old, manifest()) as index:
        assert index.warnings == []
        assert format_of(copy_of(old, version)) == version
    assert index.warnings == []
    assert format_of(old / FILE_NAME) == FORMAT
    check(old, "chroma")
    catalogue = Catalogue(old, writable=False)
    assert catalogue.integrity() == []
    catalogue.close()
    assert copy_of(old, version).exists()
    with Index.open_for_writing(old, manifest()) as index:
        add(index, "new.txt", ["new"])
    assert not copy_of(old, version).exists()
    assert len(list(old.glob("index-*"))) == 1


def test_a_reader_of_an_old_format_is_told_what_to_do_and_that_does_it(old: Path) -> None:
    before = (old / FILE_NAME).read_bytes()
    with pytest.raises(IndexMismatch, match=r"format [12].*rag repair"):
        Index.open_for_reading(old)
    assert (old / FILE_NAME).read_bytes() == before
    assert rebuild(old) == 7
    check(old, "chroma")


CRASH = """
import sys, pathlib
from rag.index.base import failpoint
from rag.index.store.catalogue import Catalogue
failpoint.arm(sys.argv[2])
Catalogue(pathlib.Path(sys.argv[1]), writable=True)
"""


@pytest.mark.parametrize("trap", ["before", "after"])
def test_a_crash_leaves_one_format_or_the_other(
    old: Path,
    trap: str,
    python_environment: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    version = format_of(old / FILE_NAME)
    command = [sys.executable, "-c", CRASH, str(old), f"upgrade:{trap}-commit"]
    assert subprocess.run(command, env=python_environment, check=False).returncode == CRASHED
    copy = shutil.copytree(old, tmp_path_factory.mktemp("crashed") / "index")
    assert format_of(Path(copy) / FILE_NAME) == (version if trap == "before" else FORMAT)
    with Index.open_for_writing(old, manifest(), drain=False) as index:
        assert index.warnings == []
    check(old, "exact")


def test_a_catalogue_that_lost_vectors_stays_as_it_is(tmp_path: Path) -> None:
    old = make(tmp_path, 1)
    connection = sqlite3.connect(old / FILE_NAME)
    connection.execute("DELETE FROM vectors WHERE key = ?", (key("two"),))
    connection.commit()
    connection.close()
    with pytest.raises(IndexDamaged, match="chunks without a vector"):
        Index.open_for_writing(old, manifest())
    assert format_of(old / FILE_NAME) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no limit on the size of files")
def test_a_full_disk_leaves_the_old_format(old: Path, python_environment: dict[str, str]) -> None:
    script = (
        "import resource, signal, sys, pathlib\n"
        "from rag.index.base.errors import DiskFull, IndexFault\n"
        "from rag.index.store.catalogue import Catalogue\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)\n"
        "try: Catalogue(pathlib.Path(sys.argv[1]), writable=True)\n"
        "except (DiskFull, IndexFault) as error: print(type(error).__name__, error)\n"
    )
    size, version = (old / FILE_NAME).stat().st_size, format_of(old / FILE_NAME)
    # What is added to format 2 is little here, and goes into a log that may be as long.
    for limit in (4096, size - 4096, size + 4096)[: 3 if version == 1 else 2]:
        command = [sys.executable, "-c", script, str(old), str(limit)]
        done = subprocess.run(command, env=python_environment, capture_output=True, check=False)
        assert done.stdout.strip(), done.stderr
        assert format_of(old / FILE_NAME) == version
    with Index.open_for_writing(old, manifest(), drain=False):
        pass
    check(old, "exact")
