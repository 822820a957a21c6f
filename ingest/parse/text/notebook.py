"""Jupyter notebooks in, their prose, code and printed results out, a page for each cell."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace

from ingest.base.documents import Heading, Table
from ingest.parse.base.blocks import Blocks, Parsed
from ingest.parse.base.clean import clean, decode_text
from ingest.parse.text.data import parse_json
from ingest.parse.text.markup import read_markdown

# An image packed into the text: a possessive run and no need of an end keep this linear.
_PACKED_IMAGE = re.compile(r"!\[[^\[\]\n]{0,200}\]\((?:data|attachment):[^)\s]*+\)?")
_BACKTICKS = re.compile("`{3,}")
_LEVELS = ("1", "2", "3", "4", "5", "6")
_MOST_OUTPUT_LINES = 20
_MOST_OUTPUT_CHARACTERS = 2000


def parse_notebook(data: bytes, media_type: str) -> Parsed:
    """Read the cells in order; what is no notebook is read as JSON, else as plain text."""
    decoded = decode_text(data)
    try:
        notebook = json.loads(decoded.text.removeprefix("\ufeff"), parse_int=str, strict=False)
    except (ValueError, RecursionError):
        return parse_json(data, media_type)
    cells = list(_cells(notebook))
    if not cells:
        return parse_json(data, media_type)
    reader = _Reader(_language(notebook))
    for number, cell in enumerate(cells, 1):
        reader.blocks.begin_page(f"cell {number}")
        reader.take(cell)
    parsed = reader.finish()
    notes = (decoded.note,) if decoded.note else ()
    return replace(parsed, notes=notes, encoding=decoded.encoding)


def _cells(notebook: object) -> Iterator[dict[str, object]]:
    """Yield the cells, which up to format 3 stood on worksheets."""
    if not isinstance(notebook, dict):
        return
    sheets = notebook.get("worksheets")
    for holder in (notebook, *(sheets if isinstance(sheets, list) else ())):
        cells = holder.get("cells") if isinstance(holder, dict) else None
        for cell in cells if isinstance(cells, list) else ():
            if isinstance(cell, dict):
                yield cell


def _language(notebook: dict[str, object]) -> str:
    """Return the name of the language in which the code cells are, "" if it is not told."""
    metadata = notebook.get("metadata")
    for holder, key in (("language_info", "name"), ("kernelspec", "language")):
        found = metadata.get(holder) if isinstance(metadata, dict) else None
        name = found.get(key) if isinstance(found, dict) else None
        if isinstance(name, str) and re.fullmatch(r"[\w+#-]{1,30}", name):
            return name
    return ""


class _Reader:
    """Writes cells as blocks; headings and tables of the prose are moved to where they stand."""

    def __init__(self, language: str) -> None:
        self.language = language
        self.blocks = Blocks()
        self.tables: list[Table] = []

    def take(self, cell: dict[str, object]) -> None:
        """Write one cell."""
        kind = cell.get("cell_type")
        source = _joined(cell.get("source", cell.get("input")))
        if kind == "code":
            language = cell.get("language")
            self._fence(source, self.language or (language if isinstance(language, str) else ""))
            outputs = cell.get("outputs")
            for output in outputs if isinstance(outputs, list) else ():
                self._fence(_shorten(_output(output)), "")
        elif kind == "heading":
            level = cell.get("level")
            self._prose(f"{'#' * int(level) if level in _LEVELS else '#'} {source}")
        else:
            self._prose(source)

    def finish(self) -> Parsed:
        """Return the whole; the title is its first heading."""
        headings = self.blocks.headings
        title = headings[0].title if headings else ""
        return replace(self.blocks.finish(title), tables=tuple(self.tables))

    def _prose(self, source: str) -> None:
        source = _PACKED_IMAGE.sub("", source).strip()
        if not source:
            return
        self.blocks.add(source)
        moved = self.blocks.length - len(source)
        parsed = read_markdown(source)
        self.blocks.headings.extend(
            Heading(moved + heading.start, heading.level, heading.title)
            for heading in parsed.headings
        )
        self.tables.extend(
            Table(moved + table.start, moved + table.end, table.columns) for table in parsed.tables
        )

    def _fence(self, source: str, language: str) -> None:
        """Write code or output between fences longer than any inside."""
        source = source.strip("\n").rstrip()
        if source.strip():
            longest = max((len(ticks) for ticks in _BACKTICKS.findall(source)), default=2)
            fence = "`" * (longest + 1)
            self.blocks.add(f"{fence}{language}\n{source}\n{fence}")


def _joined(source: object) -> str:
    """Return a text that is stored whole or as a list of lines, cleaned."""
    parts = source if isinstance(source, list) else [source]
    return clean("".join(part for part in parts if isinstance(part, str)))


def _output(output: object) -> str:
    """Return what a cell printed, the text of its result, or the error; images have none."""
    if not isinstance(output, dict):
        return ""
    kind = output.get("output_type")
    if kind in ("error", "pyerr"):
        return f"{_joined(output.get('ename'))}: {_joined(output.get('evalue'))}"
    data = output.get("data")
    result = data.get("text/plain") if isinstance(data, dict) else output.get("text")
    return _joined(result)


def _shorten(text: str) -> str:
    """Return the first lines of an output, and how many more there were."""
    text = text.rstrip()
    kept = "\n".join(text[:_MOST_OUTPUT_CHARACTERS].split("\n")[:_MOST_OUTPUT_LINES])
    if len(kept) == len(text):
        return text
    return f"{kept}\n… ({max(1, text.count(chr(10), len(kept)))} more lines)"
