"""The answerer without a language model: from question and passages to sentences, quoted as found.

One to three sentences are quoted: the best and those nearly as good.  It never writes a word
of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rag.models.base.passages import NOT_IN_DOCUMENTS
from rag.models.embedded.scoring import score_sentences

if TYPE_CHECKING:
    from ingest.base.documents import Vectors
    from rag.models.base.passages import Passage
    from rag.models.embedded.scoring import Candidate

THRESHOLD = 0.1
"""The least likeness of the best sentence: a last resort, which all questions with an answer have.

Whether there is an answer is judged before this by more signs, and better.
"""

MARGIN = 0.08
MAX_SENTENCES = 3
# Of two sentences whose words are the same to this share, one is quoted.
_TWIN = 0.8


@dataclass(frozen=True, slots=True)
class Extract:
    """Up to three sentences as (passage number, verbatim text) in reading order.

    The head of a table is quoted before its rows and does not count.  `score` is the best
    likeness of a sentence to the question, 0 to 1; below the threshold the answer is refused
    and there are no sentences.
    """

    sentences: tuple[tuple[int, str], ...]
    score: float
    refused: bool

    @property
    def parts(self) -> tuple[str, ...]:
        """Return what is said, piece by piece: each sentence in quotes with its passage."""
        if self.refused:
            return (NOT_IN_DOCUMENTS,)
        return tuple(f'"{" ".join(text.split())}" [{n}]' for n, text in self.sentences)

    @property
    def text(self) -> str:
        """Return the answer as one line."""
        return " ".join(self.parts)


def answer(
    question: str,
    passages: Sequence[Passage],
    encode: Callable[[Sequence[str]], Vectors],
    threshold: float = THRESHOLD,
) -> Extract:
    """Return the sentences of `passages`, best passage first, that answer the question best."""
    candidates = score_sentences(question, passages, encode)
    likeness = max((candidate.likeness for candidate in candidates), default=0.0)
    if not candidates or likeness < threshold:
        return Extract((), likeness, refused=True)
    chosen = sorted(choose(candidates), key=lambda candidate: candidate.order)
    return Extract(tuple(_quote(chosen)), likeness, refused=False)


def choose(
    candidates: Sequence[Candidate], margin: float = MARGIN, most: int = MAX_SENTENCES
) -> list[Candidate]:
    """Return the best candidates, best first: as good as the first but for `margin`.

    A row must come nearer to another of its table, since they are alike in all but their cells.
    """
    chosen: list[Candidate] = []
    for candidate in sorted(candidates, key=lambda c: (-c.score, c.order)):
        behind = chosen[0].score - candidate.score if chosen else 0.0
        is_sibling = any(_are_of_one_table(candidate, other) for other in chosen)
        is_twin = any(_are_twins(candidate, other) for other in chosen)
        if not is_twin and behind <= (margin / 2 if is_sibling else margin):
            chosen.append(candidate)
    return chosen[:most]


def _are_of_one_table(one: Candidate, other: Candidate) -> bool:
    are_rows = one.unit.is_row and other.unit.is_row
    return are_rows and (one.number, one.unit.context) == (other.number, other.unit.context)


def _are_twins(one: Candidate, other: Candidate) -> bool:
    """Tell sentences that say the same from those that differ by a number or a word that counts."""
    shared = len(one.terms & other.terms)
    return not one.unit.is_row and shared >= _TWIN * len(one.terms | other.terms)


def _quote(chosen: Sequence[Candidate]) -> list[tuple[int, str]]:
    """Return what is quoted of each: a row below the head of its table, which is quoted once."""
    quotes: dict[tuple[int, str], None] = {}
    for candidate in chosen:
        if candidate.unit.head:
            quotes[candidate.number, candidate.unit.head] = None
        quotes[candidate.number, candidate.unit.text] = None
    return list(quotes)
