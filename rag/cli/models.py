"""`rag models` and `rag serve-embedded`: what the server offers, and the model inside."""

from __future__ import annotations

import argparse

from rag.cli.console import Terminal
from rag.cli.options import load_settings, pull
from rag.cli.show import show_json
from rag.settings import Settings


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    """List the models of the server, or pull the weights of the embedded one."""
    settings = load_settings(options)
    if options.action == "pull":
        folder = pull(settings, terminal)
        terminal.say(f"the embedded model is ready in {folder}")
        return 0
    return _list(settings, options, terminal)


def _list(settings: Settings, options: argparse.Namespace, terminal: Terminal) -> int:
    from rag.doctor import describe
    from rag.models.discover import list_models
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


def run_server(options: argparse.Namespace, terminal: Terminal) -> int:
    """Serve the embedded model on loopback until interrupted."""
    from rag.models.embedded.wire import EmbeddedServer, serve

    settings = load_settings(options)
    pull(settings, terminal)
    server = EmbeddedServer(settings.cache_dir, settings.refusal_threshold)
    terminal.note(
        f"the embedded model answers at http://127.0.0.1:{options.port}/v1 (Ctrl-C stops)"
    )
    serve(server, options.port)
    return 0
