"""An index repaired from what is left of it, and relieved of what nobody needs."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from ingested import TEXTS, WordEmbedder, answers, ingest, manifest_of, write_texts

from rag.index.base import failpoint
from rag.index.base.errors import DiskFull, IndexDamaged, IndexFault, IndexLocked, IndexMissing
from rag.index.base.lock import WRITER, Lock
from rag.index.care.renew import FINISHED, leftovers
from rag.index.index import Index
from rag.index.projection.child import DAMAGED, FULL
from rag.index.projection.generations import count_bytes
from rag.index.repair import compact, repair
from rag.index.store.catalogue import Catalogue
from rag.index.store.database import Database
from rag.index.upkeep import _fault
from rag.index.verify import verify

LONG = {
    f"{number:03d}.md": f"# File {number}\n\n"
    + "\n\n".join(f"Fact {number}-{i}: " + f"w{number}x{i} " * 60 for i in range(6))
    for number in range(60)
}


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    ingest(write_texts(folder / "docs", {**TEXTS, **LONG}), folder / "index", drain=False)
    catalogue = Catalogue(folder / "index", writable=True)
    catalogue._database.rows("PRAGMA wal_checkpoint(TRUNCATE)")
    catalogue.close()
    return folder


@pytest.fixture
def made(original: Path, tmp_path: Path) -> Path:
    """The documents of `original` and their index, of many pages, without Chroma."""
    shutil.copytree(original / "docs", tmp_path / "docs")
    shutil.copytree(original / "index", tmp_path / "index")
    return tmp_path


def sound(folder: Path) -> bool:
    return not any(finding.damage for finding in verify(folder))


def run_sql(folder: Path, sql: str, *values: object) -> list[tuple]:
    with sqlite3.connect(folder / "catalogue.sqlite") as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        rows = connection.execute(sql, values).fetchall()
    connection.close()
    return rows


def ingest_again(made: Path, original: Path) -> tuple[int, int]:
    """How many documents the next ingest reads, and how many texts it embeds."""
    embedder = WordEmbedder()
    ingest(original / "docs", made / "index", embedder, drain=False)
    return len(embedder.asked), len(run_sql(made / "index", "SELECT 1 FROM documents"))


# ---- repair


def test_a_sound_index_keeps_its_catalogue_and_gets_a_new_chroma(made: Path) -> None:
    before = (made / "index" / "catalogue.sqlite").stat().st_ino
    done = repair(made / "index")
    assert (done.salvaged, done.kept_as, done.warning) == (None, "", "")
    assert done.chunks == len(run_sql(made / "index", "SELECT 1 FROM chunks"))
    assert (made / "index" / "catalogue.sqlite").stat().st_ino == before
    assert verify(made / "index") == []


@pytest.mark.parametrize("share", [0.3, 0.95])
def test_a_truncated_catalogue_is_saved_as_far_as_it_goes(
    made: Path, original: Path, share: float
) -> None:
    path = made / "index" / "catalogue.sqlite"
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(IndexDamaged):
        verify(made / "index")
    done = repair(made / "index")
    assert done.salvaged is not None
    assert Path(done.kept_as).read_bytes() == data[: int(len(data) * share)]
    assert sound(made / "index")
    asked, documents = ingest_again(made, original)
    assert documents == len(TEXTS) + len(LONG)
    assert asked < 500 * (1.1 - share)
    assert sound(made / "index")
    assert answers(made / "index") == answers(original / "index")


@pytest.mark.parametrize("page", [3, 40, 90, 150])
def test_a_page_of_garbage_costs_few_documents(made: Path, original: Path, page: int) -> None:
    path = made / "index" / "catalogue.sqlite"
    data = bytearray(path.read_bytes())
    page = page % (len(data) // 4096 - 1) + 1
    data[page * 4096 : page * 4096 + 4096] = bytes(range(256)) * 16
    path.write_bytes(bytes(data))
    try:
        clean = sound(made / "index")
    except IndexDamaged:
        clean = False
    done = repair(made / "index")
    assert clean == (done.salvaged is None)
    assert sound(made / "index")
    ingest_again(made, original)
    assert sound(made / "index")
    assert answers(made / "index") == answers(original / "index")


def test_documents_that_are_not_whole_are_read_again_and_not_embedded(
    made: Path, original: Path
) -> None:
    run_sql(made / "index", "UPDATE chunks SET ordinal = 99 WHERE document_id = '007.md'")
    run_sql(made / "index", "DELETE FROM chunks WHERE document_id = '009.md'")
    last = "(SELECT max(number) FROM chunks WHERE document_id = '013.md')"
    run_sql(made / "index", f"DELETE FROM chunks WHERE number = {last}")
    run_sql(made / "index", "UPDATE meta SET value = 'x' WHERE key = 'ingested_ns'")
    run_sql(made / "index", "UPDATE documents SET pages = '{' WHERE id = '011.md'")
    done = repair(made / "index")
    assert done.salvaged is not None
    assert done.salvaged.incomplete == ("007.md", "009.md", "011.md", "013.md")
    assert sound(made / "index")
    assert ingest_again(made, original) == (0, len(TEXTS) + len(LONG))


def test_a_bad_vector_and_a_changed_one_cost_their_own_text_only(
    made: Path, original: Path
) -> None:
    run_sql(made / "index", "UPDATE vectors SET vector = zeroblob(128) WHERE number = 5")
    other = "(SELECT vector FROM vectors WHERE number = 51)"
    run_sql(made / "index", f"UPDATE vectors SET vector = {other} WHERE number = 50")
    done = repair(made / "index")
    assert done.salvaged is not None
    assert len(done.salvaged.incomplete) == 2
    assert ingest_again(made, original)[0] == 2


def test_without_a_manifest_the_vectors_alone_are_kept(made: Path, original: Path) -> None:
    run_sql(made / "index", "UPDATE meta SET value = '{' WHERE key = 'manifest'")
    done = repair(made / "index")
    assert done.salvaged is not None
    assert (done.salvaged.has_manifest, done.salvaged.documents) == (False, 0)
    assert ingest_again(made, original) == (0, len(TEXTS) + len(LONG))
    assert sound(made / "index")


def test_what_was_written_last_and_is_in_the_log_only_is_saved(made: Path) -> None:
    path = made / "index" / "catalogue.sqlite"
    writer = sqlite3.connect(path)
    writer.execute("PRAGMA wal_autocheckpoint = 0")
    writer.execute("UPDATE documents SET title = 'Late' WHERE id = 'town/rent.txt'")
    writer.execute("UPDATE chunks SET ordinal = 99 WHERE document_id = '007.md'")
    writer.commit()
    # As after kill -9: the log is there, nobody has it open.
    shutil.copytree(made / "index", made / "killed")
    writer.close()
    assert (made / "killed" / "catalogue.sqlite-wal").stat().st_size
    done = repair(made / "killed")
    assert done.salvaged is not None
    assert run_sql(made / "killed", "SELECT title FROM documents WHERE id = 'town/rent.txt'") == [
        ("Late",)
    ]


@pytest.mark.parametrize("lost", [b"garbage" * 999, b"", None])
def test_of_a_lost_catalogue_the_vectors_come_from_chroma(
    made: Path, original: Path, lost: bytes | None
) -> None:
    repair(made / "index")
    path = made / "index" / "catalogue.sqlite"
    path.unlink()
    if lost is not None:
        path.write_bytes(lost)
    done = repair(made / "index")
    assert done.salvaged is not None
    assert (done.salvaged.documents, done.salvaged.vectors > 60) == (0, True)
    assert bool(done.kept_as) == (lost is not None)
    assert ingest_again(made, original) == (0, len(TEXTS) + len(LONG))
    assert sound(made / "index")


def test_a_log_that_is_missing_costs_only_what_was_in_it(made: Path, original: Path) -> None:
    (made / "index" / "catalogue.sqlite-shm").write_bytes(bytes(32768))
    repair(made / "index")
    assert sound(made / "index")
    assert ingest_again(made, original) == (0, len(TEXTS) + len(LONG))


@pytest.mark.parametrize("point", ["take-place:finished", "take-place:before-rename"])
def test_a_repair_that_is_killed_is_ended_by_the_next(
    made: Path, python_environment: dict[str, str], point: str
) -> None:
    run_sql(made / "index", "UPDATE chunks SET ordinal = 99 WHERE document_id = '007.md'")
    code = (
        "import sys; from pathlib import Path; from rag.index.base import failpoint;"
        "from rag.index.repair import repair; failpoint.arm(sys.argv[2]); repair(Path(sys.argv[1]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(made / "index"), point],
        env=python_environment,
        check=False,
    )
    assert done.returncode == failpoint.CRASHED
    assert (made / "index" / "catalogue.sqlite").exists()
    again = repair(made / "index")
    assert again.kept_as
    assert Path(again.kept_as).exists()
    assert not list((made / "index").glob(f"{FINISHED}*"))
    assert sound(made / "index")


def test_without_an_index_nothing_is_made_or_repaired(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for folder in (tmp_path / "nowhere", tmp_path / "empty"):
        with pytest.raises(IndexMissing):
            repair(folder)
        with pytest.raises(IndexMissing):
            compact(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


@pytest.mark.parametrize("command", [repair, compact])
def test_nothing_is_repaired_beside_a_writer(made: Path, command) -> None:
    lock = Lock(made / "index", WRITER)
    lock.acquire("rag ingest here")
    with pytest.raises(IndexLocked, match="rag ingest here"):
        command(made / "index")
    lock.release()


# ---- compact


def test_compact_returns_what_nobody_needs(made: Path, original: Path) -> None:
    repair(made / "index")
    docs = write_texts(made / "few", TEXTS)
    ingest(docs, made / "index")
    with_all = count_bytes(made / "index")
    (made / "index" / "index-77").mkdir()
    (made / "index" / "index-77" / "left").write_bytes(b"x" * 100_000)
    with Index.open_for_writing(made / "index", manifest_of(WordEmbedder())) as index:
        index.remove_root(str(original / "docs"))
    done = compact(made / "index")
    assert done.chroma_renewed
    assert done.bytes_after == count_bytes(made / "index")
    assert done.bytes_after < with_all / 3
    assert not (made / "index" / "index-77").exists()
    assert verify(made / "index") == []
    assert compact(made / "index").bytes_after == done.bytes_after


def test_deleting_and_adding_again_ten_times_keeps_the_disk(tmp_path: Path) -> None:
    docs = write_texts(tmp_path / "docs", LONG)
    ingest(docs, tmp_path / "index")
    fresh = compact(tmp_path / "index").bytes_after
    half = {name: text for i, (name, text) in enumerate(LONG.items()) if i % 2}
    for number in range(10):
        drain = number % 5 == 4  # as each run that drains takes seconds
        for name in half:
            (docs / name).unlink()
        ingest(docs, tmp_path / "index", drain=drain)
        write_texts(
            docs, {name: text.replace("Fact", f"Fact{number}") for name, text in half.items()}
        )
        ingest(docs, tmp_path / "index", drain=drain)
    done = compact(tmp_path / "index")
    assert done.bytes_after <= 1.5 * fresh < done.bytes_before
    assert sound(tmp_path / "index")


def test_compact_first_gives_back_what_needs_no_room(made: Path) -> None:
    run_sql(
        made / "index",
        "CREATE TRIGGER full BEFORE DELETE ON vectors BEGIN SELECT RAISE(ABORT, 'full'); END",
    )
    run_sql(made / "index", "INSERT INTO vectors (key, vector, crc) VALUES ('unused', x'00', 0)")
    (made / "index" / "index-77").mkdir()
    with pytest.raises(IndexFault, match="full"):
        compact(made / "index")
    assert not (made / "index" / "index-77").exists()


def test_a_catalogue_of_format_1_is_left_over_once_chroma_is_made(tmp_path: Path) -> None:
    (tmp_path / "catalogue.sqlite.format-1").touch()
    assert leftovers(tmp_path, tmp_path / "index-1") == []
    (tmp_path / "index-1").mkdir()
    assert leftovers(tmp_path, tmp_path / "index-1") == [tmp_path / "catalogue.sqlite.format-1"]


def test_a_child_tells_damage_by_its_status(tmp_path: Path, python_environment) -> None:
    (tmp_path / "catalogue.sqlite").write_bytes(b"no database" * 1000)
    done = subprocess.run(
        [sys.executable, "-m", "rag.index.projection.child", "rebuild", str(tmp_path)],
        env=python_environment,
        capture_output=True,
    )
    assert (done.returncode, done.stderr.count(b"\n")) == (DAMAGED, 1)
    assert isinstance(_fault("it is damaged", done.returncode), IndexDamaged)
    assert isinstance(_fault("it is full", FULL), DiskFull)


@pytest.mark.skipif(not os.access("/proc/self", os.W_OK), reason="no full folder to write to")
def test_without_room_an_index_that_cannot_be_opened_is_a_full_disk() -> None:
    with pytest.raises(DiskFull):
        Database(Path("/proc/self/catalogue.sqlite"), 2, writable=True)
