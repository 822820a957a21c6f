"""A question in, what its wording asks for out: a kind of answer, a limit, the opposite of a text.

The lists are of common English and German words, with Chinese where it has such words.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Literal, TypeAlias

from rag.text.function_words import FUNCTION_WORDS
from rag.text.terms import query_terms

Wanted: TypeAlias = Literal["a number", "a date", "a person", "a place", ""]

# Words that ask, of languages other than those of `FUNCTION_WORDS`, and words beside them.
_ASKING_WORDS = """
qué cuál cuáles cuándo cuánto cuánta cuántos cuántas dónde cómo quién quiénes hay tengo tiene
quel quelle quels quelles combien pourquoi quand où comment est-ce y-a-t-il qui que quoi
quanto quanta quanti quante perché cosa chi dove quando quale quali come c'è dov'è com'è
quais qual quem onde quantos quantas há welke welk hoeveel waarom wanneer waar hoe wie wat
hur vilka vilken vilket varför vem vad när var hvor hvad hva hvem hvilke hvilken hvornår hvorfor
hvordan czy ile kto gdzie kiedy dlaczego jaki jaka jakie kolik kdo kde kdy proč jaký jaká jaké
wieviel wieviele wozu wofür womit worin weshalb кто что где когда почему сколько какой какая какие
каков есть как хто що де коли чому скільки
"""
_ASKING = frozenset(_ASKING_WORDS.split())
_OPPOSITES = """
first last, earliest latest, early late, more less fewer, most least fewest, largest smallest,
larger smaller, biggest smallest, highest lowest, higher lower, increase decrease reduce,
increased decreased reduced, increases decreases reduces, north south, northern southern,
east west, eastern western, won lost, win lose, began ended, started stopped finished,
oldest youngest newest, older younger newer, longest shortest, longer shorter, best worst,
better worse, majority minority, minimum maximum, positive negative, male female, men women,
man woman, son daughter, father mother, brother sister, husband wife, inside outside,
accepted rejected refused, allowed forbidden prohibited banned, allow forbid prohibit,
supported opposed, agree disagree, public private, strongest weakest, true false, rich poor,
gain loss, rise fall, rose fell, include exclude, included excluded, born died, birth death,
opened closed, summer winter, inner outer, upper lower, internal external, domestic foreign,
legal illegal, possible impossible, hot cold, warm cool, heavy light, fast slow, faster slower,
easy difficult hard, attack defend, create destroy, created destroyed, built destroyed,
buy sell, bought sold, sent received, friend enemy, victory defeat, arrival departure,
entered left, attract repel, attracted repelled, promote prevent hinder, permanent temporary,
erste letzte, ersten letzten, mehr weniger, meisten wenigsten, größte kleinste, größten kleinsten,
höchste niedrigste, höchsten niedrigsten, älteste jüngste, ältesten jüngsten, gewann verlor,
gewonnen verloren, nördlich südlich, östlich westlich, norden süden, osten westen,
geboren gestorben, erlaubt verboten, innen außen, sommer winter, erhöht gesenkt
"""
_HOW = re.compile(
    r"\bhow (?:many|much|long|old|far|often|tall|high|big|large|deep|fast|heavy|wide|soon|late)\b"
    r"|\bwie (?:lange?|alt|hoch|groß|schwer|schnell|weit|oft|viele?)\b",
    re.IGNORECASE,
)
_KINDS: tuple[tuple[Wanted, re.Pattern[str]], ...] = (
    ("a number", re.compile(
        r"\bhow (?:many|much|long|old|far|often|tall|high|big|large|deep|fast|heavy|wide)\b"
        r"|\b(?:what|which) (?:percentage|percent|number|amount|share|fraction|age|price|size)\b"
        r"|\bwie (?:viele?|lange?|oft|hoch|alt|groß|weit|schwer)\b|\bwieviele?\b"
        r"|多少|[几幾][个個年月日天岁次]|多[长久大高重]", re.IGNORECASE)),
    ("a date", re.compile(
        r"\bwhen\b(?! (?:i|we|you|it|the)\b)|\b(?:what|which) (?:year|date|day|month|century)\b"
        r"|\bwann\b|\bwelche[mns]? (?:jahr|datum|tag|monat|jahrhundert)\b"
        r"|何时|什么时候|哪一?[年天]", re.IGNORECASE)),
    ("a person", re.compile(r"\b(?:who|whom|whose|wer|wen|wem|wessen)\b|谁|哪位", re.IGNORECASE)),
    ("a place", re.compile(
        r"\bwhere\b|\b(?:what|which) (?:city|country|state|town|region|river|continent|island)\b"
        r"|\b(?:wo|woher|wohin)\b|\bwelche[mnrs]? (?:stadt|land|ort)\b", re.IGNORECASE)),
)  # fmt: skip
_LIMIT = re.compile(
    r"\b(?:first|second|third|fourth|fifth|last|final|next|previous|only|main|primary|most|least"
    r"|best|worst|original|current|former|half|double|(?:old|new|young|long|short|great|small|larg"
    r"|bigg|high|low|earli|lat|fast|slow|strong|weak|rich|poor|deep|wid|near|heavi|light)est"
    r"|erste[nrsm]?|zweite[nrsm]?|dritte[nrsm]?|letzte[nrsm]?|einzige[nrsm]?"
    r"|(?:größ|klein|höch|niedrig|ält|jüng|läng|kürz|meis|best|schwer|leicht)s?te[nrsm]?)\b",
    re.IGNORECASE,
)
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
_PREFIX = re.compile(r"(?:un|in|im|ir|il|dis|non|counter)(?=\w{4})")
_CAPITAL = re.compile(r"\b[A-ZÀ-ÖØ-Þ][\w'’-]+")
_CJK = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3]")


def _read_opposites() -> dict[str, frozenset[str]]:
    groups = [set(group.split()) for group in _OPPOSITES.split(",")]
    words = {word for group in groups for word in group}
    return {word: frozenset().union(*(g for g in groups if word in g)) - {word} for word in words}


_OPPOSITE_OF = _read_opposites()


def words_of(text: str) -> set[str]:
    """Return the words of a text in small letters, as they stand there."""
    return {word.casefold() for word in _WORD.findall(text)}


def telling_words(question: str) -> list[str]:
    """Return the words of a question that are searched for, as they stand in it.

    Chinese and Japanese, which set no spaces, are given in pairs of signs.
    """
    found: dict[str, str] = {}
    for word in re.findall(r"[^\W_]+(?:[-.'’][^\W_]+)*", question):
        if is_cjk(word):
            found.update((term, term) for term in query_terms(word))
        elif word.casefold() not in FUNCTION_WORDS and not is_asking(word):
            found.setdefault(next(iter(query_terms(word)), word), word)
    return list(found.values())


def is_cjk(text: str) -> bool:
    """Return whether a text has Chinese, Japanese or Korean signs."""
    return bool(_CJK.search(text))


def is_asking(word: str) -> bool:
    """Tell a word that asks from those asked about."""
    return word.casefold() in _ASKING


def find_opposite(question: str, said: Collection[str]) -> tuple[str, str] | None:
    """Return a word of the question and its opposite, which alone of both is among `said`.

    >>> find_opposite("What is the lowest court?", {"the", "highest", "court"})
    ('lowest', 'highest')
    """
    asked = words_of(_HOW.sub(" ", question))
    for word in sorted(asked - set(said)):
        for opposite in sorted(_OPPOSITE_OF.get(word, ())):
            if opposite in said and opposite not in asked:
                return word, opposite
        found = _PREFIX.match(word)
        if found and word[found.end() :] in said:
            return word, word[found.end() :]
    for word in said:
        found = _PREFIX.match(word)
        stem = word[found.end() :] if found else word.removesuffix("less")
        if len(stem) > 3 and stem != word and stem in asked and stem not in said:
            return stem, word
    return None


def find_limits(question: str) -> set[str]:
    """Return the words of a question that single something out: first, only, largest."""
    return {found[0].casefold() for found in _LIMIT.finditer(question)}


def kind_wanted(question: str) -> Wanted:
    """Return what kind of thing a question asks for, "" if its wording does not say."""
    return next((kind for kind, wording in _KINDS if wording.search(question)), "")


def names_new(text: str, question: str) -> bool:
    """Return whether a text has a capitalised word that the question has not."""
    asked = words_of(question) | FUNCTION_WORDS
    return is_cjk(text) or any(
        word.casefold().removesuffix("'s") not in asked for word in _CAPITAL.findall(text)
    )
