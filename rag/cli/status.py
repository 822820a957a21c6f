"""`rag status`: what is in the index; starts without any heavy package."""

from __future__ import annotations

import argparse

from rag.cli.console import Terminal
from rag.cli.options import load_settings
from rag.cli.show import show_json
from rag.index.index import Index


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    """Show the index; raises IndexMissing when there is none."""
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
    terminal.say(f"last ingest  {status.last_ingest or 'never finished'}")
    if status.pending:
        terminal.say(f"pending      {status.pending} changes not yet in Chroma; still found", "dim")
    for document in documents:
        if document.status == "skipped":
            terminal.say(f"  skipped: {document.id}: {document.message}", "yellow")
            if document.hint:
                terminal.say(f"           fix: {document.hint}", "dim")
    return 0
