"""`rag watch`: index folders, then follow their changes, one line for each round."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Self

from ingest.base.documents import IngestReport
from ingest.base.errors import FolderError, PipelineError
from rag.cli.commands.ingest import chosen_folders
from rag.cli.console import Terminal
from rag.cli.options import load_settings, other_server, prepared
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
    return ", ".join((*parts, f"{report.chunks} chunks", f"{seconds:.1f} s")) if parts else ""


class Rounds:
    """Ingests again and again through one pipeline, which connects anew after an error."""

    def __init__(self, settings: Settings, terminal: Terminal) -> None:
        self.pipeline = Pipeline(settings, terminal.on_wait)
        self._terminal = terminal
        self._warned: set[str] = set()

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
            report = self.pipeline.ingest(folder)
        except PipelineError:
            self.pipeline.close()
            raise
        for warning in self.pipeline.warnings:
            if warning not in self._warned:
                self._terminal.warn(warning)
        self._warned.update(self.pipeline.warnings)
        return report

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.pipeline.close()
