"""`rag doctor`: each finding with its fix."""

from __future__ import annotations

import argparse

from rag.cli.console import Terminal
from rag.cli.options import load_settings
from rag.cli.show import show_json
from rag.doctor import Finding, examine

_STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    """Show all findings; 1 when something fails."""
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
