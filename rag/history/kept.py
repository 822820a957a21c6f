"""An answer as it is kept: how it was asked for, what it is, and what it was made with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from rag.index.base.selection import Selection
from rag.query.base.answers import Answer
from rag.query.base.questions import Kind, Turn

Setting: TypeAlias = "str | int | float | bool | None"

# What of the settings has a say in an answer; where servers are and their keys is not kept.
TELLING_SETTINGS = (
    "top_k",
    "fusion",
    "passages_tokens",
    "passages_per_file",
    "context_tokens",
    "answer_tokens",
    "temperature",
    "refusal_threshold",
    "strict",
    "collection",
    "search",
    "chat_surface",
    "query_prefix",
)


@dataclass(frozen=True, slots=True)
class Request:
    """A question as it was put; what is None is as the settings say, or the question itself."""

    question: str
    k: int | None = None
    selection: Selection | None = None
    history: tuple[Turn, ...] = ()
    strict: bool | None = None
    survey: bool | None = None

    @property
    def kind(self) -> Kind | None:
        """Return the kind of question it is said to be, None where the question itself tells."""
        kinds: dict[bool | None, Kind] = {True: "survey", False: "lookup"}
        return kinds.get(self.survey)


@dataclass(frozen=True, slots=True)
class Seen:
    """A document that passages came from; `fingerprint` is the hash of its bytes, "" if gone.

    `waits` says what became of its file since it was indexed, "" where nothing did, or where
    nobody looked.
    """

    root: str
    id: str
    fingerprint: str
    waits: str = ""


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer with all that is needed to run it again and to see what changed since.

    `asked_at` is UTC in ISO 8601.  `embedding` names the embedding model and its prefixes,
    `recipe` how the text was cut.  `documents` are those of the passages.
    """

    request: Request
    answer: Answer
    asked_at: str
    settings: Mapping[str, Setting] = field(default_factory=dict)
    embedding: str = ""
    recipe: str = ""
    documents: tuple[Seen, ...] = ()

    @property
    def id(self) -> str:
        """Return the name under which the answer is kept, "" while it is not."""
        return self.answer.id
