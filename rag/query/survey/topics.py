"""What a survey asks about in, the topics it is made of out: both, either, or not."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product

_OR = r",?\s+(?:or|nor|oder|noch|ou|или)\s+|\s*(?:或者?|还是)\s*"
_AND = (
    r",?\s+(?:and also|and|as well as|und auch|und|sowie|als auch|et aussi|et|и)\s+|\s*以及\s*"
    r"|(?<=[\u3400-\u9fff]{2})[和与](?=[\u3400-\u9fff]{2})"
)
_OF_SPANISH = {"or": r"|,?\s+[ou]\s+", "and": r"|,?\s+[ye]\s+"}
_COMMA = r"|,\s+"
_BUT = re.compile(
    r",?\s+(?:but(?: also)?|yet|aber(?: auch)?|sondern(?: auch)?|jedoch|mais(?: aussi)?|pero|но)\s+"
    r"|[,，]?(?:但是?|却)(?=[\u3400-\u9fff])|[,，](?=没有|未|不)",
    re.IGNORECASE,
)
_WITHOUT = re.compile(
    r",?\s+(?:(?:and|und|et|y)\s+)?(?:without|except(?:\s+for)?|ohne|außer|sans|sauf|salvo)\s+",
    re.IGNORECASE,
)
_NEVER = (
    r"(?:(?:do|does|did|is|are)(?:\s+not|n['’]t)|not|never|no|lacks?|nicht|nie(?:mals)?|keine?[mnrs]?"
    r"|ne|pas|aucune?|не|без|нет|without|ohne|sans|neither|weder|ni|nirgends)"
)
_BEGINS = re.compile(
    rf"^(?:(?:that|which|die|auch)\s+)?(?:{_NEVER}(?:\s+|$))+|^n['’]"
    r"|^(?:都)?(?:没有?|未|不)(?:有)?(?=\s*[\u3400-\u9fff])",
    re.IGNORECASE,
)
_ENDS = re.compile(r"\s+(?:nicht|nie|pas)(?=\s*(?:vor|ist|sind|wird|werden)?$)", re.IGNORECASE)
_PAIRED = re.compile(
    r"^(?:both|either|sowohl|entweder|at least one of|à la fois|tanto|not only|nicht nur)\s+"
    r"|\s+(?:at all|überhaupt)$",
    re.IGNORECASE,
)
_FILLING = re.compile(
    r"^(?:(?:do|does|did|is|are|be|ever|that|which|die|auch|the|a|an|any|der|das|den|dem|einen?"
    r"|eine[mr]?|les?|la|los|las|des|el|all|es|in)\s+)+"
    r"|(?:^|\b(?:the|das|den|le|la|el) )(?:exact )?(?:words?|phrases?|terms?|expressions?|strings?"
    r"|wort|wörter|begriffe?|ausdruck|mot|palabra|expresión)\s+(?=\S)"
    r"|\s+(?:ist|sind|wird|werden|is|are|es|vor|do|hat|haben|have|appears?|occurs?|steht|stehen)$",
    re.IGNORECASE,
)
_QUOTED = re.compile(r"[\"“„«「『][^\"”“»」』]+[\"”“»」』]")
_HIDDEN = re.compile("\ue000(\\d+)\ue001")
_INSIDE = re.compile(
    r"\b(?:not|never|nicht|niemals|keine?[mnrs]?|without|ohne|sans|sin)\b|\w+n['’]t\b|没有",
    re.IGNORECASE,
)
_EDGES = " ,.;:?!，。？"


@dataclass(frozen=True, slots=True)
class Part:
    """A topic that has to be there, or must not be."""

    topic: str
    wanted: bool = True


@dataclass(frozen=True, slots=True)
class Formula:
    """What documents are asked for: every part of one of the alternatives is true of them."""

    alternatives: tuple[tuple[Part, ...], ...]

    @property
    def topics(self) -> tuple[str, ...]:
        """Return every topic once, in order."""
        return tuple(dict.fromkeys(part.topic for one in self.alternatives for part in one))

    @property
    def is_plain(self) -> bool:
        """Return whether it is one topic, and wanted."""
        return len(self.topics) < 2 and not self.has_not

    @property
    def has_not(self) -> bool:
        """Return whether something must not be there."""
        return any(not part.wanted for one in self.alternatives for part in one)

    def holds(self, is_there: Callable[[str], bool]) -> bool:
        """Tell whether it is true where these topics are there."""
        return any(
            all(is_there(part.topic) == part.wanted for part in one) for one in self.alternatives
        )

    def __str__(self) -> str:
        """Write it as it was read."""
        written = [
            " and ".join(f"{'' if part.wanted else 'not '}“{part.topic}”" for part in one)
            for one in self.alternatives
        ]
        return " or ".join(written).replace("““", "“").replace("””", "”")


def read_formula(topic: str, language: str) -> Formula:
    """Return what is asked for: "and" binds closer than "or", "but" least of all.

    A "not" before several topics is for all of them: none of them is to be there.

    >>> str(read_formula("apprentices or interns but not cranes", "en"))
    '“apprentices” and not “cranes” or “interns” and not “cranes”'
    """
    quoted: list[str] = []

    def hide(found: re.Match[str]) -> str:
        quoted.append(found[0])
        return f"\ue000{len(quoted) - 1}\ue001"

    text = _WITHOUT.sub("\ue002not ", _QUOTED.sub(hide, topic).strip(_EDGES))
    clauses = [one.strip(_EDGES) for one in _BUT.sub("\ue002", text).split("\ue002")]
    read = [clause for one in clauses if (clause := _read_clause(one, language))]
    alternatives = [
        tuple(_show(part, quoted) for parts in combination for part in parts)
        for combination in product(*read)
    ]
    return Formula(tuple(one for one in alternatives if one))


def explain(formula: Formula, *, by_words: bool) -> Iterator[str]:
    """Yield how "and", "or" and "not" were read, where there are any."""
    if by_words and not formula.is_plain:
        yield f"read as: documents with {formula}; words alone decide"
    if _INSIDE.search(" ".join(formula.topics)) or (formula.has_not and not by_words):
        yield (
            'the "not" in the question was not applied: words can tell it only of what documents '
            "mention; ask: which documents do not mention ..."
        )


def _show(part: Part, quoted: list[str]) -> Part:
    return Part(_HIDDEN.sub(lambda found: quoted[int(found[1])], part.topic), part.wanted)


def _read_clause(text: str, language: str) -> list[tuple[Part, ...]]:
    """Return the alternatives of what stands between two "but"."""
    text = _PAIRED.sub("", text)
    negated, text = _take_not(text)
    pieces = _split(_PAIRED.sub("", text), _OR, "or", language)
    found = [tuple(_parts(_split(piece, _AND, "and", language))) for piece in pieces]
    found = [parts for parts in found if parts]
    if not negated:
        return found
    return [tuple(Part(part.topic, not part.wanted) for parts in found for part in parts)]


def _split(text: str, joint: str, name: str, language: str) -> list[str]:
    """Return what stands between joints; commas are such where there is one."""
    joint += _OF_SPANISH[name] if language == "es" else ""
    if not re.search(joint, text, re.IGNORECASE):
        return [text]
    return re.split(joint + _COMMA, text, flags=re.IGNORECASE)


def _parts(pieces: list[str]) -> list[Part]:
    parts = []
    for piece in pieces:
        negated, rest = _take_not(piece.strip(_EDGES))
        topic = _FILLING.sub("", _FILLING.sub("", rest.strip(_EDGES))).strip(_EDGES)
        parts += [Part(topic, not negated)] if topic else []
    return parts


def _take_not(text: str) -> tuple[bool, str]:
    """Return whether a text says "not", and the rest of it."""
    rest = _ENDS.sub("", _BEGINS.sub("", text))
    return rest != text, rest
