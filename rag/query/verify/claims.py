"""A piece of an answer in, what it claims out: its words, its facts, what it denies."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection
from functools import cached_property
from typing import Protocol

from rag.query.verify.compare import (
    Clause,
    Words,
    clause_span,
    holds,
    plain_words,
    split_clauses,
)
from rag.text.facts import Fact, find_facts
from rag.text.terms import index_terms, query_terms

_CLAUSE_MARK = re.compile(r",(?!\d)\s*|[;:()–—，；：、]\s*|\b(?:but|aber|sondern|mais|pero)\b")
_QUOTED = re.compile(r"[\"“„«「]([^\"“”„«»「」]+)[\"“”»」]")
_DENIES = re.compile(
    r"\b(?:prohibit\w*|forbid\w*|forbade|bann?ed|refus\w*|reject\w*|fail\w*|lack\w*"
    r"|unable|unlike\w*|"
    r"impossible|exclude\w*|prevents?|avoid\w*|instead|exempt\w*|free of|verboten|untersagt\w*|"
    r"unmöglich|ausgeschlossen|statt|interdit\w*|prohibid\w*)\b|禁止|除外|拒|免",
    re.IGNORECASE,
)
_MARKDOWN = re.compile(r"\*\*|__|`|^\s*(?:[-*•+]|\d{1,2}[.)])\s+|^\s*\|\s*|\s*\|\s*$")
_LEAD_IN = re.compile(
    r"\b(?:i hope (?:this|that|it) helps|(?:please )?(?:let me know|feel free)(?: to ask)?"
    r"(?: if you (?:need|have|want) .{0,40})?|(?:i am|i'm)? ?happy to help"
    r"|here (?:is|are)(?: (?:what|the) .{0,40}(?=:))?|in summary"
    r"|(?:based on|according to) (?:the|your|these) (?:provided )?(?:documents?"
    r"|passages?|sources?|context)"
    r"|what i found|(?:the )?(?:answer|summary|overview|list|details?|following|below|as follows)"
    r"|hier (?:ist|sind)(?: .{0,40}(?=:))?|(?:laut|gemäß) (?:den|ihren) (?:dokumenten"
    r"|passagen|quellen)"
    r"|ich hoffe,? das hilft)\b|根据(?:文档|文件|资料)|以下是.{0,20}(?=[:：])|希望.{0,6}帮助",
    re.IGNORECASE,
)
_ABSENT = re.compile(
    r"(?:unfortunately, |however, |leider )?(?:i (?:could not|cannot|can't|couldn't"
    r"|was unable to) (?:find|answer|tell|say)\b"
    r"|i found (?:no|nothing)\b"
    r"|(?:the |these |your )?(?:passages?|documents?|context|sources?"
    r"|excerpts?)(?: provided| above)? "
    r"(?:do|does|did)(?: not|n['’]t) \w+"
    r"|(?:die|ihre|diese) (?:dokumente|passagen|quellen) (?:enthalten|nennen|sagen"
    r"|erwähnen)\b.{0,60}\b(?:nicht|kein\w*|nichts)\b"
    r"|ich (?:konnte|kann) .{0,60}\b(?:nicht|kein\w*|nichts)\b).*"
    r"|(?:文档|文件|资料)中没有.*",
    re.IGNORECASE | re.DOTALL,
)
_POLITE = re.compile(
    r"(?i)\b(?:yes|no|sure|thanks|thank you|hello|hi|okay?|sorry|certainly|of course|great|ja|nein|"
    r"danke|gerne?|hallo|leider|oui|non|merci|sí|gracias|answer|note|antwort)\b"
)
_TAG = re.compile(
    r"(?i),\s*(?:\w+n['’]t (?:it|they|he|she|you|we)|right|correct|oder|nicht wahr|n['’]est-ce pas|"
    r"(?:is|are|does|do|was) (?:it|they))\s*[?？]\Z"
)
_SAYS = re.compile(
    r"(?i)\b(?:is|are|was|were|has|have|had|can|may|must|will|shall|should|does|did"
    r"|ist|sind|war|hat|"
    r"wird|werden|kann|darf|muss|est|sont)\b|\A(?:the|an?|der|die|das|le|la)\s|"
    r"\b(?!(?:of|in|for|to|on|at|with|by|from|and|or|about|under|over|per|during"
    r"|after|before|as)\b)"
    r"[a-z]+ (?:the|an?|his|her|their)\s"
)
_ANNOUNCES = re.compile(
    r"(?i)\b(?:following|these|this|below|as follows|folgende\w*|suivant\w*)\b|如下|以下"
)
_MOST_TITLE_WORDS = 8
_FEW_WORDS = 3
_TABLE_RULE = re.compile(r"\|?(?:\s*:?-{2,}:?\s*\|?)+\s*")

_MOST_DENIALS = 12

LEAST_QUOTED = 3
"""Words in quotation marks that must stand in a passage as they are; fewer may be a manner of
speaking."""


class Told(Protocol):
    """What has facts: a line of a passage."""

    @property
    def facts(self) -> tuple[Fact, ...]:
        """Return its facts in order."""


class Claim:
    """What a piece of an answer says, its marks taken out."""

    def __init__(self, text: str, names: Collection[str] = ()) -> None:
        self.raw = text
        self.text = " ".join(_MARKDOWN.sub(" ", text).split()).replace(" .", ".")
        self._names = names
        self._held: dict[Told, dict[Fact, tuple[Fact, ...]]] = {}

    def held_in(self, line: Told, fact: Fact) -> tuple[Fact, ...]:
        """Return the facts of a line that hold one of the claim's; each line is read once."""
        if line not in self._held:
            self._held[line] = {
                said: tuple(one for one in line.facts if holds(said, one)) for said in self.facts
            }
        return self._held[line].get(fact, ())

    @cached_property
    def digits(self) -> frozenset[str]:
        """Return its runs of digits."""
        return frozenset(re.findall(r"\d+", self.text))

    @cached_property
    def stems(self) -> Words:
        """Return its content words to look others up in."""
        return Words(self.words)

    @cached_property
    def clauses(self) -> list[Clause]:
        """Return its clauses in order."""
        return split_clauses(self.text, self.all_facts, index_terms)

    def words_in(self, start: int, end: int) -> tuple[str, ...]:
        """Return the content words of `text[start:end]`."""
        return content_words(self.text[start:end], ())

    @cached_property
    def all_facts(self) -> tuple[Fact, ...]:
        """Return its facts with the marks of negation."""
        return find_facts(self.text, self._names)

    @cached_property
    def facts(self) -> tuple[Fact, ...]:
        """Return what must stand in a passage: numbers, dates, times, names, codes."""
        return tuple(fact for fact in self.all_facts if self._is_checked(fact))

    @cached_property
    def words(self) -> tuple[str, ...]:
        """Return its content words as stems, numbers, units, dates and codes aside."""
        return content_words(self.text, self.all_facts)

    @cached_property
    def negated(self) -> Counter[str]:
        """Return the words it denies, each with how often."""
        return negated_words(self.text, self.all_facts)

    @property
    def denies(self) -> bool:
        """Return whether it denies or restricts by a word that is no plain "not"."""
        return bool(_DENIES.search(self.text))

    @property
    def quotations(self) -> list[str]:
        """Return what it quotes at some length."""
        found = [quoted.strip(" .,;:!?。") for quoted in _QUOTED.findall(self.raw)]
        return [quoted for quoted in found if len(re.findall(r"\w+", quoted)) >= LEAST_QUOTED]

    def around(self, fact: Fact) -> tuple[tuple[str, ...], list[Fact]]:
        """Return the content words and the other facts of a fact's clause.

        The words are those of the whole claim where the clause has few.
        """
        start, end = clause_span(self.text, fact)
        words = content_words(self.text, self.all_facts, start, end)
        others = [f for f in self.facts if start <= f.start < end and f is not fact]
        return (words if len(words) >= 2 else self.words), others

    def _is_checked(self, fact: Fact) -> bool:
        if fact.kind == "negation":
            return False
        # "One" and "a" are seldom numbers.
        return not (fact.kind == "number" and fact.value == "1" and self.text[fact.start].isalpha())


def is_neutral(text: str, *, begins_table: bool = False) -> bool:
    """Return whether a sentence without marks claims nothing that could be checked.

    Those are headings, lead-ins, greetings, questions, a bare yes or no, heads of tables, and
    what is said about the passages themselves.
    """
    bare = text.strip()
    if begins_table or _TABLE_RULE.fullmatch(bare) or not re.search(r"[^\W_]", bare):
        return True
    if bare.endswith(("?", "？")):
        return not _TAG.search(bare)
    claim = Claim(bare.lstrip("# "))
    if any(fact.kind in ("number", "date", "time") for fact in claim.facts):
        return False
    if _ABSENT.fullmatch(claim.text):
        return True
    rest = Claim(_POLITE.sub(" ", _LEAD_IN.sub(" ", claim.text)))
    words = rest.words
    if not words:
        return True
    is_title = bare.startswith("#") or re.fullmatch(r"(?:[-*•]\s+)?\*\*[^*]+\*\*:?", bare)
    if bare.endswith((":", "：", ":**")):
        announces = bool(_ANNOUNCES.search(claim.text)) and len(words) <= _MOST_TITLE_WORDS
        return announces or (len(words) <= _FEW_WORDS and not _SAYS.search(rest.text))
    return bool(is_title) and len(words) <= _MOST_TITLE_WORDS and not _tells(rest, words)


def _tells(claim: Claim, words: Collection[str]) -> bool:
    """Return whether a heading reads like a sentence rather than a title."""
    said = _SAYS.search(claim.text)
    if not said:
        return False
    return len(words) > _FEW_WORDS or claim.text[: said.end()].strip() != said[0].strip()


def begins_table(behind: str) -> bool:
    """Return whether what follows a line makes it the head of a table."""
    line = behind.lstrip().partition("\n")[0].strip()
    return line.startswith("|") and bool(_TABLE_RULE.fullmatch(line))


def denies(text: str) -> bool:
    """Return whether a text denies or restricts by a word that is no plain "not"."""
    return bool(_DENIES.search(text))


def content_words(
    text: str, facts: Collection[Fact], start: int = 0, end: int | None = None
) -> tuple[str, ...]:
    """Return the distinct content words of `text[start:end]`, facts but names aside."""
    end = len(text) if end is None else end
    return plain_words(text, [f for f in facts if start <= f.start < end], start, end, query_terms)


def negated_words(text: str, facts: Collection[Fact]) -> Counter[str]:
    """Return the words that marks of negation stand before, or behind where none follows.

    Each is the stem nearest to its mark within the clause.
    """
    found: Counter[str] = Counter()
    marks = [fact for fact in facts if fact.kind == "negation"][:_MOST_DENIALS]
    cuts = [cut.span() for cut in _CLAUSE_MARK.finditer(text)] if marks else []
    for mark in marks:
        start = max((end for _, end in cuts if end <= mark.start), default=0)
        end = min((begin for begin, _ in cuts if begin >= mark.end), default=len(text))
        behind = content_words(text, facts, mark.end, end)
        before = content_words(text, facts, start, mark.start)
        # The first pair of signs behind a Chinese "not" may end in the midst of a word.
        nearest = behind[: 2 if behind and behind[0] > "\u3000" else 1] or before[-1:]
        found.update(nearest)
    return found
