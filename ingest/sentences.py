"""A text in, the spans of its sentences out."""

from __future__ import annotations

import re

# A full stop after one of these ends no sentence (English and German).
_ABBREVIATIONS = frozenset(
    "mr mrs ms dr prof st vs etc e.g i.e fig nos vol pp p al approx inc ltd co corp dept est "
    "jan feb mar apr jun jul aug sep sept oct nov dec bzw ca z.b d.h u.a usw nr str abs art bd "
    "evtl ggf inkl max min mind sog tel vgl zzgl".split()  # noqa: SIM905 - a column of words reads better than a list of strings
)
_END = re.compile(
    r"[.!?]+[\"'”’»)\]]*(?:\[\d+\])*(?=\s|$)"  # Latin, Greek, Cyrillic: then white space
    r"|[。！？｡]+[”’」』）]*(?:\[\d+\])*"  # CJK: no space follows
    r"|\n[ \t]*\n"  # a blank line ends whatever stood before
    r"|\n(?=[ \t]*(?:[-*+•|]|\d+[.)])[ \t])"  # so does a list item or table row
    r"|(?<=\|)[ \t]*\n"
)


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """Return (start, end) of each sentence, in order, without blanks around it.

    Blank lines, list items and table rows end a sentence as well.  A full stop after an
    abbreviation, an initial or the number of a list item does not.
    """
    spans: list[tuple[int, int]] = []
    start = 0
    for mark in _END.finditer(text):
        if mark[0].startswith(".") and _is_abbreviation(text, start, mark.start()):
            continue
        _add(spans, text, start, mark.end())
        start = mark.end()
    _add(spans, text, start, len(text))
    return spans


def _add(spans: list[tuple[int, int]], text: str, start: int, end: int) -> None:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    if start < end:
        spans.append((start, end))


def _is_abbreviation(text: str, start: int, dot: int) -> bool:
    before = text[max(start, dot - 12) : dot]
    word = re.split(r"[\s(\[]", before)[-1].lower()
    if word in _ABBREVIATIONS or (len(word) == 1 and word.isalpha()):
        return True
    if not word.isdigit() or len(word) > 2:
        return False
    # "2. Open the lid" at the start of a line, "am 3. März": the number belongs to what follows.
    line_start = text.rfind("\n", 0, dot) + 1
    return not text[max(start, line_start) : dot - len(word)].strip() or _next_is_month(text, dot)


def _next_is_month(text: str, dot: int) -> bool:
    return bool(
        re.match(
            r"\.\s+(Januar|Februar|März|April|Mai|Juni|Juli|August|September|Oktober|November"
            r"|Dezember)\b",
            text[dot : dot + 14],
        )
    )
