"""A text in, the spans of its sentences out; abbreviations are those of European languages."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from typing import NamedTuple

# Possessive quantifiers keep both expressions linear on any text.
SENTENCE_END = re.compile(
    r"(?<![.!?…؟۔।])(?P<mark>[.!?…؟۔।]++)[\"'”’»)\]]*+(?:\[\d+\])*+(?:\s++(?=(?P<next>\S))|\s*+\Z)"
    r"|[。！？；]++[”’」』）]*+(?:\[\d+\])*+\s*+"
)
"""What may end a sentence, with the blanks after it; `ends_sentence` has the last word."""

_BLOCK_END = re.compile(
    r"\n(?:[^\S\n]*+\n)++|\n(?=[^\S\n]{0,20}+(?:[-*+•‣▪–|]|\d{1,3}[.)])\s)|(?<=\|)[^\S\n]*+\n"
)
_LINE = re.compile(r"\S[^\n]*")
_MOST_CHARACTERS = 8  # Of a token, as chunks have it.
_AROUND = 150  # Characters on each side; one sentence begins there at least.
_LAST_WORD = re.compile(r"[\w.]*\Z")
_MONTH = re.compile(r"Jan|Feb|März|Apr|Mai|Jun|Jul|Aug|Sep|Okt|Nov|Dez")
_ABBREVIATION_LIST = (
    "mr mrs ms dr prof sr jr st mt rev hon gen col sgt lt capt vs etc approx ca cf al fig figs eq "
    "eqs sec secs ch chap vol nos nr pp ed eds est dept inc ltd co corp bros jan feb mar apr "
    "jun jul aug sep sept oct nov dec usw bzw vgl evtl ggf inkl zzgl abs art bd hrsg str tel mio "
    "mrd sog bspw pág núm sra sta"
)
_ABBREVIATIONS = frozenset(_ABBREVIATION_LIST.split())


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """Return (start, end) of each sentence, in order, without blanks around it.

    Blank lines, list items and table rows end a sentence as well.
    """
    ends = {found.end() for found in _BLOCK_END.finditer(text)}
    ends |= {found.end() for found in SENTENCE_END.finditer(text) if ends_sentence(text, found)}
    spans: list[tuple[int, int]] = []
    start = 0
    for end in sorted(ends | {len(text)}):
        sentence = text[start:end]
        if sentence.strip():
            blanks = len(sentence) - len(sentence.lstrip())
            spans.append((start + blanks, start + len(sentence.rstrip())))
        start = end
    return spans


class Before(NamedTuple):
    """What stands before a place in its section: `text[low:high]`, in lines or in sentences."""

    low: int
    high: int
    by_line: bool


def earlier_starts(
    text: str,
    before: Sequence[Before],
    most_tokens: int,
    count: Callable[[Iterable[str]], list[int]],
) -> list[int]:
    """Return for each span where the last sentences begin that fit, its end where none does."""
    spans = [_last_first(text, span, most_tokens * _MOST_CHARACTERS) for span in before]
    counts = iter(count(text[start:end] for found in spans for start, end in found))
    starts = []
    for span, found in zip(before, spans, strict=True):
        totals = accumulate(next(counts) for _ in found)
        fit = [
            start for (start, _), total in zip(found, totals, strict=True) if total <= most_tokens
        ]
        starts.append(min(fit, default=span.high))
    return starts


def _last_first(text: str, span: Before, reach: int) -> list[tuple[int, int]]:
    """Return the sentences or lines that begin within reach of a span's end, the last one first."""
    low = max(span.low, span.high - reach)
    part = text[low : span.high]
    if span.by_line:
        spans = [found.span() for found in _LINE.finditer(part)]
    else:
        spans = sentence_spans(part)
    whole = spans if low == span.low else spans[1:]
    return [(low + start, low + end) for start, end in reversed(whole)]


def ends_sentence(text: str, found: re.Match[str]) -> bool:
    """Tell the end of a sentence from an abbreviation, an initial, a date or a list's number."""
    mark, following = found["mark"], found["next"] or ""
    if mark is None:
        return True
    if "...." in mark:  # leaders of a table of contents
        return False
    if following.islower() and not _is_lower_case(text, found):
        return False
    if mark != ".":
        return True
    before = text[max(0, found.start() - 20) : found.start()]
    word = _LAST_WORD.search(before)
    last = word[0].casefold() if word else ""
    if last.isdigit():
        starts_line = before[: len(before) - len(last)].endswith("\n") or len(last) == found.start()
        return not starts_line and not (len(last) <= 2 and _MONTH.match(text, found.end()))
    initial = len(last) == 1 and last.isalpha()
    dotted = "." in last and all(len(part) <= 2 for part in last.split("."))
    return not (initial or last in _ABBREVIATIONS or (dotted and not last[0].isdigit()))


def _is_lower_case(text: str, found: re.Match[str]) -> bool:
    """Say whether a text has no capitals here, or a blank before each mark, as data sets do."""
    if text[max(0, found.start() - 1)].isspace():
        return True
    around = text[max(0, found.start() - _AROUND) : found.end() + _AROUND]
    return len(around) > _AROUND and around.islower()
