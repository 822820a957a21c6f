"""A health report in, one HTML page out that needs nothing else: no script, no other file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from importlib.resources import files

from rag.health.report import FileHealth, HealthReport

_TITLES = {
    "unread": "Not in the index",
    "poor": "Mostly lost",
    "fair": "In the index, with losses",
    "good": "Read well",
}
_SHOWN = 500
"""Files of one level that are listed; the rest are counted (`rag health --json` has them all)."""


def render_page(report: HealthReport, made: str) -> str:
    """Return the page; `made` says when, in words.

    All text of documents is escaped, and the page forbids itself to load anything.
    """
    style = files("rag.health").joinpath("page.css").read_text(encoding="utf-8")
    return "\n".join(
        (
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
            "style-src 'unsafe-inline'\">",
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>Index health</title><style>{style}</style></head><body><main>",
            "<h1>Index health</h1>",
            f"<p class=quiet>{escape(report.index)}<br>embedded by {escape(report.model)}, "
            f"{escape(made)}</p>",
            *_tiles(report),
            *_concerns(report),
            *_reasons(report),
            *_sections(report.files),
            "</main></body></html>\n",
        )
    )


def _tiles(report: HealthReport) -> Iterator[str]:
    totals = report.totals
    tiles = (
        ("files", totals.files, ""),
        ("not read", totals.unread, "bad"),
        ("mostly lost", totals.poor, "bad"),
        ("with losses", totals.fair, "warn"),
        ("pages", totals.pages, ""),
        ("pages without text", totals.pages_without_text, "bad"),
        ("low-quality pages", totals.low_quality_pages, "warn"),
        ("passages", totals.chunks, ""),
        ("cut inside a sentence", totals.split_chunks, "warn"),
        ("in more than one file", totals.shared_chunks, ""),
    )
    yield "<dl class=tiles>"
    for name, number, kind in tiles:
        mark = f" class={kind}" if kind and number else ""
        yield f"<div{mark}><dd>{number:,}</dd><dt>{name}</dt></div>"
    yield "</dl>"


def _concerns(report: HealthReport) -> Iterator[str]:
    for concern in report.concerns:
        yield f"<section class=concern><strong>{escape(concern.message)}</strong>"
        yield f"<p>{escape(concern.fix)}</p>"
        if concern.files:
            names = "".join(f"<li>{escape(name)}</li>" for name in concern.files[:_SHOWN])
            count = f"{len(concern.files)} file{'s' * (len(concern.files) != 1)}"
            yield f"<details><summary>{count}</summary><ul>{names}</ul></details>"
        yield "</section>"


def _reasons(report: HealthReport) -> Iterator[str]:
    for title, counts in (
        ("Why files are not read", report.totals.reasons),
        ("Languages", report.totals.languages),
    ):
        if counts:
            items = "".join(
                f"<li><span>{escape(name)}</span> {number:,}</li>"
                for name, number in counts.items()
            )
            yield f"<h2>{title}</h2><ul class=counts>{items}</ul>"


def _sections(files: Sequence[FileHealth]) -> Iterator[str]:
    for level, title in _TITLES.items():
        group = [file for file in files if file.level == level]
        if not group:
            continue
        is_open = "" if level == "good" else " open"
        yield f"<details{is_open}><summary><h2>{title}</h2> {len(group):,}</summary>"
        yield "<div class=wide><table><thead><tr><th>file</th><th>pages</th><th>passages</th>"
        yield "<th>language</th><th>what is known</th></tr></thead><tbody>"
        yield from map(_row, group[:_SHOWN])
        yield "</tbody></table></div>"
        if len(group) > _SHOWN:
            yield f"<p class=quiet>and {len(group) - _SHOWN:,} more: rag health --json</p>"
        yield "</details>"


def _row(file: FileHealth) -> str:
    findings = "".join(f"<li>{escape(finding)}</li>" for finding in file.findings)
    known = f"<ul>{findings}</ul>" if findings else ""
    if file.fix:
        known += f"<p class=quiet>{escape(file.fix)}</p>"
    cells = (
        f"<td title='{escape(file.root)}'>{escape(file.id)}</td>",
        f"<td class=number>{_pages(file)}</td>",
        f"<td class=number>{file.chunks or ''}</td>",
        f"<td>{escape(file.language)}</td>",
        f"<td>{known}</td>",
    )
    return f"<tr>{_join(cells)}</tr>"


def _pages(file: FileHealth) -> str:
    if not file.pages:
        return ""
    return f"{file.pages - file.bad_pages}/{file.pages}" if file.bad_pages else str(file.pages)


def _join(parts: Iterable[str]) -> str:
    return "".join(parts)
