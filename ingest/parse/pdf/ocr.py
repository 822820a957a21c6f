"""The picture of a page in, the text that is read off it out. The home of rapidocr (extra)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from importlib.util import find_spec
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

INSTALL_HINT = 'pip install "foldercite[ocr]" reads scanned pages'
_LEAST_CONFIDENCE = 0.6
_LEAST_CONTRAST = 40  # Grey levels, of 256: below there is nothing but paper.
_GAP = 0.17  # Of the height of a line: between words it is wider, between letters narrower.
_GAP_TO_LETTERS = 1.8
_GAP_OF_DIGITS = 1.6  # A narrow digit stands in as much room as a wide one.

Point: TypeAlias = Sequence[float]
Piece: TypeAlias = tuple[Sequence[Point], str]
"""The corners of a piece of text, clockwise from the top left, and the text."""


class OcrFailed(Exception):
    """The picture could not be read."""


def is_installed() -> bool:
    """Say whether pictures can be read here."""
    return find_spec("rapidocr_onnxruntime") is not None


class Recogniser:
    """Reads pictures with models that come with the package: nothing is fetched.

    One thread: several files are read at once, each in its own process.
    """

    def read(self, grey: NDArray[uint8]) -> str:
        """Return the text of a picture of grey levels (height, width), line by line.

        Raises OcrFailed.
        """
        if int(grey.max()) - int(grey.min()) < _LEAST_CONTRAST:
            return ""
        try:
            return _arrange(self._recognise(grey))
        except Exception as error:
            # Three libraries of native code below, of which one may also fail to load.
            raise OcrFailed(" ".join(str(error).split())[:200]) from error

    def _recognise(self, grey: NDArray[uint8]) -> list[Piece]:
        from numpy import repeat

        found, _ = self._engine(
            repeat(grey[:, :, None], 3, axis=2),
            return_word_box=True,
            text_score=_LEAST_CONFIDENCE,
        )
        return [(line[0], _space(grey, line[4], line[3])) for line in found or ()]

    @cached_property
    def _engine(self) -> Any:
        from rapidocr_onnxruntime import (  # type: ignore[import-untyped,import-not-found,unused-ignore]
            RapidOCR,
        )

        return RapidOCR(intra_op_num_threads=1, inter_op_num_threads=1)


def _arrange(pieces: Sequence[Piece]) -> str:
    """Join pieces of text by their corners: those on one level are one line, left to right.

    The levels are those of the paper, which may lie askew: the slope of the longer pieces.
    """
    if not pieces:
        return ""
    slopes = [(c[1][1] - c[0][1]) / max(1.0, c[1][0] - c[0][0]) for c, _ in pieces]
    widths = [c[1][0] - c[0][0] for c, _ in pieces]
    slope = median(s for s, w in zip(slopes, widths, strict=True) if w >= median(widths))
    placed = []
    for corners, text in pieces:
        left = corners[0][0]
        middle = (corners[0][1] + corners[3][1]) / 2 - slope * left
        placed.append((middle, left, abs(corners[3][1] - corners[0][1]), text))
    lines: list[list[tuple[float, str]]] = []
    level = float("-inf")
    for middle, left, height, text in sorted(placed):
        if not lines or middle - level > 0.5 * height:
            lines.append([])
            level = middle
        lines[-1].append((left, text))
    return "\n".join(" ".join(text for _, text in sorted(line)) for line in lines)


def _space(grey: NDArray[uint8], characters: Sequence[str], boxes: Sequence[Any]) -> str:
    """Return the characters of a line with blanks where the picture has a gap between words.

    The model, made for Chinese, leaves out most blanks between English words.
    """
    text = characters[0] if characters else ""
    gaps = [_widest_gap(grey, one, other) for one, other in pairwise(boxes)]
    height = median(max(1.0, box[3][1] - box[0][1]) for box in boxes) if boxes else 1.0
    least = max(_GAP * height, _GAP_TO_LETTERS * median(gaps)) if gaps else 0.0
    for before, after, gap in zip(characters, characters[1:], gaps, strict=False):
        wide = _GAP_OF_DIGITS if before.isdigit() and after.isdigit() else 1.0
        western = before.isascii() and after.isascii() and " " not in (before, after)
        if western and gap > wide * least:
            text += " "
        text += after
    return text


def _widest_gap(grey: NDArray[uint8], one: Any, other: Any) -> int:
    """Return the width in pixels of the widest strip without ink between two characters."""
    left = int((one[0][0] + one[1][0]) / 2)
    right = int((other[0][0] + other[1][0]) / 2) + 1
    top, bottom = int(max(0, min(one[0][1], other[0][1]))), int(max(one[2][1], other[2][1])) + 1
    part = grey[top:bottom, max(0, left) : right]
    if part.size == 0:
        return 0
    dark, light = int(part.min()), int(part.max())
    if light - dark < _LEAST_CONTRAST:
        return 0
    ink = part.min(axis=0) < (dark + light) / 2
    widest = run = 0
    for column in ink.tolist():
        run = 0 if column else run + 1
        widest = max(widest, run)
    return widest
