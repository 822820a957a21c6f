"""Figures in, plots out as SVG text, for a page or a notebook.

Each has axes with units, is legible 340 pixels wide, in light and dark, and carries in words
what it shows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from rag.evaluation.base.rows import Figure
from rag.evaluation.compare.compare import Difference
from rag.evaluation.report.canvas import (
    COLOURS,
    DASHES,
    FIRST,
    SECOND,
    THIRD,
    WIDTH,
    Scale,
    across,
    axes,
    boxes,
    curve,
    diamond,
    dot,
    draw,
    key,
    line,
    short,
    upward,
    write,
)

Point = tuple[float, float]
_BARS = 20
_LEGEND = 16
_ROW = 30
_VERDICTS = {"better": THIRD, "worse": SECOND}


def draw_interval(figure: Figure, scale: tuple[float, float] = (0.0, 1.0)) -> str:
    """Return a figure as a dot and its interval as a line, for a cell of a table."""
    if figure.value is None:
        return ""
    x = Scale(*scale, 4, 116)
    parts = [line(4, 9, 116, 9, faint=True)]
    parts += [line(x(end), 5, x(end), 13, faint=True) for end in scale]
    told = short(figure.value)
    if figure.low is not None and figure.high is not None:
        ends = (max(scale[0], figure.low), min(scale[1], figure.high))
        parts.append(curve([(x(end), 9) for end in ends], FIRST))
        told += f", 95 % interval {short(figure.low)} to {short(figure.high)}"
    told += f", on a scale from {short(scale[0])} to {short(scale[1])}"
    return draw(figure.measure, told, [*parts, dot(x(figure.value), 9, FIRST)], 120, 18)


def draw_distribution(values: Sequence[float], measure: str, unit: str = "") -> str:
    """Return how many cases have which value, in bars of equal width."""
    least, most = min(values), max(values)
    if least >= 0 and most <= 1:
        least, most = 0.0, 1.0
    step = ((most - least) or 1.0) / _BARS
    counts = [0] * _BARS
    for value in values:
        counts[min(_BARS - 1, int((value - least) / step))] += 1
    x, y = across(least, least + step * _BARS), upward(0, max(5, *counts))
    places = [
        (x(least + place * step) + 0.5, y(count), x(step) - x(0) - 1, y.start - y(count))
        for place, count in enumerate(counts)
        if count
    ]
    middle = sorted(values)[len(values) // 2]
    told = f"{len(values)} cases from {short(min(values))} to {short(max(values))}, "
    told += f"half of them up to {short(middle)}"
    parts = [*axes(x, y, _with_unit(measure, unit), "cases"), boxes(places, FIRST)]
    return draw(f"Distribution of {measure}", told, parts)


def draw_lines(
    series: Mapping[str, Sequence[Figure]], places: Sequence[float], title: str, x_label: str
) -> str:
    """Return figures by a number such as k, one at each of `places`, with their intervals.

    `series` holds up to three lines by name, each as long as `places`.
    """
    x, y = across(0, max(places)), Scale(0, 1, upward(0, 1).start, upward(0, 1).end + _LEGEND)
    parts = [*axes(x, y, x_label, "share"), *key(tuple(series))]
    told = []
    for (name, figures), colour, dash in zip(series.items(), COLOURS, DASHES, strict=False):
        known = [(p, f) for p, f in zip(places, figures, strict=True) if f.value is not None]
        for place, figure in known:
            if figure.low is not None and figure.high is not None:
                ends = [(x(place), y(figure.low)), (x(place), y(figure.high))]
                parts.append(curve(ends, colour))
        points = [(x(place), y(figure.value or 0)) for place, figure in known]
        parts += [curve(points, colour, dash), *(dot(*point, colour) for point in points)]
        told += [f"{name} at {short(p)}: {short(f.value or 0)}" for p, f in known]
    return draw(title, "; ".join(told), parts)


def draw_latency(seconds: Mapping[str, Sequence[float]]) -> str:
    """Return the share of cases that were done within so many seconds, p50 and p95 marked.

    `seconds` holds up to three lists by name, none empty.
    """
    x = across(0, max(max(times) for times in seconds.values()) or 1.0)
    y = Scale(0, 1, upward(0, 1).start, upward(0, 1).end + _LEGEND)
    parts = [*axes(x, y, "seconds", "share of cases"), *key(tuple(seconds))]
    told = []
    for (name, times), colour, dash in zip(seconds.items(), COLOURS, DASHES, strict=False):
        ordered = sorted(times)
        shares = [(place + 1) / len(ordered) for place in range(len(ordered))]
        stride = max(1, len(ordered) // 200)
        points = [*list(zip(ordered, shares, strict=True))[::stride], (ordered[-1], 1.0)]
        parts.append(
            curve([(x(0), y(0)), *((x(s), y(share)) for s, share in points)], colour, dash)
        )
        marks = [ordered[min(len(ordered) - 1, int(q * len(ordered)))] for q in (0.5, 0.95)]
        parts += [dot(x(at), y(q), colour) for at, q in zip(marks, (0.5, 0.95), strict=True)]
        told.append(f"{name}: p50 {short(marks[0])} s, p95 {short(marks[1])} s")
    return draw("Latency", "; ".join(told), parts)


def draw_calibration(scores: Sequence[tuple[float, bool]], bins: int = 10) -> str:
    """Return the share of answerable cases by evidence score, in bins of as many cases each.

    `scores` are a score and whether the case is answerable.  A diagram of reliability (Niculescu-
    Mizil and Caruana 2005, Predicting good probabilities with supervised learning), with bins
    by rank because the score is no probability.
    """
    ordered = sorted(scores)
    bins = max(1, min(bins, len(ordered) // 5))
    edges = [len(ordered) * place // bins for place in range(bins + 1)]
    groups = [ordered[start:end] for start, end in pairwise(edges)]
    means = [
        (sum(score for score, _ in group) / len(group), sum(is_ for _, is_ in group) / len(group))
        for group in groups
    ]
    least, most = min(0.0, ordered[0][0]), max(1.0, ordered[-1][0])
    x, y = across(least, most), upward(0, 1)
    points = [(x(score), y(share)) for score, share in means]
    told = f"{len(scores)} cases; " + "; ".join(f"{s:.2f}: {share:.0%}" for s, share in means)
    parts = [*axes(x, y, "evidence score", "share answerable"), curve(points, FIRST)]
    return draw(
        "Evidence and what can be answered", told, [*parts, *(dot(*p, FIRST) for p in points)]
    )


def draw_refusal(scores: Sequence[tuple[float, bool]], now: Point | None = None) -> str:
    """Return what each threshold of the evidence score would wrongly refuse and wrongly answer.

    `now` is what the run itself did: the shares wrongly refused and wrongly answered.  It is a
    receiver operating characteristic with the errors on both axes.
    """
    points = _errors(scores)
    x, y = across(0, 1), upward(0, 1)
    parts = axes(x, y, "answerable cases refused", "unanswerable cases answered")
    parts.append(curve([(x(a), y(b)) for a, b in points], FIRST))
    told = f"{len(scores)} cases, {len(points)} thresholds"
    if now is not None:
        parts += [diamond(x(now[0]), y(now[1]), SECOND)]
        parts.append(write(x.end, y.end + 8, "◆ this run", "end"))
        told += f"; this run refused {now[0]:.0%} wrongly and answered {now[1]:.0%} wrongly"
    return draw("Wrongly refused against wrongly answered", told, parts)


def draw_forest(differences: Sequence[Difference], title: str = "Differences") -> str:
    """Return a line for each difference with its interval, beside the line of no difference.

    All are on one scale, so they should be of one unit.
    """
    ends = [e for d in differences for e in (d.low, d.high, d.value) if e is not None]
    reach = max((abs(end) for end in ends), default=0.0) * 1.1 or 0.1
    x, bottom = Scale(-reach, reach, 10, WIDTH - 10), 6 + _ROW * len(differences)
    parts = [line(x(tick), 0, x(tick), bottom, faint=tick != 0) for tick in x.ticks()]
    parts += [write(x(t), bottom + 14, short(t), "middle") for t in x.ticks()]
    for place, found in enumerate(differences):
        y = 22 + _ROW * place
        colour = _VERDICTS.get(found.verdict, FIRST)
        if found.low is not None and found.high is not None:
            parts.append(curve([(x(found.low), y), (x(found.high), y)], colour))
        draws = diamond if found.is_significant else dot
        parts += [write(10, y - 9, found.measure), draws(x(found.value), y, colour)]
    parts.append(
        write(WIDTH / 2, bottom + 29, "second run less first run, 95 % interval", "middle")
    )
    told = "; ".join(f"{d.measure} {d.value:+.3f}" for d in differences)
    return draw(title, told, parts, WIDTH, bottom + 36)


def draw_wins(difference: Difference) -> str:
    """Return the cases that became better, stayed and became worse as parts of a bar."""
    counts = (difference.better, difference.same, difference.worse)
    x, at, parts = Scale(0, sum(counts) or 1, 0, 120), 0, []
    for count, colour in zip(counts, (THIRD, "var(--line,#ccc)", SECOND), strict=True):
        parts.append(boxes([(x(at), 3, x(count), 12)], colour) if count else "")
        at += count
    told = "{} cases better, {} the same, {} worse".format(*counts)
    return draw(difference.measure, told, parts, 120, 18)


def draw_pairs(pairs: Sequence[Point], measure: str) -> str:
    """Return cases as dots, the first run across and the second upward; above the line is more."""
    values = [value for pair in pairs for value in pair]
    least, most = min(0.0, *values), max(1.0, *values)
    room = (most - least) / 20
    x, y = across(least - room, most + room), upward(least - room, most + room)
    parts = [*axes(x, y, f"{measure}, first run", "second run")]
    parts.append(line(x(least), y(least), x(most), y(most)))
    many: dict[Point, int] = {}
    for first, second in pairs:
        at = (x(first), y(second))
        many[at] = many.get(at, 0) + 1
    largest = max(many.values())
    parts += [dot(*at, FIRST, round(2 + 7 * (n / largest) ** 0.5, 1)) for at, n in many.items()]
    above = sum(second > first for first, second in pairs)
    below = sum(second < first for first, second in pairs)
    told = f"{above} cases above the line, {below} below, {len(pairs) - above - below} on it"
    return draw(f"{measure} in both runs", f"{told}; a larger dot is more cases", parts)


def _errors(scores: Sequence[tuple[float, bool]]) -> list[Point]:
    """Return the shares wrongly refused and wrongly answered, for each threshold upward."""
    able = sorted(score for score, is_answerable in scores if is_answerable)
    unable = sorted(score for score, is_answerable in scores if not is_answerable)
    steps = sorted({score for score, _ in scores})
    steps = [*steps[:: max(1, len(steps) // 200)], float("inf")]
    return [
        (
            sum(score < step for score in able) / max(1, len(able)),
            sum(score >= step for score in unable) / max(1, len(unable)),
        )
        for step in steps
    ]


def _with_unit(measure: str, unit: str) -> str:
    return f"{measure} ({unit})" if unit else measure
