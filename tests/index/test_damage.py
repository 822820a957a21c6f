from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from zlib import crc32

import pytest
from synthetic import ROOT, add, manifest, unit, words

from rag.index.base.errors import IndexDamaged, IndexFault, IndexLocked, IndexMissing
from rag.index.base.lock import WRITER, Lock
from rag.index.index import Index
from rag.index.store.catalogue import Catalogue
from rag.index.upkeep import find_damage, find_wear, make_usable, rebuild
from rag.index.verify import verify
from rag.index.writer import CatalogueWriter


@pytest.fixture(scope="module")
def _large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """More than the 1000 chunks after which Chroma writes its vector index to files."""
    folder = tmp_path_factory.mktemp("large") / "index"
    with Index.open_for_writing(folder, manifest()) as index:
        for i in range(12):
            add(index, f"{i}.txt", words(100, f"file {i}"))
    assert index.warnings == []
    return folder


@pytest.fixture
def large(_large: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(_large, tmp_path / "index"))


def answers(folder: Path, method: str = "auto") -> tuple[list[list[str]], str]:
    with Index.open_for_reading(folder, search=method) as index:
        questions = ["file 3 number 77", "file 11 number 99", "anything"]
        found = [[f.chunk.text for f in index.search(unit(q), 3)] for q in questions]
        return found, index.search_method


def facts(folder: Path) -> tuple[int, str, str]:
    catalogue = Catalogue(folder, writable=False)
    try:
        return catalogue.number("generation"), find_damage(catalogue), find_wear(catalogue)
    finally:
        catalogue.close()


def damage(folder: Path) -> list[str]:
    """What `verify` says that is damage."""
    return [finding.message for finding in verify(folder) if finding.damage]


def set_meta(folder: Path, key: str, value: str | int) -> None:
    catalogue = Catalogue(folder, writable=True)
    catalogue.set_meta({key: value})
    catalogue.close()


def find(folder: Path, name: str) -> Path:
    (path,) = (folder / "index-1").rglob(name)
    return path


DAMAGE: dict[str, Callable[[Path], object]] = {
    "pickle deleted": lambda folder: find(folder, "index_metadata.pickle").unlink(),
    "vectors truncated": lambda folder: find(folder, "data_level0.bin").write_bytes(
        find(folder, "data_level0.bin").read_bytes()[:999]
    ),
    "database emptied": lambda folder: find(folder, "chroma.sqlite3").write_bytes(b""),
    "folder deleted": lambda folder: shutil.rmtree(folder / "index-1"),
}


@pytest.mark.parametrize("harm", DAMAGE)
def test_a_damaged_chroma_is_replaced_and_the_answers_stay(large: Path, harm: str) -> None:
    expected, _ = answers(large, "exact")
    DAMAGE[harm](large)
    assert "files of Chroma" in facts(large)[1]
    assert answers(large) == (expected, "Chroma")
    assert facts(large) == (2, "", "")


def test_verify_names_the_damage_and_changes_nothing(large: Path) -> None:
    DAMAGE["vectors truncated"](large)
    before = facts(large)
    findings = damage(large)
    assert any("files of Chroma" in finding for finding in findings)
    assert len(findings) > 1
    assert facts(large) == before


def test_verify_finds_nothing_wrong_with_a_sound_index(large: Path) -> None:
    assert damage(large) == []


def test_verify_finds_vectors_and_chunks_that_differ(drained: Path) -> None:
    catalogue = CatalogueWriter(drained, writable=True)
    catalogue._database.rows(
        "UPDATE vectors SET vector = ?, crc = ? WHERE rowid = 1",
        (unit("other").tobytes(), crc32(unit("other").tobytes())),
    )
    catalogue.remove_documents(ROOT, ["docs/5.txt"])
    catalogue._database.rows("DELETE FROM outbox")
    catalogue.close()
    findings = damage(drained)
    assert "50 vectors of Chroma are not in the catalogue" in findings
    assert "1 vectors of Chroma differ from the catalogue's" in findings


@pytest.mark.parametrize("command", [verify, rebuild])
def test_without_an_index_nothing_is_made(
    tmp_path: Path, command: Callable[[Path], object]
) -> None:
    with pytest.raises(IndexMissing, match="there is no index"):
        command(tmp_path / "nowhere")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", [verify, rebuild])
def test_a_catalogue_that_cannot_be_read_is_said_so(
    tmp_path: Path, command: Callable[[Path], object]
) -> None:
    (tmp_path / "catalogue.sqlite").write_bytes(b"garbage" * 1000)
    with pytest.raises(IndexDamaged, match="nothing was overwritten"):
        command(tmp_path)


def test_a_generation_that_is_no_number_is_damage(drained: Path) -> None:
    set_meta(drained, "generation", "one")
    assert damage(drained) == ["'one' stands where generation should be a number"]
    with pytest.raises(IndexDamaged, match="'one' where generation should be a number"):
        facts(drained)
    with (
        Index.open_for_reading(drained) as index,
        pytest.raises(IndexDamaged, match="generation"),
    ):
        index.status()
    with pytest.raises(IndexDamaged, match="generation"):
        Index.open_for_writing(drained, manifest())


def test_verify_beside_a_writer_is_refused(drained: Path) -> None:
    with (
        Index.open_for_writing(drained, manifest(), command="rag ingest here"),
        pytest.raises(IndexLocked, match="rag ingest here"),
    ):
        verify(drained)


def test_rebuild_returns_how_many_chunks_chroma_holds(drained: Path, tmp_path: Path) -> None:
    assert rebuild(drained) == 300
    Index.open_for_writing(tmp_path / "empty", manifest()).close()
    assert damage(tmp_path / "empty") == []
    assert rebuild(tmp_path / "empty") == 0
    assert damage(tmp_path / "empty") == []


def test_a_sound_chroma_that_was_not_closed_is_kept(drained: Path) -> None:
    set_meta(drained, "seal", "")
    assert facts(drained)[1] == "Chroma was not closed in order"
    assert answers(drained)[1] == "Chroma"
    assert facts(drained) == (1, "", "")


def test_a_large_chroma_is_not_repaired_by_a_search(
    drained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rag.index.search.MOST_REPAIRED", 299)
    set_meta(drained, "seal", "")
    assert answers(drained)[1].startswith("exact: Chroma was not closed in order")
    with (
        Index.open_for_reading(drained, search="chroma") as index,
        pytest.raises(IndexFault, match="not closed in order"),
    ):
        index.search(unit("x"), 1)
    assert facts(drained)[0] == 1


def test_a_search_beside_a_writer_repairs_nothing(drained: Path) -> None:
    set_meta(drained, "seal", "")
    lock = Lock(drained, WRITER)
    lock.acquire("rag ingest")
    assert answers(drained)[1] == "exact: Chroma was not closed in order"
    with pytest.raises(IndexLocked):
        rebuild(drained)
    lock.release()


def test_a_chroma_of_another_version_is_built_anew_by_a_writer(drained: Path) -> None:
    set_meta(drained, "chroma_version", "0.0.1")
    assert "0.0.1" in facts(drained)[2]
    with Index.open_for_writing(drained, manifest()) as index:
        assert index.warnings == []
    assert facts(drained) == (2, "", "")
    Index.open_for_writing(drained, manifest()).close()
    assert not (drained / "index-1").exists()
    assert answers(drained)[1] == "Chroma"


def test_many_deleted_vectors_are_a_reason_to_build_anew(drained: Path) -> None:
    set_meta(drained, "tombstones", 1000)
    assert facts(drained)[2] == ""
    set_meta(drained, "tombstones", 1001)
    assert "1001 deleted vectors" in facts(drained)[2]


def test_a_rebuild_covers_what_was_pending(drained: Path) -> None:
    with Index.open_for_writing(drained, manifest(), drain=False) as index:
        add(index, "late.txt", ["a late text"])
        index.remove_documents(ROOT, ["docs/1.txt"])
    rebuild(drained, documents=True)
    assert facts(drained) == (2, "", "")
    assert sorted(path.name for path in drained.glob("index-*")) == ["index-2"]
    assert damage(drained) == []
    with Index.open_for_reading(drained, search="chroma") as index:
        assert index.status().pending == 0
        assert index.search(unit("a late text"), 1)[0].chunk.text == "a late text"


def test_a_chroma_that_cannot_be_rebuilt_leaves_the_exact_path(
    drained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_meta(drained, "seal", "")
    shutil.rmtree(drained / "index-1")
    # Chroma's import fails on this, in the child as in any program.
    monkeypatch.setenv("CHROMA_SERVER_HTTP_PORT", "no number")
    with Index.open_for_writing(drained, manifest()) as index:
        add(index, "late.txt", ["a late text"])
        assert index.search(unit("a late text"), 1)[0].chunk.text == "a late text"
    assert len(index.warnings) == 1
    assert "Chroma cannot be imported" in index.warnings[0]
    monkeypatch.delenv("CHROMA_SERVER_HTTP_PORT")
    catalogue = Catalogue(drained, writable=True)
    assert make_usable(catalogue) == ""
    assert (catalogue.number("generation"), catalogue.count("outbox")) == (2, 0)
    catalogue.close()


CRASH = """
import os, sys, pathlib
sys.path.insert(0, sys.argv[2])
from synthetic import add, manifest
from rag.index.index import Index
index = Index.open_for_writing(pathlib.Path(sys.argv[1]), manifest(), drain=False)
add(index, "late.txt", ["a late text"])
os._exit(9)
"""


def test_a_writer_tells_of_a_log_that_was_deleted_and_goes_on(
    drained: Path, python_environment: dict[str, str]
) -> None:
    command = [sys.executable, "-c", CRASH, str(drained), str(Path(__file__).parent)]
    assert subprocess.run(command, env=python_environment, check=False).returncode == 9
    (drained / "catalogue.sqlite-wal").unlink()
    with Index.open_for_writing(drained, manifest(), drain=False) as index:
        (told,) = index.warnings
        assert "catalogue.sqlite-wal was deleted" in told
        assert index.known(ROOT).keys() == {f"docs/{i}.txt" for i in range(6)}
        add(index, "late.txt", ["a late text"])
        assert index.search(unit("a late text"), 1)[0].chunk.text == "a late text"


def test_a_folder_that_is_read_only_is_searched_exactly_and_refuses_a_writer(
    drained: Path,
) -> None:
    for path in (drained, *drained.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        if os.access(drained, os.W_OK):
            pytest.skip("this user, or this system, may write everywhere")
        with Index.open_for_reading(drained) as index:
            assert index.search(unit("file 3 number 7"), 1)[0].chunk.text == "file 3 number 7"
            assert index.search_method.startswith("exact: the lock")
        with pytest.raises(IndexFault, match="RAG_INDEX_DIR"):
            Index.open_for_writing(drained, manifest())
    finally:
        for path in (drained, *drained.rglob("*")):
            path.chmod(0o755)
