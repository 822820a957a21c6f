"""Measure how a folder of documents is cut: chunks, tokens, cuts inside sentences, speed.

    python tests/benchmarks/chunking.py data/documents [TOKENS]

TOKENS is the limit of a chunk, 250 unless given.  Tokens are the safe estimate for a model whose
tokenizer is not known; the seconds are processor time of cutting alone, the least of three runs.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

from ingest import ParseError
from ingest.base.documents import Chunk, Document, Source
from ingest.chunk import chunk_document
from ingest.health import count_split
from ingest.parse.base.media import media_type_of
from ingest.parse.base.reading import Reading
from ingest.parse.read import read_document
from ingest.tokens import estimate_tokens


def count(texts: Sequence[str]) -> list[int]:
    return [estimate_tokens(text) for text in texts]


def read(path: Path, root: Path) -> Document | None:
    name = path.relative_to(root).as_posix()
    size = path.stat().st_size
    try:
        source = Source(name, str(root), path, media_type_of(path.name), size, 1)
        return read_document(source, Reading())
    except ParseError as error:
        print(f"  {name}: {error}")
        return None


def cut(documents: Sequence[Document], limit: int) -> tuple[list[list[Chunk]], float]:
    estimate_tokens("The vocabulary is loaded before the clock starts.")
    best = float("inf")
    for _ in range(3):
        started = time.process_time()
        chunks = [chunk_document(document, limit, count, "benchmark") for document in documents]
        best = min(best, time.process_time() - started)
    return chunks, best


def main(arguments: Sequence[str]) -> None:
    root, limit = Path(arguments[0]), int([*arguments, "250"][1])
    files = sorted(path for path in root.rglob("*") if path.is_file())
    documents = [document for path in files if (document := read(path, root))]
    cuts, seconds = cut(documents, limit)
    chunks = [chunk for each in cuts for chunk in each]
    split = sum(map(count_split, documents, cuts))
    characters = sum(len(document.text) for document in documents)
    print(f"{len(documents)} documents, {characters / 1e6:.2f} million characters")
    print(f"  chunks                  {len(chunks)}")
    print(f"  tokens, mean            {fmean(chunk.tokens for chunk in chunks):.0f} of {limit}")
    print(f"  end inside a sentence   {split}  ({split / len(chunks):.1%})")
    print(f"  begin inside a table    {sum(bool(chunk.columns) for chunk in chunks)}")
    print(f"  chunks a second         {len(chunks) / seconds:.0f}")


if __name__ == "__main__":
    main(sys.argv[1:])
