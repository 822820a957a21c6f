"""A passage and what is looked for in, whether the words of it stand there out: likeness no more.

A document mentions a topic where one sentence, title or row of its text holds every word of it.
Letters are compared without case and accents, words in any of their forms, numbers and dates in any
notation.  Words in quotes stand side by side.  This is what searching the text by hand gives.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from ingest.sentences import sentence_spans
from rag.text.dates import Moment, find_moments
from rag.text.function_words import FUNCTION_WORDS
from rag.text.stems import stem, strip_marks

if TYPE_CHECKING:
    from ingest.base.documents import Chunk

_DENSE = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3"
)
_WORD = re.compile(
    rf"(?<!\d)\d{{1,3}}(?:[.,'’]\d{{3}})+(?:[.,]\d+)?(?!\d)|\d+(?:[.,]\d+)?|[{_DENSE}]+|[^\W\d_{_DENSE}]+"
)
_IS_DENSE = re.compile(f"[{_DENSE}]")
_NUMBER = re.compile(r"(\d{1,3}(?:[.,'’]\d{3})+|\d+)(?:[.,](\d+))?")
_PARTICLES = re.compile("^[的在有把被]+|[的了吗呢]+$")
_QUOTED = re.compile(r"[\"“„«「『](?P<words>[^\"”“»」』]+)[\"”“»」』]")
# So much may differ at the end of two forms of a word: carry, carries; Vertrag, Verträgen.
_ENDING = 3
_GERMAN_ENDINGS = ("e", "en", "er", "ern", "em", "es", "s", "n", "nen")


@dataclass(frozen=True, slots=True)
class Sought:
    """What has to stand there: words in any order, phrases whose words stand side by side, dates.

    `literal` is the date as it was written; `endings` are those of forms in the language asked.
    """

    words: tuple[str, ...]
    phrases: tuple[tuple[str, ...], ...] = ()
    dates: tuple[str, ...] = ()
    literal: tuple[tuple[str, ...], ...] = ()
    endings: tuple[str, ...] = ()


def seek(topic: str, language: str = "en") -> Sought:
    """Return what has to stand in a document that mentions the topic."""
    phrases = [tuple(_words(found["words"])) for found in _QUOTED.finditer(topic)]
    rest = _QUOTED.sub(" ", topic)
    dates, literal = [], []
    for moment in reversed(find_moments(rest)):
        dates.append(moment.value)
        literal.append(tuple(_words(rest[moment.start : moment.end])))
        rest = f"{rest[: moment.start]} {rest[moment.end :]}"
    # An identifier is one word, of whatever parts it is made: R-25-061.
    tokens = [tuple(_words(token)) for token in rest.split()]
    joined = [token for token in tokens if len(token) > 1]
    single = [token[0] for token in tokens if len(token) == 1]
    telling = [word for word in single if word not in FUNCTION_WORDS]
    phrases = [phrase for phrase in (*phrases, *joined) if phrase]
    words = tuple(telling if telling or phrases or dates else single)
    endings = _GERMAN_ENDINGS if language == "de" else ()
    return Sought(words, tuple(phrases), tuple(dates), tuple(literal), endings)


def find_mention(sought: Sought, chunk: Chunk) -> tuple[int, int] | None:
    """Return start and end of the first sentence of a chunk that holds it; None where none does."""
    if not _may_hold(sought, chunk.text):
        return None
    for start, end in sentence_spans(chunk.text):
        if _holds(sought, chunk.text[start:end]):
            return start, end
    return None


def _may_hold(sought: Sought, text: str) -> bool:
    """Tell whether a text has what is looked for somewhere: that is known much faster."""
    words = [*sought.words, *(word for phrase in sought.phrases for word in phrase)]
    held = fold(text)
    return all(word[:2] in held for word in words if not word[0].isdigit())


def _holds(sought: Sought, sentence: str) -> bool:
    words, endings = list(_words(sentence)), sought.endings
    if not all(any(is_form(word, one, endings) for one in words) for word in sought.words):
        return False
    if not all(_stand_together(phrase, words, endings) for phrase in sought.phrases):
        return False
    there = find_moments(sentence) if sought.dates else []
    return bool(sought.words or sought.phrases or sought.dates) and all(
        _stand_together(written, words, endings) or any(_is_in(date, one) for one in there)
        for date, written in zip(sought.dates, sought.literal, strict=True)
    )


def _stand_together(phrase: tuple[str, ...], words: list[str], endings: tuple[str, ...]) -> bool:
    size = len(phrase)
    return any(
        all(is_form(one, other, endings) for one, other in zip(phrase, words[at:], strict=False))
        for at in range(len(words) - size + 1)
    )


@lru_cache(maxsize=65536)
def is_form(word: str, other: str, endings: tuple[str, ...] = ()) -> bool:
    """Tell whether two folded words are forms of one; signs set without blanks may be a part."""
    if _IS_DENSE.match(word):
        return word in other
    if word == other:
        return True
    if word[0].isdigit() or other[0].isdigit() or len(word) < 3:
        return False
    short, long = sorted((word, other), key=len)
    if len(short) > 3 and long.startswith(short) and long[len(short) :] in endings:
        return True
    pairs = zip(word, other, strict=False)
    shared = next((at for at, (one, two) in enumerate(pairs) if one != two), len(short))
    return len(long) - shared <= _ENDING and stem(word) == stem(other)


def _is_in(date: str, moment: Moment) -> bool:
    """Tell whether a date that was asked for is the one of a text, as far as it is told."""
    return any(
        date == value or (date[0] in "-12" and _agree(date, value))
        for value in (moment.value, moment.other)
        if value
    )


def _agree(date: str, value: str) -> bool:
    asked, told = _fields(date), _fields(value)
    return all(field in ("", other) for field, other in zip(asked, told, strict=True))


def _fields(date: str) -> tuple[str, str, str]:
    """Return year, month and day of a date, "" for what is not told."""
    year, _, rest = ("", "", date[2:]) if date.startswith("--") else date.partition("-")
    month, _, day = rest.partition("-")
    return year, month, day


def _words(text: str) -> Iterator[str]:
    for word in _WORD.findall(fold(text)):
        if number := _NUMBER.fullmatch(word):
            whole = re.sub(r"\D", "", number[1])
            yield f"{whole}.{number[2]}" if number[2] else whole
        elif not _IS_DENSE.match(word):
            yield word
        elif kept := _PARTICLES.sub("", word):
            yield kept


def fold(text: str) -> str:
    """Return a text as it is compared: one form of each letter, no case, no accents."""
    folded = unicodedata.normalize("NFKC", text).replace("\u00ad", "").casefold()
    if folded.isascii() or _IS_DENSE.search(folded):
        return folded
    return strip_marks(folded)
