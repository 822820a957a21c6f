"""`rag doctor`, `models`, `serve-embedded`: is the server up, what it offers, the one inside."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from rag.cli.console import Terminal
from rag.cli.options import load_settings, pull, with_server
from rag.cli.show import show_json
from rag.settings import Settings

if TYPE_CHECKING:
    from rag.doctor import Finding

_STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    """List the models of the server, or pull the weights of the embedded one."""
    settings = load_settings(options)
    if options.action == "pull":
        folder = pull(settings, terminal)
        terminal.say(f"the embedded model is ready in {folder}")
        return 0
    return with_server(settings, terminal, lambda chosen: _list(chosen, options, terminal))


def _list(settings: Settings, options: argparse.Namespace, terminal: Terminal) -> int:
    from rag.doctor import describe
    from rag.pipeline import Pipeline

    with Pipeline(settings) as pipeline:
        models = pipeline.models
        urls = dict.fromkeys((settings.embeddings_at, settings.chat_at))
        offers = {url: models.offer(url) for url in urls}
        if options.json:
            show_json(terminal, list(offers.values()))
            return 0
        for url, offer in offers.items():
            terminal.say(f"{offer.server} at {url}", "bold")
            for model in offer.models:
                terminal.say(f"  {model.kind:<10}{describe(model)}")
        choices = {"embedding": models.embedding_choice, "chat": models.chat_choice}
        for what, choice in choices.items():
            terminal.say(f"{what}: {choice.model.id}, {choice.reason}")
    return 0


def run_server(options: argparse.Namespace, terminal: Terminal) -> int:
    """Serve the embedded model on loopback until interrupted."""
    from rag.models.embedded.wire import EmbeddedServer, serve

    settings = load_settings(options)
    pull(settings, terminal)
    server = EmbeddedServer(settings.cache_dir, settings.refusal_threshold)

    def announce(address: str) -> None:
        terminal.note(f"the embedded model answers at {address} (Ctrl-C stops)")

    serve(server, options.port, announce)
    return 0


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
