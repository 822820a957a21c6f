"""A question in, what its answer must hold: a name, a date, an amount, a reason.

English, German and Chinese, by the words that ask and those that answer.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_WORD = re.compile(r"\w[\w.,:'’-]*\w|\w")
_MONTH = (
    r"\b(?:jan(?:uary|uar)?|feb(?:ruary|ruar)?|march|märz|apr(?:il)?|may|mai|june?|juni|july?|juli"
    r"|aug(?:ust)?|sept?(?:ember)?|o[ck]t(?:ober)?|nov(?:ember)?|de[cz](?:ember)?)\b"
)
_WEEKDAY = (
    r"\b(?:mon|tues|wednes|thurs|fri|satur|sun)days?\b"
    r"|\b(?:montag|dienstag|mittwoch|donnerstag|freitag|samstag|sonntag)"
)
_NUMBER_WORD = (
    r"\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|fifteen|eighteen|twenty"
    r"|thirty|forty|fifty|hundred|thousand|million|billion|half|third|quarter|once|twice"
    r"|zwei|drei|vier|fünf|sechs|sieben|acht|neun|zehn|elf|zwölf|zwanzig|hundert|tausend"
    r"|millionen|milliarden|hälfte)\b|[一二三四五六七八九十百千万两]"
)
_NAME = r"(?<=[\w,;:(] )[A-ZÀ-ÖØ-Þ][\w'’-]+|·"
_PLACE = r"\b(?:in|at|near|from|to|of|on|aus|bei|nach|im|am) (?:the |der |den )?[A-ZÀ-ÖØ-Þ]\w+"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of answer: how it is asked for, and what a sentence that gives it must hold."""

    name: str
    asked: re.Pattern[str]
    given: re.Pattern[str]


def _kind(name: str, asked: str, given: str, *, as_written: bool = False) -> Kind:
    flags = re.NOFLAG if as_written else re.IGNORECASE
    return Kind(name, re.compile(asked, re.IGNORECASE), re.compile(given, flags))


KINDS = (
    _kind(
        "percentage",
        r"\b(?:what|which) (?:percent|percentage|proportion|share|fraction)\b|\bhow many percent"
        r"|wie ?viel prozent|welcher (?:anteil|prozentsatz)|百分",
        r"%|percent|prozent|\bhalf\b|\bthird\b|hälfte|百分|\d to \d",
    ),
    _kind(
        "date",
        r"\b(?:when|by when|what (?:date|day|month|time|year|decade|century)"
        r"|which (?:date|day|month|year|decade|century))\b"
        r"|\b(?:wann|welche[mnsr]? (?:datum|tag|monat|jahr|jahrhundert))\b"
        r"|什么时候|何时|什么时间|哪一?[天日月年]|几[月日号]",
        rf"\b1\d\d\ds?\b|\b20\d\d\b|\d{{1,2}}[:.]\d\d\b|{_MONTH}|{_WEEKDAY}|centur|jahrhundert"
        r"|\b\d{3}\b|\d ?(?:am|pm|uhr)\b|[\d一二三四五六七八九十] ?[年月日]|世纪",
    ),
    _kind(
        "price",
        r"\bhow much (?:money|does .*cost|did .*cost|is paid)|\b(?:price|costs?|fee|kostet|preis)\b"
        r"|多少钱",
        r"[$€£¥]\s?\d|\d[\d.,]*\s*(?:euro|dollar|pound|million|billion|franken|yen|€|元)"
        r"|\d[.,]\d\d\b",
    ),
    _kind(
        "duration",
        r"\bhow long\b|\bwie lange\b|多[久长]",
        rf"(?:\d|{_NUMBER_WORD})[\w ,.-]*?(?:second|minute|hour|day|week|month|year|decade|centur"
        r"|sekunde|stunde|tag|woche|monat|jahr|met|mile|km|feet|[秒分时天周月年米])",
    ),
    _kind(
        "number",
        r"\bhow (?:many|much|old|far|often|tall|high|deep|wide|big|large|fast|heavy|thick|tight"
        r"|hot|cold)\b|\bwhat (?:number|amount|size|temperature|speed)\b"
        r"|\bwie (?:viele?|oft|hoch|alt|weit|tief|gro(?:ß|ss)|schnell|schwer|warm|dick)\b"
        r"|多少|几[个次天岁人]|多[大高重]",
        rf"\d[\d.,:]*\d|\d|{_NUMBER_WORD}",
    ),
    _kind("person", r"\b(?:who|whom|whose|wer|wen|wem|wessen)\b|谁|哪位", _NAME, as_written=True),
    _kind(
        "place",
        r"\bwhere\b|\b(?:what|which) (?:city|country|town|state|place|region|river|island"
        r"|continent|area)\b|\b(?:wo|woher|wohin)\b|\bwelche[rsmn]? (?:stadt|land|ort|region)\b"
        r"|哪里|在哪|哪个?(?:城市|国家|地方|地区|州|省)",
        rf"{_PLACE}|[市州国省区县山河]",
        as_written=True,
    ),
    _kind(
        "reason",
        r"\bwhy\b|\bwhat (?:caused|causes|reason)|\b(?:warum|weshalb|wieso)\b|为什么|为何|原因",
        r"\b(?:because|since|due|so that|in order|therefore|caused?|result|reason|as an?"
        r"|to (?:avoid|prevent|reduce|protect)|for fear|weil|denn|wegen|damit|aufgrund|grund)\b"
        r"|因为|由于|因此|为了|原因",
    ),
)


def kinds_asked(question: str) -> Sequence[Kind]:
    """Return the kinds of answer that would fit a question; none where its words do not tell."""
    return [kind for kind in KINDS if kind.asked.search(question)]


def gives(text: str, question: str, kinds: Sequence[Kind]) -> bool:
    """Say whether a text holds what is asked for, other than in words of the question itself."""
    known = set(_WORD.findall(question.casefold()))
    return any(
        found[0].casefold() not in known for kind in kinds for found in kind.given.finditer(text)
    )
