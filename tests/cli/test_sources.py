"""`rag list` and `rag show`: what is in the index, and what it sees of one file."""

import json
import re
from pathlib import Path

import pytest

from ingest.base.documents import Chunk
from rag.cli.commands.sources import text_of
from rag.cli.main import main

DATA = Path(__file__).parents[2] / "data" / "documents"


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("RAG_ENDPOINT", "RAG_INDEX_DIR", "RAG_COLLECTION"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def index(tmp_path_factory, weights_cache) -> Path:
    """An index of the sample documents, and of a folder with what is hard to show."""
    folder = tmp_path_factory.mktemp("index")
    odd = tmp_path_factory.mktemp("odd")
    (odd / "empty.txt").write_bytes(b"")
    (odd / "leave.md").write_text("# Leave\n\nFirst line.\n\nSecond\x1b[31m line.\n", "utf-8")
    (odd / "deep").mkdir()
    (odd / "deep" / "table.md").write_text("Text.\n\n| a | b |\n|---|---|\n| 1 | 2 |\n", "utf-8")
    (odd / "photo.png").write_bytes(b"x")
    flags = ("--embedded", "--index", str(folder))
    assert main(["ingest", str(DATA), *flags, "--set", "ocr=off"]) == 0
    assert main(["ingest", str(odd), "--collection", "odd", *flags]) == 0
    return folder


@pytest.fixture
def run(capsys, index):
    def run(*arguments: object) -> tuple[int, str, str]:
        code = main([*map(str, arguments), "--index", str(index)])
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return code, captured.out, captured.err

    return run


def test_list_shows_every_document_and_totals(run):
    code, out, _ = run("list")
    assert code == 0
    assert f"{DATA} (default)" in out
    assert re.search(
        r"^  workshop/plover-service-manual\.pdf +pdf +\d+ kB +7 +\d+ .*ok$", out, re.M
    )
    assert re.search(r"^  empty\.txt .*empty: the file is empty$", out, re.M)
    assert re.search(r"^  photo\.png .*unsupported: .+$", out, re.M)
    assert re.search(
        r"^\d+ documents, \d+ skipped, \d+ pages, \d+ chunks, \d+ kB$", out.splitlines()[-1]
    )


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        (".PDF", r".*\.pdf$"),
        ("workshop/*", "workshop/"),
        ("leave", ".*leave"),
    ],
)
def test_list_takes_the_patterns_of_ask(run, pattern, names):
    told = json.loads(run("list", pattern, "--json")[1])
    found = [document["id"] for document in told["documents"]]
    assert found
    assert all(re.match(names, name) for name in found)
    assert told["totals"]["documents"] + told["totals"]["skipped"] == len(found)


def test_list_of_nothing_is_told(run):
    code, _, err = run("list", "*.nothing")
    assert code == 1
    assert "matches '*.nothing'" in err
    assert "fix:" in err


def test_list_keeps_to_a_collection(run):
    out = run("list", "--collection", "odd")[1]
    assert "deep/table.md" in out
    assert "plover" not in out
    code, _, err = run("list", "--collection", "nosuch")
    assert code == 1
    assert "it has: default, odd" in err


@pytest.mark.parametrize(
    "name", ["workshop/faq.md", "faq.md", DATA / "workshop" / "faq.md"], ids=["id", "end", "path"]
)
def test_show_finds_a_file_by_path_id_and_ending(run, name):
    code, out, _ = run("show", name)
    assert code == 0
    assert f"file       {DATA}/workshop/faq.md" in out
    assert "encoding   utf-8" in out


def test_show_prints_all_words_of_the_file_in_order(run):
    words = (DATA / "workshop" / "faq.md").read_text("utf-8").split()
    text = json.loads(run("show", "faq.md", "--json")[1])["text"]
    assert text.split() == words
    assert "\n\n" in text


def test_show_of_several_names_them(run):
    code, _, err = run("show", "leave.md")
    assert code == 0  # "leave.md" is the whole id of one, only the end of the other.
    code, _, err = run("show", "ave.md")
    assert code == 1
    assert "not in the index" in err


def test_show_of_an_ambiguous_ending_lists_the_candidates(run, tmp_path, index):
    for folder in ("one", "two"):
        (tmp_path / folder / "sub").mkdir(parents=True)
        (tmp_path / folder / "sub" / "same.md").write_text(f"# {folder}\n\nText.", "utf-8")
        assert run("ingest", folder, "--embedded")[0] == 0
    code, _, err = run("show", "same.md")
    assert code == 1
    assert "any of 2 documents" in err
    assert f"{tmp_path}/one/sub/same.md, {tmp_path}/two/sub/same.md" in err
    assert run("show", tmp_path / "two" / "sub" / "same.md")[0] == 0
    for folder in ("one", "two"):
        assert run("remove", tmp_path / folder)[0] == 0


def test_show_of_a_page_keeps_to_it(run):
    manual = "plover-service-manual.pdf"
    whole = json.loads(run("show", manual, "--json")[1])["text"]
    page = json.loads(run("show", manual, "--page", "3", "--json", "--chunks")[1])
    assert "Mast flange bolts" in page["text"]
    assert page["text"] in whole
    assert len(page["text"]) < len(whole) / 2
    assert page["chunks"]
    code, _, err = run("show", manual, "--page", "9")
    assert code == 1
    assert "has 7 pages" in err
    assert "has no pages" in run("show", "faq.md", "--page", "1")[2]


def test_show_of_passages_tells_their_place_and_size(run):
    out = run("show", "plover-service-manual.pdf", "--page", "3", "--chunks")[1]
    assert re.search(r"^\[\d+\] \d+ tokens, characters \d+ to \d+, p\. 3$", out, re.M)
    assert "3 Tools and tightening torques › 3.1 Torques" in out


def test_show_of_a_skipped_file_tells_why(run):
    for name, reason in (("empty.txt", "empty"), ("photo.png", "unsupported")):
        code, out, _ = run("show", name)
        assert code == 0
        assert re.search(rf"^skipped    {reason}: .+\n +fix: .+", out, re.M)


def test_show_of_what_is_not_there_says_what_to_do(run):
    code, _, err = run("show", "nothing.md")
    assert code == 1
    assert "'nothing.md' is not in the index" in err
    assert "rag list" in err


def test_shown_text_moves_no_cursor(run):
    documents = json.loads(run("list", "--collection", "odd", "--json")[1])["documents"]
    (leave,) = [d for d in documents if d["id"] == "leave.md"]
    out = run("show", f"{leave['root']}/leave.md")[1]
    assert "Second" in out
    assert "\x1b" not in out


def chunk(text: str, start: int) -> Chunk:
    return Chunk("c", "d", 0, text, start, start + len(text), 1, None, "")


def test_text_is_put_together_with_blanks_where_nothing_was():
    chunks = [chunk("one", 2), chunk("two", 6), chunk("three", 14)]
    assert text_of(chunks) == "one\ntwo\n\nthree"
    assert text_of(chunks, 4, 16) == "e\ntwo\n\nth"
    assert text_of([chunk("abcd", 0), chunk("cdef", 2)]) == "abcdef"
    assert text_of([]) == ""
