"""A small folder of hostile files through the whole stage, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ingest.base.errors import ParseError
from ingest.parse.base import failures

BENCHMARK = Path(__file__).parents[1] / "benchmarks" / "hostile.py"
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="its measures need POSIX")


@pytest.fixture(scope="module")
def found() -> dict:
    limits = ("--file-seconds", "3", "--page-seconds", "1", "--scale", "0.03", "--json")
    command = [sys.executable, "-W", "error", str(BENCHMARK), *limits, "--workers", "2"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stderr == ""
    return json.loads(done.stdout)


def test_every_hostile_file_has_an_outcome(found) -> None:
    assert found["tried"] >= 150
    assert found["without outcome"] == []
    assert found["outcomes"] >= found["tried"]
    assert found["hints missing"] == []


def test_every_good_file_is_found(found) -> None:
    assert found["good found"] == found["good"] == 20


def test_every_reason_is_a_code(found) -> None:
    kinds, codes = [ParseError], {"ok", "partial", "symlink", "special-file", "too-deep", "secret"}
    while kinds:
        kinds += (kind := kinds.pop()).__subclasses__()
        codes.add(kind.reason)
    assert failures.TimedOut.reason in codes
    assert set(found["reasons"]) <= codes


def test_memory_stays_bounded(found) -> None:
    assert found["parent MB"] - found["parent before MB"] < 300


def test_what_is_no_text_has_the_reason_one_would_expect(found) -> None:
    outcomes = found["by file"]
    expected = {
        "a terabyte.txt": "too-large", "a terabyte.pdf": "too-large", "pipe.txt": "special-file",
        "zero.txt": "symlink", "loop.txt": "symlink", "empty.txt": "empty", "nuls only.txt": "binary",
        "head only.pdf": "corrupt", "vanishing.txt": "unreadable", "vanishing.pdf": "unreadable", "latin-1.txt": "ok", "utf-16.txt": "ok", "one line of words.txt": "ok",
    }  # fmt: skip
    assert {name: outcomes[name] for name in expected} == expected
