"""Questions answered and kept: one at a time, in conversations, and again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.base.errors import PipelineError
from rag.history.conversation import Ask, Conversation
from rag.history.fingerprints import see_documents
from rag.history.kept import TELLING_SETTINGS, Kept, Request, Setting
from rag.history.replay import Replay, compare
from rag.history.store import History
from rag.query.base.questions import Show

if TYPE_CHECKING:
    from rag.index.index import Index
    from rag.index.manifest import Manifest
    from rag.query.base.answers import Answer
    from rag.query.base.hits import Retrieval
    from rag.settings import Settings


class Keeping:
    """Keeps the answers that `ask` gives, beside the index, where the settings say so."""

    def __init__(self, settings: Settings, ask: Ask, index: Callable[[], Index]) -> None:
        self._settings, self._ask, self._index = settings, ask, index
        self.history = History(settings.index_dir)

    def answer(self, request: Request, show: Show | None = None) -> Answer:
        """Return the answer to a question, kept; raises PipelineError."""
        return self.keep(request, self._ask(request, show or Show()))

    def keep(self, request: Request, answer: Answer) -> Answer:
        """Return the answer with its id; where it cannot be kept a note says so."""
        if not self._settings.keep_answers:
            return answer
        return keep(self.history, self._describe(request, answer), answer.found)

    def chat(self, name: str) -> Conversation:
        """Return a conversation, that of the name when there is one."""
        history = self.history if self._settings.keep_answers else None
        return Conversation(self._ask, self.keep, history, name)

    def replay(self, id: str, show: Show) -> Replay:
        """Answer the question of a kept answer again, and say what changed; nothing is kept."""
        before = self.history.find(id)
        now = self._describe(before.request, self._ask(before.request, show))
        places = ((seen.root, seen.id) for seen in before.documents)
        return compare(before, now, see_documents(self._settings.index_dir, places, on_disk=True))

    def _describe(self, request: Request, answer: Answer) -> Kept:
        settings = self._settings
        manifest = self._index().manifest
        return describe(request, answer, settings.index_dir, manifest, dict(settings))


def describe(
    request: Request,
    answer: Answer,
    folder: Path,
    manifest: Manifest,
    settings: Mapping[str, object],
) -> Kept:
    """Return the answer with all that was in use when it was made.

    `folder` is that of the index, `manifest` what built it.
    """
    return Kept(
        request,
        replace(answer, found=tuple(map(_without_texts, answer.found))),
        asked_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        settings={name: _simple(settings.get(name)) for name in TELLING_SETTINGS},
        embedding=manifest.identity,
        recipe=manifest.recipe,
        documents=see_documents(
            folder, ((hit.root, hit.chunk.document_id) for hit in answer.context)
        ),
    )


def keep(history: History, kept: Kept, found: tuple[Retrieval, ...] = ()) -> Answer:
    """Return the answer as it is kept, with all that was found; where that fails it says so."""
    try:
        return replace(history.keep(kept).answer, found=found)
    except PipelineError as error:
        note = f"this answer is not kept: {error.message}"
        return replace(kept.answer, notes=(*kept.answer.notes, note), found=found)


def _without_texts(found: Retrieval) -> Retrieval:
    """Return what was found as ranks and scores only: the texts would double what is kept."""
    hits = tuple(replace(hit, chunk=replace(hit.chunk, text="")) for hit in found.hits)
    return replace(found, hits=hits)


def _simple(value: object) -> Setting:
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)
