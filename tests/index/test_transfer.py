"""An index as one file: out, away, in again, the same; and what a file from anybody may not do."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import sqlite3
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from ingested import WordEmbedder, answers, ingest, write_texts

from rag.index.base import failpoint
from rag.index.base.errors import (
    DiskFull,
    IndexDamaged,
    IndexFault,
    IndexLocked,
    IndexMismatch,
    IndexMissing,
)
from rag.index.base.lock import WRITER, Lock
from rag.index.care.package import MOST_COMPRESSED
from rag.index.index import Index
from rag.index.store.catalogue import Catalogue
from rag.index.transfer import blamed, export_index, import_index
from rag.index.verify import verify


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    ingest(write_texts(folder / "docs"), folder / "index")
    export_index(folder / "index", folder / "export.zip")
    return folder


@pytest.fixture
def made(original: Path, tmp_path: Path) -> Path:
    """A folder with documents in `docs`, their index in `index` and that in `export.zip`."""
    shutil.copytree(original / "index", tmp_path / "index")
    shutil.copytree(original / "docs", tmp_path / "docs")
    shutil.copy(original / "export.zip", tmp_path / "export.zip")
    return tmp_path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# ---- the way out and in


def test_export_wipe_import_gives_the_same_answers_and_is_sound(made: Path) -> None:
    before = answers(made / "index")
    exported = export_index(made / "index", made / "again.zip")
    shutil.rmtree(made / "index")
    done = import_index(made / "again.zip", made / "index")
    assert (done.contents, done.warning) == (exported, "")
    assert verify(made / "index") == []
    assert answers(made / "index") == before
    assert answers(made / "index", search="chroma") == before


def test_a_folder_that_moved_is_found_unchanged(made: Path, original: Path) -> None:
    old, new = original / "docs", made / "docs"
    import_index(made / "export.zip", made / "other", roots={str(old): str(new)})
    assert {root for found in answers(made / "other") for _, root, _ in found} == {str(new)}
    embedder = WordEmbedder()
    report = ingest(new, made / "other", embedder)
    assert (report.unchanged, report.ingested, embedder.asked) == (4, (), [])
    assert verify(made / "other") == []


def test_all_folders_inside_one_that_moved_move_with_it(made: Path, original: Path) -> None:
    import_index(made / "export.zip", made / "other", roots={f"{original}/": str(made / "new")})
    with Index.open_for_reading(made / "other") as index:
        assert index.roots() == [str(made / "new" / "docs")]


def test_a_folder_nobody_knows_cannot_be_mapped(made: Path) -> None:
    with pytest.raises(IndexFault, match="no folder of the index is '/elsewhere'"):
        import_index(made / "export.zip", made / "other", roots={"/elsewhere": "/here"})
    assert not (made / "other").exists()


def test_an_export_beside_a_writer_holds_one_moment(made: Path) -> None:
    with Index.open_for_writing(made / "index", manifest(made / "index"), drain=False) as index:
        index.remove_documents(str(made), ["nothing"])
        exported = export_index(made / "index", made / "beside.zip")
    assert exported.documents == 4


def manifest(folder: Path):
    with Index.open_for_reading(folder) as index:
        return index.manifest


def test_unused_vectors_can_be_left_out(made: Path) -> None:
    docs = write_texts(made / "docs", {"town/rent.txt": "The rent is 900 euro.\n"})
    ingest(docs, made / "work", drain=False)
    (docs / "town" / "rent.txt").unlink()
    ingest(docs, made / "work", drain=False)
    assert export_index(made / "work", made / "whole.zip").vectors == 4
    assert export_index(made / "work", made / "lean.zip", unused_vectors=False).vectors == 3
    import_index(made / "lean.zip", made / "lean")
    assert not any(finding.damage for finding in verify(made / "lean"))


def test_an_export_replaces_no_file_unless_told_to(made: Path) -> None:
    with pytest.raises(IndexFault, match="exists"):
        export_index(made / "index", made / "export.zip")
    (made / "export.zip").write_bytes(b"other")
    export_index(made / "index", made / "export.zip", replace=True)
    assert zipfile.is_zipfile(made / "export.zip")


def test_an_export_goes_where_a_file_can_be_and_leaves_nothing_else(made: Path) -> None:
    before = names(made)
    for place in ("no/folder/a.zip", "docs", "index/catalogue.sqlite", "index/a.zip"):
        with pytest.raises(IndexFault):
            export_index(made / "index", made / place, replace=True)
    with pytest.raises(IndexMissing):
        export_index(made / "docs", made / "a.zip")
    assert names(made) == before


# ---- an index that is there already


def test_an_index_is_replaced_only_when_told_to(made: Path) -> None:
    with pytest.raises(IndexFault, match="there is an index"):
        import_index(made / "export.zip", made / "index")


def test_replacing_shows_readers_the_old_or_the_new(made: Path) -> None:
    old = write_texts(made / "old", {"a.md": "# Alpha\n\nThe mast of the workshop is green.\n"})
    ingest(old, made / "work", drain=False)
    wanted = answers(made / "index")
    embedder = WordEmbedder()
    with Index.open_for_reading(made / "work", search="exact") as reader:
        question = embedder.vector("What colour is the mast?")
        assert "green" in reader.search(question, 1)[0].chunk.text
        import_index(made / "export.zip", made / "work", replace=True)
        assert "red" in reader.search(question, 1)[0].chunk.text
    assert answers(made / "work") == wanted
    assert verify(made / "work") == []


def test_a_damaged_index_can_be_replaced_and_is_kept_aside(made: Path) -> None:
    wanted = answers(made / "index")
    (made / "index" / "catalogue.sqlite").write_bytes(b"garbage" * 1000)
    import_index(made / "export.zip", made / "index", replace=True)
    assert answers(made / "index") == wanted
    assert verify(made / "index") == []
    (kept,) = (made / "index").glob("catalogue.sqlite.damaged-*[0-9]")
    assert kept.read_bytes().startswith(b"garbage")


def test_a_failed_import_leaves_the_old_index_as_it_was(made: Path) -> None:
    before = answers(made / "index")
    listed = names(made / "index")
    (made / "bad.zip").write_bytes((made / "export.zip").read_bytes()[:-300])
    with pytest.raises(IndexDamaged):
        import_index(made / "bad.zip", made / "index", replace=True)
    assert answers(made / "index") == before
    assert [name for name in names(made / "index") if name != "lock"] == [
        name for name in listed if name != "lock"
    ]


def test_an_import_beside_a_writer_is_refused(made: Path) -> None:
    lock = Lock(made / "index", WRITER)
    lock.acquire("rag ingest here")
    with pytest.raises(IndexLocked, match="rag ingest here"):
        import_index(made / "export.zip", made / "index", replace=True)
    lock.release()


# ---- a file from anybody


def repack(source: Path, target: Path, alter: Callable[[sqlite3.Connection], object]) -> Path:
    """An export whose catalogue was altered, and whose digest and counts fit that."""
    with zipfile.ZipFile(source) as packed:
        contents = json.loads(packed.read("manifest.json"))
        data = packed.read("catalogue.sqlite")
    file = target.with_suffix(".sqlite")
    file.write_bytes(data)
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        alter(connection)
        for table in ("documents", "chunks", "vectors"):
            contents[table] = connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
    connection.close()
    data = file.read_bytes()
    return write(target, {**contents, **digest(data)}, data)


def digest(data: bytes) -> dict[str, object]:
    return {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def write(target: Path, contents: object, data: bytes, **names: str) -> Path:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr(names.get("manifest", "manifest.json"), json.dumps(contents))
        packed.writestr(names.get("catalogue", "catalogue.sqlite"), data)
    return target


def contents_of(file: Path) -> tuple[dict[str, object], bytes]:
    with zipfile.ZipFile(file) as packed:
        return json.loads(packed.read("manifest.json")), packed.read("catalogue.sqlite")


ALTERED: dict[str, tuple[str, str]] = {
    "trigger": ("CREATE TRIGGER t AFTER INSERT ON meta BEGIN DELETE FROM meta; END", "no index"),
    "view": ("CREATE VIEW v AS SELECT 1", "no index has: v"),
    "another table": ("CREATE TABLE other (x)", "no index has: other"),
    "virtual table": ("CREATE VIRTUAL TABLE f USING fts5(x)", "no index has: f"),
    "column missing": ("ALTER TABLE chunks DROP COLUMN heading", "no index has: chunks"),
    "text for a number": ("UPDATE documents SET size_bytes = 'many'", "cannot be read"),
    "blob for a text": ("UPDATE texts SET text = x'00ff'", "cannot be read"),
    "no text of ours": ("UPDATE texts SET text = text || '!'", "not sound"),
    "pages not understood": ("UPDATE documents SET pages = '{'", "not sound"),
    "vectors not finite": ("UPDATE vectors SET vector = zeroblob(128)", "not sound"),
    "no manifest": ("DELETE FROM meta", "not sound"),
}


@pytest.mark.parametrize("name", ALTERED)
def test_what_is_no_sound_index_is_not_imported(made: Path, name: str) -> None:
    statement, words = ALTERED[name]
    bad = repack(made / "export.zip", made / "bad.zip", lambda c: c.execute(statement))
    with pytest.raises(IndexDamaged, match=words):
        import_index(bad, made / "other")
    assert not (made / "other").exists()


def test_a_generated_column_is_not_computed(made: Path) -> None:
    def alter(connection: sqlite3.Connection) -> None:
        connection.execute("ALTER TABLE documents RENAME COLUMN title TO was")
        connection.execute("ALTER TABLE documents ADD COLUMN title AS (zeroblob(900000000))")

    with pytest.raises(IndexDamaged, match="no index has: documents"):
        import_index(repack(made / "export.zip", made / "bad.zip", alter), made / "other")


def test_facts_about_a_chroma_elsewhere_are_not_taken_over(made: Path) -> None:
    def alter(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT OR REPLACE INTO meta VALUES ('generation', '../../etc')")
        connection.execute("INSERT OR REPLACE INTO meta VALUES ('seal', 'x')")
        connection.execute("INSERT OR REPLACE INTO meta VALUES ('ingested_ns', 'abc')")
        connection.execute("INSERT OR REPLACE INTO meta VALUES ('chroma_documents', '-1')")
        connection.execute("INSERT OR REPLACE INTO meta VALUES ('hidden', 'x')")

    import_index(repack(made / "export.zip", made / "bad.zip", alter), made / "other")
    assert verify(made / "other") == []
    catalogue = Catalogue(made / "other", writable=False)
    told = [catalogue.meta(key) for key in ("ingested_ns", "hidden")]
    assert (told, catalogue.number("chroma_documents")) == (["", ""], 0)
    catalogue.close()


def test_what_fails_while_copying_is_told_of_the_file_at_fault(tmp_path: Path) -> None:
    full = sqlite3.connect(tmp_path / "copy.sqlite")
    full.execute("CREATE TABLE t (x)")
    full.execute("PRAGMA max_page_count = 3")
    with pytest.raises(DiskFull, match="target"), blamed(tmp_path / "source", tmp_path / "target"):
        full.execute("INSERT INTO t VALUES (zeroblob(100000))")
    full.close()
    (tmp_path / "garbage").write_bytes(b"no database" * 100)
    broken = sqlite3.connect(tmp_path / "garbage")
    with (
        pytest.raises(IndexDamaged, match="source"),
        blamed(tmp_path / "source", tmp_path / "target"),
    ):
        broken.execute("SELECT * FROM sqlite_master")
    broken.close()


def test_a_newer_program_made_the_file(made: Path) -> None:
    contents, data = contents_of(made / "export.zip")
    for field in ("format", "catalogue_format"):
        newer = write(made / f"{field}.zip", {**contents, field: 99}, data)
        with pytest.raises(IndexMismatch, match="newer program") as caught:
            import_index(newer, made / "other")
        assert caught.value.hint == "update the program"


def test_files_that_are_no_exports_are_refused(made: Path) -> None:
    contents, data = contents_of(made / "export.zip")
    (made / "no.zip").write_bytes(b"not a zip at all")
    (made / "empty.zip").write_bytes(b"")
    bad = [
        made / "no.zip",
        made / "empty.zip",
        made / "docs",
        made / "nowhere.zip",
        write(made / "1.zip", contents, data, catalogue="../../catalogue.sqlite"),
        write(made / "2.zip", contents, data, manifest="other.json"),
        write(made / "3.zip", contents, data[:-1] + b"x"),
        write(made / "4.zip", {**contents, "bytes": 10}, data),
        write(made / "5.zip", {**contents, "kind": "other"}, data),
        write(made / "6.zip", {"kind": "foldercite index"}, data),
        write(made / "7.zip", [], data),
        write(made / "8.zip", {**contents, "more": 1}, data),
        write(made / "10.zip", {**contents, "bytes": str(len(data))}, data),
        write(made / "11.zip", {**contents, "vectors": -1}, data),
        write(made / "12.zip", {**contents, "program": 1}, data),
        write(made / "9.zip", {**contents, **digest(b"x" * 9000)}, b"x" * 9000),
    ]
    for file in bad:
        with pytest.raises(IndexFault):
            import_index(file, made / "other")
    lies = write(made / "13.zip", {**contents, "bytes": 10**18}, data)
    with pytest.raises(IndexDamaged, match="has not the size it should"):
        import_index(lies, made / "other")
    assert not (made / "other").exists()
    assert not (made.parent / "catalogue.sqlite").exists()


def test_a_bomb_is_not_unpacked(made: Path) -> None:
    contents, _ = contents_of(made / "export.zip")
    zeros = bytes(MOST_COMPRESSED * 100_000)
    bomb = write(made / "bomb.zip", {**contents, **digest(zeros)}, zeros)
    with pytest.raises(IndexDamaged, match="has not the size it should"):
        import_index(bomb, made / "other")


def test_a_size_that_lies_is_no_way_around_the_limit(made: Path) -> None:
    contents, data = contents_of(made / "export.zip")
    file = write(made / "lie.zip", {**contents, "bytes": 5000}, data)
    raw = bytearray(file.read_bytes())
    entry = raw.rindex(b"PK\x01\x02")
    raw[entry + 24 : entry + 28] = (5000).to_bytes(4, "little")
    file.write_bytes(bytes(raw))
    assert zipfile.ZipFile(io.BytesIO(bytes(raw))).getinfo("catalogue.sqlite").file_size == 5000
    with pytest.raises(IndexDamaged):
        import_index(file, made / "other")


def test_an_import_that_is_killed_leaves_old_or_new(made: Path, python_environment) -> None:
    import subprocess
    import sys

    ingest(
        write_texts(made / "old", {"a.md": "# Alpha\n\nThe mast is green.\n"}),
        made / "work",
        drain=False,
    )
    old, new = answers(made / "work"), answers(made / "index")
    for point, expected in (("overwrite:before-commit", old), ("overwrite:after-commit", new)):
        code = (
            "import sys; from pathlib import Path; from rag.index.base import failpoint;"
            "from rag.index.transfer import import_index; failpoint.arm(sys.argv[3]);"
            "import_index(Path(sys.argv[1]), Path(sys.argv[2]), replace=True)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, str(made / "export.zip"), str(made / "work"), point],
            env=python_environment,
            check=False,
        )
        assert done.returncode == failpoint.CRASHED
        assert answers(made / "work") == expected
        assert not [finding for finding in verify(made / "work") if finding.damage]
