"""Readings of all documents in, those that speak of the topic out, by evidence alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rag.query.survey.read import Place, Reading, Topic, Trace, Weights

if TYPE_CHECKING:
    from rag.index.store.records import StoredDocument
    from rag.query.question.kind import Wanted
    from rag.query.survey.items import Item
    from rag.query.survey.topics import Formula

# A passage with so much of the topic's words speaks of it.  One with less may be like it,
# which has to show the more the fewer words it has.  Cosines differ from model to model: what
# counts is by how many standard deviations one stands out among all.
FIRM_SHARE = 0.75
_STANDS_OUT = 5.0
_LESS_PER_SHARE = 5.5
# What a model is shown besides.
_LOOSE_SHARE = 0.3
_LOOSE = 1.5
_MOST_PASSAGES = 3


@dataclass(frozen=True, slots=True)
class Match:
    """A document with its best passages for the topic: places of chunks, the best first.

    `is_firm` says that its words are enough without a model, `is_alike` that only its likeness
    to the topic stands out.
    """

    document: StoredDocument
    passages: tuple[int, ...]
    is_firm: bool
    is_alike: bool = False


def choose(readings: Sequence[Reading], topic: Topic, *, generous: bool = False) -> list[Match]:
    """Return the documents that speak of the topic or are like it, in the order of the readings.

    With `generous` those are there too that a model should look at.  Without a topic every
    document is one, with its first passages.
    """
    if not topic.terms:
        first = tuple(range(_MOST_PASSAGES))
        return [
            Match(reading.document, first[: len(reading.traces)], is_firm=True)
            for reading in readings
            if reading.traces
        ]
    weights = Weights(topic, readings)
    scale = _Scale([trace.cosine for reading in readings for trace in reading.traces])
    found = (_match(reading, weights, scale, generous=generous) for reading in readings)
    return [match for match in found if match]


class _Scale:
    """How far a cosine stands out among all of them, in standard deviations."""

    def __init__(self, cosines: Sequence[float]) -> None:
        count = len(cosines) or 1
        self._mean = sum(cosines) / count
        variance = sum((cosine - self._mean) ** 2 for cosine in cosines) / count
        self._spread = math.sqrt(variance)

    def place(self, cosine: float) -> float:
        """Return the deviations above the mean, 0 where all are alike."""
        return (cosine - self._mean) / self._spread if self._spread > 1e-6 else 0.0


def _match(reading: Reading, weights: Weights, scale: _Scale, *, generous: bool) -> Match | None:
    def worth(trace: Trace) -> tuple[float, int]:
        words = weights.share(trace.terms) + weights.share(trace.own)
        return words + max(trace.cosine, 0.0), -trace.position

    firm = [trace for trace in reading.traces if weights.share(trace.terms) >= FIRM_SHARE]
    alike = [trace for trace in reading.traces if _is_alike(trace, weights, scale)]
    loose = [trace for trace in reading.traces if _is_worth_a_look(trace, weights, scale)]
    chosen = loose if generous else firm or alike
    if not chosen:
        return None
    best = sorted(chosen, key=worth, reverse=True)[:_MOST_PASSAGES]
    return Match(reading.document, tuple(trace.position for trace in best), bool(firm), bool(alike))


def _is_alike(trace: Trace, weights: Weights, scale: _Scale) -> bool:
    needed = _STANDS_OUT - _LESS_PER_SHARE * weights.share(trace.terms)
    return scale.place(trace.cosine) >= needed


def _is_worth_a_look(trace: Trace, weights: Weights, scale: _Scale) -> bool:
    return weights.share(trace.terms) >= _LOOSE_SHARE or scale.place(trace.cosine) >= _LOOSE


def fit(readings: Sequence[Reading], formula: Formula) -> list[tuple[Reading, Place | None]]:
    """Return the documents whose words make the formula true, with the place that shows it.

    The place is None where it is true because nothing stands there.
    """
    found: list[tuple[Reading, Place | None]] = []
    for reading in readings:
        places = dict(zip(formula.topics, reading.places, strict=True))
        wanted = [
            part.topic
            for parts in formula.alternatives
            for part in parts
            if part.wanted and places[part.topic]
        ]
        there = {topic for topic, place in places.items() if place}
        if reading.traces and formula.holds(there.__contains__):
            found.append((reading, places[wanted[0]] if wanted else None))
    return found


def of_kind(
    items: Sequence[Item], documents: Sequence[StoredDocument], wanted: Wanted
) -> tuple[list[Item], list[str]]:
    """Return the items of documents of the kind asked for, and a note on the others.

    The kind shows in the name, title or type.  Where no document shows it, all count.
    """
    shown = {
        (one.root, one.id)
        for one in documents
        if any(kind in f"{one.id} {one.title} {one.media_type}".casefold() for kind in wanted.kinds)
    }
    if not items or not shown:
        return list(items), []
    inside = [item for item in items if (item.root, item.chunk.document_id) in shown]
    others = [item for item in items if (item.root, item.chunk.document_id) not in shown]
    if not inside:
        return others, ["this is in no document whose name or title shows the kind asked for"]
    if not others:
        return inside, []
    files = list(dict.fromkeys(item.chunk.document_id for item in others))
    names, more = ", ".join(files[:5]), ", ..." if len(files) > 5 else ""
    count = len({(item.root, item.chunk.document_id) for item in others})
    return inside, [f"{count} other documents fit too, of another kind: {names}{more}"]
