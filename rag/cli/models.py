"""`rag models` and `rag serve-embedded`: what the server offers, and the model inside."""

from __future__ import annotations

import argparse

from rag.cli.console import Terminal
from rag.cli.options import load_settings, prepared
from rag.cli.show import show_json
from rag.settings import EMBEDDED, Settings


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    """List the models, pull the weights, or serve the embedded model."""
    settings = load_settings(options)
    if options.command == "serve-embedded":
        return _serve(settings, options.port, terminal)
    if options.action == "pull":
        folder = pull(settings, terminal)
        terminal.say(f"the embedded model is ready in {folder}")
        return 0
    return _list(settings, options, terminal)


def pull(settings: Settings, terminal: Terminal) -> str:
    """Fetch the weights of the embedded model if they are not there; return their folder."""
    from rag.models.embedded.weights import are_weights_present, model_folder, pull_weights

    if are_weights_present(settings.cache_dir):
        return str(model_folder(settings.cache_dir))
    terminal.note("fetching the embedded model all-MiniLM-L6-v2 (91 MB, once) ...")
    if not terminal.err.is_terminal:
        return str(pull_weights(settings.cache_dir, lambda _label, _done, _total: None))
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, TimeRemainingColumn(), console=terminal.err, transient=True) as bar:
        task = bar.add_task("", total=None)

        def show(label: str, done: int, total: int) -> None:
            bar.update(task, description=label, completed=done, total=total or None)

        return str(pull_weights(settings.cache_dir, show))


def _list(settings: Settings, options: argparse.Namespace, terminal: Terminal) -> int:
    from rag.doctor import describe
    from rag.models.choose import list_models
    from rag.pipeline import Pipeline

    with Pipeline(settings) as pipeline:
        urls = dict.fromkeys((settings.embeddings_at, settings.chat_at))
        offers = [list_models(pipeline.endpoint(url)) for url in urls]
        if options.json:
            show_json(terminal, offers)
            return 0
        for url, offer in zip(urls, offers, strict=True):
            terminal.say(f"{offer.server} at {url}", "bold")
            for model in offer.models:
                terminal.say(f"  {model.kind:<10}{describe(model)}")
        for what, choice in (
            ("embedding", pipeline.embedding_choice),
            ("chat", pipeline.chat_choice),
        ):
            terminal.say(f"{what}: {choice.model.id}, {choice.reason}")
    return 0


def _serve(settings: Settings, port: int, terminal: Terminal) -> int:
    from rag.models.embedded.wire import EmbeddedServer, serve

    prepared(settings.model_copy(update={"endpoint": EMBEDDED}), terminal)
    server = EmbeddedServer(settings.cache_dir, settings.refusal_threshold)
    terminal.say(f"the embedded model answers at http://127.0.0.1:{port}/v1 (Ctrl-C stops)")
    serve(server, port)
    return 0
