"""A claim and the lines that hold its facts in, what they say otherwise of them out."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rag.query.verify.claims import Claim
from rag.query.verify.compare import Clause, is_rival
from rag.query.verify.passages import Line
from rag.text.facts import Fact
from rag.text.units import canonical_unit

_LOW = re.compile(
    r"(?i)(?:\b(?:at least|a minimum of|no (?:less|fewer|earlier) than|not (?:less|before)|"
    r"more than|longer than|(?<!carry )(?<!carried )over|above|"
    r"exceed\w*|after|mindestens|wenigstens|mehr als|länger als|"
    r"über|oberhalb von|au moins|plus de|al menos|más de)|≥|>|"
    r"至少|不少于|超过|高于|以上)\s*(?:the\s+)?\Z"
)
_HIGH = re.compile(
    r"(?i)(?:\b(?:at most|a maximum of|up to|no (?:more|later|longer) than|not (?:more|after)|"
    r"less than|fewer than|under|below|before|within|höchstens|maximal|bis zu|weniger als|unter|"
    r"unterhalb von|au plus|moins de|como máximo|menos de)|≤|<|"
    r"至多|最多|不超过|低于|少于)\s*(?:the\s+)?\Z"
)
_NEGATED = re.compile(r"(?i)\b(?:not|never|nicht|kein\w*|no)\b|不")
_STRICT = re.compile(
    r"(?i)(?:at least|at most|more than|less than|fewer than|mehr als|weniger als)"
)
_LIMITS = re.compile(
    r"(?i)\b(?:limit\w*|max\w*|min\w*|most|least|more|less|fewer|longer|over|above"
    r"|under|below|up to|"
    r"within|exceed\w*|until|by|cap\w*|may|höchst\w*|mindest\w*|bis|mehr|weniger|über"
    r"|unter)\b|[<>≤≥至最超]"
)
_PER = re.compile(
    r"(?:\s+[^\W\d_]+)?\s*(?:/|(?:per|an?|each|every|pro|im|par|por|al)\s+)(?P<unit>[^\W\d_]+)"
)
_TIMES = re.compile(
    r"(?i)\b(?P<times>once|twice|thrice|einmal|zweimal|dreimal|une fois|deux fois)\s+"
    r"(?:per|an?|each|every|pro|im|par)\s+(?P<unit>[^\W\d_]+)"
)
_TIMES_OF = {"once": 1, "einmal": 1, "une fois": 1, "twice": 2, "zweimal": 2, "deux fois": 2}
_NOUN = re.compile(r"\s(?P<noun>[a-zß-ÿ]{4,})\b")
_UNIT_NEAR = re.compile(r"\s(?P<unit>[^\W\d_]+)")
_EXCEPT = re.compile(
    r"(?i)\b(?:except(?: for)?|excluding|apart from|other than|with the exception of|außer|"
    r"ausgenommen|mit Ausnahme von|excepto)\s+(?!when|if|in|wenn)(?:the |den |der "
    r"|les? )?(?P<who>[^\W\d_]+)"
)
_EXCEPTING = re.compile(
    r"(?i)\b(?:except|exclud|exempt|apart|other than|not|no|unless|only|außer"
    r"|ausgenommen|nicht|kein|"
    r"sauf|ne|pas)\w*\b"
)
_PRONOUN = re.compile(r"\b(?:it|they|this|these|es|sie|er|il|elle)\b", re.IGNORECASE)
_WORD = re.compile(r"[^\W\d_]+")
_OPPOSITES = """
above below, before after, higher lower, highest lowest, increased decreased, increase decrease,
increases decreases, rose fell, rises falls, opens closes, opened closed, delivers consumes,
produces consumes, included excluded, includes excludes, allowed forbidden, allowed prohibited,
permitted prohibited, permitted forbidden, accepted rejected, buys sells, bought sold, begins ends,
starts ends, started ended, starts stops, maximum minimum, gains loses, won lost, north south,
east west, northern southern, eastern western, input output, arrives leaves, arrival departure,
approved rejected, public private, erlaubt verboten, öffnet schließt, steigt sinkt, stieg sank,
beginnt endet, höher niedriger, liefert verbraucht, inklusive exklusive, nord süd
"""
_TITLES = frozenset(("mr", "mrs", "ms", "dr", "prof", "herr", "herrn", "frau"))
_MOST_CLAUSES = 48
_PARALLEL = 3
"""Words that two clauses share, small ones too, which say the same of two things."""


def _read_opposites() -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for pair in _OPPOSITES.split(","):
        one, other = pair.split()
        found[one] = found.get(one, frozenset()) | {other}
        found[other] = found.get(other, frozenset()) | {one}
    return found


_OPPOSITE_OF = _read_opposites()


def find_conflict(claim: Claim, lines: Sequence[Line], around: Sequence[Line]) -> str:
    """Return what lines say otherwise; `lines` hold the claim, `around` are all like it."""
    for fact in claim.facts:
        pairs = [(line, one) for line in lines for one in claim.held_in(line, fact)]
        told = [_compare(claim, fact, line, one) for line, one in pairs]
        if told and all(told):
            return told[0]
    return (
        _other_times(claim, lines)
        or _excepted(claim, lines)
        or _opposite(claim, lines)
        or _crossed(claim, lines, around)
    )


def permits_up_to(claim: Claim, lines: Sequence[Line]) -> bool:
    """Return whether a claim allows up to what lines forbid to exceed: the same, said otherwise."""
    return any(
        _bound(claim.text, fact) == "high" and _is_capped(line, one)
        for fact in claim.facts
        for line in lines
        for one in claim.held_in(line, fact)
    )


def _is_capped(line: Line, fact: Fact) -> bool:
    before = line.text[max(0, fact.start - 40) : fact.start]
    return bool(_LOW.search(before) and _NEGATED.search(before))


def _compare(claim: Claim, fact: Fact, line: Line, one: Fact) -> str:
    """Return what a line says otherwise at a fact it has in common with a claim."""
    if fact.kind not in ("number", "date", "time"):
        return ""
    said, there = claim.text[fact.start : fact.end], line.text[one.start : one.end]
    bound, other = _bound(claim.text, fact), _bound(line.text, one)
    if bound and other and bound != other:
        return f"the passage sets the limit {there} the other way round"
    before = claim.text[max(0, fact.start - 16) : fact.start]
    if bound and not other and not line.is_row and fact.kind == "number" and _STRICT.search(before):
        exact = fact.value == one.value and not _LIMITS.search(line.text)
        if exact and not _TIMES.search(line.text):
            return f"the passage says {there} without a limit"
    per, per_other = _per(claim.text, fact), _per(line.text, one)
    if fact.kind == "number" and per and per_other and per != per_other:
        return f"the passage says {there} per {per_other}, not per {per}"
    noun = _NOUN.match(claim.text, fact.end)
    if fact.kind == one.kind == "number" and one.unit and not fact.unit and noun:
        counted = claim.words_in(*noun.span("noun"))
        unit_follows = _UNIT_NEAR.match(claim.text, noun.end())
        also = unit_follows and canonical_unit(unit_follows["unit"])
        if counted and not also and not line.words.shared(counted):
            return f"the passage says {there}, not {said} {noun['noun']}"
    return ""


def _bound(text: str, fact: Fact) -> str:
    before = text[max(0, fact.start - 24) : fact.start]
    if _HIGH.search(before):
        return "high"
    if not _LOW.search(before):
        return ""
    return "high" if _NEGATED.search(text[max(0, fact.start - 40) : fact.start]) else "low"


def _per(text: str, fact: Fact) -> str:
    found = _PER.match(text, fact.end)
    return canonical_unit(found["unit"]) if found else ""


def _other_times(claim: Claim, lines: Sequence[Line]) -> str:
    said = _TIMES.search(claim.text)
    if not said:
        return ""
    for line in lines:
        for found in _TIMES.finditer(line.text):
            one, other = said["times"].casefold(), found["times"].casefold()
            if _TIMES_OF.get(one, 3) != _TIMES_OF.get(other, 3):
                return f"the passage says {found[0]}, not {said[0]}"
    return ""


def _excepted(claim: Claim, lines: Sequence[Line]) -> str:
    if _EXCEPTING.search(claim.text):
        return ""
    words = {word.casefold() for word in _WORD.findall(claim.text)}
    for line in lines:
        for found in _EXCEPT.finditer(line.text):
            if found["who"].casefold() in words and not _NEGATED.search(line.text):
                return f"the passage says {' '.join(found[0].split())}"
    return ""


def _opposite(claim: Claim, lines: Sequence[Line]) -> str:
    """Return which word stands in the place of its opposite: in the clause most like the claim."""
    if _EXCEPTING.search(claim.text):
        return ""
    clauses = [(line, clause) for line in lines for clause in line.clauses]
    for part in claim.clauses:
        said = {word.casefold() for word in _WORD.findall(claim.text[part.start : part.end])}
        turned = [word for word in said if word in _OPPOSITE_OF]
        if not turned:
            continue
        best = max((_shared(part, clause, claim, line) for line, clause in clauses), default=0)
        alike = [
            {w.casefold() for w in _WORD.findall(line.text[clause.start : clause.end])}
            for line, clause in clauses
            if best and _shared(part, clause, claim, line) == best
        ]
        for word in turned:
            for there in alike:
                other = (_OPPOSITE_OF[word] & there) - said
                held = any(word in one for one in alike)
                if other and not held and not _EXCEPTING.search(" ".join(there)):
                    return f"the passage says {min(other)}, not {word}"
    return ""


def _shared(part: Clause, clause: Clause, claim: Claim, line: Line) -> int:
    facts = [fact for fact in claim.facts if part.start <= fact.start < part.end]
    held = [any(one in clause.facts for one in claim.held_in(line, fact)) for fact in facts]
    return clause.words.shared(part.order) + 2 * sum(held)


def _crossed(claim: Claim, held: Sequence[Line], lines: Sequence[Line]) -> str:
    """Return what is wrong if the claim says of its subject what a parallel clause says of another.

    Parallel clauses begin with other subjects and share words, or have values of the same unit.
    """
    if all(_stands_whole(claim, part, held) for part in claim.clauses):
        return ""
    clauses = [(line, one) for line in lines for one in line.clauses if one.order][:_MOST_CLAUSES]
    for part in claim.clauses:
        order = [word for word in part.order if word not in _TITLES]
        subject = order[0] if order else ""
        own = [(line, one) for line, one in clauses if subject and subject in one.words]
        if not own:
            continue
        facts = [f for f in claim.facts if part.start <= f.start < part.end and f.kind != "name"]
        words = [word for word in order if any(word in one.words for _, one in clauses)]
        if any(_has_all(claim, facts, words, line, one) for line, one in own):
            continue
        heads = [(line, one) for line, one in own if _subject(one) == subject]
        for line, one in clauses:
            text = line.text[one.start : one.end]
            if subject in one.words or _subject(one) in claim.stems or _PRONOUN.search(text):
                continue
            for there, head in heads:
                if _takes(claim, facts, (line, one), (there, head)) or (
                    _takes_word(claim, words, own, (line, one), (there, head))
                ):
                    return "the passage says so of something else"
    return ""


def _stands_whole(claim: Claim, part: Clause, lines: Sequence[Line]) -> bool:
    """Return whether one clause of these lines has all words and facts of a claim's."""
    facts = [f for f in claim.facts if part.start <= f.start < part.end and f.kind != "name"]
    return any(
        _has_all(claim, facts, part.order, line, one) for line in lines for one in line.clauses
    )


def _subject(clause: Clause) -> str:
    return next((word for word in clause.order if word not in _TITLES), "")


def _has_all(
    claim: Claim, facts: Sequence[Fact], words: Sequence[str], line: Line, clause: Clause
) -> bool:
    return all(_has(claim, fact, line, clause) for fact in facts) and (
        clause.words.shared(words) == len(words)
    )


def _has(claim: Claim, fact: Fact, line: Line, clause: Clause) -> bool:
    return any(one in clause.facts for one in claim.held_in(line, fact))


def _takes(
    claim: Claim, facts: Sequence[Fact], other: tuple[Line, Clause], own: tuple[Line, Clause]
) -> bool:
    """Return whether a fact comes from another's clause where the subject's has its like."""
    return any(
        _has(claim, fact, *other)
        and not _has(claim, fact, *own)
        and any(is_rival(fact, one) for one in own[1].facts)
        for fact in facts
    )


def _takes_word(
    claim: Claim,
    words: Sequence[str],
    clauses: Sequence[tuple[Line, Clause]],
    other: tuple[Line, Clause],
    own: tuple[Line, Clause],
) -> bool:
    """Return whether a word comes from another's clause where the subject's has its like."""
    taken = [
        word
        for word in words
        if word in other[1].words and not any(word in one.words for _, one in clauses)
    ]
    if other[1].facts_told or own[1].facts_told or not taken:
        return False
    if all(word in claim.stems for word in own[1].order[1:]):
        return False
    said, there = (
        {word.casefold() for word in _WORD.findall(line.text[one.start : one.end])}
        for line, one in (other, own)
    )
    return len(said & there) >= _PARALLEL
