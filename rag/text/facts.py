"""A text in, the things in it that can be checked out: numbers, dates, names, marks of negation."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, TypeAlias

from rag.text.dates import DATE_WORDS, find_moments
from rag.text.numerals import (
    FRACTIONS,
    ONES,
    ORDINALS,
    SCALES,
    WORDS,
    plain,
    read_cjk,
    read_digits,
    read_german,
    read_words,
)
from rag.text.units import canonical_unit, unit_at

Kind: TypeAlias = Literal["number", "date", "time", "name", "code", "negation"]


@dataclass(frozen=True, slots=True)
class Fact:
    """A thing that can be checked, at `start:end` of its text.

    `value` is normalised: a plain decimal ("1200.5"), a date or time as in `dates.Moment`, the
    word of a name or a code (R-25-061, 4.2.0, a file or mail address) in lower case, "not".
    `unit` is the canonical unit or currency of a number, "" without.  `others` are further
    readings ("1.200" is 1.2 or 1200), `approximate` says that the text calls it about so much.
    `step` is the place of a number's last digit as written, "" of words.
    """

    kind: Kind
    value: str
    start: int
    end: int
    unit: str = ""
    others: tuple[str, ...] = ()
    approximate: bool = False
    step: str = ""


_CODE = re.compile(
    r"[\w.+-]{1,64}@[\w-]{1,64}\.[\w.-]{0,64}\w"
    r"|https?://[^\s\])>]*[^\s\])>.,;:]"
    r"|\b\w[\w-]{0,80}\.(?:md|txt|pdf|docx?|xlsx?|pptx?|csv|tsv|json|jsonl|ya?ml|toml|py|js|ts|go|c|h|"
    r"html?|xml|rst|tex|org|ini|cfg|log|eml|odt|ods|odp|rtf|epub|zip|exe|sh|sql|ipynb)\b"
    r"|(?<![\w.])v?\d+\.\d+\.\d+(?:\.\d+)?(?![\w.]*\w)"
    r"|(?<![\w-])(?=[A-Za-z0-9/_-]{0,30}[A-Za-z])(?=[A-Za-z_/-]{0,20}\d)"
    r"[A-Za-z]+[A-Za-z0-9]*(?:[-_/][A-Za-z0-9]+)*(?![\w-])"
    r"|(?<![\w-])[A-Za-z]*(?:_[A-Za-z0-9]+)+\b|\b[a-z]+[A-Z]\w*"
)
_NUMBER = re.compile(
    r"(?P<currency>US\$|[€$£¥￥]|(?<![^\W_])(?:EUR|USD|GBP|CHF|CNY|RMB)|人民币)?[ \u00a0]?"
    r"(?P<sign>(?<![\w)\]])-(?=\d)|−)?"
    r"(?P<digits>\d{1,3}(?:[ \u00a0\u202f\u2009'’]\d{3})+(?:[.,]\d+)?(?!\d)|\d+(?:[.,]\d+)*)"
    r"(?:(?:st|nd|rd|th)\b)?(?:/(?P<denominator>\d{1,3})(?![\d/]))?"
    r"(?:[ \u00a0]?(?P<scale>million(?:en|s)?|billions?|trillion|thousand|hundred|Tausend|Mio|"
    r"Mrd|Tsd|milliarden?|milliards?|millón|millones|bn|mn|mille|mil|k|m|M|B)\b\.?|(?P<cjk>[百千]?万|亿))?",
)
_WORDS = re.compile(
    r"\b(?:" + "|".join(sorted({*WORDS, *ONES, *ORDINALS, *FRACTIONS}, key=len, reverse=True))
    + r"|\w{3,7}und\w{3,6}ßig|\w{3,7}und\w{3,6}zig)\b",
    re.IGNORECASE,
)  # fmt: skip
_ANY_WORD = re.compile(r"[^\W\d_]+")
_NUMERALS = frozenset({*WORDS, *ONES, *ORDINALS, *FRACTIONS})
_TELLING = frozenset({*_NUMERALS, *DATE_WORDS})
_ANY_SIGN = re.compile(r"[\d_@零〇一二三四五六七八九十百千万亿两]|\w[./]\w|[a-z][A-Z]")
_HAS_CODE = re.compile(r"[A-Za-z][-/]?\d|\d[A-Za-z.]|[_@/]|\w\.\w|[a-z][A-Z]|[A-Z]-")
_CJK_NUMBER = re.compile(
    r"(?P<percent>百分之)?(?P<signs>[零〇一二三四五六七八九十百千万亿两]+)"
    r"(?=(?P<unit>个?(?:工作)?[天日]|个?月|年|周|个?小时|分钟|秒|元|米|公里|公斤|克|度|人|次|台|件|"
    r"名|家|份|页|倍|个|条|种|项|张|只|位|套|块|根|层))?"
)
_ABOUT = re.compile(
    r"(?i)(?:\b(?:about|around|roughly|approximately|approx\.?|nearly|almost|circa|ca\.?|some|etwa|"
    r"rund|ungefähr|knapp|fast|gut|circa|environ|presque|cerca de|aproximadamente|unos|close to|"
    r"more than|over|just over|just under|under|less than|mehr als|über|"
    r"unter)|[~≈]|约|大约|近|超过)\s*(?:of\s+|the\s+)?\Z"
)
_NEGATION = re.compile(
    r"(?i)\b(?:no longer|not yet|no more|nicht mehr|not|cannot|\w+n['’]t|never|no|none|nobody|"
    r"nothing|neither|nor|without|nicht|kein\w{0,2}|nie|niemals|niemand|"
    r"nichts|ohne|weder|pas|jamais|aucune?|sans|nunca|ningun[ao]?|ningún|sin)\b"
    r"|不|没有?|無|无|未|非|勿|禁止"
)
_NO_NEGATION = re.compile(
    r"(?i)\b(?:no later|not only|no\.\s?\d|not least|nicht nur|no more than|no fewer|no less|"
    r"not more than|not later)\b|不仅|不但|不少|无论|非常|不过|不同|未来"
)
_NAME = re.compile(r"[A-ZÀ-ÖØ-Þ][\w'’&-]*(?<![-'’])")
_BETWEEN = re.compile(
    r"(?i)(?:working|calendar|business|full|paid|unpaid|unused|consecutive|whole|more|further|extra|"
    r"metric|square|volle[nr]?|ganze[nr]?|aufeinanderfolgende[nr]?|weitere[nr]?|bezahlte[nr]?|"
    r"jours?|official|additional|astronomical)[ \u00a0-]"
)
_STARTS = re.compile(r"(?:\A|[.!?:;|•\n»«\"“”„(\[#*>–—-]\s*|[。！？；：]|\d[.)]\s)\Z")
_GERMAN = re.compile(
    r"\b(?:der|die|das|und|ist|nicht|ein|eine|den|dem|im|mit|für|auf|wird|werden|von|zu|zum|zur|"
    r"nach|bei|aus|am|sind|oder|auch|darf|muss|kann)\b"
)  # fmt: skip
_ENGLISH = re.compile(r"\b(?:the|of|and|is|are|to|in|for|that|with|was|by|be|has|have|must|may)\b")
_TITLE = re.compile(r"(?:Herrn?|Frau|Dr\.|Prof\.|Firma|Mr\.?|Ms\.?|Mrs\.?)\s\Z")
_NO_NAMES = (
    "i i'm i'll i've i'd mr mrs ms dr prof herr herrn frau firma figure table section chapter "
    "page appendix part step note source passage document uhr the a an"
)
_COMMON = frozenset(_NO_NAMES.split())


def find_facts(text: str, names: Collection[str] = ()) -> tuple[Fact, ...]:
    """Return the facts of a text in order; no two of them overlap.

    `names` are lower-case words known to be names, which then count at the start of a sentence
    too; elsewhere it takes a capital inside a sentence, and in German, where every noun has
    one, a title beside it.
    """
    taken = bytearray(len(text))
    found: list[Fact] = []
    for facts in (_moments(text), _codes(text), _numbers(text), _worded(text), _chinese(text),
                  _negations(text), _names(text, names)):  # fmt: skip
        for fact in facts:
            if fact.end > fact.start and not any(taken[fact.start : fact.end]):
                taken[fact.start : fact.end] = b"\1" * (fact.end - fact.start)
                found.append(fact)
    return tuple(sorted(found, key=lambda fact: fact.start))


def may_have_facts(text: str) -> bool:
    """Return whether a text can have a number, date, time or code; fast."""
    if _ANY_SIGN.search(text):
        return True
    words = _ANY_WORD.findall(text.casefold())
    return not _TELLING.isdisjoint(words) or any(word.endswith("zig") for word in words)


def has_negation(text: str) -> bool:
    """Return whether a text can have a mark of negation; fast."""
    return bool(_NEGATION.search(text))


def _moments(text: str) -> Iterator[Fact]:
    for moment in find_moments(text):
        kind: Kind = "time" if moment.kind == "time" else "date"
        others = (moment.other,) if moment.other else ()
        yield Fact(kind, moment.value, moment.start, moment.end, others=others)


def _codes(text: str) -> Iterator[Fact]:
    if not _HAS_CODE.search(text):
        return
    for found in _CODE.finditer(text):
        if canonical_unit(found[0]):
            continue
        yield Fact("code", found[0].casefold(), found.start(), found.end())


def _numbers(text: str) -> Iterator[Fact]:
    for found in _NUMBER.finditer(text):
        values = read_digits(found["digits"])
        if not values or (found.start("digits") and text[found.start("digits") - 1].isalpha()
                          and text[found.start("digits") - 1].isascii()):  # fmt: skip
            continue
        scale, end = _scale(found), found.end()
        if found["scale"] and not scale:
            end = found.start("scale")
        unit, end = _unit_behind(text, end)
        if found["currency"]:
            sign = unit_at(found["currency"], 0)
            unit = sign[0] if sign else "CNY"
        step = Decimal(1).scaleb(min(0, int(values[0].as_tuple().exponent))) * (scale or 1)
        readings = [value * (scale or 1) for value in values]
        if found["denominator"] and int(found["denominator"]):
            readings = [round(values[0] / int(found["denominator"]), 3)]
        minus = "-" if found["sign"] else ""
        plains = [minus + plain(value) for value in readings]
        if found["sign"] == "-":
            plains.append(plain(readings[0]))
        start = found.start("currency") if found["currency"] else found.start("digits")
        about = bool(_ABOUT.search(text, max(0, start - 25), start))
        yield Fact("number", plains[0], start, end, unit, tuple(plains[1:]), about, plain(step))


def _scale(found: re.Match[str]) -> int:
    word = found["scale"] or found["cjk"]
    if not word:
        return 0
    if word in ("m", "M", "B", "k"):
        if not found["currency"]:
            return 0
        return {"m": 10**6, "M": 10**6, "B": 10**9, "k": 1000}[word]
    return SCALES.get(word.casefold(), 0)


def _unit_behind(text: str, end: int) -> tuple[str, int]:
    """Return the unit behind a number and where it ends, "" and the number's end without."""
    position = end
    if text[position : position + 1] in (" ", "\u00a0", "\u202f", "-", "\n"):
        position += 1
    for _ in range(3):
        unit = unit_at(text, position)
        if unit:
            return unit
        between = _BETWEEN.match(text, position)
        if not between:
            break
        position = between.end()
    return "", end


def _worded(text: str) -> Iterator[Fact]:
    """Yield numbers written as words, neighbours taken together ("two hundred and five")."""
    words = _ANY_WORD.findall(text.casefold())
    if _NUMERALS.isdisjoint(words) and not any(word.endswith("zig") for word in words):
        return
    run: list[re.Match[str]] = []
    for found in [*_WORDS.finditer(text), None]:
        joins = (
            found
            and run
            and re.fullmatch(r"[\s-]+(?:and\s+)?", text[run[-1].end() : found.start()])
        )
        if found and joins and found[0].casefold() in WORDS and run[-1][0].casefold() in WORDS:
            run.append(found)
            continue
        if run:
            yield from _worded_run(text, run)
        run = [found] if found else []


def _worded_run(text: str, run: list[re.Match[str]]) -> Iterator[Fact]:
    start, end = run[0].start(), run[-1].end()
    word = run[0][0].casefold()
    unit, behind = _unit_behind(text, end)
    value: str = ""
    if word in ONES:
        value = "1" if unit else ""
    elif word in FRACTIONS:
        value = FRACTIONS[word]
    elif word in ORDINALS:
        value = str(ORDINALS[word])
    elif word in ("cent", "mil", "mille", "once", "tres", "six", "dix", "elf") and not unit:
        value = "6" if word == "six" else ""  # words of other languages too
    else:
        number = read_words([found[0].casefold() for found in run])
        number = read_german(word) if number is None else number
        value = "" if number is None else str(number)
    if value:
        yield Fact("number", value, start, behind if unit else end, unit)


def _chinese(text: str) -> Iterator[Fact]:
    for found in _CJK_NUMBER.finditer(text):
        value = read_cjk(found["signs"])
        if value is None or not (found["unit"] or found["percent"]):
            continue
        unit, end = ("%", found.end()) if found["percent"] else _unit_behind(text, found.end())
        if value == 1 and not unit:
            continue
        yield Fact("number", str(value), found.start(), end, unit)


def _negations(text: str) -> Iterator[Fact]:
    passed = [found.span() for found in _NO_NEGATION.finditer(text)]
    for found in _NEGATION.finditer(text):
        if not any(start <= found.start() < end for start, end in passed):
            yield Fact("negation", "not", found.start(), found.end())


def _names(text: str, known: Collection[str]) -> Iterator[Fact]:
    german = len(_GERMAN.findall(text)) > len(_ENGLISH.findall(text))
    words = list(_NAME.finditer(text))
    for i, found in enumerate(words):
        word = found[0].removesuffix("'s").removesuffix("’s")
        folded = word.casefold()
        if folded in _COMMON or (len(word) == 1 and folded not in known):
            continue
        if not (folded in known or _is_name(text, words, i, german=german)):
            continue
        yield Fact("name", folded, found.start(), found.start() + len(word))


def _is_name(text: str, words: list[re.Match[str]], i: int, *, german: bool) -> bool:
    found = words[i]
    before = text[max(0, found.start() - 12) : found.start()]
    if len(found[0]) > 1 and found[0].isupper():
        return True
    if _TITLE.search(before):
        return True
    if german:
        return False
    return not _STARTS.search(before.rstrip(" ") if before.endswith("  ") else before)
