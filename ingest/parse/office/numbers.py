"""A value of a spreadsheet cell and its number format in, what a person sees out."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta

_DECIMALS = re.compile(r"\.(0+)")
_BRACKETS = re.compile(r"\[\$([^\]\-]*)(?:-[^\]]*)?\]")
_QUOTED = re.compile(r'"([^"]*)"|\\(.)')
_NOT_LITERAL = re.compile(r"\[[^\]]*\]|_.|\*.")
_CURRENCY = re.compile(
    r"[$€£¥₹₩₽₺₫₪฿]|\b(?:USD|EUR|GBP|CHF|JPY|CNY|CAD|AUD|SEK|NOK|DKK|PLN|kr|Fr|zł|Kč|R\$)"
)


def show_value(value: object, number_format: str) -> str:
    """Return the text of a cell: dates in ISO 8601, numbers without noise of binary fractions.

    Percentages and currencies are written where the number format says so; other formats
    only round what is shown, so the stored value is written instead.  None is "".
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int | float):
        return _show_number(value, number_format or "General")
    if isinstance(value, datetime):
        midnight = (value.hour, value.minute, value.second) == (0, 0, 0)
        return value.date().isoformat() if midnight else value.isoformat(" ", "seconds")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, time):
        return value.isoformat("seconds")
    if isinstance(value, timedelta):
        return _show_duration(value)
    return str(value)


def plain_number(value: float) -> str:
    """Return a number in at most 15 significant digits, which is what spreadsheets keep."""
    if isinstance(value, int) or (value.is_integer() and abs(value) < 1e15):
        return str(int(value)) if abs(value) < 10**30 else f"{value:.15g}"
    return f"{value:.15g}"


def _show_number(value: float, number_format: str) -> str:
    if number_format == "General":
        return plain_number(value)
    positive = number_format.split(";")[0]
    decimals = _DECIMALS.search(positive)
    places = len(decimals[1]) if decimals else 0
    if abs(value) >= 1e15 or value != value:
        return plain_number(value)
    if "%" in _QUOTED.sub("", positive):
        return f"{value * 100:.{min(places, 10)}f}%"
    literal = _BRACKETS.sub(lambda found: f'"{found[1]}"', positive)
    literal = _NOT_LITERAL.sub("", literal)
    symbol = _CURRENCY.search(literal.replace('"', ""))
    if symbol:
        return _with_currency(value, min(places, 10), symbol[0], literal)
    return plain_number(value)


def _with_currency(value: float, places: int, symbol: str, literal: str) -> str:
    amount = f"{abs(value):,.{places}f}" if "," in literal else f"{abs(value):.{places}f}"
    sign = "-" if value < 0 and float(amount.replace(",", "")) else ""
    digit = re.search(r"[0#?]", literal)
    if digit and literal.find(symbol) > digit.start():
        return f"{sign}{amount} {symbol}"
    return f"{sign}{symbol}{' ' if symbol[-1].isalpha() else ''}{amount}"


def _show_duration(value: timedelta) -> str:
    seconds = round(value.total_seconds())
    sign, seconds = ("-", -seconds) if seconds < 0 else ("", seconds)
    return f"{sign}{seconds // 3600}:{seconds % 3600 // 60:02}:{seconds % 60:02}"
