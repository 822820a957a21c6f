"""An index in, labelled questions about its documents out, each tried before it is kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rag.evaluation.base.cases import CaseSet

if TYPE_CHECKING:
    from ingest.base.documents import Vectors
    from rag.evaluation.judge.judge import JudgeModel
    from rag.index.index import Index


@dataclass(frozen=True, slots=True)
class Generated:
    """The cases that were kept, who made them, and how many were dropped for which reason.

    `made_by` is the id of a chat model, "" where a rule made them: such are in words of the
    documents, and easier than what people ask.
    """

    cases: CaseSet
    made_by: str
    dropped: Mapping[str, int]


def generate_cases(
    index: Index,
    embed: Callable[[str], Vectors],
    chat: JudgeModel | None,
    *,
    wanted: int = 100,
    unanswerable: float = 0.25,
    prepare: Callable[[Sequence[str]], None] = lambda _questions: None,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Generated:
    """Return up to `wanted` cases, the share `unanswerable` of them with the document held out.

    Raises PipelineError where the documents hold too little to ask about.
    """
    raise NotImplementedError
