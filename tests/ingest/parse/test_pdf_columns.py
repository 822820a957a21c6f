from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ingest.parse.pdf.columns import Box, find_regions

PROSE = "words that fill the lines of a column from one end to the other " * 10


def lines(left: float, right: float, count: int = 10, top: float = 700) -> list[Box]:
    return [(left, top - 14 * row, right, top - 14 * row + 10) for row in range(count)]


def interleave(one: list[Box], other: list[Box]) -> list[Box]:
    return [box for pair in zip(one, other, strict=True) for box in pair]


LEFT, RIGHT = lines(50, 280), lines(310, 540)


def test_interleaved_columns_are_read_left_then_right() -> None:
    left, right = find_regions(interleave(LEFT, RIGHT), PROSE)
    assert left[2] == right[0]
    assert 280 <= left[2] <= 310
    assert left[1] < LEFT[-1][1]
    assert left[3] > LEFT[0][3]


def test_columns_in_order_stay() -> None:
    assert find_regions(LEFT + RIGHT, PROSE) == []


def test_one_column_stays() -> None:
    assert find_regions(lines(50, 540, 20), PROSE) == []


def test_a_table_stays_as_its_cells_do_not_fill_their_column() -> None:
    cells = [(50.0, y, 90.0 if row % 2 else 280.0, top) for row, (_, y, _, top) in enumerate(LEFT)]
    numbers = [
        (500.0, y, 540.0 if row % 3 else 510.0, top) for row, (_, y, _, top) in enumerate(LEFT)
    ]
    assert find_regions(interleave(cells, numbers), PROSE) == []


def test_columns_of_numbers_stay() -> None:
    assert find_regions(interleave(LEFT, RIGHT), "12 400.00 8.5 " * 50) == []


def test_a_line_over_both_columns_divides_them() -> None:
    crossing = (50.0, 620.0, 540.0, 634.0)
    above = interleave(lines(50, 280, 4), lines(310, 540, 4))
    below = interleave(lines(50, 280, 6, 600), lines(310, 540, 6, 600))
    regions = find_regions([*above, crossing, *below], PROSE)
    widths = [round(right - left) > 400 for left, _, right, _ in regions]
    assert widths == [False, False, True, False, False]


boxes = st.lists(
    st.tuples(st.floats(0, 600), st.floats(0, 800), st.floats(0, 300), st.floats(0, 40)).map(
        lambda box: (box[0], box[1], box[0] + box[2], box[1] + box[3])
    ),
    max_size=40,
)


@given(boxes)
def test_regions_do_not_overlap(found: list[Box]) -> None:
    regions = find_regions(found, PROSE)
    for number, (left, bottom, right, top) in enumerate(regions):
        for other in regions[number + 1 :]:
            level = min(top, other[3]) - max(bottom, other[1]) > 1e-6
            beside = min(right, other[2]) - max(left, other[0]) > 1e-6
            assert not (level and beside)
