"""The `[n]` of an answer in, citations with an exact quote and a check of each out."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ingest.base.documents import Chunk, Place
from ingest.sentences import sentence_spans
from rag.query.fuse import Hit

_MARK = re.compile(
    r"[\[【]\s*\^?(?:passages?|sources?|quellen?|nr\.?|no\.?)?\s*"
    r"\d{1,3}(?:\s*(?:[,;–-]|and|und)\s*\d{1,3})*\s*[\]】]",
    re.IGNORECASE,
)
_EXTRACT = re.compile(r'"(?P<quote>.+?)" \[(?P<number>\d{1,3})\](?:\s+(?=")|\s*\Z)', re.DOTALL)
_MARKS = re.compile(r"(?:\[\d+\][ \t]*)+")
_QUOTED = re.compile(r'["“„«](.+)["”“»][.。]?', re.DOTALL)
_HEADING = re.compile(r"#{1,6}\s")
_WORD = re.compile(r"\w+")
_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")

# Share of a statement's words that its quote must hold to count as the statement's source.
SUPPORT = 0.5


@dataclass(frozen=True, slots=True)
class Citation:
    """A statement's source: `quote` stands at `start:end` of the document, on `page`,
    which a person calls `place`.

    `number` is the passage's number in the prompt.  `verified` says that the quote, with the
    names of the columns above it, holds every number of the statement and half of its words.
    """

    number: int
    hit: Hit
    quote: str
    start: int
    end: int
    page: int | None
    verified: bool
    place: str = ""


def cite(
    text: str, context: Sequence[Hit], place_at: Callable[[Chunk, int], Place]
) -> tuple[str, tuple[Citation, ...]]:
    """Return the text without marks that point nowhere, and one citation per statement and mark.

    Marks may be written [1], [1, 2], [1][2] or 【1】; all come out as [1][2].  `place_at` tells
    the page of a character offset in a chunk's document.
    """
    statements = _read_extracts(text)
    if not statements:
        text = _MARK.sub(lambda mark: _normalise(mark[0], len(context)), text)
        text = re.sub(r"[ \t]+(?=[.,;:!?])|[ \t]+$", "", text, flags=re.MULTILINE)
        statements = _statements(text)
    citations: dict[tuple[int, int, int], Citation] = {}
    for statement, numbers in statements:
        for number in numbers:
            if not 1 <= number <= len(context):
                continue
            hit = context[number - 1]
            start, end, verified = _best_quote(statement, hit.chunk)
            key = (number, start, end)
            if key in citations and citations[key].verified:
                continue
            offset = hit.chunk.start + start
            place = place_at(hit.chunk, offset)
            citations[key] = Citation(
                number,
                hit,
                hit.chunk.text[start:end],
                offset,
                hit.chunk.start + end,
                place.page,
                verified,
                place.label,
            )
    return text, tuple(sorted(citations.values(), key=lambda c: (c.number, c.start)))


def _read_extracts(text: str) -> list[tuple[str, list[int]]]:
    """Return the quotations and their numbers if the text is nothing but quoted sentences.

    Brackets inside a quotation are the document's own and are left alone.
    """
    found = list(_EXTRACT.finditer(text))
    if "".join(extract[0] for extract in found) != text:
        return []
    return [(f'"{extract["quote"]}"', [int(extract["number"])]) for extract in found]


def _normalise(mark: str, most: int) -> str:
    """Return a mark as [1][2]; ranges are written out, what points nowhere is left out."""
    numbers: dict[int, None] = {}
    for first, last in re.findall(r"(\d+)(?:\s*[–-]\s*(\d+))?", mark):
        numbers.update(dict.fromkeys(range(int(first), min(int(last or first), most) + 1)))
    return "".join(f"[{number}]" for number in numbers if 1 <= number <= most)


def _statements(text: str) -> list[tuple[str, list[int]]]:
    """Return what each run of marks stands behind, with its numbers.

    That is the last sentence before the marks, or all of it where it is one quotation.
    """
    statements: list[tuple[str, list[int]]] = []
    start = 0
    for marks in _MARKS.finditer(text):
        before = text[start : marks.start()].strip().lstrip(".,;:!?。 \n")
        start = marks.end()
        numbers = [int(digits) for digits in re.findall(r"\d+", marks[0])]
        if _WORD.search(before):
            spans = sentence_spans(before)
            last = before if _QUOTED.fullmatch(before) else before[spans[-1][0] : spans[-1][1]]
            statements.append((last, numbers))
        elif statements:
            statements[-1][1].extend(numbers)
        else:
            statements.append((before, numbers))
    return statements


def _best_quote(statement: str, chunk: Chunk) -> tuple[int, int, bool]:
    """Return start and end of the words quoted, else of the passage's nearest sentence.

    A row of a table says what it says under the names of its columns: they count for each row.
    """
    passage = chunk.text
    exact = _find_exact(statement, passage)
    if exact:
        # A full stop that stands behind the mark in the answer belongs to the quote.
        end = exact[1] + bool(re.match(r"[.!?。！？]", passage[exact[1] :]))
        return exact[0], end, True
    wanted = terms(statement)
    everything = sentence_spans(passage) or [(0, len(passage))]
    spans = [(a, b) for a, b in everything if not _HEADING.match(passage, a)] or everything
    named = terms(chunk.columns)
    shares = [len(wanted & (terms(passage[a:b]) | named)) / (len(wanted) or 1) for a, b in spans]
    best = max(range(len(spans)), key=lambda i: (shares[i], -i))
    numbers = set(_NUMBER.findall(statement))
    start, end = spans[best]
    there = set(_NUMBER.findall(f"{passage[start:end]} {chunk.columns}"))
    return start, end, shares[best] >= SUPPORT and numbers <= there


def _find_exact(statement: str, passage: str) -> tuple[int, int] | None:
    """Find the quoted part of a statement in the passage, blind to how white space is written."""
    quoted = _QUOTED.fullmatch(statement)
    words = (quoted[1] if quoted else statement).split()
    if not words or (not quoted and len(words) < 4):
        return None
    found = re.search(r"\s+".join(re.escape(word) for word in words), passage)
    return (found.start(), found.end()) if found else None


def terms(text: str) -> set[str]:
    """Return the words of a text, case and width folded; runs of CJK give character pairs."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    found: set[str] = set()
    for word in _WORD.findall(folded):
        if _CJK.search(word):
            found.update(word[i : i + 2] for i in range(max(1, len(word) - 1)))
        else:
            found.add(word)
    return found
