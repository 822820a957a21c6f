from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import fields, replace
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.base.documents import Document, Heading, Page, Source, Table
from ingest.base.errors import ParseError, PipelineError
from ingest.parse.base import frames
from ingest.parse.base.reading import Reading
from ingest.parse.pool import read_documents
from ingest.parse.read import read_document

ODD = (str(Path(__file__).with_name("odd_worker.py")),)
READING = Reading(file_seconds=2.0, page_seconds=0.5, memory_bytes=1 << 30)
linux = pytest.mark.skipif(sys.platform != "linux", reason="memory is bounded on Linux only")
posix = pytest.mark.skipif(sys.platform == "win32", reason="signals")


@pytest.fixture
def put(tmp_path: Path, source_of):
    """Return the sources of files with these contents, none of them plain text by its name."""

    def write(*contents: str) -> list[Source]:
        sources = []
        for number, content in enumerate(contents):
            path = tmp_path / f"{number:03d}.pdf"
            path.write_text(content, encoding="utf-8")
            sources.append(source_of(path))
        return sources

    return write


@pytest.fixture(autouse=True)
def nothing_is_left():
    """No test may leave a thread or a process of its own behind."""
    before = set(threading.enumerate())
    yield
    left = [thread for thread in threading.enumerate() if thread not in before]
    assert [thread.name for thread in left] == []
    assert children() == []


def children() -> list[int]:
    if sys.platform != "linux":
        return []
    tasks = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    pids = [int(pid) for task in tasks for pid in task.read_text().split()]
    return [pid for pid in pids if b"worker" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def read_all(sources: list[Source], workers: int = 1, reading: Reading = READING):
    """What becomes of each source, by its number."""
    outcomes = dict(read_documents(sources, reading, workers, ODD))
    assert len(outcomes) == len(sources)
    return [outcomes[source] for source in sources]


def reasons(outcomes) -> list[str]:
    return [outcome.reason if isinstance(outcome, ParseError) else "" for outcome in outcomes]


def test_what_a_process_reads_is_what_would_be_read_here(tmp_path: Path, source_of) -> None:
    page = tmp_path / "page.html"
    page.write_text("<h1>Rooms</h1><p>Ask.<table><tr><th>a<tr><td>1</table>", encoding="utf-8")
    source = source_of(page)
    ((_, document),) = read_documents([source], Reading(), 1)
    assert document == read_document(source)


def test_every_field_of_a_document_comes_across(put) -> None:
    source, *_ = sources = put("some pages text surrogate")
    (document,) = read_all(sources)
    assert document == Document(
        source,
        "f" * 64,
        "title",
        "some\ntext\nhalf \ud83d a pair \ud800\udc00",
        (Page(0, "p. 0", 0.5, ("glued", "ocr")), Page(1, "p. 1", 0.5, ("glued", "ocr"))),
        (Heading(0, 1, "h"),),
        (Table(0, 1, "a | b"),),
        ("n",),
        "e",
    )
    empty = Document(source, "", "", "")
    values = [
        getattr(document, field.name) != getattr(empty, field.name) for field in fields(empty)
    ]
    assert sum(values) == len(values) - 1, "this test leaves out a field"


@given(st.text(), st.binary(max_size=50))
def test_any_text_and_any_name_survive(text: str, name: bytes) -> None:
    path = Path("/") / os.fsdecode(name.replace(b"\0", b"").replace(b"/", b"") or b"x")
    source = Source(text, text, path, text, 1, 2)
    message = frames.pack_request(source, replace(Reading(), passwords=(text,)), {1: text, 2: None})
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, "rb") as reader, os.fdopen(write_end, "wb") as writer:
        frames.write_frame(writer, message)
        received = frames.read_frame(reader)
    again, reading, texts = frames.unpack_request(received)
    assert again == source
    assert reading == Reading(passwords=(text,))
    assert texts == {1: text, 2: None}


def test_every_refusal_comes_across_as_its_class() -> None:
    kinds, seen = [ParseError], set()
    while kinds:
        kind = kinds.pop()
        kinds += kind.__subclasses__()
        error = kind("what", "do")
        error.fingerprint = "f"
        again = frames.unpack_error(frames.pack_error(error))
        assert (again.reason, again.message, again.hint) == (kind.reason, "what", "do")
        assert again.fingerprint == "f"
        assert isinstance(error, type(again))
        seen.add(again.reason)
    assert {"corrupt", "timeout", "memory", "crash", "encrypted", "empty"} <= seen


def test_refusals_are_outcomes(put) -> None:
    outcomes = read_all(put("refuse", "pages blank", "fine"))
    assert reasons(outcomes) == ["encrypted", "no-text", ""]
    assert outcomes[0].fingerprint == ""


def test_a_file_that_hangs_is_ended_and_costs_no_other(put) -> None:
    started = time.monotonic()
    sources = put("good1", "hang", "good2", "spin", "good3")
    outcomes = read_all(sources, reading=replace(READING, file_seconds=0.6))
    assert reasons(outcomes) == ["", "timeout", "", "timeout", ""]
    assert all(outcome.fingerprint == "f" * 64 for outcome in outcomes)
    assert all(o.hint for o in outcomes if isinstance(o, ParseError))
    assert 1.2 < time.monotonic() - started < 10


def test_a_slow_file_holds_up_no_other(put) -> None:
    sources = put("sleep=1.5", *(f"f{n}" for n in range(20)))
    finished = [source.id for source, _ in read_documents(sources, READING, 2, ODD)]
    assert finished[-1] == "000.pdf"


@pytest.mark.parametrize("word", ["hang", "exit", "segfault"])
def test_a_page_that_breaks_the_process_costs_only_itself(put, word: str) -> None:
    (document,) = read_all(put(f"top pages one two {word} four"))
    assert document.text == "top\none\ntwo\n-\nfour"


def test_pages_are_not_read_twice(put) -> None:
    (document,) = read_all(put("pages pid pid exit pid"))
    first, second, _, fourth = document.text.split()
    assert first == second != fourth


def test_a_file_with_many_bad_pages_is_given_up_and_what_was_read_is_kept(put) -> None:
    started = time.monotonic()
    (document,) = read_all(put("pages one" + " hang" * 50 + " last"))
    assert document.text.startswith("one")
    assert "only 1 pages were read" in document.notes[0]
    assert document.pages[1].findings == ("timeout",)
    assert document.fingerprint == "f" * 64
    assert time.monotonic() - started < 10


def test_a_file_of_which_no_page_could_be_read_has_the_reason(put) -> None:
    outcomes = read_all(put("pages hang", "pages exit blank", "pages blank"))
    assert reasons(outcomes) == ["timeout", "crash", "no-text"]


def test_a_file_that_hangs_after_its_pages_keeps_them(put) -> None:
    (document,) = read_all(
        put("pages one two end hang"), reading=replace(READING, file_seconds=0.7)
    )
    assert document.text == "one\n\ntwo"
    assert [page.start for page in document.pages] == [0, 5]


def test_many_slow_pages_together_are_bounded(put) -> None:
    reading = Reading(file_seconds=1.0, page_seconds=1.0)
    started = time.monotonic()
    (document,) = read_all(put("pages" + " sleep=0.2" * 100), reading=reading)
    assert "only" in document.notes[0]
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("words", ["segfault", "exit", "pages exit"])
def test_a_crash_is_a_reason(put, words: str) -> None:
    assert reasons(read_all(put(words, "fine"))) == ["crash", ""]


@linux
@pytest.mark.parametrize("words", ["memory", "killed"])
def test_too_much_memory_is_a_reason(put, words: str) -> None:
    outcomes = read_all(put(words, "fine"), reading=replace(READING, memory_bytes=600_000_000))
    assert reasons(outcomes) == ["memory", ""]
    assert "600 MB" in outcomes[0].message


def test_what_a_library_prints_or_asks_for_is_not_heard(put) -> None:
    (document,) = read_all(put("print ask fine"))
    assert document.text == "print\nask\nfine"


def test_a_process_reads_many_files_and_is_replaced_when_worn(put) -> None:
    outcomes = read_all(put(*["pid"] * 310))
    pids = [outcome.text for outcome in outcomes]
    assert len(set(pids)) == 2


def test_reading_stays_a_little_ahead(put) -> None:
    sources = put(*["fine"] * 25)
    with contextlib.closing(read_documents(sources, READING, 2, ODD)) as outcomes:
        list(islice(outcomes, 3))
        time.sleep(1.0)
        assert Path(sources[20].path).exists()
        for source in sources[9:]:
            source.path.unlink()
        rest = [outcome for _, outcome in outcomes]
    # What was read ahead is still there, the rest was not opened yet.
    assert sum(isinstance(outcome, Document) for outcome in rest) <= 6


def test_text_that_waits_is_bounded(put) -> None:
    sources = put(*["long"] * 12)
    with contextlib.closing(read_documents(sources, READING, 4, ODD)) as outcomes:
        next(outcomes)
        time.sleep(1.0)
        for source in sources[8:]:
            source.path.unlink()
        next(outcomes)
        time.sleep(0.5)
        assert sum(isinstance(o, Document) for _, o in outcomes) == 6


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_an_error_of_who_takes_the_documents_ends_everything_at_once(put, error) -> None:
    started = time.monotonic()
    documents = read_documents(put("one", *["hang"] * 10), Reading(), 2, ODD)
    next(documents)
    with pytest.raises(error), contextlib.closing(documents):
        raise error
    assert time.monotonic() - started < 5


def test_a_program_that_does_not_start_is_an_error_of_the_run(put, tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="does not start") as caught:
        list(read_documents(put("x"), READING, 1, (str(tmp_path / "missing.py"),)))
    assert "RAG_PARSE_WORKERS" in caught.value.hint
    assert not isinstance(caught.value, ParseError)


def test_small_plain_files_need_no_process(tmp_path: Path, source_of) -> None:
    (tmp_path / "a.txt").write_text("text", encoding="utf-8")
    (tmp_path / "b.md").write_text("# Title", encoding="utf-8")
    sources = [source_of(tmp_path / name) for name in ("a.txt", "b.md")]
    missing = (str(tmp_path / "missing.py"),)
    assert [d.text for _, d in read_documents(sources, READING, 1, missing)] == ["text", "# Title"]


def test_a_text_file_that_is_something_else_goes_to_a_process(tmp_path: Path, source_of) -> None:
    (tmp_path / "a.txt").write_bytes(b"<html><body>hang</body></html>")
    (tmp_path / "b.txt").write_bytes(b"%PDF-1.4 good")
    sources = [source_of(tmp_path / name) for name in ("a.txt", "b.txt")]
    outcomes = dict(read_documents(sources, READING, 1, ODD))
    assert all(outcome.title == "title" for outcome in outcomes.values())


def test_without_workers_everything_is_read_here_in_order(tmp_path: Path, source_of) -> None:
    for name in ("a.html", "b.txt", "c.pdf"):
        (tmp_path / name).write_text(f"<html>{name}", encoding="utf-8")
    sources = [source_of(tmp_path / name) for name in ("a.html", "b.txt", "c.pdf")]
    outcomes = list(read_documents(sources, READING, 0, ("missing.py",)))
    assert [source for source, _ in outcomes] == sources


PARENT = """
import sys
from pathlib import Path
from ingest.base.documents import Source
from ingest.parse.base.reading import Reading
from ingest.parse.pool import read_documents
path = Path(sys.argv[2])
source = Source("a.pdf", "/", path, "application/pdf", 1, 1)
print("go", flush=True)
for _ in read_documents([source] * 2, Reading(), 2, (sys.argv[1],)):
    pass
"""


@posix
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
@pytest.mark.parametrize("what", ["hang", "spin"])
def test_processes_end_with_their_parent(tmp_path: Path, how, what: str) -> None:
    (tmp_path / "parent.py").write_text(PARENT, encoding="utf-8")
    (tmp_path / "a.pdf").write_text(what, encoding="utf-8")
    command = [sys.executable, str(tmp_path / "parent.py"), *ODD, str(tmp_path / "a.pdf")]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    with parent:
        parent.stdout.readline()
        workers = wait_for(lambda: (found := find_workers(parent.pid))[1:] and found)
        started = time.monotonic()
        parent.send_signal(how)
        parent.wait(10)
        wait_for(lambda: not any(is_alive(pid) for pid in workers))
        assert time.monotonic() - started < 5


def wait_for(condition):
    deadline = time.monotonic() + 10
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)
    return found


def find_workers(parent: int) -> list[int]:
    listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True)
    pairs = [tuple(map(int, line.split())) for line in listed.stdout.splitlines()]
    return [pid for pid, ppid in pairs if ppid == parent]


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with contextlib.suppress(OSError):
        return " Z" not in Path(f"/proc/{pid}/stat").read_text()[:60]
    return True


def test_a_script_without_a_main_guard_is_not_run_again(tmp_path: Path) -> None:
    (tmp_path / "parent.py").write_text(PARENT, encoding="utf-8")
    (tmp_path / "a.pdf").write_text("fine", encoding="utf-8")
    command = [sys.executable, str(tmp_path / "parent.py"), *ODD, str(tmp_path / "a.pdf")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=30)
    assert (done.returncode, done.stdout, done.stderr) == (0, "go\n", "")
