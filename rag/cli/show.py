"""Records as a program reads them, reports of ingestion as a person does."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rag.cli.console import Terminal

if TYPE_CHECKING:
    from ingest.base.documents import Failure, IngestReport

_LISTED = 20


def show_json(terminal: Terminal, value: object) -> None:
    """Print a record as JSON; escaped where the console could not show it.

    A number that JSON does not have (NaN, infinite) is null.
    """
    plain = asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
    ascii_only = "utf" not in (sys.stdout.encoding or "").lower()
    valid = json.loads(json.dumps(plain, default=_plain), parse_constant=lambda _name: None)
    text = json.dumps(valid, ensure_ascii=ascii_only, indent=2, allow_nan=False)
    terminal.write(text + "\n")


def _plain(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return str(value) if isinstance(value, Path) else list(value)  # type: ignore[call-overload]


def show_report(terminal: Terminal, report: IngestReport) -> None:
    """Print what an ingest did; every skipped file with its reason."""
    counts = [
        f"{len(report.ingested)} indexed ({report.chunks} chunks)",
        f"{report.unchanged} unchanged",
        *([f"{report.moved} moved"] if report.moved else []),
        *([f"{len(report.removed)} removed"] if report.removed else []),
        f"{len(report.skipped)} skipped",
    ]
    terminal.say(", ".join(counts), "bold")
    stages = "  ".join(f"{name} {seconds:.2f}" for name, seconds in report.seconds.items())
    terminal.say(f"seconds: {stages}; {report.embedded} texts embedded", "dim")
    for document, finding in report.notes[:_LISTED]:
        terminal.say(f"  note: {document}: {finding}", "yellow")
    show_skipped(terminal, report.skipped)


def show_skipped(terminal: Terminal, skipped: Sequence[Failure]) -> None:
    """Print each file that is not in the index, and why."""
    for failure in skipped[:_LISTED]:
        terminal.say(f"  skipped: {failure.source_id}: {failure.message}", "yellow")
        if failure.hint:
            terminal.say(f"           fix: {failure.hint}", "dim")
    if len(skipped) > _LISTED:
        terminal.say(f"  ... and {len(skipped) - _LISTED} more: rag status --json", "yellow")
