"""A fact of a claim in, the lines of passages that hold it near the words it is said with out."""

from __future__ import annotations

from collections.abc import Sequence

from rag.query.verify.claims import Claim
from rag.query.verify.compare import Clause, holds, is_rival, missing_year, same_value
from rag.query.verify.passages import Line, Passage
from rag.text.facts import Fact

NEARNESS = 0.5
"""Share of the words around a fact, of those the nearest line has, that its own line must have."""

_FACT_WEIGHT = 2
_MOST_CLAUSES = 48


def best_line(claim: Claim, passage: Passage) -> int:
    """Return which line of a passage has most of a claim."""
    return max(passage.near(claim), key=lambda i: (score_line(claim, passage.lines[i]), -i))


def score_line(claim: Claim, line: Line) -> int:
    """Return how many of a claim's words and facts a line has."""
    shared = line.words.shared(claim.words)
    told = [fact for fact in claim.facts if fact.kind != "name"]
    if not told or not line.may_tell or not (shared or claim.digits & line.digits):
        return shared
    return shared + sum(bool(claim.held_in(line, fact)) for fact in told)


def find_fact(
    claim: Claim, fact: Fact, passages: Sequence[Passage]
) -> list[tuple[int, int]] | None:
    """Return the lines that hold a fact near the words it is said with; None without.

    A line of -1 stands for the headings and columns of a passage.
    """
    if fact.kind == "name":
        return [(p.number, -1) for p in passages if _is_named(fact, p, claim)] or None
    around, others = claim.around(fact)
    scores = {
        (p.number, i): _nearness(claim, around, others, p.lines[i])
        for p in passages
        for i in p.near(claim)
    }
    nearest = max(scores, key=lambda place: scores[place])
    by_number = {p.number: p for p in passages}
    holders = [
        place
        for place in scores
        if _line_holds(fact, others, set(around), by_number[place[0]], place[1], claim)
    ]
    if holders and not _year_is_told(claim, fact, [by_number[number] for number, _ in holders]):
        return None
    near = [
        place
        for place in holders
        if scores[place] >= NEARNESS * scores[nearest]
        or _continues(claim, fact, by_number[place[0]], place, nearest)
    ]
    if near:
        return sorted(near, key=lambda place: -scores[place])[:1]
    if holders:
        return None
    return [(p.number, -1) for p in passages if _is_told_above(fact, p)] or None


def _line_holds(
    fact: Fact,
    others: Sequence[Fact],
    around: set[str],
    passage: Passage,
    index: int,
    claim: Claim,
) -> bool:
    """Return whether a line has a fact, and in a clause that fits no worse than a rival's."""
    line = passage.lines[index]
    if fact.kind == "code" and not line.is_heading and fact.value in line.folded:
        return True
    if not line.may_tell:
        return False
    found = list(claim.held_in(line, fact))
    if fact.unit:
        found = [one for one in found if one.unit or fact.unit in passage.units]
    if not found:
        return False
    told = {one for said in claim.facts for one in claim.held_in(line, said)}
    rivals = {one for one in line.facts if one not in told and is_rival(fact, one)}
    own, others_fit = [], []
    for clause in _nearest_clauses(line, found):
        if not rivals.isdisjoint(clause.facts):
            others_fit.append(_fit(claim, line, clause, others, around))
        if not set(found).isdisjoint(clause.facts):
            own.append(_fit(claim, line, clause, others, around))
    return not any(all(fit < other for fit in own) for other in others_fit)


def _nearest_clauses(line: Line, found: Sequence[Fact]) -> list[Clause]:
    """Return the clauses of a line that are looked at: all, in long lines those near a fact."""
    clauses = line.clauses
    if len(clauses) <= _MOST_CLAUSES:
        return clauses
    at = next(i for i, clause in enumerate(clauses) if found[0] in clause.facts)
    first = max(0, at - _MOST_CLAUSES // 2)
    return clauses[first : first + _MOST_CLAUSES]


def _fit(
    claim: Claim, line: Line, clause: Clause, others: Sequence[Fact], around: set[str]
) -> set[str]:
    """Return what of a claim stands in a clause of a line: words and other facts."""
    told = {
        other.value
        for other in others
        if any(one in clause.facts for one in claim.held_in(line, other))
    }
    return {word for word in around if word in clause.words} | told


def _is_told_above(fact: Fact, passage: Passage) -> bool:
    if fact.kind == "code" and fact.value in passage.folded_context:
        return True
    return any(holds(fact, found) for found in passage.context_facts)


def _nearness(claim: Claim, around: Sequence[str], others: Sequence[Fact], line: Line) -> int:
    held = line.may_tell and sum(
        bool(claim.held_in(line, other)) for other in others if other.kind != "name"
    )
    return line.words.shared(around) + (_FACT_WEIGHT * held if around else 0)


def _continues(
    claim: Claim, fact: Fact, passage: Passage, place: tuple[int, int], nearest: tuple[int, int]
) -> bool:
    """Return whether a line is beside the nearest one, which has nothing in the fact's place."""
    if place[0] != nearest[0] or abs(place[1] - nearest[1]) > 2:
        return False
    line = passage.lines[nearest[1]]
    if line.is_row:
        return False
    rivals = [found for found in line.facts if is_rival(fact, found)]
    return not [r for r in rivals if not any(holds(said, r) for said in claim.facts)]


def _is_named(fact: Fact, passage: Passage, claim: Claim) -> bool:
    """Return whether a passage has a name; a row of a table must have it itself."""
    names = {fact.value, fact.value.rstrip("s")} if len(fact.value) > 3 else {fact.value}
    line = passage.lines[best_line(claim, passage)]
    where = f"{line.folded} {passage.folded_context}" if line.is_row else passage.folded
    return any(name in where for name in names)


def _year_is_told(claim: Claim, fact: Fact, passages: Sequence[Passage]) -> bool:
    if fact.kind != "date":
        return True
    facts = [found for p in passages for i in p.near(claim) for found in p.lines[i].facts]
    return not missing_year(fact, [*facts, *(f for p in passages for f in p.context_facts)])


def explain_missing(
    claim: Claim, fact: Fact, passages: Sequence[Passage], best: dict[int, int]
) -> str:
    """Say what is wrong with a fact, naming what the passage has in its place."""
    said = claim.text[fact.start : fact.end]
    for passage in passages:
        line = passage.lines[best[passage.number]]
        rivals = [
            found
            for found in line.facts
            if (is_rival(fact, found) or same_value(fact, found))
            and not any(holds(other, found) for other in claim.facts)
        ]
        if rivals:
            other = line.text[rivals[0].start : rivals[0].end]
            return f"the passage says {' '.join(other.split())}, not {said}"
    if any(claim.held_in(p.lines[i], fact) for p in passages for i in p.near(claim)):
        return f"the passage does not say this of {said}"
    return f"{said} is not in the passage"
