"""A health report in, one HTML page out that needs nothing else: no script, no other file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from importlib.resources import files

from rag.health.report import FileHealth, HealthReport
from rag.health.words import name_reason, name_with_code

_TITLES = {
    "unread": "Not in the index",
    "poor": "Mostly lost",
    "fair": "In the index, with losses",
    "good": "Read well",
}
_COLUMNS = ("pages", "passages", "language", "unknown words")
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
            *_sections(report),
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
        ("of them different", totals.texts, ""),
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
    for title, counts, name_code in (
        ("Why files are not read", report.totals.reasons, name_reason),
        ("Languages", report.totals.languages, name_with_code),
    ):
        if counts:
            items = "".join(
                f"<li><span>{escape(name_code(code))}</span> {number:,}</li>"
                for code, number in counts.items()
            )
            yield f"<h2>{title}</h2><ul class=counts>{items}</ul>"


def _sections(report: HealthReport) -> Iterator[str]:
    for level, title in _TITLES.items():
        group = [file for file in report.files if file.level == level]
        if not group:
            continue
        is_open = "" if level == "good" else " open"
        yield f"<details{is_open}><summary><h2>{title}</h2> {len(group):,}</summary>"
        shown = group[:_SHOWN]
        for root in dict.fromkeys(file.root for file in shown):
            if len(report.roots) > 1:
                yield f"<h3>{escape(root)}</h3>"
            yield from _table([file for file in shown if file.root == root])
        if len(group) > _SHOWN:
            yield f"<p class=quiet>and {len(group) - _SHOWN:,} more: rag health --json</p>"
        yield "</details>"


def _table(files: Sequence[FileHealth]) -> Iterator[str]:
    heads = "".join(f"<th>{head}</th>" for head in ("file", *_COLUMNS, "what is known"))
    yield f"<div class=wide><table><thead><tr>{heads}</tr></thead><tbody>"
    yield from map(_row, files)
    yield "</tbody></table></div>"


def _row(file: FileHealth) -> str:
    findings = "".join(f"<li>{escape(finding)}</li>" for finding in file.findings)
    known = f"<ul>{findings}</ul>" if findings else ""
    if file.fix:
        known += f"<p class=quiet>{escape(file.fix)}</p>"
    unknown = f"{file.unknown_share:.1%}" if file.unknown_share else ""
    values = (_pages(file), str(file.chunks or ""), name_with_code(file.language), unknown)
    cells = (
        f"<td{' class=number' * (column != 'language')} data-name='{column}'>{escape(value)}</td>"
        for column, value in zip(_COLUMNS, values, strict=True)
    )
    name = f"<td title='{escape(file.root)}'>{escape(file.id)}</td>"
    return f"<tr>{name}{_join(cells)}<td>{known}</td></tr>"


def _pages(file: FileHealth) -> str:
    if not file.pages:
        return ""
    return f"{file.pages - file.bad_pages}/{file.pages}" if file.bad_pages else str(file.pages)


def _join(parts: Iterable[str]) -> str:
    return "".join(parts)
