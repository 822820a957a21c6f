"""`rag compact`, `export`, `import`, `migrate`: the index made smaller, moved, remodelled."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.base.errors import SettingsError
from rag.cli.console import Terminal
from rag.cli.options import load_settings, prepared, warn_of_remote
from rag.cli.show import show_json
from rag.models.base.addresses import EMBEDDED
from rag.settings import Settings

if TYPE_CHECKING:
    from rag.index.care.package import Contents
    from rag.index.migrate import Migrated

_LISTED = 20


def run_compact(options: argparse.Namespace, terminal: Terminal) -> int:
    """Drop what nobody needs and say how many bytes that gave back."""
    from rag.index.repair import compact

    settings = load_settings(options)
    with terminal.waiting("compacting ..."):
        done = compact(settings.index_dir)
    if options.json:
        show_json(terminal, done)
        return 0
    before, after = done.bytes_before / 1e6, done.bytes_after / 1e6
    terminal.say(f"{before:.1f} MB before, {after:.1f} MB now", "bold")
    terminal.say(f"{done.vectors_dropped} vectors that no passage needs are gone")
    if done.chroma_renewed:
        terminal.say("Chroma was made anew, without the vectors that were deleted")
    return 0


def run_export(options: argparse.Namespace, terminal: Terminal) -> int:
    """Write the index to one file, whoever reads or writes it meanwhile."""
    from rag.index.transfer import export_index

    settings = load_settings(options)
    file = Path(options.file)
    with terminal.waiting("exporting ..."):
        contents = export_index(
            settings.index_dir, file, replace=options.force, unused_vectors=not options.lean
        )
    if options.json:
        show_json(terminal, contents)
        return 0
    terminal.say(f"{file}: {_describe(contents)}, {file.stat().st_size / 1e6:.1f} MB")
    terminal.note("it holds the text of your documents: keep it as you keep them")
    return 0


def run_import(options: argparse.Namespace, terminal: Terminal) -> int:
    """Make the index from an exported file, then verify it; 1 when it is not sound."""
    from rag.index.transfer import import_index
    from rag.index.verify import verify
    from rag.query.evidence.calibration import forget_calibration

    settings = load_settings(options)
    with terminal.waiting("importing ..."):
        done = import_index(
            Path(options.file),
            settings.index_dir,
            replace=options.force,
            roots=_places(options.root),
        )
        is_forgotten = forget_calibration(settings.index_dir)
        findings = verify(settings.index_dir)
    damaged = any(finding.damage for finding in findings)
    if options.json:
        show_json(terminal, {"imported": done, "sound": not damaged, "findings": findings})
        return int(damaged)
    terminal.say(f"imported {_describe(done.contents)}")
    if is_forgotten:
        terminal.note("what was calibrated for the index before is gone: rag calibrate")
    if done.warning:
        terminal.warn(done.warning)
    for finding in findings:
        if finding.damage:
            terminal.say(f"damaged: {finding.subject}: {finding.message}", "yellow")
    return int(damaged)


def _describe(contents: Contents) -> str:
    return (
        f"{contents.documents} documents, {contents.chunks} chunks,"
        f" embedded by {contents.embedding_model}"
    )


def _places(pairs: list[str]) -> Mapping[str, str]:
    places = {}
    for pair in pairs:
        old, equals, new = pair.partition("=")
        if not (old and equals and new):
            raise SettingsError(f"--root {pair}: not two folders", "write --root OLD=NEW")
        places[old] = new
    return places


def run_migrate(options: argparse.Namespace, terminal: Terminal) -> int:
    """Give the index the vectors of the model that the settings choose."""
    settings = prepared(load_settings(options), terminal)
    done = _migrate(settings, options, terminal)
    if options.json:
        show_json(terminal, done)
        return 0
    if not done.needed:
        terminal.say(f"the index is embedded by {done.after} already; nothing to do")
        return 0
    if options.dry_run:
        terminal.say(
            f"{done.before} -> {done.after}: {done.embedded} of {done.chunks} passages to embed,"
            f" {done.recut} documents cut anew; nothing was written"
        )
        return 0
    _show_migrated(terminal, done)
    terminal.say("to ask with it, put this into .env:")
    for line in _settings_lines(settings, done, named=options.endpoint is not None):
        terminal.say(line)
    terminal.note("rag compact gives back what the old vectors take")
    return 0


def _migrate(settings: Settings, options: argparse.Namespace, terminal: Terminal) -> Migrated:
    from ingest.pipeline import Options
    from rag.connections import Connections
    from rag.index.index import Index
    from rag.index.migrate import migrate

    Index.open_for_reading(settings.index_dir).close()  # before a model is loaded for nothing
    models = Connections(settings, terminal.on_wait, follow_index=False)
    try:
        with terminal.waiting("connecting to the model ..."):
            choice = models.servers.embedding_choice
            embedder = models.embedder_for_chunks(Options(settings.chunk_tokens).limit)
        warn_of_remote(choice, terminal)
        with terminal.ingest_bar() as on_progress:
            done = migrate(
                settings.index_dir,
                embedder,
                models.manifest(""),
                dry_run=options.dry_run,
                on_progress=on_progress,
            )
        if not options.dry_run:
            models.remember_pace()
        return done
    finally:
        models.close()


def _show_migrated(terminal: Terminal, done: Migrated) -> None:
    terminal.say(
        f"{done.before} -> {done.after}: {done.chunks} passages, {done.embedded} of them embedded"
        f" now; {done.recut} documents cut anew",
        "bold",
    )
    for failure in done.refused[:_LISTED]:
        terminal.say(f"  refused: {failure.source_id}: {failure.message}", "yellow")
    if done.refused:
        terminal.say("  fix: rag ingest reads these again", "dim")
    if done.warning:
        terminal.warn(done.warning)


def _settings_lines(settings: Settings, done: Migrated, *, named: bool) -> list[str]:
    """Return the settings that choose the model; the server's too if it is not the usual one."""
    lines = []
    if named or settings.embedding_endpoint:
        lines.append(f"RAG_EMBEDDING_ENDPOINT={settings.embeddings_at}")
    if settings.embeddings_at != EMBEDDED:
        lines.append(f"RAG_EMBEDDING_MODEL={done.after}")
    return lines
