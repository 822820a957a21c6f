"""A case and its answer in, what a local model thinks of it out, with its own mistakes counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from rag.evaluation.base.cases import Case
from rag.evaluation.base.responses import Response
from rag.evaluation.base.rows import Verdict
from rag.models.base.messages import Message

CRITERIA = ("faithfulness", "relevance", "correctness")


class JudgeModel(Protocol):
    """A chat model that answers in JSON of a schema; `rag.models.chat.model.ChatModel` is one."""

    id: str

    def ask_for_json(
        self, messages: Sequence[Message], schema: Mapping[str, object], max_tokens: int
    ) -> dict[str, object]:
        """Return an object that fits the schema; raises EndpointError."""
        ...


class Judge:
    """Asks a model about answers, each question `repeats` times with what is shown swapped."""

    def __init__(
        self, model: JudgeModel, criteria: Sequence[str] = CRITERIA, repeats: int = 2
    ) -> None:
        raise NotImplementedError

    @property
    def name(self) -> str:
        """Return the model and how it is asked, for a manifest."""
        raise NotImplementedError

    def judge(self, case: Case, response: Response) -> dict[str, Verdict]:
        """Return a verdict for each criterion that applies; a failure is in it, never raised.

        Raises only what no other case would fare better with (EndpointUnreachable and the like).
        """
        raise NotImplementedError
