"""Texts in, which of them say again what another said already."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

# Words in a row that are compared, and the share of them that a repetition has in common.
_ROW = 4
_SAME = 0.95
# The same of a text that is another but for a few words, and how many such rows it has at least.
_NEARLY = 0.8
_LONG = 16

_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W_]+")
_NUMBER = re.compile(r"\d+(?:[.,:/-]\d+)*")


class Seen:
    """Texts that were seen, to tell those that say nothing new.

    Such is a text nearly all of whose rows of four words (w-shingling, Broder 1997) stand in
    one seen before, and all its numbers: two versions of a paragraph with another sum in each
    contradict each other, and both are to be read.
    """

    def __init__(self) -> None:
        self._texts: list[tuple[frozenset[tuple[str, ...]], frozenset[str]]] = []
        self._rows: set[tuple[str, ...]] = set()

    def knows(self, text: str) -> bool:
        """Tell whether a text says nothing new."""
        rows = _rows(text)
        if len(rows & self._rows) < _SAME * len(rows):
            return False  # nor are so many in any single text
        numbers = frozenset(_NUMBER.findall(text))
        return any(
            numbers <= others and len(rows & seen) >= _SAME * len(rows)
            for seen, others in self._texts
        )

    def count_alike(self, text: str) -> int:
        """Count the texts that are the same but for a few words, or numbers; 0 for short texts."""
        rows = _rows(text)
        least = _NEARLY * len(rows)
        if len(rows) < _LONG or len(rows & self._rows) < least:
            return 0
        return sum(len(rows & seen) >= max(least, _NEARLY * len(seen)) for seen, _ in self._texts)

    def add(self, text: str) -> None:
        """Remember a text."""
        rows = _rows(text)
        self._texts.append((rows, frozenset(_NUMBER.findall(text))))
        self._rows |= rows


@lru_cache(maxsize=256)
def _rows(text: str) -> frozenset[tuple[str, ...]]:
    words = _WORD.findall(unicodedata.normalize("NFKC", text).casefold())
    shifted = [words[at:] for at in range(min(_ROW, len(words)))]
    return frozenset(zip(*shifted, strict=False))
