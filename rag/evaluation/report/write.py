"""A run or a comparison in, files to look at out: HTML, Markdown, JSON."""

from __future__ import annotations

from pathlib import Path

from rag.evaluation.base.rows import Report
from rag.evaluation.compare.compare import Comparison


def write_report(folder: Path, report: Report) -> Path:
    """Write report.html, report.md and report.json into a folder; return the page's path."""
    raise NotImplementedError


def write_comparison(folder: Path, comparison: Comparison) -> Path:
    """Write comparison.html, .md and .json into a folder; return the page's path."""
    raise NotImplementedError
