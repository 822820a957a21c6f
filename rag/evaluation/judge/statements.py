"""An answer in, its statements and the passages that go with each out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ingest.sentences import sentence_spans
from ingest.tokens import estimate_tokens
from rag.evaluation.base.responses import Passage, Response
from rag.evaluation.judge.prompts import Shown, without_citations

PASSAGE_TOKENS = 2000
"""So much of the passages is shown at once: beside it a context of 4,096 has room for the rest."""

TOGETHER = 3
"""So many statements are judged at once; of more a small model mixes up one with another."""

MOST_STATEMENTS = 18


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement of an answer; `cited` are the places of its passages in the context, from 0."""

    text: str
    cited: tuple[int, ...] = ()


def split_answer(response: Response) -> list[Statement]:
    """Return the statements the system tells, else the sentences, without marks of citation."""
    text = response.text or ""
    said = [(one.start, one.end, one.cited) for one in response.statements]
    said = said or [(start, end, ()) for start, end in sentence_spans(text)]
    statements = [
        Statement(without_citations(text[start:end]), cited) for start, end, cited in said
    ]
    return [one for one in statements if any(map(str.isalnum, one.text))]


def batch(statements: Sequence[Statement]) -> Iterator[Sequence[Statement]]:
    """Yield the statements, few at a time."""
    for start in range(0, len(statements), TOGETHER):
        yield statements[start : start + TOGETHER]


def choose_passages(context: Sequence[Passage], statements: Sequence[Statement]) -> list[Shown]:
    """Return labels and texts that fit: what the statements cite goes first, the rest is cut.

    They stand in the order of the context.
    """
    cited = {place for one in statements for place in one.cited}
    chosen: dict[int, str] = {}
    room = PASSAGE_TOKENS
    for place in sorted(range(len(context)), key=lambda place: place not in cited):
        if room <= 0:
            break
        chosen[place] = _cut(context[place].text, room)
        room -= estimate_tokens(chosen[place])
    return [(context[place].document, chosen[place]) for place in sorted(chosen)]


def _cut(text: str, tokens: int) -> str:
    """Return the beginning of a text that has no more than so many tokens."""
    while text and (has := estimate_tokens(text)) > tokens:
        text = text[: min(len(text) - 1, len(text) * tokens // has)]
    return text
