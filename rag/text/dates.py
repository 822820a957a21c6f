"""A text in, its dates and times out, as far as each is told."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_MONTHS = (
    "january jan januar jänner janvier enero",
    "february feb februar février febrero",
    "march mar märz mrz mars marzo",
    "april apr avril abril",
    "may mai mayo",
    "june jun juni juin junio",
    "july jul juli juillet julio",
    "august aug août agosto",
    "september sep sept septembre septiembre",
    "october oct oktober okt octobre octubre",
    "november nov novembre noviembre",
    "december dec dezember dez décembre diciembre",
)
_WEEKDAYS = (
    "monday mondays montag montags lundi lunes",
    "tuesday tuesdays dienstag dienstags mardi martes",
    "wednesday wednesdays mittwoch mittwochs mercredi miércoles",
    "thursday thursdays donnerstag donnerstags jeudi jueves",
    "friday fridays freitag freitags vendredi viernes",
    "saturday saturdays samstag samstags sonnabend samedi sábado",
    "sunday sundays sonntag sonntags sonntagen dimanche domingo",
)
_MONTH_OF = {word: i for i, words in enumerate(_MONTHS, 1) for word in words.split()}
_DAY_OF = {word: i for i, words in enumerate(_WEEKDAYS, 1) for word in words.split()}
DATE_WORDS = frozenset({*_MONTH_OF, *_DAY_OF, "quarter", "quartal", "quartals"})
"""Words without which, and without digits, a text has no date."""
_ORDINAL_OF = {"first": 1, "second": 2, "third": 3, "fourth": 4, "erstes": 1, "zweites": 2,
               "drittes": 3, "viertes": 4, "ersten": 1, "zweiten": 2, "dritten": 3,
               "vierten": 4, "一": 1, "二": 2, "三": 3, "四": 4}  # fmt: skip
# Names that are words as well count as months only with a capital.
_MONTH = "(?P<month>(?i:" + "|".join(sorted(_MONTH_OF, key=len, reverse=True)) + r")\b)\.?"
_DAY = r"(?P<day>[0-3]?\d)"
_YEAR = r"(?P<year>(?:1[0-9]|20|21)\d\d)"
_SHORT_YEAR = r"(?P<year>(?:1[0-9]|20|21)\d\d|\d\d)"
_LINK = r"(?:\s*(?:to|until|till|through|and|or|bis|und|oder|au|et|al|y|,|–|—|-)\s*(?:the\s+)?)"
_NO_DIGIT_AFTER = r"(?![\d])"


@dataclass(frozen=True, slots=True)
class Moment:
    """A date or time at `start:end` of a text.

    `value` is written as in ISO 8601, without what is not told: "2024-03-05", "2024-03",
    "--03-05", "--03", "2024-Q3", "FY2024", "W3" for a Wednesday, "T08:15".  `other` is a second
    reading (3/5/24), "" if there is none.
    """

    kind: str
    value: str
    start: int
    end: int
    other: str = ""


def _date(year: str | None, month: int, day: str | None) -> str:
    number = f"20{year}" if year and len(year) == 2 else year
    if not 1 <= month <= 12 or (day and not 1 <= int(day) <= 31):
        return ""
    head = f"{number or '-'}-{month:02d}"
    return f"{head}-{int(day):02d}" if day else head


def _read_iso(found: re.Match[str]) -> Iterator[Moment]:
    value = _date(found["year"], int(found["number"]), found["day"])
    yield Moment("date", value, found.start(), found.end())


def _read_numeric(found: re.Match[str]) -> Iterator[Moment]:
    first, second = found["first"], found["second"]
    year = found["year"]
    dotted = _date(year, int(second), first)
    american = _date(year, int(first), second) if found["sign"] == "/" else ""
    values = [value for value in (american, dotted) if value]
    if values:
        other = values[1] if len(values) > 1 and values[1] != values[0] else ""
        yield Moment("date", values[0], found.start(), found.end(), other)


def _read_named(found: re.Match[str]) -> Iterator[Moment]:
    groups = found.groupdict()
    month = _MONTH_OF[found["month"].casefold()]
    if not groups.get("day") and not groups.get("year") and not found["month"][0].isupper():
        return
    last = groups.get("last")
    if last:
        value = _date(groups.get("year"), month, last)
        yield Moment("date", value, found.start("last"), found.end("last"))
    value = _date(groups.get("year"), month, groups.get("day"))
    start = found.start("day") if last else found.start()
    yield Moment("date", value, start, found.end() - found[0].endswith("."))


def _read_chinese(found: re.Match[str]) -> Iterator[Moment]:
    month = int(found["number"])
    yield Moment("date", _date(found["year"], month, found["day"]), found.start(), found.end())


def _read_quarter(found: re.Match[str]) -> Iterator[Moment]:
    name = found["quarter"] or str(_ORDINAL_OF.get((found["word"] or "").casefold(), ""))
    year = found["year"] or found["before"]
    if name:
        year = f"20{year}" if year and len(year) == 2 else year
        yield Moment("date", f"{year or '-'}-Q{name}", found.start(), found.end())


def _read_fiscal(found: re.Match[str]) -> Iterator[Moment]:
    year = found["year"]
    year = f"20{year}" if len(year) == 2 else year
    yield Moment("date", f"FY{year}", found.start(), found.end())


def _read_weekday(found: re.Match[str]) -> Iterator[Moment]:
    value = f"W{_DAY_OF[found[0].casefold()]}"
    yield Moment("date", value, found.start(), found.end())


def _read_time(found: re.Match[str]) -> Iterator[Moment]:
    groups = found.groupdict()
    hour = int(groups["hour"] or groups["spoken"] or groups["clock"])
    minute = int(groups["minute"] or groups["spoken_minute"] or groups["clock_minute"] or 0)
    half = (groups["half"] or "")[:1].casefold()
    if half == "p" and hour < 12:
        hour += 12
    if half == "a" and hour == 12:
        hour = 0
    if hour <= 24 and minute < 60:
        yield Moment("time", f"T{hour:02d}:{minute:02d}", found.start(), found.end())


_PATTERNS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], Iterator[Moment]]], ...] = (
    (re.compile(rf"{_YEAR}-(?P<number>[01]\d)-(?P<day>[0-3]\d)(?=T\d|(?!\d))"), _read_iso),
    (
        re.compile(r"(?:(?P<year>\d{4})年)?(?P<number>\d{1,2})月(?:(?P<day>\d{1,2})[日号])?"),
        _read_chinese,
    ),
    (
        re.compile(
            r"(?<![\d.,/-])(?P<first>[0-3]?\d)(?P<sign>[./])(?P<second>[0-3]?\d)(?P=sign)"
            rf"{_SHORT_YEAR}(?![\d.]\d|\d)"
        ),
        _read_numeric,
    ),
    # 5 March 2024, 5. März, 2 to 20 March, le 5 mars 2024, 5 de marzo de 2024
    (
        re.compile(
            rf"(?<![\d.,])(?:{_DAY.replace('day', 'last')}(?:st|nd|rd|th|\.)?{_LINK})?"
            rf"{_DAY}(?:st|nd|rd|th|er|\.)?(?:\s+|-)(?:of\s+|de\s+)?{_MONTH}"
            rf"(?:[\s,-]+(?:de\s+|of\s+)?{_YEAR}{_NO_DIGIT_AFTER})?"
        ),
        _read_named,
    ),
    # March 5, 2024; March 2024; March
    (
        re.compile(
            rf"(?<!\w){_MONTH}(?:\s+(?:the\s+)?{_DAY}(?:st|nd|rd|th)?(?![\d.:]\d|\d|\s*%))?"
            rf"(?:(?:,\s*|\s+)(?:of\s+|de\s+)?{_YEAR}{_NO_DIGIT_AFTER})?"
        ),
        _read_named,
    ),
    (
        re.compile(
            r"(?:(?P<before>\d{4})\s?)?(?:\bQ(?P<quarter>[1-4])|(?:\b(?P<word>first|second|third|"
            r"fourth|erste[sn]|zweite[sn]|dritte[sn]|vierte[sn])|第(?P<sign>[一二三四]))\s*"
            r"(?:fiscal\s+)?(?:quarter|Quartals?|季度))(?:[\s/,]*(?:of\s+)?(?:fiscal\s+)?"
            r"(?P<year>\d{4}|\d\d(?!\d)))?",
            re.IGNORECASE,
        ),
        _read_quarter,
    ),
    (
        re.compile(
            r"\b(?:FY\s?'?|fiscal\s+(?:year\s+)?|Geschäftsjahr\s+|ejercicio\s+|exercice\s+)"
            r"(?P<year>(?:20|19)\d\d|\d\d)(?!\d)",
            re.IGNORECASE,
        ),
        _read_fiscal,
    ),
    (
        re.compile(
            r"\b(?:" + "|".join(sorted(_DAY_OF, key=len, reverse=True)) + r")\b", re.IGNORECASE
        ),
        _read_weekday,
    ),
    (
        re.compile(
            r"(?<![\d:.,])(?P<hour>[0-2]?\d)(?:[:.h](?P<minute>[0-5]\d)(?::[0-5]\d)?)?"
            r"\s?(?P<half>[ap]\.?\s?m\b\.?)"
            r"|(?<![\d:.,])(?P<spoken>[0-2]?\d)(?:[:.](?P<spoken_minute>[0-5]\d))?\s?(?:Uhr\b|o'clock)"
            r"|(?<![\d:])(?P<clock>[0-2]?\d):(?P<clock_minute>[0-5]\d)(?::[0-5]\d)?(?![:\d])",
            re.IGNORECASE,
        ),
        _read_time,
    ),
)  # fmt: skip


def find_moments(text: str) -> list[Moment]:
    """Return the dates and times of a text in order; where two overlap the fuller one stands."""
    words = frozenset(_WORD.findall(text.casefold()))
    has_digit = bool(_DIGIT.search(text))
    taken: list[Moment] = []
    for (pattern, read), (signs, hints, needs_digit) in zip(_PATTERNS, _TRIGGERS, strict=True):
        # Most sentences have no date; looking for its signs first is much faster.
        if needs_digit and not has_digit:
            continue
        if words.isdisjoint(hints) and not any(sign in text for sign in signs):
            continue
        for found in pattern.finditer(text):
            if not any(found.start() < one.end and one.start < found.end() for one in taken):
                taken.extend(moment for moment in list(read(found)) if moment.value)
    return sorted(taken, key=lambda moment: (moment.start, moment.end))


_WORD = re.compile(r"[^\W\d_]+")
_DIGIT = re.compile(r"\d")
_NONE: frozenset[str] = frozenset()
# For each pattern: signs of which the text has one, or words, and whether it has a digit.
_TRIGGERS: tuple[tuple[str, frozenset[str], bool], ...] = (
    ("-", _NONE, True),
    ("月", _NONE, True),
    ("./", _NONE, True),
    ("", frozenset(_MONTH_OF), True),
    ("", frozenset(_MONTH_OF), False),
    ("Q度", frozenset(("q", "quarter", "quartal", "quartals")), False),
    ("", frozenset(("fy", "fiscal", "geschäftsjahr", "ejercicio", "exercice")), True),
    ("", frozenset(_DAY_OF), False),
    (":", frozenset(("uhr", "am", "pm", "a", "p", "o", "h")), True),
)
