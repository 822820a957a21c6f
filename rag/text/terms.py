"""Text or a question in, the terms out by which chunks are found."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

from rag.text.function_words import FUNCTION_WORDS, tell_words_apart
from rag.text.stems import stem, strip_marks
from rag.text.written import write_alike

__all__ = ["TERMS", "bigrams", "index_terms", "query_terms", "stem"]

# Another number for every change after which old indexes hold other terms than new questions.
TERMS = "terms-3"

# Chinese, Japanese and Korean; then scripts of South-East Asia that set no spaces either.
_DENSE = "\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uf900-\ufaff"
_DENSE += "\U00020000-\U0003ffff"
_LOOSE = "\u0e00-\u0e4e\u0e80-\u0ece\u1000-\u1049\u1780-\u17d3"
# Signs inside words that are no letters to `\w`: vowels and marks, joiners, soft hyphens.
_MARKS = (
    "\u00ad\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u05bf\u05c1-\u05c7\u0610-\u061a\u064b-\u065f"
    "\u0670\u06d6-\u06ed\u0900-\u0963\u0971-\u0d7f\u0d82-\u0df3\u0f71-\u0f84\u200c\u200d"
)
_LETTER = rf"[^\W{_DENSE}{_LOOSE}]"
_TOKEN = re.compile(
    rf"{_LETTER}+(?:[{_MARKS}]+{_LETTER}*|[-.'’@&]{_LETTER}+|(?<=\d)[,:]\d+)*(?:(?<=\b[A-Za-z])(?:\+\+|#))?"
    rf"|[{_DENSE}]+|[{_LOOSE}]+"
)
_IS_DENSE = re.compile(f"[{_DENSE}]")
_IS_LOOSE = re.compile(f"[{_LOOSE}]")
# Every form of a common word is prepared once; what is longer hardly comes twice.
_LONGEST_REMEMBERED = 24
# Letters of Vietnamese, in which words differ by their marks alone.
_TONES = frozenset("ơưđ" + "".join(map(chr, range(0x1EA0, 0x1EFA))))
_UNSEEN = re.compile("[\u00ad\u200c\u200d]")
_PIECE = re.compile(r"[^\W_]+(?:[^\w.,:'’@&+#-]+[^\W_]*)*")
_RUN = re.compile(r"\d+|[A-Z]{2,}(?![^\W\d_A-Z])|[A-Z]?[^\W\d_A-Z]+|[A-Z]")
_NUMBER = re.compile(r"(\d{1,3}(?:[.,'’]\d{3})+|\d+)(?:[.,](\d+))?")


def index_terms(text: str) -> list[str]:
    """Return the terms of a text in order, repeats kept; none holds white space or `"`.

    Words are cut to their stems; identifiers, numbers and names of files stay whole and are
    given in parts of more than one letter as well: "R-25-061" is r-25-061, 25, 061.  Numbers
    and dates come also in one form for all.
    Scripts that set no spaces are cut to overlapping pairs of signs, of Thai and its neighbours
    to threes.
    """
    terms: list[str] = []
    for word in write_alike(text).split():
        terms += _remember(word) if len(word) <= _LONGEST_REMEMBERED else _terms_of(word)
    return terms


def query_terms(question: str) -> list[str]:
    """Return the distinct terms of a question in order, function words only if all are.

    Function words are those of the question's own language.  Where marks are tones (Vietnamese),
    a word with its marks is not looked for without them.
    """
    question = write_alike(question)
    found = [(token[0], token.start()) for token in _TOKEN.finditer(question)]
    telling = tell_words_apart(question, found)
    tokens = telling or [token for token, _ in found]
    terms = dict.fromkeys(term for token in tokens for term in _terms_of(token))
    doubled = {strip_marks(term) for term in terms if not _TONES.isdisjoint(term)}
    kept = [term for term in terms if not (term in doubled or _is_bound(term))]
    return kept or list(terms)


def bigrams(run: str, length: int = 2) -> list[str]:
    """Return all pieces of `length` signs of a run, in order; the run if it is shorter."""
    return [run[at : at + length] for at in range(max(1, len(run) - length + 1))]


def _is_bound(term: str) -> bool:
    return term in FUNCTION_WORDS and _IS_DENSE.match(term) is not None


@lru_cache(maxsize=32768)
def _remember(word: str) -> tuple[str, ...]:
    return tuple(_terms_of(word))


def _terms_of(text: str) -> list[str]:
    return [term for token in _TOKEN.findall(text) for term in _terms_of_token(token)]


def _terms_of_token(token: str) -> Iterable[str]:
    if _IS_DENSE.match(token):
        return bigrams(token)
    if _IS_LOOSE.match(token):
        return bigrams(token, 3)
    if token.isalpha() and (token[1:].islower() or token.islower() or token.isupper()):
        return _forms(token.casefold())
    return dict.fromkeys(_split(_UNSEEN.sub("", token)))


def _forms(word: str) -> tuple[str, ...]:
    """Return the stem without accents, and where they are tones, before it the one with them."""
    if word.isascii() or not (word[0].isascii() or word[0] < "\u0250" or word[0] in _TONES):
        return (stem(word),)
    plain = stem(strip_marks(word))
    return (stem(word), plain) if not _TONES.isdisjoint(word) else (plain,)


def _split(token: str) -> list[str]:
    """Return a token of several parts whole, then its parts."""
    token = token.strip("_").removesuffix("'s").removesuffix("’s")
    number = _NUMBER.fullmatch(token)
    if number:
        whole = re.sub(r"\D", "", number[1])
        if not number[2]:
            return [token, whole]
        written = f"{whole}.{number[2]}"
        return [token, written, written.rstrip("0").rstrip(".")]
    pieces = _PIECE.findall(token)
    parts = [part for piece in pieces for part in _parts(piece)]
    if len(pieces) < 2 and token[-1:] not in ("#", "+"):
        return parts
    parts = [part for part in parts if not _is_letter(part)]
    if all(piece.isalpha() for piece in pieces) and not set("_@+#") & set(token):
        return ["".join(pieces).casefold(), *parts]
    return [token.casefold().replace('"', ""), *parts]


def _parts(piece: str) -> list[str]:
    runs = _RUN.findall(piece)
    whole = piece.casefold()
    if len(runs) < 2 or any(unicodedata.category(sign)[0] == "M" for sign in piece):
        return list(_forms(whole))
    several = [run for run in runs if not _is_letter(run)]
    return [whole, *(form for run in several for form in _forms(run.casefold()))]


def _is_letter(part: str) -> bool:
    return len(part) == 1 and part.isalpha()
