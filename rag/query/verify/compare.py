"""A fact of a statement and one of a passage in, whether the second holds the first out."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from decimal import Decimal

from rag.text.facts import Fact
from rag.text.function_words import FUNCTION_WORDS
from rag.text.units import units_agree

_CLAUSE = re.compile(
    r",(?!\d)\s*|[;:()–—，；：、]\s*|\s-\s|\b(?:and|but|while|whereas|und|aber|sondern|et"
    r"|mais|y|pero)\b"
)
STEM_LETTERS = 6
"""Words that share as many letters count as one: inflections and compounds stemmers miss."""

_DURATIONS = {"second", "minute", "hour", "day", "week", "month", "year"}
_SIZES = {
    "year": ("month", 12), "month": ("month", 1), "decade": ("month", 120), "week": ("day", 7),
    "day": ("day", 1), "hour": ("second", 3600), "minute": ("second", 60), "second": ("second", 1),
    "kg": ("g", 1000), "g": ("g", 1), "tonne": ("g", 10**6), "km": ("mm", 10**6),
    "m": ("mm", 1000), "cm": ("mm", 10), "mm": ("mm", 1), "l": ("ml", 1000), "ml": ("ml", 1),
}  # fmt: skip
"""Units that are so many of another."""
_TOLERANCE = Decimal("0.05")


def holds(said: Fact, found: Fact) -> bool:
    """Return whether a passage's fact holds what was said, unit included.

    "5 March" is held by "2024-03-05", and so is 2024; "roughly 1.2 million" by 1,203,400; 25 %
    by a quarter.
    """
    if said.kind == "date":
        return found.kind == "date" and any(
            _dates_agree(one, other) for one in readings(said) for other in readings(found)
        )
    if said.kind == "number" and found.kind == "date":
        return not said.unit and _in_date(said.value, found.value)
    if said.kind == "number" and found.kind == "time":
        return not said.unit and found.value == f"T{said.value.zfill(2)}:00"
    if said.kind == "number":
        return found.kind == "number" and _numbers_agree(said, found)
    if said.kind in ("name", "code"):
        return found.kind in ("name", "code") and said.value == found.value
    return said.kind == found.kind and said.value == found.value


def same_value(said: Fact, found: Fact) -> bool:
    """Return whether two numbers are equal whatever their units."""
    return said.kind == found.kind == "number" and bool(set(readings(said)) & set(readings(found)))


def readings(fact: Fact) -> tuple[str, ...]:
    """Return all values a fact can have."""
    return (fact.value, *fact.others)


def missing_year(said: Fact, facts: Iterable[Fact]) -> bool:
    """Return whether a date says a year that none of the facts has."""
    year = said.value[:4]
    if said.kind != "date" or not year.isdigit():
        return False
    return not any(year in value for fact in facts for value in readings(fact))


def is_rival(said: Fact, found: Fact) -> bool:
    """Return whether a passage's fact could stand where the one said does."""
    if said.kind != found.kind:
        return False
    if said.kind == "number":
        if {said.unit, found.unit} <= _DURATIONS:
            return True
        return units_agree(said.unit, found.unit) and bool(said.unit) == bool(found.unit)
    if said.kind == "date":
        return len(said.value) == len(found.value) or min(len(said.value), len(found.value)) > 4
    return said.kind == "time"


def _numbers_agree(said: Fact, found: Fact) -> bool:
    if not units_agree(said.unit, found.unit):
        if said.unit in _SIZES and found.unit in _SIZES:
            return _is_as_much(said, found)
        quarter = {said.unit, found.unit} == {"%", ""}
        return (
            quarter and _as_share(said) == _as_share(found) and ("." in (said.value + found.value))
        )
    if set(readings(said)) & set(readings(found)):
        return True
    if said.unit == "%" and not found.unit and _as_share(said) == _as_share(found):
        return "." in found.value and Decimal(found.value) < 1
    return _is_rounded(said, found)


def _is_as_much(said: Fact, found: Fact) -> bool:
    (base, size), (other, times) = _SIZES[said.unit], _SIZES[found.unit]
    return base == other and Decimal(said.value) * size == Decimal(found.value) * times


def _as_share(fact: Fact) -> Decimal:
    value = Decimal(fact.value)
    return value / 100 if fact.unit == "%" else value


def _is_rounded(said: Fact, found: Fact) -> bool:
    """Return whether a number said in fewer digits, or as about so much, is the one found."""
    if not said.step:
        return False
    value, exact, step = Decimal(said.value), Decimal(found.value), Decimal(said.step)
    if not value or not exact or not (said.approximate or step >= 1000):
        return False
    if said.approximate:
        step = max(step, Decimal(1).scaleb(_trailing_zeros(said.value)))
    return abs(value - exact) <= step / 2 and abs(value - exact) <= _TOLERANCE * abs(exact)


def _trailing_zeros(value: str) -> int:
    return 0 if "." in value else len(value) - len(value.rstrip("0"))


def _dates_agree(one: str, other: str) -> bool:
    if one == other:
        return True
    if not (_is_plain(one) and _is_plain(other)):
        return "Q" in one and "Q" in other and one[-2:] == other[-2:] and "-" in (one[0], other[0])
    (year, month, day), (year_, month_, day_) = _parts(one), _parts(other)
    return (
        month == month_
        and (not year or not year_ or year == year_)
        and (not day or (bool(day_) and day == day_))
    )


def _is_plain(value: str) -> bool:
    return value[0] in "-12" and "Q" not in value


def _parts(value: str) -> tuple[str, str, str]:
    year = "" if value.startswith("--") else value[:4]
    rest = value[2:] if not year else value[5:]
    return year, rest[:2], rest[3:5]


def _in_date(number: str, date: str) -> bool:
    if len(number) == 4:
        return number in date
    parts = _parts(date) if _is_plain(date) else ("", "", "")
    return bool(parts[2]) and number.zfill(2) == parts[2]


class Words:
    """The content words of a text, as stems."""

    def __init__(self, terms: Iterable[str]) -> None:
        self.terms = frozenset(
            term for term in terms if term not in FUNCTION_WORDS and not term.isdigit()
        )
        self._beginnings = frozenset(
            term[:STEM_LETTERS] for term in self.terms if len(term) >= STEM_LETTERS
        )

    def __contains__(self, term: str) -> bool:
        return term in self.terms or (
            len(term) >= STEM_LETTERS and term[:STEM_LETTERS] in self._beginnings
        )

    def shared(self, wanted: Iterable[str]) -> int:
        """Return how many of the words wanted are here."""
        return sum(term in self for term in wanted)


@dataclass(frozen=True, slots=True)
class Clause:
    """A clause at `start:end` of its text; `order` are its content words as they come."""

    start: int
    end: int
    order: tuple[str, ...]
    words: Words
    facts: tuple[Fact, ...]

    @property
    def facts_told(self) -> bool:
        """Return whether it has a number, date, time or code."""
        return any(fact.kind not in ("name", "negation") for fact in self.facts)


def split_clauses(
    text: str, facts: Collection[Fact], terms: Callable[[str], list[str]]
) -> list[Clause]:
    """Return the clauses of a text in order, in time that grows with its length."""
    clauses: list[Clause] = []
    left = list(facts)[::-1]
    start = 0
    for end, behind in [*(cut.span() for cut in _CLAUSE.finditer(text)), (len(text), len(text))]:
        inside: list[Fact] = []
        while left and left[-1].start < end:
            inside.append(left.pop())
        if inside and inside[-1].end > end:  # a fact spans the mark
            left.extend(reversed(inside))
            continue
        order = plain_words(text, inside, start, end, terms)
        clauses.append(Clause(start, end, order, Words(order), tuple(inside)))
        start = behind
    return clauses


def clause_span(text: str, fact: Fact) -> tuple[int, int]:
    """Return start and end of the clause of a text in which a fact stands."""
    start, end = 0, len(text)
    for cut in _CLAUSE.finditer(text):
        if cut.end() <= fact.start:
            start = cut.end()
        elif cut.start() >= fact.end:
            return start, cut.start()
    return start, end


def plain_words(
    text: str, facts: Collection[Fact], start: int, end: int, terms: Callable[[str], list[str]]
) -> tuple[str, ...]:
    """Return the distinct content words of a part of a text; its facts but names left out."""
    pieces: list[str] = []
    position = start
    for fact in facts:
        if fact.kind != "name":
            pieces.append(text[position : fact.start])
            position = fact.end
    pieces.append(text[min(position, end) : end])
    rest = " ".join(pieces)
    if not re.search(r"[^\W\d_]", rest):
        return ()
    return tuple(
        dict.fromkeys(t for t in terms(rest) if t not in FUNCTION_WORDS and not t.isdigit())
    )
