"""`rag doctor`, `models`, `serve-embedded`: is the server up, what it offers, the one inside."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from ingest.base.errors import PipelineError
from rag.cli.console import Terminal
from rag.cli.options import load_settings, pull, with_server
from rag.cli.show import show_json
from rag.settings import Settings

if TYPE_CHECKING:
    from rag.findings import Finding
    from rag.models.choose import Choice
    from rag.models.discover import ModelInfo, Offer

_STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}
_HEADS = ("model", "kind", "state", "quant", "context/most", "parallel")
_SHORTEST_NAME = 16


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    """List the models of the server, or pull the weights of the embedded one."""
    settings = load_settings(options)
    if options.action == "pull":
        folder = pull(settings, terminal)
        terminal.say(f"the embedded model is ready in {folder}")
        return 0
    return with_server(settings, terminal, lambda chosen: _list(chosen, options, terminal))


def _list(settings: Settings, options: argparse.Namespace, terminal: Terminal) -> int:
    from rag.pipeline import Pipeline

    with Pipeline(settings, on_wait=terminal.on_wait) as pipeline:
        servers = pipeline.models.servers
        urls = dict.fromkeys((settings.embeddings_at, settings.chat_at))
        offers = {url: servers.offer(url) for url in urls}
        roles = servers.roles()
    if options.json:
        described = [{"url": url, **_plain_offer(offer)} for url, offer in offers.items()]
        chosen: dict[str, object] = {
            role.name: _plain_choice(role.choice, role.url) for role in roles
        }
        show_json(terminal, {"servers": described, **chosen})
    else:
        for url, offer in offers.items():
            used = [role.model.id for role in roles if role.url == url and role.model]
            terminal.say(f"{offer.server} at {url}", "bold")
            show_table(terminal, offer.models, used)
        for role in roles:
            terminal.say(f"{role.name}: {_describe_choice(role.choice)}")
    return int(not all(role.model for role in roles))


def _describe_choice(choice: Choice | PipelineError) -> str:
    if isinstance(choice, PipelineError):
        return f"none — {choice.message}\nfix: {choice.hint}"
    return f"{choice.model.id} — {choice.reason}"


def _plain_offer(offer: Offer) -> Mapping[str, object]:
    return {"server": offer.server, "source": offer.source, "models": offer.models}


def _plain_choice(choice: Choice | PipelineError, url: str) -> Mapping[str, object]:
    if isinstance(choice, PipelineError):
        return {"error": choice.message, "fix": choice.hint}
    return {"model": choice.model.id, "server": url, "reason": choice.reason}


def show_table(terminal: Terminal, models: Sequence[ModelInfo], used: Iterable[str]) -> None:
    """Print one line for each model, marked where it is used; long names give way to the rest."""
    if not models:
        terminal.say("  no models")
        return
    rows = [_HEADS, *map(_cells, models)]
    # A column of which the server says nothing is left out.
    told = [i for i in range(len(_HEADS)) if i == 0 or any(row[i] for row in rows[1:])]
    widths = {i: max(len(row[i]) for row in rows) for i in told}
    if terminal.out.is_terminal:
        others = sum(2 + widths[i] for i in told[1:])
        room = terminal.out.width - len("→ ") - others
        widths[0] = min(widths[0], max(room, _SHORTEST_NAME))
    for row in rows:
        cells = [_shorten(row[i], widths[i]).ljust(widths[i]) for i in told]
        mark = "→" if row is not _HEADS and row[0] in used else " "
        style = "dim" if row is _HEADS else "green" if mark == "→" else ""
        terminal.say(f"{mark} {'  '.join(cells)}".rstrip(), style)


def _cells(model: ModelInfo) -> tuple[str, ...]:
    from rag.models.choose import runs_elsewhere

    state = {True: "loaded", False: "not loaded", None: ""}[model.loaded]
    if runs_elsewhere(model):
        state = f"at {model.remote_host or 'another machine'}"
    now, most = model.context_tokens, model.max_context_tokens
    return (
        model.id,
        "" if model.kind == "unknown" else model.kind,
        state,
        model.quantisation or "",
        f"{now or '-'}/{most or '-'}" if now or most else "",
        str(model.parallel or ""),
    )


def _shorten(text: str, width: int) -> str:
    """Return text of at most that width; its middle goes: both ends tell models apart."""
    if len(text) <= width:
        return text
    head = (width - 1) // 2
    return f"{text[:head]}…{text[len(text) - (width - 1 - head) :]}"


def run_server(options: argparse.Namespace, terminal: Terminal) -> int:
    """Serve the embedded model on loopback until interrupted."""
    from rag.models.embedded.wire import EmbeddedServer, serve

    settings = load_settings(options)
    pull(settings, terminal)
    server = EmbeddedServer(settings.cache_dir)

    def announce(address: str) -> None:
        terminal.note(f"the embedded model answers at {address} (Ctrl-C stops)")

    serve(server, options.port, announce)
    return 0


def run_doctor(options: argparse.Namespace, terminal: Terminal) -> int:
    """Show all findings; 1 when something fails."""
    from rag.doctor import examine

    settings = load_settings(options)
    findings: list[Finding] = []
    for finding in examine(settings, probe=options.probe, on_wait=terminal.on_wait):
        findings.append(finding)
        if not options.json:
            _show(terminal, finding)
    if options.json:
        show_json(terminal, findings)
    return int(any(finding.level == "fail" for finding in findings))


def _show(terminal: Terminal, finding: Finding) -> None:
    terminal.say(f"{finding.level:<5}", _STYLES[finding.level], end="")
    terminal.say(f"{finding.subject + ':':<17}{finding.message}")
    if finding.fix and finding.level != "ok":
        terminal.say(f"     {'fix:':<17}{finding.fix}", "dim")
