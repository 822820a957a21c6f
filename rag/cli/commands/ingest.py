"""`rag ingest`: index folders, with a progress bar and a report for each."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.base.documents import IngestReport, Plan
from ingest.base.errors import FolderError, PipelineError
from ingest.discover.plan import many_vanish
from rag.cli.commands.health import show_summary
from rag.cli.console import Terminal
from rag.cli.main import EXIT_SKIPPED
from rag.cli.options import load_settings, warn_of_remote, with_server
from rag.cli.show import show_json, show_report
from rag.settings import Settings

if TYPE_CHECKING:
    from rag.pipeline import Pipeline


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one folder: a report or a plan, or why there is none."""

    folder: str
    report: IngestReport | None = None
    plan: Plan | None = None
    error: str = ""
    fix: str = ""

    @property
    def failed(self) -> bool:
        """Tell whether not all was done that should be."""
        return bool(self.error or (self.report and self.report.held_back))

    @property
    def skipped(self) -> bool:
        """Tell whether a file was passed over that should perhaps not be."""
        return any(done.skipped for done in (self.report, self.plan) if done)


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    """Index the folders, or all known ones; 3 under --strict when a file was skipped."""
    settings = load_settings(options)

    def action(chosen: Settings) -> list[Outcome]:
        return _run_all(chosen, options, terminal)

    outcomes = action(settings) if options.dry_run else with_server(settings, terminal, action)
    if options.json:
        # One folder named gives its report alone, else there is a list with the folders.
        alone = outcomes[0].plan or outcomes[0].report if len(options.folders) == 1 else None
        show_json(terminal, alone or outcomes)
    elif not options.dry_run:
        terminal.note(f'index: {settings.index_dir}; next: rag ask "your question"')
    if any(outcome.failed for outcome in outcomes):
        return PipelineError.exit_code
    return EXIT_SKIPPED if options.strict and any(o.skipped for o in outcomes) else 0


def _run_all(settings: Settings, options: argparse.Namespace, terminal: Terminal) -> list[Outcome]:
    """Bring each folder in line; one that cannot be does not stop the others."""
    from rag.pipeline import Pipeline

    with Pipeline(settings, terminal.on_wait) as pipeline:
        folders = chosen_folders(pipeline, options.folders)
        if not options.dry_run:
            _connect(pipeline, [Path(folder) for folder in folders], terminal)
        outcomes = []
        for folder, whole in folders.items():
            if len(folders) > 1 and not options.json:
                terminal.say(folder, "bold")
            try:
                outcomes.append(_run_one(pipeline, folder, options, terminal, known_only=not whole))
            except FolderError as error:
                if len(folders) == 1:
                    raise
                terminal.fail(error)
                outcomes.append(Outcome(folder, error=error.message, fix=error.hint))
        if not options.dry_run and not options.json:
            show_summary(terminal, pipeline.health())
        return outcomes


def chosen_folders(pipeline: Pipeline, named: list[str]) -> Mapping[str, bool]:
    """Return the folders named, else all of the index; False for those known in part only."""
    once = {os.path.realpath(name): name for name in reversed(named)}
    folders = dict.fromkeys(reversed(once.values()), True) or pipeline.folders()
    if not folders:
        raise FolderError("no folder is named, and the index has none", "rag ingest FOLDER")
    return folders


def _run_one(
    pipeline: Pipeline,
    folder: str,
    options: argparse.Namespace,
    terminal: Terminal,
    *,
    known_only: bool,
) -> Outcome:
    if options.dry_run:
        plan = pipeline.plan(folder, known_only=known_only)
        _tell_whole(folder, plan.folder, terminal)
        if not options.json:
            _show_plan(plan, terminal)
        return Outcome(folder, plan=plan)
    with terminal.ingest_bar() as on_progress:
        report = pipeline.ingest(
            folder, on_progress, remove_many=options.yes, known_only=known_only
        )
    _tell_whole(folder, report.folder, terminal)
    for warning in pipeline.warnings:
        terminal.warn(warning)
    if not options.json:
        show_report(terminal, report)
        show_passed_over(terminal, report.ignored, report.hidden)
    warn_of_held_back(report, terminal)
    return Outcome(folder, report=report)


def _tell_whole(folder: str, whole: str, terminal: Terminal) -> None:
    if os.path.realpath(folder) != whole:
        terminal.note(f"'{folder}' is part of '{whole}': all of that is brought in line")


def warn_of_held_back(report: IngestReport, terminal: Terminal) -> None:
    """Say which removals wait for a person's word, and how to give it."""
    if number := len(report.held_back):
        terminal.fail(
            FolderError(
                f"{number} documents are not in '{report.folder}' any more, most of what was read "
                "from it; they were not removed",
                f"if they were deleted on purpose: rag ingest '{report.folder}' --yes",
            )
        )


def ingest_with_progress(
    settings: Settings, folder: str, terminal: Terminal, *, remove_many: bool = False
) -> IngestReport:
    """Index one folder and show how far it is on a terminal."""
    from rag.pipeline import Pipeline

    with Pipeline(settings, terminal.on_wait) as pipeline:
        _connect(pipeline, [Path(folder)], terminal)
        with terminal.ingest_bar() as on_progress:
            report = pipeline.ingest(folder, on_progress, remove_many=remove_many)
        for warning in pipeline.warnings:
            terminal.warn(warning)
        return report


def _connect(pipeline: Pipeline, folders: list[Path], terminal: Terminal) -> None:
    """Make sure of the model and say which it is, unless there is no folder to read."""
    if len(folders) == 1:
        pipeline.check_folder(folders[0])
    with terminal.waiting("connecting to the model ..."):
        choice = pipeline.models.servers.embedding_choice
    warn_of_remote(choice, terminal)
    terminal.note(f"embedding with {choice.model.id} ({choice.reason})")


def show_passed_over(terminal: Terminal, ignored: int, hidden: int) -> None:
    """Say how many entries were not looked at, and why; files in a folder are not counted."""
    parts = [f"{ignored} by .ragignore"] if ignored else []
    parts += [f"{hidden} hidden or of tools"] if hidden else []
    if parts:
        terminal.say(f"entries passed over: {', '.join(parts)}", "dim")


def _show_plan(plan: Plan, terminal: Terminal) -> None:
    for word, names in _plan_lines(plan):
        for name in names:
            terminal.say(f"{word:<10}{name}")
    show_passed_over(terminal, len(plan.ignored), plan.hidden)
    if gone := many_vanish(plan):
        terminal.warn(f"{gone} documents would vanish; rag ingest removes them only with --yes")
    terminal.say(f"{len(plan.unchanged) + len(plan.touched)} unchanged; nothing was written", "dim")


def _plan_lines(plan: Plan) -> Iterator[tuple[str, list[str]]]:
    yield "new", [source.id for source in plan.new]
    yield "changed", [source.id for source in plan.changed]
    yield "moved", [f"{move.old_id} -> {move.source.id}" for move in plan.moved]
    yield "removed", list(plan.vanished)
    yield "skipped", [f"{failure.source_id}: {failure.message}" for failure in plan.skipped]
