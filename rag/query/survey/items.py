"""What a survey found, one thing after the other, each with the exact words that show it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingest.sentences import sentence_spans
from rag.text.terms import index_terms

if TYPE_CHECKING:
    from ingest.base.documents import Chunk

_HEADING = re.compile(r"#{1,6}\s|[=\-~*]{3,}\s*$|\|?[\s:|-]+\|?$")
_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
_LEAST_LETTERS = 3
_MOST_QUOTED = 300
_ENOUGH_WORDS = 0.5
_WHOLE_SENTENCE = 7


@dataclass(frozen=True, slots=True)
class Item:
    """A thing found: `chunk.text[start:end]` shows it; `text` names it, "" for the document.

    With `is_absent` the document is meant because something does not stand in it: nothing shows
    that, and the quote is only how the document begins.
    """

    root: str
    chunk: Chunk
    start: int
    end: int
    text: str = ""
    is_absent: bool = False


def quote_best(root: str, chunk: Chunk, terms: Sequence[str]) -> Item:
    """Return the sentence of a chunk with most of the terms, a whole one rather than a title."""
    wanted = set(terms)
    spans = [
        span
        for span in sentence_spans(chunk.text)
        if not _HEADING.match(chunk.text, span[0]) and re.search(r"\w", chunk.text[slice(*span)])
    ]
    spans = spans or [(0, len(chunk.text))]

    def worth(place: int) -> tuple[int, bool, int]:
        sentence = chunk.text[slice(*spans[place])]
        words = index_terms(sentence)
        return len(wanted & set(words)), len(words) >= _WHOLE_SENTENCE, -place

    start, end = spans[max(range(len(spans)), key=worth)]
    return Item(root, chunk, start, _shorten(chunk.text, start, end))


def quote(root: str, chunk: Chunk, start: int, end: int) -> Item:
    """Return a sentence of a chunk, cut between two words where it is long."""
    return Item(root, chunk, start, _shorten(chunk.text, start, end))


def check_item(root: str, chunk: Chunk, text: str, quote: str) -> Item | None:
    """Return what a model says it found in a chunk; None unless the chunk's own words show it.

    The quote has to stand there, blind to white space.  Failing that the item's own words have
    to.  Numbers of the item must stand in the chunk, and half of its words.
    """
    span = find_words(quote, chunk.text) or find_words(text, chunk.text)
    if span is None:
        return None
    held = f"{chunk.heading}\n{chunk.columns}\n{chunk.text}"
    numbers = set(_NUMBER.findall(text))
    words = set(index_terms(text))
    if not numbers <= set(_NUMBER.findall(held)):
        return None
    if len(words & set(index_terms(held))) < _ENOUGH_WORDS * len(words):
        return None
    return Item(root, chunk, *span, " ".join(text.split()))


def find_words(quote: str, text: str) -> tuple[int, int] | None:
    """Return start and end of words in a text, however white space is written there."""
    words = quote.strip(" \t\r\n\"'“”„«».…").split()
    if sum(len(word) for word in words) < _LEAST_LETTERS:
        return None
    found = re.search(r"\s+".join(re.escape(word) for word in words), text)
    return found.span() if found else None


def one_each(items: Sequence[Item]) -> list[Item]:
    """Return the first item of each document, standing for the document."""
    first: dict[tuple[str, str], Item] = {}
    for item in items:
        bare = Item(item.root, item.chunk, item.start, item.end)
        first.setdefault((item.root, item.chunk.document_id), bare)
    return list(first.values())


def merge(items: Sequence[Item]) -> list[list[Item]]:
    """Return items that name the same together, in the order in which each is first there."""
    groups: dict[str, list[Item]] = {}
    for item in items:
        groups.setdefault(_key(item), []).append(item)
    return list(groups.values())


def _key(item: Item) -> str:
    if not item.text:
        return f"{item.root}\n{item.chunk.document_id}"
    folded = unicodedata.normalize("NFKC", item.text).casefold()
    words = [word for word in re.findall(r"\w+", folded) if word not in ("the", "a", "an")]
    return " ".join(words)


def _shorten(text: str, start: int, end: int) -> int:
    """Return where a long sentence may end between two words."""
    if end - start <= _MOST_QUOTED:
        return end
    blank = text.rfind(" ", start + _MOST_QUOTED // 2, start + _MOST_QUOTED)
    return blank if blank > 0 else start + _MOST_QUOTED
