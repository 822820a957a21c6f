"""What built an index: the model, its prefixes and limits, and how it embeds one fixed sentence."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rag.index.base.errors import IndexDamaged, IndexFault, IndexMismatch

if TYPE_CHECKING:
    from rag.index.store.catalogue import Catalogue

PROBE_TEXT = "The quick brown fox reads the index of a book by the light of a lamp."
"""Embedded as a document when an index is made, and again whenever it is opened."""

SAME_MODEL_COSINE = 0.98
"""Quantised and full weights of a model differ by less, two models by far more."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """The embedding model of an index and how texts were made ready for it.

    `probe` is the unit vector of `PROBE_TEXT`.  `recipe` names parser and chunker
    settings; it may change from run to run, documents are then read again.
    """

    embedding_model: str
    identity: str
    dimension: int
    query_prefix: str
    document_prefix: str
    token_limit: int
    recipe: str
    probe: tuple[float, ...]

    def as_json(self) -> str:
        """Return the manifest as it is stored in the catalogue."""
        return json.dumps(asdict(self))


def read_manifest(text: str) -> Manifest:
    """Return the manifest that `as_json` wrote; raises IndexDamaged."""
    try:
        fields = json.loads(text)
        return Manifest(**{**fields, "probe": tuple(map(float, fields["probe"]))})
    except (ValueError, TypeError, KeyError) as error:
        raise IndexDamaged(
            "the manifest of the index cannot be read",
            "bring back an export: rag import FILE, or make another: rag ingest --index DIR FOLDER",
        ) from error


def name_model(folder: Path) -> str:
    """Return the embedding model that the index in a folder was made with, "" without one."""
    from rag.index.store.catalogue import Catalogue

    try:
        catalogue = Catalogue(folder.expanduser().resolve(), writable=False)
    except IndexFault:
        return ""
    try:
        return read_manifest(catalogue.meta("manifest")).embedding_model
    except IndexFault:
        return ""
    finally:
        catalogue.close()


def check(on_disk: Manifest, now: Manifest) -> None:
    """Raise IndexMismatch when vectors made now cannot be compared with those on disk.

    The name of the model alone proves nothing, as a server may load another under the
    same name: the probe's cosine must reach `SAME_MODEL_COSINE` as well.
    """
    if on_disk.identity != now.identity or on_disk.dimension != now.dimension:
        finding = "this run uses"
    elif (cosine := _cosine(on_disk.probe, now.probe)) < SAME_MODEL_COSINE:
        finding = f"another model answers under the same name (similarity {cosine:.2f}):"
    else:
        return
    raise IndexMismatch(
        f"the index was made with {_describe(on_disk)}, {finding} {_describe(now)}",
        f"choose the first model again: RAG_EMBEDDING_MODEL={on_disk.embedding_model}; "
        "change the index with rag migrate, "
        "or keep both with rag ingest --index OTHER FOLDER",
    )


def stamp(catalogue: Catalogue, manifest: Manifest) -> None:
    """Write the manifest into a catalogue; raises IndexMismatch when it does not go with it."""
    if stored := catalogue.meta("manifest"):
        check(read_manifest(stored), manifest)
    if stored != manifest.as_json():
        catalogue.set_meta({"manifest": manifest.as_json()}, "manifest")


def _describe(manifest: Manifest) -> str:
    return f"{manifest.embedding_model} ({manifest.dimension} dimensions, {manifest.identity})"


def _cosine(left: tuple[float, ...], right: tuple[float, ...]) -> float:
    lengths = math.hypot(*left) * math.hypot(*right)
    return sum(a * b for a, b in zip(left, right, strict=True)) / lengths if lengths else 0.0
