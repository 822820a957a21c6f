from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from synthetic import manifest

from rag.index.base.errors import IndexLocked
from rag.index.index import Index

HOLD = """
import sys, pathlib
from rag.index.base.lock import Lock, WRITER
lock = Lock(pathlib.Path(sys.argv[1]), WRITER)
lock.acquire("rag ingest /my documents")
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path: Path, python_environment: dict[str, str]):
    Index.open_for_writing(tmp_path / "index", manifest()).close()
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "index")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=python_environment,
    )
    assert process.stdout.readline().strip() == b"held"
    yield process
    process.kill()
    process.communicate()


@pytest.mark.parametrize("spelling", ["absolute", "relative", "symlink", "dots"])
def test_a_second_writer_is_refused_at_once_with_the_holder(
    tmp_path: Path, holder, spelling: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if spelling == "symlink":
        try:
            (tmp_path / "link").symlink_to(tmp_path / "index", target_is_directory=True)
        except OSError:
            pytest.skip("no right to make links")
    path = {
        "absolute": tmp_path / "index",
        "relative": Path("index"),
        "symlink": Path("link"),
        "dots": tmp_path / "index" / ".." / "index",
    }[spelling]
    start = time.monotonic()
    with pytest.raises(IndexLocked, match=f"process {holder.pid} .rag ingest /my documents"):
        Index.open_for_writing(path, manifest())
    assert time.monotonic() - start < 1
    assert IndexLocked.exit_code == 75


def test_two_writers_in_one_process_are_refused_too(tmp_path: Path) -> None:
    with (
        Index.open_for_writing(tmp_path, manifest(), command="rag ingest here"),
        pytest.raises(IndexLocked, match=f"process {os.getpid()} .rag ingest here"),
    ):
        Index.open_for_writing(tmp_path, manifest())
    Index.open_for_writing(tmp_path, manifest()).close()


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no kill -9 on this system")
def test_a_killed_holder_frees_the_lock(tmp_path: Path, holder) -> None:
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    Index.open_for_writing(tmp_path / "index", manifest()).close()
