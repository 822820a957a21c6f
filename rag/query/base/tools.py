"""What answering a question needs: an index, models, and how it is wished for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from ingest.base.documents import Vectors
    from rag.index.index import Index
    from rag.models.chat.model import ChatModel
    from rag.query.base.questions import Turn
    from rag.query.evidence.calibration import Calibration


@dataclass(frozen=True, slots=True)
class Wishes:
    """How questions are answered; the meaning of each is that of the setting of its name.

    `kind` None means that the question itself tells whether it asks about all documents.
    `history` is what was said before, oldest first.
    """

    top_k: int = 30
    fusion: float | None = None
    passages_tokens: int = 2000
    passages_per_file: int = 2
    answer_tokens: int = 768
    refusal_threshold: float | None = None
    strict: bool = False
    kind: Literal["lookup", "survey"] | None = None
    history: Sequence[Turn] = ()


@dataclass(frozen=True, slots=True)
class Tools:
    """The index and the models, each made ready when it is first asked for."""

    embed: Callable[[str], Vectors]
    index: Index
    chat: Callable[[], ChatModel]
    calibration: Callable[[], Calibration]
    wishes: Wishes
