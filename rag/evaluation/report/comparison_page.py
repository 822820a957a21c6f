"""A comparison in, its page out: what changed, whether that is chance, case by case."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from rag.evaluation.compare.compare import Comparison, Difference, Pair, pair_rows
from rag.evaluation.report import plots as draw
from rag.evaluation.report.page import folded, plots, render_page, section, settings, table, tiles
from rag.evaluation.report.records import record_rows
from rag.evaluation.report.run_page import directions, legend
from rag.evaluation.report.words import (
    CORRECTED,
    say_verdict,
    show,
    show_chance,
    show_interval,
    unit_of,
    values_of,
)

_MOST_PAIRS = 12


def render_comparison(comparison: Comparison) -> str:
    """Return the page of a comparison; all text of documents and models in it is escaped."""
    first, second = comparison.first, comparison.second
    names = [found.measure for found in comparison.differences]
    pairs = pair_rows(first.rows, second.rows)
    rows = [{pair[side].case.id: pair[side] for pair in pairs} for side in (0, 1)]
    sections = (
        f"<p class=quiet>first: {escape(first.manifest.name)}, {escape(first.manifest.made_at)}"
        f"<br>second: {escape(second.manifest.name)}, {escape(second.manifest.made_at)}</p>",
        tiles(_counts(comparison)),
        section("What is not the same", _notes(comparison.notes)),
        section(
            "Differences",
            _differences(comparison.differences),
            folded("What the measures mean", legend(names)),
            note="Second run less first run, over the cases that have the measure in both; "
            f"missing in one only. {CORRECTED}",
        ),
        section("Intervals", plots(_forests(comparison.differences))),
        section("Case by case", folded("Plots", plots(_pairs(comparison.differences, pairs)))),
        section("Runs", f"<h3>First</h3>{settings(first)}", f"<h3>Second</h3>{settings(second)}"),
    )
    single = [n for n in names if values_of(first.rows, n) and values_of(second.rows, n)]
    data = record_rows(rows, single)
    data |= directions(single) | {"at": second.folder}
    title = f"Comparison: {first.manifest.name} and {second.manifest.name}"
    return render_page(title, sections, data)


def _counts(comparison: Comparison) -> Iterator[tuple[str, int, str]]:
    found = comparison.differences
    yield "cases in both", comparison.shared, ""
    yield "failed in either", comparison.failed, "bad"
    yield "only in the first", len(comparison.only_first), "bad"
    yield "only in the second", len(comparison.only_second), "bad"
    yield "measures", len(found), ""
    yield "of them different beyond chance", sum(one.is_significant for one in found), ""


def _notes(notes: Sequence[str]) -> str:
    inside = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return f"<ul class=concern>{inside}</ul>" if inside else ""


def _differences(differences: Sequence[Difference]) -> str:
    heads = ("measure", "what it means", "first", "second", "difference", "95 % interval",
             "p", "cases", "missing", "better / same / worse")  # fmt: skip
    return table("Differences", heads, map(_difference, differences), words=2)


def _difference(found: Difference) -> tuple[str, ...]:
    is_counted = found.better + found.same + found.worse == found.cases
    wins = f"{draw.draw_wins(found)}<small>{found.better} / {found.same} / {found.worse}</small>"
    return (
        escape(found.measure),
        f"<span class={'sure' if found.is_significant else 'quiet'}>{say_verdict(found)}</span>",
        show(found.first),
        show(found.second),
        f"{'+' if found.value > 0 else ''}{show(found.value)}",
        show_interval(found),
        show_chance(found.corrected),
        f"{found.cases:,}",
        f"{found.missing:,}",
        wins if is_counted else "–",
    )


def _forests(differences: Sequence[Difference]) -> Iterator[str]:
    """Yield a plot for each unit: seconds and shares have no scale in common."""
    units = dict.fromkeys(unit_of(found.measure) for found in differences)
    for unit in units:
        group = [found for found in differences if unit_of(found.measure) == unit]
        yield draw.draw_forest(group, f"Differences in {unit}" if unit else "Differences")


def _pairs(differences: Sequence[Difference], rows: Sequence[Pair]) -> Iterator[str]:
    for found in differences[:_MOST_PAIRS]:
        both = (
            (before.measures.get(found.measure), after.measures.get(found.measure))
            for before, after in rows
        )
        pairs = [(a, b) for a, b in both if a is not None and b is not None]
        if pairs:
            yield draw.draw_pairs(pairs, found.measure)
