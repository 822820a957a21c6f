"""Numbers in, the parts of a plot out as SVG text: scales, axes, lines, marks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 340, 210
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 20, 12, 38
_TICKS = 5

# Colours of Okabe and Ito, told apart also by the colour-blind; a page may set its own for dark.
FIRST, SECOND, THIRD = "var(--first,#0072b2)", "var(--second,#c65102)", "var(--third,#007a5a)"
COLOURS = (FIRST, SECOND, THIRD)
DASHES = ("", "6 3", "2 3")


@dataclass(frozen=True, slots=True)
class Scale:
    """A straight way from values to pixels; `least` and `most` are at `start` and `end`."""

    least: float
    most: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return the pixel of a value, rounded to a tenth."""
        share = (value - self.least) / ((self.most - self.least) or 1)
        return round(self.start + share * (self.end - self.start), 1)

    def ticks(self) -> list[float]:
        """Return some five round values within, in order."""
        span = (self.most - self.least) or 1
        rough = span / _TICKS
        unit = 10 ** math.floor(math.log10(rough))
        step = next(unit * size for size in (1, 2, 5, 10) if unit * size >= rough * 0.99)
        first = math.ceil(self.least / step - 1e-9)
        count = int((self.most - first * step) / step + 1e-9) + 1
        return [round((first + place) * step, 10) for place in range(count)]


def across(least: float, most: float) -> Scale:
    """Return a scale for the x of a plot of the usual size."""
    return Scale(least, most, _LEFT, WIDTH - _RIGHT)


def upward(least: float, most: float) -> Scale:
    """Return a scale for the y of a plot of the usual size, the least at the bottom."""
    return Scale(least, most, HEIGHT - _BOTTOM, _TOP)


def draw(
    title: str, told: str, parts: Iterable[str], width: float = WIDTH, height: float = HEIGHT
) -> str:
    """Return a whole picture; `told` says in words what it shows to those who cannot see it."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(f"{title}. {told}")}" font-family="system-ui,sans-serif" '
        f'font-size="11" fill="currentColor"><title>{escape(title)}</title>'
        f"<desc>{escape(told)}</desc>{''.join(parts)}</svg>"
    )


def axes(x: Scale, y: Scale, x_label: str, y_label: str) -> list[str]:
    """Return the axes with their ticks and labels, and lines across for the ticks of y."""
    bottom, parts = y.start, []
    for tick in y.ticks():
        parts.append(line(x.start, y(tick), x.end, y(tick), faint=True))
        parts.append(write(x.start - 5, y(tick) + 3.5, short(tick), "end"))
    for tick in x.ticks():
        parts.append(line(x(tick), bottom, x(tick), bottom + 4))
        parts.append(write(x(tick), bottom + 15, short(tick), "middle"))
    parts.append(line(x.start, bottom, x.end, bottom))
    parts.append(write((x.start + x.end) / 2, bottom + 31, x_label, "middle"))
    middle = (y.start + y.end) / 2
    turned = f' transform="rotate(-90 11 {middle})"'
    parts.append(write(11, middle, y_label, "middle", turned))
    return parts


def line(x: float, y: float, to_x: float, to_y: float, *, faint: bool = False) -> str:
    """Return a thin line."""
    opacity = 0.15 if faint else 0.6
    ends = f'x1="{x}" y1="{y}" x2="{to_x}" y2="{to_y}"'
    return f'<line {ends} stroke="currentColor" stroke-opacity="{opacity}"/>'


def write(x: float, y: float, text: str, anchor: str = "start", more: str = "") -> str:
    """Return a label; its text is escaped."""
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}"{more}>{escape(text)}</text>'


def curve(points: Sequence[tuple[float, float]], colour: str, dash: str = "") -> str:
    """Return a line through pixels."""
    path = "L".join(f"{x} {y}" for x, y in points)
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"{dashed}/>'


def dot(x: float, y: float, colour: str, size: float = 3.5) -> str:
    """Return a round mark."""
    return f'<circle cx="{x}" cy="{y}" r="{size}" fill="{colour}"/>'


def diamond(x: float, y: float, colour: str) -> str:
    """Return a mark that cannot be taken for a dot."""
    return f'<path d="M{x} {y - 7}l7 7l-7 7l-7 -7z" fill="{colour}" stroke="currentColor"/>'


def boxes(places: Iterable[tuple[float, float, float, float]], colour: str) -> str:
    """Return filled boxes of one colour: left, top, width, height of each."""
    path = "".join(f"M{x:g} {y:g}h{w:g}v{h:g}h{-w:g}z" for x, y, w, h in places)
    return f'<path d="{path}" fill="{colour}"/>'


def key(names: Sequence[str], y: float = 10) -> list[str]:
    """Return what each colour stands for, in a line above the plot."""
    parts, x = [], float(_LEFT)
    for name, colour, dash in zip(names, COLOURS, DASHES, strict=False):
        parts += [curve([(x, y - 4), (x + 16, y - 4)], colour, dash), write(x + 20, y, name)]
        x += 32 + 6 * len(name)
    return parts


def short(value: float) -> str:
    """Return a number for an axis, in no more digits than it needs."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
