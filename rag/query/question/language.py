"""A question in, the language it is asked in out."""

from __future__ import annotations

import re
import unicodedata

_WORDS = {
    "en": "the a an of is are was what which who how does do did when where and in to for my all "
    "list why about has have his her their it you that with or by many much",
    "de": "der die das den dem ist sind wie was wer welche welcher welchen welches wann wo und im "
    "ein eine einen einer alle allen von für mit über auf aus in bei steht "
    "etwas unter nicht wird werden wurde hat haben liste nenne gibt es laut bitte fasse warum "
    "wieso viel viele ihr sein wen wem zum zur ich oder",
    "fr": "le la les des du est sont que quel quelle quels quelles qui quand où comment combien "
    "et dans un une sur au aux tous toutes pour avec il elle liste résume à ce pourquoi c'est ou",
    "es": "el la los las es son qué que cuál cuáles quién cuándo dónde cómo cuántos cuántas y en "
    "un una sobre todos todas para con hay del por enumera resume lista su o",
    "ru": "в и на каких какие сколько кто что когда где как все перечисли есть о",
}
_SETS = {code: frozenset(words.split()) for code, words in _WORDS.items()}
_WORD = re.compile(r"[^\W\d_]+")
_KANA = re.compile(r"[\u3040-\u30ff]")
_HANGUL = re.compile(r"[\uac00-\ud7a3]")
_HAN = re.compile(r"[\u3400-\u9fff]")


def language_of(text: str) -> str:
    """Return the code of ISO 639-1 of a short text, "en" where nothing speaks for another.

    >>> language_of("Welche Verträge laufen aus?")
    'de'
    """
    if script := _script_of(text):
        return script
    votes = _vote(text)
    return max(votes, key=lambda code: (votes[code], code == "en"))


def is_same_language(text: str, other: str) -> bool:
    """Tell whether two short texts may be of one language; few words do not tell for sure."""
    scripts = {_script_of(one) or _letters_of(one) for one in (text, other)}
    if len(scripts - {"digits"}) > 1:
        return False
    spoken, heard = _spoken(text), _spoken(other)
    return not spoken or not heard or bool(spoken & heard)


def _spoken(text: str) -> set[str]:
    """Return the languages for which most of the known words speak, none where none does."""
    votes = _vote(text)
    most = max(votes.values())
    return {code for code, count in votes.items() if count == most} if most else set()


def _vote(text: str) -> dict[str, int]:
    words = _WORD.findall(text.casefold())
    return {code: sum(word in known for word in words) for code, known in _SETS.items()}


def _script_of(text: str) -> str:
    """Return the code of a language that its script tells, "" where it tells none."""
    scripts = (("ja", _KANA), ("ko", _HANGUL), ("zh", _HAN))
    return next((code for code, signs in scripts if signs.search(text)), "")


def _letters_of(text: str) -> str:
    """Return the name of the script of most letters, "digits" where there are none."""
    letters = [sign for sign in text if sign.isalpha()]
    names = [unicodedata.name(sign, "?").split()[0] for sign in letters]
    return max(names, key=names.count) if names else "digits"
