"""A question in, the questions it is made of out, each standing alone."""

from __future__ import annotations

import re

from rag.query.base.questions import Turn
from rag.query.question.follow import content_words, needs_what_was_said, stand_alone

MOST_PARTS = 5

_ASKING = (
    r"(?:who|whom|whose|what|when|where|why|how|which|wer|wen|wem|was|wann|wo|wie|warum|wieso"
    r"|wohin|welche[nrms]?|qui|quand|où|comment|pourquoi|combien|quel(?:le)?s?|quién(?:es)?|qué"
    r"|cuándo|dónde|cómo|por qué|cuánt[oa]s?|cuál(?:es)?)"
)
_STARTS_ASKING = re.compile(
    rf"\W*(?:in|at|on|by|to|for|from|an|zu|bis|dans|à|en|de)?\s*{_ASKING}\b", re.IGNORECASE
)
_JOINT = re.compile(rf",?\s+(?:and|und|et|y|e)\s+(?:also\s+)?(?={_ASKING}\b)", re.IGNORECASE)
_JOINT_HAN = re.compile(
    r"[，,；;]\s*(?:以及|并且|而且|还有|同时)?(?=(?:谁|什么|哪|何时|多少|为什么|怎么|如何))"
)
_ASKING_HAN = re.compile("谁|什么|哪|何时|多少|为什么|怎么|如何|几|吗")
_NUMBERED = re.compile(r"(?:^|\s)(?:\(?[1-9][.)]|\(?[a-e]\))\s+(?=\S)")
_ENDS = re.compile(r"(?<=[?？；])\s*(?=\S)")
_HAN = re.compile(r"[\u3400-\u9fff]")
_RELATIVE = re.compile(r"(?<=\w )(?:who|whom|whose|which|that|where|when)\b", re.IGNORECASE)
_COMPARED = (
    r"^\W*(?:please\s+)?(?:compare|contrast)\s+(?P<a>.+?)\s+(?:and|with|to|against)\s+(?P<b>.+)",
    r"^how (?:do|does|did)\s+(?P<a>.+?)\s+(?:compare to|compare with|differ from)\s+(?P<b>.+)",
    r"\bdifferences? between\s+(?P<a>.+?)\s+and\s+(?P<b>.+)",
    r"^(?P<a>.+?)\s+(?:vs\.?|versus)\s+(?P<b>.+)",
    r"\b(?:vergleiche?|vergleich von)\s+(?P<a>.+?)\s+(?:und|mit)\s+(?P<b>.+)",
    r"\bunterschiede? zwischen\s+(?P<a>.+?)\s+und\s+(?P<b>.+)",
    r"\bcompare[rz]?\s+(?P<a>.+?)\s+(?:et|avec|à)\s+(?P<b>.+)",
    r"\bdifférences? entre\s+(?P<a>.+?)\s+et\s+(?P<b>.+)",
    r"\b(?:compara|comparar)\s+(?P<a>.+?)\s+(?:y|con)\s+(?P<b>.+)",
    r"\bdiferencias? entre\s+(?P<a>.+?)\s+y\s+(?P<b>.+)",
    r"(?:比较|对比)(?P<a>.+?)[和与跟](?P<b>.+)",
    r"(?P<a>.+?)[和与跟](?P<b>.+?)(?:的|有什么|之间的)(?:区别|不同|差别)",
)
_COMPARISONS = tuple(re.compile(pattern, re.IGNORECASE) for pattern in _COMPARED)
_HEAD = re.compile(
    r"(?P<head>.*\b(?:of|for|in|from|between|von|für|bei|de|des|du|del)\s+(?:the\s+|der\s+)?)(?P<rest>\S.*)",
    re.IGNORECASE,
)
_ARTICLE = re.compile(r"^(?:the|der|die|das|den|dem|le|la|les|el|los|las)\s+", re.IGNORECASE)


def split_question(question: str) -> tuple[str, ...]:
    """Return the two to five questions that a question is made of, () where it is one.

    A comparison has a part for each side; what a part leaves unsaid is taken from the first.

    >>> split_question("Who trains apprentices and what does the dock crane lift?")
    ('Who trains apprentices?', 'what does the dock crane lift?')
    """
    question = question.strip()
    for split in (_numbered, _by_marks, _joint):
        parts = split(question)
        if 2 <= len(parts) <= MOST_PARTS:
            return tuple(_each_alone(parts))
    return tuple(_compared(question))


def _numbered(question: str) -> list[str]:
    if len(_NUMBERED.findall(question)) < 2:
        return []
    parts = [part.strip(" ,;") for part in _NUMBERED.split(question)[1:] if part.strip(" ,;")]
    asks = all(part.endswith(("?", "？")) or _STARTS_ASKING.match(part) for part in parts)
    return parts if asks else []


def _by_marks(question: str) -> list[str]:
    pieces = [piece.strip() for piece in _ENDS.split(question) if piece.strip()]
    asked = [piece for piece in pieces if piece.endswith(("?", "？"))]
    begin = all(not part[0].islower() for part in asked)
    parts = asked if len(asked) >= 2 and begin else []
    return [part for part in parts if content_words(part)]


def _joint(question: str) -> list[str]:
    pattern = _JOINT_HAN if _HAN.search(question) else _JOINT
    pieces = pattern.split(question.rstrip("?？. "))
    if len(pieces) < 2:
        return []
    first, *others = pieces
    if _HAN.search(question):
        return [f"{piece}？" for piece in pieces] if _ASKING_HAN.search(first) else []
    starts = _STARTS_ASKING.match(first)
    if not starts or not content_words(first) or _RELATIVE.search(first, starts.end()):
        return []
    # "who led it and why" asks one thing: what stands behind has to be about something.
    if not all(content_words(other) for other in others):
        return []
    return [f"{piece.strip()}?" for piece in pieces]


def _compared(question: str) -> list[str]:
    for pattern in _COMPARISONS:
        found = pattern.search(question.rstrip("?？.。 "))
        if found:
            return _sides(found["a"].strip(" ,"), found["b"].strip(" ,"))
    return []


def _sides(first: str, second: str) -> list[str]:
    """Return both sides of a comparison, each with the words that stand at the other only."""
    head = _HEAD.match(first)
    short, tail = content_words(first), content_words(second)
    if head and len(tail) <= len(content_words(head["rest"])) and not _HEAD.match(second):
        second = f"{head['head']}{_ARTICLE.sub('', second)}"
    elif len(short) == 1 and len(tail) > 1 and (short[0].isdigit() == tail[0].isdigit()):
        # "the 2025 and the 2026 price list": what is compared stands at the end.
        first = f"{first} {' '.join(_ARTICLE.sub('', second).split()[1:])}"
    parts = [_ARTICLE.sub("", side) for side in (first, second)]
    return parts if all(content_words(part) for part in parts) else []


def _each_alone(parts: list[str]) -> list[str]:
    """Return the parts, with words of the first for each that cannot be understood without it."""
    first, *others = parts
    turn = Turn(first, first, "")
    return [
        first,
        *(stand_alone(part, [turn]) if needs_what_was_said(part) else part for part in others),
    ]
