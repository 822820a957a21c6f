"""`rag status`, `verify`, `repair`, `remove`: what is in the index and whether it is sound."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.base.documents import Failure
from ingest.base.errors import FolderError, PipelineError
from ingest.discover.ignore import printable_name
from rag.cli.console import Terminal
from rag.cli.options import load_settings
from rag.cli.show import show_json, show_skipped
from rag.health.report import name_file
from rag.health.words import count_of
from rag.index.index import Index
from rag.index.store.records import StoredDocument, storable
from rag.models.base.addresses import EMBEDDED

if TYPE_CHECKING:
    from ingest.base.documents import Plan
    from rag.index.base.findings import Finding
    from rag.index.repair import Repaired
    from rag.pipeline import Pipeline
    from rag.settings import Settings

_LISTED = 20


def run_status(options: argparse.Namespace, terminal: Terminal) -> int:
    """Show the index; raises IndexMissing when there is none.  Loads no heavy package."""
    settings = load_settings(options)
    with Index.open_for_reading(settings.index_dir) as index:
        status = index.status()
        documents = index.documents()
        collections = _count_collections(index.collections(), documents)
    if options.json:
        told = {"status": status, "collections": collections, "documents": documents}
        show_json(terminal, told)
        return 0
    made = status.manifest
    terminal.say(f"index        {settings.index_dir.resolve()}", "bold")
    terminal.say(f"folders      {', '.join(status.roots) or 'none'}")
    _show_collections(terminal, collections)
    terminal.say(f"documents    {status.documents} ({status.skipped} skipped)")
    terminal.say(f"chunks       {status.chunks}")
    terminal.say(f"embedded by  {made.embedding_model}, {made.dimension} dimensions")
    terminal.say(f"size         {status.bytes_on_disk / 1e6:.1f} MB")
    terminal.say(f"last ingest  {_when(status.ingested_ns)}")
    if status.pending:
        terminal.say(f"pending      {status.pending} changes not yet in Chroma; still found", "dim")
    skipped = [d for d in documents if d.status == "skipped"]
    names = [name_file(d.root, d.id, alone=len(status.roots) < 2) for d in skipped]
    failures = zip(names, skipped, strict=True)
    show_skipped(terminal, [Failure(name, d.reason, d.message, d.hint) for name, d in failures])
    return 0


def _when(clock_ns: int | None) -> str:
    if clock_ns is None:
        return "never finished"
    return datetime.fromtimestamp(clock_ns / 1e9).astimezone().isoformat(" ", "minutes")


def _show_collections(terminal: Terminal, collections: list[Collection]) -> None:
    """Show what is in each collection, when there is more than one."""
    if len(collections) < 2:
        return
    for one in collections:
        terminal.say(
            f"collection   {one.name}: {one.documents} documents, {one.chunks} chunks"
            f" of {', '.join(one.roots)}"
        )


@dataclass(frozen=True, slots=True)
class Collection:
    """A named part of the index: its folders, and what was ingested of them."""

    name: str
    roots: tuple[str, ...]
    documents: int
    skipped: int
    chunks: int


def _count_collections(
    folders: Mapping[str, Sequence[str]], documents: Sequence[StoredDocument]
) -> list[Collection]:
    counted = []
    for name, roots in folders.items():
        inside = [document for document in documents if document.root in roots]
        skipped = sum(document.status == "skipped" for document in inside)
        chunks = sum(document.chunks for document in inside)
        counted.append(Collection(name, tuple(roots), len(inside) - skipped, skipped, chunks))
    return counted


def run_verify(options: argparse.Namespace, terminal: Terminal) -> int:
    """Show what is wrong with the index; 1 when something is damaged.  Changes nothing."""
    settings = load_settings(options)
    with terminal.waiting("comparing catalogue, Chroma, files and vectors ..."):
        findings = _examine(settings, terminal, deep=options.deep, sample=options.sample)
    damaged = any(finding.damage for finding in findings)
    if options.json:
        show_json(terminal, {"sound": not damaged, "findings": findings})
    else:
        _show_findings(terminal, findings)
    return int(damaged)


def _examine(settings: Settings, terminal: Terminal, *, deep: bool, sample: int) -> list[Finding]:
    from rag.index.verify import check_files, skipped_sample, verify
    from rag.pipeline import Pipeline

    findings = verify(settings.index_dir)
    if any(finding.damage for finding in findings):
        return findings  # Files and vectors are compared with what is sound.
    with Pipeline(settings.model_copy(update={"collection": None}), terminal.on_wait) as pipeline:

        def plan(root: str) -> Plan:
            known_only = not pipeline.folders().get(root, True)
            return pipeline.plan(root, known_only=known_only)

        findings += check_files(settings.index_dir, plan, deep=deep)
        if sample:
            try:
                findings += _check_sample(settings, pipeline, sample)
            except PipelineError as error:
                findings.append(skipped_sample(error))
    return findings


def _check_sample(settings: Settings, pipeline: Pipeline, sample: int) -> list[Finding]:
    """Compare vectors with new ones; the embedded model is not fetched for that."""
    from rag.index.verify import check_sample, skipped_sample
    from rag.models.embedded.weights import are_weights_present

    if settings.embeddings_at == EMBEDDED and not are_weights_present(settings.cache_dir):
        return [skipped_sample(PipelineError("the model is not here yet", "rag models pull"))]
    return check_sample(settings.index_dir, pipeline.models.embedder, sample)


def _show_findings(terminal: Terminal, findings: Sequence[Finding]) -> None:
    from rag.index.verify import EMPTY

    for finding in findings:
        word, style = ("damaged", "yellow") if finding.damage else ("note", "dim")
        terminal.say(f"{word}: {finding.subject}: {finding.message}", style)
        if finding.fix:
            terminal.say(f"{' ' * len(word)}  fix: {finding.fix}", "dim")
    if not any(finding.damage or finding.message == EMPTY for finding in findings):
        terminal.say("the index is sound", "green")


def run_repair(options: argparse.Namespace, terminal: Terminal) -> int:
    """Put the index in order from what is left of it; 1 when that did not help."""
    from rag.index.repair import repair
    from rag.index.verify import verify

    settings = load_settings(options)
    with terminal.waiting("putting the index in order ..."):
        done = repair(settings.index_dir)
        findings = verify(settings.index_dir)
    damaged = any(finding.damage for finding in findings)
    if options.json:
        show_json(terminal, {"sound": not damaged, "repair": done, "findings": findings})
        return int(damaged)
    if done.salvaged:
        _show_salvaged(terminal, done)
    if done.warning:
        terminal.warn(done.warning)
    _show_findings(terminal, [finding for finding in findings if finding.damage])
    return int(damaged)


def _show_salvaged(terminal: Terminal, done: Repaired) -> None:
    """Say what was saved of a damaged catalogue, what was not, and how to get that back."""
    saved = done.salvaged
    assert saved is not None
    terminal.say(
        f"the catalogue was damaged; saved: {saved.documents} documents, {saved.chunks} chunks,"
        f" {saved.vectors} vectors",
        "bold",
    )
    for name in saved.incomplete[:_LISTED]:
        terminal.say(f"  not whole: {name}", "yellow")
    if len(saved.incomplete) > _LISTED:
        terminal.say(f"  ... and {len(saved.incomplete) - _LISTED} more", "yellow")
    if done.kept_as:
        terminal.say(f"the damaged file is kept as {done.kept_as}")
    terminal.say("what is missing is read again, and hardly embedded: rag ingest FOLDER")


def run_remove(options: argparse.Namespace, terminal: Terminal) -> int:
    """Forget all documents of a folder, or a single file; the files are not touched."""
    settings = load_settings(options)
    path = os.path.realpath(options.folder)
    with Index.open_for_reading(settings.index_dir) as index:
        (root, single), manifest = _to_forget(path, index), index.manifest
    removed = 1
    with Index.open_for_writing(settings.index_dir, manifest, command="rag remove") as index:
        if single:
            index.remove_document(root, single)
        else:
            removed = index.remove_root(root)
    for warning in index.warnings:
        terminal.warn(warning)
    if options.json:
        show_json(terminal, {"root": root, "file": single or None, "documents": removed})
        return 0
    what = storable(path) if single else f"{count_of(removed, 'document')} of {root}"
    untouched = f"; {'the file was' if single else 'its files were'} not touched"
    terminal.say(f"{what} forgotten{untouched if Path(path).exists() else ''}")
    return 0


def _to_forget(path: str, index: Index) -> tuple[str, str]:
    """Return the folder of the index, and the id of a single file of it, "" for all of it."""
    wanted, roots, whole = storable(path), index.roots(), index.whole_roots()
    if wanted in roots:
        return wanted, ""
    folder, name = os.path.split(path)
    root, id = storable(folder), storable(printable_name(name))
    if root in roots and root not in whole and id in index.known(root):
        return root, id
    raise _no_folder(wanted, roots, whole)


def _no_folder(wanted: str, roots: Sequence[str], whole: Sequence[str]) -> FolderError:
    """Return why that cannot be forgotten: of a folder that stays, the folder decides."""
    for root in roots:
        if wanted.startswith((f"{root}/", f"{root}\\")):
            if root not in whole:
                return FolderError(
                    f"'{wanted}' is not in the index; only single files of '{root}' are",
                    "rag list shows them",
                )
            inside = wanted[len(root) + 1 :].replace("\\", "/")
            return FolderError(
                f"'{wanted}' is part of '{root}', which the index follows",
                f"write /{inside} into {root}/.ragignore, then: rag ingest '{root}'",
            )
    return FolderError(
        f"'{wanted}' is no folder of this index", f"it has: {', '.join(roots) or 'none'}"
    )
