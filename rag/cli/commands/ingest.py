"""`rag ingest`: index a folder, with a progress bar and a report."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from ingest.base.documents import IngestReport, Plan
from rag.cli.console import Terminal
from rag.cli.main import EXIT_SKIPPED
from rag.cli.options import load_settings, warn_of_remote, with_server
from rag.cli.show import show_json, show_report
from rag.settings import Settings


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    """Index the folder; 3 under --strict when a file was skipped."""
    settings = load_settings(options)
    if options.dry_run:
        return _show_plan(settings, options, terminal)

    def action(chosen: Settings) -> IngestReport:
        return ingest_with_progress(chosen, options.folder, terminal)

    report = with_server(settings, terminal, action)
    if options.json:
        show_json(terminal, report)
    else:
        show_report(terminal, report)
        terminal.note(f'index: {settings.index_dir}; next: rag ask "your question"')
    return EXIT_SKIPPED if options.strict and report.skipped else 0


def ingest_with_progress(settings: Settings, folder: str, terminal: Terminal) -> IngestReport:
    """Index the folder and show how far it is on a terminal."""
    from ingest.pipeline import check_folder
    from rag.pipeline import Pipeline

    with Pipeline(settings, terminal.on_wait) as pipeline:
        check_folder(Path(folder))
        with terminal.waiting("connecting to the model ..."):
            choice = pipeline.models.servers.embedding_choice
        warn_of_remote(choice, terminal)
        terminal.note(f"embedding with {choice.model.id} ({choice.reason})")
        with terminal.ingest_bar() as on_progress:
            report = pipeline.ingest(folder, on_progress)
        for warning in pipeline.warnings:
            terminal.warn(warning)
        return report


def _show_plan(settings: Settings, options: argparse.Namespace, terminal: Terminal) -> int:
    from rag.pipeline import Pipeline

    with Pipeline(settings) as pipeline:
        plan = pipeline.plan(options.folder)
    if options.json:
        show_json(terminal, plan)
        return 0
    for word, names in _plan_lines(plan):
        for name in names:
            terminal.say(f"{word:<10}{name}")
    terminal.say(f"{len(plan.unchanged) + len(plan.touched)} unchanged; nothing was written", "dim")
    return EXIT_SKIPPED if options.strict and plan.skipped else 0


def _plan_lines(plan: Plan) -> Iterator[tuple[str, list[str]]]:
    yield "new", [source.id for source in plan.new]
    yield "changed", [source.id for source in plan.changed]
    yield "moved", [f"{move.old_id} -> {move.source.id}" for move in plan.moved]
    yield "removed", list(plan.vanished)
    yield "skipped", [f"{failure.source_id}: {failure.message}" for failure in plan.skipped]
