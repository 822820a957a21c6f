"""A run or a comparison in, files to look at out: HTML, Markdown, JSON."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rag.evaluation.base.rows import Report, Row
from rag.evaluation.compare.compare import Comparison
from rag.evaluation.report.comparison_page import render_comparison
from rag.evaluation.report.markdown import compare_in_markdown, report_in_markdown
from rag.evaluation.report.records import finite
from rag.evaluation.report.run_page import render_report


def write_report(folder: Path, report: Report) -> Path:
    """Write report.html, report.md and report.json into a folder; return the page's path.

    Each file is for its owner alone and replaces an older one at once.  The JSON has the figures
    and what the run was made with; its rows in full only where the run is kept in no folder,
    else their values and the folder that has the rest.
    """
    _write(folder / "report.md", report_in_markdown(report))
    _write(folder / "report.json", _as_json(plain_report(report)))
    return _write(folder / "report.html", render_report(report))


def write_comparison(folder: Path, comparison: Comparison) -> Path:
    """Write comparison.html, .md and .json into a folder; return the page's path."""
    record = {
        "first": plain_report(comparison.first),
        "second": plain_report(comparison.second),
        "differences": [
            {**asdict(found), "verdict": found.verdict} for found in comparison.differences
        ],
        "shared": comparison.shared,
        "only_first": comparison.only_first,
        "only_second": comparison.only_second,
        "notes": comparison.notes,
    }
    _write(folder / "comparison.md", compare_in_markdown(comparison))
    _write(folder / "comparison.json", _as_json(record))
    return _write(folder / "comparison.html", render_comparison(comparison))


def plain_report(report: Report) -> dict[str, Any]:
    """Return a report as the JSON has it, its records not yet plain."""
    rows = [_values(row) if report.folder else row for row in report.rows]
    return {
        "manifest": report.manifest,
        "counts": report.counts,
        "figures": list(report.figures),
        "notes": list(report.notes),
        "rows_at": report.folder,
        "rows": rows,
    }


def _values(row: Row) -> dict[str, Any]:
    return {
        "id": row.case.id,
        "measures": row.measures,
        "failure": row.failure,
    }


def _as_json(record: object) -> str:
    return json.dumps(finite(record), ensure_ascii=False, allow_nan=False) + "\n"


def _write(path: Path, text: str) -> Path:
    """Replace a file at once; it is for its owner alone, as the documents may be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(
        descriptor, "w", encoding="utf-8", errors="backslashreplace", newline="\n"
    ) as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(path)
    return path
