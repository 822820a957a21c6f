"""A text in, the same out with numbers and dates also in the one form that all texts share."""

from __future__ import annotations

import re
import unicodedata

from rag.text.dates import find_moments

_ZEROS = (0x660, 0x6F0, 0x966, 0x9E6, 0xA66, 0xAE6, 0xBE6, 0xC66, 0xCE6, 0xD66, 0xE50, 0xED0)
_DIGITS = {zero + digit: str(digit) for zero in _ZEROS for digit in range(10)}
_DIGITS |= {0x66B: ".", 0x66C: ","}
_GROUPED = re.compile(r"(?<![\d.,] )(?<![\d.,-])\d{1,3}(?: \d{3})+(?![\d-]| \d)")
_YEAR_LAST = re.compile(r"(?<=[ .,])(?:1[5-9]|20)\d\d(?!\d)")
_DATE_LENGTH = 26  # of the longest before its year: "Wednesday, 30 of September, "
_FULL_DATE = re.compile(r"\d{4}-\d\d-\d\d")


def write_alike(text: str) -> str:
    """Return the text in compatibility form (NFKC) and with the digits of ASCII.

    Behind "1 234 567" comes 1234567, behind "12.03.2025" and "12 March 2025" comes 2025-03-12,
    unless the date can be read in two ways.
    """
    text = unicodedata.normalize("NFKC", text)
    if not text.isascii():
        text = text.translate(_DIGITS)
    text = _GROUPED.sub(lambda found: f"{found[0]} {found[0].replace(' ', '')}", text)
    return _YEAR_LAST.sub(lambda found: f"{found[0]}{_date_before(text, found)}", text)


def _date_before(text: str, year: re.Match[str]) -> str:
    """Return the date that ends with a year, with a blank before it, else nothing."""
    start = max(0, year.start() - _DATE_LENGTH)
    near = text[start : year.end()]
    if not any(sign.isdigit() for sign in near[:-4]):
        return ""
    for moment in find_moments(near):
        if moment.end == len(near) and not moment.other and _FULL_DATE.fullmatch(moment.value):
            return f" {moment.value}"
    return ""
