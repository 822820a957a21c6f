"""Rich text (RTF) in, paragraphs and table rows out. The home of striprtf."""

from __future__ import annotations

import re
from itertools import groupby
from typing import Any

from striprtf import striprtf

from ingest.base.errors import ParseError
from ingest.parse.base.blocks import Blocks, Parsed
from ingest.parse.base.clean import clean

_MAX_FONT_TABLE = 200_000
_TITLE = re.compile(r"\{\\title ([^{}\\]{1,300})\}")
# The library joins a link's text and address with patterns that take quadratic time on a long
# line.  A line end after these words means nothing in the format, and keeps the patterns off.
_BREAK_AFTER = re.compile(r"(\\fldinst|\\fcharset\d{1,10})(?=[^a-z\d])", re.IGNORECASE)
_BREAK_BEFORE = re.compile(r"(?<!\\)(\\f\d)")


def parse_rtf(data: bytes, media_type: str) -> Parsed:  # noqa: ARG001
    """Return the paragraphs and tables of a rich text file; raises ParseError.

    Links give their text only.  The format marks no headings that the library can tell.
    """
    library: Any = striprtf  # Without types of its own.
    markup = data.decode("cp1252", "replace").replace("\0", "")
    if len(library.font_table_group(markup)) > _MAX_FONT_TABLE:
        raise ParseError("damaged RTF: its list of fonts does not end", "save it again as RTF")
    found = _TITLE.search(markup, 0, 20_000)
    markup = _BREAK_BEFORE.sub(r"\n\1", _BREAK_AFTER.sub(r"\1" + "\n", markup))
    text = clean(_join_surrogates(library.rtf_to_text(markup, errors="replace")))
    blocks = Blocks()
    for is_row, lines in groupby(text.split("\n"), key=lambda line: line.endswith("|")):
        if is_row:
            blocks.add_table([line[:-1].split("|") for line in lines], headers=1)
            continue
        for line in lines:
            blocks.add(line)
    return blocks.finish(clean(found[1]).strip() if found else "")


def _join_surrogates(text: str) -> str:
    """Return the text with the two halves of a character, which the format numbers, joined."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
