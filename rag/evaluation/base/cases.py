"""Labelled questions: what is asked, and what a good answer rests on and says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["answerable", "near-miss", "out-of-corpus", "unanswerable"]

CRITERIA = ("faithfulness", "relevance", "correctness")
"""What a judge or a person says of an answer."""


@dataclass(frozen=True, slots=True)
class Relevant:
    """A piece of evidence: a whole document, a page of it, or an excerpt.

    `document` is its id in the index, the POSIX path below the folder that was ingested.
    `excerpt` are its exact words, "" for a page or a whole document; `start` and `end` are
    offsets of characters in the document's text, None where nobody counted them.  `page` counts
    from 1.  `grade` says how relevant it is; 0 and less is judged and not relevant.
    """

    document: str
    excerpt: str = ""
    start: int | None = None
    end: int | None = None
    page: int | None = None
    grade: float = 1.0

    @property
    def is_document(self) -> bool:
        """Return whether the whole document is meant."""
        return not self.excerpt and self.page is None and self.start is None


@dataclass(frozen=True, slots=True)
class Case:
    """A labelled question.

    `relevant` is all the evidence there is, `answers` are references any of which is right.  A
    case that is not `answerable` must be refused; `near` are then the documents that nearly answer
    it, () where nothing does or nobody said.  `without` are documents that are held out: the
    question is asked as if the index did not have them.  The documents are not about what is
    "out-of-corpus"; any other question without an answer that is no near miss is "unanswerable",
    such as one whose documents are held out: what is left may be about the same.  `labels` are
    what people said of the answer `judged_answer`, by criterion (of `CRITERIA`), from 0 to 1.
    """

    id: str
    question: str
    relevant: tuple[Relevant, ...] = ()
    answers: tuple[str, ...] = ()
    answerable: bool = True
    kind: Kind = "answerable"
    near: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    language: str = ""
    tags: tuple[str, ...] = ()
    judged_answer: str = ""
    labels: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Problem:
    """A line of a file of cases that is no case: where, and why; it is counted and told."""

    place: str
    message: str


@dataclass(frozen=True, slots=True)
class CaseSet:
    """Cases in the order of their file, each id once.

    `documents` are texts by id that came with the cases (BEIR, SQuAD), empty where the documents
    are files.  `problems` are the lines that are no case.  `names` are what the set itself calls
    those of its documents that have another id here.
    """

    name: str
    cases: tuple[Case, ...]
    documents: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)
