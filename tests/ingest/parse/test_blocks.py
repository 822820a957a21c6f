from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ingest.base.documents import Page, Table
from ingest.parse.base.blocks import Blocks


def test_a_page_starts_at_its_first_block() -> None:
    blocks = Blocks()
    blocks.begin_page("one")
    blocks.add("first")
    blocks.begin_page("two", score=0.5, findings=("ocr",))
    blocks.add("second")
    parsed = blocks.finish("")
    assert parsed.text == "first\n\nsecond"
    assert parsed.pages == (Page(0, "one"), Page(7, "two", 0.5, ("ocr",)))


def test_pages_without_text_start_where_the_next_text_does() -> None:
    blocks = Blocks()
    for label, text in (("one", "first"), ("two", ""), ("three", "third"), ("four", "")):
        blocks.begin_page(label)
        blocks.add(text)
    parsed = blocks.finish("")
    assert [page.start for page in parsed.pages] == [0, 7, 7, len(parsed.text)]


def test_a_page_ends_the_paragraph_of_two_tight_blocks() -> None:
    blocks = Blocks()
    blocks.add("- a", tight=True)
    blocks.begin_page("two")
    blocks.add("- b", tight=True)
    assert blocks.finish("").text == "- a\n\n- b"


def test_a_table_knows_its_rows_and_its_columns() -> None:
    blocks = Blocks()
    blocks.add("before", tight=True)
    blocks.add_table([["Name", "", "Days"], ["Ann ", "", "30\n"], ["", "", ""], ["", "", "31"]], 1)
    blocks.add("after", tight=True)
    parsed = blocks.finish("")
    assert parsed.text == "before\n\nName | Days\nAnn | 30\n| 31\n\nafter"
    assert parsed.tables == (Table(8, 33, "Name | Days"),)
    assert parsed.text[8:33].endswith("| 31")


def test_one_row_or_one_column_is_no_table() -> None:
    blocks = Blocks()
    blocks.add_table([["a", "b"]], 1)
    blocks.add_table([["a"], ["b"]], 1)
    blocks.add_table([], 1)
    assert blocks.finish("").tables == ()
    assert blocks.finish("").text == "a | b\n\na\nb"


def test_verbatim_blocks_keep_their_indentation() -> None:
    blocks = Blocks()
    blocks.add("\n    a\n  b \n", verbatim=True)
    assert blocks.finish("").text == "    a\n  b"


_CELLS = st.lists(st.lists(st.text(alphabet="ab| \n"), max_size=4), max_size=5)


@given(_CELLS, st.integers(0, 3))
def test_tables_lie_inside_the_text_and_begin_with_their_columns(rows, headers: int) -> None:
    blocks = Blocks()
    blocks.add("before")
    blocks.add_table(rows, headers)
    blocks.add("after")
    parsed = blocks.finish("")
    for table in parsed.tables:
        lines = parsed.text[table.start : table.end].split("\n")
        assert parsed.text[table.start - 2 : table.start] == "\n\n"
        assert all(lines)
        assert table.columns == (lines[0] if headers else "")
