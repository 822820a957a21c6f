"""A question and its passage in, what is wrong with it out; an answer and a text in, whether it
is there."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rag.query.evidence.wording import is_cjk
from rag.query.verify import compare
from rag.text.facts import Fact, find_facts
from rag.text.terms import index_terms, query_terms

GAP = "____"
"""Stands in a sentence for what was taken out."""

LONGEST_QUESTION, LONGEST_QUOTE = 300, 600
MOST_COPIED = 7
"""A question with so many words in the order of the passage is copied; signs count by halves."""

# What points at a text that the one who asks has not seen.
_POINTING = re.compile(
    r"(?i)\b(?:this|the|that|given|above|following|provided|said) (?:above |given |following |"
    r"provided )?(?:text|passage|excerpt|paragraph|document|snippet|author|context|table above)\b"
    r"|\b(?:according to|mentioned|described|listed|stated) (?:in )?(?:the|this) (?:text|passage|"
    r"document|excerpt|table|list|section)\b|\b(?:above|below)\?"
    r"|\b(?:dies\w*|der|die|das|dem|den|des|im|vom|laut|obig\w*|genannt\w*|vorliegend\w*) "
    r"(?:text\w*|textes|passage|abschnitt\w*|absatz\w*|auszug\w*|dokument\w*|verfasser\w*)\b"
    r"|\b(?:ce|cet|cette|le|la|du) (?:texte|passage|extrait|paragraphe|document|auteur)\b"
    r"|\b(?:este|esta|el|la|del) (?:texto|pasaje|extracto|párrafo|fragmento|documento|autor)\b"
    r"|(?:这|该|本|上述|文中|上文|以上)(?:段|篇|份|个)?(?:文本|文章|文字|文档|文件|段落|内容|提到)|根据(?:文本|文章|上文)"
)
_WORD = re.compile(r"[^\W_]+")
_TO_FILL = re.compile(rf"\A[^\W\d_][^:：]{{0,40}}[:：]\s*(?=.*{GAP})", re.DOTALL)


def find_quote(text: str, quote: str) -> tuple[int, int] | None:
    """Return where a quote stands in a text, white space and then case aside; None if nowhere."""
    words = quote.strip(" \"'“”„«»…").split()
    if not words:
        return None
    pattern = r"\s+".join(map(re.escape, words))
    found = re.search(pattern, text) or re.search(pattern, text, re.IGNORECASE)
    return found.span() if found else None


def find_flaw(question: str, answer: str, text: str) -> str:
    """Return why a question about a text cannot be a case, "" where it may be one."""
    if not 0 < len(question) <= LONGEST_QUESTION or not _WORD.search(question):
        return "no question"
    if _POINTING.search(question):
        return "the question points at the text"
    if not holds(text, answer):
        return "the answer is not in the passage"
    if says(question, answer):
        return "the question gives the answer away"
    if is_copied(question, text):
        return "the question copies the text"
    return ""


def says(text: str, answer: str) -> bool:
    """Return whether a text holds an answer as words of its own; white space and case aside."""
    words = _plain(answer).strip(" .,;:!?\"'")
    if not words:
        return False
    if is_cjk(words):
        return words in _plain(text)
    return bool(re.search(rf"(?<!\w){re.escape(words)}(?!\w)", _plain(text)))


def holds(text: str, answer: str) -> bool:
    """Return whether a text has an answer in its words, or its numbers and dates by their value."""
    if says(text, answer):
        return True
    facts = find_facts(answer)
    rest = answer
    for fact in reversed(facts):
        rest = f"{rest[: fact.start]} {rest[fact.end :]}"
    words = set(query_terms(rest)) if _WORD.search(rest) else set()
    return bool(facts) and has_all(find_facts(text), facts) and words <= {*index_terms(text)}


def has_all(found: Sequence[Fact], said: Sequence[Fact]) -> bool:
    """Return whether each fact that was said is one of those found, whatever way it is written.

    "ten in the evening" may be "10 pm", which are a number and a time.
    """
    return all(any(compare.holds(one, other) or _is_hour(one, other) or _is_hour(other, one)
                   for other in found) for one in said)  # fmt: skip


def _is_hour(one: Fact, other: Fact) -> bool:
    if (one.kind, one.unit, other.kind) != ("number", "", "time") or ":00" not in other.value:
        return False
    hour = int(other.value[1:3])
    return one.value in (str(hour), str(hour % 12 or 12))


def without_gap(question: str) -> str:
    """Return what a question with a gap is to be searched for; others as they are."""
    if GAP not in question:
        return question
    return " ".join(_TO_FILL.sub("", question).replace(GAP, " ").split())


def is_copied(question: str, text: str) -> bool:
    """Return whether a question has a long run of words of the text."""
    if is_cjk(question):
        signs, said, length = _letters(question), _letters(text), 2 * MOST_COPIED
        return any(signs[i : i + length] in said for i in range(len(signs) - length + 1))
    words, said = _WORD.findall(question.casefold()), _joined(text)
    runs = (words[i : i + MOST_COPIED] for i in range(len(words) - MOST_COPIED + 1))
    return any(f" {' '.join(run)} " in said for run in runs)


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def _letters(text: str) -> str:
    return "".join(_WORD.findall(text.casefold()))


def _joined(text: str) -> str:
    return f" {' '.join(_WORD.findall(text.casefold()))} "
