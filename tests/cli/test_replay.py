"""`rag replay` as a user types it: what changed since an answer."""

import json
import os
import re
import shutil

import pytest
from asked_server import AskedServer, write_documents

from rag.cli.main import main


@pytest.fixture(scope="module")
def server():
    with AskedServer().running() as running:
        yield running


@pytest.fixture(scope="module")
def ingested(tmp_path_factory, server):
    home = tmp_path_factory.mktemp("replay")
    docs = write_documents(home / "docs", 3)
    flags = ["--endpoint", server.url, "--set", "parse_workers=0", "--set", "refusal_threshold=0"]
    assert main(["ingest", str(docs), *flags, "--index", str(home / "index")]) == 0
    return home, flags


@pytest.fixture
def flags(tmp_path, ingested):
    """Flags for an index of one's own, of documents that all share."""
    home, flags = ingested
    shutil.copytree(home / "index", tmp_path / "index")
    return [*flags, "--index", tmp_path / "index"]


@pytest.fixture
def docs(ingested):
    """The folder of the documents, which is as it was when the test is over."""
    folder = ingested[0] / "docs"
    before = {path: (path.read_bytes(), path.stat()) for path in folder.iterdir()}
    yield folder
    for path, (content, status) in before.items():
        path.write_bytes(content)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_replay_tells_what_changed_and_what_did_not(run, flags, docs, server):
    code, _, err = run("ask", "What is the secret word of part 1?", *flags)
    assert code == 0
    [id] = re.findall(r"rag replay ([0-9a-f]{8})", err)
    code, out, _ = run("replay", *flags)
    assert code == 0
    assert "Nothing changed" in out
    (docs / "part-1.md").write_text("# Part 1\n\nThe secret word of part 1 is w9.", "utf-8")
    (docs / "part-2.md").unlink()
    assert run("ingest", docs, *flags)[0] == 0
    server.on("/v1/chat/completions", server.reply_as("It is gone [1]."))
    try:
        code, out, _ = run("replay", id[:5], *flags, "--set", "temperature=0.7")
        shown = json.loads(run("replay", id, "--json", *flags)[1])
    finally:
        server.on("/v1/chat/completions", server.reply)
    assert code == 3
    for said in ("settings  temperature: 0.1 → 0.7", "document  part-1.md was changed",
                 "document  part-2.md is not in the index any more", "passage   gone: "):  # fmt: skip
        assert said in out
    assert re.search(r"passage   changed: \[\d\](?: → \[\d\])? part-1.md", out)
    assert "new: " not in out
    assert "It is [-1-]{+gone+} [1]." in out
    assert shown["is_same"] is False
    assert shown["replay"]["before"]["answer"]["id"] == id
    assert shown["replay"]["now"]["answer"]["text"] == "It is gone [1]."


def test_files_that_were_changed_and_not_indexed_again_are_told(run, flags, docs):
    assert run("ask", "What is the secret word of part 1?", *flags)[0] == 0
    (docs / "part-0.md").touch()  # no other content
    assert run("replay", *flags)[0] == 0
    text = (docs / "part-1.md").read_text("utf-8")
    (docs / "part-1.md").write_text(text.replace("w1", "w9"), "utf-8")
    (docs / "part-2.md").unlink()
    code, out, _ = run("replay", *flags)
    assert code == 3
    assert "part-1.md was changed since it was indexed: rag ingest" in out
    assert "part-2.md was deleted since it was indexed: rag ingest" in out
    assert "part-0.md" not in out
    assert "The answer is the same." in out


def test_other_answer_is_shown_whole(run, flags, server):
    assert run("ask", "What is the secret word of part 1?", *flags)[0] == 0
    server.on("/v1/chat/completions", server.reply_as("Nobody knows of any such thing [1]."))
    try:
        _, out, _ = run("replay", *flags)
    finally:
        server.on("/v1/chat/completions", server.reply)
    assert "The answer was\nIt is 1 [1].\n\nThe answer is\nNobody knows of any" in out


def test_answers_are_listed_and_forgotten(run, flags):
    run("ask", "What of part 1?", *flags)
    run("ask", "What of part 2?", *flags)
    _, out, _ = run("replay", "--list", *flags)
    [newer, older] = out.splitlines()
    assert newer.endswith("What of part 2?")
    told = json.loads(run("replay", "--list", "--json", *flags)[1])
    assert [line["question"] for line in told] == ["What of part 2?", "What of part 1?"]
    for wrong in (("--forget",), (older[:8], "--list")):
        code, _, err = run("replay", *wrong, *flags)
        assert code == 2
        assert "fix:" in err
    with pytest.raises(SystemExit, match="2"):
        run("replay", older[:8], "--list", "--forget", *flags)
    assert len(run("replay", "--list", *flags)[1].splitlines()) == 2
    code, out, _ = run("replay", older[:8], "--forget", *flags)
    assert (code, out.strip()) == (0, f"forgot {older[:8]}")
    assert run("replay", "--list", *flags)[1].splitlines() == [newer]
    code, _, err = run("replay", older[:8], *flags)
    assert code == 1
    assert "rag replay --list" in err


def test_answers_are_not_kept_where_that_is_switched_off(run, flags, tmp_path):
    code, _, err = run("ask", "What of part 1?", *flags, "--set", "keep_answers=false")
    assert code == 0
    assert "rag replay" not in err
    assert not (tmp_path / "index" / "answers.sqlite").exists()
    code, _, err = run("replay", *flags)
    assert code == 1
    assert "no answer is kept" in err


def test_answer_that_cannot_be_kept_is_shown_with_a_warning(run, flags, tmp_path):
    (tmp_path / "index" / "answers.sqlite").mkdir()
    code, out, err = run("ask", "What of part 1?", *flags)
    assert code == 0
    assert "It is 1 [1]." in out
    assert "this answer is not kept" in err
