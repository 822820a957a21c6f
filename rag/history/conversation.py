"""Questions in, one after the other, answers out that know what was said before; all kept."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Protocol, Self

from ingest.base.errors import PipelineError
from rag.history.kept import Request
from rag.history.store import History
from rag.index.base.selection import Selection
from rag.models.base.messages import Usage
from rag.query.base.answers import Answer, Timings
from rag.query.base.questions import Asked, Show, Turn

INTERRUPTED = "interrupted"
"""The finish reason of an answer that the reader stopped."""

_REMEMBERED = 6  # Turns that a question may go on from; more cost a small model its attention.
_MARKS = re.compile(r"\s*\[\d+(?:, ?\d+)*\]?")


class Ask(Protocol):
    """Answers a question, without keeping the answer."""

    def __call__(self, request: Request, show: Show) -> Answer:
        """Return the answer; raises PipelineError."""
        ...


class Conversation:
    """Questions that go on from each other.  Each turn is kept as soon as it is answered.

    `answers` are those given so far, the first first, and `name` is what it is kept under, ""
    until the first one is.  `selection` limits it to documents, None is all.
    """

    def __init__(
        self,
        ask: Ask,
        keep: Callable[[Request, Answer], Answer],
        history: History | None,
        name: str = "",
    ) -> None:
        self._ask, self._keep, self._history = ask, keep, history
        self.name = name
        self.answers: list[Answer] = []
        self._selection: Selection | None = None
        self._is_begun = False
        if history and name and (kept := history.turns(name)):
            self.answers = [one.answer for one in kept]
            self._selection = history.selection(name)
            self._is_begun = True

    @property
    def selection(self) -> Selection | None:
        """Return the documents that it is limited to, None for all."""
        return self._selection

    @selection.setter
    def selection(self, selection: Selection | None) -> None:
        self._selection = selection
        if self._history and self._is_begun:
            self._history.limit(self.name, selection)

    @property
    def turns(self) -> list[Turn]:
        """Return what was said so far, oldest first; refusals are turns too."""
        return [turn_of(answer) for answer in self.answers]

    def ask(
        self,
        question: str,
        *,
        k: int | None = None,
        strict: bool | None = None,
        survey: bool | None = None,
        on_text: Callable[[str], None] = lambda _: None,
        on_thinking: Callable[[str], None] = lambda _: None,
        on_asked: Callable[[Asked], None] = lambda _: None,
        on_read: Callable[[int, int], None] = lambda _done, _total: None,
    ) -> Answer:
        """Return the answer to a question that may go on from the turns before.

        What is told to whom, and all else, is as with `Pipeline.ask`.

        Stopped with Ctrl-C, what was written so far is kept as a turn, marked as cut off, before
        KeyboardInterrupt goes on.  Raises PipelineError; the conversation goes on after that.
        """
        history = tuple(self.turns[-_REMEMBERED:])
        request = Request(question, k, self._selection, history, strict, survey)
        draft = _Draft(Show(on_text, on_thinking, on_read, on_asked))
        try:
            answer = self._ask(request, draft.show)
        except KeyboardInterrupt:
            if draft.text.strip():
                self._add(request, draft.cut_off(question))
            raise
        return self._add(request, answer)

    def clear(self) -> None:
        """Go on as a new conversation, limited to the same documents."""
        self.name, self.answers, self._is_begun = "", [], False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        """Every turn is kept already."""

    def _add(self, request: Request, answer: Answer) -> Answer:
        answer = self._keep(request, answer)
        if self._history and answer.id:  # "" where it could not be kept
            try:
                self._enter(self._history, answer.id)
            except PipelineError as error:
                note = f"this answer is kept, but not in the conversation: {error.message}"
                answer = replace(answer, notes=(*answer.notes, note))
        self.answers.append(answer)
        return answer

    def _enter(self, history: History, answer_id: str) -> None:
        """Keep a turn; a conversation that another program forgot meanwhile begins anew."""
        self.name = history.start(self.name, self._selection)
        self._is_begun = True
        history.add_turn(self.name, answer_id)


def turn_of(answer: Answer) -> Turn:
    """Return what a later question needs to know of an answer."""
    cited = Counter(citation.hit.chunk.document_id for citation in answer.citations)
    return Turn(
        answer.question,
        answer.query or answer.question,
        answer.text,
        tuple(name for name, _count in cited.most_common()),
        answer.abstained,
    )


@dataclass(slots=True)
class _Draft:
    """What was shown of an answer, for when it is stopped in the middle."""

    to: Show
    text: str = ""
    asked: Asked = field(default_factory=lambda: Asked("", ""))

    @property
    def show(self) -> Show:
        return replace(self.to, text=self._add, asked=self._understand)

    def _add(self, piece: str) -> None:
        self.text += piece
        self.to.text(piece)

    def _understand(self, asked: Asked) -> None:
        self.asked = asked
        self.to.asked(asked)

    def cut_off(self, question: str) -> Answer:
        """Return what was written; its numbers lead nowhere and are taken out."""
        return Answer(
            question=question,
            text=_MARKS.sub("", self.text).strip(),
            citations=(),
            context=(),
            retrieved=0,
            abstained=False,
            complete=False,
            finish_reason=INTERRUPTED,
            extractive=False,
            model="",
            served_by="",
            notes=(),
            usage=Usage(),
            timings=Timings(0.0, 0.0, 0.0, None),
            query=self.asked.query or question,
            parts=self.asked.parts,
            selection=self.asked.selection,
        )
