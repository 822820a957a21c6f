"""All documents selected in, how much each speaks of a topic out: every chunk is read."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from rag.query.survey.mention import Sought, find_mention
from rag.text.terms import index_terms

if TYPE_CHECKING:
    from ingest.base.documents import Chunk, Vectors
    from rag.index.store.records import StoredDocument

_CHUNKS_AT_ONCE = 128


class Readable(Protocol):
    """An index whose documents can be read from end to end."""

    def chunks(self, root: str, document_id: str) -> list[Chunk]:
        """Return the chunks of a document in reading order, [] when it has none."""
        ...

    def likeness(self, vector: Vectors, chunks: Sequence[Chunk]) -> list[float]:
        """Return the cosine of each chunk's vector with the topic's, in their order."""
        ...


@dataclass(frozen=True, slots=True)
class Trace:
    """What one chunk has of a topic: bit i of `terms` stands for term i, `cosine` is likeness.

    `own` are those of the terms that stand in its text, not only in what is above it.
    """

    position: int
    terms: int
    own: int
    cosine: float


@dataclass(frozen=True, slots=True)
class Place:
    """A sentence of a document: `start:end` of the text of the chunk at `position`."""

    position: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Reading:
    """A document with the traces of the topic in its chunks, in reading order.

    `places` say for each thing sought where it first stands, None where it does not.
    """

    document: StoredDocument
    traces: tuple[Trace, ...]
    places: tuple[Place | None, ...] = ()


@dataclass(frozen=True, slots=True)
class Topic:
    """What is looked for: its terms, and its vector; None where every document is meant.

    `sought` is what has to stand there word for word, () where speaking of it is enough.
    """

    terms: tuple[str, ...]
    vector: Vectors | None
    sought: tuple[Sought, ...] = ()


def read_all(
    documents: Sequence[StoredDocument],
    index: Readable,
    topic: Topic,
    on_read: Callable[[int], None] = lambda _done: None,
) -> Iterator[Reading]:
    """Yield a reading of every document in order; texts are let go of after each few.

    `on_read` is told how many documents were read.  One without chunks has no traces.
    """
    bits = {term: 1 << place for place, term in enumerate(topic.terms)}
    waiting: list[tuple[StoredDocument, list[Chunk]]] = []
    held = done = 0
    for place, document in enumerate(documents, start=1):
        chunks = index.chunks(document.root, document.id)
        waiting.append((document, chunks))
        held += len(chunks)
        if held >= _CHUNKS_AT_ONCE or place == len(documents):
            yield from _read(waiting, index, topic, bits)
            done += len(waiting)
            waiting, held = [], 0
            on_read(done)


def read_until_stopped(
    documents: Sequence[StoredDocument],
    index: Readable,
    topic: Topic,
    on_read: Callable[[int], None],
) -> tuple[list[Reading], bool]:
    """Return the documents read, and whether that was interrupted."""
    readings: list[Reading] = []
    try:
        for reading in read_all(documents, index, topic, on_read):
            readings.append(reading)  # noqa: PERF402 - what was read is kept when interrupted
    except KeyboardInterrupt:
        return readings, True
    return readings, False


def _read(
    waiting: Sequence[tuple[StoredDocument, list[Chunk]]],
    index: Readable,
    topic: Topic,
    bits: dict[str, int],
) -> Iterator[Reading]:
    chunks = [chunk for _, own in waiting for chunk in own]
    cosines = [0.0] * len(chunks)
    if topic.vector is not None and chunks:
        cosines = index.likeness(topic.vector, chunks)
    likeness = iter(cosines)
    for document, own in waiting:
        above = {
            head: _mask(f"{document.id}\n{head}", bits)
            for head in {f"{chunk.heading}\n{chunk.columns}" for chunk in own}
        }
        traces = []
        for place, chunk in enumerate(own):
            in_text = _mask(chunk.text, bits)
            terms = in_text | above[f"{chunk.heading}\n{chunk.columns}"]
            traces.append(Trace(place, terms, in_text, next(likeness)))
        places = tuple(_find(sought, own) for sought in topic.sought)
        yield Reading(document, tuple(traces), places)


def _find(sought: Sought, chunks: Sequence[Chunk]) -> Place | None:
    for position, chunk in enumerate(chunks):
        if span := find_mention(sought, chunk):
            return Place(position, *span)
    return None


def _mask(text: str, bits: dict[str, int]) -> int:
    if not bits:
        return 0
    found = 0
    for term in bits.keys() & set(index_terms(text)):
        found |= bits[term]
    return found


class Weights:
    """How much of a topic traces hold, rare terms counting more.

    Inverse document frequency over the documents read, as in BM25.
    """

    def __init__(self, topic: Topic, readings: Sequence[Reading]) -> None:
        masks = [self._union(reading) for reading in readings]
        total = len(readings)
        self._weights: list[float] = []
        for place in range(len(topic.terms)):
            frequency = sum(mask >> place & 1 for mask in masks)
            self._weights.append(math.log(1 + (total - frequency + 0.5) / (frequency + 0.5)))
        self._whole = sum(self._weights) or 1.0
        self._shares: dict[int, float] = {}

    def share(self, terms: int) -> float:
        """Return the weighed share of the topic's terms, 0 to 1."""
        if terms not in self._shares:
            held = (w for place, w in enumerate(self._weights) if terms >> place & 1)
            self._shares[terms] = sum(held) / self._whole
        return self._shares[terms]

    @staticmethod
    def _union(reading: Reading) -> int:
        mask = 0
        for trace in reading.traces:
            mask |= trace.terms
        return mask
