"""CSV and its kin in, one line of text per row out, with the line that names the columns."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice

from ingest.base.documents import Table
from ingest.parse.base import media
from ingest.parse.base.blocks import Parsed
from ingest.parse.base.clean import clean, decode_text
from ingest.parse.text.lines import iterate_lines, keep_start

_DELIMITERS = ",;\t|"
_SEPARATOR_LINE = re.compile(r"sep=(.)\n", re.IGNORECASE)
# Numbers, dates, times, amounts, addresses: what stands in rows and hardly ever in their header.
_VALUE = re.compile(
    r"[-+(]?[$€£¥]?\s?\d[\d.,:/\s'TZ+-]{0,40}\s?[%$€£¥)]?$|\S{1,100}@\S{1,100}$|https?://"
    r"|(?:true|false|yes|no|null|n/?a)$",
    re.IGNORECASE,
)
_LONGEST_LINE = 1_000_000
_SAMPLE_CHARACTERS = 100_000
_SAMPLE_ROWS = 100


def parse_table(data: bytes, media_type: str) -> Parsed:
    """Find delimiter and header, and put the cells of each row on one line between bars.

    What stands above the header with fewer cells stays as lines of text.
    """
    decoded = decode_text(data)
    text, notes = keep_start(clean(decoded.text))
    notes += (decoded.note,) * bool(decoded.note)
    if any(len(line) > _LONGEST_LINE for _, line in iterate_lines(text)):
        note = f"a line of more than {_LONGEST_LINE:,} characters is no row; read as plain text"
        return Parsed(text, notes=(*notes, note), encoding=decoded.encoding)
    told = _SEPARATOR_LINE.match(text)
    start = told.end() if told else 0
    delimiter = told[1] if told else _find_delimiter(text, "\t" if media_type == media.TSV else ",")
    text, tables = _write_rows(text, start, delimiter)
    return Parsed(text, tables=tables, notes=notes, encoding=decoded.encoding)


def _write_rows(text: str, start: int, delimiter: str) -> tuple[str, tuple[Table, ...]]:
    """Return the rows as lines, and the table that they are if there are two of them."""
    sample = list(islice(_filled_rows(text, delimiter, start), _SAMPLE_ROWS))
    above, headed = find_header(sample)
    lines = [" | ".join(row).strip() for row in _filled_rows(text, delimiter, start)]
    begin = sum(len(line) + 1 for line in lines[:above])
    whole = "\n".join(lines)
    if len(lines) - above < 2 or all(len(row) == 1 for row in sample):
        return whole, ()
    return whole, (Table(begin, len(whole), lines[above] if headed else ""),)


def _filled_rows(text: str, delimiter: str, start: int) -> Iterator[list[str]]:
    """Yield the rows in which a cell is filled, each cell on one line."""
    for record in split_records(text, delimiter, start):
        row = [" ".join(cell.split()) for cell in record]
        if any(row):
            yield row


def split_records(text: str, delimiter: str, start: int = 0) -> Iterator[list[str]]:
    """Yield the fields of each record (RFC 4180, and forgiving what is not).

    A quote opens a field only at its beginning; one that is not closed within a million
    characters is a character as any other.
    """
    size = len(text)
    while start < size:
        end = text.find("\n", start)
        end = size if end < 0 else end
        line = text[start:end]
        if '"' not in line:
            yield line.split(delimiter)
            start = end + 1
            continue
        fields: list[str] = []
        while True:
            field, start = _read_field(text, start, delimiter)
            fields.append(field)
            if start >= size or text[start] == "\n":
                break
            start += 1
        yield fields
        start += 1


def _read_field(text: str, start: int, delimiter: str) -> tuple[str, int]:
    """Return a field and where it ends: at a delimiter, a newline or the end of the text."""
    begin = start
    while begin < len(text) and text[begin] == " ":
        begin += 1
    close = _closing_quote(text, begin + 1) if text.startswith('"', begin) else -1
    if close >= 0:
        end = _field_end(text, close + 1, delimiter)
        return text[begin + 1 : close].replace('""', '"') + text[close + 1 : end], end
    end = _field_end(text, start, delimiter)
    return text[start:end], end


def _closing_quote(text: str, start: int) -> int:
    """Return where the quote is that is not doubled, -1 if there is none near enough."""
    limit = start + _LONGEST_LINE
    while (close := text.find('"', start, limit)) >= 0 and text.startswith('"', close + 1):
        start = close + 2
    return close


def _field_end(text: str, start: int, delimiter: str) -> int:
    newline = text.find("\n", start)
    newline = len(text) if newline < 0 else newline
    end = text.find(delimiter, start, newline)
    return newline if end < 0 else end


def _find_delimiter(text: str, expected: str) -> str:
    """Return the delimiter with which the most rows have the same number of cells."""
    sample = text[:_SAMPLE_CHARACTERS]
    if len(text) > _SAMPLE_CHARACTERS and "\n" in sample:
        sample = sample[: sample.rindex("\n")]
    order = sorted(_DELIMITERS, key=lambda delimiter: delimiter != expected)
    return max(order, key=lambda delimiter: _consistency(sample, delimiter))


def _consistency(sample: str, delimiter: str) -> tuple[float, int]:
    """Return the share of rows that have the usual number of cells, and that number."""
    records = islice(split_records(sample, delimiter), _SAMPLE_ROWS)
    widths = Counter(len(record) for record in records if any(map(str.strip, record)))
    wide = {width: count for width, count in widths.items() if width > 1}
    if not wide:
        return 0.0, 0
    usual = max(wide, key=lambda width: (wide[width], width))
    return round(wide[usual] / widths.total(), 1), usual


def find_header(rows: Sequence[Sequence[str]]) -> tuple[int, bool]:
    """Return how many lines stand above the table, and whether its first row names the columns.

    Names are short, different from each other, no values, and do not come again below, but in
    a header that is repeated as a whole.
    """
    widths = Counter(len(row) for row in rows)
    usual = max(widths, key=lambda width: (widths[width], width), default=0)
    above = next((number for number, row in enumerate(rows) if len(row) == usual), 0)
    if usual < 2 or above > 10 or any(sum(map(bool, row)) > 1 for row in rows[:above]):
        above = 0
    if len(rows) - above < 2:
        return above, False
    header, body = rows[above], rows[above + 1 :]
    names = [cell.casefold() for cell in header if cell]
    plausible = (
        len(names) >= 0.7 * len(header)
        and len(set(names)) >= 0.9 * len(names)
        and not any(_VALUE.match(name) or len(name) > 100 for name in names)
    )
    return above, plausible and not any(
        name and name == cell.casefold()
        for row in body
        if row != header
        for name, cell in zip(map(str.casefold, header), row, strict=False)
    )
