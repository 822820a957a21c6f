"""Answers, reports and records as a person or a program reads them."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rag.cli.console import Terminal

if TYPE_CHECKING:
    from ingest.base.documents import Failure, IngestReport
    from rag.query.answer import Answer
    from rag.query.fuse import Hit

EXTRACTIVE = "Extractive answer: sentences quoted from your documents; no language model wrote it."
EXTRACTIVE_REFUSAL = "Extractive answer: no sentence of your documents answers this well enough."
_CALLED_TOOL = "the model called a tool instead of answering; ask again, or load another chat model"
_WHY_INCOMPLETE = {
    "length": "its limit was reached; raise RAG_ANSWER_TOKENS",
    "content_filter": "the server's filter cut the answer; ask in other words",
    "tool_calls": _CALLED_TOOL,
    "function_call": _CALLED_TOOL,
}
_BROKE_OFF_SILENTLY = "the server broke off or fell silent; ask again, and see the server's log"
_EXCERPT = 160
_LISTED = 20
_COPIES = 3


def show_json(terminal: Terminal, value: object) -> None:
    """Print a record as JSON; escaped where the console could not show it.

    A number that JSON does not have (NaN, infinite) is null.
    """
    plain = asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
    ascii_only = "utf" not in (sys.stdout.encoding or "").lower()
    valid = json.loads(json.dumps(plain, default=_plain), parse_constant=lambda _name: None)
    text = json.dumps(valid, ensure_ascii=ascii_only, indent=2, allow_nan=False)
    terminal.write(text + "\n")


def _plain(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return str(value) if isinstance(value, Path) else list(value)  # type: ignore[call-overload]


def show_sources(terminal: Terminal, answer: Answer) -> None:
    """Print where each statement comes from, or what came nearest to the question."""
    if answer.extractive:
        terminal.say(EXTRACTIVE_REFUSAL if answer.abstained else EXTRACTIVE, "italic dim")
    _show_notes(terminal, answer)
    if answer.abstained:
        _show_nearest(terminal, answer)
        return
    if not answer.citations:
        terminal.warn("no statement of this answer names its source; do not rely on it")
        _show_nearest(terminal, answer)
        return
    _show_citations(terminal, answer)


def _show_notes(terminal: Terminal, answer: Answer) -> None:
    """Print why the answer is not complete, in the server's words if there are, then the rest."""
    from rag.query.answer import BROKE_OFF

    faults = [note for note in answer.notes if note.startswith(BROKE_OFF)]
    if not answer.complete:
        why = "; ".join(faults) or _WHY_INCOMPLETE.get(answer.finish_reason, _BROKE_OFF_SILENTLY)
        terminal.warn(f"the answer is not complete: {why}")
    for note in answer.notes:
        if note not in faults:
            terminal.note(f"note: {note}", "yellow")


def _show_citations(terminal: Terminal, answer: Answer) -> None:
    from rag.query.prompt import label

    folders: dict[str, set[str]] = {}
    for hit in answer.context:
        folders.setdefault(hit.chunk.document_id, set()).add(hit.root)
    terminal.say("\nSources", "bold")
    shown = ""
    for citation in answer.citations:
        hit = citation.hit
        folder = f"{hit.root}: " if len(folders[hit.chunk.document_id]) > 1 else ""
        place = f"  [{citation.number}] {folder}{label(hit.chunk, citation.place)}"
        if place != shown:
            terminal.say(place, "cyan")
            if hit.copies:
                terminal.say(f"      also in: {_list_copies(hit)}", "dim")
        shown = place
        terminal.say(f'      "{" ".join(citation.quote.split())}"')
        if not citation.verified:
            terminal.say("      not verified: the quote may not hold the statement", "yellow")


def _list_copies(hit: Hit) -> str:
    """Name the first of the other places at which a passage stands, and count the rest."""
    names = [
        f"{copy.root}: {copy.document_id} {copy.place}".strip()
        if copy.root != hit.root
        else f"{copy.document_id} {copy.place}".strip()
        for copy in hit.copies[:_COPIES]
    ]
    more = len(hit.copies) - len(names)
    return ", ".join(names) + (f" and {more} more" if more else "")


def _show_nearest(terminal: Terminal, answer: Answer) -> None:
    from rag.query.prompt import label

    if not answer.context:
        return
    terminal.say("\nNearest passages", "bold")
    for hit in answer.context[:3]:
        text = " ".join(hit.chunk.text.split())
        terminal.say(f"  {label(hit.chunk)}", "cyan")
        terminal.say(f"      {text[:_EXCERPT]}{'…' if len(text) > _EXCERPT else ''}")


def show_report(terminal: Terminal, report: IngestReport) -> None:
    """Print what an ingest did; every skipped file with its reason."""
    counts = [
        f"{len(report.ingested)} indexed ({report.chunks} chunks)",
        f"{report.unchanged} unchanged",
        *([f"{report.moved} moved"] if report.moved else []),
        *([f"{len(report.removed)} removed"] if report.removed else []),
        f"{len(report.skipped)} skipped",
    ]
    terminal.say(", ".join(counts), "bold")
    stages = "  ".join(f"{name} {seconds:.2f}" for name, seconds in report.seconds.items())
    terminal.say(f"seconds: {stages}; {report.embedded} texts embedded", "dim")
    for document, finding in report.notes[:_LISTED]:
        terminal.say(f"  note: {document}: {finding}", "yellow")
    show_skipped(terminal, report.skipped)


def show_skipped(terminal: Terminal, skipped: Sequence[Failure]) -> None:
    """Print each file that is not in the index, and why."""
    for failure in skipped[:_LISTED]:
        terminal.say(f"  skipped: {failure.source_id}: {failure.message}", "yellow")
        if failure.hint:
            terminal.say(f"           fix: {failure.hint}", "dim")
    if len(skipped) > _LISTED:
        terminal.say(f"  ... and {len(skipped) - _LISTED} more: rag status --json", "yellow")
