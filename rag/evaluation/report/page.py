"""Sections and data in, one HTML page out that needs nothing else and can load nothing."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Sequence
from hashlib import sha256
from html import escape
from importlib.resources import files
from typing import Any

from rag.evaluation.base.rows import Report
from rag.evaluation.report.records import finite
from rag.evaluation.report.words import tell_settings

_PACKAGE = files("rag.evaluation.report")
_HEADING = re.compile(r"<section id=([\w-]+)><h2>(.*?)</h2>")
_TABLE = """<section id=cases><h2>Cases</h2>
<noscript><p class=note>The table of cases needs JavaScript, which is off in this browser. The
figures and plots above are complete without it.</p></noscript><div id=table></div></section>"""


def render_page(title: str, sections: Iterable[str], data: dict[str, Any]) -> str:
    """Return a page of sections with a table of cases made of `data` in the browser.

    The page forbids itself to load anything and runs only its own script, known by its hash.
    Sections are HTML already; all else is escaped.
    """
    told = [*sections, _TABLE]
    style, script = _read("page.css"), _read("case.js") + _read("page.js")
    policy = (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; "
        "base-uri 'none'; form-action 'none'"
    )
    return "\n".join(
        (
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="referrer" content="no-referrer">',
            f"<title>{escape(title)}</title><style>{style}</style></head>",
            '<body><a class=skip href="#cases">Skip to the cases</a><main>',
            f"<h1>{escape(title)}</h1>",
            _contents(told),
            *told,
            "</main>",
            f'<script type="application/json" id=data>{embed(data)}</script>',
            f"<script type=module>{script}</script></body></html>\n",
        )
    )


def _contents(sections: Iterable[str]) -> str:
    """Return links to the sections, the cases first, as one comes to look at those."""
    found = [match.groups() for one in sections for match in _HEADING.finditer(one)]
    links = (f'<a href="#{id}">{title}</a>' for id, title in (found[-1], *found[:-1]))
    return f"<nav aria-label=Contents>{''.join(links)}</nav>"


def embed(data: object) -> str:
    """Return JSON that nothing in it can end: no "<", ">" or "&", no separators of lines."""
    text = json.dumps(finite(data), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    # Half a pair of surrogates is no text that a file can hold.
    return text.encode("utf-8", "replace").decode("utf-8")


def section(title: str, *parts: str, note: str = "") -> str:
    """Return a section with a heading, or nothing where it has no parts."""
    if not any(parts):
        return ""
    told = f"<p class=quiet>{escape(note)}</p>" if note else ""
    id = title.lower().replace(" ", "-")
    return f"<section id={id}><h2>{escape(title)}</h2>{told}{''.join(parts)}</section>"


def table(name: str, heads: Sequence[str], rows: Iterable[Sequence[str]], words: int = 1) -> str:
    """Return a table that scrolls by itself; heads are escaped, cells are HTML.

    The first column heads its row; `words` columns hold words, the others numbers.
    """
    body = "".join(
        f"<tr><th scope=row>{cells[0]}</th>"
        + "".join(
            f"<td{'' if place < words else ' class=number'}>{cell}</td>"
            for place, cell in enumerate(cells[1:], start=1)
        )
        + "</tr>"
        for cells in rows
    )
    if not body:
        return ""
    head = "".join(
        f"<th scope=col{'' if place < words else ' class=number'}>{escape(text)}</th>"
        for place, text in enumerate(heads)
    )
    return (
        f'<div class=wide tabindex=0 role=region aria-label="{escape(name)}"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def plots(pictures: Iterable[str]) -> str:
    """Return pictures side by side, as many as there is room for."""
    inside = "".join(f"<figure>{picture}</figure>" for picture in pictures if picture)
    return f"<div class=plots>{inside}</div>" if inside else ""


def captioned(picture: str, caption: str) -> str:
    """Return a picture with a sentence on how to read it."""
    return f"{picture}<figcaption>{escape(caption)}</figcaption>"


def folded(title: str, content: str) -> str:
    """Return content that is shown when asked for, or nothing where there is none."""
    if not content:
        return ""
    return f"<details><summary>{escape(title)}</summary>{content}</details>"


def tiles(counts: Iterable[tuple[str, int, str]]) -> str:
    """Return numbers to see first: name, number, and "bad" where more than none is."""
    inside = "".join(
        f"<div{f' class={kind}' if kind and number else ''}><dd>{number:,}</dd>"
        f"<dt>{escape(name)}</dt></div>"
        for name, number, kind in counts
    )
    return f"<dl class=tiles>{inside}</dl>"


def settings(report: Report) -> str:
    """Return what a run was made with, its settings folded."""
    chosen = definitions((name, str(value)) for name, value in report.manifest.settings.items())
    title = f"Settings ({len(report.manifest.settings)})"
    return definitions(tell_settings(report).items()) + folded(title, chosen)


def definitions(pairs: Iterable[tuple[str, str]]) -> str:
    """Return names with what belongs to them."""
    inside = "".join(f"<dt>{escape(n)}</dt><dd>{escape(v)}</dd>" for n, v in pairs)
    return f"<dl class=pairs>{inside}</dl>" if inside else ""


def _read(name: str) -> str:
    return _PACKAGE.joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(sha256(text.encode()).digest()).decode()}'"
