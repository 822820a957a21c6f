"""Passages made ready for checking: their sentences, each with its words and facts, once asked."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from functools import cached_property

from ingest.sentences import sentence_spans
from rag.query.base.hits import Hit
from rag.query.verify.claims import Claim, content_words, negated_words
from rag.query.verify.compare import Clause, Words, clause_span, split_clauses
from rag.text.facts import Fact, find_facts, has_negation, may_have_facts
from rag.text.terms import index_terms
from rag.text.units import canonical_unit

_HEADING = re.compile(r"#{1,6}\s|(?:\|?\s*:?-{2,}:?\s*)+\|?$")
_RULE = re.compile(r"\n[ \t]*\|?(?:[ \t]*:?-{2,}:?[ \t]*\|)+")
_GERMAN = re.compile(r"\b(?:der|die|das|und|ist|nicht|den|dem|im|mit|für|auf|wird|von|zu)\b")
_INSIDE = re.compile(r"(?<=[a-z,] )[A-Z][\w'’-]+\b(?<!['’]s)")
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_UNIT_WORD = re.compile(r"[^\W\d_]+(?:/[^\W\d_]+)?|[%€$£¥°]")
_ROW = re.compile(r"[^\s\n][^\n]*")
_ALL = re.compile(r".+", re.DOTALL)
_DIGITS = re.compile(r"\d+")
_MOST_DENIALS = 12
_MOST_LINES = 24
"""Lines of a passage looked at for one claim: those with most of its words and digits."""
_SMALL = re.compile(r"\b[a-zß-ÿ]{3,}")


class Line:
    """A sentence or row of a passage, at `start:end` of its text."""

    def __init__(self, text: str, start: int, end: int) -> None:
        self.start = start
        self.end = end
        self.text = text[start:end]
        self.is_row = "|" in self.text
        self.is_heading = bool(_HEADING.match(self.text))

    @cached_property
    def folded(self) -> str:
        """Return it in lower case, blanks as one."""
        return " ".join(self.text.casefold().split())

    @cached_property
    def words(self) -> Words:
        """Return its content words."""
        return Words(index_terms(self.text))

    @cached_property
    def may_tell(self) -> bool:
        """Return whether it can have a number, date or code; most lines have none."""
        return may_have_facts(self.text)

    @cached_property
    def facts(self) -> tuple[Fact, ...]:
        """Return its facts."""
        return find_facts(self.text)

    @cached_property
    def clauses(self) -> list[Clause]:
        """Return its clauses in order."""
        return split_clauses(self.text, self.facts, index_terms)

    @cached_property
    def digits(self) -> frozenset[str]:
        """Return its runs of digits."""
        return frozenset(_DIGITS.findall(self.text))

    @cached_property
    def negated(self) -> Counter[str]:
        """Return the words it denies, each with how often."""
        return negated_words(self.text, self.facts)

    @cached_property
    def denied_clauses(self) -> list[tuple[str, ...]]:
        """Return the content words of each clause that denies something."""
        if not has_negation(self.text):
            return []
        marks = [fact for fact in self.facts if fact.kind == "negation"][:_MOST_DENIALS]
        return [
            content_words(self.text, self.facts, *clause_span(self.text, mark)) for mark in marks
        ]

    def count(self, word: str) -> int:
        """Return how often it has a word."""
        return index_terms(self.text).count(word)


class Passage:
    """A passage of the context; `number` is what marks call it."""

    def __init__(self, number: int, hit: Hit) -> None:
        self.number = number
        self.hit = hit
        self._near: dict[Claim, list[int]] = {}

    def near(self, claim: Claim) -> list[int]:
        """Return the lines that have most of a claim, in order; of no more are facts looked for."""
        if claim not in self._near:
            places: list[int] = list(range(len(self.lines)))
            if len(places) > _MOST_LINES:
                scores = [
                    line.words.shared(claim.words) + 2 * len(claim.digits & line.digits)
                    for line in self.lines
                ]
                places = sorted(sorted(places, key=lambda i: -scores[i])[:_MOST_LINES])
            self._near[claim] = places
        return self._near[claim]

    @property
    def text(self) -> str:
        """Return its text as it stands in the document."""
        return self.hit.chunk.text

    @cached_property
    def lines(self) -> list[Line]:
        """Return its sentences and rows in order; headings only if there is nothing else."""
        spans = sentence_spans(self.text) or [(0, len(self.text))]
        lines = [
            Line(self.text, start + row.start(), start + row.end())
            for start, end in spans
            for row in (_ROW if "|" in self.text[start:end] else _ALL).finditer(
                self.text[start:end]
            )
        ]
        return [line for line in lines if not line.is_heading] or lines

    @cached_property
    def words(self) -> Words:
        """Return the content words of all of it, with those of its context."""
        found = [term for line in self.lines for term in line.words.terms]
        return Words([*found, *self.context_words.terms])

    @cached_property
    def context(self) -> str:
        """Return what is said around it: file, headings, names of columns."""
        chunk = self.hit.chunk
        header = ""
        rule = _RULE.search(self.text)
        if rule:
            header = self.text[: rule.start()].rpartition("\n")[2]
        headings = "\n".join(line for line in self.text.splitlines() if line.startswith("#"))
        return "\n".join((chunk.document_id, chunk.heading, chunk.columns, header, headings))

    @cached_property
    def context_words(self) -> Words:
        """Return the content words of what is said around it."""
        return Words(index_terms(self.context))

    @cached_property
    def context_facts(self) -> tuple[Fact, ...]:
        """Return the facts of what is said around it."""
        return find_facts(self.context)

    @cached_property
    def small_words(self) -> frozenset[str]:
        """Return the words it writes without a capital."""
        return frozenset(_SMALL.findall(self.text))

    @cached_property
    def units(self) -> frozenset[str]:
        """Return the units it names anywhere."""
        words = _UNIT_WORD.findall(f"{self.context} {self.text}")
        return frozenset(filter(None, map(canonical_unit, words)))

    @cached_property
    def folded_context(self) -> str:
        """Return what is said around it in lower case, blanks as one."""
        return " ".join(self.context.casefold().split())

    @cached_property
    def folded(self) -> str:
        """Return the text with its context in lower case, blanks as one."""
        return " ".join(f"{self.context} {self.text}".casefold().split())


def names_of(passages: Iterable[Passage]) -> frozenset[str]:
    """Return the words that passages write with a capital inside sentences, in lower case.

    A word they also write without one is no name; German, where every noun has a capital, is
    left to the marks of a name that `find_facts` knows.
    """
    found: set[str] = set()
    for passage in passages:
        if len(_GERMAN.findall(passage.text)) * 40 < len(passage.text):
            found.update(_INSIDE.findall(passage.text))
    small = {word for passage in passages for word in passage.small_words}
    return frozenset(word.casefold() for word in found) - small


def is_cjk(text: str) -> bool:
    """Return whether a text is mostly Chinese, Japanese or Korean."""
    return 2 * len(_CJK.findall(text)) > sum(character.isalpha() for character in text)
