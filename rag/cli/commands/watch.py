"""`rag watch`: index folders, then follow their changes, one line for each round."""

from __future__ import annotations

import argparse
import os
from contextlib import suppress
from pathlib import Path
from typing import Self

from ingest.base.documents import IngestReport
from ingest.base.errors import FolderError, PipelineError
from rag.cli.commands.health import describe_losses, show_summary
from rag.cli.commands.ingest import chosen_folders, warn_of_held_back
from rag.cli.console import Terminal
from rag.cli.options import load_settings, other_server, prepared, warn_of_remote
from rag.cli.show import show_skipped
from rag.health.report import examine_index
from rag.health.words import count_of
from rag.index.index import Index
from rag.models.base.errors import EndpointUnreachable
from rag.pipeline import Pipeline
from rag.settings import Settings
from rag.watch import Watcher


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    """Index the folders, or all known ones, and follow them until interrupted."""
    settings = prepared(load_settings(options), terminal)
    with Rounds(settings, terminal) as rounds:
        folders = _folders(rounds.pipeline, options.folders, terminal)

        def done(folder: Path, report: IngestReport, seconds: float) -> None:
            if line := describe_round(report, seconds):
                terminal.say(f"{folder}: {line}" if len(folders) > 1 else line)
            rounds.tell_new(folder, report)

        def failed(folder: Path, error: PipelineError) -> None:
            terminal.fail(error)
            terminal.note(f"{folder} waits and is tried again")

        terminal.note(f"following {', '.join(map(str, folders))} (Ctrl-C stops)")
        Watcher(
            ingest=rounds.ingest,
            done=done,
            failed=failed,
            note=terminal.note,
            index_dir=settings.index_dir,
            hidden_files=settings.hidden_files,
            poll=options.poll,
        ).follow(folders)
    return 0


def _folders(pipeline: Pipeline, named: list[str], terminal: Terminal) -> list[Path]:
    """Return the folders to follow; one that is not there must be known to the index."""
    known = pipeline.folders()
    for name in named:
        if Path(name).is_file():
            raise FolderError(f"'{name}' is a file", "name the folder it is in")
        if not Path(name).exists() and os.path.realpath(name) not in known:
            raise FolderError(f"there is no folder '{name}'", "name an existing folder to follow")
    chosen = chosen_folders(pipeline, named)
    for folder in (folder for folder, whole in chosen.items() if not whole):
        terminal.note(f"{folder} is not followed: only single files of it were ingested")
    if not any(chosen.values()):
        raise FolderError("no folder of the index was ingested whole", "rag watch FOLDER")
    return [Path(folder) for folder, whole in chosen.items() if whole]


def describe_round(report: IngestReport, seconds: float) -> str:
    """Return what a round did on one line, "" when it was nothing."""
    counts = (
        (len(report.ingested), "changed"),
        (report.moved, "moved"),
        (len(report.removed), "removed"),
    )
    parts = [f"{count} {word}" for count, word in counts if count]
    return (
        ", ".join((*parts, count_of(report.chunks, "chunk"), f"{seconds:.1f} s")) if parts else ""
    )


class Rounds:
    """Ingests again and again through one pipeline, which connects anew after an error."""

    def __init__(self, settings: Settings, terminal: Terminal) -> None:
        self.pipeline = Pipeline(settings, terminal.on_wait)
        self._terminal = terminal
        self._warned: set[str] = set()
        self._held_back: dict[Path, int] = {}
        self._model = ""
        self._skipped: dict[Path, dict[str, tuple[str, str]]] = {}
        self._health: object = None

    def ingest(self, folder: Path) -> IngestReport:
        """Bring a folder in line; another server is used when the usual one does not run."""
        try:
            return self._ingest(folder)
        except EndpointUnreachable:
            other = other_server(self.pipeline.settings, self._terminal)
            if other is None:
                raise
        self.pipeline = Pipeline(other, self._terminal.on_wait)
        return self._ingest(folder)

    def _ingest(self, folder: Path) -> IngestReport:
        try:
            self._tell_model()
            report = self.pipeline.ingest(folder)
        except PipelineError:
            self.pipeline.close()
            raise
        for warning in self.pipeline.warnings:
            if warning not in self._warned:
                self._terminal.warn(warning)
        self._warned.update(self.pipeline.warnings)
        self.tell_held_back(folder, report)
        return report

    def tell_held_back(self, folder: Path, report: IngestReport) -> None:
        """Say how many removals wait for a person's word, when that number changed."""
        if len(report.held_back) != self._held_back.get(folder, 0):
            warn_of_held_back(report, self._terminal)
        self._held_back[folder] = len(report.held_back)

    def tell_new(self, folder: Path, report: IngestReport) -> None:
        """Print which files are skipped since now, and the health of the index when it changed."""
        before = self._skipped.get(folder, {})
        # What changed while it was read is read again soon.
        skipped = [failure for failure in report.skipped if failure.reason != "changed"]
        now = {f.source_id: (f.reason, f.message) for f in skipped}
        new = [f for f in skipped if before.get(f.source_id) != now[f.source_id]]
        show_skipped(self._terminal, new)
        self._skipped[folder] = now
        is_quiet = not (report.ingested or report.removed or before != now)
        if is_quiet and self._health is not None:
            return
        with suppress(PipelineError):  # The next round says what is wrong with the index.
            self._tell_health()

    def _tell_health(self) -> None:
        folder = self.pipeline.settings.index_dir
        with Index.open_for_reading(folder) as index:
            health = examine_index(index, str(folder.resolve()))
        told = (health.concerns, describe_losses(health))
        if told != self._health:
            show_summary(self._terminal, health)
        self._health = told

    def _tell_model(self) -> None:
        choice = self.pipeline.models.servers.embedding_choice
        model = f"embedding with {choice.model.id} ({choice.reason})"
        if model != self._model:
            warn_of_remote(choice, self._terminal)
            self._terminal.note(model)
        self._model = model

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.pipeline.close()
