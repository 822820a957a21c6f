"""Settings in, cases measured under them out, over copies of the index that may be cut anew."""

from __future__ import annotations

import hashlib
import math
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from ingest.base.documents import Progress
from ingest.base.errors import PipelineError
from rag import __version__
from rag.connections import Connections
from rag.evaluation.base.cases import Case
from rag.evaluation.base.rows import Report, Row
from rag.evaluation.pipeline import evaluate
from rag.evaluation.tune.halving import OutOfTime
from rag.evaluation.tune.space import CUTTING, Setting, way_of_cutting
from rag.index.index import Index
from rag.index.transfer import export_index, import_index
from rag.pipeline import Pipeline
from rag.settings import Settings

_COPIES = "indexes"
_NAME = "name"
_MADE_OF = "made-of"


class Bench:
    """Measures retrieval under settings; the person's own index is only read, once.

    There is one copy of the index for each way of cutting documents, in the folder of the run.
    Each begins as a copy of the first, so that no text is embedded again whose vector is known.
    With `docs` the first is made of that folder, else of the index.
    """

    def __init__(
        self,
        settings: Settings,
        folder: Path,
        docs: str | None,
        measures: Sequence[str],
        questions: Sequence[str],
        on_wait: Callable[[str, float], None],
        say: Callable[[str], None],
    ) -> None:
        self._folder = folder / _COPIES
        self._docs, self._measures, self._say = docs, tuple(measures), say
        self._own = settings.index_dir
        self._questions, self._on_wait = questions, on_wait
        update = {"index_dir": self._place(_way(settings)), "keep_answers": False}
        self._settings = settings.model_copy(update=update)
        self._models: dict[str | None, Connections] = {}
        self._pipelines: dict[tuple[object, ...], Pipeline] = {}
        self._failed: dict[tuple[Setting, ...], PipelineError] = {}

    def prepare(self) -> str:
        """Make the first copy, and return a name of what is measured: documents, model, version.

        One of `docs` that a run left behind is brought in line with them.
        """
        first = self._settings.index_dir
        if self._docs:
            self._keep_first(self._docs)
        else:
            shutil.rmtree(first, ignore_errors=True)
            self._copy_own()
        pipeline = self._pipeline(_changes(self._settings), math.inf)
        pipeline.check_index()
        name = self._name(self.index)
        kept = self._folder / _NAME
        if not kept.exists() or kept.read_text("utf-8") != name:
            for copy in self._folder.iterdir():
                if copy.is_dir() and copy != first:
                    shutil.rmtree(copy)
            kept.write_text(name, "utf-8")
        return name

    @property
    def index(self) -> Index:
        """Return the first copy."""
        return self._pipeline(_changes(self._settings), math.inf).index

    @property
    def has_prefix(self) -> bool:
        """Return whether the embedding model wants a text before questions."""
        return bool(self._connect(None).embedder.family.query_prefix)

    def __call__(
        self, changes: Mapping[str, Setting], cases: Sequence[Case], seconds: float
    ) -> Report:
        """Measure cases; raises OutOfTime after so many seconds, and PipelineError."""
        ends = time.monotonic() + seconds
        pipeline = self._pipeline(changes, ends)
        # What acts when one asks is read from the settings with each question.
        pipeline.settings = pipeline.settings.model_copy(update=dict(changes))

        def check(_row: Row) -> None:
            _check(ends)

        return evaluate(pipeline.passages, cases, measures=self._measures, on_row=check)

    def close(self) -> None:
        """Close what is open."""
        for pipeline in self._pipelines.values():
            pipeline.close()

    def remove(self) -> None:
        """Remove the copies, which only a run that was stopped still needs."""
        self.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _name(self, index: Index) -> str:
        told: list[object] = [__version__, index.manifest.identity, self._measures]
        for root in sorted(index.roots()):
            files = sorted(index.known(root).items())
            told += [root, [(id, known.fingerprint) for id, known in files]]
        return hashlib.sha256(repr([*told, self._settings.collection]).encode()).hexdigest()

    def _pipeline(self, changes: Mapping[str, Setting], ends: float) -> Pipeline:
        way, prefix = way_of_cutting(changes), changes["query_prefix"]
        if way in self._failed:
            raise self._failed[way]
        if (*way, prefix) not in self._pipelines:
            update = {**changes, "index_dir": self._place(way)}
            pipeline = Pipeline(self._settings.model_copy(update=update), self._on_wait)
            pipeline.models.close()
            pipeline.models = self._connect(str(prefix) if prefix is not None else None)
            self._pipelines[(*way, prefix)] = pipeline
            try:
                self._cut(pipeline, way, ends)
            except PipelineError as error:
                self._failed[way] = error
                raise
        return self._pipelines[(*way, prefix)]

    def _connect(self, prefix: str | None) -> Connections:
        """Return models that have seen all questions, one for each prefix."""
        if prefix not in self._models:
            settings = self._settings.model_copy(update={"query_prefix": prefix})
            models = self._models[prefix] = Connections(settings, self._on_wait)
            with suppress(PipelineError):  # it is told of with the question that is at fault
                models.prepare(self._questions)
        return self._models[prefix]

    def _cut(self, pipeline: Pipeline, way: tuple[Setting, ...], ends: float) -> None:
        """Bring the copy of a way of cutting in line with the files."""
        place, first = self._place(way), self._settings.index_dir
        if place != first and not place.exists():
            shutil.copytree(first, place)

        def check(_progress: Progress) -> None:
            _check(ends)

        for folder in [self._docs] if self._docs else pipeline.folders():
            if place == first and not Path(folder).exists():
                self._say(f"{folder} is not there: it is measured as it was indexed")
                continue
            report = pipeline.ingest(folder, check)
            if report.ingested:
                self._say(
                    f"{len(report.ingested)} files cut to {report.chunks} chunks of {way[0]} "
                    f"tokens, {way[1]} repeated; {report.embedded} texts embedded"
                )

    def _keep_first(self, docs: str) -> None:
        """Keep what a run that was stopped has read and embedded of the same documents."""
        identity = self._connect(self._settings.query_prefix).embedder.identity
        told = (__version__, str(Path(docs).resolve()), self._settings.collection, identity)
        made_of = repr(told)
        file = self._folder / _MADE_OF
        if not file.exists() or file.read_text("utf-8") != made_of:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder.mkdir(mode=0o700, parents=True)
            file.write_text(made_of, "utf-8")

    def _copy_own(self) -> None:
        with tempfile.TemporaryDirectory(prefix="rag-tune-") as folder:
            file = Path(folder) / "index.zip"
            export_index(self._own, file)
            import_index(file, self._settings.index_dir)

    def _place(self, way: tuple[Setting, ...]) -> Path:
        return self._folder / "-".join(map(str, way))


def _way(settings: Settings) -> tuple[Setting, ...]:
    return tuple(getattr(settings, name) for name in CUTTING)


def _changes(settings: Settings) -> dict[str, Setting]:
    return {name: getattr(settings, name) for name in (*CUTTING, "query_prefix")}


def _check(ends: float) -> None:
    if time.monotonic() > ends:
        raise OutOfTime("there was no time left for it", "give more: --minutes 30")
