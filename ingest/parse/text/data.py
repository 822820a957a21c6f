"""JSON and JSON Lines in, lines a person can read out: tables, and `key: value` with indents."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypeAlias, cast

from ingest.base.documents import Heading, Page, Table
from ingest.parse.base.blocks import Parsed
from ingest.parse.base.clean import Decoded, clean, decode_text
from ingest.parse.text.lines import MOST_CHARACTERS, iterate_lines, make_headings

# Numbers stay as they are written, objects keep each of their keys: (key, value) pairs.
Value: TypeAlias = "str | bool | list[Value] | tuple[tuple[str, Value], ...] | None"
Object: TypeAlias = "tuple[tuple[str, Value], ...]"

_DEEPEST = 100
_DEEPEST_INDENT = 12
_MOST_COLUMNS = 80
_LONGEST_LIST = 100
_SHORT = 12
_SIDE_BY_SIDE = 20
_TITLE_KEYS = ("title", "name")
_NOT_VALID = "not valid JSON, read as plain text"


class _NoData(Exception):
    """The text is not laid out; the message says why."""


def parse_json(data: bytes, media_type: str) -> Parsed:  # noqa: ARG001
    """Lay out objects and arrays; what is no JSON, too deep or too large stays as it is."""
    decoded = decode_text(data)
    text = clean(decoded.text)
    try:
        parsed = _lay_out(_load(text))
    except _NoData as reason:
        lines = _parse_lines(text) if _looks_like_lines(text) else None
        parsed = lines or Parsed(text, notes=(str(reason),))
    return _finish(parsed, decoded)


def parse_json_lines(data: bytes, media_type: str) -> Parsed:
    """Lay out one record per line: a table where they share keys, else a block and page each."""
    decoded = decode_text(data)
    text = clean(decoded.text)
    parsed = _parse_lines(text)
    return _finish(parsed, decoded) if parsed else parse_json(data, media_type)


def _finish(parsed: Parsed, decoded: Decoded) -> Parsed:
    notes = (*parsed.notes, decoded.note) if decoded.note else parsed.notes
    return replace(parsed, notes=notes, encoding=decoded.encoding)


def _load(text: str) -> Value:
    if len(text) > MOST_CHARACTERS:
        raise _NoData(f"JSON of more than {MOST_CHARACTERS:,} characters, read as plain text")
    seen: dict[str, str] = {}

    def number(digits: str) -> str:
        return seen.setdefault(digits, digits)  # Millions of them are often the same few.

    try:
        return cast(
            "Value",
            json.loads(
                text,
                parse_int=number,
                parse_float=number,
                parse_constant=number,
                object_pairs_hook=tuple,
                strict=False,
            ),
        )
    except RecursionError as error:
        raise _NoData("JSON nested too deeply, read as plain text") from error
    except ValueError as error:
        raise _NoData(_NOT_VALID) from error


def _looks_like_lines(text: str) -> bool:
    """Say whether the first two lines are records of their own."""
    lines = [line for _, line in zip(range(2), text.lstrip().split("\n", 2), strict=False)]
    return len(lines) == 2 and all(_is_record(line) for line in lines)


def _is_record(line: str) -> bool:
    try:
        return isinstance(_load(line), (list, tuple))
    except _NoData:
        return False


def _parse_lines(text: str) -> Parsed | None:
    """Return the records of a text, None if fewer than half of its lines are any."""
    records: list[tuple[int, Value]] = []
    damaged = 0
    if len(text) > MOST_CHARACTERS:
        return None
    for number, (_, line) in enumerate(iterate_lines(text, every=True), 1):
        if line.strip():
            try:
                records.append((number, _load(line)))
            except _NoData:
                damaged += 1
                records.append((number, line.strip()))
    if 2 * damaged >= len(records):
        return None
    notes = (f"{damaged} of {len(records)} lines are not JSON",) if damaged else ()
    layout = _Layout()
    columns = _shared_columns([value for _, value in records])
    if columns:
        layout.table(columns, [value for _, value in records])
    else:
        for number, value in records:
            layout.page(f"line {number}")
            layout.value(value, 0)
    return replace(layout.finish(), notes=notes)


def _lay_out(value: Value) -> Parsed:
    layout = _Layout()
    title = ""
    if isinstance(value, tuple):
        found = (v for key in _TITLE_KEYS for k, v in value if k == key and isinstance(v, str))
        title = _tidy(next(found, ""))
        for key, item in value:
            layout.member(key, item)
    else:
        layout.value(value, 0)
    return replace(layout.finish(), title=title)


class _Layout:
    """Writes lines, and knows where headings, pages and tables start."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.length = 0
        self.headings: list[Heading] = []
        self.pages: list[Page] = []
        self.tables: list[Table] = []
        self.in_section = False

    def finish(self) -> Parsed:
        """Return everything as one text."""
        text = "\n".join(self.lines).rstrip()
        pages = (page for page in self.pages if page.start < len(text))
        return Parsed(
            text,
            pages=tuple(pages),
            headings=tuple(self.headings),
            tables=tuple(self.tables),
        )

    def write(self, line: str) -> None:
        """Append a line."""
        self.lines.append(line)
        self.length += len(line) + 1

    def page(self, label: str) -> None:
        """Begin a record, after an empty line."""
        if self.lines:
            self.write("")
        self.pages.append(Page(self.length, label))

    def member(self, key: str, value: Value) -> None:
        """Write a member of the outermost object; one with a structure is a section."""
        is_section = not _is_flat(value)
        if self.lines and (is_section or self.in_section):
            self.write("")
        if is_section:
            # Below level 1: none of the keys is the title of the whole.
            self.headings += make_headings(self.length, 2, _tidy(key))
        self.in_section = is_section
        self.pair(key, value, 0)

    def pair(self, key: str, value: Value, depth: int, *, dash: bool = False) -> None:
        """Write a key and its value, below it what does not fit beside it."""
        margin = f"{_margin(depth - 1)}- " if dash else _margin(depth)
        name = _one_line(key)
        if _is_flat(value):
            self._words(f"{margin}{name}: ", _flat(value), depth + 1)
        else:
            self.write(f"{margin}{name}:")
            self.value(value, depth + 1)

    def value(self, value: Value, depth: int) -> None:
        """Write a value on lines of its own."""
        if depth > _DEEPEST:
            raise _NoData("JSON nested too deeply, read as plain text")
        if _is_flat(value):
            self._words(_margin(depth), _flat(value), depth)
        elif isinstance(value, tuple):
            for key, item in value:
                self.pair(key, item, depth)
        elif isinstance(value, list):
            columns = _shared_columns(value) if len(value) > 1 else []
            if columns:
                self.table(columns, value)
            else:
                self._items(value, depth)

    def table(self, columns: Sequence[str], rows: Iterable[Value]) -> None:
        """Write objects as rows, their keys as the line that names the columns."""
        header = " | ".join(map(_one_line, columns))
        start = self.length
        self.write(header)
        for row in rows:
            cells = dict(cast("Object", row))
            self.write(" | ".join(_one_line(_flat(cells.get(key, ""))) for key in columns).rstrip())
        self.tables.append(Table(start, self.length - 1, header.rstrip()))

    def _items(self, values: Sequence[Value], depth: int) -> None:
        """Write the elements of an array, each after a dash; many short ones side by side."""
        if all(isinstance(value, str) and len(value) <= _SHORT for value in values):
            for start in range(0, len(values), _SIDE_BY_SIDE):
                some = list(values[start : start + _SIDE_BY_SIDE])
                self.write(f"{_margin(depth)}{_flat(some)}".rstrip())
            return
        for value in values:
            if _is_flat(value):
                self._words(f"{_margin(depth)}- ", _flat(value), depth + 1)
            elif isinstance(value, tuple):
                for number, (key, item) in enumerate(value):
                    self.pair(key, item, depth + 1, dash=not number)
            else:
                self.write(f"{_margin(depth)}-")
                self.value(value, depth + 1)

    def _words(self, before: str, words: str, depth: int) -> None:
        """Write words beside what is before them; of several lines each below it."""
        if "\n" not in words:
            self.write(f"{before}{words}".rstrip())
            return
        self.write(before.rstrip())
        for line in words.split("\n"):
            self.write(f"{_margin(depth)}{line}".rstrip())


def _margin(depth: int) -> str:
    return "  " * min(depth, _DEEPEST_INDENT)


def _is_flat(value: Value) -> bool:
    """Say whether a value is a word or a short list of words."""
    if isinstance(value, list):
        total = 0
        for item in value:
            if isinstance(item, (list, tuple)) or (isinstance(item, str) and "\n" in item):
                return False
            total += len(item) + 2 if isinstance(item, str) else 6
            if total > _LONGEST_LIST:
                return False
        return True
    return not value or not isinstance(value, tuple)


def _flat(value: Value) -> str:
    if isinstance(value, str):
        return _tidy(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ", ".join(_one_line(_flat(item)) for item in value)
    return ""


def _shared_columns(values: Sequence[Value]) -> list[str]:
    """Return the keys of flat objects in order, none if the values are not mostly alike."""
    columns: dict[str, None] = {}
    filled = 0
    for value in values:
        if not isinstance(value, tuple) or not value:
            return []
        for key, item in value:
            if not _is_flat(item):
                return []
            columns[key] = None
        filled += len(value)
        if len(columns) > _MOST_COLUMNS or len(dict(value)) < len(value):
            return []
    alike = filled >= 0.5 * len(columns) * len(values)
    return list(columns) if alike and len(columns) > 1 else []


def _tidy(words: str) -> str:
    """Return a string of the data without what is invisible; its escapes hid it until now."""
    return words if words.isascii() and words.isprintable() else clean(words)


def _one_line(words: str) -> str:
    return " ".join(_tidy(words).split())
