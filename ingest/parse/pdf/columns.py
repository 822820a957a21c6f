"""Boxes of text in the order of the text in; the regions of two interleaved columns out."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise
from statistics import median
from typing import TypeAlias

Box: TypeAlias = tuple[float, float, float, float]
"""left, bottom, right, top in points, the origin at the bottom left."""

_FEWEST_LINES = 6  # In each column: fewer are a heading, an address or a table.
_FULL_LINE = 0.7  # Lines of prose fill their column, the cells of a table do not.
_FULL_SHARE = 0.6
_FEWEST_LETTERS = 0.7
_BINS = 400
_MIDDLE = (0.35, 0.65)
_CROSSING = 0.15


def find_regions(boxes: Sequence[Box], text: str) -> list[Box]:
    """Return the parts of a page in reading order if its two columns of prose are interleaved.

    Empty when the text may stay in the order it has: one column, columns that already follow
    each other, a table, or a doubt.
    """
    if len(boxes) < 2 * _FEWEST_LINES or not _is_prose(text):
        return []
    gutter = _find_gutter(boxes)
    if gutter is None:
        return []
    left = [box for box in boxes if box[2] <= gutter]
    right = [box for box in boxes if box[0] >= gutter]
    if not (_fills(left) and _fills(right) and _alternates(boxes, gutter)):
        return []
    return _divide(boxes, gutter)


def _is_prose(text: str) -> bool:
    dense = "".join(text.split())
    return sum(map(str.isalpha, dense)) >= _FEWEST_LETTERS * max(1, len(dense))


def _find_gutter(boxes: Sequence[Box]) -> float | None:
    """Return the middle of the widest strip near the middle that few boxes cross."""
    low, high = min(box[0] for box in boxes), max(box[2] for box in boxes)
    scale = _BINS / max(1.0, high - low)
    changes = [0] * (_BINS + 2)
    for left, _, right, _ in boxes:
        changes[int((left - low) * scale)] += 1
        changes[int((right - low) * scale) + 1] -= 1
    covered = list(accumulate(changes))
    best, run = range(0), range(0)
    for place in range(int(_MIDDLE[0] * _BINS), int(_MIDDLE[1] * _BINS)):
        run = range(run.start if run else place, place + 1)
        if covered[place] > _CROSSING * len(boxes):
            run = range(0)
        best = max(best, run, key=len)
    return low + (best.start + best.stop) / 2 / scale if best else None


def _fills(boxes: Sequence[Box]) -> bool:
    """Say whether most lines of a column are as long as the column is wide."""
    lines = _lines(boxes)
    if len(lines) < _FEWEST_LINES:
        return False
    width = max(box[2] for box in boxes) - min(box[0] for box in boxes)
    full = sum(right - left >= _FULL_LINE * width for left, right in lines)
    return full >= _FULL_SHARE * len(lines)


def _lines(boxes: Sequence[Box]) -> list[tuple[float, float]]:
    """Return the left and right end of each line: boxes whose middles are level."""
    lines: list[tuple[float, float]] = []
    level = float("inf")
    for left, bottom, right, top in sorted(boxes, key=lambda box: -(box[1] + box[3])):
        middle = (bottom + top) / 2
        if lines and level - middle < 0.5 * (top - bottom):
            lines[-1] = (min(lines[-1][0], left), max(lines[-1][1], right))
        else:
            lines.append((left, right))
            level = middle
    return lines


def _alternates(boxes: Sequence[Box], gutter: float) -> bool:
    """Say whether the text changes its side at every line rather than once."""
    sides = [box[0] >= gutter for box in boxes if box[2] <= gutter or box[0] >= gutter]
    changes = sum(one != other for one, other in pairwise(sides))
    fewest = min(sum(sides), len(sides) - sum(sides))
    return changes > max(4, 0.5 * fewest)


def _divide(boxes: Sequence[Box], gutter: float) -> list[Box]:
    """Cut the page at the lines that cross the gutter: above, left, right, crossing, and so on."""
    low, high = min(box[0] for box in boxes) - 1, max(box[2] for box in boxes) + 1
    half = median(box[3] - box[1] for box in boxes) / 2
    crossing = sorted((box for box in boxes if box[0] < gutter < box[2]), key=lambda b: -b[3])
    regions: list[Box] = []
    top = max(box[3] for box in boxes) + half
    bottom = min(box[1] for box in boxes) - half
    for box in crossing:
        if box[3] < top:
            regions += _halves(low, box[3], high, top, gutter)
        regions.append((low, box[1], high, box[3]))
        top = min(top, box[1])
    return regions + _halves(low, bottom, high, top, gutter)


def _halves(low: float, bottom: float, high: float, top: float, gutter: float) -> list[Box]:
    return [(low, bottom, gutter, top), (gutter, bottom, high, top)] if top - bottom > 1 else []
