from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from parsed_invariants import check, check_linear, parse_hostile

from ingest.base.documents import Table
from ingest.parse.base import media
from ingest.parse.text.tables import parse_table, split_records


def lines(text: str, media_type: str = media.CSV) -> list[str]:
    return check(parse_table(text.encode(), media_type)).text.split("\n")


def columns(text: str, media_type: str = media.CSV) -> list[str]:
    return [table.columns for table in check(parse_table(text.encode(), media_type)).tables]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(delimiter: str) -> None:
    text = "name,town,pay\nAnna,Rome,30\nBob,Oslo,40\n".replace(",", delimiter)
    assert lines(text) == ["name | town | pay", "Anna | Rome | 30", "Bob | Oslo | 40"]


def test_a_table_spans_all_rows_and_names_its_columns() -> None:
    parsed = parse_table(b"name,town\nAnna,Rome\nBob,Oslo\n", media.CSV)
    assert parsed.tables == (Table(0, len(parsed.text), "name | town"),)
    assert parsed.encoding == "utf-8"


def test_decimal_commas_are_no_delimiters() -> None:
    text = "what;price\nbread;2,50\nbutter;3,10\nmilk, fresh;1,05\n"
    assert lines(text)[1] == "bread | 2,50"


def test_commas_in_sentences_do_not_win_over_tabs() -> None:
    text = "id\tnote\n1\tshort, and sweet\n2\tlong\n3\ta, b, c\n"
    assert lines(text, media.TSV)[3] == "3 | a, b, c"


def test_quoted_cells_keep_delimiters_quotes_and_words_of_several_lines() -> None:
    text = 'a,b\n"x, y","say ""hi""\nthere"\n'
    assert lines(text) == ["a | b", 'x, y | say "hi" there']


def test_a_quote_inside_a_cell_is_a_character() -> None:
    assert lines('size,what\n5" disk,old\n3" disk,"new"\n')[1:] == [
        '5" disk | old',
        '3" disk | new',
    ]


def test_a_quote_that_is_never_closed_costs_no_rows() -> None:
    assert len(lines('a,b\n1,"open\n2,y\n3,z\n')) == 4


@pytest.mark.parametrize(
    "text", ["1,2\n3,4\n", "a@b.de,Anna\nc@d.de,Bob\n", "2024-01-01,x\n2024-01-02,y\n"]
)
def test_rows_of_values_only_have_no_header(text: str) -> None:
    assert columns(text) == [""]


def test_a_header_that_is_repeated_as_a_whole_is_one() -> None:
    assert columns("name,n\nx,1\nname,n\ny,2\n") == ["name | n"]


def test_ragged_rows_are_kept() -> None:
    assert lines("a,b,c\n1,2,3\n4\n5,6,7,8\n") == ["a | b | c", "1 | 2 | 3", "4", "5 | 6 | 7 | 8"]


def test_lines_above_the_header_are_no_part_of_the_table() -> None:
    parsed = parse_table(b"Report of May\n\nname,pay\nAnna,3\nBob,4\n", media.CSV)
    assert parsed.text.startswith("Report of May\nname | pay\n")
    assert parsed.tables == (Table(14, len(parsed.text), "name | pay"),)


def test_a_line_that_tells_the_delimiter_is_obeyed_and_dropped() -> None:
    assert lines("sep=;\na;b,c\n1;2,3\n") == ["a | b,c", "1 | 2,3"]


def test_one_column_is_no_table() -> None:
    assert columns("apples\npears\nplums\n") == []


def test_empty_rows_are_dropped() -> None:
    assert lines("a,b\n,,\n\n1,2\n") == ["a | b", "1 | 2"]


def test_a_cell_over_the_limit_of_the_standard_reader_is_read() -> None:
    assert len(lines('a,b\n1,"' + "x" * 300_000 + '"\n')[1]) > 300_000


def test_a_file_of_one_endless_line_is_plain_text_with_a_note() -> None:
    parsed = parse_table(b"a," * 600_000, media.CSV)
    assert "plain text" in parsed.notes[0]
    assert parsed.tables == ()


@pytest.mark.parametrize("encoding", ["utf-16", "cp1252", "utf-8-sig"])
def test_encodings_are_read_and_recorded(encoding: str) -> None:
    parsed = parse_table("größe;farbe\nfünf;grün\n".encode(encoding), media.CSV)
    assert parsed.text == "größe | farbe\nfünf | grün"
    assert parsed.encoding == {"utf-16": "utf-16-le", "utf-8-sig": "utf-8"}.get(encoding, encoding)


def test_a_hundred_thousand_rows_take_seconds() -> None:
    rows = "".join(f'{n},"Name {n}",Town,{n}.50,"some, text"\n' for n in range(100_000))
    started = time.process_time()
    parsed = parse_table(f"id,name,town,pay,note\n{rows}".encode(), media.CSV)
    assert time.process_time() - started < 10
    assert parsed.text.count("\n") == 100_000


def test_hostile_rows_take_linear_time() -> None:
    check_linear(parse_table, ['"\n', '"a\n', '""', '"""\n', ",", "\n", 'a,"', ' "'], media.CSV)


@given(st.text(st.sampled_from('ab1",;\t|\n \x00\u202e\u0301')) | st.text())
def test_any_text_gives_a_sound_table(text: str) -> None:
    parse_hostile(parse_table, text.encode("utf-8", "replace"), media.CSV)


@given(st.binary(max_size=300))
def test_any_bytes_give_a_sound_table_or_are_refused(data: bytes) -> None:
    parse_hostile(parse_table, data, media.TSV)


cell = st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters='"'))


@given(st.lists(st.lists(cell, min_size=2, max_size=2), min_size=1, max_size=8))
def test_quoted_records_come_back_as_they_were(rows: list[list[str]]) -> None:
    text = "\n".join(",".join(f'"{value}"' for value in row) for row in rows)
    assert list(split_records(text, ",")) == rows
