"""`rag health`: what the index knows badly and what it cannot see, as text, JSON or one page."""

from __future__ import annotations

import argparse
from datetime import datetime
from pathlib import Path

from ingest.base.errors import PipelineError
from rag.cli.console import Terminal
from rag.cli.options import load_settings
from rag.cli.show import show_json
from rag.health.report import FileHealth, HealthReport, examine_index, name_file
from rag.health.words import count_of, name_with_code
from rag.index.index import Index

_LISTED = 20
_STYLES = {"unread": "red", "poor": "red", "fair": "yellow"}


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    """Show the health of the index; raises IndexMissing.  Loads no heavy package."""
    settings = load_settings(options)
    with Index.open_for_reading(settings.index_dir) as index:
        report = examine_index(index, str(settings.index_dir.resolve()))
    if options.html:
        _write_page(report, Path(options.html))
        terminal.note(f"written: {options.html}")
    if options.json:
        show_json(terminal, report)
    elif not options.html:
        _show(terminal, report, most=None if options.all else _LISTED)
    return 0


def show_summary(terminal: Terminal, report: HealthReport) -> None:
    """Print after a run what is wrong with the index as a whole, and nothing when it is well."""
    for concern in report.concerns:
        terminal.warn(concern.message)
    for fix in dict.fromkeys(concern.fix for concern in report.concerns):
        terminal.note(f"fix: {fix}")
    if told := describe_losses(report):
        terminal.note(f"health: {told}; rag health shows where", "yellow")


def describe_losses(report: HealthReport) -> str:
    """Return what was lost in reading, counted, "" when nothing was."""
    totals = report.totals
    counts = (
        (totals.poor, "file", "mostly lost"),
        (totals.pages_without_text, "page", "without text"),
        (totals.low_quality_pages, "page", "of low quality"),
        (totals.split_chunks, "passage", "cut inside a sentence"),
    )
    return ", ".join(count_of(*count) for count in counts if count[0])


def _show(terminal: Terminal, report: HealthReport, most: int | None) -> None:
    totals = report.totals
    terminal.say(f"index      {report.index}", "bold")
    terminal.say(f"files      {totals.files}, {totals.unread} not read, {totals.poor} mostly lost")
    if totals.pages:
        terminal.say(
            f"pages      {totals.pages}, {totals.pages_without_text} without text, "
            f"{totals.low_quality_pages} of low quality"
        )
    terminal.say(
        f"passages   {totals.chunks}, {totals.texts} of them different, "
        f"{totals.shared_chunks} in more than one file, "
        f"{totals.split_chunks} cut inside a sentence or row"
    )
    if totals.languages:
        told = ", ".join(f"{name_with_code(c)} {number}" for c, number in totals.languages.items())
        terminal.say(f"languages  {told}")
    for concern in report.concerns:
        terminal.say(f"\n{concern.message}", "bold red")
        terminal.say(f"fix: {concern.fix}")
    sick = [file for file in report.files if file.level != "good"]
    for file in sick[:most]:
        _show_file(terminal, file, name_file(file.root, file.id, alone=len(report.roots) < 2))
    if most is not None and len(sick) > most:
        terminal.note(f"... and {len(sick) - most} more: rag health --all, or --html FILE")
    if not report.files:
        terminal.say("the index is empty: rag ingest FOLDER", "yellow")
    elif not sick:
        terminal.say("every file was read well", "green")


def _show_file(terminal: Terminal, file: FileHealth, name: str) -> None:
    terminal.say(f"\n{file.level:<7}{name}", _STYLES[file.level])
    for finding in file.findings:
        terminal.say(f"       {finding}")
    if file.fix:
        terminal.say(f"       fix: {file.fix}", "dim")


def _write_page(report: HealthReport, path: Path) -> None:
    from rag.health.page import render_page

    made = datetime.now().astimezone().isoformat(" ", "minutes")
    if path.is_dir():
        raise PipelineError(
            f"'{path}' is a folder", f"name a file: --html '{path / 'health.html'}'"
        )
    if not path.parent.is_dir():
        raise PipelineError(
            f"there is no folder '{path.parent}'", "make it, or name a file in another folder"
        )
    try:
        path.write_text(render_page(report, made), encoding="utf-8")
    except PermissionError as error:
        raise PipelineError(
            f"'{path}' cannot be written", "name a file where you may write: --html FILE"
        ) from error
