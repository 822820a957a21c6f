"""`rag list` and `rag show`: which documents are in the index, and what it sees of one."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from itertools import groupby
from pathlib import Path, PurePosixPath

from ingest.base.documents import Chunk
from ingest.base.errors import PipelineError
from ingest.discover.ignore import printable_name
from rag.cli.console import Terminal
from rag.cli.options import load_settings, read_filters
from rag.cli.show import show_json
from rag.index.base.roots import check_collection
from rag.index.index import Index
from rag.index.store.records import Selection, StoredDocument

_HEADS = ("path", "type", "size", "pages", "chunks", "language", "status")
_LEFT = (0, 1, 5, 6)
_CANDIDATES = 10


def run_list(options: argparse.Namespace, terminal: Terminal) -> int:
    """Print the documents of each folder, and how much they are."""
    settings = load_settings(options)
    with Index.open_for_reading(settings.index_dir) as index:
        if settings.collection:
            check_collection(settings.collection, index.collections())
        found = index.documents()
    if settings.collection:
        found = [document for document in found if document.collection == settings.collection]
    if wanted := read_filters([options.pattern] if options.pattern else []):
        found = [document for document in found if _matches(document, wanted)]
    if options.json:
        show_json(terminal, {"documents": found, "totals": _totals(found)})
        return 0
    if options.pattern and not found:
        raise PipelineError(
            f"no document in the index matches '{options.pattern}'", "rag list shows all"
        )
    for root, documents in groupby(found, key=lambda document: document.root):
        _show_folder(root, list(documents), terminal)
    totals = _totals(found)
    counts = [f"{count} {word}" for word, count in totals.items() if word != "bytes"]
    terminal.say(", ".join((*counts, _size(totals["bytes"]))), "bold")
    return 0


def _matches(document: StoredDocument, wanted: Selection) -> bool:
    paths = wanted.path_globs
    return (not paths or any(fnmatchcase(document.id, glob) for glob in paths)) and (
        not wanted.suffixes or document.id.lower().endswith(tuple(map(str.lower, wanted.suffixes)))
    )


def _totals(documents: Sequence[StoredDocument]) -> dict[str, int]:
    """Return what there is of all documents, by its name."""
    skipped = sum(document.status == "skipped" for document in documents)
    return {
        "documents": len(documents) - skipped,
        "skipped": skipped,
        "pages": sum(document.page_count for document in documents),
        "chunks": sum(document.chunks for document in documents),
        "bytes": sum(document.size_bytes for document in documents),
    }


def _show_folder(root: str, documents: Sequence[StoredDocument], terminal: Terminal) -> None:
    collection = documents[0].collection
    terminal.say(f"{root} ({collection})" if collection else root, "bold")
    rows = [_HEADS, *map(_cells, documents)]
    told = [i for i in range(len(_HEADS)) if any(row[i] for row in rows[1:])]
    widths = {i: max(len(row[i]) for row in rows) for i in told}
    for row in rows:
        cells = [row[i].ljust(widths[i]) if i in _LEFT else row[i].rjust(widths[i]) for i in told]
        style = "dim" if row is _HEADS else "yellow" if row[-1] != "ok" else ""
        terminal.say(f"  {'  '.join(cells)}".rstrip(), style)


def _cells(document: StoredDocument) -> tuple[str, ...]:
    is_read = document.status == "ok"
    return (
        document.id,
        PurePosixPath(document.id).suffix.lower().removeprefix("."),
        _size(document.size_bytes) if document.size_bytes else "",
        str(document.page_count or ""),
        str(document.chunks) if is_read else "",
        document.language,
        "ok" if is_read else f"{document.reason}: {document.message}",
    )


def _size(count: int) -> str:
    if count < 1000:
        return f"{count} B"
    return f"{count / 1e3:.0f} kB" if count < 1e6 else f"{count / 1e6:.1f} MB"


def run_show(options: argparse.Namespace, terminal: Terminal) -> int:
    """Print one document as the index sees it: facts, pages, headings, text or passages."""
    settings = load_settings(options)
    with Index.open_for_reading(settings.index_dir) as index:
        documents = find_documents(options.file, index.documents())
        document = documents[0]
        chunks = index.chunks(document.root, document.id)
    start, end = _span(document, options.page)
    chunks = [chunk for chunk in chunks if chunk.start < end and chunk.end > start]
    text = text_of(chunks, start, end)
    if options.json:
        told = {"chunks": chunks} if options.chunks else {}
        show_json(terminal, {"document": document, "text": text, **told})
        return 0
    _show_facts(document, chunks, options.page, terminal)
    for other in documents:
        if other.status == "skipped":
            terminal.say(f"skipped    {other.reason}: {other.message}", "yellow")
            terminal.say(f"           fix: {other.hint}", "dim")
    if options.chunks:
        for chunk in chunks:
            _show_chunk(chunk, terminal)
    elif text:
        terminal.say()
        terminal.say(text)
    return 0


def find_documents(name: str, documents: Iterable[StoredDocument]) -> list[StoredDocument]:
    """Return what the index knows of one file: mostly one record, what was read first.

    `name` is a path on this machine, a path inside an ingested folder, or the end of one.
    Raises PipelineError when there is no such document, or several.
    """
    known = list(documents)
    shown = "/".join(map(printable_name, Path(name).parts))
    real = Path(os.path.realpath(name))
    ways = (
        lambda d: real.is_relative_to(d.root) and d.id == _id_of(real, d.root),
        lambda d: d.id in (name, shown),
        lambda d: d.id.endswith((f"/{name}", f"/{shown}")),
    )
    for way in ways:
        found = [document for document in known if way(document)]
        places = sorted({(document.root, document.id) for document in found})
        if len(places) == 1:
            return sorted(found, key=lambda document: document.status == "skipped")
        if places:
            paths = [f"{root}/{id}" for root, id in places[:_CANDIDATES]]
            more = f" and {len(places) - _CANDIDATES} more" if len(places) > _CANDIDATES else ""
            raise PipelineError(
                f"'{name}' may be any of {len(places)} documents",
                f"name one of them: {', '.join(paths)}{more}",
            )
    raise PipelineError(
        f"'{name}' is not in the index", "rag list shows what is; rag ingest FOLDER reads more"
    )


def _id_of(path: Path, root: str) -> str:
    return "/".join(map(printable_name, path.relative_to(root).parts))


def _span(document: StoredDocument, number: int | None) -> tuple[float, float]:
    """Return where the text of a page starts and ends, or that of all; raises PipelineError."""
    if number is None:
        return 0, float("inf")
    pages = document.pages
    if not 1 <= number <= len(pages):
        there = f"{len(pages) or 'no'} page{'s' * (len(pages) != 1)}"
        raise PipelineError(
            f"there is no page {number}: '{document.id}' has {there}", "leave out --page"
        )
    following = pages[number].start if number < len(pages) else float("inf")
    return pages[number - 1].start, following


def text_of(chunks: Sequence[Chunk], start: float = 0, end: float = float("inf")) -> str:
    """Return the text between two characters of a document, put together from its chunks.

    What is in no chunk was blank: one or two line ends stand for it.
    """
    parts: list[str] = []
    position = start
    for chunk in chunks:
        first = int(max(position, chunk.start))
        if parts and first > position:
            parts.append("\n" if first - position == 1 else "\n\n")
        last = int(min(end, chunk.end))
        parts.append(chunk.text[first - chunk.start : last - chunk.start])
        position = max(position, last)
    return "".join(parts).strip("\n")


def _show_facts(
    document: StoredDocument, chunks: Sequence[Chunk], only: int | None, terminal: Terminal
) -> None:
    facts = {
        "file": f"{document.root}/{document.id}",
        "title": " ".join(document.title.split()),
        "type": document.media_type,
        "size": _size(document.size_bytes) if document.size_bytes else "",
        "encoding": document.encoding,
        "language": document.language,
        "collection": document.collection,
        "pages": str(document.page_count or ""),
        "chunks": str(document.chunks) if document.status == "ok" else "",
    }
    for name, value in facts.items():
        if value:
            terminal.say(f"{name:<11}{value}")
    for number, page in enumerate(document.pages, 1):
        if page.findings and only in (None, number):
            score = f" ({page.score:.0%} read)" if page.score < 1 else ""
            terminal.say(f"{'':<11}{page.label}: {', '.join(page.findings)}{score}", "dim")
    for note in document.notes:
        terminal.say(f"{'note':<11}{note}", "yellow")
    for number, heading in enumerate(dict.fromkeys(chunk.heading for chunk in chunks)):
        terminal.say(f"{'' if number else 'headings':<11}{' '.join(heading.split())}", "dim")


def _show_chunk(chunk: Chunk, terminal: Terminal) -> None:
    place = f", {chunk.place}" if chunk.place else ""
    span = f"characters {chunk.start} to {chunk.end}"
    terminal.say(f"\n[{chunk.ordinal + 1}] {chunk.tokens} tokens, {span}{place}", "cyan")
    terminal.say(f"    {' '.join(chunk.heading.split())}", "dim")
    if chunk.columns:
        terminal.say(f"    columns: {' '.join(chunk.columns.split())}", "dim")
    terminal.say(chunk.text)
