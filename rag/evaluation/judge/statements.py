"""An answer in, its statements and the passages that go with each out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ingest.sentences import sentence_spans
from rag.evaluation.base.responses import Passage, Response
from rag.evaluation.judge.prompts import Shown, without_citations

TOGETHER = 3
"""So many statements are judged at once; of more a small model mixes up one with another."""

MOST_STATEMENTS = 18

# What stands beside passages and statements: the task and the schema, and a reply for which
# twice the tokens are asked when it was cut off; then the marks around each text.
_BESIDE = 1150
_MARKS = 40


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


def choose_passages(
    context: Sequence[Passage],
    statements: Sequence[Statement],
    context_tokens: int,
    count: Callable[[str], int],
) -> tuple[list[Shown], bool]:
    """Return labels and texts that fit, and whether some is missing that a statement may rest on.

    What the statements cite goes first, the rest is cut; they stand in the order of the context.
    A statement may rest on what it cites, one that cites nothing on all.  `context_tokens` is
    what the judge can read, by `count`.
    """
    cited = {place for one in statements for place in one.cited}
    room = context_tokens - _BESIDE - sum(count(one.text) + _MARKS for one in statements)
    chosen: dict[int, str] = {}
    for place in sorted(range(len(context)), key=lambda place: place not in cited):
        room -= count(context[place].document) + _MARKS
        if room <= 0:
            break
        chosen[place] = _cut(context[place].text, room, count)
        room -= count(chosen[place])
    whole = {place for place, text in chosen.items() if text == context[place].text}
    places = set(range(len(context)))
    needed = places & cited if all(one.cited for one in statements) else places
    shown = [(context[place].document, chosen[place]) for place in sorted(chosen)]
    return shown, not needed <= whole


def _cut(text: str, tokens: int, count: Callable[[str], int]) -> str:
    """Return the beginning of a text that has no more than so many tokens."""
    while text and (has := count(text)) > tokens:
        text = text[: min(len(text) - 1, len(text) * tokens // has)]
    return text
