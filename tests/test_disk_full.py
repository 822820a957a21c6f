"""The disk is full at some point of an ingest: told in one line, and the next run completes it.

`tests/benchmarks/disk_full.py` tries more points, and a file system that is really full.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import stub_server
from token_embedder import token, vector

import rag
from rag.index.index import Index
from rag.index.verify import verify
from rag.pipeline import Pipeline
from rag.settings import Settings

BEFORE, AFTER = 20, 50
LIMITED = """
import sys
if int(sys.argv[1]):
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
from rag.cli.main import main
sys.exit(main(sys.argv[2:]))
"""


@dataclass
class Disk:
    """A folder of documents of which some are in an index, and the disk that the index is on."""

    home: Path
    url: str
    place: Path  # of the index that is written to when the disk is full

    def prepare(self) -> None:
        """Ingest the first documents, then write the others."""
        (self.home / "docs").mkdir()
        self.write(0, BEFORE)
        self.ingest(self.home / "first")
        self.write(BEFORE, AFTER)

    def write(self, first: int, last: int) -> None:
        for number in range(first, last):
            parts = [
                f"{token(number * 100 + n)} is a word that file {number} has." for n in range(40)
            ]
            text = "\n\n".join(parts) + "\n"
            (self.home / "docs" / f"{number}.txt").write_text(text, encoding="utf-8")

    def settings(self, index: Path) -> Settings:
        return Settings.load({
            "endpoint": self.url, "embedding_model": "text-embedding-stub-a", "chunk_tokens": 32,
            "index_dir": index, "cache_dir": self.home / "cache", "parse_workers": 0,
        })  # fmt: skip

    def ingest(self, index: Path) -> None:
        with Pipeline(self.settings(index)) as pipeline:
            pipeline.ingest(self.home / "docs")
            assert pipeline.warnings == []

    def begin(self) -> None:
        """Have the index of the first documents where the disk will be full."""
        shutil.rmtree(self.place / "index", ignore_errors=True)
        shutil.copytree(self.home / "first", self.place / "index")

    def run_full(self, limit_bytes: int = 0) -> bool:
        """Ingest the rest with no file longer than so much; return whether that was too little."""
        flags = ["--index", str(self.place / "index"), "--endpoint", self.url]
        for name in ("embedding_model=text-embedding-stub-a", "chunk_tokens=32", "parse_workers=0"):
            flags += ["--set", name]
        flags += ["--set", f"cache_dir={self.home / 'cache'}"]
        command = [
            sys.executable,
            "-c",
            LIMITED,
            str(limit_bytes),
            "ingest",
            str(self.home / "docs"),
        ]
        root = str(Path(rag.__file__).parents[1])
        done = subprocess.run(
            [*command, *flags], env={**os.environ, "PYTHONPATH": root}, cwd=self.home,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert "Traceback" not in done.stderr, done.stderr
        assert done.returncode in (0, 1), done.stderr
        if done.returncode:
            told = re.findall(r"^(error: .+)\n(fix: .+)$", done.stderr, re.MULTILINE)
            assert len(told) == 1, done.stderr
            assert re.search("space|disk", told[0][1]), done.stderr
        return done.returncode == 1

    def check_before(self) -> None:
        """Nothing that was acknowledged is lost."""
        self.ask(BEFORE)

    def check_after(self) -> None:
        """With room again, the next run completes what was begun."""
        self.ingest(self.place / "index")
        assert [finding for finding in verify(self.place / "index") if finding.damage] == []
        self.ask(AFTER)

    def ask(self, files: int) -> None:
        with Index.open_for_reading(self.place / "index", search="exact") as index:
            for number in range(files):
                for part in (0, 17, 39):
                    word = token(number * 100 + part)
                    (found, *_) = index.search(vector(word), 1)
                    assert word in found.chunk.text.split()


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Disk]:
    home = tmp_path_factory.mktemp("disk")
    (home / "place").mkdir()
    with stub_server.serving() as url:
        disk = Disk(home, url, home / "place")
        disk.prepare()
        yield disk


@pytest.mark.skipif(os.name == "nt", reason="needs a limit on the length of files")
@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_full_disk_is_told_and_nothing_is_lost(disk: Disk, part: int) -> None:
    lengths = sorted(path.stat().st_size for path in (disk.home / "first").rglob("*.sqlite*"))
    limit = random.Random(part).randint(part * lengths[-1] // 3, (part + 1) * lengths[-1] // 3)
    disk.begin()
    assert disk.run_full(limit)
    disk.check_before()
    disk.check_after()
