"""What must hold for whatever a parser of a text format returns, and how long it may take."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from ingest.base.errors import ParseError
from ingest.parse.base.blocks import Parsed
from ingest.parse.base.clean import clean

Parser = Callable[[bytes, str], Parsed]


def check(parsed: Parsed) -> Parsed:
    """Assert that the text is clean, and that all that is found lies in it, in order."""
    text = parsed.text
    assert clean(text) == text
    text.encode("utf-8")
    for starts in (
        [heading.start for heading in parsed.headings],
        [page.start for page in parsed.pages],
        [table.start for table in parsed.tables],
    ):
        assert starts == sorted(starts)
        assert all(0 <= start <= len(text) for start in starts)
    assert all(heading.start < len(text) and heading.title for heading in parsed.headings)
    end = 0
    for table in parsed.tables:
        assert end <= table.start < table.end <= len(text)
        assert text[table.start : table.end].startswith(table.columns)
        assert "\n" not in table.columns
        end = table.end
    return parsed


def parse_hostile(parser: Parser, data: bytes, media_type: str) -> Parsed | None:
    """Return what was parsed and checked, None when the file was refused in the right way."""
    try:
        parsed = parser(data, media_type)
    except ParseError:
        return None
    return check(parsed)


def check_linear(
    parser: Parser, pieces: Iterable[str], media_type: str, size: int = 40_000
) -> None:
    """Assert that eight times the text takes nowhere near sixty-four times as long."""
    for piece in pieces:
        small, large = (
            _seconds(parser, (piece * (n // len(piece))).encode(), media_type)
            for n in (size, 8 * size)
        )
        assert large < 30 * small + 0.25, (piece, small, large)


def _seconds(parser: Parser, data: bytes, media_type: str) -> float:
    started = time.process_time()
    parse_hostile(parser, data, media_type)
    return time.process_time() - started
