"""Plain text, Markdown, reStructuredText and source code in, text and headings out."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ingest.base.documents import Heading
from ingest.parse.base import media
from ingest.parse.base.blocks import Parsed
from ingest.parse.base.clean import clean, decode

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_ATX = re.compile(r" {0,3}(#{1,6})[ \t]+(\S.*)")
_SETEXT = re.compile(r" {0,3}(=+|-+)[ \t]*$")
_NOT_PROSE = re.compile(r"\s*([-*+>|#]|\d+[.)]\s|$)")
_RST_LINE = re.compile(r"([=\-`:.'\"~^_*+#<>])\1*\s*$")
_PLAIN_HEADING = re.compile(
    r"(?:\d{1,2}(?P<deeper>(?:\.\d{1,2}){0,4})[.)]?|[IVX]{1,5}\.)\s+\S.*[^.,;:!?]$"
)
_DEFINITION = re.compile(
    r"([ \t]*)(?:(?:export|default|declare|public|private|protected|internal|static|abstract|final"
    r"|sealed|open|data|async|override|virtual|inline|unsafe|pub(?:\([a-z ]+\))?)[ \t]+)*"
    r"(class|def|function|func|fn|interface|struct|enum|trait|impl|module|namespace|type|object|fun"
    r"|record|protocol|extension|message|service|contract)[ \t]+"
    r"(?:\([^()\n]{0,80}\)[ \t]*)?([A-Za-z_$][\w$.:]*)"
    r"(?=\s*(?:[(<\[{=;,!]|$)|\s+(?:extends|implements|for|struct|interface|where|is)\b)"
)
_ABOVE_DEFINITION = re.compile(r"[ \t]*(@|#\[|#|//|--)")

Line = tuple[int, str]


def parse_text(data: bytes, media_type: str) -> Parsed:
    """Decode the bytes, drop what is invisible, and find the headings of the format."""
    raw, note = decode(data)
    text = clean(raw)
    lines = _lines(text)
    title = ""
    headings: Iterator[Heading] = iter(())
    if media_type == media.MARKDOWN:
        title, lines = _front_matter(lines)
        headings = _markdown_headings(lines)
    elif media_type == media.RST:
        headings = _rst_headings(lines)
    elif media_type == media.CODE:
        headings = _code_headings(lines)
    elif media_type == media.PLAIN:
        headings = _plain_headings(lines)
    return Parsed(text, title, headings=tuple(headings), notes=(note,) if note else ())


def _lines(text: str) -> list[Line]:
    """Return each line with the offset at which it starts."""
    lines, start = [], 0
    for line in text.split("\n"):
        lines.append((start, line))
        start += len(line) + 1
    return lines


def _front_matter(lines: list[Line]) -> tuple[str, list[Line]]:
    """Return the title named between two `---` at the top, and the lines after them."""
    if not lines or lines[0][1].rstrip() != "---":
        return "", lines
    for number, (_, line) in enumerate(lines[1:200], 1):
        if line.rstrip() in ("---", "..."):
            fields = [line.partition(":") for _, line in lines[1:number]]
            titles = [value.strip(" \"'") for key, _, value in fields if key == "title"]
            return (titles[0] if titles else ""), lines[number + 1 :]
    return "", lines


def _markdown_headings(lines: list[Line]) -> Iterator[Heading]:
    """Yield ATX (`# x`) and setext (underlined) headings outside fenced code."""
    fence, before = "", (0, "")
    for start, line in lines:
        mark = _FENCE.match(line)
        if fence:
            if mark and mark[1].startswith(fence) and not line.strip().strip(fence[0]):
                fence = ""
            continue
        if mark:
            fence, before = mark[1], (0, "")
            continue
        heading = _ATX.match(line)
        under = _SETEXT.match(line)
        if heading:
            yield from _heading(start, len(heading[1]), heading[2].rstrip().rstrip("#"))
        elif under and not _NOT_PROSE.match(before[1]):
            yield from _heading(before[0], 1 if under[1][0] == "=" else 2, before[1])
        before = (0, "") if heading or under else (start, line)


def _rst_headings(lines: list[Line]) -> Iterator[Heading]:
    """Yield underlined titles; a style's level is the order in which it first appears."""
    styles: list[tuple[str, bool]] = []
    for number in range(1, len(lines)):
        (start, title), (_, under) = lines[number - 1], lines[number]
        mark = _RST_LINE.match(under)
        text = title.strip()
        if not mark or not text or _RST_LINE.match(title) or len(under.rstrip()) < len(text):
            continue
        above = lines[number - 2] if number >= 2 else (0, "")
        overlined = bool(above[1]) and above[1].rstrip() == under.rstrip()
        if not overlined and (above[1].strip() or title[0].isspace() or len(under.rstrip()) < 3):
            continue
        style = (mark[1], overlined)
        if style not in styles:
            styles.append(style)
        yield from _heading(above[0] if overlined else start, styles.index(style) + 1, text)


def _plain_headings(lines: list[Line]) -> Iterator[Heading]:
    """Yield short lines after a blank one that are in capitals, or numbered and stand alone.

    They are below level 1, as none of them is the title of the document.
    """
    for number in range(1, len(lines) - 1):
        start, line = lines[number]
        text = line.strip()
        if lines[number - 1][1].strip() or len(text) > 70:
            continue
        numbered = None if lines[number + 1][1].strip() else _PLAIN_HEADING.match(text)
        if numbered or (text.isupper() and len(text) > 3):
            deeper = numbered["deeper"] if numbered else ""
            yield from _heading(start, 2 + (deeper or "").count("."), text)


def _code_headings(lines: list[Line]) -> Iterator[Heading]:
    """Yield definitions of classes and functions, with the comments right above them.

    The level is the depth of indentation among the definitions that are still open.
    """
    open_indents: list[int] = []
    first_above: int | None = None
    for start, line in lines:
        found = _DEFINITION.match(line)
        if not found:
            above = _ABOVE_DEFINITION.match(line)
            first_above = (start if first_above is None else first_above) if above else None
            continue
        indent = len(found[1].expandtabs(4))
        while open_indents and open_indents[-1] >= indent:
            open_indents.pop()
        open_indents.append(indent)
        begin = start if first_above is None else first_above
        yield from _heading(begin, len(open_indents), f"{found[2]} {found[3].rstrip('.:')}")
        first_above = None


def _heading(start: int, level: int, title: str) -> Iterator[Heading]:
    title = " ".join(title.split())[:200]
    if title:
        yield Heading(start, level, title)
