"""`rag status`, `verify`, `repair`, `remove`: what is in the index and whether it is sound."""

from __future__ import annotations

import argparse
import os
from datetime import datetime

from ingest.base.documents import Failure
from ingest.base.errors import FolderError
from rag.cli.console import Terminal
from rag.cli.options import load_settings
from rag.cli.show import show_json, show_skipped
from rag.index.index import Index
from rag.index.store.records import storable
from rag.index.upkeep import rebuild, verify


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


def run_verify(options: argparse.Namespace, terminal: Terminal) -> int:
    """Show what is wrong with the index; 1 when something is.  Changes nothing."""
    settings = load_settings(options)
    findings = verify(settings.index_dir)
    for finding in findings:
        terminal.say(f"damaged: {finding}", "yellow")
    if findings:
        terminal.note("fix: rag repair")
    else:
        terminal.say("the index is sound", "green")
    return int(bool(findings))


def run_repair(options: argparse.Namespace, terminal: Terminal) -> int:
    """Build Chroma anew from the catalogue; 1 when that did not help."""
    settings = load_settings(options)
    with terminal.waiting("building the Chroma index from the catalogue ..."):
        rebuild(settings.index_dir)
        findings = verify(settings.index_dir)
    for finding in findings:
        terminal.say(f"still damaged: {finding}", "yellow")
    if not findings:
        terminal.say("the index is sound", "green")
    return int(bool(findings))


def run_remove(options: argparse.Namespace, terminal: Terminal) -> int:
    """Forget all documents of a folder; the files themselves are not touched."""
    settings = load_settings(options)
    with Index.open_for_reading(settings.index_dir) as index:
        roots, manifest = index.roots(), index.manifest
    wanted = storable(os.path.realpath(options.folder))
    if wanted not in roots:
        raise FolderError(
            f"'{wanted}' is no folder of this index", f"it has: {', '.join(roots) or 'none'}"
        )
    with Index.open_for_writing(settings.index_dir, manifest, command="rag remove") as index:
        removed = index.remove_root(wanted)
    terminal.say(f"{removed} documents of {wanted} forgotten; the files are still there")
    return 0
