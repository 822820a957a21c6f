from __future__ import annotations

import gc
import json
import os
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy
import pytest
from synthetic import ROOT, add, document, key, manifest, source, unit, words

from ingest.base.documents import Failure, Health, Move, Page
from rag.index.base.errors import IndexDamaged, IndexFault, IndexMismatch, IndexMissing
from rag.index.base.lock import CHROMA, WRITER, Lock
from rag.index.index import Index, Selection
from rag.index.projection.child import DRAINING
from rag.index.projection.chroma import ChromaVectors
from rag.index.projection.generations import folder_of
from rag.index.store.catalogue import Catalogue
from rag.index.store.records import Copy


def oracle(texts: list[str], question: str, k: int) -> list[str]:
    scores = {text: float(unit(text) @ unit(question)) for text in texts}
    return sorted(texts, key=lambda text: -scores[text])[:k]


def texts_found(index: Index, question: str, k: int, selection: Selection | None = None):
    return [found.chunk.text for found in index.search(unit(question), k, selection)]


def chroma_keys(folder: Path) -> set[str]:
    catalogue = Catalogue(folder, writable=False)
    chroma = ChromaVectors(folder_of(catalogue))
    keys = {key for keys, _ in chroma.pages(100) for key in keys}
    chroma.close()
    catalogue.close()
    return keys


@pytest.mark.parametrize("method", ["chroma", "exact"])
def test_search_equals_brute_force(drained: Path, method: str) -> None:
    everything = [text for i in range(6) for text in words(50, f"file {i}")]
    with Index.open_for_reading(drained, search=method) as index:
        for question in ("first", "second", everything[7]):
            assert texts_found(index, question, 10) == oracle(everything, question, 10)
        found = index.search(unit(everything[7]), 3)
        assert found[0].score == pytest.approx(1, abs=1e-6)
        assert found[0].root == ROOT
        assert [f.score for f in found] == sorted((f.score for f in found), reverse=True)
        assert len(index.search(unit("x"), 999)) == 300
        assert index.search(unit("x"), 0) == []
        assert index.search_method.lower().startswith(method)


def test_chroma_holds_exactly_the_vectors_in_use(drained: Path) -> None:
    catalogue = Catalogue(drained, writable=False)
    assert chroma_keys(drained) == catalogue.keys_in_use()
    assert catalogue.count("outbox") == 0
    catalogue.close()


def test_changes_reach_chroma_by_the_next_run(drained: Path) -> None:
    with Index.open_for_writing(drained, manifest()) as index:
        add(index, "docs/0.txt", words(20, "file 0"))
        index.move_document(ROOT, Move("docs/1.txt", source("new/1.txt"), "print"))
        index.remove_documents(ROOT, ["docs/2.txt"])
        index.record_failure(source("docs/3.txt"), "x", Failure("docs/3.txt", "corrupt", "no"))
    assert index.warnings == []
    catalogue = Catalogue(drained, writable=False)
    assert chroma_keys(drained) == catalogue.keys_in_use()
    assert catalogue.number("tombstones") == 30 + 50 + 50
    catalogue.close()
    with Index.open_for_reading(drained, search="chroma") as index:
        assert index.search(unit("file 1 number 3"), 1)[0].chunk.document_id == "new/1.txt"
        assert texts_found(index, "file 2 number 3", 1) != ["file 2 number 3"]


def test_what_chroma_was_not_told_is_found_or_gone_at_once(drained: Path) -> None:
    with (
        Index.open_for_writing(drained, manifest(), drain=False) as writer,
        Index.open_for_reading(drained, search="chroma") as reader,
    ):
        assert texts_found(reader, "file 2 number 3", 1) == ["file 2 number 3"]
        add(writer, "late.txt", ["a late text"])
        writer.remove_documents(ROOT, ["docs/2.txt"])
        add(writer, "docs/3.txt", words(50, "file three"))
        left = [*words(50, "file 0"), *words(50, "file 1"), *words(50, "file 4")]
        left += [*words(50, "file 5"), *words(50, "file three"), "a late text"]
        for question in ("a late text", "file 2 number 3", "file 3 number 3", "other"):
            assert texts_found(reader, question, 20) == oracle(left, question, 20)
        assert reader.search_method == "Chroma"


def test_a_selection_is_searched_exactly(drained: Path) -> None:
    with Index.open_for_reading(drained) as index:
        selection = Selection(path_globs=("docs/[12].txt",))
        expected = oracle([*words(50, "file 1"), *words(50, "file 2")], "question", 5)
        assert texts_found(index, "question", 5, selection) == expected
        assert texts_found(index, "question", 5, Selection(suffixes=(".pdf",))) == []
        assert index.search_method == "exact: a selection was given"


@pytest.mark.parametrize("method", ["chroma", "exact"])
def test_a_text_is_found_once_and_names_all_its_places(drained: Path, method: str) -> None:
    with Index.open_for_writing(drained, manifest()) as index:
        made, chunks, keys = document("b.pdf", ["file 1 number 7", "mine"])
        index.add_vectors(
            ["another key", keys[1]], numpy.stack([unit("under a heading"), unit("mine")])
        )
        elsewhere = replace(chunks[0], heading="Other", page=3, place="p. 3")
        index.add_document(made, [elsewhere, chunks[1]], ["another key", keys[1]], Health())
        add(index, "a.txt", ["file 1 number 7"], root="/second")
    assert index.warnings == []
    with Index.open_for_reading(drained, search=method) as index:
        first, second = index.search(unit("file 1 number 7"), 2)
        assert (first.root, first.chunk.document_id) == (ROOT, "docs/1.txt")
        assert first.copies == (
            Copy("/second", "a.txt", None, "", "Title"),
            Copy(ROOT, "b.pdf", 3, "p. 3", "Other"),
        )
        assert second.copies == ()
        (found,) = index.search(unit("under a heading"), 1)
        assert (found.chunk.document_id, found.score) == ("b.pdf", pytest.approx(1))
        assert [copy.document_id for copy in found.copies] == ["docs/1.txt", "a.txt"]
        assert len(index.search(unit("x"), 999)) == 301


def test_with_a_selection_only_its_own_places_count(drained: Path) -> None:
    with Index.open_for_writing(drained, manifest(), drain=False) as index:
        add(index, "a.txt", ["file 1 number 7", "file 2 number 7"], root="/second")
        index.set_collection("/second", "work")
        assert index.collections() == {"default": [ROOT], "work": ["/second"]}
        work = Selection(collections=("work",))
        found = index.search(unit("file 1 number 7"), 9, work)
        assert [one.chunk.text for one in found] == ["file 1 number 7", "file 2 number 7"]
        assert {(one.root, one.copies) for one in found} == {("/second", ())}
        assert index.count(work) == 2


def test_so_many_copies_do_not_crowd_out_the_other_texts(tmp_path: Path) -> None:
    with Index.open_for_writing(tmp_path, manifest(), drain=False) as index:
        near = [unit("question") + unit(f"noise {i}") * 0.01 for i in range(60)]
        keys = [f"key {i}" for i in range(60)]
        index.add_vectors(keys, numpy.stack([row / numpy.linalg.norm(row) for row in near]))
        for i, name in enumerate(keys):
            made, (chunk,), _ = document(f"{i}.txt", ["the same"])
            index.add_document(made, [replace(chunk, heading=f"H {i}")], [name], Health())
        add(index, "other.txt", words(5))
        found = index.search(unit("question"), 4)
        assert [one.chunk.text for one in found] == ["the same", *oracle(words(5), "question", 3)]
        assert len(found[0].copies) == 59
        best = max(float(row @ unit("question")) / numpy.linalg.norm(row) for row in near)
        assert found[0].score == pytest.approx(best)


def test_what_only_moved_tells_chroma_nothing(drained: Path) -> None:
    with Index.open_for_writing(drained, manifest(), drain=False) as index:
        add(index, "docs/0.txt", ["a new paragraph", *words(50, "file 0")[::-1]])
        assert index.status().pending == 1
        add(index, "copy of 1.txt", words(50, "file 1"))
        index.remove_documents(ROOT, ["docs/1.txt"])
        index.move_document(ROOT, Move("docs/2.txt", source("new/2.txt"), "print"))
        assert index.status().pending == 1


def test_ties_are_in_the_order_of_ids(tmp_path: Path) -> None:
    with Index.open_for_writing(tmp_path, manifest(), drain=False) as index:
        texts = words(9)
        index.add_vectors([key(text) for text in texts], numpy.stack([unit("the same")] * 9))
        chunks = [add(index, f"{i}.txt", [text])[0] for i, text in enumerate(texts)]
        expected = sorted(chunk.id for chunk in chunks)[:4]
        assert [found.chunk.id for found in index.search(unit("the same"), 4)] == expected


def test_a_writer_searches_what_it_has_just_stored(tmp_path: Path) -> None:
    with Index.open_for_writing(tmp_path, manifest(), drain=False) as index:
        assert index.search(unit("one"), 3) == []
        add(index, "a.txt", ["one", "two"])
        assert texts_found(index, "one", 1) == ["one"]
        index.move_document(ROOT, Move("a.txt", source("b.txt"), "print"))
        assert index.search(unit("one"), 1)[0].chunk.document_id == "b.txt"
        add(index, "b.txt", ["one too"])
        assert texts_found(index, "one", 5) == ["one too"]
        index.remove_documents(ROOT, ["b.txt"])
        assert texts_found(index, "one", 5) == []
        assert index.stored_keys([key("one"), key("never")]) == {key("one")}


def test_neighbours_stand_in_reading_order(drained: Path) -> None:
    with Index.open_for_reading(drained, search="exact") as index:
        chunk = index.search(unit("file 4 number 1"), 1)[0].chunk
        names = [c.text for c in index.neighbours(chunk, before=5, after=2)]
        assert names == [f"file 4 number {i}" for i in range(4)]


def test_pages_are_told_by_offset(tmp_path: Path) -> None:
    with Index.open_for_writing(tmp_path, manifest(), drain=False) as index:
        made, chunks, keys = document("a.pdf", ["one", "two", "three"])
        index.add_vectors(keys, numpy.stack([unit(c.text) for c in chunks]))
        index.add_document(
            replace(made, pages=tuple(Page(n, f"p. {n // 4 + 1}") for n in (0, 4, 8))),
            chunks,
            keys,
            Health(),
        )
        assert [index.place_at(chunks[0], offset).page for offset in (0, 3, 4, 9)] == [1, 1, 2, 3]
        assert index.documents()[0].page_count == 3
        assert index.place_at(add(index, "b.txt", ["one"])[0], 2).page is None


@pytest.mark.parametrize("method", ["chroma", "exact"])
def test_a_vector_that_cannot_be_compared_is_refused(drained: Path, method: str) -> None:
    with Index.open_for_reading(drained, search=method) as index:
        with pytest.raises(IndexMismatch, match="16"):
            index.search(unit("x", dimension=3), 1)
        with pytest.raises(IndexFault, match="not finite"):
            index.search(unit("x") * numpy.float32("nan"), 1)


def test_the_manifest_is_compared_when_writing(drained: Path) -> None:
    with pytest.raises(IndexMismatch, match=r"model-a.*model-b"):
        Index.open_for_writing(drained, manifest("model-b"))
    with Index.open_for_writing(drained, manifest(recipe="other"), drain=False) as index:
        assert index.manifest.recipe == "other"
        assert index.known(ROOT)["docs/0.txt"].recipe == "recipe-1"


def test_nothing_ingested_is_an_index_missing(tmp_path: Path) -> None:
    with pytest.raises(IndexMissing):
        Index.open_for_reading(tmp_path / "nowhere")
    Catalogue(tmp_path, writable=True, new=True).close()
    with pytest.raises(IndexMissing):
        Index.open_for_reading(tmp_path)


def test_a_damaged_catalogue_stops_the_writer_and_frees_the_lock(tmp_path: Path) -> None:
    (tmp_path / "catalogue.sqlite").write_bytes(b"garbage" * 1000)
    for _ in range(2):
        with pytest.raises(IndexDamaged):
            Index.open_for_writing(tmp_path, manifest())


@pytest.mark.skipif(os.name == "nt", reason="no POSIX permissions")
def test_the_folder_is_for_its_owner_alone(tmp_path: Path) -> None:
    Index.open_for_writing(tmp_path / "new" / "index", manifest()).close()
    assert stat.S_IMODE((tmp_path / "new" / "index").stat().st_mode) == 0o700


STATUS = """
import json, sys, pathlib
from rag.index.index import Index
with Index.open_for_reading(pathlib.Path(sys.argv[1])) as index:
    status = index.status()
    heavy = {"numpy", "chromadb", "openai"} & set(sys.modules)
print(json.dumps([status.documents, status.chunks, status.pending, status.clean, sorted(heavy)]))
"""


def test_status_needs_nothing_heavy(drained: Path, python_environment: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", STATUS, str(drained)],
        env=python_environment,
        capture_output=True,
        check=True,
    )
    assert json.loads(done.stdout) == [6, 300, 0, True, []]


def test_status_counts_everything(drained: Path) -> None:
    with Index.open_for_writing(drained, manifest(), drain=False) as index:
        index.record_failure(source("b.pdf"), "x", Failure("b.pdf", "encrypted", "no", "do"))
        index.record_unread(ROOT, [Failure("photo.png", "unsupported", "no parser")])
        add(index, "other.txt", ["one"], root="/second")
        status = index.status()
    assert (status.documents, status.skipped, status.chunks, status.vectors) == (7, 2, 301, 301)
    assert status.roots == (ROOT, "/second")
    assert (status.pending, status.generation, status.clean) == (1, 1, True)
    assert status.bytes_on_disk > 100_000
    assert status.ingested_ns is not None


def test_chunks_are_counted_with_and_without_a_selection(drained: Path) -> None:
    with Index.open_for_reading(drained) as index:
        assert index.count() == index.count(Selection()) == 300
        assert index.count(Selection(path_globs=("docs/[12].txt",))) == 100
        assert index.count(Selection(roots=("/elsewhere",))) == 0


def test_a_removed_root_goes_from_chroma_too(drained: Path) -> None:
    with Index.open_for_writing(drained, manifest()) as index:
        add(index, "other.txt", ["one"], root="/second")
        assert index.remove_root(ROOT) == 6
        assert index.remove_root("/nowhere") == 0
        assert index.status().roots == ("/second",)
    assert index.warnings == []
    with Index.open_for_reading(drained, search="chroma") as index:
        assert texts_found(index, "file 1 number 1", 5) == ["one"]
        assert index.status().pending == 0


def test_only_a_writer_removes(drained: Path) -> None:
    with (
        Index.open_for_reading(drained) as index,
        pytest.raises(TypeError, match="opened for reading"),
    ):
        index.remove_root(ROOT)


READ = """
import sys, pathlib
sys.path.insert(0, sys.argv[2])
from synthetic import unit
from rag.index.index import Index
with Index.open_for_reading(pathlib.Path(sys.argv[1])) as index:
    for line in sys.stdin:
        found = index.search(unit(line.strip()), 1)
        print(found[0].chunk.text, "|", index.search_method, flush=True)
"""


def test_a_reader_in_another_process_is_exact_while_one_writes(
    tmp_path: Path, python_environment: dict[str, str]
) -> None:
    folder = tmp_path / "index"
    with Index.open_for_writing(folder, manifest()) as index:
        add(index, "first.txt", words(10, "first"))
        reader = subprocess.Popen(
            [sys.executable, "-c", READ, str(folder), str(Path(__file__).parent)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=python_environment,
            text=True,
        )

        def ask(question: str) -> str:
            reader.stdin.write(f"{question}\n")
            reader.stdin.flush()
            return reader.stdout.readline()

        assert ask("first number 3").startswith("first number 3 | exact")
        for i in range(5):
            add(index, f"{i}.txt", words(20, f"later {i}"))
            assert ask(f"later {i} number 7").startswith(f"later {i} number 7 | exact")
        index.remove_documents(ROOT, ["2.txt"])
        assert not ask("later 2 number 7").startswith("later 2")
    assert index.warnings == []
    assert ask("later 4 number 7") == "later 4 number 7 | Chroma\n"
    reader.communicate()


def test_a_reader_lets_go_of_chroma_when_a_writer_wants_it(drained: Path) -> None:
    with Index.open_for_reading(drained) as reader:
        assert texts_found(reader, "file 1 number 1", 1) == ["file 1 number 1"]
        assert reader.search_method == "Chroma"
        with Index.open_for_writing(drained, manifest()) as writer:
            add(writer, "late.txt", ["a late text"])
            for _ in range(200):
                assert texts_found(reader, "a late text", 1) == ["a late text"]
                if "running ingest" in reader.search_method:
                    break
                Lock(drained, WRITER).try_acquire(timeout_seconds=0.05)
        assert writer.warnings == []
        assert texts_found(reader, "a late text", 1) == ["a late text"]
        assert reader.search_method == "Chroma"


def test_a_reader_that_keeps_chroma_delays_and_loses_nothing(drained: Path) -> None:
    owner = Lock(drained, CHROMA)
    assert owner.try_acquire("somebody")
    with Index.open_for_writing(drained, manifest()) as writer:
        add(writer, "late.txt", ["a late text"])
    assert "somebody" in writer.warnings[0]
    assert "1 changes wait" in writer.warnings[0]
    owner.release()
    with Index.open_for_reading(drained, search="chroma") as reader:
        assert texts_found(reader, "a late text", 1) == ["a late text"]
    with Index.open_for_writing(drained, manifest()):
        pass
    with Index.open_for_reading(drained) as reader:
        assert reader.status().pending == 0


def test_threads_search_one_reader_while_another_process_tells_chroma(drained: Path) -> None:
    everything = [text for i in range(6) for text in words(50, f"file {i}")]
    with (
        Index.open_for_reading(drained) as reader,
        Index.open_for_writing(drained, manifest()) as writer,
        ThreadPoolExecutor(8) as threads,
    ):
        asked = [threads.submit(texts_found, reader, text, 1) for text in everything]
        for i in range(5):
            add(writer, f"more {i}.txt", words(10, f"more {i}"))
        assert [task.result() for task in asked] == [[text] for text in everything]


def test_closing_twice_is_allowed_and_an_interrupted_run_keeps_what_it_stored(
    tmp_path: Path,
) -> None:
    index = Index.open_for_writing(tmp_path, manifest())

    def run_until_interrupted() -> None:
        with index:
            add(index, "a.txt", ["one"])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_until_interrupted()
    index.close()
    assert index.warnings == []
    with Index.open_for_reading(tmp_path) as reader:
        assert texts_found(reader, "one", 1) == ["one"]
        assert (reader.status().pending, reader.status().ingested_ns) == (1, None)


def test_asking_chroma_for_the_texts_builds_it_anew_with_them(drained: Path) -> None:
    with Index.open_for_writing(drained, manifest(), chroma_documents=True) as index:
        assert index.warnings == []
    assert b"file 3 number 7" in (drained / "index-2" / "chroma.sqlite3").read_bytes()
    assert b"file 3 number 7" not in (drained / "index-1" / "chroma.sqlite3").read_bytes()


@pytest.mark.filterwarnings("ignore:unclosed database:ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_forgotten_reader_does_not_hide_later_changes(drained: Path) -> None:
    forgotten = Index.open_for_reading(drained, search="chroma")
    assert texts_found(forgotten, "file 1 number 1", 1) == ["file 1 number 1"]
    del forgotten
    gc.collect()
    with Index.open_for_writing(drained, manifest()) as writer:
        add(writer, "late.txt", ["a late text"])
    assert writer.warnings == []
    with Index.open_for_reading(drained, search="chroma") as reader:
        assert texts_found(reader, "a late text", 1) == ["a late text"]


@pytest.mark.parametrize(("limit", "method"), [(300, "exact: at most 300"), (299, "Chroma")])
def test_index_up_to_the_limit_is_searched_exactly(drained: Path, limit: int, method: str) -> None:
    with Index.open_for_reading(drained, exact_up_to=limit) as index:
        assert texts_found(index, "first", 3)
        assert index.search_method.startswith(method)


def test_few_changes_wait_where_chroma_is_not_searched(drained: Path) -> None:
    with Index.open_for_writing(drained, manifest(), exact_up_to=1000) as index:
        add(index, "late.txt", ["a late text"])
    assert index.warnings == []
    with Index.open_for_reading(drained, exact_up_to=1000) as reader:
        assert reader.status().pending == 1
        assert texts_found(reader, "a late text", 1) == ["a late text"]
    with Index.open_for_reading(drained, search="chroma") as reader:
        assert texts_found(reader, "a late text", 1) == ["a late text"]


def test_a_writer_waits_for_the_child_of_a_killed_one(drained: Path) -> None:
    (drained / "index-9").mkdir()
    orphan = Lock(drained, CHROMA)
    assert orphan.try_acquire(DRAINING)
    ending = threading.Timer(0.3, orphan.release)
    ending.start()
    Index.open_for_writing(drained, manifest()).close()
    ending.join()
    assert not (drained / "index-9").exists()
