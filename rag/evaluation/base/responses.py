"""What a system did with a question, whatever system it is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a document that was found or shown to a model.

    `start` and `end` are offsets in the document's text and `page` counts from 1; None is what
    the system does not tell.  `tokens` are as the system counts, None where it does not.
    `places` are other documents in which the same text stands.
    """

    document: str
    text: str = ""
    start: int | None = None
    end: int | None = None
    page: int | None = None
    score: float | None = None
    tokens: int | None = None
    places: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Said:
    """A statement of an answer: `text[start:end]`.

    `cited` are places in `Response.context`, from 0; `supported` is what the system itself found
    when it checked the statement against them, None where it does not check.
    """

    start: int
    end: int
    cited: tuple[int, ...] = ()
    supported: bool | None = None


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds and tokens a question cost; None is what the system does not tell.

    `retrieve` is until passages were there, `first_token` until the first word of the answer.
    """

    retrieve: float | None = None
    first_token: float | None = None
    total: float | None = None
    tokens_per_second: float | None = None
    prompt_tokens: int | None = None
    answer_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Response:
    """What a system answered; None is what it was not asked for or does not tell.

    `text` is the answer, `ranked` what was found, best first, `context` what of it a model was
    shown, in that order.  `abstained` says that it refused to answer; `evidence` is its own
    score, the higher the surer that the documents hold the answer.
    """

    text: str | None = None
    ranked: tuple[Passage, ...] | None = None
    context: tuple[Passage, ...] | None = None
    statements: tuple[Said, ...] = ()
    abstained: bool | None = None
    evidence: float | None = None
    spent: Spent = Spent()
    model: str = ""
    notes: tuple[str, ...] = ()
