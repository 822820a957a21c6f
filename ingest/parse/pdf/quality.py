"""The text of a page in, what is wrong with it out: no text, no words, or no blanks."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from types import MappingProxyType

EMPTY, GARBAGE, GLUED = "empty", "garbage", "glued"
BOILERPLATE, COLUMNS, OCR = "boilerplate", "columns", "ocr"
TIMEOUT, DAMAGED = "timeout", "damaged"

# How much of a page's meaning is left; a page is as good as its worst finding.
_SCORES: Mapping[str, float] = MappingProxyType(
    {EMPTY: 0.0, TIMEOUT: 0.0, DAMAGED: 0.0, GARBAGE: 0.1, GLUED: 0.4, OCR: 0.8, COLUMNS: 0.9}
)
# Characters without meaning: replaced, private, and the controls but blanks.
_MEANINGLESS = re.compile(
    "[\ufffd\ue000-\uf8ff\U000f0000-\U0010ffff\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f]"
)
_CODES = re.compile(r"\(cid:\d+\)|/[gG]\d{1,4}(?=/|\s|$)|/C\d{1,3}(?=/|\s|$)")
_LETTER = re.compile("[A-Za-z]")
_VOWEL = re.compile("[AEIOUYaeiouy]")
_RUN = re.compile("[A-Za-z\u00c0-\u04ff]{25,}")
_MEANINGLESS_SHARE = 0.2
_MARK = "\x1e"
# 1 100 pages of reports and manuals have .34 to .45 of vowels; text of which each letter is
# shifted by 29, as fonts without a map to Unicode give it, has less than .2.
_FEWEST_VOWELS, _MOST_VOWELS, _FEWEST_LETTERS = 0.2, 0.75, 80
_GLUED_SHARE = 0.5  # Long compounds of German stay below.


def judge(text: str) -> tuple[str, ...]:
    """Return the findings on the text of a page as it was extracted, none if it is good."""
    dense = "".join(text.split())
    if not dense:
        return (EMPTY,)
    if _is_garbage(dense, text):
        return (GARBAGE,)
    letters = sum(map(str.isalpha, dense))
    runs = sum(map(len, _RUN.findall(text)))
    return (GLUED,) if runs > max(50, _GLUED_SHARE * letters) else ()


def score(findings: Collection[str]) -> float:
    """Return how well a page could be read, 0 to 1.

    >>> score(("boilerplate", "ocr"))
    0.8
    """
    return min((_SCORES.get(finding, 1.0) for finding in findings), default=1.0)


def _is_garbage(dense: str, text: str) -> bool:
    meaningless = len(_MEANINGLESS.findall(dense)) + sum(map(len, _CODES.findall(text)))
    if meaningless > _MEANINGLESS_SHARE * len(dense):
        return True
    letters = len(_LETTER.findall(dense))
    if letters < max(_FEWEST_LETTERS, 0.5 * sum(map(str.isalpha, dense))):
        return False
    return not _FEWEST_VOWELS * letters <= len(_VOWEL.findall(dense)) <= _MOST_VOWELS * letters


def pack_page(text: str, findings: Collection[str]) -> str:
    """Return a page as one text that keeps what was found while it was read.

    The mark between the two is a control character, which no clean text has.
    """
    return text + _MARK + ",".join(findings) if findings else text


def unpack_page(packed: str) -> tuple[str, tuple[str, ...]]:
    """Return the text and the findings of a packed page.

    >>> unpack_page(pack_page("Total", ("ocr", "glued")))
    ('Total', ('ocr', 'glued'))
    """
    text, _, findings = packed.partition(_MARK)
    return text, tuple(filter(None, findings.split(",")))
