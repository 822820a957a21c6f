"""Blocks of text in reading order in, one text with its headings out; and the choice of a title."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import PurePath

from ingest.base.documents import Heading, Page, Source, Table
from ingest.parse.base.media import CODE

_FILE_LIKE = re.compile(r"\.\w{2,4}$|^(untitled|document|word document|slide 1)\b", re.IGNORECASE)
_SEPARATOR = re.compile(r"_|(?<!\d)-|-(?!\d)")
_WORD = re.compile(r"[^\W\d_]{2,}|[\u3040-\u9fff\uac00-\ud7af]")
_PERIOD = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)|\b[QH][1-4]\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a parser found: cleaned text, and where its pages, tables and headings start.

    `title` is what the document calls itself, "" when it does not say.
    """

    text: str
    title: str = ""
    pages: tuple[Page, ...] = ()
    headings: tuple[Heading, ...] = ()
    tables: tuple[Table, ...] = ()
    notes: tuple[str, ...] = ()
    encoding: str = ""


@dataclass(slots=True)
class Blocks:
    """Collects paragraphs, rows and headings, and knows where each one starts."""

    parts: list[str] = field(default_factory=list)
    headings: list[Heading] = field(default_factory=list)
    length: int = 0
    tight: bool = False

    def add(self, text: str, *, level: int = 0, tight: bool = False) -> None:
        """Append a block; `level` 0 is no heading; two `tight` blocks share a paragraph."""
        text = text.strip()
        if not text:
            return
        if self.parts:
            self._append("\n" if tight and self.tight else "\n\n")
        if level:
            self.headings.append(Heading(self.length, level, " ".join(text.split())))
        self._append(text)
        self.tight = tight

    def _append(self, text: str) -> None:
        self.parts.append(text)
        self.length += len(text)

    def finish(self, title: str) -> Parsed:
        """Return everything collected as one text."""
        return Parsed("".join(self.parts), title, headings=tuple(self.headings))


def stem_title(source: Source) -> str:
    """Return the file's name as words: "leave_policy-2024-05.pdf" reads "leave policy 2024-05"."""
    if source.media_type == CODE:
        return PurePath(source.id).name
    stem = PurePath(source.id).stem
    return " ".join(_SEPARATOR.sub(" ", stem).split()) or stem


def choose_title(source: Source, parsed: Parsed) -> str:
    """Return the document's own title, else its first level-1 heading, else its file name.

    A year or quarter that only the file name tells is appended: of twenty quarterly reports
    with the same title the name alone says which is which.
    """
    stem = stem_title(source)
    if source.media_type == CODE:
        return stem
    outer = (heading.title for heading in parsed.headings if heading.level == 1)
    for candidate in (parsed.title, next(outer, "")):
        title = " ".join(candidate.split())[:200]
        if _WORD.search(title) and not _FILE_LIKE.search(title):
            missing = set(_PERIOD.findall(stem)) - set(_PERIOD.findall(title))
            return f"{title} ({stem})" if missing else title
    return stem
