"""What was found for a question in, signs that it holds the answer, or does not, out.

All of it is read off the words: nothing is embedded and no model is asked.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from operator import mul
from typing import TYPE_CHECKING

from ingest.sentences import sentence_spans
from rag.query.evidence import wording
from rag.text.facts import Fact, find_facts
from rag.text.terms import index_terms, query_terms

if TYPE_CHECKING:
    from rag.query.base.hits import Hit, Retrieval

PASSAGES_READ = 5
MOST_SENTENCES = 3
_MOST_CHARACTERS = 8000
_BY_HEADING, _BY_PASSAGE = 0.8, 0.6
_SAME_LETTERS = 5
_RELATED = 0.7
_TELLING = frozenset(("number", "date", "time", "code", "name"))


@dataclass(frozen=True, slots=True)
class Signs:
    """What speaks for and against the passages found; shares and likeness are 0 to 1.

    `likeness` is the best cosine as it is.  `sentence` and `passage` are the shares of the
    question's words, by rarity, in the best sentence and in the best passage, `order` the share
    of its neighbouring words that are neighbours there too.  The rest speaks against it, 1 or by
    half: a denial that the text has not (`negated`), an opposite (`opposed`), a date, code or
    number (`figures`), "first" or "only" (`limits`) that is not there, and nothing of the `kind`
    that is asked for.  Names count as the rare words they are.
    """

    likeness: float
    sentence: float
    passage: float
    order: float
    negated: float
    opposed: float
    figures: float
    limits: float
    kind: float
    cjk: bool


@dataclass(frozen=True, slots=True)
class Reading:
    """A question laid beside what was found for it: the signs, and what they were read off.

    `nearest` is the hit with the best sentences, `read` how many were read.  `missing` are the
    words of the question that none of those has, the rarest first, as they stand in it, `words`
    how many it has in all; `lacking` are its numbers, names and codes that the nearest passage
    has not, `absent` those of them that none of those read has.  `wanted` is the kind of thing
    that is asked for, "" where the nearest passage gives one.
    """

    signs: Signs
    nearest: Hit | None
    missing: tuple[str, ...] = ()
    words: int = 0
    lacking: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    opposite: tuple[str, str] | None = None
    wanted: wording.Wanted = ""
    read: int = 0


NOTHING = Signs(0, 0, 0, 0, 0, 0, 0, 0, 0, cjk=False)


@dataclass(frozen=True, slots=True)
class _Window:
    """Some sentences of a hit: the text, its terms, and how much of each term is in it.

    `held` and `near` go by the terms of the question, in their order.
    """

    hit: Hit
    text: str
    terms: Sequence[Sequence[str]]
    held: Sequence[float]
    near: Sequence[float]
    score: float
    sentences: int


def read_signs(found: Retrieval) -> Reading:
    """Return how the best passages of a retrieval answer to its question."""
    rarity = weigh_terms(found)
    windows = [window for hit in found.hits[:PASSAGES_READ] for window in _windows(hit, rarity)]
    if not windows:
        return Reading(NOTHING, None)
    best = max(windows, key=lambda window: window.score)
    alone = max((w for w in windows if w.sentences == 1), key=lambda window: window.score)
    return _compare(found, rarity, windows, best, alone)


def weigh_terms(found: Retrieval) -> dict[str, float]:
    """Return the terms of the question with their rarity (IDF as in BM25), in order."""
    chunks = max(found.chunks, 1)
    weights = {}
    for term in found.terms or query_terms(found.question):
        seen = min(found.frequency.get(term, 0), chunks)
        weights[term] = math.log(1 + (chunks - seen + 0.5) / (seen + 0.5))
    return weights


def _compare(
    found: Retrieval,
    rarity: Mapping[str, float],
    windows: Sequence[_Window],
    best: _Window,
    alone: _Window,
) -> Reading:
    question, text = found.question, _whole(best.hit)
    facts = find_facts(question)
    absent = [f for f in facts if _is_telling(f, question) and not _stands_in(f, text)]
    others = [_whole(hit) for hit in found.hits[:PASSAGES_READ] if hit is not best.hit]
    nowhere = [f for f in absent if not any(_stands_in(f, other) for other in others)]
    negated = any(fact.kind == "negation" for fact in facts)
    opposite = wording.find_opposite(question, wording.words_of(text))
    wanted = wording.kind_wanted(question)
    limits = wording.find_limits(question) - wording.words_of(text)
    signs = Signs(
        likeness=max(hit.scores.get("dense", hit.score) for hit in found.hits),
        sentence=_share([*rarity.values()], alone.held),
        passage=max(_share([*rarity.values()], window.near) for window in windows),
        order=_order([*rarity], [*chain.from_iterable(best.terms)]),
        negated=_negated(best.text, text) if negated else 0.0,
        opposed=_opposed(question, best.text, opposite),
        figures=max((_weigh(fact, nowhere) for fact in absent), default=0.0),
        limits=float(bool(limits)),
        kind=float(bool(wanted) and not _holds(wanted, alone.text, question)),
        cjk=wording.is_cjk(question),
    )
    words = wording.telling_words(question)
    ever = map(any, zip(*(window.near for window in windows), strict=True))
    gone = {term for term, is_there in zip(rarity, ever, strict=True) if not is_there}
    missing = [word for word in words if set(index_terms(word)) <= gone]
    missing.sort(key=lambda word: -max(rarity.get(term, 0.0) for term in index_terms(word)))
    return Reading(
        signs,
        best.hit,
        tuple(missing),
        len(words),
        _quote(question, absent),
        _quote(question, nowhere),
        opposite,
        wanted if wanted and not _holds(wanted, _read(best.hit), question) else "",
        len(found.hits[:PASSAGES_READ]),
    )


def _quote(question: str, facts: Sequence[Fact]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(question[fact.start : fact.end] for fact in facts))


def _windows(hit: Hit, rarity: Mapping[str, float]) -> Iterable[_Window]:
    """Yield every one to three sentences of a hit."""
    text = hit.chunk.text[:_MOST_CHARACTERS]
    spans = sentence_spans(text)
    terms = [index_terms(text[start:end]) for start, end in spans]
    held = [_cover(rarity, words) for words in terms]
    above = _cover(rarity, index_terms(f"{hit.chunk.heading} {hit.chunk.columns}"))
    whole = map(max, zip(*held, strict=True))
    around = [max(_BY_HEADING * a, _BY_PASSAGE * w) for a, w in zip(above, whole, strict=False)]
    weights = [*rarity.values()]
    for i in range(len(spans)):
        own = held[i]
        for k in range(1, min(MOST_SENTENCES, len(spans) - i) + 1):
            own = own if k == 1 else [*map(max, own, held[i + k - 1])]
            near = [*map(max, own, around)]
            score = _share(weights, near) - 0.02 * (k - 1) - 0.01 * hit.rank
            part = text[spans[i][0] : spans[i + k - 1][1]]
            yield _Window(hit, part, terms[i : i + k], own, near, score, k)


def _cover(rarity: Iterable[str], words: Sequence[str]) -> list[float]:
    """Return how much of each term is among the words: 1 the same, less one that begins alike."""
    present = set(words)
    beginnings: dict[str, list[str]] = {}
    for word in present:
        if len(word) >= _SAME_LETTERS:
            beginnings.setdefault(word[:_SAME_LETTERS], []).append(word)
    return [
        1.0 if term in present else _resemble(term, beginnings.get(term[:_SAME_LETTERS], ()))
        for term in rarity
    ]


def _resemble(term: str, words: Iterable[str]) -> float:
    """Return what a word of the same family is worth: most letters from the first on."""
    if len(term) < _SAME_LETTERS or not term.isalpha():
        return 0.0
    for word in words:
        same = next((i for i, (a, b) in enumerate(zip(term, word, strict=False)) if a != b), None)
        same = min(len(term), len(word)) if same is None else same
        if same >= 0.6 * max(len(term), len(word)):
            return _RELATED
    return 0.0


def _share(weights: Sequence[float], held: Sequence[float]) -> float:
    total = sum(weights)
    return sum(map(mul, weights, held)) / total if total else 0.0


def _order(asked: Sequence[str], words: Sequence[str]) -> float:
    pairs = list(pairwise(asked))
    near = {pair for gap in (1, 2, 3) for pair in zip(words, words[gap:], strict=False)}
    return sum(pair in near for pair in pairs) / len(pairs) if pairs else 0.0


def _read(hit: Hit) -> str:
    return hit.chunk.text[:_MOST_CHARACTERS]


def _whole(hit: Hit) -> str:
    chunk = hit.chunk
    text = _read(hit)
    return f"{chunk.document_id}\n{chunk.heading}\n{chunk.columns}\n{text}"


def _is_telling(fact: Fact, question: str) -> bool:
    """Tell a thing that must be near an answer from "two reasons" and "the first"."""
    digits = re.sub(r"\D", "", question[fact.start : fact.end])
    if fact.kind == "number":
        return len(digits) > 1 or bool(digits and fact.unit)
    if fact.kind == "name":
        return not wording.is_asking(question[fact.start : fact.end])
    return fact.kind in _TELLING


def _weigh(fact: Fact, nowhere: Sequence[Fact]) -> float:
    """Return how much a figure that the best passage lacks speaks against it.

    Another passage may have it; a quantity may be a case of a rule ("a bill of 1 400 euro").
    """
    if fact.kind == "name":
        return 0.0
    is_quantity = (fact.kind == "number" and bool(fact.unit)) or not re.search(r"\d", fact.value)
    return 1.0 if fact in nowhere and not is_quantity else 0.5


def _stands_in(fact: Fact, text: str) -> bool:
    folded = text.casefold()
    if fact.value in folded:
        return True
    if fact.kind in ("name", "code"):
        return _stem_in(fact.value, folded)
    wanted = {fact.value, *fact.others}
    return any(wanted & {other.value, *other.others} for other in find_facts(text))


def _stem_in(name: str, text: str) -> bool:
    return len(name) > _SAME_LETTERS + 1 and name[:-2] in text


def _negated(sentences: str, passage: str) -> float:
    def denies(text: str) -> bool:
        return any(fact.kind == "negation" for fact in find_facts(text))

    return 0.0 if denies(sentences) else 0.5 if denies(passage) else 1.0


def _opposed(question: str, sentences: str, opposite: tuple[str, str] | None) -> float:
    if opposite is None:
        return 0.0
    return 1.0 if wording.find_opposite(question, wording.words_of(sentences)) else 0.5


def _holds(wanted: wording.Wanted, text: str, question: str) -> bool:
    """Return whether a text has something of the kind that the question does not say itself."""
    if wanted in ("a person", "a place"):
        return wording.names_new(text, question)
    asked = {fact.value for fact in find_facts(question)}
    kinds = ("number", "date", "time") if wanted == "a number" else ("date", "time", "number")
    return any(fact.kind in kinds and fact.value not in asked for fact in find_facts(text))
