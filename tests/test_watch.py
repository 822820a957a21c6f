"""Watching real folders with a real index; only the model is a stub that counts letters."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from ingest.base.documents import Document, Failure, Health, IngestReport, Page, Source
from ingest.base.errors import FolderError, PipelineError
from rag.cli.commands.watch import Rounds
from rag.cli.console import Terminal
from rag.index.index import Index
from rag.index.manifest import Manifest
from rag.settings import Settings
from rag.watch import Pace, Watcher

QUICK = Pace(
    quiet_seconds=0.15, longest_seconds=0.6, look_seconds=0.1,
    retry_seconds=0.1, most_retry_seconds=0.2, poll_seconds=0.1,
)  # fmt: skip


class Diary:
    """What the watcher did; `ingest` lists the folder's files and fails as it is told to."""

    def __init__(self) -> None:
        self.rounds: list[tuple[Path, list[str]]] = []
        self.failures: list[PipelineError] = []
        self.notes: list[str] = []
        self.errors: list[PipelineError] = []
        self.reports: list[IngestReport] = []
        self.times: list[float] = []

    def ingest(self, folder: Path) -> IngestReport:
        self.times.append(time.monotonic())
        if self.errors:
            raise self.errors.pop()
        names = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
        self.rounds.append((folder, names))
        return self.reports.pop() if self.reports else IngestReport()

    def wait(self, true: Callable[[], bool], what: str = "") -> None:
        deadline = time.monotonic() + 20
        while not true() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert true(), f"{what}; rounds {self.rounds}, notes {self.notes}"

    def wait_for_rounds(self, number: int) -> None:
        self.wait(lambda: len(self.rounds) >= number, f"waited for round {number}")


@pytest.fixture
def diary() -> Diary:
    return Diary()


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.txt").write_text("one", "utf-8")
    return tmp_path / "docs"


@contextmanager
def watching(diary: Diary, *folders: Path, pace: Pace = QUICK, **options) -> Iterator[Watcher]:
    index_dir = options.pop("index_dir", folders[0] / "nowhere")
    watcher = Watcher(
        ingest=diary.ingest,
        done=lambda folder, report, seconds: None,
        failed=lambda folder, error: diary.failures.append(error),
        note=diary.notes.append,
        index_dir=index_dir,
        pace=pace,
        **options,
    )
    stop = threading.Event()
    thread = threading.Thread(target=watcher.follow, args=(folders, stop))
    thread.start()
    try:
        yield watcher
    finally:
        stop.set()
        thread.join(10)
        assert not thread.is_alive()


def settle() -> None:
    """Wait as long as a change would need to become a round."""
    time.sleep(QUICK.quiet_seconds + 0.4)


@pytest.mark.parametrize("poll", [False, True])
def test_folder_is_ingested_first_and_after_each_change(diary, docs, poll):
    with watching(diary, docs, poll=poll):
        diary.wait_for_rounds(1)
        (docs / "b.txt").write_text("two", "utf-8")
        diary.wait_for_rounds(2)
        (docs / "a.txt").unlink()
        diary.wait_for_rounds(3)
    assert [names for _, names in diary.rounds[:3]] == [["a.txt"], ["a.txt", "b.txt"], ["b.txt"]]


def test_many_changes_make_one_round(diary, docs):
    with watching(diary, docs):
        diary.wait_for_rounds(1)
        for number in range(30):
            (docs / f"{number}.txt").write_text("x", "utf-8")
        diary.wait_for_rounds(2)
        settle()
    assert len(diary.rounds) == 2
    assert len(diary.rounds[1][1]) == 31


def test_constant_writing_delays_a_round_only_so_long(diary, docs):
    with watching(diary, docs):
        diary.wait_for_rounds(1)
        started = time.monotonic()
        while len(diary.rounds) < 2 and time.monotonic() - started < 10:
            (docs / "log.txt").write_text(str(time.monotonic()), "utf-8")
            time.sleep(0.03)
        assert QUICK.longest_seconds <= time.monotonic() - started < 5


def test_what_a_scan_does_not_look_at_makes_no_round(diary, docs):
    (docs / ".ragignore").write_text("*.log\nbuild/\n", "utf-8")
    (docs / "index").mkdir()
    for folder in ("build", ".git", "node_modules"):
        (docs / folder).mkdir()
    with watching(diary, docs, index_dir=docs / "index"):
        diary.wait_for_rounds(1)
        for name in ("x.log", "build/x.txt", ".git/x.txt", "node_modules/x.txt", "index/x.txt",
                     ".hidden.txt", "~$x.docx"):  # fmt: skip
            (docs / name).write_text("x", "utf-8")
        settle()
        assert len(diary.rounds) == 1
        (docs / ".ragignore").write_text("*.log\n", "utf-8")
        diary.wait_for_rounds(2)


def test_hidden_files_count_where_they_are_read(diary, docs):
    with watching(diary, docs, hidden_files=True):
        diary.wait_for_rounds(1)
        (docs / ".hidden.txt").write_text("x", "utf-8")
        diary.wait_for_rounds(2)


def test_only_the_folder_that_changed_is_ingested(diary, docs, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    with watching(diary, docs, other):
        diary.wait_for_rounds(2)
        (other / "b.txt").write_text("x", "utf-8")
        diary.wait_for_rounds(3)
        settle()
    assert [folder.name for folder, _ in diary.rounds] == ["docs", "other", "other"]


def test_failure_is_told_once_and_tried_again_ever_more_slowly(diary, docs):
    diary.errors = [PipelineError("no server", "start it") for _ in range(4)]
    with watching(diary, docs):
        diary.wait_for_rounds(1)
    assert [error.message for error in diary.failures] == ["no server"]
    waits = [b - a for a, b in zip(diary.times, diary.times[1:], strict=False)]
    assert len(waits) == 4
    assert waits[0] >= QUICK.retry_seconds
    assert waits[3] >= QUICK.most_retry_seconds


def test_same_trouble_with_another_remedy_is_told_once(diary, docs):
    diary.errors = [PipelineError("no server", f"start it: {n}") for n in range(3)]
    with watching(diary, docs):
        diary.wait_for_rounds(1)
    assert len(diary.failures) == 1


PAGES = (Page(0, "p. 1", 0.0, ("empty",)),)


def new_rounds(tmp_path: Path) -> Rounds:
    settings = Settings.load({"index_dir": tmp_path / "index", "endpoint": "embedded"})
    return Rounds(settings, Terminal())


def test_skipped_file_is_told_once_and_again_with_another_reason(tmp_path, docs, capsys):
    rounds = new_rounds(tmp_path)
    scan = Failure("scan.pdf", "no-text", "no text on any of 2 pages", "install OCR", PAGES)
    half = Failure("b.txt", "changed", "the file changed while it was read")
    for skipped, told in (
        ((scan, half), ["scan.pdf: no text on any of 2 pages"]),
        ((replace(scan, pages=()),), []),
        ((replace(scan, reason="timeout", message="too slow"),), ["scan.pdf: too slow"]),
        ((), []),
        ((scan,), ["scan.pdf: no text on any of 2 pages"]),
    ):
        rounds.tell_new(docs, IngestReport(skipped=skipped))
        lines = capsys.readouterr().out.splitlines()
        assert [s.split("skipped: ")[1] for s in lines if "skipped: " in s] == told


def test_health_is_told_after_the_first_round_and_when_it_changes(tmp_path, docs, capsys):
    rounds = new_rounds(tmp_path)

    def tell(report: IngestReport) -> str:
        rounds.tell_new(docs, report)
        return capsys.readouterr().err

    write_index(rounds.pipeline.settings.index_dir, docs, language="de")
    changed = IngestReport(ingested=("a.txt",))
    assert "was not made for the language of 1 file (German)" in tell(IngestReport())
    assert tell(changed) == ""
    write_index(rounds.pipeline.settings.index_dir, docs, language="th")
    assert tell(IngestReport()) == ""
    assert "(Thai)" in tell(changed)


def write_index(folder: Path, root: Path, language: str) -> None:
    """Make an index of one document, without Chroma."""
    made = Manifest("all-minilm-l6-v2", "x", 2, "", "", 256, "recipe", (1.0, 0.0))
    with Index.open_for_writing(folder, made, drain=False) as index:
        source = Source("a.txt", str(root), root / "a.txt", "text/plain", 1, 1)
        document = Document(source, "print", "A", "one")
        index.add_document(document, (), (), Health(language))


def test_file_that_was_being_written_is_read_in_another_round(diary, docs):
    half = Failure("a.txt", "changed", "the file changed while it was read")
    diary.reports = [IngestReport(skipped=(half,))]
    with watching(diary, docs):
        diary.wait_for_rounds(2)
        settle()
    assert len(diary.rounds) == 2


def test_folder_that_goes_and_comes_back_is_waited_for(diary, docs, tmp_path):
    with watching(diary, docs):
        diary.wait_for_rounds(1)
        docs.rename(tmp_path / "away")
        diary.wait(lambda: any("is gone" in note for note in diary.notes))
        settle()
        assert len(diary.rounds) == 1
        (tmp_path / "away" / "b.txt").write_text("x", "utf-8")
        (tmp_path / "away").rename(docs)
        diary.wait_for_rounds(2)
        (docs / "c.txt").write_text("x", "utf-8")
        diary.wait_for_rounds(3)
    assert diary.rounds[-1][1] == ["a.txt", "b.txt", "c.txt"]


def test_empty_mount_point_is_not_taken_for_the_folder(diary, docs, tmp_path):
    with watching(diary, docs):
        diary.wait_for_rounds(1)
        docs.rename(tmp_path / "drive")
        docs.mkdir()
        diary.wait(lambda: any("is gone" in note for note in diary.notes))
        settle()
        assert len(diary.rounds) == 1
        docs.rmdir()
        (tmp_path / "drive").rename(docs)
        diary.wait_for_rounds(2)
    assert all(names == ["a.txt"] for _, names in diary.rounds)


def test_folder_that_is_not_there_yet_is_waited_for(diary, tmp_path):
    with watching(diary, tmp_path / "later", index_dir=tmp_path / "index"):
        diary.wait(lambda: any("is not there" in note for note in diary.notes))
        assert diary.rounds == []
        (tmp_path / "later").mkdir()
        (tmp_path / "later" / "a.txt").write_text("x", "utf-8")
        diary.wait_for_rounds(1)


def test_stop_ends_the_watch_at_once(diary, docs):
    diary.errors = [PipelineError("no server", "start it")]
    slow = Pace(quiet_seconds=30, retry_seconds=30)
    with watching(diary, docs, pace=slow):
        diary.wait(lambda: bool(diary.failures))
        started = time.monotonic()
    assert time.monotonic() - started < 2


def test_file_is_not_followed(diary, docs):
    with pytest.raises(FolderError, match="is a file"):
        Watcher(
            diary.ingest, lambda *_: None, lambda *_: None, diary.notes.append, docs / "index"
        ).follow([docs / "a.txt"])


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_folder_behind_a_link_is_followed(diary, docs, tmp_path):
    (tmp_path / "link").symlink_to(docs)
    with watching(diary, tmp_path / "link"):
        diary.wait_for_rounds(1)
        (docs / "b.txt").write_text("x", "utf-8")
        diary.wait_for_rounds(2)


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
def test_command_follows_a_folder_until_interrupted(docs, tmp_path, weights_cache):
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "rag.cli.main", "watch", "docs", "--embedded"],
        cwd=tmp_path, text=True, encoding="utf-8",
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    )  # fmt: skip
    with process, process.stdout as out:
        first = out.readline()
        (docs / "b.txt").write_text("two", "utf-8")
        second = out.readline()
        process.send_signal(signal.SIGINT)
        started = time.monotonic()
        code = process.wait(30)
        err = process.stderr.read()
    assert re.fullmatch(r"1 changed, 1 chunk, \d+\.\d s\n", first), err
    assert re.fullmatch(r"1 changed, 1 chunk, \d+\.\d s\n", second), err
    assert err.count("embedding with all-MiniLM-L6-v2") == 1
    assert code == 130
    assert time.monotonic() - started < 10
    assert "Traceback" not in err


def test_command_refuses_a_file_before_it_follows_anything(docs, monkeypatch, capsys):
    from rag.cli.main import main

    monkeypatch.chdir(docs)
    assert main(["watch", "a.txt", "--endpoint", "http://127.0.0.1:9"]) == 1
    err = capsys.readouterr().err
    assert "'a.txt' is a file" in err
    assert "following" not in err


def test_command_refuses_a_folder_that_never_was(tmp_path, monkeypatch, capsys, weights_cache):
    from rag.cli.main import main

    monkeypatch.chdir(tmp_path)
    assert main(["watch", "nowhere", "--embedded"]) == 1
    assert "there is no folder 'nowhere'" in capsys.readouterr().err


def test_removals_held_back_are_told_each_time_their_number_changes(tmp_path, capsys):
    rounds = new_rounds(tmp_path)
    told = []
    for number in (2, 2, 3, 0, 0):
        rounds.tell_held_back(tmp_path, IngestReport(held_back=("x",) * number, folder="docs"))
        told.append(capsys.readouterr().err.split(" documents")[0])
    assert told == ["error: 2", "", "error: 3", "", ""]
