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
        (
            "title: Rules\nlimit: 5\nquiet:\n  from: 22:00\n  until: 06:30",
            ["title: Rules", "limit: 5", "quiet:\n  from: 22:00\n  until: 06:30"],
        ),
        ('"""Decode the frames.\n\nOne is short.\n"""', ["Decode the frames.", "One is short."]),
        ("// Adrift says where it is.", ["Adrift says where it is."]),
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
        "Name | Age",
        "Travel\n======",
    ]
    assert units["Full time: 30 days"].context == "How many days do I get?"
    assert units["Part time: 15 days,\n  pro rata"].context == "How many days do I get?"
    assert units["It is 3.5 months."].context == "Notice period"
    assert units["Alan | 41"].context == "Notice period Name | Age"
    assert units["Alan | 41"].head == "Name | Age"
    assert units["Book early."].context == "Travel\n======"
    assert not any("---" in text for text in units)


def test_last_short_line_is_a_statement():
    assert [unit.is_heading for unit in split_units("Owner\n\nAda Lovelace")] == [True, False]


TORQUES = """\
3 Tools
3.1 Torques
Threads are clean unless the table says
otherwise.
Joint Thread Heron 20 Heron 22
Mast bolts M8 18 Nm 22 Nm
Lid screws M6 7 Nm 7 Nm
Values are for dry threads. Grease
changes them.
4 Storage
Keep it dry. No frost."""


def test_table_that_lost_its_bounds_is_rows_with_a_head():
    units = {unit.text: unit for unit in split_units(TORQUES.partition("4 Storage")[0])}
    assert [text for text, unit in units.items() if unit.is_heading] == ["3 Tools", "3.1 Torques"]
    assert units["Threads are clean unless the table says\notherwise."].is_row is False
    row = units["Mast bolts M8 18 Nm 22 Nm"]
    assert row.is_row
    assert row.head == "Joint Thread Heron 20 Heron 22"
    assert row.context == "3.1 Torques Joint Thread Heron 20 Heron 22"


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("Room\tSeats\nOak\t12\nAsh\t8", ["Oak\t12", "Ash\t8"]),
        ("Room | Seats\nOak | 12\nAsh | 8", ["Oak | 12", "Ash | 8"]),
        ("Oak room ...... 12\nAsh room ...... 8", ["Oak room ...... 12", "Ash room ...... 8"]),
        ("Place:   Ulm\nChair:   Ada", ["Place:   Ulm", "Chair:   Ada"]),
        ("The gate   is opened\nat six every day.", []),
        ("Ask x | y once.", []),
    ],
)
def test_rows_of_a_table_are_units(text, rows):
    found = [unit for unit in split_units(text) if unit.is_row and not unit.is_heading]
    assert [unit.text for unit in found] == rows


def test_names_of_columns_that_stand_apart_are_no_head_to_quote():
    head, row = split_units("Room | Seats\n\nOak | 12")
    assert head.is_heading
    assert (row.context, row.head) == ("Room | Seats", "")


def test_item_knows_the_words_that_lead_to_it():
    lead, first, second = split_units("Members get:\n- a key\n- a desk")
    assert lead.is_heading
    assert [unit.context for unit in (first, second)] == ["Members get:"] * 2
    assert not any(unit.is_heading or unit.is_fragment for unit in (first, second))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Kind regards\nAda Lovelace of London", ["Kind regards", "Ada Lovelace of London"]),
        ("x = 1;\ny_value = 2;\nz = 3;", ["x = 1;", "y_value = 2;", "z = 3;"]),
        ("A line that is\nwrapped goes on\nuntil its end.", None),
        ("Eine Zeile mit\nWörtern in zwei\nZeilen.", None),
    ],
)
def test_lines_that_end_on_purpose_are_units(text, expected):
    assert texts(text) == (expected or [text])


@pytest.mark.parametrize(
    ("text", "headings"),
    [
        ("1. Leave of members\n\nThere is some.", ["1. Leave of members"]),
        ("1. Open the lid\n\n2. Close the lid", []),
        ("TERMS\nPayment is due at once.", ["TERMS"]),
        ("5 Fire\nPut it out.\n6 Storage\nKeep it dry.", ["5 Fire", "6 Storage"]),
        ("2 members of the board must\nagree to it.", []),
    ],
)
def test_headings_above_their_text_are_known(text, headings):
    assert [unit.text for unit in split_units(text) if unit.is_heading] == headings


def test_title_line_is_a_fragment():
    title, sentence = split_units(
        "Heron 20: service manual\nIt was written for members of the house."
    )
    assert (title.is_fragment, sentence.is_fragment) == (True, False)


def test_long_sentence_is_cut_behind_a_clause():
    text = "word " * 80 + "end; " + "more " * 40
    assert texts(text)[0].endswith("end;")


LINES = ["\n", "\n\n", "| a | b |\n", "a   b\n", "A 1 B\n", "# H\n", "- x", "1. ", "\t", "  "]
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
