from __future__ import annotations

import os
import shutil
import sys
import threading
import time
from hashlib import sha256
from pathlib import Path

import numpy
import pytest

from ingest import Options, ParseError, ingest_folder, plan_folder
from ingest.base.documents import Known, Progress
from ingest.base.errors import FolderError, PipelineError, SettingsError, TextsRejected

RECIPE = Options().recipe


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "documents"
    root.mkdir()
    (root / "leave.md").write_text("# Leave\n\nThirty days a year.\n", encoding="utf-8")
    (root / "pay.txt").write_text("Pay day is the last Friday.\n", encoding="utf-8")
    (root / "sub").mkdir()
    (root / "sub" / "page.html").write_text("<html><h1>Rooms</h1><p>Ask.", encoding="utf-8")
    age(root)
    return root


def unique(items) -> list:
    return list(dict.fromkeys(items))


def age(root: Path) -> None:
    """Make all files an hour old, so that their times prove that nothing changed."""
    for path in root.rglob("*"):
        if path.is_file():
            then = path.stat().st_mtime_ns - 3600 * 10**9
            os.utime(path, ns=(then, then))


@pytest.fixture
def index(make_index):
    made = make_index(RECIPE)
    made.seen_later_ns = 10 * 10**9  # The time of a change cannot be set back as that of content.
    return made


def test_a_folder_becomes_documents_with_chunks_and_vectors(folder, embedder, index) -> None:
    started = time.perf_counter()
    report = ingest_folder(folder, embedder, index)
    wall = time.perf_counter() - started
    assert report.ingested == ("leave.md", "pay.txt", "sub/page.html")
    assert index.ids() == sorted(report.ingested)
    assert (report.chunks, report.embedded, report.skipped) == (3, 3, ())
    assert set(report.seconds) == {"scan", "parse", "chunk", "embed", "index"}
    assert all(seconds > 0 for seconds in report.seconds.values())
    assert all(seconds <= wall for seconds in report.seconds.values())
    document, (chunk,) = index.documents[os.path.realpath(folder), "pay.txt"]
    assert document.title == chunk.heading == "pay"
    assert chunk.text == "Pay day is the last Friday."
    assert chunk.tokens <= embedder.token_limit


def test_a_second_run_does_nothing(folder, embedder, index) -> None:
    ingest_folder(folder, embedder, index)
    writes, calls = index.writes, len(embedder.calls)
    report = ingest_folder(folder, embedder, index)
    assert (report.unchanged, report.ingested, report.embedded) == (3, (), 0)
    assert (index.writes, len(embedder.calls)) == (writes, calls)


def test_only_a_changed_file_is_read_again(folder, embedder, index) -> None:
    ingest_folder(folder, embedder, index)
    (folder / "pay.txt").write_text("Pay day is the first Monday.\n", encoding="utf-8")
    report = ingest_folder(folder, embedder, index)
    assert (report.ingested, report.unchanged, report.embedded) == (("pay.txt",), 2, 1)


def test_a_file_that_went_is_removed_and_one_that_moved_is_not_embedded(
    folder, embedder, index
) -> None:
    ingest_folder(folder, embedder, index)
    calls = len(embedder.calls)
    (folder / "leave.md").unlink()
    (folder / "pay.txt").rename(folder / "sub" / "pay.txt")
    report = ingest_folder(folder, embedder, index)
    assert (report.removed, report.moved, report.ingested) == (("leave.md",), 1, ())
    assert index.ids() == ["sub/page.html", "sub/pay.txt"]
    assert len(embedder.calls) == calls


def test_a_touched_file_is_remembered_with_its_new_time(folder, embedder, index) -> None:
    ingest_folder(folder, embedder, index)
    age(folder)
    assert len(plan_folder(folder, index.known).touched) == 3
    assert ingest_folder(folder, embedder, index).unchanged == 3
    assert len(plan_folder(folder, index.known).unchanged) == 3


def test_another_recipe_reads_everything_again(folder, embedder, index) -> None:
    ingest_folder(folder, embedder, index)
    options = Options(chunk_tokens=100)
    assert options.recipe != RECIPE
    assert len(plan_folder(folder, index.known, options).changed) == 3


def test_no_bad_file_stops_the_folder(folder, embedder, index) -> None:
    (folder / "bad.pdf").write_bytes(b"%PDF-1.4 nonsense")
    (folder / "empty.txt").write_bytes(b"")
    (folder / "photo.png").write_bytes(b"x")
    report = ingest_folder(folder, embedder, index)
    assert len(report.ingested) == 3
    assert {failure.source_id: failure.reason for failure in report.skipped} == {
        "bad.pdf": "corrupt",
        "empty.txt": "empty",
        "photo.png": "unsupported",
    }
    assert all(failure.message and failure.hint for failure in report.skipped)


def test_a_bad_file_is_reported_again_but_not_read_again(folder, embedder, index) -> None:
    bad = folder / "bad.pdf"
    bad.write_bytes(b"%PDF-1.4 nonsense")
    age(folder)
    first = ingest_folder(folder, embedder, index).skipped
    plan = plan_folder(folder, index.known)
    assert plan.skipped == first
    assert plan.new == plan.changed == ()
    bad.write_bytes(b"now this is text")
    report = ingest_folder(folder, embedder, index)
    assert report.ingested == ("bad.pdf",)
    assert report.skipped == ()


def test_a_document_that_turns_bad_loses_its_chunks(folder, embedder, index) -> None:
    ingest_folder(folder, embedder, index)
    (folder / "pay.txt").write_bytes(b"\x00\x01\x02" * 50)
    report = ingest_folder(folder, embedder, index)
    assert [failure.reason for failure in report.skipped] == ["binary"]
    assert "pay.txt" not in index.ids()


def test_planning_changes_nothing(folder, embedder, index) -> None:
    plan = plan_folder(folder, index.known)
    assert [source.id for source in plan.new] == ["leave.md", "pay.txt", "sub/page.html"]
    assert index.writes == 0
    assert embedder.calls == []


def test_one_file_can_be_ingested_without_losing_the_others(folder, embedder, index) -> None:
    ingest_folder(folder, embedder, index)
    (folder / "pay.txt").write_text("New text.\n", encoding="utf-8")
    report = ingest_folder(folder / "pay.txt", embedder, index)
    assert (report.ingested, report.removed) == (("pay.txt",), ())
    assert len(index.ids()) == 3


def test_an_error_of_the_server_goes_out_and_a_second_run_resumes(
    folder, make_embedder, index
) -> None:
    embedder = make_embedder(in_flight=1, batch_size=1)
    embedder.fail_on = "last Friday"
    with pytest.raises(PipelineError, match="server is gone") as caught:
        ingest_folder(folder, embedder, index)
    assert not isinstance(caught.value, ParseError)
    embedder.fail_on = ""
    embedder.calls.clear()
    report = ingest_folder(folder, embedder, index)
    assert len(index.ids()) == 3
    assert report.embedded == sum(map(len, embedder.calls)) == 2


def test_progress_ends_at_the_total(folder, embedder, index) -> None:
    (folder / "empty.txt").write_bytes(b"")
    seen: list[Progress] = []
    ingest_folder(folder, embedder, index, on_progress=seen.append)
    assert unique(step.files_done for step in seen) == [0, 1, 2, 3, 4]
    last = seen[-1]
    assert last.files_done == last.files_total == 4
    assert last.bytes_done == last.bytes_total > 0
    assert last.chunks_done == 3


def test_progress_moves_inside_a_long_document(folder, make_embedder, index) -> None:
    text = " ".join(f"word{n}" for n in range(3000))
    (folder / "long.txt").write_text(text, encoding="utf-8")
    seen: list[Progress] = []
    report = ingest_folder(folder, make_embedder(batch_size=4), index, on_progress=seen.append)
    before = [step.chunks_done for step in seen if step.files_done < 4]
    assert len(set(before)) > 5
    assert [step.chunks_done for step in seen] == sorted(step.chunks_done for step in seen)
    assert seen[-1].chunks_done == report.chunks
    again = ingest_folder(folder, make_embedder(), index, Options(chunk_tokens=199), seen.append)
    assert again.chunks == seen[-1].chunks_done


def test_a_refused_file_is_remembered_by_its_bytes(folder, embedder, index) -> None:
    bad = {"bad.pdf": b"%PDF-1.4 nonsense", "empty.txt": b"", "bad.txt": b"\x00\x01\x02" * 50}
    for name, data in bad.items():
        (folder / name).write_bytes(data)
    report = ingest_folder(folder, embedder, index)
    assert {failure.source_id for failure in report.skipped} == set(bad)
    for name, data in bad.items():
        entry = index.remembered[os.path.realpath(folder), name]
        assert entry.fingerprint == sha256(data).hexdigest()


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_any_number_of_workers_gives_the_same(folder, embedder, index, workers) -> None:
    (folder / "bad.pdf").write_bytes(b"%PDF-1.4 nonsense")
    report = ingest_folder(folder, embedder, index, Options(workers=workers))
    assert sorted(report.ingested) == ["leave.md", "pay.txt", "sub/page.html"]
    assert [(failure.source_id, failure.reason) for failure in report.skipped] == [
        ("bad.pdf", "corrupt")]  # fmt: skip


def test_an_error_of_the_server_ends_the_processes(folder, make_embedder, index) -> None:
    for number in range(20):
        (folder / f"{number}.html").write_text(f"<html><p>Page {number}", encoding="utf-8")
    embedder = make_embedder(batch_size=1)
    embedder.fail_on = "Page"
    with pytest.raises(PipelineError, match="server is gone"):
        ingest_folder(folder, embedder, index, Options(workers=2))
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("parse")]


def test_notes_name_their_document(folder, embedder, index) -> None:
    (folder / "old.txt").write_bytes("Größe und Maße".encode("cp1252"))
    report = ingest_folder(folder, embedder, index)
    assert report.notes == (("old.txt", "not UTF-8, read as cp1252"),)


def test_text_in_two_files_is_embedded_once(folder, embedder, index) -> None:
    (folder / "sub" / "pay.txt").write_bytes((folder / "pay.txt").read_bytes())
    report = ingest_folder(folder, embedder, index)
    assert (len(report.ingested), report.chunks, report.embedded) == (4, 4, 3)


def test_the_limit_of_a_small_model_is_kept(folder, make_embedder, index) -> None:
    (folder / "long.txt").write_text("word " * 500, encoding="utf-8")
    ingest_folder(folder, make_embedder(token_limit=40), index)
    _, chunks = index.documents[os.path.realpath(folder), "long.txt"]
    assert len(chunks) > 10
    assert all(chunk.tokens <= 40 for chunk in chunks)


@pytest.mark.skipif(
    os.name == "nt" or os.geteuid() == 0, reason="permissions do not bind this user"
)
def test_documents_below_a_closed_folder_are_kept(folder, embedder, index) -> None:
    ingest_folder(folder, embedder, index)
    (folder / "sub").chmod(0)
    try:
        plan = plan_folder(folder, index.known)
    finally:
        (folder / "sub").chmod(0o700)
    assert plan.vanished == ()
    assert [failure.reason for failure in plan.skipped] == ["unreadable"]


@pytest.mark.skipif(sys.platform == "win32", reason="needs folders made relative to another")
def test_documents_below_a_path_that_cannot_be_opened_are_kept(folder, embedder, index) -> None:
    ingest_folder(folder, embedder, index)
    inside = os.open(folder, os.O_RDONLY)
    for _ in range(25):
        os.mkdir("d" * 200, dir_fd=inside)
        outside, inside = inside, os.open("d" * 200, os.O_RDONLY, dir_fd=inside)
        os.close(outside)
    os.close(inside)
    (failure,) = plan_folder(folder, index.known).skipped
    assert failure.reason == "unreadable"
    root = os.path.realpath(folder)
    entry = index.remembered[root, "pay.txt"]
    index.remembered[root, f"{failure.source_id}/deep.txt"] = entry
    index.remembered[root, "dd/gone.txt"] = entry
    assert plan_folder(folder, index.known).vanished == ("dd/gone.txt",)


def test_a_folder_that_is_missing_removes_nothing(folder, embedder, index) -> None:
    ingest_folder(folder, embedder, index)
    writes = index.writes
    folder.rename(folder.parent / "away")
    with pytest.raises(FolderError, match="there is no file or folder"):
        ingest_folder(folder, embedder, index)
    assert index.writes == writes


@pytest.mark.skipif(
    os.name == "nt" or os.geteuid() == 0, reason="permissions do not bind this user"
)
def test_a_folder_that_cannot_be_read_removes_nothing(folder, embedder, index) -> None:
    ingest_folder(folder, embedder, index)
    folder.chmod(0)
    try:
        with pytest.raises(FolderError, match="cannot be opened"):
            ingest_folder(folder, embedder, index)
    finally:
        folder.chmod(0o700)
    assert len(index.ids()) == 3


def test_a_folder_that_became_an_index_removes_nothing(folder, embedder, index) -> None:
    ingest_folder(folder, embedder, index)
    (folder / "catalogue.sqlite").write_bytes(b"")
    with pytest.raises(FolderError, match="is an index"):
        ingest_folder(folder, embedder, index)
    assert len(index.ids()) == 3


@pytest.mark.parametrize("left", [(), ("photo.png",)])
def test_an_emptied_folder_loses_all_its_documents_once(folder, embedder, index, left) -> None:
    ingest_folder(folder, embedder, index)
    shutil.rmtree(folder)
    folder.mkdir()
    for name in left:
        (folder / name).write_bytes(b"x")
    everything = ("leave.md", "pay.txt", "sub/page.html")
    assert plan_folder(folder, index.known).vanished == everything
    assert ingest_folder(folder, embedder, index).removed == everything
    assert index.ids() == []
    with pytest.raises(FolderError, match="holds no"):
        ingest_folder(folder, embedder, index)


def test_a_folder_of_which_nothing_is_known_must_hold_something(folder, index, tmp_path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(FolderError, match="holds no files"):
        plan_folder(tmp_path / "empty", index.known)
    (tmp_path / "empty" / "photo.png").write_bytes(b"x")
    with pytest.raises(FolderError, match=r"1 entries refused, the first is photo\.png"):
        plan_folder(tmp_path / "empty", index.known)


def test_a_plan_needs_no_index(folder) -> None:
    asked: list[str] = []

    def nothing_known(root: str) -> dict[str, Known]:
        asked.append(root)
        return {}

    assert len(plan_folder(folder, nothing_known).new) == 3
    assert asked == [os.path.realpath(folder)]


def test_files_that_were_not_opened_are_remembered_until_they_are_gone(
    folder, embedder, index
) -> None:
    root = os.path.realpath(folder)
    (folder / "photo.png").write_bytes(b"x")
    (folder / "empty.txt").write_bytes(b"")
    ingest_folder(folder, embedder, index)
    assert [(f.source_id, f.reason) for f in index.unread[root]] == [("photo.png", "unsupported")]
    ingest_folder(folder / "pay.txt", embedder, index)
    assert len(index.unread[root]) == 1
    ingest_folder(folder, embedder, index)
    assert len(index.unread[root]) == 1
    (folder / "photo.png").unlink()
    ingest_folder(folder, embedder, index)
    assert index.unread[root] == ()


@pytest.mark.parametrize("values", [{"chunk_tokens": 3}, {"chunk_tokens": 0}])
def test_senseless_options_are_refused(values: dict[str, int]) -> None:
    with pytest.raises(SettingsError) as caught:
        Options(**values)
    assert caught.value.hint


class ShrinkingEmbedder:
    """Learns from what it is sent that the server takes fewer tokens than was thought."""

    def __init__(self, inner, true_limit: int) -> None:
        self.inner, self.true_limit, self.rounds, self.sent = inner, true_limit, 0, 0

    def __getattr__(self, name: str):
        return getattr(self.inner, name)

    def embed(self, texts):
        self.sent += len(texts)
        counts = self.inner.count_tokens(texts)
        taken = list(range(len(texts)))
        while taken and (longest := max(counts[i] for i in taken)) > self.true_limit:
            self.rounds += 1
            self.inner.token_limit = min(self.inner.token_limit, longest * 3 // 4)
            taken = [i for i in taken if counts[i] <= self.inner.token_limit]
        return self.all_but(texts, [i for i in range(len(texts)) if i not in taken])

    def all_but(self, texts, long):
        rest = [text for i, text in enumerate(texts) if i not in long]
        vectors = self.inner.embed(rest) if rest else numpy.empty((0, 8), numpy.float32)
        if long:
            raise TextsRejected(dict.fromkeys(long, "too long"), vectors, long)
        return vectors


def test_documents_whose_chunks_prove_too_long_are_cut_again_in_the_same_run(
    folder, make_embedder, index
) -> None:
    text = " ".join(f"word{n}" for n in range(900))
    for number in range(5):
        (folder / f"long{number}.txt").write_text(f"{number} {text}", encoding="utf-8")
    seen: list[Progress] = []
    embedder = ShrinkingEmbedder(make_embedder(batch_size=8), 100)
    report = ingest_folder(folder, embedder, index, on_progress=seen.append)
    assert report.skipped == ()
    assert embedder.rounds > 1
    assert len(report.ingested) == len(index.ids()) == 8
    assert report.embedded == embedder.sent > report.chunks
    assert unique(step.files_done for step in seen) == list(range(9))
    for name in report.ingested:
        document, chunks = index.documents[os.path.realpath(folder), name]
        assert all(chunk.tokens <= 100 for chunk in chunks)
        kept = "".join(chunk.text for chunk in chunks)
        assert "".join(kept.split()) == "".join(document.text.split()), "a character was lost"
    assert plan_folder(folder, index.known).changed == ()


def test_a_limit_that_never_ends_costs_the_document_and_not_the_run(
    folder, make_embedder, index
) -> None:
    class Never(ShrinkingEmbedder):
        def embed(self, texts):
            return self.all_but(texts, [i for i, text in enumerate(texts) if "Thirty" in text])

    report = ingest_folder(folder, Never(make_embedder(), 1), index)
    assert [(f.source_id, f.reason, f.message) for f in report.skipped] == [
        ("leave.md", "embed-rejected", "too long")]  # fmt: skip
    assert len(report.ingested) == 2
