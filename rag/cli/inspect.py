"""`rag status` and `rag doctor`: what is in the index, and whether all is well."""

from __future__ import annotations

import argparse
from datetime import datetime
from typing import TYPE_CHECKING

from ingest.base.documents import Failure
from rag.cli.console import Terminal
from rag.cli.options import load_settings
from rag.cli.show import show_json, show_skipped
from rag.index.index import Index

if TYPE_CHECKING:
    from rag.doctor import Finding


_STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}


def run_status(options: argparse.Namespace, terminal: Terminal) -> int:
    """Show the index; raises IndexMissing when there is none.  Loads no heavy package."""
    settings = load_settings(options)
    with Index.open_for_reading(settings.index_dir) as index:
        status = index.status()
        documents = index.documents()
    if options.json:
        show_json(terminal, {"status": status, "documents": documents})
        return 0
    made = status.manifest
    terminal.say(f"index        {settings.index_dir.resolve()}", "bold")
    terminal.say(f"folders      {', '.join(status.roots) or 'none'}")
    terminal.say(f"documents    {status.documents} ({status.skipped} skipped)")
    terminal.say(f"chunks       {status.chunks}")
    terminal.say(f"embedded by  {made.embedding_model}, {made.dimension} dimensions")
    terminal.say(f"size         {status.bytes_on_disk / 1e6:.1f} MB")
    terminal.say(f"last ingest  {_when(status.ingested_ns)}")
    if status.pending:
        terminal.say(f"pending      {status.pending} changes not yet in Chroma; still found", "dim")
    skipped = [d for d in documents if d.status == "skipped"]
    show_skipped(terminal, [Failure(d.id, d.reason, d.message, d.hint) for d in skipped])
    return 0


def _when(clock_ns: int | None) -> str:
    if clock_ns is None:
        return "never finished"
    return datetime.fromtimestamp(clock_ns / 1e9).astimezone().isoformat(" ", "minutes")


def run_doctor(options: argparse.Namespace, terminal: Terminal) -> int:
    """Show all findings; 1 when something fails."""
    from rag.doctor import examine

    settings = load_settings(options)
    findings: list[Finding] = []
    for finding in examine(settings):
        findings.append(finding)
        if not options.json:
            _show(terminal, finding)
    if options.json:
        show_json(terminal, findings)
    return int(any(finding.level == "fail" for finding in findings))


def _show(terminal: Terminal, finding: Finding) -> None:
    terminal.say(f"{finding.level:<5}", _STYLES[finding.level], end="")
    terminal.say(f"{finding.subject}: {finding.message}")
    if finding.fix and finding.level != "ok":
        terminal.say(f"     fix: {finding.fix}", "dim")
