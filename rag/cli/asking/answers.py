"""Answers as a person reads them: the text, what of it is not proven, its sources, or why not."""

from __future__ import annotations

import re
from datetime import datetime
from textwrap import indent
from typing import TYPE_CHECKING

from rag.cli.console import Terminal
from rag.history.conversation import INTERRUPTED

if TYPE_CHECKING:
    from rag.query.base.answers import Answer, Citation, Coverage
    from rag.query.base.hits import Hit

EXTRACTIVE = "Extractive answer: sentences quoted from your documents; no language model wrote it."
EXTRACTIVE_REFUSAL = "Extractive answer: no sentence of your documents answers this well enough."
_CALLED_TOOL = "the model called a tool instead of answering; ask again, or load another chat model"
_WHY_INCOMPLETE = {
    "length": "its limit was reached; raise RAG_ANSWER_TOKENS",
    "content_filter": "the server's filter cut the answer; ask in other words",
    "tool_calls": _CALLED_TOOL,
    "function_call": _CALLED_TOOL,
    INTERRUPTED: "you stopped it; its sources were not checked",
}
_BROKE_OFF_SILENTLY = "the server broke off or fell silent; ask again, and see the server's log"
_EXCERPT = 160
_COPIES = 3
_NEAREST = 3


def show_text(terminal: Terminal, answer: Answer) -> None:
    """Print the whole text, statements that the passages do not hold in yellow."""
    text, at = answer.text, 0
    for statement in answer.statements:
        if not statement.supported:
            terminal.say(text[at : statement.start], end="")
            terminal.say(text[statement.start : statement.end], "yellow", end="")
            at = statement.end
    terminal.say(text[at:])


def show_sources(terminal: Terminal, answer: Answer, *, in_full: bool = False) -> None:
    """Print what is not proven and where the rest comes from, or what came nearest.

    `in_full` shows the whole passages, and all places at which they stand; the notes, which
    were shown with the answer, not again.
    """
    if answer.extractive:
        _show_kind(terminal, answer)
    if answer.abstained:
        _show_reasons(terminal, answer)
    if not in_full:
        _show_notes(terminal, answer)
    _show_unproven(terminal, answer)
    if answer.citations:
        _show_citations(terminal, answer, in_full=in_full)
    else:
        if not answer.abstained and answer.finish_reason != INTERRUPTED:
            terminal.warn("no statement of this answer names its source; do not rely on it")
        _show_nearest(terminal, answer)


def show_closing(terminal: Terminal, answer: Answer, *, named: bool = True) -> None:
    """Print in one line how much is proven, how much was read, and where the answer is kept."""
    said = []
    if (read := answer.coverage) and not _is_told(read, answer.text):
        said.append(f"read {read.read} of {read.total} documents")
    # What a program quoted is found in its passages because it was taken from them.
    if (statements := answer.statements) and not answer.extractive:
        held = sum(statement.supported for statement in statements)
        noun = "statement" if len(statements) == 1 else "statements"
        said.append(f"{held} of {len(statements)} {noun} found in the passages cited")
    if answer.id and named:
        said.append(f"kept: rag replay {answer.id}")
    if said:
        terminal.note(f"\n{'; '.join(said)}")


def _is_told(read: Coverage, text: str) -> bool:
    """Return whether the answer itself says how much was read, in whatever language."""
    last = text.rstrip().rpartition("\n")[2]
    return {str(read.read), str(read.total)} <= set(re.findall(r"\d+", last))


def local_time(asked_at: str) -> str:
    """Return when something was asked, in UTC as it is kept, as the clock here showed it."""
    try:
        return f"{datetime.fromisoformat(asked_at).astimezone():%Y-%m-%d %H:%M}"
    except ValueError:
        return ""


def _show_kind(terminal: Terminal, answer: Answer) -> None:
    if not answer.abstained:
        terminal.say(EXTRACTIVE, "italic dim")
    elif not (answer.evidence and answer.evidence.reasons):
        terminal.say(EXTRACTIVE_REFUSAL, "italic dim")


def _show_reasons(terminal: Terminal, answer: Answer) -> None:
    for reason in answer.evidence.reasons if answer.evidence else ():
        terminal.say(f"  {reason}", "dim")


def _show_notes(terminal: Terminal, answer: Answer) -> None:
    """Print why the answer is not complete, in the server's words if there are, then the rest."""
    from rag.query.writing.write import BROKE_OFF

    faults = [note for note in answer.notes if note.startswith(BROKE_OFF)]
    if not answer.complete:
        why = "; ".join(faults) or _WHY_INCOMPLETE.get(answer.finish_reason, _BROKE_OFF_SILENTLY)
        terminal.warn(f"the answer is not complete: {why}")
    for note in answer.notes:
        if note not in faults:
            terminal.note(f"note: {note}", "yellow")


def _show_unproven(terminal: Terminal, answer: Answer) -> None:
    doubtful = [statement for statement in answer.statements if not statement.supported]
    if not doubtful:
        return
    terminal.say("\nNot found in the passages cited", "bold yellow")
    for statement in doubtful:
        text = " ".join(answer.text[statement.start : statement.end].split())
        terminal.say(f"  {text}", "yellow")
        if statement.problem:
            terminal.say(f"      {statement.problem}", "yellow")


def _show_citations(terminal: Terminal, answer: Answer, *, in_full: bool) -> None:
    from rag.query.base.hits import label

    folders: dict[str, set[str]] = {}
    for hit in answer.context:
        folders.setdefault(hit.chunk.document_id, set()).add(hit.root)
    terminal.say("\nSources", "bold")
    told = " ".join(answer.text.split())  # an extractive answer is its quotes
    shown: set[str] = set()
    last = ""
    for citation in answer.citations:
        hit = citation.hit
        folder = f"{hit.root}: " if len(folders.get(hit.chunk.document_id, ())) > 1 else ""
        place = f"  [{citation.number}] {folder}{label(hit.chunk, citation.place)}"
        quote = " ".join(citation.quote.split())
        if place + quote in shown:
            continue
        shown.add(place + quote)
        if place != last:
            terminal.say(place, "cyan")
            if hit.copies:
                most = len(hit.copies) if in_full else _COPIES
                terminal.say(f"      also in: {_list_copies(hit, most)}", "dim")
            if in_full:
                _show_passage(terminal, hit.chunk.text.strip(), citation)
        last = place
        is_seen = quote in (" ".join(hit.chunk.text.split()) if in_full else told)
        if not (is_seen and (in_full or answer.extractive)):
            terminal.say(f'      "{quote}"')
        _show_doubt(terminal, answer, citation)


def _show_passage(terminal: Terminal, text: str, citation: Citation) -> None:
    """Print a passage, what is quoted from it not dim."""
    before, quote, after = indent(text, "      "), "", ""
    if citation.quote in before:
        before, quote, after = before.partition(citation.quote)
    terminal.say(before, "dim", end="")
    terminal.say(quote, "bold", end="")
    terminal.say(after, "dim")


def _show_doubt(terminal: Terminal, answer: Answer, citation: Citation) -> None:
    """Say what a quote does not hold, unless the statement was told of already."""
    if not citation.verified and not any(not one.supported for one in answer.statements):
        said = citation.problem or "the quote may not hold the statement"
        terminal.say(f"      not verified: {said}", "yellow")


def _list_copies(hit: Hit, most: int) -> str:
    """Name the first of the other places at which a passage stands, and count the rest."""
    names = [
        f"{copy.root}: {copy.document_id} {copy.place}".strip()
        if copy.root != hit.root
        else f"{copy.document_id} {copy.place}".strip()
        for copy in hit.copies[:most]
    ]
    more = len(hit.copies) - len(names)
    return ", ".join(names) + (f" and {more} more" if more else "")


def _show_nearest(terminal: Terminal, answer: Answer) -> None:
    from rag.query.base.hits import label

    if not answer.context:
        return
    terminal.say("\nNearest passages", "bold")
    for hit in answer.context[:_NEAREST]:
        text = " ".join(hit.chunk.text.split())
        terminal.say(f"  {label(hit.chunk)}", "cyan")
        terminal.say(f"      {text[:_EXCERPT]}{'…' if len(text) > _EXCERPT else ''}")
