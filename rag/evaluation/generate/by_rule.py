"""Passages in, sentences with a gap to fill and headings to tell about out; no model is needed."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from ingest.base.documents import HEADING_SEPARATOR
from ingest.sentences import sentence_spans
from rag.evaluation.generate.candidates import Candidate, Drafted, Dropped, Passage
from rag.evaluation.generate.checks import GAP, says
from rag.query.evidence.wording import is_cjk
from rag.text.facts import Fact, find_facts
from rag.text.numerals import FRACTIONS, ORDINALS

FEWEST_WORDS, MOST_WORDS = 7, 45
SECTIONS = 0.2
"""The share of passages of which is asked what their section says, where that can be."""

FEWEST_TOLD = 8
"""Words that a section has at least, besides its headings, for a question about what it says."""

MOST_TIMES = 3
"""A number is changed for one at most so many times as large or as small."""

_CLOZE = {"en": "Fill the gap: ", "de": "Füllen Sie die Lücke: ", "zh": "填空："}
_SECTION = {
    "en": "What does the section “{}” say?",
    "de": "Was steht im Abschnitt „{}“?",
    "zh": "“{}”一节写了什么？",
}
_ASKED_FOR = ("number", "date", "time", "name", "code")

_MARK = re.compile(r"(?:[-*+•‣▪–]|\d{1,3}[.)])\s+")
_WRAPPED = re.compile(r"[^\n]{50,}\n(?=[^\W\d_])")
_NO_PROSE = re.compile(r"[|\t{}<>=\\`_#*$]|\.{4}")
_ENDS = re.compile(r"[.!。！][\"'”’»」』)\]]*\Z")
_YEAR = re.compile(r"1[5-9]\d\d|20\d\d")
_WORD = re.compile(r"\w[\w.,:/'’+-]*")
# What stands before tells what it is about.
_LEANING = re.compile(
    r"(?:It|Its|They|Their|This|These|That|Those|He|His|She|Her|Such|Both|Here|There|Then|So|But|"
    r"And|Or|Otherwise|However|Instead|Es|Er|Sie|Dies\w*|Jen\w*|Das|Dort|Hier|Dann|Danach|Dabei|"
    r"Dafür|Dazu|Davon|Aber|Und|Sonst|(?:After|Before|Since|From|With|In|By|On) (?:this|that))\b"
    r"|Before,|[它他她这那其此]"
)
_SIGN = re.compile(r"(?<![^\s(\[,;:=])(?:[+\-−±≈~≤≥]\s?|minus )\Z")
_DENSE = r"\u3040-\u9fff"
_OPEN = re.compile(rf"(?:\A|[\s(\[\"“„‘«，。、：；（《{_DENSE}])\Z")
_CLOSED = re.compile(rf"[.,;:!?…]*(?:\Z|[\s)\]\"”»，。、：；）》]|['’](?!\w))|[{_DENSE}]")


@dataclass(frozen=True, slots=True)
class _Thing:
    """A number, date, name or code at `start:end` of a text, with its sign and unit."""

    start: int
    end: int
    written: str
    fact: Fact

    @property
    def form(self) -> tuple[str, str, str]:
        """Return what another thing must be alike in to stand in its place."""
        kind, value = self.fact.kind, self.fact.value
        if kind == "number" and self.fact.unit:
            return kind, self.fact.unit, re.sub(r"[\w.,]+", "", self.written)
        shape = re.sub(r"[^\W\d_]+", "a", re.sub(r"\d", "0", self.written))
        if kind == "number" and _YEAR.fullmatch(value):
            return kind, "year", shape
        return kind, re.sub(r"\d", "0", value) if kind == "date" else "", shape


_Pool: TypeAlias = Mapping[tuple[str, ...], Sequence[_Thing]]


def draft_by_rule(passages: Sequence[Passage]) -> Iterator[Drafted]:
    """Yield for each passage a sentence of it with a gap, for some the headings, as a question.

    Where no sentence can be asked for, the headings are, after all that can.
    The words that say what to do are in the passage's language, and left out in others than
    English, German and Chinese.  W. L. Taylor 1953, "Cloze procedure", Journalism Quarterly 30.
    """
    pool = _collect(passages)
    spare: list[Drafted] = []
    for passage in passages:
        if passage.is_code:
            yield Dropped("its passage is code")
            continue
        chance = random.Random(passage.chunk.id)  # noqa: S311
        section = _ask_for_section(passage)
        if section and chance.random() < SECTIONS:
            yield section
        elif gap := _ask_for_gap(passage, pool, chance):
            yield gap
        else:
            spare.append(section or Dropped("no sentence or heading to ask for"))
    yield from spare


def _ask_for_gap(passage: Passage, pool: _Pool, chance: random.Random) -> Candidate | None:
    """Return one of the passage's sentences that lost a thing, None where there is none."""
    text = passage.chunk.text
    choices = [
        (start, end, thing, _change(text[start:end], thing, passage, pool, chance))
        for start, end in _statements(text)
        for thing in _things(text[start:end])
        if not says(_cut(text[start:end], thing, GAP), thing.written)
    ]
    if not choices:
        return None
    changeable = [choice for choice in choices if choice[-1]]
    start, end, thing, changed = chance.choice(changeable or choices)
    frame = _CLOZE.get(passage.language, "")
    return Candidate(
        passage,
        frame + _on_one_line(_cut(text[start:end], thing, GAP)),
        _on_one_line(thing.written),
        passage.chunk.start + start,
        passage.chunk.start + end,
        frame + _on_one_line(changed) if changed else "",
        ("rule", "cloze"),
    )


def _ask_for_section(passage: Passage) -> Candidate | None:
    """Return the question what a section says, None where the passage is not the whole of one."""
    chunk, path = passage.chunk, passage.chunk.heading.split(HEADING_SEPARATOR)
    told = len(chunk.text) // 2 if is_cjk(chunk.text) else len(_WORD.findall(chunk.text))
    if len(path) < 2 or not passage.is_section or told < FEWEST_TOLD + len(path[-1].split()):
        return None
    question = _SECTION.get(passage.language, "{}").format(chunk.heading)
    return Candidate(passage, question, "", chunk.start, chunk.end, "", ("rule", "heading"))


def _statements(text: str) -> Iterator[tuple[int, int]]:
    """Yield where the sentences of a text stand that can be read alone."""
    for start, end in sentence_spans(text):
        mark = _MARK.match(text, start, end)
        begin = mark.end() if mark else start
        if _is_statement(text[begin:end]):
            yield begin, end


def _is_statement(sentence: str) -> bool:
    plain = _WRAPPED.sub("", sentence)
    first = sentence.lstrip('"“„«(')[:1]
    if "\n" in plain or not first.isalpha() or first.islower() or not _ENDS.search(sentence):
        return False
    if _NO_PROSE.search(sentence) or _LEANING.match(sentence):
        return False
    if is_cjk(sentence):
        return 2 * FEWEST_WORDS <= len(sentence) <= 2 * MOST_WORDS
    words = _WORD.findall(sentence)
    small = sum(word.isalpha() and not word[0].isupper() for word in words)
    return FEWEST_WORDS <= len(words) <= MOST_WORDS and 5 * small >= 2 * len(words)


def _things(sentence: str) -> list[_Thing]:
    """Return what can be taken out of a sentence whole: names of several words, signs, units."""
    things: list[_Thing] = []
    for fact in find_facts(sentence):
        if fact.kind not in _ASKED_FOR:
            continue
        start, end = fact.start, fact.end
        if fact.kind == "number" and (sign := _SIGN.search(sentence[:start])):
            start = sign.start()
        goes_on = things and things[-1].fact.kind == fact.kind == "name"
        if goes_on and sentence[things[-1].end : start] == " ":
            start = things.pop().start
        things.append(_Thing(start, end, sentence[start:end], fact))
    return [one for one in things if _is_whole(sentence, one)]


def _is_whole(sentence: str, thing: _Thing) -> bool:
    fact, word = thing.fact, thing.written.split()[0].casefold()
    if fact.kind == "number" and word.isalpha() and (fact.value == "1" or is_cjk(word)):
        return False
    if word in FRACTIONS or word in ORDINALS:
        return False
    if fact.kind == "name" and thing.written.isupper():
        return False
    return bool(_OPEN.search(sentence[: thing.start]) and _CLOSED.match(sentence, thing.end))


def _change(
    sentence: str, gap: _Thing, passage: Passage, pool: _Pool, chance: random.Random
) -> str:
    """Return the sentence with the gap and a thing changed for one the passage does not have.

    Of numbers those of about the size are taken: "four days" do not become "2026 days".
    """
    things = [one for one in _things(sentence) if one.end <= gap.start or one.start >= gap.end]
    chance.shuffle(things)
    for thing in sorted(things, key=lambda one: one.fact.kind == "name"):
        if others := _rivals(thing, passage, pool):
            cuts = [(gap, GAP), (thing, chance.choice(others).written)]
            for one, written in sorted(cuts, key=lambda cut: -cut[0].start):
                sentence = _cut(sentence, one, written)
            return sentence
    return ""


def _rivals(thing: _Thing, passage: Passage, pool: _Pool) -> list[_Thing]:
    """Return what can stand for a thing and is not in its passage; names only where whole."""
    if thing.fact.kind == "name" and " " not in thing.written:
        return []
    text = passage.chunk.text
    known = {fact.value for fact in find_facts(text)}
    return [
        one
        for one in pool.get((passage.language, *thing.form), ())
        if one.fact.value not in known
        and not says(text, one.written)
        and (one.fact.kind != "number" or _times(one, thing) <= MOST_TIMES)
    ]


def _collect(passages: Sequence[Passage]) -> _Pool:
    """Return the things of all passages by their language and form, each once."""
    pool: dict[tuple[str, ...], dict[str, _Thing]] = {}
    for passage in passages:
        text = "" if passage.is_code else passage.chunk.text
        for thing in _things(text):
            things = pool.setdefault((passage.language, *thing.form), {})
            things.setdefault(thing.written.casefold(), thing)
    return {form: list(things.values()) for form, things in pool.items()}


def _times(one: _Thing, other: _Thing) -> float:
    small, big = sorted(abs(float(thing.fact.value)) for thing in (one, other))
    return big / small if small else math.inf


def _cut(sentence: str, thing: _Thing, written: str) -> str:
    return sentence[: thing.start] + written + sentence[thing.end :]


def _on_one_line(text: str) -> str:
    return " ".join(text.split())
