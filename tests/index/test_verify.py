"""What `rag verify` calls damage, what it only notes, and that it changes nothing."""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
from pathlib import Path
from zlib import crc32

import numpy
import pytest
from ingested import TEXTS, WordEmbedder, ingest, write_texts

from ingest.base.documents import Plan
from ingest.pipeline import plan_folder
from rag.index.base.errors import IndexLocked, IndexMissing
from rag.index.base.findings import Finding
from rag.index.base.lock import CHROMA, WRITER, Lock
from rag.index.index import Index
from rag.index.verify import check_files, check_sample, verify


@pytest.fixture(scope="module")
def _made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    ingest(write_texts(folder / "docs"), folder / "index")
    return folder


@pytest.fixture
def made(_made: Path, tmp_path: Path) -> Path:
    """A folder with documents in `docs` and their index in `index`, drained and closed."""
    shutil.copytree(_made / "index", tmp_path / "index")
    with sqlite3.connect(tmp_path / "index" / "catalogue.sqlite") as connection:
        assert connection.execute("SELECT count(*) FROM chunks").fetchone() == (4,)
    return tmp_path


def change(folder: Path, sql: str, *values: object) -> None:
    with sqlite3.connect(folder / "index" / "catalogue.sqlite") as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        assert connection.execute(sql, values).rowcount != 0
    connection.close()


def damage(findings: list[Finding]) -> str:
    return "; ".join(finding.message for finding in findings if finding.damage)


def notes(findings: list[Finding]) -> str:
    return "; ".join(finding.message for finding in findings if not finding.damage)


def floats(*numbers: float) -> bytes:
    return numpy.asarray(numbers, dtype="<f4").tobytes()


CHANGES: dict[str, tuple[str, tuple[object, ...], str]] = {
    "vector not finite": (
        "UPDATE vectors SET vector = ? WHERE number = 1", (floats(*[float("nan")] * 32),),
        "1 vector cannot be right",
    ),
    "vector too short": (
        "UPDATE vectors SET vector = ? WHERE number = 2", (floats(1.0, 0.0),),
        "1 vector cannot be right",
    ),
    "vector not of length one": (
        "UPDATE vectors SET vector = ? WHERE number = 3", (floats(*[0.5] * 32),),
        "1 vector cannot be right",
    ),
    "vector gone": ("DELETE FROM vectors WHERE number = 1", (), "1 of the chunks point nowhere, where vectors should be"),
    "vectors exchanged": (
        "UPDATE chunks SET vector_number = 5 - vector_number", (),
        "chunks with the vector of another text, in 4 documents",
    ),
    "text changed": (
        "UPDATE texts SET text = replace(text, 'red', 'tan') WHERE text LIKE '%red%'", (),
        "texts that were changed, in 1 document: boats/plover.md",
    ),
    "text grew": (
        "UPDATE texts SET text = text || ' More.' WHERE number = 1", (),
        "not as long as their place",
    ),
    "text left": (
        "INSERT INTO texts (hash, text) VALUES ('x', 'a text of a document that went')", (),
        "1 texts belong to no document",
    ),
    "id changed": ("UPDATE chunks SET id = 'x' WHERE number = 1", (), "not what their id says"),
    "ordinal changed": (
        "UPDATE chunks SET ordinal = 7 WHERE number = 1", (), "gaps between chunks, in 1 document",
    ),
    "last chunk gone": (
        "UPDATE documents SET chunk_count = chunk_count + 1 WHERE id = 'boats/heron.md'", (),
        "chunks lost or left over, in 1 document: boats/heron.md",
    ),
    "vector exchanged for a sound one": (
        "UPDATE vectors SET vector = (SELECT vector FROM vectors WHERE number = 2)"
        " WHERE number = 1", (), "1 vector cannot be right: changed",
    ),
    "size no number": (
        "UPDATE documents SET size_bytes = 'many' WHERE id = 'town/rent.txt'", (),
        "has 'many' where a number should be",
    ),
    "time no number": (
        "UPDATE documents SET mtime_ns = 'late' WHERE id = 'town/rent.txt'", (),
        "has 'late' where a number should be",
    ),
    "ordinal no number": (
        "UPDATE chunks SET ordinal = 'first' WHERE number = 1", (), "gaps between chunks",
    ),
    "generation no number": (
        "UPDATE meta SET value = 'abc' WHERE key = 'generation'", (),
        "'abc' stands where generation should be a number",
    ),
    "chunk gone": (
        "DELETE FROM chunks WHERE number = 1", (), "no chunk, in 1 document",
    ),
    "document refused": (
        "UPDATE documents SET status = 'skipped' WHERE id = 'town/rent.txt'", (),
        "chunks that were not ingested, in 1 document: town/rent.txt",
    ),
    "pages not understood": (
        "UPDATE documents SET pages = '[[1]]' WHERE id = 'town/rent.txt'", (),
        "cannot be understood",
    ),
    "manifest not understood": (
        "UPDATE meta SET value = '{' WHERE key = 'manifest'", (), "manifest",
    ),
    "told nothing": (
        "UPDATE meta SET value = '0' WHERE key = 'generation'", (), "never told of some passages",
    ),
}  # fmt: skip


def test_a_sound_index_has_no_findings(made: Path) -> None:
    assert verify(made / "index") == []


@pytest.mark.parametrize("name", CHANGES)
def test_what_differs_is_named_with_its_fix(made: Path, name: str) -> None:
    sql, values, words = CHANGES[name]
    change(made, sql, *values)
    before = (made / "index" / "catalogue.sqlite").read_bytes()
    findings = verify(made / "index")
    assert words in damage(findings)
    assert {finding.fix for finding in findings if finding.damage} == {"rag repair"}
    assert (made / "index" / "catalogue.sqlite").read_bytes() == before


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("CREATE TRIGGER x AFTER DELETE ON chunks BEGIN SELECT 1; END", "trigger x is not of this"),
        ("DROP INDEX chunks_by_text", "the index chunks_by_text is missing"),
        ("DROP TABLE outbox", "the table outbox is missing"),
    ],
)
def test_a_changed_schema_is_damage(made: Path, sql: str, words: str) -> None:
    change(made, sql)
    assert words in damage(verify(made / "index"))


def test_all_that_points_nowhere_is_one_finding_and_its_documents_are_named(made: Path) -> None:
    change(made, "DELETE FROM vectors")
    messages = [finding.message for finding in verify(made / "index") if finding.damage]
    assert messages[0] == "4 of the chunks point nowhere, where vectors should be"
    assert len(messages) == 2
    assert "chunks without a vector of use, in 4 documents" in messages[1]


def test_a_chroma_that_was_changed_is_damage(made: Path) -> None:
    shutil.rmtree(made / "index" / "index-1")
    assert "files of Chroma are missing" in damage(verify(made / "index"))


def test_what_the_next_run_completes_is_no_damage(made: Path) -> None:
    change(made, "UPDATE meta SET value = '' WHERE key = 'seal'")
    change(made, "INSERT INTO outbox (key, op) VALUES ('x', 'delete')")
    (made / "index" / "index-7").mkdir()
    (made / "index" / "import-abc").mkdir()
    findings = verify(made / "index")
    assert damage(findings) == ""
    assert "1 change not yet in Chroma" in notes(findings)
    assert "ended before it had closed Chroma" in notes(findings)
    assert "import-abc, index-7" in notes(findings)


def test_vectors_nobody_needs_are_counted(made: Path) -> None:
    kept = (floats(0.6, 0.8), crc32(floats(0.6, 0.8)))
    change(made, "INSERT INTO vectors (key, vector, crc) VALUES ('other model', ?, ?)", *kept)
    findings = verify(made / "index")
    assert [finding.damage for finding in findings] == [False]
    assert findings[0].message.startswith("1 vector (")


def test_an_unused_vector_that_is_none_is_damage(made: Path) -> None:
    bad = (floats(6.0, 0.8), crc32(floats(6.0, 0.8)))
    change(made, "INSERT INTO vectors (key, vector, crc) VALUES ('bad', ?, ?)", *bad)
    assert "1 vector cannot be right" in damage(verify(made / "index"))


def test_an_index_without_documents_is_sound(tmp_path: Path) -> None:
    docs = write_texts(tmp_path / "docs", {"a.md": "# A\n\nWords.\n"})
    ingest(docs, tmp_path / "index")
    (docs / "a.md").unlink()
    ingest(docs, tmp_path / "index")
    assert damage(verify(tmp_path / "index")) == ""


def test_nothing_is_looked_at_beside_a_writer_or_without_an_index(made: Path) -> None:
    with pytest.raises(IndexMissing):
        verify(made)
    lock = Lock(made / "index", WRITER)
    lock.acquire("rag ingest here")
    with pytest.raises(IndexLocked, match="rag ingest here"):
        verify(made / "index")
    lock.release()


# ---- files


@pytest.fixture
def fresh(tmp_path: Path) -> Path:
    ingest(write_texts(tmp_path / "docs"), tmp_path / "index")
    return tmp_path


def look(folder: Path, *, deep: bool = False) -> list[Finding]:
    with Index.open_for_reading(folder / "index") as index:

        def plan(root: str) -> Plan:
            return plan_folder(Path(root), index.known)

        return list(check_files(folder / "index", plan, deep=deep))


def test_files_that_are_the_same_give_no_findings(fresh: Path) -> None:
    assert look(fresh) == []
    assert look(fresh, deep=True) == []


def test_files_that_changed_came_or_went_are_notes_with_the_command(fresh: Path) -> None:
    docs = fresh / "docs"
    write_texts(docs, {"boats/plover.md": "# Plover\n\nSold.\n", "new.md": "# New\n\nYes.\n"})
    (docs / "town" / "mayor.md").unlink()
    findings = look(fresh)
    assert damage(findings) == ""
    assert {finding.message for finding in findings} == {
        "1 file changed since the last ingest: boats/plover.md",
        "1 file new: new.md",
        "1 file gone: town/mayor.md",
    }
    assert {finding.fix for finding in findings} == {f"rag ingest '{docs}'"}


def test_only_deep_sees_other_bytes_under_the_same_size_and_time(fresh: Path) -> None:
    # Seen long after it was written, so that size and time prove that it is the same.
    change(fresh, "UPDATE documents SET seen_ns = seen_ns + 1000000000000")
    change(fresh, "UPDATE documents SET fingerprint = 'x' WHERE id = 'town/rent.txt'")
    assert "town/rent.txt" not in notes(look(fresh))
    assert "1 file changed since the last ingest: town/rent.txt" in notes(look(fresh, deep=True))


def test_a_folder_that_is_gone_is_a_note(fresh: Path) -> None:
    shutil.rmtree(fresh / "docs")
    (finding,) = look(fresh)
    assert not finding.damage
    assert "rag remove" in finding.fix


# ---- vectors


def test_passages_embedded_again_agree(made: Path) -> None:
    embedder = WordEmbedder()
    (finding,) = check_sample(made / "index", embedder, 3)
    assert (finding.damage, len(embedder.asked)) == (False, 3)
    assert "3 passages embedded again agree" in finding.message


def test_another_model_under_the_same_name_is_damage(made: Path) -> None:
    class Impostor(WordEmbedder):
        def vector(self, text: str) -> numpy.ndarray:
            return WordEmbedder("words-z").vector(text)

    (finding,) = check_sample(made / "index", Impostor(), 16)
    assert finding.damage
    assert f"{len(TEXTS)} of {len(TEXTS)} passages embedded again differ" in finding.message


def test_another_model_of_the_settings_is_a_note(made: Path) -> None:
    embedder = WordEmbedder("words-b")
    (finding,) = check_sample(made / "index", embedder, 16)
    assert (finding.damage, embedder.asked) == (False, [])
    assert "rag migrate" in finding.fix


def test_passages_the_model_refuses_now_are_a_note(made: Path) -> None:
    (finding,) = check_sample(made / "index", WordEmbedder(poison="mast"), 16)
    assert not finding.damage
    assert "1 passage refused" in finding.message


def test_a_chroma_that_a_killed_run_still_writes_is_busy_not_damaged(made: Path) -> None:
    orphan = Lock(made / "index", CHROMA)
    assert orphan.try_acquire("rag ingest")
    (made / "index" / "index-1" / "half").touch()
    with pytest.raises(IndexLocked, match="Chroma is open in"):
        verify(made / "index")
    orphan.release()


@pytest.mark.skipif(
    sys.platform == "win32" or os.geteuid() == 0, reason="permissions do not bind this user"
)
def test_an_index_that_cannot_be_written_to_is_verified_without_chroma(made: Path) -> None:
    folder = made / "index"
    (folder / "lock").unlink(missing_ok=True)
    folder.chmod(0o500)
    try:
        findings = verify(folder)
    finally:
        folder.chmod(0o700)
    assert [(finding.subject, finding.damage) for finding in findings] == [("Chroma", False)]
    assert "cannot be written to" in findings[0].message
