"""`rag demo`: the main job on the sample documents, with no model server anywhere."""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

from ingest.base.errors import FolderError
from rag.cli.asking.ask import answer_one
from rag.cli.commands.ingest import ingest_with_progress
from rag.cli.console import Terminal
from rag.cli.options import load_settings, prepared
from rag.cli.show import show_report
from rag.history.kept import Request
from rag.models.base.addresses import EMBEDDED
from rag.pipeline import Pipeline
from rag.settings import Settings

QUESTIONS = (
    "How tight do the bolts at the foot of the mast have to be on a Plover 22?",
    "The cups spin in the wind but the portal keeps saying zero. Which fault code is that?",
    "How much holiday do I get per year with a full-time contract?",
    "Wann darf samstags gearbeitet werden?",
    "Does the canteen serve vegetarian meals?",
)


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    """Index the samples into an index of their own and answer questions about them."""
    options.endpoint = options.endpoint or EMBEDDED
    if options.index_dir:
        return _show(load_settings(options), options.question, terminal)
    # Windows does not delete what the search still holds open.
    with TemporaryDirectory(prefix="rag-demo-", ignore_cleanup_errors=True) as folder:
        settings = load_settings(options, index_dir=folder, keep_answers=False)
        return _show(settings, options.question, terminal)


def _show(settings: Settings, question: list[str], terminal: Terminal) -> int:
    prepared(settings, terminal)
    folder = sample_folder()
    terminal.say(f"$ rag ingest {folder}", "bold")
    show_report(terminal, ingest_with_progress(settings, str(folder), terminal))
    with Pipeline(settings) as pipeline:
        for asked in [" ".join(question)] if question else QUESTIONS:
            terminal.say(f'\n$ rag ask "{asked}"', "bold")
            answer_one(pipeline, Request(asked), terminal)
    terminal.note("\nNow yours: rag ingest FOLDER, then rag ask (with LM Studio running,")
    terminal.note("or with --embedded for the model you just saw).")
    return 0


def sample_folder() -> Path:
    """Return the sample documents: those in the package, else those of the checkout."""
    package = Path(__file__).parents[2]
    for folder in (package / "sample_documents", package.parent / "data" / "documents"):
        if folder.is_dir():
            return folder
    raise FolderError("the sample documents are missing", "install the package again")
