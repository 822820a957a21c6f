"""What tuning found in, `tune.json` and `tune.md` out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from rag.evaluation.tune.decide import told
from rag.evaluation.tune.space import tell
from rag.evaluation.tune.tune import Tried, TuneReport

_SHOWN = 10
CORRECTED = "The measure tuned for is tested alone; p of the others is corrected for their number."


def write_tuning(folder: Path, report: TuneReport) -> Path:
    """Write both files into a folder, all of the trials in each; return the Markdown's path."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / "tune.json").write_text(
        json.dumps(asdict(report), ensure_ascii=False, indent=1, allow_nan=False), "utf-8"
    )
    path = folder / "tune.md"
    path.write_text("\n".join(_markdown(report)) + "\n", "utf-8")
    return path


def _markdown(report: TuneReport) -> Iterator[str]:
    yield f"# Settings for {report.measure}\n"
    yield f"**{_cell(report.decision.words)}**\n"
    yield f"- chosen: {_cell(tell(report.chosen))}"
    yield f"- at present: {_cell(tell(report.present))}"
    yield f"- {report.train} cases chose, {report.test} others confirmed"
    yield f"- {len(report.tried)} combinations in {report.seconds:.0f} s"
    yield from (f"- {_cell(note)}" for note in (*report.decision.notes, *report.notes))
    if report.decision.differences:
        yield "\n## On the cases that had no say\n"
        yield f"{CORRECTED}\n"
        yield from (f"- {_cell(told(one))}" for one in report.decision.differences)
    yield "\n## What was tried\n"
    yield f"| {report.measure} | cases | seconds | changed | |\n|---:|---:|---:|---|---|"
    for one in report.tried:
        cells = (value_of(one), one.cases, f"{one.seconds:.1f}", tell(one.changes), one.failure)
        yield f"| {' | '.join(_cell(str(cell)) for cell in cells)} |"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").replace("<", "&lt;").split())


def value_of(one: Tried) -> str:
    """Return the value of a combination, "-" where it has none."""
    return "-" if one.value is None else f"{one.value:.3f}"


def best_lines(tried: Sequence[Tried]) -> Iterator[str]:
    """Yield the lines of a table of the best: value, cases, what is changed."""
    for one in tried[:_SHOWN]:
        given_up = f"   given up: {one.failure}" if one.failure else ""
        yield f"{value_of(one):>9}  {one.cases:>5}  {tell(one.changes)}{given_up}"
