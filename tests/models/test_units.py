"""What can be quoted alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.models.embedded.units import MAX_CHARACTERS, split_units

HANDBOOK = """\
# Leave

How many days do I get?

- Full time: 30 days
* Part time: 15 days,
  pro rata

Notice period

It is 3.5 months. Dr. Ada agreed, see Fig. 3.

| Name | Age |
|------|-----|
| Ada  | 36  |
| Alan | 41  |

Travel
======

Book early."""


def texts(text: str) -> list[str]:
    return [unit.text for unit in split_units(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One ends here. Two\nis wrapped. Three", ["One ends here.", "Two\nis wrapped.", "Three"]),
        ("Am 3. März kam Dr. Ott. Er blieb.", ["Am 3. März kam Dr. Ott.", "Er blieb."]),
        ("它是分支。真的吗？是的！", ["它是分支。", "真的吗？", "是的！"]),
        ("A1\tB1\nA2\tB2", ["A1\tB1", "A2\tB2"]),
        ("1. Open it. Wait.\n2. Close it.", ["1. Open it.", "Wait.", "2. Close it."]),
        ("", []),
        (" \n\n ", []),
    ],
)
def test_text_is_split_at(text, expected):
    assert texts(text) == expected


def test_lists_tables_and_headings_are_units_with_their_context():
    units = {unit.text: unit for unit in split_units(HANDBOOK)}
    assert [text for text, unit in units.items() if unit.is_heading] == [
        "# Leave",
        "How many days do I get?",
        "Notice period",
        "| Name | Age |",
        "Travel\n======",
    ]
    assert units["Full time: 30 days"].context == "How many days do I get?"
    assert units["Part time: 15 days,\n  pro rata"].context == "How many days do I get?"
    assert units["It is 3.5 months."].context == "Notice period"
    assert units["| Alan | 41  |"].context == "Notice period | Name | Age |"
    assert units["Book early."].context == "Travel\n======"
    assert not any("---" in text for text in units)


def test_last_short_line_is_a_statement():
    assert [unit.is_heading for unit in split_units("Owner\n\nAda Lovelace")] == [True, False]


LINES = ["\n", "\n\n", "| a | b |\n", "# H\n", "- x", "1. ", "\t", "  "]
WORDS = ["word ", "Dr. ", "end. ", "? ", "。", "长" * 30, "x" * 700]
PIECES = st.sampled_from([*LINES, *WORDS])


@given(st.lists(PIECES, max_size=40).map("".join))
def test_units_are_substrings_in_order_and_short(text):
    position = 0
    for unit in split_units(text):
        position = text.index(unit.text, position) + len(unit.text)
        assert unit.text == unit.text.strip() != ""
        assert len(unit.text) <= MAX_CHARACTERS or unit.is_heading


@given(st.lists(PIECES, max_size=40).map("".join))
def test_units_lose_no_letter(text):
    def letters(value):
        return "".join(c for c in value if c.isalpha() or c == "。")

    assert letters("".join(texts(text))) == letters(text)
