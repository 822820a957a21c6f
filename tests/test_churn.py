"""What is unchanged costs nothing, what is changed costs itself, what is gone takes no room."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from token_embedder import TokenEmbedder, token, tokens_of

from ingest.pipeline import ingest_folder
from rag.index.index import Index

sys.path.insert(0, str(Path(__file__).parent / "benchmarks"))

from churn import OPTIONS, churn

FILES = 200
LONG = "which says a little more than that so that it fills a chunk on its own."


def paragraphs(number: int, count: int = 3) -> list[str]:
    return [
        f"{token(number * 10 + n)} is the word of part {n} of the file with the number {number}, {LONG}"
        for n in range(count)
    ]


def write(docs: Path, number: int, parts: list[str]) -> None:
    (docs / f"{number}.txt").write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def test_unchanged_files_cost_nothing_and_a_changed_one_costs_its_own_chunks(
    tmp_path: Path,
) -> None:
    (docs := tmp_path / "docs").mkdir()
    for number in range(FILES):
        write(docs, number, paragraphs(number))
    time.sleep(2.1)  # so that size and time prove that a file is the same

    def ingest() -> tuple[TokenEmbedder, object, int, list[str]]:
        embedder = TokenEmbedder()
        manifest = embedder.manifest(OPTIONS.recipe)
        with Index.open_for_writing(tmp_path / "index", manifest, drain=False) as index:
            before = index._catalogue.state()[1]
            report = ingest_folder(docs, embedder, index, OPTIONS)
            rows = index._catalogue.state()[1] - before
            told = [key for _, key, _ in index._catalogue.pending()]
        return embedder, report, rows, told

    _, first, _, _ = ingest()
    assert (len(first.ingested), first.chunks) == (FILES, 3 * FILES)

    embedder, second, rows, told = ingest()
    assert (embedder.asked, rows) == ([], 0)
    assert (second.unchanged, second.ingested) == (FILES, ())

    parts = paragraphs(7)
    parts[1] = (
        f"{token(5_000_000)} is the word that the second part of this file has now instead, {LONG}"
    )
    write(docs, 7, parts)
    embedder, third, rows, later = ingest()
    assert [tokens_of(text) for text in embedder.asked] == [[token(5_000_000)]]
    assert (third.ingested, third.unchanged) == (("7.txt",), FILES - 1)
    # The vector that goes, and the one that comes; the parts that stay are not told again.
    assert len(later) - len(told) == 2
    assert rows < 30


def test_churn_leaves_no_more_on_disk_than_a_fresh_index_has(tmp_path: Path) -> None:
    told = churn(tmp_path, 10, 60, drain_each=False)
    assert told.grown > told.compacted
    assert told.compacted <= 1.5 * told.fresh
