"""Cases in, those to choose settings by and those to confirm the choice with out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rag.evaluation.base.cases import Case

_LARGE = 0.25  # A document with a larger share of the cases has them in both parts.


@dataclass(frozen=True, slots=True)
class Split:
    """Two halves of the cases, each in an order that has nothing to do with that of their file."""

    train: tuple[Case, ...]
    test: tuple[Case, ...]


def split_cases(cases: Sequence[Case]) -> Split:
    """Return halves by the hash of the ids, the cases of one document in the same half.

    Each document goes to the half that has fewer cases by then, in the order of its hash.
    """
    groups: dict[str, list[Case]] = {}
    for case in cases:
        groups.setdefault(_document(case) or case.id, []).append(case)
    halves: tuple[list[Case], list[Case]] = ([], [])
    for group in sorted(_parts(groups, len(cases)), key=lambda part: _hash(part[0].id)):
        min(halves, key=len).extend(group)
    train, test = (tuple(sorted(half, key=lambda case: _hash(case.id))) for half in halves)
    return Split(train, test)


def _document(case: Case) -> str:
    named = [relevant.document for relevant in case.relevant] or list(case.near)
    return f"document {min(named)}" if named else ""


def _parts(groups: dict[str, list[Case]], total: int) -> Iterable[list[Case]]:
    for group in groups.values():
        if len(group) > max(1, _LARGE * total):
            yield from ([case] for case in group)
        else:
            yield sorted(group, key=lambda case: _hash(case.id))


def _hash(id: str) -> str:
    return hashlib.sha256(id.encode("utf-8", "surrogatepass")).hexdigest()
