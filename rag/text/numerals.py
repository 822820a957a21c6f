"""Digits and words of numbers in, their values out."""

from __future__ import annotations

import re
from decimal import Decimal

_SMALL = {
    0: "zero null zéro cero",
    2: "two zwei deux dos",
    3: "three drei trois tres",
    4: "four vier quatre cuatro",
    5: "five fünf cinq cinco",
    6: "six sechs seis",
    7: "seven sieben sept siete",
    8: "eight acht huit ocho",
    9: "nine neun neuf nueve",
    10: "ten zehn dix diez",
    11: "eleven elf onze once",
    12: "twelve zwölf douze doce",
    13: "thirteen dreizehn treize trece",
    14: "fourteen vierzehn quatorze catorce",
    15: "fifteen fünfzehn quinze quince",
    16: "sixteen sechzehn seize dieciséis",
    17: "seventeen siebzehn diecisiete",
    18: "eighteen achtzehn dieciocho",
    19: "nineteen neunzehn diecinueve",
    20: "twenty zwanzig vingt veinte",
    30: "thirty dreißig dreissig trente treinta",
    40: "forty vierzig quarante cuarenta",
    50: "fifty fünfzig cinquante cincuenta",
    60: "sixty sechzig soixante sesenta",
    70: "seventy siebzig setenta",
    80: "eighty achtzig ochenta",
    90: "ninety neunzig noventa",
    100: "hundred hundert cent cien ciento",
    1000: "thousand tausend mille mil",
    10**6: "million millionen millions millón millones",
    10**9: "billion billions milliarde milliarden milliard milliards",
}
_ORDINALS = {
    3: "third dritte dritten dritter drittes troisième tercer tercero tercera",
    4: "fourth vierte vierten vierter viertes quatrième cuarto cuarta",
    5: "fifth fünfte fünften fünfter cinquième quinto quinta",
    6: "sixth sechste sechsten sechster sixième sexto sexta",
    7: "seventh siebte siebten siebter septième séptimo séptima",
    8: "eighth achte achten achter huitième octavo octava",
    9: "ninth neunte neunten neunter neuvième noveno novena",
    10: "tenth zehnte zehnten zehnter dixième décimo décima",
    11: "eleventh elfte elften",
    12: "twelfth zwölfte zwölften",
    13: "thirteenth", 14: "fourteenth", 15: "fifteenth", 16: "sixteenth", 17: "seventeenth",
    18: "eighteenth", 19: "nineteenth", 20: "twentieth zwanzigste zwanzigsten", 21: "",
}  # fmt: skip
FRACTIONS = {
    "half": "0.5", "halves": "0.5", "hälfte": "0.5", "moitié": "0.5", "mitad": "0.5",
    "quarter": "0.25", "viertel": "0.25", "drittel": "0.333", "fünftel": "0.2", "zehntel": "0.1",
    "一半": "0.5",
}  # fmt: skip
WORDS = {word: value for value, words in _SMALL.items() for word in words.split()}
"""The value of each plain word of a number; "one" is left out, it is seldom a number."""
ORDINALS = {word: value for value, words in _ORDINALS.items() for word in words.split()}
ONES = frozenset(
    ["one", "ein", "eine", "einen", "einem", "einer", "eins", "un", "une", "uno", "una"]
)
SCALES = {
    "hundred": 100, "hundert": 100, "thousand": 1000, "tausend": 1000, "tsd": 1000, "k": 1000,
    "mille": 1000, "mil": 1000, "million": 10**6, "millions": 10**6, "millionen": 10**6,
    "mio": 10**6, "mn": 10**6, "millón": 10**6, "millones": 10**6, "billion": 10**9,
    "billions": 10**9, "bn": 10**9, "milliarde": 10**9, "milliarden": 10**9, "mrd": 10**9,
    "milliard": 10**9, "milliards": 10**9, "trillion": 10**12,
    "千": 1000, "万": 10**4, "百万": 10**6, "千万": 10**7, "亿": 10**8,
}  # fmt: skip
_CJK_DIGITS = {sign: i for i, sign in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
_CJK_PLACES = {"十": 10, "百": 100, "千": 1000}
_GERMAN = re.compile(r"(?P<one>ein|zwei|drei|vier|fünf|sechs|sieben|acht|neun)und(?P<ten>\w+zig)")
_GROUPS = re.compile(r"\d{1,3}(?:[.,]\d{3})+")


def plain(value: Decimal) -> str:
    """Return a number without exponent and needless zeros."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def read_digits(written: str) -> tuple[Decimal, ...]:
    """Return what digits with separators can mean, likeliest first; () if they are no number.

    "1,200.50" and "1.200,50" have one meaning, "1.200" has two.
    """
    digits = re.sub(r"[^\d.,]", "", written)
    if "," in digits and "." in digits:
        decimal = max(digits, key=lambda sign: digits.rfind(sign) if sign in ".," else -1)
        other = "." if decimal == "," else ","
        whole, _, fraction = digits.rpartition(decimal)
        if decimal in whole or other in fraction:
            return ()
        return (Decimal(f"{whole.replace(other, '')}.{fraction}"),)
    separators = digits.count(".") + digits.count(",")
    joined = re.sub(r"[.,]", "", digits)
    if not separators:
        return (Decimal(digits),)
    if separators > 1:
        return (Decimal(joined),) if _GROUPS.fullmatch(digits) or "," in digits else ()
    decimal_value = Decimal(digits.replace(",", "."))
    if not _GROUPS.fullmatch(digits) or digits[0] == "0":
        return (decimal_value,)
    both = (Decimal(joined), decimal_value)
    return both if "," in digits else both[::-1]


def read_words(words: list[str]) -> int | None:
    """Return the value of the words of one number ("two hundred and five"), else None."""
    total = current = 0
    for word in words:
        value = WORDS.get(word)
        if value is None:
            return None
        if value == 100:
            current = (current or 1) * 100
        elif value >= 1000:
            total += (current or 1) * value
            current = 0
        else:
            current += value
    return total + current


def read_german(word: str) -> int | None:
    """Return the value of a German word such as "fünfundzwanzig", None if it is none."""
    found = _GERMAN.fullmatch(word)
    tens = WORDS.get(found["ten"]) if found else None
    if not found or tens is None:
        return None
    return tens + (1 if found["one"] == "ein" else WORDS[found["one"]])


def read_cjk(signs: str) -> int | None:
    """Return the value of Chinese numerals, None if they are no number."""
    total = section = digit = 0
    for sign in signs:
        if sign in _CJK_DIGITS:
            digit = _CJK_DIGITS[sign]
        elif sign in _CJK_PLACES:
            section += (digit or 1) * _CJK_PLACES[sign]
            digit = 0
        elif sign in "万亿":
            total = (total + section + digit) * (10**4 if sign == "万" else 10**8)
            section = digit = 0
        else:
            return None
    return total + section + digit
