from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.discover.ignore import (
    IGNORE_FILE,
    MAX_RULES,
    Rules,
    Visible,
    is_hidden,
    is_of_a_tool,
    is_secret,
    read_rules,
)
from ingest.discover.scan import Looking, scan

NAMES = ["a", "b", "foo", "x.txt", "y.md", "keep.txt", "build"]
RULES = [
    "foo",
    "foo/",
    "/foo",
    "/foo/",
    "foo/**",
    "**/foo",
    "a/**/b",
    "/*",
    "*",
    "!*/",
    "*.txt",
    "!*.txt",
    "a/b/",
    "**/",
    "foo/*",
    "**/foo/**",
    "/**",
    "a/**/",
    "!keep.txt",
    "build",
    "!/a",
    "!a/",
    "b/*",
    "!b/foo",
    "[ab]",
    "?",
    "*.m[cd]",
    "a/*/b",
    "!foo",
    "x*",
    "**/b/x.txt",
    "!/a/",
    "a/",
    "!b/",
    "a/foo/",
    "/a/b",
    "*/foo",
    "!a/b/**",
    "#",
    "\\#a",
    "[z-a]",
    "[!a]",
]


def write(root: Path, *names: str, text: str = "text") -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def rules_of(folder: Path, *lines: str) -> Rules:
    write(folder, IGNORE_FILE, text="\n".join(lines))
    rules, problem, _ = read_rules(folder / IGNORE_FILE)
    assert problem == ""
    return Rules().below("", rules)


def ids(root: Path, **looking: bool) -> list[str]:
    return [source.id for source in scan(root, looking=Looking(**looking)).sources]


@pytest.mark.parametrize(
    ("lines", "path", "ignored"),
    [
        (["*.log"], "a/b/x.log", True),
        (["*.log"], "x.log.txt", False),
        (["/x.txt"], "a/x.txt", False),
        (["a/*.txt"], "a/x.txt", True),
        (["a/*.txt"], "b/a/x.txt", False),
        (["*.txt", "!keep.txt"], "a/keep.txt", False),
        (["!keep.txt", "*.txt"], "keep.txt", True),
        (["build/"], "build", False),
        (["a/**"], "a/b/c", True),
        (["a/**"], "a", False),
        (["**/c"], "a/b/c", True),
        (["*", "!*.md"], "x.md", False),
        (["\\!x"], "!x", True),
        (["\\#x"], "#x", True),
        (["# x", "", "  "], "x", False),
        (["x y  "], "x y", True),
    ],
)
def test_rules_are_those_of_gitignore(tmp_path, lines, path, ignored) -> None:
    assert rules_of(tmp_path, *lines).ignore(path, is_folder=False) is ignored


def test_rule_with_a_slash_at_the_end_is_for_folders(tmp_path) -> None:
    rules = rules_of(tmp_path, "build/")
    assert rules.ignore("a/build", is_folder=True)
    assert not rules.ignore("a/build", is_folder=False)


@pytest.mark.skipif(not shutil.which("git"), reason="compared with git itself")
@pytest.mark.parametrize("seed", range(12))
def test_scan_ignores_what_git_ignores(tmp_path, seed) -> None:
    chance = random.Random(seed)
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    for _ in range(40):
        path = tmp_path.joinpath(*chance.choices(NAMES, k=chance.randint(1, 4)))
        try:
            write(path.parent, path.name)
        except OSError:
            continue  # A file stands where a folder would have to.
    folders = [
        tmp_path,
        *(p for p in sorted(tmp_path.rglob("*")) if p.is_dir() and ".git" not in p.parts),
    ]
    for folder in chance.sample(folders, min(3, len(folders))):
        lines = "\n".join(chance.choices(RULES, k=5)) + "\n"
        write(folder, IGNORE_FILE, ".gitignore", text=lines)
    listed = subprocess.run(
        ["git", "ls-files", "-o", "-z", "--exclude-per-directory=.gitignore"],
        cwd=tmp_path, capture_output=True, check=True, text=True, encoding="utf-8",
    ).stdout.split("\0")  # fmt: skip
    theirs = sorted(name for name in listed if name and "ignore" not in name)
    assert ids(tmp_path) == theirs


def test_rules_further_down_win_and_ignored_folders_are_not_entered(tmp_path) -> None:
    write(tmp_path, "a.txt", "a.log", "deep/b.log", "deep/c.txt", "old/d.txt", "old/x/e.txt")
    write(tmp_path, IGNORE_FILE, text="*.log\nold/\n")
    write(tmp_path / "deep", IGNORE_FILE, text="!b.log\nc.txt\n")
    write(tmp_path / "old", IGNORE_FILE, text="!d.txt\n")
    seen = scan(tmp_path)
    assert [source.id for source in seen.sources] == ["a.txt", "deep/b.log"]
    assert seen.ignored == ("a.log", "deep/c.txt", "old/")


def test_gitignore_is_not_obeyed(tmp_path) -> None:
    write(tmp_path, "a.txt")
    write(tmp_path, ".gitignore", text="*.txt\n")
    assert ids(tmp_path) == ["a.txt"]


def test_names_with_backslashes_and_newlines_are_matched_as_they_are(tmp_path) -> None:
    if sys.platform == "win32":
        pytest.skip("no such names there")
    write(tmp_path, "new\nline.txt", "back\\slash.txt", "plain.txt")
    write(tmp_path, IGNORE_FILE, text="new?line.txt\nback\\\\slash.txt\n")
    assert ids(tmp_path) == ["plain.txt"]


def test_a_named_file_is_read_although_it_is_ignored(tmp_path) -> None:
    write(tmp_path, "a.txt")
    write(tmp_path, IGNORE_FILE, text="*.txt\n")
    assert [source.id for source in scan(tmp_path / "a.txt").sources] == ["a.txt"]


@pytest.mark.parametrize(
    "data",
    ["ümlaut.txt\n".encode("utf-16"), "\ufeffümlaut.txt\r\n".encode(), "ümlaut.txt".encode()],
    ids=["utf-16", "bom", "utf-8"],
)
def test_rules_are_read_in_the_encodings_of_editors(tmp_path, data) -> None:
    write(tmp_path, "ümlaut.txt", "a.txt")
    (tmp_path / IGNORE_FILE).write_bytes(data)
    seen = scan(tmp_path)
    assert [source.id for source in seen.sources] == ["a.txt"]
    assert seen.failures == ()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"*.log\n\xfcmlaut.txt\n", "not UTF-8"),
        (b"*.log\n!\n", "line 2"),
        (b"*.log\n*a*a*a*a*a*a*b\n", "line 2"),
        (b"*.log\n" + b"x" * 600 + b"\n", "line 2"),
        (b"*.log\n" * (MAX_RULES + 7), r"line 1001, 1002, 1003, 1004, 1005 \.\.\."),
    ],
    ids=["latin-1", "no rule", "costly", "long", "many"],
)
def test_damaged_rules_are_told_and_the_others_hold(tmp_path, data, says) -> None:
    write(tmp_path, "a.txt", "a.log")
    (tmp_path / IGNORE_FILE).write_bytes(data)
    seen = scan(tmp_path)
    assert [source.id for source in seen.sources] == ["a.txt"]
    (failure,) = seen.failures
    assert (failure.source_id, failure.reason) == (IGNORE_FILE, "ignore-file")
    assert re.search(says, failure.message)
    assert failure.hint


def test_huge_rules_are_told_and_not_applied(tmp_path) -> None:
    write(tmp_path, "a.txt")
    (tmp_path / IGNORE_FILE).write_bytes(b"*.txt\n" * 100_000)
    seen = scan(tmp_path)
    assert [source.id for source in seen.sources] == ["a.txt"]
    assert "not applied" in seen.failures[0].message


def test_hostile_rules_and_names_take_no_time(tmp_path) -> None:
    rules = rules_of(tmp_path, *["*a*a*a", "**/a*a*a/**/a*b", "a*/**/*a*a*b"] * 10)
    started = time.process_time()
    assert not rules.ignore("a" * 250 + "/" + "a" * 200 + "c", is_folder=False)
    assert time.process_time() - started < 5


@given(st.binary(max_size=400))
def test_rules_of_any_bytes_never_raise(tmp_path_factory, data) -> None:
    folder = tmp_path_factory.getbasetemp()
    (folder / "rules").write_bytes(data)
    rules, _, _ = read_rules(folder / "rules")
    Rules().below("", rules).ignore("a/b.txt", is_folder=False)


def test_names_of_secrets_are_known() -> None:
    files = (
        ".env",
        ".env.local",
        "id_rsa",
        "id_ed25519.pub",
        "x.PEM",
        "y.kdbx",
        ".netrc",
        ".npmrc",
    )
    assert all(is_secret(name) for name in files)
    assert is_secret(".ssh", is_folder=True)
    assert not any(is_secret(name) for name in ("id_cards.pdf", "key.txt", "environment.md"))
    assert not is_secret("id_cards", is_folder=True)
    assert is_hidden(".notes")
    assert not is_hidden(".env")
    assert is_of_a_tool("Thumbs.db")
    assert is_of_a_tool("~$open.docx")


def test_hidden_entries_are_counted_and_read_only_when_asked_for(tmp_path) -> None:
    write(tmp_path, "a.txt", ".notes.txt", ".folder/b.txt", ".git/c.txt", ".ssh/id_rsa", ".env")
    assert ids(tmp_path) == ["a.txt"]
    assert scan(tmp_path).hidden == 3
    seen = scan(tmp_path, looking=Looking(hidden_files=True))
    assert [source.id for source in seen.sources] == [".folder/b.txt", ".notes.txt", "a.txt"]
    assert [(f.source_id, f.reason) for f in seen.failures] == [
        (".env", "secret"),
        (".ssh", "secret"),
    ]


def test_virtual_environment_is_passed_over_whatever_it_is_called(tmp_path) -> None:
    write(tmp_path, "a.txt", "env311/pyvenv.cfg", "env311/lib/readme.txt")
    assert ids(tmp_path) == ["a.txt"]


def test_visible_agrees_with_the_scan(tmp_path) -> None:
    write(
        tmp_path, "a.txt", "a.log", "deep/b.log", "deep/c.txt", "old/d.txt", ".x/y.txt", "n/.z.txt"
    )
    write(tmp_path, IGNORE_FILE, text="*.log\nold/\n")
    write(tmp_path / "deep", IGNORE_FILE, text="!b.log\nc.txt\n")
    visible = Visible(tmp_path)
    files = [p for p in tmp_path.rglob("*") if p.is_file() and p.name != IGNORE_FILE]
    shown = sorted(p.relative_to(tmp_path).as_posix() for p in files if visible.shows(p))
    assert shown == ids(tmp_path) == ["a.txt", "deep/b.log"]
    assert visible.shows(tmp_path / "deep" / IGNORE_FILE)
    assert visible.shows(tmp_path / "gone.txt")
    assert not visible.shows(tmp_path / "old" / IGNORE_FILE)
    assert Visible(tmp_path, hidden_files=True).shows(tmp_path / "n" / ".z.txt")
    assert visible.shows(Path(os.sep) / "elsewhere" / "x.txt")
