"""Parts of a book or message in, one text out; and bytes that tell their own encoding."""

from __future__ import annotations

import codecs
from dataclasses import replace

from ingest.parse.base.blocks import Blocks, Parsed
from ingest.parse.base.clean import Decoded

# Codecs that make no text of a file's bytes, some of them in quadratic time.
_NOT_FOR_FILES = frozenset(
    ("idna", "punycode", "undefined", "unicode-escape", "raw-unicode-escape", "mbcs", "oem")
)


def include(blocks: Blocks, part: Parsed, below: int = 0) -> None:
    """Append what was read of a part, its headings and tables moved to where it now stands.

    Its headings come below those of level `below`.
    """
    text = part.text.strip("\n").rstrip()
    if not text.strip():
        return
    moved = -(len(part.text) - len(part.text.lstrip("\n")))
    blocks.add(text, verbatim=True)
    moved += blocks.length - len(text)
    blocks.headings += (
        replace(one, start=one.start + moved, level=min(9, one.level + below))
        for one in part.headings
    )
    blocks.tables += (
        replace(one, start=one.start + moved, end=one.end + moved) for one in part.tables
    )


def decode_declared(data: bytes, declared: str) -> Decoded | None:
    """Decode bytes as they say they are encoded; None when there is no such encoding."""
    try:
        name = codecs.lookup(declared).name
        if name.replace("_", "-") in _NOT_FOR_FILES:
            return None
        return Decoded(data.decode(name, "replace"), name)
    except (LookupError, ValueError):
        return None
