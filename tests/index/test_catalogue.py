from __future__ import annotations

import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy
import pytest
from synthetic import RECIPE, ROOT, document, key, source, unit, words

from ingest.base.documents import Failure, Health, Move, Page, chunk_id
from ingest.base.errors import SettingsError
from rag.index.base.errors import (
    DiskFull,
    IndexDamaged,
    IndexFault,
    IndexLocked,
    IndexMismatch,
    IndexMissing,
)
from rag.index.store.catalogue import FILE_NAME, UNREAD, Catalogue
from rag.index.store.records import Selection
from rag.index.writer import CatalogueWriter


@pytest.fixture
def catalogue(tmp_path: Path):
    opened = CatalogueWriter(tmp_path, writable=True, new=True)
    yield opened
    opened.close()


def put(catalogue: CatalogueWriter, name: str, texts: list[str], **place: str):
    made, chunks, keys = document(name, texts, **place)
    catalogue.add_vectors(keys, numpy.stack([unit(t) for t in texts]))
    catalogue.add_document(made, chunks, keys, Health(), RECIPE, 7)
    return chunks


def tell_all(catalogue: Catalogue) -> None:
    catalogue.told(catalogue.pending()[-1][0], 0)


def read_all(folder: Path, writable: bool) -> None:
    opened = Catalogue(folder, writable=writable, new=writable)
    try:
        list(opened.all_entries())
        opened.documents()
    finally:
        opened.close()


def stored_texts(catalogue: Catalogue) -> list[str]:
    return sorted(p.chunk.text for page in catalogue.all_occurrences() for p in page)


def told(catalogue: Catalogue) -> list[tuple[str, str]]:
    """What Chroma is to be told, with the texts for the keys."""
    texts = ["one", "two", "three", "same", "old", "new", "more", "in the way", "other"]
    names = {key(text): text for text in texts}
    return [(op, names[name]) for _, name, op in catalogue.pending()]


def test_a_document_comes_back_as_it_was_stored(catalogue: CatalogueWriter) -> None:
    chunks = put(catalogue, "a.txt", ["one\n\ttwo", "three"])
    entries = sorted(catalogue.entries([key(c.text) for c in chunks]), key=lambda e: e.number)
    assert [entry.chunk for entry in entries] == catalogue.chunks(ROOT, "a.txt") == chunks
    assert entries[0].vector == unit("one\n\ttwo").astype("<f4").tobytes()
    known = catalogue.known(ROOT)["a.txt"]
    assert (known.recipe, known.size_bytes, known.mtime_ns, known.seen_ns) == (RECIPE, 10, 20, 7)
    assert known.failure is None
    assert catalogue.known("/other") == {}


def test_only_what_changed_is_told_to_chroma(catalogue: CatalogueWriter) -> None:
    put(catalogue, "a.txt", ["same", "old"])
    tell_all(catalogue)
    put(catalogue, "a.txt", ["more", "same", "new"])
    assert told(catalogue) == [("delete", "old"), ("upsert", "more"), ("upsert", "new")]
    assert stored_texts(catalogue) == ["more", "new", "same"]


def test_a_text_stands_once_until_its_last_chunk_goes(catalogue: CatalogueWriter) -> None:
    put(catalogue, "a.txt", ["same", "old", "same"])
    put(catalogue, "b.txt", ["same", "new"])
    assert (catalogue.count("chunks"), catalogue.count("texts")) == (5, 3)
    assert told(catalogue) == [("upsert", text) for text in ("same", "old", "new")]
    tell_all(catalogue)
    catalogue.remove_documents(ROOT, ["a.txt"])
    assert (catalogue.count("chunks"), catalogue.count("texts")) == (2, 2)
    assert told(catalogue) == [("delete", "old")]
    put(catalogue, "b.txt", ["new"])
    assert catalogue.count("texts") == 1
    assert told(catalogue) == [("delete", "old"), ("delete", "same")]
    assert catalogue.count("vectors") == 3


def test_what_is_known_of_a_document_comes_back(catalogue: CatalogueWriter) -> None:
    made, chunks, keys = document("a.txt", ["one"])
    pages = (Page(0, "p. 1", 0.5, ("no-text",)), Page(2, "p. 2"))
    catalogue.add_vectors(keys, unit("one")[None])
    health = Health("de", 0.25, 3)
    catalogue.add_document(
        replace(made, pages=pages, notes=("odd",), encoding="cp1252"),
        chunks,
        keys,
        health,
        RECIPE,
        7,
    )
    (stored,) = catalogue.documents()
    assert (stored.pages, stored.page_count, stored.notes) == (pages, 2, ("odd",))
    assert (stored.encoding, stored.language, stored.collection) == ("cp1252", "de", "default")
    assert (stored.unknown_share, stored.split_chunks, stored.chunks) == (0.25, 3, 1)
    failure = Failure("a.txt", "corrupt", "broken")
    catalogue.record_failure(source("a.txt"), "print", failure, RECIPE, 8)
    (stored,) = catalogue.documents()
    assert (stored.pages, stored.encoding, stored.language) == ((), "", "")
    assert (stored.unknown_share, stored.split_chunks, stored.chunks) == (None, 0, 0)


def test_chunks_that_stand_in_other_documents_too_are_counted(catalogue: CatalogueWriter) -> None:
    put(catalogue, "a.txt", ["one", "same", "same"])
    put(catalogue, "b.txt", ["two", "two"])
    assert catalogue.shared_chunks() == {}
    put(catalogue, "a.txt", ["same"], root="/other")
    assert catalogue.shared_chunks() == {(ROOT, "a.txt"): 2, ("/other", "a.txt"): 1}


def test_a_root_is_in_one_collection(catalogue: CatalogueWriter) -> None:
    put(catalogue, "a.txt", ["one"])
    catalogue.set_collection("/later", "work 2")
    assert catalogue.collections() == {ROOT: "default", "/later": "work 2"}
    catalogue.set_collection("/later", "Büro")
    put(catalogue, "b.txt", ["two"], root="/later")
    assert catalogue.collections() == {ROOT: "default", "/later": "Büro"}
    catalogue.record_unread("/later", [Failure("b.png", "unsupported", "no parser")])
    assert [(d.id, d.collection) for d in catalogue.documents()] == [
        ("a.txt", "default"), ("b.png", "Büro"), ("b.txt", "Büro"),
    ]  # fmt: skip
    catalogue.remove_root("/later")
    assert catalogue.collections() == {ROOT: "default"}


@pytest.mark.parametrize("name", ["", " x", "-x", "a/b", "x" * 65, "a\nb"])
def test_a_collection_has_a_plain_name(catalogue: CatalogueWriter, name: str) -> None:
    with pytest.raises(SettingsError, match="cannot be the name of a collection"):
        catalogue.set_collection(ROOT, name)
    assert catalogue.collections() == {}


def test_a_key_keeps_its_first_vector(catalogue: CatalogueWriter) -> None:
    put(catalogue, "a.txt", ["one"])
    catalogue.add_vectors([key("one")], unit("other")[None])
    (entry,) = catalogue.entries([key("one")])
    assert entry.vector == unit("one").astype("<f4").tobytes()


def test_a_chunk_with_another_vector_gets_another_number(catalogue: CatalogueWriter) -> None:
    put(catalogue, "a.txt", ["same"])
    made, chunks, keys = document("a.txt", ["same"])
    before = catalogue.numbers()
    catalogue.add_document(made, chunks, keys, Health(), RECIPE, 8)
    assert catalogue.numbers() == before
    catalogue.add_vectors(["other"], unit("heading same")[None])
    catalogue.add_document(
        made, [replace(chunks[0], heading="New")], ["other"], Health(), RECIPE, 8
    )
    assert catalogue.numbers() != before
    assert catalogue.chunks(ROOT, "a.txt")[0].heading == "New"


def test_a_chunk_without_a_vector_is_refused_and_nothing_changes(
    catalogue: CatalogueWriter,
) -> None:
    put(catalogue, "a.txt", ["old"])
    with pytest.raises(IndexFault, match="vector_number"):
        catalogue.add_document(*document("a.txt", ["without vector"]), Health(), RECIPE, 7)
    assert stored_texts(catalogue) == ["old"]


def test_moving_renames_chunks_and_keeps_vectors(catalogue: CatalogueWriter) -> None:
    put(catalogue, "a.txt", ["one", "two"])
    put(catalogue, "b.txt", ["in the way"])
    tell_all(catalogue)
    numbers = set(catalogue.numbers())
    catalogue.move_document(ROOT, Move("a.txt", source("b.txt"), "print"), 9)
    names = [chunk_id(ROOT, "b.txt", i, text, RECIPE) for i, text in enumerate(["one", "two"])]
    assert [c.id for c in catalogue.chunks(ROOT, "b.txt")] == names
    assert catalogue.chunks(ROOT, "a.txt") == []
    assert set(catalogue.numbers()) < numbers
    assert set(catalogue.known(ROOT)) == {"b.txt"}
    assert told(catalogue) == [("delete", "in the way")]
    assert catalogue.count("vectors") == 3


def test_moving_what_is_not_there_is_an_error(catalogue: CatalogueWriter) -> None:
    with pytest.raises(IndexFault, match=r"gone\.txt is not in the index"):
        catalogue.move_document(ROOT, Move("gone.txt", source("b.txt"), "print"), 9)


def test_removed_documents_leave_vectors_that_can_be_dropped(catalogue: CatalogueWriter) -> None:
    put(catalogue, "a.txt", ["one", "shared"])
    put(catalogue, "b.txt", ["shared"])
    catalogue.remove_documents(ROOT, ["a.txt", "never-there.txt"])
    assert stored_texts(catalogue) == ["shared"]
    assert catalogue.stored_keys([key("one"), key("two")]) == {key("one")}
    assert catalogue.drop_unused_vectors() == 1
    assert catalogue.stored_keys([key("one"), key("shared")]) == {key("shared")}


def test_documents_that_share_most_are_twins(catalogue: CatalogueWriter) -> None:
    put(catalogue, "a.txt", ["one", "two", "three"])
    put(catalogue, "b.txt", ["one", "two", "other"])
    put(catalogue, "c.txt", ["one", "alone"])
    put(catalogue, "d.txt", ["nothing shared"])
    twins = catalogue.twins()
    assert twins[ROOT, "a.txt"] == (ROOT, "b.txt", 2)
    assert twins[ROOT, "b.txt"] == (ROOT, "a.txt", 2)
    assert twins[ROOT, "c.txt"] == (ROOT, "a.txt", 1)
    assert (ROOT, "d.txt") not in twins
    for number in range(10):
        put(catalogue, f"{number}.txt", ["one"])
    assert (ROOT, "c.txt") not in catalogue.twins()


def test_a_failure_is_remembered_and_drops_the_chunks(catalogue: CatalogueWriter) -> None:
    put(catalogue, "a.pdf", ["one"])
    failure = Failure("a.pdf", "encrypted", "a password is needed", "remove it")
    pages = (Page(0, "p. 1", 0.0, ("empty",)),)
    catalogue.record_failure(source("a.pdf"), "print", replace(failure, pages=pages), RECIPE, 7)
    assert catalogue.documents()[0].pages == pages
    assert catalogue.known(ROOT)["a.pdf"].failure == failure
    assert catalogue.count("chunks") == 0
    put(catalogue, "a.pdf", ["readable again"])
    assert catalogue.known(ROOT)["a.pdf"].failure is None


def test_unread_files_are_listed_until_the_next_run_says_otherwise(
    catalogue: CatalogueWriter,
) -> None:
    root = "/folder\udce9 [x]*"
    photo = Failure("b.png", "unsupported", "no parser", "convert it")
    put(catalogue, "a.txt", ["one"], root=root)
    put(catalogue, "c.txt", ["two"], root=root)
    catalogue.record_unread(root, [photo, Failure("z\udce9.env", "secret", "a key")])
    listed = catalogue.documents()
    assert [(d.id, d.status) for d in listed] == [
        ("a.txt", "ok"), ("b.png", "skipped"), ("c.txt", "ok"), ("z\\udce9.env", "skipped"),
    ]  # fmt: skip
    assert {d.root for d in listed} == {"/folder\\udce9 [x]*"}
    assert (listed[1].reason, listed[1].message, listed[1].hint) == (
        "unsupported", "no parser", "convert it",
    )  # fmt: skip
    assert set(catalogue.known(root)) == {"a.txt", "c.txt"}
    catalogue.record_unread(root, [photo])
    assert [d.id for d in catalogue.documents()] == ["a.txt", "b.png", "c.txt"]
    catalogue.record_unread(root, [])
    assert [d.id for d in catalogue.documents()] == ["a.txt", "c.txt"]


def test_the_same_unread_files_are_not_written_again(catalogue: CatalogueWriter) -> None:
    put(catalogue, "a.txt", ["one"])
    assert catalogue.whole_roots() == []
    catalogue.record_unread(ROOT, [])
    assert catalogue.whole_roots() == [ROOT]
    before = catalogue.state()
    catalogue.record_unread(ROOT, [])
    assert catalogue.state() == before
    catalogue.record_unread(ROOT, [Failure("b.png", "unsupported", "no parser")])
    written = catalogue.state()
    assert written != before
    catalogue.record_unread(ROOT, [Failure("b.png", "unsupported", "no parser")])
    assert catalogue.state() == written


@pytest.mark.parametrize("value", ["no json", "[1]", "[[1,2,3,4,5,6]]", "7"])
def test_a_damaged_list_of_unread_files_is_said_so(catalogue: CatalogueWriter, value: str) -> None:
    catalogue.set_meta({f"{UNREAD}{ROOT}": value})
    with pytest.raises(IndexDamaged, match="list of files skipped"):
        catalogue.documents()


def test_a_removed_root_leaves_the_others(catalogue: CatalogueWriter) -> None:
    put(catalogue, "a.txt", ["one", "two"])
    put(catalogue, "b.txt", ["three"])
    put(catalogue, "a.txt", ["other"], root="/other")
    catalogue.record_failure(
        source("c.pdf"), "x", Failure("c.pdf", "encrypted", "no", "do"), RECIPE, 7
    )
    for root in (ROOT, "/other"):
        catalogue.record_unread(root, [Failure("b.png", "unsupported", "no parser")])
    tell_all(catalogue)
    assert catalogue.remove_root(ROOT) == 3
    assert stored_texts(catalogue) == ["other"]
    assert [(d.root, d.id) for d in catalogue.documents()] == [
        ("/other", "a.txt"), ("/other", "b.png"),
    ]  # fmt: skip
    assert told(catalogue) == [("delete", text) for text in ("one", "two", "three")]
    assert catalogue.remove_root(ROOT) == 0


def test_a_fact_that_should_be_a_number_is_damage(catalogue: CatalogueWriter) -> None:
    catalogue.set_meta({"generation": "one"})
    with pytest.raises(IndexDamaged, match="'one' where generation should be a number"):
        catalogue.number("generation")


def test_touching_remembers_size_and_time(catalogue: CatalogueWriter) -> None:
    put(catalogue, "a.txt", ["one"])
    catalogue.touch_documents([replace(source("a.txt"), size_bytes=11, mtime_ns=99)], 100)
    known = catalogue.known(ROOT)["a.txt"]
    assert (known.size_bytes, known.mtime_ns, known.seen_ns) == (11, 99, 100)


def test_names_that_are_no_text_are_escaped(catalogue: CatalogueWriter) -> None:
    root = "/folder\udce9"
    put(catalogue, "a.txt", ["broken \ud800 half"], root=root)
    assert set(catalogue.known(root)) == {"a.txt"}
    assert stored_texts(catalogue) == ["broken \\ud800 half"]


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection(path_globs=("docs/*.txt",)), {"docs/a.txt"}),
        (Selection(path_globs=("docs/*",)), {"docs/a.txt", "docs/b.pdf", "docs/deep/c.TXT"}),
        (Selection(suffixes=(".txt", ".md")), {"docs/a.txt", "docs/deep/c.TXT"}),
        (Selection(media_types=("application/pdf",)), {"docs/b.pdf"}),
        (Selection(path_globs=("docs/*",), suffixes=(".pdf",)), {"docs/b.pdf"}),
        (Selection(roots=("/other",)), set()),
        (
            Selection(collections=("default", "none")),
            {"docs/a.txt", "docs/b.pdf", "docs/deep/c.TXT"},
        ),
        (Selection(collections=("work",)), set()),
        (Selection(path_globs=("' OR 1 --",)), set()),
        (Selection(except_ids=("docs/a.txt", "docs/b.pdf")), {"docs/deep/c.TXT"}),
        (Selection(suffixes=(".txt",), except_ids=("docs/a.txt",)), {"docs/deep/c.TXT"}),
        (Selection(), {"docs/a.txt", "docs/b.pdf", "docs/deep/c.TXT"}),
    ],
)
def test_selection_limits_the_documents(
    catalogue: CatalogueWriter, selection: Selection, expected: set[str]
) -> None:
    put(catalogue, "docs/a.txt", ["a"])
    put(catalogue, "docs/b.pdf", ["b"], media_type="application/pdf")
    put(catalogue, "docs/deep/c.TXT", ["c"])
    numbers = set(catalogue.numbers(selection))
    entries = [entry for page in catalogue.all_entries() for entry in page]
    found = {entry.chunk.document_id for entry in entries if entry.number in numbers}
    assert found == expected
    assert catalogue.count_selected(selection) == len(expected)


def test_more_ids_than_sqlite_has_variables_are_found(catalogue: CatalogueWriter) -> None:
    put(catalogue, "a.txt", words(1201))
    assert len(catalogue.entries([key(text) for text in words(1201)])) == 1201
    assert [len(page) for page in catalogue.all_entries(500)] == [500, 500, 201]


def test_state_changes_with_every_write_of_any_connection(
    catalogue: CatalogueWriter, tmp_path: Path
) -> None:
    reader = Catalogue(tmp_path, writable=False)
    before = reader.state(), catalogue.state()
    assert reader.state() == before[0]
    put(catalogue, "a.txt", ["one"])
    assert reader.state() != before[0]
    assert catalogue.state() != before[1]
    reader.close()


def test_a_reader_cannot_write(catalogue: CatalogueWriter, tmp_path: Path) -> None:
    reader = Catalogue(tmp_path, writable=False)
    with pytest.raises(IndexFault, match="readonly"):
        reader.set_meta({"a": 1})
    reader.close()


def test_a_missing_index_is_said_so_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(IndexMissing, match="rag ingest FOLDER"):
        Catalogue(tmp_path, writable=False)
    assert list(tmp_path.iterdir()) == []


def test_a_catalogue_missing_beside_its_vectors_is_not_made_anew(tmp_path: Path) -> None:
    (tmp_path / "index-1").mkdir()
    with pytest.raises(IndexDamaged, match="is missing"):
        Catalogue(tmp_path, writable=True, new=True)
    assert [path.name for path in tmp_path.iterdir()] == ["index-1"]


@pytest.mark.parametrize("left", [0, 1, 99, 100, 512, 4096, 8192, 0.5, -4096, -1])
@pytest.mark.parametrize("writable", [True, False])
def test_a_catalogue_cut_anywhere_is_refused_when_it_is_opened(
    tmp_path: Path, left: float, writable: bool
) -> None:
    made = CatalogueWriter(tmp_path, writable=True, new=True)
    put(made, "a.txt", words(300))
    made.close()
    path = tmp_path / FILE_NAME
    content = path.read_bytes()
    size = int(len(content) * left) if left == 0.5 else int(left)
    path.write_bytes(content[:size])
    before = path.read_bytes()
    with pytest.raises(IndexDamaged, match="nothing was overwritten"):
        Catalogue(tmp_path, writable=writable, new=writable)
    assert path.read_bytes() == before


def crash(folder: Path, environment: dict[str, str]) -> None:
    """Let a process store a document and die, so that it stands in the log alone."""
    script = (
        "import os, sys, pathlib; sys.path.insert(0, sys.argv[2])\n"
        "from synthetic import *; from rag.index.writer import CatalogueWriter\n"
        "catalogue = CatalogueWriter(pathlib.Path(sys.argv[1]), writable=True, new=True)\n"
        "made, chunks, keys = document('late.txt', words(300, 'late'))\n"
        "catalogue.add_vectors(keys, numpy.stack([unit(c.text) for c in chunks]))\n"
        "catalogue.add_document(made, chunks, keys, Health(), RECIPE, 7); os._exit(9)"
    )
    command = [sys.executable, "-c", script, str(folder), str(Path(__file__).parent)]
    assert subprocess.run(command, env=environment, check=False).returncode == 9


def test_a_crash_leaves_a_log_that_is_read(
    tmp_path: Path, python_environment: dict[str, str]
) -> None:
    crash(tmp_path, python_environment)
    opened = Catalogue(tmp_path, writable=True)
    assert opened.find_losses() == []
    assert opened.count("chunks") == 300
    opened.close()


def test_a_log_that_was_deleted_after_a_crash_is_told(
    tmp_path: Path, python_environment: dict[str, str]
) -> None:
    made = CatalogueWriter(tmp_path, writable=True, new=True)
    put(made, "a.txt", ["one"])
    made.close()
    crash(tmp_path, python_environment)
    (tmp_path / f"{FILE_NAME}-wal").unlink()
    opened = Catalogue(tmp_path, writable=True)
    (told,) = opened.find_losses()
    assert "wal was deleted" in told
    assert "rag ingest FOLDER" in told
    assert stored_texts(opened) == ["one"]
    opened.close()
    opened = Catalogue(tmp_path, writable=True)
    assert opened.find_losses() == []
    opened.close()


def test_a_log_without_its_catalogue_is_not_taken_for_that_of_a_new_one(
    tmp_path: Path, python_environment: dict[str, str]
) -> None:
    crash(tmp_path, python_environment)
    (tmp_path / FILE_NAME).unlink()
    with pytest.raises(IndexDamaged, match="is missing beside the files it belongs to"):
        Catalogue(tmp_path, writable=True, new=True)


def test_damage_that_a_crash_hid_is_found_by_the_writer(
    tmp_path: Path, python_environment: dict[str, str]
) -> None:
    made = CatalogueWriter(tmp_path, writable=True, new=True)
    put(made, "a.txt", words(300))
    made.close()
    crash(tmp_path, python_environment)
    path = tmp_path / FILE_NAME
    content = path.read_bytes()
    path.write_bytes(content[: 9 * 4096] + b"\xff" * 4096 * 9 + content[18 * 4096 :])
    opened = Catalogue(tmp_path, writable=True)
    with pytest.raises(IndexDamaged, match="nothing was overwritten"):
        opened.find_losses()
    opened.close()


@pytest.mark.parametrize("damage", ["garbage", "empty", "half", "other program", "bad page"])
@pytest.mark.parametrize("writable", [True, False])
def test_a_damaged_catalogue_is_refused_and_not_overwritten(
    tmp_path: Path, damage: str, writable: bool
) -> None:
    made = CatalogueWriter(tmp_path, writable=True, new=True)
    put(made, "a.txt", words(300))
    made.close()
    path = tmp_path / FILE_NAME
    content = path.read_bytes()
    page = 4096
    if damage == "other program":
        path.unlink()
        with sqlite3.connect(path) as other:
            other.execute("CREATE TABLE t (x)")
        other.close()
    else:
        path.write_bytes(
            {
                "garbage": b"garbage" * 999,
                "empty": b"",
                "half": content[: len(content) // 2],
                "bad page": content[:page] + b"\xff" * page * 20 + content[21 * page :],
            }[damage]
        )
    before = path.read_bytes()
    with pytest.raises(IndexDamaged, match="nothing was overwritten"):
        read_all(tmp_path, writable)
    assert path.read_bytes() == before


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    CatalogueWriter(tmp_path, writable=True, new=True).close()
    with sqlite3.connect(tmp_path / FILE_NAME) as other:
        other.execute("PRAGMA user_version = 99")
    other.close()
    with pytest.raises(IndexMismatch, match="format 99"):
        Catalogue(tmp_path, writable=True, new=True)


def test_a_full_disk_is_said_so_and_keeps_what_was_stored(catalogue: CatalogueWriter) -> None:
    put(catalogue, "a.txt", ["kept"])
    pages = catalogue._database.rows("PRAGMA page_count")[0][0]
    catalogue._database.rows(f"PRAGMA max_page_count = {pages + 4}")
    with pytest.raises(DiskFull, match="no room left"):
        put(catalogue, "b.txt", [text * 99 for text in words(99)])
    assert stored_texts(catalogue) == ["kept"]
    catalogue._database.rows("PRAGMA max_page_count = 100000")
    put(catalogue, "b.txt", words(99))
    assert catalogue.count("chunks") == 100


def test_a_catalogue_held_by_another_program_is_said_so(tmp_path: Path) -> None:
    made = CatalogueWriter(tmp_path, writable=True, new=True)
    made._database.rows("PRAGMA busy_timeout = 50")
    other = sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(IndexLocked):
        made.set_meta({"a": 1})
    other.close()
    made.set_meta({"a": 1})
    assert made.number("a") == 1
    made.close()


def test_a_file_that_says_it_is_of_format_1_and_is_not_is_damaged(tmp_path: Path) -> None:
    made = CatalogueWriter(tmp_path, writable=True, new=True)
    made._database.rows("PRAGMA user_version = 1")
    made.close()
    with pytest.raises(IndexDamaged, match="says that it is of format 1"):
        Catalogue(tmp_path, writable=True)


def test_a_table_that_is_not_there_is_damage(catalogue: CatalogueWriter) -> None:
    catalogue._database.rows("DROP TABLE outbox")
    with pytest.raises(IndexDamaged, match="not built as it should be"):
        catalogue.pending()


def test_integrity_names_a_chunk_without_a_vector(catalogue: CatalogueWriter) -> None:
    put(catalogue, "a.txt", ["one"])
    assert catalogue.integrity() == []
    catalogue._database.rows("PRAGMA foreign_keys = OFF")
    catalogue._database.rows("DELETE FROM vectors")
    assert catalogue.dangling() == ["1 of the chunks point nowhere, where vectors should be"]
