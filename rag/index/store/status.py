"""A catalogue in, what there is in the index out, counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rag.index.manifest import Manifest
    from rag.index.store.catalogue import Catalogue


@dataclass(frozen=True, slots=True)
class IndexStatus:
    """What is in an index.

    `texts` counts the different texts that the chunks have, `vectors` all that were ever
    embedded and not yet compacted away.  `pending` counts what Chroma is still to be told;
    `clean` says that it was closed in order; `generation` 0 means that it was not built yet.
    `ingested_ns` is the clock at the end of the last run, None when there was none.
    """

    documents: int
    skipped: int
    chunks: int
    texts: int
    vectors: int
    bytes_on_disk: int
    roots: tuple[str, ...]
    manifest: Manifest
    pending: int
    clean: bool
    generation: int
    ingested_ns: int | None


def read_status(
    catalogue: Catalogue, manifest: Manifest, *, bytes_on_disk: int, clean: bool
) -> IndexStatus:
    """Count what is in an index, all of it at one moment."""
    with catalogue.snapshot():
        documents = catalogue.documents()
        refused = sum(document.status == "skipped" for document in documents)
        return IndexStatus(
            documents=len(documents) - refused,
            skipped=refused,
            chunks=catalogue.count("chunks"),
            texts=catalogue.count("texts"),
            vectors=catalogue.count("vectors"),
            bytes_on_disk=bytes_on_disk,
            roots=tuple(catalogue.collections()),
            manifest=manifest,
            pending=catalogue.count("outbox"),
            clean=clean,
            generation=catalogue.number("generation"),
            ingested_ns=catalogue.number("ingested_ns") or None,
        )
