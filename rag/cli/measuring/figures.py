"""Figures of a run as a table, and what a person should know of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rag.cli.console import Terminal
from rag.cli.show import show_json
from rag.evaluation.base.cases import CaseSet
from rag.evaluation.base.rows import Figure, Report
from rag.evaluation.measures.registry import describe
from rag.evaluation.report.words import count_refusals, failures_by_reason, show, show_interval
from rag.evaluation.runs.manifest import documents_of

if TYPE_CHECKING:
    from rag.index.index import Index

_REASONS = 5
_HEADS = ("measure", "mean", "95 % interval", "cases", "missing")


def list_measures(terminal: Terminal, *, as_json: bool) -> int:
    """Say what each measure means and where it comes from."""
    found = describe()
    if as_json:
        names = ("name", "meaning", "source", "needs", "better", "unit")
        show_json(terminal, [{name: getattr(one, name) for name in names} for one in found])
        return 0
    for one in found:
        terminal.say(one.name, "bold", end="")
        terminal.say(f"{'':{max(1, 25 - len(one.name))}}{one.meaning} ({one.source})")
    return 0


def show_figures(terminal: Terminal, report: Report) -> None:
    """Print a line for each measure, refusals by kind, and what failed with its reason."""
    figures = [figure for figure in report.figures if not figure.group]
    lines = [_HEADS, *(_cells(figure) for figure in figures)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEADS))]
    for line in lines:
        name, *rest = (f"{cell:>{width}}" for cell, width in zip(line, widths, strict=True))
        first = f"{name.strip():<{widths[0]}}"
        terminal.say("  ".join((first, *rest)), "bold" if line is _HEADS else "")
    _show_refusals(terminal, report)
    _show_failures(terminal, report)
    for note in report.notes:
        terminal.note(note)


def _cells(figure: Figure) -> tuple[str, ...]:
    missing = str(figure.missing) if figure.missing else ""
    return (figure.measure, show(figure.value), show_interval(figure), str(figure.cases), missing)


def _show_refusals(terminal: Terminal, report: Report) -> None:
    for kind, (refused, known) in count_refusals(report.rows).items():
        terminal.say(f"refused of {kind}: {refused} of {known}", "dim")


def _show_failures(terminal: Terminal, report: Report) -> None:
    counts = report.counts
    if not counts["failed"]:
        return
    terminal.warn(f"{counts['failed']} of {counts['cases']} cases failed and are in no mean")
    reasons = failures_by_reason(report.rows)
    for (message, hint), ids in list(reasons.items())[:_REASONS]:
        terminal.note(f"  {len(ids)} times, first {ids[0]}: {message}", "yellow")
        if hint:
            terminal.note(f"     fix: {hint}")
    if (more := len(reasons) - _REASONS) > 0:
        terminal.note(f"  and {more} other reasons, in the report")
    terminal.note("The same command asks these again.")


def warn_of_evidence(cases: CaseSet, index: Index, terminal: Terminal) -> None:
    """Warn of evidence in documents that the index does not have, which can never be found."""
    known = {id for id, _hash in documents_of(index)}
    wanted = [one.document for case in cases.cases for one in case.relevant if one.grade > 0]
    missing = [document for document in wanted if document not in known]
    if not missing:
        return
    terminal.warn(
        f"{len(missing)} of {len(wanted)} pieces of evidence are in documents that the index "
        f"does not have, for example {missing[0]}; they count as not found"
    )
    terminal.note(f"fix: {_remedy(missing, known, index)}")


def warn_of_cases(path: Path, index: Index, terminal: Terminal) -> None:
    """Warn of a file of cases that is a document itself, in which all answers are found."""
    path = path.resolve()
    for root in filter(path.is_relative_to, index.roots()):
        known = index.known(root).get(path.relative_to(root).as_posix())
        if known and not known.failure:
            terminal.warn(f"{path.name} was indexed too: its questions and answers are found in it")
            terminal.note(f"fix: name it in {Path(root, '.ragignore')}, or put it elsewhere")


def _remedy(missing: Sequence[str], known: Iterable[str], index: Index) -> str:
    """Return what to do; names that differ by leading folders are of another folder."""
    for root in index.roots():
        refused = index.known(root)
        for document in missing:
            if document in refused and (failure := refused[document].failure):
                return f"{document} could not be indexed, {failure.message}: {failure.hint}"
    names = sorted(known)
    for document in dict.fromkeys(missing):
        for id in names:
            if id.endswith(f"/{document}") or document.endswith(f"/{id}"):
                return (
                    f"the index has {id}, so another folder was ingested than the cases mean; "
                    "name theirs: --docs FOLDER"
                )
    return "ingest the folder that the cases are about, or name it: --docs FOLDER"
