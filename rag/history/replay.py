"""A kept answer and the same question answered today in, what changed in between out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal, TypeAlias

from rag.history.kept import Kept, Seen
from rag.query.base.answers import Answer
from rag.query.base.hits import Hit, label

Kind: TypeAlias = Literal["settings", "model", "question", "document", "passage", "answer"]
Mark: TypeAlias = Literal["same", "gone", "new"]

# A letter of a script without blanks stands for itself.
_HAN = r"\u3040-\u30ff\u3400-\u9fff"
_WORD = re.compile(rf"[{_HAN}]|[^\W{_HAN}]+")
_PIECE = re.compile(rf"\s+|{_WORD.pattern}|[^\w\s]")
_LEAST_ALIKE = 0.4
_EDITED = 0.6  # Of two passages of a document: the same one, edited.
_LISTED = 3


@dataclass(frozen=True, slots=True)
class Change:
    """Something that is not as it was: `text` tells a person, on one line."""

    kind: Kind
    text: str


@dataclass(frozen=True, slots=True)
class Replay:
    """A kept answer, the same question answered `now`, and what changed, causes first."""

    before: Kept
    now: Kept
    changes: tuple[Change, ...]

    @property
    def is_same(self) -> bool:
        """Return whether nothing changed."""
        return not self.changes

    def words(self) -> list[tuple[Mark, str]]:
        """Return the text of both answers in pieces: what is the same, gone and new.

        Without the new pieces it is the text of before, without those gone that of now.
        """
        return list(compare_words(self.before.answer.text, self.now.answer.text))


def compare(before: Kept, now: Kept, documents: Sequence[Seen]) -> Replay:
    """Return what changed; `documents` are those of before as they are now."""
    changes = (
        *_compare_settings(before, now),
        *_compare_models(before, now),
        *_compare_questions(before.answer, now.answer),
        *_compare_documents(before.documents, documents),
        *_compare_passages(before.answer.context, now.answer.context),
        *_compare_answers(before.answer, now.answer),
    )
    return Replay(before, now, changes)


def compare_words(before: str, now: str) -> Iterator[tuple[Mark, str]]:
    """Yield the pieces of two texts, cut at words, in reading order.

    Texts that share few words only by chance are two pieces, each whole.
    """
    if _likeness(before, now) < _LEAST_ALIKE:
        yield from (("gone", before), ("new", now))
        return
    old, new = _PIECE.findall(before), _PIECE.findall(now)
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    for kind, old_start, old_end, new_start, new_end in matcher.get_opcodes():
        if kind == "equal":
            yield "same", "".join(old[old_start:old_end])
            continue
        if old_end > old_start:
            yield "gone", "".join(old[old_start:old_end])
        if new_end > new_start:
            yield "new", "".join(new[new_start:new_end])


def _compare_settings(before: Kept, now: Kept) -> Iterator[Change]:
    said = {"top_k": before.request.k, "strict": before.request.strict}  # with the question
    for name in sorted({*before.settings, *now.settings}):
        if said.get(name) is not None:
            continue
        old, new = before.settings.get(name), now.settings.get(name)
        if old != new:
            yield Change("settings", f"{name}: {_say(old)} → {_say(new)}")


def _compare_models(before: Kept, now: Kept) -> Iterator[Change]:
    pairs = (
        ("chat model", before.answer.model, now.answer.model),
        ("answered by", before.answer.served_by, now.answer.served_by),
        ("embedding model", before.embedding, now.embedding),
        ("how text is cut", before.recipe, now.recipe),
    )
    for what, old, new in pairs:
        if old and new and old != new:
            yield Change("model", f"{what}: {old} → {new}")
    rules = [kept.answer.messages[:1] for kept in (before, now)]
    if all(rules) and rules[0] != rules[1]:
        yield Change("model", "what the model is told to do")


def _compare_questions(before: Answer, now: Answer) -> Iterator[Change]:
    old, new = before.parts or (before.query,), now.parts or (now.query,)
    if old != new:
        yield Change("question", f"searched for: {' / '.join(old)} → {' / '.join(new)}")
    if before.selection != now.selection:
        yield Change("question", "other documents were searched")


def _compare_documents(before: Sequence[Seen], now: Sequence[Seen]) -> Iterator[Change]:
    known = {(seen.root, seen.id): seen for seen in now}
    for seen in before:
        new = known.get((seen.root, seen.id))
        if new is None or not new.fingerprint:
            yield Change("document", f"{seen.id} is not in the index any more")
            continue
        if new.fingerprint != seen.fingerprint:
            yield Change("document", f"{seen.id} was changed")
        if new.waits:
            yield Change("document", f"{seen.id} {new.waits}: rag ingest")


def _compare_passages(before: Sequence[Hit], now: Sequence[Hit]) -> Iterator[Change]:
    old = {_identify(hit): (rank, hit) for rank, hit in enumerate(before, start=1)}
    new = {_identify(hit): (rank, hit) for rank, hit in enumerate(now, start=1)}
    moved = [
        f"[{rank}] → [{new[key][0]}] {_name(hit)}"
        for key, (rank, hit) in old.items()
        if key in new and new[key][0] != rank
    ]
    gone = [found for key, found in old.items() if key not in new]
    fresh = [found for key, found in new.items() if key not in old]
    changed = []
    for rank, hit in list(gone):
        if (edited := _edited(hit, fresh)) is not None:
            fresh.remove(edited)
            gone.remove((rank, hit))
            numbers = f"[{rank}]" if rank == edited[0] else f"[{rank}] → [{edited[0]}]"
            changed.append(f"{numbers} {_name(edited[1])}")
    yield from _list("changed", changed)
    yield from _list("moved", moved)
    yield from _list("gone", [f"[{rank}] {_name(hit)}" for rank, hit in gone])
    yield from _list("new", [f"[{rank}] {_name(hit)}" for rank, hit in fresh])


def _edited(before: Hit, now: Sequence[tuple[int, Hit]]) -> tuple[int, Hit] | None:
    """Return which of these passages is the one of before, edited; None when none is."""
    likeness = [
        (_likeness(before.chunk.text, hit.chunk.text), -rank, hit)
        for rank, hit in now
        if _identify(hit)[:2] == _identify(before)[:2]
    ]
    best = max(likeness, key=lambda one: one[:2], default=None)
    return (-best[1], best[2]) if best and best[0] >= _EDITED else None


def _likeness(one: str, other: str) -> float:
    """Return how much of two texts is the same words in the same order, from 0 to 1."""
    return SequenceMatcher(None, _WORD.findall(one), _WORD.findall(other), autojunk=False).ratio()


def _list(what: str, passages: Sequence[str]) -> Iterator[Change]:
    """Tell of the first passages, and count the rest."""
    for passage in passages[:_LISTED]:
        yield Change("passage", f"{what}: {passage}")
    if more := len(passages[_LISTED:]):
        yield Change("passage", f"{what}: {more} more")


def _compare_answers(before: Answer, now: Answer) -> Iterator[Change]:
    if before.abstained != now.abstained:
        yield Change("answer", "answered now" if before.abstained else "refused now")
    if before.complete != now.complete:
        yield Change("answer", "complete now" if now.complete else "cut off now")
    if before.support_rate != now.support_rate:
        old, new = _rate(before), _rate(now)
        yield Change("answer", f"statements found in their passages: {old} → {new}")
    if before.text != now.text:
        yield Change("answer", "the text is another")


def _identify(hit: Hit) -> tuple[str, str, str]:
    """A chunk's id is not enough: it changes with whatever stands before it in the document."""
    return hit.root, hit.chunk.document_id, hit.chunk.text


def _name(hit: Hit) -> str:
    return label(hit.chunk)


def _rate(answer: Answer) -> str:
    held = sum(statement.supported for statement in answer.statements)
    return f"{held} of {len(answer.statements)}" if answer.statements else "not checked"


def _say(value: object) -> str:
    return "not set" if value is None else str(value)
