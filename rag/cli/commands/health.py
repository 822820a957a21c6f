"""`rag health`: what the index knows badly and what it cannot see, as text, JSON or one page."""

from __future__ import annotations

import argparse
from datetime import datetime
from pathlib import Path

from rag.cli.console import Terminal
from rag.cli.options import load_settings
from rag.cli.show import show_json
from rag.health.report import FileHealth, HealthReport, examine_index
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
    totals = report.totals
    counts = (
        (totals.pages_without_text, "without text (pages)"),
        (totals.low_quality_pages, "of low quality (pages)"),
        (totals.split_chunks, "cut inside a sentence (passages)"),
        (totals.poor, "mostly lost (files)"),
    )
    if told := ", ".join(f"{number} {what}" for number, what in counts if number):
        terminal.note(f"health: {told}; rag health shows where", "yellow")


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
        f"passages   {totals.chunks}, {totals.split_chunks} cut inside a sentence or row, "
        f"{totals.shared_chunks} in more than one file"
    )
    if totals.languages:
        told = ", ".join(f"{name} {number}" for name, number in totals.languages.items())
        terminal.say(f"languages  {told}")
    for concern in report.concerns:
        terminal.say(f"\n{concern.message}", "bold red")
        terminal.say(f"fix: {concern.fix}")
    sick = [file for file in report.files if file.level != "good"]
    for file in sick[:most]:
        _show_file(terminal, file)
    if most is not None and len(sick) > most:
        terminal.note(f"... and {len(sick) - most} more: rag health --all, or --html FILE")
    if not sick:
        terminal.say("every file was read well", "green")


def _show_file(terminal: Terminal, file: FileHealth) -> None:
    terminal.say(f"\n{file.level:<7}{file.id}", _STYLES[file.level])
    for finding in file.findings:
        terminal.say(f"       {finding}")
    if file.fix:
        terminal.say(f"       fix: {file.fix}", "dim")


def _write_page(report: HealthReport, path: Path) -> None:
    from rag.health.page import render_page

    made = datetime.now().astimezone().isoformat(" ", "minutes")
    path.write_text(render_page(report, made), encoding="utf-8")
