"""Deletes a folder's files and adds others, again and again: does disk or time grow?

    python tests/benchmarks/churn.py [--rounds 10] [--files 200]

Each round is an ingest of an empty folder and one of new files, Chroma told of both.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS.parent), str(TESTS)]

from token_embedder import TokenEmbedder, token

from ingest.pipeline import Options, ingest_folder
from rag.index.index import Index
from rag.index.projection.generations import count_bytes
from rag.index.repair import compact

OPTIONS = Options(chunk_tokens=32, remove_many=True, workers=0)


@dataclass
class Churned:
    """What `churn` measured: seconds of each round, bytes fresh, at the end, after compacting."""

    seconds: list[float] = field(default_factory=list)
    fresh: int = 0
    grown: int = 0
    compacted: int = 0


def fill(docs: Path, files: int, first: int) -> None:
    """Put as many files into a folder, no text of which was there before."""
    for number in range(files):
        tokens = [token(first + number * 10 + n) for n in range(10)]
        parts = [
            f"{word} is one of the words that stand in this file and no other." for word in tokens
        ]
        (docs / f"{number}.txt").write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def ingest(docs: Path, folder: Path, *, drain: bool) -> None:
    embedder = TokenEmbedder(batch_size=64)
    with Index.open_for_writing(folder, embedder.manifest(OPTIONS.recipe), drain=drain) as index:
        ingest_folder(docs, embedder, index, OPTIONS)
    assert index.warnings == []


def churn(home: Path, rounds: int, files: int, *, drain_each: bool) -> Churned:
    """Fill and empty a folder; with `drain_each` Chroma is told each time, else at the end."""
    docs = home / "docs"
    docs.mkdir()
    told = Churned()
    for number in range(rounds):
        started = time.perf_counter()
        if number:
            for path in docs.iterdir():
                path.unlink()
            ingest(docs, home / "index", drain=drain_each)
        fill(docs, files, number * files * 10)
        ingest(docs, home / "index", drain=drain_each or number == 0)
        told.seconds.append(time.perf_counter() - started)
        if number == 0:
            compact(home / "index")
            told.fresh = count_bytes(home / "index")
    ingest(docs, home / "index", drain=True)
    told.grown = count_bytes(home / "index")
    compact(home / "index")
    told.compacted = count_bytes(home / "index")
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--files", type=int, default=200)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        told = churn(Path(home), asked.rounds, asked.files, drain_each=True)
    print("seconds of each round", *(f"{s:.1f}" for s in told.seconds))
    # The first round only adds, the others also delete.
    print(f"last round / second round {told.seconds[-1] / told.seconds[1]:.2f}")
    print(f"disk fresh {told.fresh / 1e6:.1f} MB, grown {told.grown / 1e6:.1f} MB "
          f"({told.grown / told.fresh:.2f}x), compacted {told.compacted / 1e6:.1f} MB "
          f"({told.compacted / told.fresh:.2f}x)")  # fmt: skip


if __name__ == "__main__":
    main()
