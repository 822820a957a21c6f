"""Text in any encoding in; text, headings and tables out, found as its kind writes them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType

from ingest.base.documents import Heading
from ingest.parse.base import media
from ingest.parse.base.blocks import Parsed
from ingest.parse.base.clean import clean, decode_text
from ingest.parse.text.code import read_code
from ingest.parse.text.lines import iterate_lines, keep_start, make_headings
from ingest.parse.text.markup import read_markdown, read_org, read_rst
from ingest.parse.text.tex.read import read_tex

_NUMBERED = re.compile(
    r"(?:\d{1,2}(?P<deeper>(?:\.\d{1,2}){0,4})[.)]?|[IVX]{1,5}\.)\s+\S.*[^.,;:!?]$"
)
_LONGEST_HEADING = 70


def parse_text(data: bytes, media_type: str) -> Parsed:
    """Decode the bytes, drop what is invisible, and find headings and tables of the format."""
    decoded = decode_text(data)
    text, notes = keep_start(clean(decoded.text))
    parsed = _READERS.get(media_type, _read_verbatim)(text)
    notes = (*parsed.notes, *notes, decoded.note) if decoded.note else (*parsed.notes, *notes)
    return replace(parsed, notes=notes, encoding=decoded.encoding)


def _read_verbatim(text: str) -> Parsed:
    return Parsed(text)


def _read_plain(text: str) -> Parsed:
    return Parsed(text, headings=tuple(_plain_headings(text)))


def _plain_headings(text: str) -> Iterator[Heading]:
    """Yield short lines after a blank one that are in capitals, or numbered and stand alone.

    They are below level 1, as none of them is the title of the document.
    """
    before, held = "text", (0, "", False)
    for start, line in iterate_lines(text):
        place, above, alone = held
        if above:
            yield from _plain_heading(place, above, alone and not line.strip())
        stands_first = not before.strip() and bool(line.strip())
        is_short = stands_first and len(line) <= 4 * _LONGEST_HEADING
        short = line.strip() if is_short and len(line.strip()) <= _LONGEST_HEADING else ""
        held, before = (start, short, True), line


def _plain_heading(start: int, text: str, alone: bool) -> list[Heading]:
    numbered = _NUMBERED.match(text) if alone else None
    if not numbered and not (text.isupper() and len(text) > 3):
        return []
    deeper = numbered["deeper"] if numbered else ""
    return make_headings(start, 2 + (deeper or "").count("."), text)


_READERS: Mapping[str, Callable[[str], Parsed]] = MappingProxyType(
    {
        media.MARKDOWN: read_markdown,
        media.RST: read_rst,
        media.ORG: read_org,
        media.TEX: read_tex,
        media.CODE: read_code,
        media.PLAIN: _read_plain,
    }
)
