"""A case and its answer in, what a local model thinks of it out, with its own mistakes counted."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Protocol, TypeAlias, runtime_checkable

from ingest.base.errors import PipelineError
from ingest.tokens import estimate_tokens
from rag.evaluation.base.cases import CRITERIA, Case
from rag.evaluation.base.responses import Response
from rag.evaluation.base.rows import Verdict
from rag.evaluation.judge import prompts
from rag.evaluation.judge.statements import MOST_STATEMENTS, batch, choose_passages, split_answer
from rag.models.base.errors import (
    AuthenticationFailed,
    EndpointError,
    EndpointUnreachable,
    ModelUnavailable,
)
from rag.models.base.messages import Message
from rag.models.base.passages import EXTRACTIVE_MODEL

VERSION = 2
"""Of how it is asked: verdicts of another version are not to be compared."""

Opinion: TypeAlias = "tuple[float, str]"
"""A score from 0 to 1 and the reason for it."""

_HOPELESS = (EndpointUnreachable, AuthenticationFailed, ModelUnavailable)
_REASON_CHARACTERS = 300


class JudgeModel(Protocol):
    """A chat model that answers in JSON of a schema; `rag.models.chat.model.ChatModel` is one."""

    id: str

    def ask_for_json(
        self,
        messages: Sequence[Message],
        schema: Mapping[str, object],
        max_tokens: int,
        on_request: Callable[[], None] = ...,
    ) -> dict[str, object]:
        """Return an object that fits the schema; raises EndpointError.

        `on_request` is told of each request that takes, the first one as well.
        """
        ...


class Counter(Protocol):
    """Knows how many tokens a model can read, and how many a text has for it."""

    @property
    def context_tokens(self) -> int:
        """Return the context that can be used."""
        ...

    def count(self, text: str) -> int:
        """Return the most tokens that the text takes."""
        ...


@runtime_checkable
class CountedModel(Protocol):
    """A model that says how much it can read."""

    @property
    def counter(self) -> Counter:
        """Return what counts for it."""
        ...


class _Estimate:
    """What is assumed of a model that does not say: the smallest context in use."""

    context_tokens = 4096

    def count(self, text: str) -> int:
        return estimate_tokens(text)


_SMALLEST: Counter = _Estimate()


class Judge:
    """Asks a model about answers, each question `repeats` times with what is shown swapped.

    Safe to use from several threads if the model is.  Raises PipelineError for a criterion that
    is not known and for a model that cannot judge.
    """

    def __init__(
        self, model: JudgeModel, criteria: Sequence[str] = CRITERIA, repeats: int = 2
    ) -> None:
        if unknown := [name for name in criteria if name not in CRITERIA]:
            raise PipelineError(
                f"there is no criterion '{unknown[0]}'", f"a judge knows {', '.join(CRITERIA)}"
            )
        if model.id == EXTRACTIVE_MODEL:
            raise PipelineError(
                "the embedded model copies sentences and cannot judge",
                "start a server with a chat model, or measure without --judge",
            )
        self._model = model
        self._criteria = tuple(name for name in CRITERIA if name in criteria)
        self._repeats = max(1, repeats)
        self._counter = model.counter if isinstance(model, CountedModel) else _SMALLEST
        # Passages and answers cannot end marks that nobody can foretell.
        self._key = secrets.token_hex(16)

    @property
    def name(self) -> str:
        """Return the model and how it is asked, for a manifest."""
        asked = ", ".join(self._criteria)
        return f"{self._model.id}: {asked}; {self._repeats} times each, form {VERSION}"

    def judge(self, case: Case, response: Response) -> dict[str, Verdict]:
        """Return a verdict for each criterion that applies; a failure is in it, never raised.

        None applies to a case without an answer in the documents.  Relevance and correctness of
        a refusal are 0 without asking.  Raises only what no other case would fare better with
        (EndpointUnreachable and the like).
        """
        if not case.answerable or response.text is None:
            return {}
        found = {name: self._verdict(name, case, response) for name in self._criteria}
        return {name: verdict for name, verdict in found.items() if verdict is not None}

    def _verdict(self, name: str, case: Case, response: Response) -> Verdict | None:
        is_refusal = bool(response.abstained) or not (response.text or "").strip()
        if name == "correctness" and not case.answers:
            return None
        if name == "faithfulness":
            return None if is_refusal else self._judge_faithfulness(response)
        if is_refusal:
            return Verdict(0.0, why="not judged: there is no answer")
        ask = self._ask_relevance if name == "relevance" else self._ask_correctness
        return self._repeat(lambda model, swap: ask(model, case, response, swap=swap))

    def _judge_faithfulness(self, response: Response) -> Verdict | None:
        """Return the share of statements that the passages support; partly counts half."""
        statements, context = split_answer(response), response.context
        if not statements or context is None:
            return None

        room, count = self._counter.context_tokens, cache(self._counter.count)
        batches = [
            (few, *choose_passages(context, few, room, count))
            for few in batch(statements[:MOST_STATEMENTS])
        ]

        def ask(model: _Asked, swap: bool) -> Opinion:
            opinions: list[Opinion] = []
            for few, passages, _is_cut in batches:
                said, shown = [one.text for one in few], passages[::-1] if swap else passages
                names = [prompts.name_statement(n) for n in range(len(few))]
                opinions += model.ask(prompts.ask_for_support(said, shown, self._key), names)
            worst = min(opinions, key=lambda opinion: opinion[0])
            return sum(score for score, _why in opinions) / len(opinions), worst[1]

        verdict, notes = self._repeat(ask), []
        is_cut = any(missing for _few, _passages, missing in batches)
        if is_cut:
            notes.append("the judge was not shown all that the model was")
        if (left := len(statements) - MOST_STATEMENTS) > 0:
            notes.append(f"the last {left} statements were not judged")
        why = " ".join((verdict.why, *(f"({note})" for note in notes))).strip()
        return replace(verdict, why=why, cut=is_cut)

    def _ask_relevance(
        self, model: _Asked, case: Case, response: Response, *, swap: bool
    ) -> Opinion:
        answer = prompts.without_citations(response.text or "")
        messages = prompts.ask_for_relevance(case.question, answer, self._key, swap=swap)
        return model.ask(messages)[0]

    def _ask_correctness(
        self, model: _Asked, case: Case, response: Response, *, swap: bool
    ) -> Opinion:
        answer = prompts.without_citations(response.text or "")
        messages = prompts.ask_for_correctness(
            case.question, answer, case.answers, self._key, swap=swap
        )
        return model.ask(messages)[0]

    def _repeat(self, ask: Callable[[_Asked, bool], Opinion]) -> Verdict:
        """Ask several times, every second time swapped; one that fails is counted, not averaged."""
        said: list[Opinion] = []
        failures: list[str] = []
        model = _Asked(self._model)
        for turn in range(self._repeats):
            try:
                said.append(ask(model, turn % 2 == 1))
            except _HOPELESS:
                raise
            except EndpointError as error:
                failures.append(error.message)
        scores = tuple(score for score, _why in said)
        return Verdict(
            sum(scores) / len(scores) if scores else None,
            scores,
            tuple(failures),
            len(set(scores)) == 1 if len(scores) > 1 else None,
            said[0][1] if said else "",
            extra=model.extra,
        )


class _Asked:
    """A model that is asked for one verdict; `extra` requests went beyond one for a question."""

    def __init__(self, model: JudgeModel) -> None:
        self._model = model
        self.extra = 0

    def ask(self, messages: Sequence[Message], names: Sequence[str] = ()) -> list[Opinion]:
        """Return its opinion, or one for each name."""
        sent: list[None] = []
        schema, tokens = prompts.verdict_schema(names), prompts.REASON_TOKENS * max(1, len(names))
        try:
            reply = self._model.ask_for_json(messages, schema, tokens, lambda: sent.append(None))
        finally:
            self.extra += max(0, len(sent) - 1)
        return [_read(reply[name]) for name in names] if names else [_read(reply)]


def _read(reply: object) -> Opinion:
    """Return score and reason of what fits the schema of a verdict."""
    assert isinstance(reply, Mapping)
    return prompts.GRADES[reply["grade"]], str(reply["reason"])[:_REASON_CHARACTERS]
