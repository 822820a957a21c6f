"""A question in, whether it asks about all documents out, and what it asks of each."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Literal

from rag.query.question.language import language_of
from rag.query.question.phrases import ANY_UNIT, KINDS, LANGUAGES, LISTS, PATTERNS, Phrases
from rag.text.function_words import FUNCTION_WORDS
from rag.text.terms import query_terms


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a survey is to bring: a number, a list, or a line on each document.

    `of` tells whether documents are counted and listed, or what stands in them.  `topic` is the
    question without the words that make it a survey, "" when every document is meant.  `kinds`
    are beginnings of words that name the kind of documents asked about, empty for any.
    With `by_words` the words of the topic have to stand in a document: it is to mention them.
    """

    aim: Literal["count", "list", "summary"]
    of: Literal["documents", "things"]
    topic: str
    kinds: frozenset[str] = frozenset()
    by_words: bool = False


def is_survey(question: str) -> bool:
    """Tell whether the nearest passages cannot answer the question, only all documents can.

    "How many contracts mention a penalty?" is one, "How many days of leave do I get?" is not:
    documents have to be named as what is counted, listed or gone through.
    """
    if not _MAY_BE.search(question):
        return False
    return any(pattern.search(question) for pattern in (*_OF_DOCUMENTS, *_OTHERS))


def read_wanted(question: str) -> Wanted:
    """Return what a survey is asked for, whether or not the question says that it is one."""
    aim: Literal["count", "list", "summary"] = "list"
    if _SUMMARISE.search(question):
        aim = "summary"
    elif _MANY.search(question):
        aim = "count"
    names_documents = any(pattern.search(question) for pattern in _OF_DOCUMENTS)
    kinds = _kinds_in(question)
    code = language_of(question)
    rest = question
    for pattern in filter(None, (_KIND_WORDS, _ASKING.get(code), _ASKING[""])):
        rest = pattern.sub(" ", rest)
    topic = " ".join(rest.split()).strip(" .?!,;:？。！，¿¡")
    if all(term in FUNCTION_WORDS for term in query_terms(topic)):
        topic = ""
    by_words = names_documents and aim != "summary" and bool(_MENTIONS.search(question))
    return Wanted(
        aim, "documents" if names_documents else "things", topic, kinds, by_words and bool(topic)
    )


def _kinds_in(question: str) -> frozenset[str]:
    found = {word.casefold() for word in _KIND_WORDS.findall(question)}
    return frozenset[str]().union(
        *(kind for kind in KINDS if any(name in word for name in kind for word in found))
    )


@cache
def _build(template: str, phrases: Phrases) -> re.Pattern[str]:
    return re.compile(template.format_map(phrases.as_groups()), re.IGNORECASE)


_OF_DOCUMENTS = tuple(
    [_build(template, one) for one in LANGUAGES for template in LISTS]
    + [re.compile(pattern, re.IGNORECASE) for pattern in PATTERNS["documents"]]
)
_TEMPLATES = (
    # all the contracts; every file; each of our reports
    r"\b(?:{every})\s+(?:(?:{det})\s+)*(?:\w+\s+)?(?:{unit}|{units})\b",
    # list all suppliers
    r"^\W*(?:{please})?(?:{command})\s+(?:\w+\s+){{0,2}}?(?:{every})\b",
    # summarise the documents
    r"\b(?:{summarise})\s+(?:\w+\s+){{0,3}}?(?:{units})\b",
    # how often do the files mention
    r"\b(?:{often})\b.*\b(?:{units})\b",
    # across the letters and reports
    r"\b(?:{across})\s+(?:(?:{det})\s+)*(?:\w+\s+){{0,3}}?(?:{units})\b",
)
_OTHERS = tuple(
    [_build(template, one) for one in LANGUAGES for template in _TEMPLATES]
    + [re.compile(pattern, re.IGNORECASE) for pattern in PATTERNS["things"]]
)
# Every pattern needs one of these words; most questions have none, and are done with quickly.
_MAY_BE = re.compile(
    "|".join(rf"\b(?:{one.unit}|{one.units}|{one.every})\b" for one in LANGUAGES)
    + f"|{ANY_UNIT}|所有|全部|whole|entire",
    re.IGNORECASE,
)
_MANY = re.compile(
    "|".join([rf"\b(?:{one.many}|{one.count})\b" for one in LANGUAGES] + PATTERNS["many"]),
    re.IGNORECASE,
)
_MENTIONS = re.compile("|".join(PATTERNS["mentions"]), re.IGNORECASE)
_SUMMARISE = re.compile(
    "|".join([rf"\b(?:{one.summarise})\b" for one in LANGUAGES] + PATTERNS["summarise"]),
    re.IGNORECASE,
)
_KIND_WORDS = re.compile(
    "|".join(rf"\b(?!(?:{one.generic})\b)(?:{one.units})\b" for one in LANGUAGES)
    + "|合同|协议|会议记录|会议纪要|邮件|报告|发票|手册",
    re.IGNORECASE,
)
_ASKING = {
    one.code: re.compile(
        rf"\b(?:{one.generic}|{one.within}\s+(?:{one.which}|{one.many})|{one.which}|{one.many}"
        rf"|{one.every}|{one.says}|{one.summarise}|{one.any}|{one.across}|{one.count})\b"
        rf"|^\W*(?:{one.please})?(?:{one.command})\b",
        re.IGNORECASE,
    )
    for one in LANGUAGES
}
_ASKING[""] = re.compile("|".join(PATTERNS["asking"]), re.IGNORECASE)
