"""Chroma compared with the catalogue, in a process that may crash: findings out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy

from rag.index.base.errors import IndexFault
from rag.index.projection.chroma import ChromaVectors
from rag.index.projection.generations import folder_of
from rag.index.store.catalogue import Catalogue
from rag.index.store.exact import decode

VECTOR_TOLERANCE = 1e-5
SELF_RECALL = 0.95

_SAMPLE = 50


def check(catalogue: Catalogue) -> list[str]:
    """Return what is wrong with Chroma, [] when it holds what it should.

    Vectors the outbox still names may be there or not.  Every vector is read and compared;
    of a sample each must find itself.  The caller holds `chroma.lock`.
    """
    pending = {key for _, key, _ in catalogue.pending()}
    expected = catalogue.keys_in_use() - pending
    try:
        chroma = ChromaVectors(folder_of(catalogue))
        try:
            found, wrong = _compare(catalogue, chroma)
            lost = _count_lost(catalogue, chroma, sorted(expected))
        finally:
            chroma.close()
    except IndexFault as error:
        return [error.message]
    found -= pending
    counts = {
        "vectors are missing in Chroma": len(expected - found),
        "vectors of Chroma are not in the catalogue": len(found - expected),
        "vectors of Chroma differ from the catalogue's": len(wrong - pending),
        f"of {min(_SAMPLE, len(expected))} sampled vectors do not find themselves": lost,
    }
    return [f"{count} {what}" for what, count in counts.items() if count]


def _compare(catalogue: Catalogue, chroma: ChromaVectors) -> tuple[set[str], set[str]]:
    """Return the keys Chroma has, and those whose vector differs from the catalogue's."""
    found: set[str] = set()
    wrong: set[str] = set()
    for keys, vectors in chroma.pages():
        found.update(keys)
        rows = dict(zip(keys, vectors, strict=True))
        for entry in catalogue.entries(keys):
            theirs = numpy.asarray(rows[entry.key], dtype=numpy.float32)
            ours = decode([entry.vector], len(entry.vector) // 4)[0]
            if theirs.shape != ours.shape or abs(theirs - ours).max() > VECTOR_TOLERANCE:
                wrong.add(entry.key)
    return found, wrong


def _count_lost(catalogue: Catalogue, chroma: ChromaVectors, keys: Sequence[str]) -> int:
    """Return how many of a sample do not find themselves, 0 when no more than may be.

    A vector that stands under two keys may find its twin: a perfect score is enough.
    """
    sample = catalogue.entries(keys[:: max(1, len(keys) // _SAMPLE)][:_SAMPLE])
    lost = 0
    for entry in sample:
        best, scores = chroma.query(decode([entry.vector], len(entry.vector) // 4)[0], 10)
        if entry.key not in best and (not scores or scores[0] < 1 - VECTOR_TOLERANCE):
            lost += 1
    return lost if lost > (1 - SELF_RECALL) * len(sample) else 0
