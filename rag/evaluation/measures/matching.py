"""Passages and evidence in, what of the evidence each of them holds out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from rag.evaluation.base.cases import Relevant
from rag.evaluation.base.responses import Passage
from rag.evaluation.measures.ranking import Judged

SPACELESS = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\U00020000-\U0003ffff"
)
"""Scripts that set no spaces, as ranges of a regular expression."""
HALF = 0.5
"""The share of a piece of evidence with which it counts as found."""
_SHORTEST = 8
"""Characters in one piece that are no chance."""
_SHORT = 2 * _SHORTEST
"""What is shorter must be held whole, as words of its own: half of it would be chance."""
_OCCURRENCES = 50
# Korean sets spaces, but writes particles behind a number or a name without one.
_WORD = re.compile(rf"(?:\d[.,](?=\d)|[^\W{SPACELESS}\uac00-\ud7a3])+")


@dataclass(frozen=True, slots=True)
class Overlap:
    """What a passage holds of an excerpt in one piece: its characters `start:end`.

    `excerpt` and `passage` are the lengths of both.
    """

    start: int
    end: int
    excerpt: int
    passage: int


def covers(passage: Passage, piece: Relevant) -> bool:
    """Return whether a passage alone is enough to have found a piece of evidence.

    It covers an excerpt when it holds half of its characters in one piece, or lies to its half
    in it; a page when it begins there; a document when it is of it.
    """
    if is_excerpt(piece):
        found = overlap(passage, piece)
        return found is not None and found.end - found.start >= HALF * min(
            found.excerpt, found.passage
        )
    return is_of(passage, piece.document) and piece.page in (None, passage.page)


def share_held(passages: Iterable[Passage], piece: Relevant) -> float:
    """Return how much of a piece of evidence the passages hold together, from 0 to 1.

    A page or a document is held as soon as one passage covers it.
    """
    if not is_excerpt(piece):
        return float(any(covers(passage, piece) for passage in passages))
    found = filter(None, (overlap(passage, piece) for passage in passages))
    return length_of((one.start / one.excerpt, one.end / one.excerpt) for one in found)


def is_held(passages: Sequence[Passage], pieces: Iterable[Relevant]) -> bool:
    """Return whether passages hold any of the evidence, one of them alone or all together."""
    return any(
        share_held(passages, piece) >= HALF or any(covers(one, piece) for one in passages)
        for piece in pieces
    )


def judge_passages(passages: Sequence[Passage], relevant: Sequence[Relevant]) -> Judged:
    """Return what passages find, best first; a piece counts once, at the first that covers it.

    Where all evidence is whole documents, documents are ranked, by their first passage; those
    in which the same text stands have one rank together.  Where only some of it is, passages
    are, and a document is found by its first.
    """
    return _judge(tuple(passages), tuple(relevant))


def overlap(passage: Passage, piece: Relevant) -> Overlap | None:
    """Return what a passage holds of an excerpt, by offsets where both have them, else by words.

    Words are compared with white space squeezed.  A piece is looked for that is a quarter of
    the shorter of both at least, and the longest is returned; None is nothing of that length.
    A short excerpt is held whole or not at all, and not inside a longer word or number.
    Where offsets are apart, the passage may still say the same at another place, word for word.
    """
    if not is_of(passage, piece.document):
        return None
    here, there = _place(passage), _place(piece)
    if here and there and passage.document == piece.document:
        start, end = max(here[0], there[0]), min(here[1], there[1])
        size, length = there[1] - there[0], here[1] - here[0]
        if end > start:
            return Overlap(start - there[0], end - there[0], size, length)
        is_repeated = size > 0 and _is_said(piece.excerpt, passage.text)
        return Overlap(0, size, size, length) if is_repeated else None
    excerpt, text = squeeze(piece.excerpt), squeeze(passage.text)
    start, end = _find_common(excerpt, text)
    return Overlap(start, end, len(excerpt), len(text)) if end > start else None


def is_of(passage: Passage, document: str) -> bool:
    """Return whether a passage stands in a document."""
    return passage.document == document or document in passage.places


def is_excerpt(piece: Relevant) -> bool:
    """Return whether a piece of evidence is neither a page nor a document."""
    return bool(piece.excerpt) or (piece.start is not None and piece.page is None)


@lru_cache(maxsize=128)
def squeeze(text: str) -> str:
    """Return a text with one blank for all white space in one place."""
    return " ".join(text.split())


def length_of(spans: Iterable[tuple[float, float]]) -> float:
    """Return how much spans cover together, what is in several counted once."""
    total, reached = 0.0, float("-inf")
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total


# Many measures of one case ask for the same; little is kept, since it holds texts.
@lru_cache(maxsize=32)
def _judge(passages: tuple[Passage, ...], relevant: tuple[Relevant, ...]) -> Judged:
    left = [piece for piece in relevant if piece.grade > 0]
    grades = tuple(piece.grade for piece in left)
    if all(piece.is_document for piece in left):
        passages = _first_of_documents(passages)
    found = []
    for passage in passages:
        covered = [piece for piece in left if covers(passage, piece)]
        left = [piece for piece in left if piece not in covered]
        found.append(tuple(piece.grade for piece in covered))
    return Judged(tuple(found), grades)


def _first_of_documents(passages: Iterable[Passage]) -> tuple[Passage, ...]:
    """Return the passages that are the first of a document, be it one they are copied in."""
    seen: set[str] = set()
    first = []
    for passage in passages:
        documents = {passage.document, *passage.places}
        if documents - seen:
            seen |= documents
            first.append(passage)
    return tuple(first)


def _place(one: Passage | Relevant) -> tuple[int, int] | None:
    return None if one.start is None or one.end is None else (one.start, one.end)


@lru_cache(maxsize=128)
def _find_common(excerpt: str, text: str) -> tuple[int, int]:
    """Return where in the excerpt the longest piece is that the text has too; (0, 0) is none."""
    if not text or _is_said(excerpt, text):
        return 0, len(excerpt) if text else 0
    if text in excerpt:
        return excerpt.index(text), excerpt.index(text) + len(text)
    if len(excerpt) < _SHORT:
        return 0, 0
    is_longer = len(excerpt) > len(text)
    short, long = (text, excerpt) if is_longer else (excerpt, text)
    least = max(_SHORTEST, -(-len(short) // 4))
    runs = [run for run in _common_runs(short, long, least) if run[2] >= least]
    if not runs:
        return 0, 0
    in_short, in_long, size = max(runs, key=lambda run: run[2])
    start = in_long if is_longer else in_short
    return start, start + size


def _is_said(excerpt: str, text: str) -> bool:
    """Return whether a text has an excerpt; a short one not as a part of a word or number."""
    if not excerpt or excerpt not in text:
        return False
    if len(excerpt) >= _SHORT:
        return True
    inside = {at for word in _WORD.finditer(text) for at in range(word.start() + 1, word.end())}
    found = re.finditer(re.escape(excerpt), text)
    return any(inside.isdisjoint(one.span()) for one in found)


def _common_runs(short: str, long: str, least: int) -> Iterator[tuple[int, int, int]]:
    """Return starts in both, and the length, of what both have in common.

    A run of `least` characters holds one of the blocks of half that size into which the shorter
    is cut, wherever it begins; each is looked for, and followed to both sides.
    """
    size = (least + 1) // 2
    for start in range(0, len(short) - size + 1, size):
        block = short[start : start + size]
        at = long.find(block)
        for _ in range(_OCCURRENCES):
            if at < 0:
                break
            before = _count_same(short[:start][::-1], long[:at][::-1])
            behind = _count_same(short[start:], long[at:])
            yield start - before, at - before, before + behind
            at = long.find(block, at + 1)


def _count_same(one: str, other: str) -> int:
    """Return how many characters both begin with."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one.startswith(other[:middle]):
            low = middle
        else:
            high = middle - 1
    return low
