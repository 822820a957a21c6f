"""The answerer without a language model: from question and passages to sentences, quoted as found.

A sentence is scored by half its cosine with the question and half the share of the question's
weighted words it holds; small bonuses go to early passages and to sentences that hold the kind
of thing asked for.  The weights were tuned on SQuAD.  It never writes a word of its own.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rag.models.base.passages import NOT_IN_DOCUMENTS
from rag.models.embedded.units import split_units

if TYPE_CHECKING:
    from ingest.base.documents import Vectors
    from rag.models.base.passages import Passage
    from rag.models.embedded.units import Unit

THRESHOLD = 0.33
RANK_WEIGHT = 0.04
TYPE_BONUS = 0.05
CONTEXT_WEIGHT = 0.5
SECOND_SHARE = 0.85
MAX_CANDIDATES = 32
"""How many sentences are embedded, those with most of the question's words first.

On SQuAD 12 give the same answers as all of them."""

STEM_LETTERS = 5

_WORD = re.compile(r"[^\W_]+")
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af]+")
_STOP_WORDS = frozenset(
    re.findall(
        r"\S+",
        "a an the is are was were be been do does did of in on at to for from by with and or as"
        " it its that this these those what which who whom whose when where why how many much i"
        " you he she we they my your our their can could will would should has have had there if"
        " not der die das den dem des ein eine einen einem einer ist sind war waren wird werden"
        " und oder im am auf zu zum zur von vom mit für bei nach aus wie wer wen wem wann wo warum"
        " welche welcher welches welchen viel viele lange hat haben kann ich sie er es wir man"
        " nicht 什么 多少 哪里 哪个 哪些 怎么 如何 为什 谁的 的是 是什 是谁 几个 何时",
    )
)
_ASKS_NUMBER = re.compile(
    r"\b(how (many|much|long|old|far|often|tall|high|big|large)|when|what (year|date|time|day)"
    r"|which year|wann|wie (viel|viele|lange|oft|hoch|alt|gro(ß|ss)|weit)|welche[ms]? (jahr|datum)"
    r")\b|多少|几[个年月日次天岁]|何时|什么时候|哪一?年|多[长久大高]",
    re.IGNORECASE,
)
_ASKS_NAME = re.compile(r"\b(who|whom|whose|wer|wen|wem|wessen)\b|谁|哪位", re.IGNORECASE)
_NUMBER = re.compile(
    r"\d|\b(one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|hundred"
    r"|thousand|million|zwei|drei|vier|fünf|sechs|sieben|acht|neun|zehn|elf|zwölf|hundert"
    r"|tausend)\b|[一二三四五六七八九十百千万两][个年月日次天岁周小]",
    re.IGNORECASE,
)
_NAME = re.compile(r"(?<=[\w,;:(] )[A-ZÀ-ÖØ-Þ][\w'’-]+|[\u4e00-\u9fff]·[\u4e00-\u9fff]")


@dataclass(frozen=True, slots=True)
class Extract:
    """Up to two sentences as (passage number, verbatim text) in reading order.

    `score` is the best sentence's likeness to the question, 0 to 1; below the threshold the
    answer is refused and there are no sentences.
    """

    sentences: tuple[tuple[int, str], ...]
    score: float
    refused: bool

    @property
    def parts(self) -> tuple[str, ...]:
        """Return what is said, piece by piece: each sentence in quotes with its passage."""
        if self.refused:
            return (NOT_IN_DOCUMENTS,)
        return tuple(f'"{" ".join(text.split())}" [{n}]' for n, text in self.sentences)

    @property
    def text(self) -> str:
        """Return the answer as one line."""
        return " ".join(self.parts)


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A sentence, where it stands, its words and those of the headings above it."""

    order: int
    passage: int
    unit: Unit
    words: frozenset[str]
    context: frozenset[str]


def answer(
    question: str,
    passages: Sequence[Passage],
    encode: Callable[[Sequence[str]], Vectors],
    threshold: float = THRESHOLD,
) -> Extract:
    """Return the sentences of `passages`, best passage first, that answer the question best."""
    candidates = _collect(passages)
    if not candidates or not question.strip():
        return Extract((), 0.0, refused=True)
    likeness = _compare(question, candidates, encode)
    best = max(likeness.values())
    if best < threshold:
        return Extract((), best, refused=True)
    bonuses = _rank_bonuses(passages)
    wants = _answer_type(question)
    totals = {
        i: score + bonuses[candidates[i].passage] + _type_bonus(candidates[i], wants)
        for i, score in likeness.items()
    }
    chosen = sorted(_choose(candidates, totals), key=lambda candidate: candidate.order)
    found = tuple((c.passage, c.unit.text) for c in chosen)
    return Extract(found, best, refused=False)


def _compare(
    question: str,
    candidates: Sequence[_Candidate],
    encode: Callable[[Sequence[str]], Vectors],
) -> dict[int, float]:
    """Return how like the question each candidate is, 0 to 1, by its position."""
    shares = _weigh_words(question, candidates)
    if _is_mostly_cjk(question):
        # The embedding model knows few Chinese or Japanese signs: on XQuAD words alone find the
        # right passage in 98 of 100 questions, half and half in 78.  The root brings the
        # smaller shares of pairs of signs to the scale of the threshold.
        return {i: math.sqrt(share) for i, share in enumerate(shares)}
    kept = sorted(range(len(candidates)), key=lambda i: -shares[i])[:MAX_CANDIDATES]
    vectors = encode([question, *(candidates[i].unit.text for i in kept)])
    cosines = vectors[1:] @ vectors[0]
    return {i: 0.5 * float(c) + 0.5 * shares[i] for i, c in zip(kept, cosines, strict=True)}


def _is_mostly_cjk(text: str) -> bool:
    signs = sum(map(len, _CJK.findall(text)))
    return 2 * signs > sum(character.isalpha() for character in text)


def find_terms(text: str) -> list[str]:
    """Return the words that count: stems without case, Chinese and Japanese as pairs of signs."""
    terms = []
    for word in _WORD.findall(unicodedata.normalize("NFKC", text).casefold()):
        position = 0
        for run in _CJK.finditer(word):
            terms.append(word[position : run.start()])
            terms += _bigrams(run.group())
            position = run.end()
        terms.append(word[position:])
    return [_stem(term) for term in terms if term and term not in _STOP_WORDS]


def _bigrams(run: str) -> list[str]:
    return [run[i : i + 2] for i in range(len(run) - 1)] or [run]


def _stem(word: str) -> str:
    """Drop the plural, then keep five letters: enough for inflection in English and German."""
    if len(word) > 4 and word.endswith("ies"):
        word = word[:-3] + "y"
    elif len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    return word if word.isdigit() else word[:STEM_LETTERS]


def _collect(passages: Sequence[Passage]) -> list[_Candidate]:
    """Return every sentence once; headings and questions only when there is nothing else."""
    found: list[_Candidate] = []
    seen: set[str] = set()
    for passage in passages:
        label = passage.source.partition(" › ")[2]
        for unit in split_units(passage.text):
            if unit.text in seen:
                continue
            seen.add(unit.text)
            words = frozenset(find_terms(unit.text))
            context = frozenset(find_terms(f"{label} {unit.context}"))
            found.append(_Candidate(len(found), passage.number, unit, words, context))
    statements = [c for c in found if not c.unit.is_heading and not _is_question(c)]
    return statements or [c for c in found if not _is_question(c)]


def _is_question(candidate: _Candidate) -> bool:
    return candidate.unit.text.rstrip("*_\"'”» ").endswith(("?", "？"))


def _weigh_words(question: str, candidates: Sequence[_Candidate]) -> list[float]:
    """Return the share of the question's words each candidate holds, rare words counting more.

    Inverse document frequency over the candidates, as in BM25; a word of a heading counts half.
    """
    asked = set(find_terms(question))
    frequency = Counter(word for c in candidates for word in c.words & asked)
    total = len(candidates)
    weight = {
        word: math.log(1 + (total - frequency[word] + 0.5) / (frequency[word] + 0.5))
        for word in asked
    }
    whole = sum(weight.values()) or 1.0
    return [
        sum(
            w * (1.0 if word in c.words else CONTEXT_WEIGHT if word in c.context else 0.0)
            for word, w in weight.items()
        )
        / whole
        for c in candidates
    ]


def _rank_bonuses(passages: Sequence[Passage]) -> dict[int, float]:
    """Return a bonus per passage number: its place in the list as a z-score, best first."""
    middle = (len(passages) - 1) / 2
    spread = math.sqrt((len(passages) ** 2 - 1) / 12) or 1.0
    return {p.number: RANK_WEIGHT * (middle - i) / spread for i, p in enumerate(passages)}


def _answer_type(question: str) -> re.Pattern[str] | None:
    if _ASKS_NUMBER.search(question):
        return _NUMBER
    return _NAME if _ASKS_NAME.search(question) else None


def _type_bonus(candidate: _Candidate, wants: re.Pattern[str] | None) -> float:
    return TYPE_BONUS if wants and wants.search(candidate.unit.text) else 0.0


def _choose(candidates: Sequence[_Candidate], totals: dict[int, float]) -> list[_Candidate]:
    """Return the best candidate, and the next one when it is nearly as good."""
    first, *others = sorted(totals, key=lambda i: (-totals[i], i))
    seconds = [i for i in others[:1] if totals[i] >= SECOND_SHARE * totals[first]]
    return [candidates[i] for i in (first, *seconds)]
