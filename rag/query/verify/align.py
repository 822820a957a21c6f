"""A claim and the passages it cites in, where they hold it and what of it they do not out."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from rag.query.verify.claims import Claim, denies
from rag.query.verify.conflict import find_conflict, permits_up_to
from rag.query.verify.hold import best_line, explain_missing, find_fact, score_line
from rag.query.verify.passages import Line, Passage, is_cjk
from rag.text.terms import index_terms

SUPPORT = 0.5
"""Share of a claim's words and facts that its passages must hold, besides all of its facts."""

MOST_STRANGE = 4
"""Words of a claim in a row, none of which its passages have, that make it another's claim."""

_MOST_LINES = 3
_MOST_ALIKE = 5
_TELLING = 1000
_LANGUAGES = {
    "en": re.compile(r"(?i)\b(?:the|of|and|is|are|to|for|with|was|by|have|has|must|get)\b"),
    "de": re.compile(r"(?i)\b(?:der|die|das|und|ist|ein|eine|dem|den|mit|für|bei|pro|von|sind)\b"),
    "fr": re.compile(r"(?i)\b(?:le|la|les|et|est|une|du|des|pour|dans|sont|au)\b"),
    "es": re.compile(r"(?i)\b(?:el|los|las|y|es|una|del|por|para|en|con)\b"),
}
_TITLES = frozenset(("mr", "mrs", "ms", "dr", "prof", "herr", "herrn", "frau"))
_TOKEN = re.compile(r"[^\W_]+")
_LEAST_EXACT_WORDS = 4
_QUOTED = re.compile(r"[\"“„«](.+)[\"“”»][.。]?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether passages hold a claim; `coverage` is the share of its words and facts they have.

    `spans` are start and end of the quote in the text of each passage, by its number.
    """

    supported: bool
    coverage: float
    problem: str = ""
    spans: dict[int, tuple[int, int]] = field(default_factory=dict)
    helping: frozenset[int] = frozenset()


def judge(claim: Claim, passages: Sequence[Passage]) -> Verdict:
    """Return whether the passages, taken together, hold a claim."""
    exact = {p.number: span for p in passages if (span := _find_claim(claim, p.text))}
    best = {p.number: best_line(claim, p) for p in passages}
    spans = {p.number: exact.get(p.number) or _window(claim, p, best[p.number]) for p in passages}
    if exact:
        return Verdict(True, 1.0, "", spans, frozenset(exact))
    unheld, helping, lines = _check_facts(claim, passages, best)
    main = max(passages, key=lambda p: score_line(claim, p.lines[best[p.number]]))
    lines.add((main.number, best[main.number]))
    held = [_is_held(word, passages, spans, lines) for word in claim.words]
    coverage = _cover(claim, held, len(unheld))
    problem = _misquoted(claim, passages) or next(iter(unheld), "")
    chosen = [line for p in passages for line in _lines_of(p, lines)]
    problem = problem or _find_swap(claim, chosen)
    like = [p.lines[i] for p in passages for i in p.near(claim)]
    around = sorted(like, key=lambda line: -line.words.shared(claim.words))[:_MOST_ALIKE]
    problem = problem or find_conflict(claim, chosen, around)
    if not problem and not permits_up_to(claim, chosen):
        problem = _compare_polarity(claim, [*chosen, *_find_denying(claim, passages, chosen)])
    strange = coverage < SUPPORT or _longest_gap(claim, held) >= MOST_STRANGE
    if not problem and strange and not (claim.facts and _is_foreign(claim, passages)):
        problem = "the passage does not say so"
    helps = helping | {p.number for p in passages if _has_share(claim, p, spans[p.number])}
    return Verdict(not problem, coverage, problem, spans, frozenset(helps))


def _is_foreign(claim: Claim, passages: Sequence[Passage]) -> bool:
    """Return whether passages are in another language than a claim.

    Then its numbers, dates, names and units decide; the lack of shared words is no problem.
    """
    said = _language(claim.text)
    return bool(said) and all(_language(p.text[:_TELLING]) not in ("", said) for p in passages)


def _language(text: str) -> str:
    if is_cjk(text):
        return "zh"
    counts = {name: len(words.findall(text)) for name, words in _LANGUAGES.items()}
    best = max(counts, key=lambda name: counts[name])
    return best if counts[best] > sum(counts.values()) / 2 else ""


def _cover(claim: Claim, held: Sequence[bool], unheld: int) -> float:
    """Return the share of a claim that is held; names count only where there is nothing else."""
    named = " ".join(fact.value for fact in claim.facts if fact.kind == "name")
    names = frozenset(index_terms(named))
    plain = [has for word, has in zip(claim.words, held, strict=True) if word not in names]
    told = sum(fact.kind != "name" for fact in claim.facts)
    if not plain and not told:
        plain = list(held)
    whole = len(plain) + told
    return max(0, sum(plain) + told - unheld) / whole if whole else 0.0


def may_hold(claim: Claim, passage: Passage, share: float) -> bool:
    """Return whether a passage has enough of a claim's words to be looked at more closely."""
    if claim.words:
        return passage.words.shared(claim.words) >= 0.8 * share * len(claim.words)
    return True


def find_exact(words: str, passage: str) -> tuple[int, int] | None:
    """Return where the words stand in a passage, blind to how white space is written.

    A quotation may be of any length, what is no quotation has at least four words; the full stop
    behind it belongs to it.
    """
    quoted = _QUOTED.fullmatch(words.strip())
    parts = (quoted[1] if quoted else words).split()
    few = len(parts) < _LEAST_EXACT_WORDS and not (is_cjk(words) and len(words) >= 10)
    if not parts or (not quoted and few):
        return None
    pattern = r"\s+".join(re.escape(part) for part in parts)
    # Markup that a page would load was broken with a blank.
    pattern = pattern.replace(r"!\s+\[", r"!\s*\[").replace(r"<\s+", r"<\s*")
    if not quoted and not is_cjk(words):
        pattern = r"(?<!\w)" + pattern + (r"(?!\w)" if pattern[-1].isalnum() else "")
    found = re.search(pattern, passage)
    if not found:
        return None
    return found.start(), found.end() + bool(re.match(r"[.!?。！？]", passage[found.end() :]))


def _find_claim(claim: Claim, passage: str) -> tuple[int, int] | None:
    return find_exact(claim.raw, passage) or find_exact(claim.text, passage)


def _is_held(
    word: str,
    passages: Sequence[Passage],
    spans: dict[int, tuple[int, int]],
    lines: set[tuple[int, int]],
) -> bool:
    return any(
        _has_word(p, spans[p.number], word)
        or any(word in line.words for line in _lines_of(p, lines))
        for p in passages
    )


def _longest_gap(claim: Claim, held: Sequence[bool]) -> int:
    """Return the most words in a row that the passages do not have; pairs of signs count half."""
    longest = current = 0
    for has in held:
        current = 0 if has else current + 1
        longest = max(longest, current)
    return longest // 2 if is_cjk(claim.text) else longest


def _window(claim: Claim, passage: Passage, best: int) -> tuple[int, int]:
    """Return the span of the best line with those beside it that add words of the claim."""
    lines = passage.lines
    first = last = best
    have = {word for word in claim.words if word in lines[best].words}
    while last - first + 1 < _MOST_LINES and not lines[best].is_row:
        gains = {
            i: {word for word in claim.words if word not in have and word in lines[i].words}
            for i in (first - 1, last + 1)
            if 0 <= i < len(lines) and not lines[i].is_row
        }
        i = max(gains, key=lambda i: len(gains[i]), default=best)
        if not gains.get(i) or len(gains[i]) < 2:
            break
        have |= gains[i]
        first, last = min(first, i), max(last, i)
    return lines[first].start, lines[last].end


def _has_word(passage: Passage, span: tuple[int, int], word: str) -> bool:
    if word in passage.context_words:
        return True
    inside = (p for p in passage.lines if span[0] <= p.start and p.end <= span[1])
    return any(word in line.words for line in inside)


def _has_share(claim: Claim, passage: Passage, span: tuple[int, int]) -> bool:
    held = sum(_has_word(passage, span, word) for word in claim.words)
    return held >= 0.4 * len(claim.words) and bool(claim.words)


def _lines_of(passage: Passage, chosen: set[tuple[int, int]]) -> list[Line]:
    return [passage.lines[i] for number, i in chosen if number == passage.number]


def _check_facts(
    claim: Claim, passages: Sequence[Passage], best: dict[int, int]
) -> tuple[list[str], set[int], set[tuple[int, int]]]:
    """Return what is said of facts not held, the passages that hold some, and their lines."""
    unheld: list[str] = []
    helping: set[int] = set()
    lines: set[tuple[int, int]] = set()
    for fact in claim.facts:
        found = find_fact(claim, fact, passages)
        if found is None:
            unheld.append(explain_missing(claim, fact, passages, best))
        else:
            helping |= {number for number, _ in found}
            lines |= {place for place in found if place[1] >= 0}
    return unheld, helping, lines


def _misquoted(claim: Claim, passages: Sequence[Passage]) -> str:
    for quoted in claim.quotations:
        words = " ".join(quoted.casefold().split())
        if not any(words in passage.folded for passage in passages):
            return f"“{quoted[:60]}” is not in the passage in these words"
    return ""


def _find_swap(claim: Claim, lines: Sequence[Line]) -> str:
    """Return what is wrong where a name stands between the same words as another in a line."""
    names = {fact.value for fact in claim.facts if fact.kind == "name"}
    for line in lines:
        said, there = _TOKEN.findall(claim.text), _TOKEN.findall(line.text)
        known = names | {fact.value for fact in line.facts if fact.kind == "name"}
        between = {_neighbours(there, j): word for j, word in enumerate(there) if word[0].isupper()}
        for i, word in enumerate(said):
            other = between.get(_neighbours(said, i))
            pair = {word.casefold(), (other or "").casefold()}
            if not other or not word[0].isupper() or pair.isdisjoint(known) or pair & _TITLES:
                continue
            if word not in line.text and other not in claim.text:
                return f"the passage says {other}, not {word}"
    return ""


def _neighbours(words: Sequence[str], i: int) -> tuple[str, str]:
    before = words[i - 1].casefold() if i else ""
    return before, words[i + 1].casefold() if i + 1 < len(words) else ""


def _find_denying(claim: Claim, passages: Sequence[Passage], chosen: Sequence[Line]) -> list[Line]:
    """Return the other lines that deny something which is said of all its words in the claim."""
    said = frozenset(claim.words)
    return [
        line
        for passage in passages
        for line in (passage.lines[i] for i in passage.near(claim))
        if line not in chosen
        and any(len(words) >= 2 and said.issuperset(words) for words in line.denied_clauses)
    ]


def _compare_polarity(claim: Claim, lines: Sequence[Line]) -> str:
    """Return what is wrong where one side denies what the other says of the same word."""
    denied: Counter[str] = Counter()
    for line in lines:
        denied.update(line.negated)
    said = frozenset(claim.words)
    elsewhere = {word for word in denied if word in said and not claim.negated[word]}
    for word, times in claim.negated.items():
        there = any(word in line.words.terms for line in lines)
        if not there and not denied and not any(denies(line.text) for line in lines):
            return "the passage does not deny it"
        if there and not _may_agree(word, times, lines):
            if not elsewhere:
                return "the passage does not deny it"
            elsewhere.clear()
    if claim.denies:
        return ""
    if any(not _may_agree(word, claim.negated[word], lines) for word in elsewhere):
        return "the passage denies it"
    return ""


def _may_agree(word: str, times: int, lines: Sequence[Line]) -> bool:
    """Return whether lines may deny a word as often as a claim does: an even or odd number."""
    denied = sum(line.negated[word] for line in lines)
    if times % 2 == denied % 2:
        return True
    return sum(line.count(word) for line in lines) > max(1, denied)
