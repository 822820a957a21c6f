"""The whole program on one screen: settings in, objects put together, `ingest` and `ask` out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

from ingest.base.documents import IngestReport, Plan, Progress
from ingest.base.errors import PipelineError
from rag.connections import Connections
from rag.folders import Folders
from rag.health.report import HealthReport, examine_index
from rag.history.conversation import Conversation
from rag.history.keeping import Keeping
from rag.history.kept import Request
from rag.history.replay import Replay
from rag.history.store import History
from rag.index.base.errors import IndexMissing
from rag.index.base.roots import check_collection
from rag.index.index import Index, IndexStatus
from rag.index.store.records import Selection
from rag.query.base.answers import Answer
from rag.query.base.hits import Hit, Retrieval
from rag.query.base.questions import Asked, Show, Turn
from rag.query.base.tools import Tools, Wishes
from rag.query.evidence.calibration import read_calibration
from rag.query.pipeline import answer_question, find_passages
from rag.query.retrieval.retrieve import retrieve
from rag.settings import Settings

if TYPE_CHECKING:
    from rag.batch.run import Outcome


class Pipeline:
    """Ingest folders and answer questions about them, as the settings say.

    Nothing is connected or opened before it is needed.  Use it as a context manager, or call
    `close` when done; used again after that it opens anew.  Not safe to share between threads
    while an ingest runs.  `on_wait` is told what is waited for, and for how many seconds already.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        on_wait: Callable[[str, float], None] = lambda _what, _seconds: None,
    ) -> None:
        self.settings = settings or Settings.load()
        self._on_wait = on_wait
        self.models = Connections(self.settings, on_wait)
        self._reader: Index | None = None
        self._folders = Folders(
            self.settings, lambda: self.models, lambda: self.index, self._close_reader
        )
        self._keeping = Keeping(self.settings, self._answer, lambda: self.index)

    def ingest(
        self,
        folder: str | Path,
        on_progress: Callable[[Progress], None] = lambda _: None,
        *,
        collection: str | None = None,
        remove_many: bool = False,
        known_only: bool = False,
    ) -> IngestReport:
        """Bring the index in line with the folder; what is unchanged is not read again.

        Part of a folder that is already in the index brings the whole of that in line.  The
        folder goes into the `collection`, None the one it is in.  Most of its documents vanish
        at once only with `remove_many`: else that is taken for a drive that is not mounted.
        With `known_only` no files are added.  Raises PipelineError; what was done is kept.
        """
        return self._folders.ingest(
            folder,
            on_progress,
            collection=collection,
            remove_many=remove_many,
            known_only=known_only,
        )

    def check_folder(self, folder: str | Path) -> None:
        """Raise FolderError unless it is a folder or a file, with what the index knows of it."""
        self._folders.check(folder)

    def folders(self) -> dict[str, bool]:
        """Return the folders of the index, or of the collection that is set, sorted.

        True is for those that were ingested whole, False where only single files were.
        """
        return self._folders.names()

    def plan(self, folder: str | Path, *, known_only: bool = False) -> Plan:
        """Return what `ingest` would do, changing nothing."""
        return self._folders.plan(folder, known_only=known_only)

    @property
    def warnings(self) -> list[str]:
        """Return what went wrong in the last ingest without anything being lost."""
        return self._folders.warnings

    def search(
        self, question: str, k: int | None = None, selection: Selection | None = None
    ) -> list[Hit]:
        """Return the passages most likely to answer the question, best first.

        Raises IndexMissing when nothing was ingested, PipelineError when the selection is empty.
        """
        return list(self.explain(question, k, selection).hits)

    def explain(
        self, question: str, k: int | None = None, selection: Selection | None = None
    ) -> Retrieval:
        """Return what `search` finds, and how: the ranks in each list, the weights and why."""
        wishes = self._wishes(Request(question, k))
        within, embed = self._ready_to_search(selection), self.models.embed_question
        return retrieve(question, embed, self.index, wishes.top_k, within, wishes.fusion)

    def ask(
        self,
        question: str,
        *,
        k: int | None = None,
        selection: Selection | None = None,
        history: Sequence[Turn] = (),
        strict: bool | None = None,
        survey: bool | None = None,
        on_text: Callable[[str], None] = lambda _: None,
        on_thinking: Callable[[str], None] = lambda _: None,
        on_asked: Callable[[Asked], None] = lambda _: None,
        on_read: Callable[[int, int], None] = lambda _done, _total: None,
    ) -> Answer:
        """Return a cited answer to the question; `on_text` gets it piece by piece.

        `on_thinking` gets what a reasoning model thinks before it answers, `on_asked` how the
        question was understood, `on_read` how many documents of how many a survey has read.
        `history` is what was said before, oldest first, for a question that goes on from it.
        With `strict` what the passages do not hold is left out of the answer; None is as the
        settings say.  `survey` says whether every document is to be read; None leaves that to
        the question.  Raises PipelineError.
        """
        request = Request(question, k, selection, tuple(history), strict, survey)
        return self._keeping.answer(request, Show(on_text, on_thinking, on_read, on_asked))

    def passages(
        self, question: str, *, k: int | None = None, selection: Selection | None = None
    ) -> Answer:
        """Return what `ask` would show a model, without a text; `abstained` if it would refuse."""
        selection = self._ready_to_search(selection)
        return find_passages(question, selection, self._tools(Request(question, k)))

    def chat(self, name: str = "") -> Conversation:
        """Return a conversation, where questions go on from each other: that of the name if any."""
        return self._keeping.chat(name)

    def replay(self, id: str = "", on_read: Callable[[int, int], None] | None = None) -> Replay:
        """Answer the question of a kept answer again, as of now, and say what changed.

        `id` is the beginning of the answer's, "" means the last.  Raises NothingKept.
        """
        return self._keeping.replay(id, Show(read=on_read) if on_read else Show())

    def ask_all(
        self,
        questions: Sequence[str | Request],
        jobs: int | None = None,
        on_done: Callable[[Outcome], None] = lambda _: None,
    ) -> Iterator[Outcome]:
        """Yield what became of each question, in their order: an answer, or why there is none.

        So many `jobs` are asked at once, None is as many as the server takes.  `on_done` gets
        each as soon as it is there, one at a time, from other threads.  Raises PipelineError
        when the server or the index is gone, and all others would fail too.
        """
        from rag.batch.run import ask_all

        self.check_index()  # index and models are made ready once, before threads share them
        requests = [Request(one) if isinstance(one, str) else one for one in questions]
        return ask_all(self._keeping.answer, requests, self.models, jobs, on_done)

    @property
    def history(self) -> History:
        """Return the answers and conversations that are kept."""
        return self._keeping.history

    def prepare(self, questions: Sequence[str]) -> None:
        """Embed questions that will be asked, all at once, before the first of them is.

        Where memory holds one model only, each `ask` would else have both change places.
        """
        self.check_index()
        self.models.prepare(questions)

    def check_index(self) -> None:
        """Raise IndexMismatch when the index was made with another embedding model."""
        self.index.check(self.models.manifest(self._folders.options.recipe))

    @property
    def chunk_limit(self) -> int:
        """Return the most tokens of a chunk under these settings."""
        return self._folders.options.limit

    def status(self) -> IndexStatus:
        """Return what is in the index; raises IndexMissing."""
        return self.index.status()

    def health(self) -> HealthReport:
        """Return what the index knows badly and what it cannot see; raises IndexMissing."""
        return examine_index(self.index, str(self.settings.index_dir.resolve()))

    @property
    def index(self) -> Index:
        """Return the index, open for reading; raises IndexMissing."""
        if self._reader is None:
            self._reader = Index.open_for_reading(
                self.settings.index_dir,
                search=self.settings.search,
                exact_up_to=self.settings.exact_up_to,
            )
        return self._reader

    def close(self) -> None:
        """Close index and connections."""
        self._close_reader()
        self._keeping.history.close()
        self.models.close()
        self.models = Connections(self.settings, self._on_wait)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _answer(self, request: Request, show: Show) -> Answer:
        """Return the answer, which is not kept yet."""
        tools, selection = self._tools(request), self._ready_to_search(request.selection)
        return answer_question(request.question, selection, tools, show)

    def _tools(self, request: Request) -> Tools:
        folder, index = self.settings.index_dir, self.index
        return Tools(
            self.models.embed_question,
            index,
            self.models.chat,
            lambda: read_calibration(folder, index.manifest.identity, index.count()),
            self._wishes(request),
        )

    def _in_collection(self, selection: Selection | None) -> Selection | None:
        """Return the selection, inside the collection that is set unless it names its own."""
        name = self.settings.collection
        if selection and selection.collections:
            return selection
        if not name:
            return selection
        check_collection(name, self.index.collections())
        return replace(selection or Selection(), collections=(name,))

    def _wishes(self, request: Request) -> Wishes:
        settings, k = self.settings, self.settings.top_k if request.k is None else request.k
        if k < 1:
            raise PipelineError(f"{k} passages are asked for", "ask for one or more: -k 8")
        return Wishes(
            top_k=k,
            fusion=settings.fusion,
            passages_tokens=settings.passages_tokens,
            passages_per_file=settings.passages_per_file,
            answer_tokens=settings.answer_tokens,
            refusal_threshold=settings.refusal_threshold,
            strict=settings.strict if request.strict is None else request.strict,
            kind=request.kind,
            history=request.history,
        )

    def _ready_to_search(self, selection: Selection | None) -> Selection | None:
        """Return the selection, inside the collection that is set, that holds something."""
        selection = self._in_collection(selection)
        self._check_there_is_something(selection)
        self.check_index()
        return selection

    def _check_there_is_something(self, selection: Selection | None) -> None:
        if selection and not self.index.count(selection):
            raise PipelineError(
                "no document in the index matches the filter",
                "case counts; rag list shows the documents",
            )
        if not self.index.count():
            raise IndexMissing(
                f"nothing was ingested into {self.settings.index_dir}", "rag ingest FOLDER"
            )

    def _close_reader(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None
