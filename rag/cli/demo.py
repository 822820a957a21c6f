"""`rag demo`: the main job on the sample documents, with no model server anywhere."""

from __future__ import annotations

import argparse
from pathlib import Path

from ingest.base.errors import FolderError
from rag.cli.ask import answer_one
from rag.cli.console import Terminal
from rag.cli.ingest import ingest_with_progress
from rag.cli.options import load_settings, prepared
from rag.cli.show import show_report
from rag.pipeline import Pipeline
from rag.settings import EMBEDDED

QUESTIONS = (
    "How tight do the bolts at the foot of the mast have to be on a Plover 22?",
    "The cups spin in the wind but the portal keeps saying zero. Which fault code is that?",
    "How much holiday do I get per year with a full-time contract?",
    "Wann darf samstags gearbeitet werden?",
    "Does the canteen serve vegetarian meals?",
)


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    """Index the samples into an index of their own and answer questions about them."""
    overrides: dict[str, object] = {}
    if options.endpoint is None:
        overrides["endpoint"] = EMBEDDED
    settings = load_settings(options, **overrides)
    if options.index_dir is None:
        settings = settings.model_copy(update={"index_dir": settings.cache_dir / "demo-index"})
    prepared(settings, terminal)
    folder = sample_folder()
    terminal.say(f"$ rag ingest {folder}", "bold")
    show_report(terminal, ingest_with_progress(settings, str(folder), terminal))
    questions = [" ".join(options.question)] if options.question else QUESTIONS
    with Pipeline(settings) as pipeline:
        for question in questions:
            terminal.say(f'\n$ rag ask "{question}"', "bold")
            answer_one(pipeline, question, None, terminal)
    terminal.note("\nNow yours: rag ingest FOLDER, then rag ask (with LM Studio running,")
    terminal.note("or with --embedded for the model you just saw).")
    return 0


def sample_folder() -> Path:
    """Return the sample documents: those in the package, else those of the checkout."""
    package = Path(__file__).parents[1]
    for folder in (package / "sample_documents", package.parent / "data" / "documents"):
        if folder.is_dir():
            return folder
    raise FolderError("the sample documents are missing", "install the package again")
