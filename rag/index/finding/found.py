"""Scores of texts and their places in, each text once, best first, out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from ingest.base.documents import Chunk
from rag.index.store.records import Copy, Occurrence


@dataclass(frozen=True, slots=True)
class Found:
    """A chunk, its score, and the folder it came from.

    The score is the cosine of its vector with the question's, or BM25 of the question's words.
    `copies` are the other places at which the same text stands; `text` is its number.
    """

    chunk: Chunk
    score: float
    root: str
    copies: tuple[Copy, ...] = ()
    text: int = 0


@dataclass(frozen=True, slots=True)
class Ranking:
    """Texts by their numbers with their scores, best first, and what the first of them are."""

    named: Sequence[Found]
    texts: Sequence[int]
    scores: Sequence[float]


def rank_best(
    best: Mapping[int, float], k: int, named: int, name: Callable[[list[int]], list[Found]]
) -> Ranking:
    """Return the `k` best of the texts, of which only the first `named` are looked up.

    `name` returns what texts are, best first.  Those with one score are in the order of ids as
    far as they are named, then in that of their numbers.
    """
    order = sorted(best, key=lambda text: (-best[text], text))
    worst = [best[text] for text in order[: min(k, named)]][-1:]
    found = name([text for text in order if [best[text]] >= worst])[: min(k, named)]
    known = {one.text for one in found}
    others = [text for text in order if text not in known][: k - len(found)]
    return Ranking(
        found,
        [*(one.text for one in found), *others],
        [*(one.score for one in found), *(best[text] for text in others)],
    )


def name_texts(
    occurrences: Iterable[Occurrence], score: Callable[[Occurrence], float]
) -> list[Found]:
    """Return one chunk of each text, best first, with its copies.

    It is the first of those with the best score, in the order of roots, documents and chunks.
    """
    scored = [(score(one), one) for one in occurrences]
    places: dict[int, list[tuple[float, Occurrence]]] = {}
    for pair in sorted(scored, key=_order):
        places.setdefault(pair[1].text, []).append(pair)
    found = [
        Found(best.chunk, value, best.root, tuple(_copy(one) for _, one in others), best.text)
        for (value, best), *others in places.values()
    ]
    return sorted(found, key=lambda one: (-one.score, one.chunk.id))


def _order(pair: tuple[float, Occurrence]) -> tuple[float, str, str, int]:
    value, one = pair
    return -value, one.root, one.chunk.document_id, one.chunk.ordinal


def _copy(one: Occurrence) -> Copy:
    chunk = one.chunk
    return Copy(one.root, chunk.document_id, chunk.page, chunk.place, chunk.heading)
