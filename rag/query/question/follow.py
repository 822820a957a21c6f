"""A question and what was said before it in, the question standing alone out; no model asked."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rag.query.base.questions import Turn
from rag.query.question.language import language_of
from rag.text.function_words import FUNCTION_WORDS

_WORD = re.compile(r"[^\W_][\w’'.&/-]*")
HAN = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3]")
# What goes on from something: "and in 2023?", "what about Bob?", "yes, B1 please".
_GOES_ON = re.compile(
    r"^\W*(?:and|or|but|also|then|if so|if not|yes|no|ok(?:ay)?|yeah|sure|right|(?:what|how) about"
    r"|why not|wenn ja|falls ja|wenn nein|und|oder|aber|auch|dann|ja|nein|gut|was ist mit"
    r"|wie (?:sieht|ist|steht) es mit|si oui|et|ou|mais|oui|non|d'accord|qu'en est-il|y|o|pero|sí"
    r"|vale|qué hay de|qué pasa con|а|и|да|нет)\b"
    r"|^(?:那么?|还有|還有|以及|是的|好的?|不是|那)|呢\s*[?？]?$",
    re.IGNORECASE,
)
_POINTS_BACK = re.compile(
    r"\b(?:it|its|they|them|their|theirs|he|him|his|she|her|hers|this|these|those|that one"
    r"|the same|the former|the latter|the (?:first|second|third|last|other) ones?|the others?"
    r"|er|sie|ihr|ihre[mnrs]?|ihm|ihn|ihnen|sein|seine[mnrs]?|diese[mnrs]?|dessen|deren|davon"
    r"|dafür|damit|dazu|darüber|darin|dort|il|elle|ils|elles|lui|leur|leurs|ceux-ci|celui-ci"
    r"|celle-ci|son|sa|ses|cela|ça|él|ella|ellos|ellas|su|sus|eso|esto|ese|esa|este|esta"
    r"|он|она|они|его|е[её]|их|это)\b|它们?|他们?|她们?|这个|那个|这些|那些|這個|那個|这|上述|前者|后者",
    re.IGNORECASE,
)
_POINTS_AHEAD = re.compile(
    r"\b(?:is|was|does|did|will|would|can|could|has) it (?:true|cost|possible"
    r"|allowed|necessary|permitted|take|took|legal|mandatory|required|best|better|safe|worth|ok)\b"
    r"|\bwhat time is it\b|\bit is\b(?=.*\b(?:that|to)\b)|\bthis (?:year|month|week|morning)\b"
    r"|\b(?:diese[sn]?|dieser) (?:jahr|monat|woche)\b|\bist es (?:möglich|erlaubt|nötig|wahr)\b",
    re.IGNORECASE,
)
_PERSON = re.compile(
    r"\b(?:he|him|his|she|her|hers|they|them|their|er|ihm|ihn|sein|seine[mnrs]?|sie|ihr|ihre[mnrs]?"
    r"|il|elle|lui|él|ella|он|она)\b|[他她]",
    re.IGNORECASE,
)
_YEAR = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")
_NAME = re.compile(r"(?<=[\w,;:()] )[A-ZÀ-ÖØ-Þ][\w'’-]+(?: [A-ZÀ-ÖØ-Þ][\w'’-]+)*")
_OWNS = re.compile(r"its|his|her|their|seine?[mnrs]?|ihre?[mnrs]?|son|sa|ses|su|sus", re.IGNORECASE)
_ENOUGH_BEFORE = 2
_SELF_SUFFICIENT = 6
_SIGNS_BEFORE = 4
_EMPTY = FUNCTION_WORDS | {"much", "many", "long", "often", "yes", "ok", "okay", "viel", "lange"}
MOST_WORDS_ADDED = 5
_MOST_SIGNS_ADDED = 12
_SHORT_BEFORE = 8
# With one of these, one word more makes a question of its own: "Who is Napoleon?"
_HAS_VERB = re.compile(
    r"\b(?:is|are|(?<=\w )was|were|am|do|does|did|has|have|had|can|could|will|would|may|must|should"
    r"|ist|sind|war|waren|bin|hat|haben|habe|hatte|kann|darf|muss|soll|wird|werden|wurde|gibt|gilt"
    r"|est|sont|était|ont|ai|peut|doit|es|son|era|fue|hay|tiene|tengo|puede|debe|такой|такая|есть"
    r"|был|была)\b|\bqu['’]est-ce\b",
    re.IGNORECASE,
)
# In such a one that is nothing but this word: "What does that cost?"
_THAT = re.compile(
    r"\b(?:that|cela|ça|c['’]est|eso)\b(?:\s+\w+){0,2}\W*$"
    r"|\b(?:das|dies|es)(?:\s+(?:dann|denn|nun|jetzt|genau|alles))?\W*$",
    re.IGNORECASE,
)
_ASKS_HAN = re.compile(
    "多少|多[长長久大高远遠]|几|幾|什么|什麼|谁|誰|哪[里裡些个個]?|何时|何時|怎么|怎麼|如何|为什么|為什麼|吗|嗎|呢"
)
_FILLS_HAN = re.compile(
    f"{_ASKS_HAN.pattern}|它们?的?|他们?的?|她们?的?|[这那這](?:个|個|些)?|还有|還有|一共|总共|[是有的了在我你您需要请請]+"
)


def needs_what_was_said(question: str) -> bool:
    """Tell whether a question cannot be understood without the one before it.

    It does when it goes on from something, points back with a pronoun before anything was named
    that this could mean, or is hardly a question at all.
    """
    if _GOES_ON.search(question):
        return not _stands_alone_behind(question)
    if HAN.search(question):
        said = _POINTS_BACK.search(question)
        return len(HAN.findall(question)) < 4 or bool(said and said.start() < _SIGNS_BEFORE)
    words = content_words(question)
    asked = _POINTS_AHEAD.sub(" ", question)
    backwards = (one for one in _POINTS_BACK.finditer(asked) if not _has_meaning(one, asked))
    if len(words) < _SELF_SUFFICIENT and any(backwards):
        return True
    if len(words) == 1:
        return not _HAS_VERB.search(question) or bool(_THAT.search(asked))
    return not words


def _has_meaning(pronoun: re.Match[str], question: str) -> bool:
    """Tell whether a pronoun can mean something that was named before it in the question."""
    named = len(content_words(question[: pronoun.start()]))
    return named >= (1 if _OWNS.fullmatch(pronoun[0]) else _ENOUGH_BEFORE)


def content_words(text: str) -> list[str]:
    """Return the words of a text that say what it is about, in order."""
    found = []
    for match in _WORD.finditer(text):
        word = match.group().rstrip(".,'’")
        if word and not {word.casefold()} & (_EMPTY):
            found.append(word)
    return found


def stand_alone(question: str, history: Sequence[Turn]) -> str:
    """Return the question with what it leaves unsaid, taken from the question before.

    A year replaces the year, a single name the single name asked about; otherwise at most five
    words of it are added.  Where that one was a follow-up too, what was searched for it counts.
    """
    last = history[-1]
    has_topic = last.query and needs_what_was_said(last.question)
    before = last.query if has_topic else last.question
    if replaced := _replace(question, before):
        return replaced
    if HAN.search(question):
        added = _topic_of(before)
        return f"{question.strip()} ({added})" if added and added not in question else question
    known = {word.casefold() for word in content_words(question)}
    missing = [word for word in content_words(before) if word.casefold() not in known]
    if _PERSON.search(question) and not _names(before):
        missing = [*_names(last.answer)[:2], *missing]
    kept = _most_telling(list(dict.fromkeys(missing)), before)
    return f"{question.strip()} ({' '.join(kept)})" if kept else question


def _most_telling(words: list[str], before: str) -> list[str]:
    """Return as many words as may be added, in order: names first, then numbers, then others."""
    names = {part for name in _names(before) for part in name.split()}

    def worth(place: int) -> tuple[bool, bool, int]:
        word = words[place]
        return word not in names, not any(sign.isdigit() for sign in word), place

    chosen = sorted(sorted(range(len(words)), key=worth)[:MOST_WORDS_ADDED])
    return [words[place] for place in chosen]


def _topic_of(question: str) -> str:
    """Return what a Chinese question is about, without the signs that ask; a few signs at most."""
    runs = [run for run in re.split(r"[\W_]+", _FILLS_HAN.sub(" ", question)) if run]
    return " ".join(dict.fromkeys(runs))[:_MOST_SIGNS_ADDED].strip()


def _stands_alone_behind(question: str) -> bool:
    """Tell whether what follows "and" or "ok" is a question of its own."""
    rest = _GOES_ON.sub("", question, count=1)
    if HAN.search(rest):
        return bool(_ASKS_HAN.search(rest)) and not needs_what_was_said(rest)
    asks = re.match(
        r"\W*(?:who|what|when|where|why|how|which|is|are|does|do|did|can|wer|was|wann|wo|wie|warum"
        r"|welche\w?|qui|quand|où|comment|quel\w*|quién|qué|cuándo|dónde|cómo)\b",
        rest,
        re.IGNORECASE,
    )
    return bool(asks) and not needs_what_was_said(rest)


def _replace(question: str, before: str) -> str:
    """Return the earlier question with its year or name changed, "" where it is not that plain.

    German writes every noun as it writes names.
    """
    if len(content_words(before)) > _SHORT_BEFORE:
        return ""
    years, known_years = _YEAR.findall(question), _YEAR.findall(before)
    words = content_words(question)
    if len(years) == 1 and len(set(known_years)) == 1 and words == years:
        return _YEAR.sub(years[0], before)
    if language_of(before) == "de":
        return ""
    rest = _GOES_ON.sub("", question, count=1).strip()
    names, known = _names(f"so {rest}"), _names(before)
    is_only_a_name = len(names) == 1 and content_words(rest) == names[0].split()
    if (
        is_only_a_name
        and names[0].replace(" ", "").isalpha()
        and len(known) == 1
        and rest != question
    ):
        return before.replace(known[0], names[0])
    return ""


def _names(text: str) -> list[str]:
    return list(dict.fromkeys(name.removesuffix("'s") for name in _NAME.findall(text)))
