"""A run in, its page out: what was measured, how well, where it failed, case by case."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html import escape

from rag.evaluation.base.rows import Figure, Report
from rag.evaluation.report import plots as draw
from rag.evaluation.report.page import (
    captioned,
    definitions,
    folded,
    plots,
    render_page,
    section,
    settings,
    table,
    tiles,
)
from rag.evaluation.report.records import record_rows
from rag.evaluation.report.words import (
    command_of,
    count_refusals,
    direction_of,
    explain,
    failures_by_reason,
    groups_of,
    measures_of,
    show,
    show_interval,
    unit_of,
    values_of,
)

_AT_BUDGET = re.compile(r"(.+)@(\d+)tokens")
_AT_K = re.compile(r"(.+)@(\d+)")
_IDS = 20
_BAD = ("failed", "unread", "no verdict", "disagreed")
_SPENT = (("retrieve", "retrieve"), ("first_token", "first token"), ("total", "total"))


def render_report(report: Report) -> str:
    """Return the page of a run; all text of documents and models in it is escaped."""
    made = report.manifest
    names = measures_of(report)
    command = escape(command_of(report))
    sections = (
        tiles(_counts(report)),
        settings(report),
        section(
            "Figures",
            f"<div class=figures>{_figures(report, names)}</div>",
            folded("What the measures mean", legend(names)),
            note="Means over cases with 95 % intervals. What is missing was not averaged.",
        ),
        section("Failures", "".join(_failures(report))),
        section("Groups", "".join(_groups(report, names))),
        section("Refusal", _refusals(report), plots(_refusal_plots(report))),
        section("Recall", plots(_by_number(names, report))),
        section("Speed", plots(_latency(report))),
        section("Notes", _notes(report)),
        section("Distributions", folded("Plots", plots(_distributions(report, names)))),
        section("Make it again", f"<pre>{command}</pre>" if command else ""),
    )
    single = [name for name in names if values_of(report.rows, name)]
    data = record_rows([{row.case.id: row for row in report.rows}], single)
    data |= directions(single) | {"at": report.folder}
    return render_page(f"Evaluation: {made.name}", sections, data)


def legend(names: Sequence[str]) -> str:
    """Return what measures mean and who defined them."""
    known = ((name, explain(name)) for name in names)
    return definitions((n, f"{m.meaning}; {m.source}") for n, m in known if m)


def directions(names: Sequence[str]) -> dict[str, object]:
    """Return for the script which way each measure is better, and its unit."""
    return {
        "directions": [direction_of(name) for name in names],
        "units": [unit_of(name) for name in names],
    }


def _counts(report: Report) -> Iterator[tuple[str, int, str]]:
    failed = sum(row.failure is not None for row in report.rows)
    counts = {"cases": len(report.rows), "failed": failed, **report.counts}
    for name, number in counts.items():
        if number or name in ("cases", "failed"):
            yield name, number, "bad" if name in _BAD else ""


def _figures(report: Report, names: Sequence[str]) -> str:
    found = [figure for name in names if (figure := report.figure(name))]
    heads = ("measure", "value", "", "95 % interval", "cases", "missing")
    return table("Figures", heads, map(_figure, found))


def _figure(figure: Figure) -> tuple[str, ...]:
    unit = unit_of(figure.measure)
    is_share = not unit and figure.value is not None and 0 <= figure.value <= 1
    missing = f"<span class=bad>{figure.missing:,}</span>" if figure.missing else "0"
    beside = f"{show_interval(figure)}, n = {figure.cases:,}"
    beside += f", <span class=bad>{figure.missing:,} missing</span>" if figure.missing else ""
    return (
        escape(figure.measure),
        f"{show(figure.value)} {escape(unit)}<small class=narrow>{beside}</small>",
        draw.draw_interval(figure) if is_share else "",
        show_interval(figure),
        f"{figure.cases:,}",
        missing,
    )


def _failures(report: Report) -> Iterator[str]:
    for (message, hint), ids in failures_by_reason(report.rows).items():
        more = f" and {len(ids) - _IDS:,} more" if len(ids) > _IDS else ""
        count = f"{len(ids):,} case{'s' * (len(ids) != 1)}"
        yield f"<div class=concern><strong>{escape(message)}</strong><p>{escape(hint)}</p>"
        yield folded(count, f"<p>{escape(', '.join(ids[:_IDS]))}{more}</p>") + "</div>"


def _groups(report: Report, names: Sequence[str]) -> Iterator[str]:
    for title, groups in groups_of(report).items():
        heads = ("measure", "all", *(group.partition("=")[2] for group in groups))
        rows = (
            [escape(name), *(_cell(report.figure(name, group)) for group in ("", *groups))]
            for name in names
        )
        yield folded(f"By {title}", table(f"Figures by {title}", heads, rows))


def _cell(figure: Figure | None) -> str:
    if figure is None or figure.value is None:
        return "–"
    told = f"{show_interval(figure)}, n = {figure.cases:,}"
    return f"{show(figure.value)}<small>{escape(told)}</small>"


def _refusals(report: Report) -> str:
    rows = (
        (kind, f"{refused:,}", f"{known - refused:,}", f"{refused / known:.1%}", _wanted(kind))
        for kind, (refused, known) in count_refusals(report.rows).items()
    )
    heads = ("kind of case", "refused", "answered", "share refused", "should be")
    return table("Refusals by kind of case", heads, rows)


def _wanted(kind: str) -> str:
    return "0 %" if kind == "answerable" else "100 %"


def _refusal_plots(report: Report) -> Iterator[str]:
    scores = [
        (row.response.evidence, row.case.answerable)
        for row in report.rows
        if row.response and row.response.evidence is not None
    ]
    if len({is_answerable for _, is_answerable in scores}) == 2:
        yield captioned(
            draw.draw_calibration(scores),
            "The surer the score, the larger the share of questions that have an answer should be.",
        )
        yield captioned(
            draw.draw_refusal(scores, _operating_point(report)),
            "Each point of the line is a threshold of the score; nearer to the corner is better.",
        )


def _operating_point(report: Report) -> tuple[float, float] | None:
    decided = [
        (row.response.abstained, row.case.answerable)
        for row in report.rows
        if row.response and row.response.abstained is not None
    ]
    able = [refused for refused, is_answerable in decided if is_answerable]
    unable = [refused for refused, is_answerable in decided if not is_answerable]
    if not able or not unable:
        return None
    return sum(able) / len(able), 1 - sum(unable) / len(unable)


def _by_number(names: Sequence[str], report: Report) -> Iterator[str]:
    """Yield what grows with the budget of tokens, then with k, where there are two points."""
    for pattern, title, label in (
        (_AT_BUDGET, "Recall by budget of the context", "budget in tokens"),
        (_AT_K, "By number of passages", "k"),
    ):
        found: dict[str, list[tuple[int, Figure]]] = {}
        for name in names:
            match, figure = pattern.fullmatch(name), report.figure(name)
            if match and figure:
                found.setdefault(match[1], []).append((int(match[2]), figure))
        grown = {name: sorted(at, key=_first) for name, at in found.items() if len(at) > 1}
        for name, at in list(grown.items()):
            places = [place for place, _ in at]
            yield draw.draw_lines({name: [f for _, f in at]}, places, f"{title}: {name}", label)


def _first(pair: tuple[int, Figure]) -> int:
    return pair[0]


def _latency(report: Report) -> Iterator[str]:
    spent = [row.response.spent for row in report.rows if row.response]
    seconds = {
        title: times
        for name, title in _SPENT
        if (times := [time for one in spent if (time := getattr(one, name)) is not None])
    }
    if seconds:
        caption = "Dots: half of the cases are done (p50), and 95 of 100 (p95)."
        yield captioned(draw.draw_latency(seconds), caption)


def _notes(report: Report) -> str:
    notes = "".join(f"<li>{escape(note)}</li>" for note in report.notes)
    return f"<ul>{notes}</ul>" if notes else ""


def _distributions(report: Report, names: Sequence[str]) -> Iterator[str]:
    for name in names:
        values = values_of(report.rows, name)
        if len(values) > 1:
            yield draw.draw_distribution(values, name, unit_of(name))
