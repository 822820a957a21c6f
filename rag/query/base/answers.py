"""Answers, with the proof of each statement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rag.models.base.messages import Message, NativeReport, Usage
from rag.query.base.hits import Hit, Retrieval

if TYPE_CHECKING:
    from rag.index.store.records import Selection

REFUSAL = "Not in your documents."


@dataclass(frozen=True, slots=True)
class Citation:
    """A statement's source: `quote` stands at `start:end` of the document, on `page`,
    which a person calls `place`.

    `number` is the passage's number in the prompt.  `verified` says that the statement was
    found in the quote; `problem` says what of it was not, "" when verified.
    """

    number: int
    hit: Hit
    quote: str
    start: int
    end: int
    page: int | None
    verified: bool
    place: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Statement:
    """A sentence of an answer: `answer.text[start:end]`, marks included.

    `numbers` are the passages it cites, after repair.  `supported` says that they hold it;
    `problem` says what they do not hold, "" when supported.
    """

    start: int
    end: int
    numbers: tuple[int, ...]
    supported: bool
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """How likely what was found holds the answer: `score` from 0 to 1, enough from `threshold`.

    `reasons` tell a person what speaks against it, one line each, the weightiest first.
    """

    score: float
    threshold: float
    reasons: tuple[str, ...] = ()

    @property
    def is_enough(self) -> bool:
        """Return whether a model is worth asking."""
        return self.score >= self.threshold


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of what a question is about was read: documents, of all that were selected."""

    read: int
    total: int


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds for finding passages, until the first word, and in all.

    `verify_seconds` of them went into checking the statements.
    """

    retrieve_seconds: float
    first_token_seconds: float
    total_seconds: float
    tokens_per_second: float | None
    verify_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What was asked, what was answered, and where every statement comes from.

    Every `[n]` in `text` has a citation, but for brackets inside a quotation.  `abstained`
    means that the passages do not hold the answer; `context` then holds the nearest ones.
    `complete` is False when the answer was cut off: by its limit (`finish_reason` "length"), by
    a fault ("truncated"), by a filter ("content_filter") or for a tool ("tool_calls",
    "function_call"); any other reason is an answer's own end.  `extractive` says that sentences
    were quoted by the embedded model, not written.  `retrieved` passages were found; those in
    `context` fitted.  `model` was asked, `served_by` is who the server says answered, "" if it
    does not.  `notes` are for the reader, one line each.  `native` is what LM Studio's own
    surface adds, None elsewhere.

    `query` is what was searched for, `parts` the questions it was taken apart into, and
    `selection` the documents searched, None for all.  `statements` are the sentences of the
    text in order, `evidence` is what was found before a model was asked, `coverage` is there
    for questions about all documents.  `id` names the answer where it is kept, "" if it is not.
    `messages` are the prompt, () where no model was asked.  `found` is what each search returned,
    one for each of the parts; where an answer is kept, its hits are kept without their text.
    """

    question: str
    text: str
    citations: tuple[Citation, ...]
    context: tuple[Hit, ...]
    retrieved: int
    abstained: bool
    complete: bool
    finish_reason: str
    extractive: bool
    model: str
    served_by: str
    notes: tuple[str, ...]
    usage: Usage
    timings: Timings
    native: NativeReport | None = None
    query: str = ""
    parts: tuple[str, ...] = ()
    selection: Selection | None = None
    statements: tuple[Statement, ...] = ()
    evidence: Evidence | None = None
    coverage: Coverage | None = None
    id: str = ""
    messages: tuple[Message, ...] = ()
    found: tuple[Retrieval, ...] = ()

    @property
    def support_rate(self) -> float | None:
        """Return the share of statements that the passages hold; None without statements."""
        held = [statement.supported for statement in self.statements]
        return sum(held) / len(held) if held else None


def refuse(
    question: str,
    model: str,
    *,
    extractive: bool,
    retrieve_seconds: float,
    context: tuple[Hit, ...] = (),
    evidence: Evidence | None = None,
) -> Answer:
    """Return the answer to a question for which no passage is evidence enough.

    No model was asked; `context` are the passages that came nearest.
    """
    return Answer(
        question=question,
        text=REFUSAL,
        citations=(),
        context=context,
        retrieved=len(context),
        abstained=True,
        complete=True,
        finish_reason="stop",
        extractive=extractive,
        model=model,
        served_by="",
        notes=(),
        usage=Usage(),
        timings=Timings(retrieve_seconds, retrieve_seconds, retrieve_seconds, None),
        evidence=evidence,
    )
