"""Indexes made by ingestion itself, with an embedder of words, for the tests of their upkeep."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy

from ingest.base.errors import PipelineError, TextsRejected
from ingest.pipeline import Options, ingest_folder
from rag.index.index import Index
from rag.index.manifest import PROBE_TEXT, Manifest

TEXTS = {
    "boats/plover.md": "# Plover\n\nThe mast is red.\n\n## Bolts\n\nThe bolts want 22 Nm.\n",
    "boats/heron.md": "# Heron\n\nThe keel is lead.\n\n## Sails\n\nThe sails are tan.\n",
    "town/mayor.md": "# Town\n\nThe mayor is Greta Halvorsen.\n",
    "town/rent.txt": "The rent of the workshop is 400 euro a month.\n",
}
QUESTIONS = ("What colour is the mast?", "Who is the mayor?", "What is the rent of the workshop?")


@dataclass
class WordEmbedder:
    """An `ingest.base.ports.Embedder`: texts that share words are near each other.

    It refuses what has `poison` in it, and fails for good after `dies_after` texts.
    """

    model: str = "words-a"
    dimension: int = 32
    token_limit: int = 100
    poison: str = ""
    dies_after: int = 1_000_000
    batch_size: int = 8
    batch_tokens: int = 4000
    in_flight: int = 1
    asked: list[str] = field(default_factory=list)

    @property
    def identity(self) -> str:
        return f"{self.model}|{self.dimension}|"

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(text.split()) for text in texts]

    def unknown_share(self, texts: Sequence[str]) -> float | None:
        return None

    def embed(self, texts: Sequence[str]) -> numpy.ndarray:
        if len(self.asked) + len(texts) > self.dies_after:
            raise PipelineError("the server went away", "start it again")
        self.asked.extend(texts)
        bad = {i: "it is poison" for i, t in enumerate(texts) if self.poison and self.poison in t}
        rows = [self.vector(text) for i, text in enumerate(texts) if i not in bad]
        vectors = numpy.stack(rows) if rows else numpy.zeros((0, self.dimension), numpy.float32)
        if bad:
            raise TextsRejected(bad, vectors)
        return vectors

    def vector(self, text: str) -> numpy.ndarray:
        row = numpy.full(self.dimension, 0.01)
        for word in text.lower().split():
            name = f"{self.model} {word.strip('.,?#')}".encode()
            row[int.from_bytes(hashlib.sha256(name).digest()[:4], "little") % self.dimension] += 1
        return (row / numpy.linalg.norm(row)).astype(numpy.float32)


def manifest_of(embedder: WordEmbedder) -> Manifest:
    probe = tuple(float(x) for x in embedder.vector(PROBE_TEXT))
    name, size, limit = embedder.model, embedder.dimension, embedder.token_limit
    return Manifest(name, embedder.identity, size, "", "", limit, Options().recipe, probe)


def write_texts(folder: Path, texts: dict[str, str] | None = None) -> Path:
    """Files whose times are long past, so that size and time prove that they are the same."""
    for name, text in (TEXTS if texts is None else texts).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        os.utime(path, (time.time() - 60, time.time() - 60))
    return folder


def ingest(folder: Path, index_folder: Path, embedder: WordEmbedder | None = None, **how: bool):
    """What `rag ingest` does; returns its report."""
    embedder = embedder or WordEmbedder()
    with Index.open_for_writing(index_folder, manifest_of(embedder), **how) as index:
        report = ingest_folder(folder, embedder, index)
    assert index.warnings == []
    return report


def answers(index_folder: Path, embedder: WordEmbedder | None = None, search: str = "exact"):
    """The best two passages for each question, with the places they come from."""
    embedder = embedder or WordEmbedder()
    with Index.open_for_reading(index_folder, search=search) as index:
        return [
            [
                (f.chunk.text, f.root, f.chunk.document_id)
                for f in index.search(embedder.vector(q), 2)
            ]
            for q in QUESTIONS
        ]
