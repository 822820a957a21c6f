"""A question laid beside what was found for it in, what a person is told against it out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rag.query.base.hits import label

if TYPE_CHECKING:
    from rag.query.evidence.features import Reading

MOST = 4
_NAMED = 4
_FEW_WORDS = 0.6


def explain(reading: Reading, part: str = "") -> tuple[str, ...]:
    """Return what speaks against an answer, one line each, the weightiest first.

    `part` is the part of the question that is spoken of, "" for the whole.
    """
    if reading.nearest is None:
        return _of(part, ("no passage was found",))
    return _of(part, list(_reasons(reading))[:MOST])


def _of(part: str, reasons: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"of '{part}': {reason}" if part else reason for reason in reasons)


def _reasons(reading: Reading) -> Iterator[str]:
    if reading.nearest is None:
        return
    signs, where = reading.signs, label(reading.nearest.chunk)
    elsewhere = [fact for fact in reading.lacking if fact not in reading.absent]
    if reading.absent:
        yield _none_has(reading, reading.absent)
    if signs.negated:
        yield f"the question says that something is not so, the nearest passage ({where}) does not"
    if reading.opposite:
        asked, said = reading.opposite
        yield f'the question says "{asked}", the nearest passage ({where}) "{said}"'
    if elsewhere:
        yield f"the nearest passage ({where}) does not have {_name(elsewhere)}"
    if reading.wanted:
        yield f"the question asks for {reading.wanted}, the nearest passage ({where}) gives none"
    told = {part for name in reading.absent for part in (name, *name.split())}
    missing = [word for word in reading.missing if word not in told]
    if missing and len(reading.missing) >= (1 - _FEW_WORDS) * reading.words:
        yield _few_words(reading)
    elif missing:
        yield _none_has(reading, missing)


def _none_has(reading: Reading, words: Sequence[str]) -> str:
    if reading.read == 1:
        return f"the one passage found does not have {_name(words)}"
    return f"none of the {reading.read} nearest passages has {_name(words)}"


def _few_words(reading: Reading) -> str:
    held = reading.words - len(reading.missing)
    which = (
        "the one passage found has"
        if reading.read == 1
        else (f"the {reading.read} nearest passages have")
    )
    if reading.words == 1:
        return f"{which} no word of the question: not {_name(reading.missing)}"
    return (
        f"{which} {held or 'none'} of the {reading.words} words of the question: "
        f"not {_name(reading.missing)}"
    )


def _name(words: Sequence[str]) -> str:
    named = [f'"{word}"' for word in words[:_NAMED]]
    if len(words) > _NAMED:
        named.append(f"{len(words) - _NAMED} more")
    return f"{', '.join(named[:-1])} or {named[-1]}" if len(named) > 1 else named[0]
