"""The whole path with every connection beyond this machine refused, in all processes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
DATA = HERE.parent / "data" / "documents"
FILES = sum(path.is_file() for path in DATA.rglob("*"))  # One of them is a scan.


@pytest.fixture
def run_offline(tmp_path, weights_cache):
    paths = [str(HERE / "offline"), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "RAG_ENDPOINT": "embedded"}
    # A console that is no UTF-8 must not matter.
    environment |= {"PYTHONIOENCODING": "ascii:strict", "PYTHONUTF8": "0", "LC_ALL": "C"}

    def run(*arguments: str, script: str = "") -> subprocess.CompletedProcess[str]:
        start = ["-c", script] if script else ["-m", "rag.cli.main"]
        return subprocess.run(
            [sys.executable, *start, *arguments], cwd=tmp_path, env=environment,
            capture_output=True, encoding="ascii", timeout=240,
        )  # fmt: skip

    return run


def test_guard_refuses_what_it_should(run_offline):
    script = "import socket; socket.create_connection(('192.0.2.1', 80), 1)"
    done = run_offline(script=script)
    assert done.returncode != 0
    assert "NETWORK: " in done.stderr


def test_whole_path_needs_no_network(run_offline):
    for arguments, expected in (
        (("ingest", str(DATA), "--set", "ocr=off"), f"{FILES - 1} indexed"),
        (("status",), f"documents    {FILES - 1}"),
        (("ask", "How tight do the mast bolts of a Plover 22 have to be?"), "22 Nm"),
        (("models",), "all-MiniLM-L6-v2"),
        (("doctor",), "ok   privacy"),
    ):
        done = run_offline(*arguments)
        assert done.returncode == 0, done.stderr
        assert expected in done.stdout
        assert "NETWORK" not in done.stderr
