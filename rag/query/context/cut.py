"""A passage too long for a prompt in, its best part out, cut at the ends of sentences."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ingest.sentences import sentence_spans
from ingest.tokens import count_tokens
from rag.query.base.hits import Hit
from rag.text.function_words import FUNCTION_WORDS
from rag.text.terms import index_terms


def cut_to_fit(hit: Hit, question: str, fits: Callable[[Hit], bool]) -> Hit | None:
    """Return the hit with the sentences around the one most like the question, as many as fit.

    Offsets are those of the document.  None where not even one sentence fits.
    """
    spans = sentence_spans(hit.chunk.text)
    wanted = frozenset(index_terms(question)) - FUNCTION_WORDS
    order = sorted(range(len(spans)), key=lambda n: -_shared(hit, spans[n], wanted))
    for best in order:
        if fits(_part(hit, *spans[best])):
            return _widen(hit, spans, best, fits)
    return None


def _shared(hit: Hit, span: tuple[int, int], wanted: frozenset[str]) -> int:
    return len(wanted.intersection(index_terms(hit.chunk.text[slice(*span)])))


def _widen(hit: Hit, spans: list[tuple[int, int]], best: int, fits: Callable[[Hit], bool]) -> Hit:
    """Return a part with sentences added in turn behind and before, while they fit."""
    first = last = best
    is_open = {1: True, -1: True}
    while any(is_open.values()):
        for side in is_open:
            low, high = (first, last + 1) if side > 0 else (first - 1, last)
            is_open[side] &= low >= 0 and high < len(spans)
            if is_open[side]:
                is_open[side] = fits(_part(hit, spans[low][0], spans[high][1]))
            if is_open[side]:
                first, last = low, high
    return _part(hit, spans[first][0], spans[last][1])


def _part(hit: Hit, start: int, end: int) -> Hit:
    chunk = hit.chunk
    text = chunk.text[start:end]
    begin = chunk.start + start
    part = replace(chunk, text=text, start=begin, end=begin + len(text), tokens=count_tokens(text))
    return replace(hit, chunk=part)
