"""`rag compare`: two runs side by side, what is better in the second, and what may be chance."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rag.cli.console import Terminal
from rag.cli.options import load_settings
from rag.cli.show import show_json
from rag.evaluation.base.errors import RunUnusable
from rag.evaluation.base.rows import Report, Row
from rag.evaluation.compare.compare import Comparison, Difference, compare
from rag.evaluation.compare.gate import FAILED, check_conditions, parse_condition
from rag.evaluation.report.words import CORRECTED, say_verdict
from rag.evaluation.report.write import write_comparison
from rag.evaluation.runs.folder import read_run

_CHANGES = 3
_SHORT = 160
_HEADER = (
    "measure", "first", "second", "difference", "95 % interval", "p", "cases", "missing", "",
)  # fmt: skip
_REFUSALS = ("wrongly-refused", "wrongly-answered")  # Those that flipped are shown in any case.


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    """Compare two runs, show what changed, and fail where a condition of --fail-if holds."""
    conditions = [parse_condition(text) for text in options.fail_if]
    runs = load_settings(options).index_dir / "runs"
    measures = [name.strip() for name in (options.measures or "").split(",") if name.strip()]
    first, second = (_read(name, runs) for name in (options.first, options.second))
    limited = [one.measure for one in conditions if one.measure != FAILED]
    comparison = compare(first, second, measures, limited)
    if options.json:
        show_json(terminal, _record(comparison))
    else:
        _show(terminal, comparison)
    if options.out:
        terminal.note(f"written: {write_comparison(Path(options.out), comparison)}")
    check_conditions(comparison, conditions)
    return 0


def _read(name: str, runs: Path) -> Report:
    """Return the run in a folder, or of that name in the index; raises RunUnusable."""
    if Path(name).is_dir():
        return read_run(name)
    if (runs / name).is_dir():
        return read_run(runs / name)
    known = sorted(path.name for path in runs.iterdir()) if runs.is_dir() else []
    raise RunUnusable(
        f"there is no run {name}, neither a folder nor in {runs}",
        f"runs of this index: {', '.join(known)}" if known else "make one: rag evaluate CASES",
    )


def _record(comparison: Comparison) -> dict[str, object]:
    """Return all but the rows, which are in the folders of the runs."""
    return {
        "first": _name(comparison.first),
        "second": _name(comparison.second),
        "shared": comparison.shared,
        "only_first": comparison.only_first,
        "only_second": comparison.only_second,
        "notes": comparison.notes,
        "differences": [
            {
                **asdict(one),
                "verdict": one.verdict,
                "changed": [
                    {"id": row.case.id, "difference": change}
                    for row, _, change in comparison.changed(one.measure)
                ],
            }
            for one in comparison.differences
        ],
    }


def _name(report: Report) -> str:
    return report.folder or report.manifest.name


def _show(terminal: Terminal, comparison: Comparison) -> None:
    terminal.say(f"first   {_name(comparison.first)}")
    terminal.say(f"second  {_name(comparison.second)}")
    failed = f", {comparison.failed} of them failed in either" if comparison.failed else ""
    terminal.say(f"cases   {comparison.shared} in both{failed}")
    terminal.say()
    _show_table(terminal, comparison.differences)
    for note in comparison.notes:
        terminal.note(f"note: {note}", "yellow")
    _show_changes(terminal, comparison)


def _show_table(terminal: Terminal, differences: Sequence[Difference]) -> None:
    rows = [_HEADER, *(_line(one) for one in differences)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADER))]
    for row, one in zip(rows, [None, *differences], strict=True):
        name, *figures, verdict = row
        middle = "  ".join(
            text.rjust(width) for text, width in zip(figures, widths[1:-1], strict=True)
        )
        is_sure = one is None or one.is_significant
        terminal.say(f"{name:{widths[0]}}  {middle}  {verdict}".rstrip(), "bold" * is_sure)
    if differences:
        terminal.note(CORRECTED)
    else:
        terminal.note("no measure has a value in both runs", "yellow")


def _line(one: Difference) -> tuple[str, ...]:
    interval = "none" if one.low is None or one.high is None else (
        f"[{_number(one.low, '+')}, {_number(one.high, '+')}]"
    )  # fmt: skip
    chance = "" if one.corrected is None else f"{one.corrected:.3f}"
    figures = (_number(one.first), _number(one.second), _number(one.value, "+"))
    counts = (str(one.cases), str(one.missing or ""))
    return (one.measure, *figures, interval, chance, *counts, say_verdict(one))


def _number(value: float, sign: str = "") -> str:
    return f"{value:{sign}.3f}" if abs(value) < 100 else f"{value:{sign}.0f}"


def _show_changes(terminal: Terminal, comparison: Comparison) -> None:
    """Print the largest wins and losses by the first measure that has any, and by refusals."""
    found = [one for one in comparison.differences if one.better + one.worse]
    for one in found[:1] + [one for one in found[1:] if one.measure in _REFUSALS]:
        changed = comparison.changed(one.measure)
        wins, losses = changed[: one.better], changed[one.better :][::-1]
        _show_some(terminal, f"better in {one.measure}", wins)
        _show_some(terminal, f"worse in {one.measure}", losses)


def _show_some(terminal: Terminal, what: str, changes: Sequence[tuple[Row, Row, float]]) -> None:
    if not changes:
        return
    terminal.say()
    terminal.say(f"{what}: {len(changes)} cases, the largest first", "bold")
    for before, after, change in changes[:_CHANGES]:
        terminal.say(f"{_number(change, '+'):>7}  {before.case.id}: {_short(before.case.question)}")
        terminal.say(f"         first:  {_short(_answer(before))}", "dim")
        terminal.say(f"         second: {_short(_answer(after))}", "dim")


def _answer(row: Row) -> str:
    """Return what was answered, or where nothing was to be, the documents that were found."""
    if row.response is None:
        return ""
    if row.response.text is not None:
        return row.response.text
    found = dict.fromkeys(passage.document for passage in row.response.ranked or ())
    return "found " + (", ".join(found) or "nothing")


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHORT else line[: _SHORT - 4] + " ..."
