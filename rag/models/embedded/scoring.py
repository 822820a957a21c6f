"""A question and passages in, every sentence that could be quoted out, with its marks.

The marks are added with weights that were fitted, as a choice of one sentence among all of a
question's (multinomial logit; McFadden, 1974), on half of a set of questions with known answers.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from typing import TYPE_CHECKING

from rag.models.embedded.units import split_units
from rag.text.function_words import FUNCTION_WORDS
from rag.text.kinds import gives, kinds_asked
from rag.text.terms import index_terms, query_terms

if TYPE_CHECKING:
    from ingest.base.documents import Vectors
    from rag.models.base.passages import Passage
    from rag.models.embedded.units import Unit

MAX_CANDIDATES = 20
"""How many sentences are embedded, those with most of the question's words first.

On SQuAD 16 give the same answers as all of them."""

# Shares of what says that a sentence is like the question; then what tells between like ones.
MEANING, PASSAGE, WORDS, AROUND, TOGETHER = 0.21, 0.18, 0.22, 0.23, 0.16
KIND, EARLY, FRAGMENT = 0.12, 0.06, -0.2
# Not fitted: "Yes, ..." answers whether something is so, not what, when or why.
VERDICT = -0.5
_VERDICT = re.compile(r"\s*(?:yes|no|ja|nein|oui|non|sí|是的|不是)[,.;，。]", re.IGNORECASE)
_ASKS_WHAT = re.compile(
    r"\b(?:what|which|who|whom|whose|how|where|when|why|was|wer|wen|wem|wie|wo|wann|warum|welche\w?"
    r"|wieso|wieviele?)\b|什么|多少|谁|哪|为什么|怎么",
    re.IGNORECASE,
)

_NEAR = 3
_HEADING_SEPARATOR = " › "


@dataclass(frozen=True, slots=True)
class Candidate:
    """A sentence that could be quoted and its marks, each 0 to 1; `order` is that of reading.

    `meaning` is the cosine with the question, `passage` the best one in its passage.  `words` is
    the share of the question's words that it holds, rare ones counting more; `around` counts
    those of its headings and of the sentence before it as well; `together` is the share of
    the question's pairs of words that stand near each other in it.  `kind` says that it holds
    the kind of thing asked for.  `early` is the place of its passage, from 1 down to -1.
    `verdict` says that it answers with yes or no what was not asked so.
    """

    order: int
    number: int
    unit: Unit
    terms: frozenset[str]
    meaning: float
    passage: float
    words: float
    around: float
    together: float
    kind: float
    early: float
    verdict: bool = False

    @property
    def likeness(self) -> float:
        """Return how like the question it is, 0 to 1, whatever is asked."""
        return (
            MEANING * self.meaning
            + PASSAGE * self.passage
            + WORDS * self.words
            + AROUND * self.around
            + TOGETHER * self.together
        )

    @property
    def score(self) -> float:
        """Return what sets it above the others of the same question; higher is better."""
        preferred = KIND * self.kind + EARLY * self.early + FRAGMENT * self.unit.is_fragment
        return self.likeness + preferred + VERDICT * self.verdict


@dataclass(frozen=True, slots=True)
class _Sentence:
    """A unit of a passage, its words in order, and those that stand above and before it."""

    order: int
    number: int
    unit: Unit
    terms: tuple[str, ...]
    above: frozenset[str]
    can_answer: bool


def score_sentences(
    question: str, passages: Sequence[Passage], encode: Callable[[Sequence[str]], Vectors]
) -> list[Candidate]:
    """Return the sentences that could answer, in reading order; none if there are none.

    Sentences that stand more than once are given once.  Headings are among them only when
    there is nothing else, questions never.
    """
    sentences = _collect(passages)
    possible = [s for s in sentences if s.can_answer and not s.unit.is_heading]
    possible = possible or [s for s in sentences if s.can_answer]
    if not possible or not question.strip():
        return []
    weights = _weigh(query_terms(question), sentences)
    kept = sorted(possible, key=lambda s: -_share(weights, {*s.terms, *s.above}))
    kept = sorted(kept[:MAX_CANDIDATES], key=lambda s: s.order)
    vectors = encode([question, *(_show(s) for s in kept)])
    cosines = [max(0.0, float(cosine)) for cosine in vectors[1:] @ vectors[0]]
    best: dict[int, float] = defaultdict(float)
    for sentence, cosine in zip(kept, cosines, strict=True):
        best[sentence.number] = max(best[sentence.number], cosine)
    places = _place(passages)
    kinds = kinds_asked(question)
    asks_what = bool(_ASKS_WHAT.search(question))
    return [
        Candidate(
            s.order,
            s.number,
            s.unit,
            frozenset(s.terms),
            meaning=cosine,
            passage=best[s.number],
            words=_share(weights, s.terms),
            around=_share(weights, {*s.terms, *s.above}),
            together=_share_pairs(weights, s.terms),
            kind=float(gives(s.unit.text, question, kinds)),
            early=places[s.number],
            verdict=asks_what and bool(_VERDICT.match(s.unit.text)),
        )
        for s, cosine in zip(kept, cosines, strict=True)
    ]


def _collect(passages: Sequence[Passage]) -> list[_Sentence]:
    found: list[_Sentence] = []
    seen: set[str] = set()
    for passage in passages:
        label = passage.source.partition(_HEADING_SEPARATOR)[2]
        before: tuple[str, ...] = ()
        for unit in split_units(passage.text):
            terms = _terms(unit.text)
            above = frozenset((*_terms(f"{label} {unit.context}"), *before))
            before = () if unit.is_row else terms
            if unit.text not in seen:
                seen.add(unit.text)
                can_answer = bool(terms) and not _is_question(unit.text)
                found.append(_Sentence(len(found), passage.number, unit, terms, above, can_answer))
    return found


def _terms(text: str) -> tuple[str, ...]:
    return tuple(term for term in index_terms(text) if term not in FUNCTION_WORDS)


def _is_question(text: str) -> bool:
    return text.rstrip("*_\"'”» ").endswith(("?", "？"))


def _weigh(asked: Sequence[str], sentences: Sequence[_Sentence]) -> Mapping[str, float]:
    """Return the weight of each word asked for, in the question's order, together 1.

    Inverse document frequency over the sentences, as in BM25.
    """
    frequency = Counter(term for s in sentences for term in {*s.terms}.intersection(asked))
    total = len(sentences)
    weights = {
        term: math.log(1 + (total - frequency[term] + 0.5) / (frequency[term] + 0.5))
        for term in asked
    }
    whole = sum(weights.values()) or 1.0
    return {term: weight / whole for term, weight in weights.items()}


def _share(weights: Mapping[str, float], terms: set[str] | Sequence[str]) -> float:
    return sum(weights.get(term, 0.0) for term in {*terms})


def _share_pairs(weights: Mapping[str, float], terms: Sequence[str]) -> float:
    """Return the share of neighbours in the question that are near each other here as well."""
    places: dict[str, list[int]] = defaultdict(list)
    for place, term in enumerate(terms):
        if term in weights:
            places[term].append(place)
    pairs = [(a, b, weights[a] + weights[b]) for a, b in pairwise(weights)]
    near = sum(
        weight
        for a, b, weight in pairs
        if any(abs(x - y) <= _NEAR for x, y in product(places.get(a, ()), places.get(b, ())))
    )
    return near / (sum(weight for _, _, weight in pairs) or 1.0)


def _show(sentence: _Sentence) -> str:
    """Return what is embedded of a sentence: a row with what stands above it."""
    unit = sentence.unit
    return f"{unit.context}: {unit.text}" if unit.is_row and unit.context else unit.text


def _place(passages: Sequence[Passage]) -> Mapping[int, float]:
    last = len(passages) - 1
    return {p.number: 1 - 2 * i / last if last else 0.0 for i, p in enumerate(passages)}
