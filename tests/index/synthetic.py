"""Documents, vectors and a manifest made from nothing, for the tests of the index."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy

from ingest.base.documents import Chunk, Document, Health, Source, chunk_id
from ingest.embed import vector_key
from rag.index.manifest import Manifest

ROOT = "/folder"
DIMENSION = 16
RECIPE = "recipe-1"


def unit(text: str, dimension: int = DIMENSION) -> numpy.ndarray:
    """A unit vector that depends on the text alone."""
    seed = int.from_bytes(
        hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:8], "little"
    )
    row = numpy.random.default_rng(seed).standard_normal(dimension).astype(numpy.float32)
    return row / numpy.linalg.norm(row)


def manifest(model: str = "model-a", probe: str = "probe", recipe: str = RECIPE) -> Manifest:
    vector = tuple(float(x) for x in unit(probe))
    return Manifest(model, f"{model}|{DIMENSION}|", DIMENSION, "", "", 512, recipe, vector)


def source(name: str, root: str = ROOT, media_type: str = "text/plain") -> Source:
    return Source(name, root, Path(root) / name, media_type, 10, 20)


def document(
    name: str, texts: Sequence[str], root: str = ROOT, media_type: str = "text/plain"
) -> tuple[Document, list[Chunk], list[str]]:
    """A document with one chunk per text, and the keys of their vectors."""
    text = "\n".join(texts)
    starts = [sum(len(t) + 1 for t in texts[:i]) for i in range(len(texts))]
    chunks = [
        Chunk(
            chunk_id(root, name, i, t, RECIPE), name, i, t, start, start + len(t), 3, None, "Title"
        )
        for i, (t, start) in enumerate(zip(texts, starts, strict=True))
    ]
    fingerprint = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    made = Document(source(name, root, media_type), fingerprint, "Title", text)
    return made, chunks, [key(t) for t in texts]


def key(text: str) -> str:
    """The key of the vector of a text below the heading that `document` gives all of them."""
    return vector_key(manifest().identity, " ".join(f"Title {text}".split()))


def add(index, name: str, texts: Sequence[str], **place: str) -> list[Chunk]:
    """What ingestion does with one document: new vectors, then the document."""
    made, chunks, keys = document(name, texts, **place)
    missing = set(keys) - index.stored_keys(keys)
    fresh = {k: unit(t) for k, t in zip(keys, texts, strict=True) if k in missing}
    if fresh:
        index.add_vectors(list(fresh), numpy.stack(list(fresh.values())))
    index.add_document(made, chunks, keys, Health())
    return chunks


def words(count: int, name: str = "text") -> list[str]:
    return [f"{name} number {i}" for i in range(count)]
