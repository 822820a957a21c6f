"""A run or a comparison in, a short text out for a pull request or a mail."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from rag.evaluation.base.rows import Figure, Report
from rag.evaluation.compare.compare import Comparison, Difference
from rag.evaluation.report.words import (
    CORRECTED,
    command_of,
    count_refusals,
    failures_by_reason,
    groups_of,
    measures_of,
    say_verdict,
    show,
    show_chance,
    show_interval,
)

_SPECIAL = re.compile(r"([\\`*_\[\]<>|#!~&])")
_FAILURES = 5


def report_in_markdown(report: Report) -> str:
    """Return figures with intervals, groups, refusals, failures, and the command to make them."""
    made = report.manifest
    failed = sum(row.failure is not None for row in report.rows)
    command = " ".join(command_of(report).split())
    return _join(
        [f"# Evaluation: {_plain(made.name)}", ""],
        [f"{_plain(made.system)}, {_plain(made.made_at)}. {len(report.rows):,} cases of "
         f"{_plain(made.cases_name)}, {failed:,} failed. 95 % intervals."],
        _figures(report),
        _groups(report),
        _refusals(report),
        _failures(report),
        ["", *(f"- {_plain(note)}" for note in report.notes)] if report.notes else [],
        ["", "Make it again:", "", f"    {command}"] if command else [],
    )  # fmt: skip


def compare_in_markdown(comparison: Comparison) -> str:
    """Return the differences with intervals, what they mean in words, and what else differs."""
    first, second = comparison.first.manifest, comparison.second.manifest
    notes = [f"- {_plain(note)}" for note in comparison.notes]
    heads = (
        "measure",
        "first",
        "second",
        "difference",
        "95 % interval",
        "p",
        "cases",
        "missing",
        "what it means",
    )
    return _join(
        [f"# {_plain(second.name)} against {_plain(first.name)}", ""],
        [f"{comparison.shared:,} cases in both, {comparison.failed:,} of them failed in either. "
         f"Second less first. {CORRECTED}", ""],
        _table(heads, map(_difference, comparison.differences)),
        ["", *notes] if notes else [],
    )  # fmt: skip


def _figures(report: Report) -> Iterator[str]:
    yield ""
    figures = [figure for name in measures_of(report) if (figure := report.figure(name))]
    yield from _table(("measure", "value", "95 % interval", "cases", "missing"), map(_row, figures))


def _row(figure: Figure) -> Sequence[str]:
    counts = (f"{figure.cases:,}", f"{figure.missing:,}")
    return (_plain(figure.measure), show(figure.value), show_interval(figure), *counts)


def _groups(report: Report) -> Iterator[str]:
    for title, groups in groups_of(report).items():
        yield from ("", f"By {_plain(title)}", "")
        heads = ("measure", *(_plain(group.partition("=")[2]) for group in groups))
        rows = (
            (_plain(name), *(_cell(report.figure(name, group)) for group in groups))
            for name in measures_of(report)
        )
        yield from _table(heads, rows)


def _cell(figure: Figure | None) -> str:
    return f"{show(figure.value)} (n = {figure.cases:,})" if figure else show(None)


def _refusals(report: Report) -> Iterator[str]:
    found = count_refusals(report.rows)
    if found:
        yield from ("", "Refused", "")
        rows = ((kind, f"{refused:,} of {known:,}") for kind, (refused, known) in found.items())
        yield from _table(("kind of case", "refused"), rows)


def _failures(report: Report) -> Iterator[str]:
    found = failures_by_reason(report.rows)
    if found:
        yield from ("", "Failures", "")
    for (message, hint), ids in list(found.items())[:_FAILURES]:
        yield f"- {len(ids):,}: {_plain(message)}; {_plain(hint)}"
    if len(found) > _FAILURES:
        yield f"- and {len(found) - _FAILURES:,} other reasons"


def _difference(found: Difference) -> Sequence[str]:
    return (
        _plain(found.measure),
        show(found.first),
        show(found.second),
        f"{'+' if found.value > 0 else ''}{show(found.value)}",
        show_interval(found),
        show_chance(found.corrected),
        f"{found.cases:,}",
        f"{found.missing:,}",
        say_verdict(found),
    )


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield f"|{'---|' * len(heads)}"
    yield from (f"| {' | '.join(row)} |" for row in rows)


def _plain(text: str) -> str:
    """Return text on one line in which nothing is Markdown or HTML."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _join(*parts: Iterable[str]) -> str:
    return "\n".join(line for part in parts for line in part) + "\n"
