"""Questions as they were asked and as they were understood."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from rag.index.store.records import Selection

Kind: TypeAlias = Literal["lookup", "survey"]


@dataclass(frozen=True, slots=True)
class Turn:
    """An earlier question of a conversation: what was asked, searched for and answered.

    `documents` are the ids of those the answer cites, the most cited first.
    """

    question: str
    query: str
    answer: str
    documents: tuple[str, ...] = ()
    abstained: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as it was understood.

    `query` stands alone, without what was said before; it is the question itself where nothing
    was changed.  `parts` are searched for one by one where the question has several, else they
    are ().  `selection` are the documents it is about, None for all.  A "survey" asks about
    all documents (count, list) and cannot be answered from the nearest passages.  `notes` tell
    the reader what was read into it, one line each.
    """

    question: str
    query: str
    parts: tuple[str, ...] = ()
    selection: Selection | None = None
    kind: Kind = "lookup"
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Show:
    """Who is told what while a question is answered.

    `text` gets the answer and `thinking` what a reasoning model thinks, piece by piece; `read`
    gets how many documents of how many a survey has read; `asked` gets the question as it was
    understood, before it is searched for.
    """

    text: Callable[[str], None] = lambda _text: None
    thinking: Callable[[str], None] = lambda _text: None
    read: Callable[[int, int], None] = lambda _done, _total: None
    asked: Callable[[Asked], None] = lambda _asked: None
