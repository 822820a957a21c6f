"""Brings an index in line with a folder until its failpoint ends it; run by test_sync_model.

Arguments: folder, index folder, embedding model, "drain" or "catalogue", failpoint name, its count.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from token_embedder import TokenEmbedder

from ingest.base.documents import IngestReport
from ingest.base.ports import ChunkIndex
from ingest.parse.base.reading import Reading
from ingest.pipeline import Options, ingest_folder
from rag.index.base import failpoint
from rag.index.index import Index

Port: TypeAlias = Callable[[Index], ChunkIndex]

OPTIONS = Options(chunk_tokens=32, reading=Reading(ocr=False), workers=0)


def ingest(
    folder: Path,
    index_folder: Path,
    embedder: TokenEmbedder,
    *,
    drain: bool,
    port: Port = lambda index: index,
) -> IngestReport:
    """What `rag ingest` does, `port` standing between it and the index; returns its report."""
    manifest = embedder.manifest(OPTIONS.recipe)
    with Index.open_for_writing(index_folder, manifest, drain=drain) as index:
        report = ingest_folder(folder, embedder, port(index), OPTIONS)
    assert index.warnings == []
    return report


def main() -> None:
    folder, index_folder, model, way, name, count = sys.argv[1:]
    failpoint.arm(name, int(count))
    ingest(Path(folder), Path(index_folder), TokenEmbedder(model), drain=way == "drain")


if __name__ == "__main__":
    main()
