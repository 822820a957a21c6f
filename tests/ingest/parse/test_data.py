from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from parsed_invariants import check, check_linear, parse_hostile

from ingest.base.documents import Heading, Page
from ingest.parse.base import media
from ingest.parse.base.blocks import Parsed
from ingest.parse.text.data import parse_json, parse_json_lines


def read(text: str) -> Parsed:
    return check(parse_json(text.encode(), media.JSON))


def read_lines(text: str) -> Parsed:
    return check(parse_json_lines(text.encode(), media.JSONL))


def test_flat_objects_are_rows_below_their_keys() -> None:
    parsed = read('[{"name":"Anna","town":"Rome"},{"name":"Bob","pay":2.50}]')
    assert parsed.text == "name | town | pay\nAnna | Rome |\nBob |  | 2.50"
    assert [table.columns for table in parsed.tables] == ["name | town | pay"]


def test_structures_are_indented_and_sections_are_headings() -> None:
    parsed = read('{"title":"T","db":{"host":"h","ports":[1,2]},"on":true,"off":null}')
    assert parsed.title == "T"
    assert parsed.text == "title: T\n\ndb:\n  host: h\n  ports: 1, 2\n\non: true\noff:"
    assert parsed.headings == (Heading(10, 2, "db"),)


def test_objects_in_arrays_are_told_apart() -> None:
    assert read('[{"a":1,"b":{"c":2}},[1,"x"]]').text == "- a: 1\n  b:\n    c: 2\n- 1, x"


def test_a_table_inside_an_object_stands_below_its_key() -> None:
    parsed = read('{"users":[{"id":1,"n":"x"},{"id":2,"n":"y"}],"z":1}')
    (table,) = parsed.tables
    assert parsed.text[table.start : table.end] == "id | n\n1 | x\n2 | y"


def test_text_of_several_lines_keeps_them() -> None:
    assert read('{"note":"one\\ntwo"}').text == "note:\n  one\n  two"


@pytest.mark.parametrize("text", ['{"a":1,"a":2}', '[{"a":1,"a":2,"b":1},{"a":3,"b":2}]'])
def test_keys_that_are_doubled_keep_each_value(text: str) -> None:
    found = read(text).text
    assert "a: 1" in found
    assert "a: 2" in found


def test_numbers_stay_as_they_are_written() -> None:
    digits = "9" * 100_000
    assert read(f'{{"a":1.10,"b":NaN,"c":{digits}}}').text == f"a: 1.10\nb: NaN\nc: {digits}"


def test_what_escapes_hide_is_cleaned() -> None:
    assert (
        read('{"a":"x\\u202ey\\u0000\\ud800z","b\\u200b":"e\\u0301"}').text == "a: xy\ufffdz\nb: é"
    )


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ('{"a":1,}', "not valid JSON"),
        ('{"a":1} // why', "not valid JSON"),
        ("just words", "not valid JSON"),
        ("[" * 100_000, "too deeply"),
        ("[" * 500 + "]" * 500, "too deeply"),
        ('{"a":' * 300 + "1" + "}" * 300, "too deeply"),
        ('{"a":"' + "x" * 20_000_000 + '"}', "20,000,000"),
    ],
)
def test_what_cannot_be_laid_out_stays_as_it_is_with_a_note(text: str, note: str) -> None:
    parsed = parse_json(text.encode(), media.JSON)
    assert parsed.text == text
    assert note in parsed.notes[0]


def test_lines_that_share_keys_are_a_table() -> None:
    parsed = read_lines('{"a":1,"b":2}\n\n{"a":3,"b":4}\n')
    assert parsed.text == "a | b\n1 | 2\n3 | 4"
    assert parsed.pages == ()


def test_other_lines_are_a_page_each() -> None:
    parsed = read_lines('{"a":1,"x":{"y":2}}\n\n{"b":[3]}\n')
    assert parsed.text == "a: 1\nx:\n  y: 2\n\nb: 3"
    assert parsed.pages == (Page(0, "line 1"), Page(16, "line 3"))


def test_damaged_lines_are_kept_and_counted() -> None:
    parsed = read_lines('{"a":{"b":1}}\n{"a":{"b":2}}\n{"a":\n')
    assert parsed.text.endswith('{"a":')
    assert parsed.notes == ("1 of 3 lines are not JSON",)


def test_lines_of_prose_are_plain_text() -> None:
    parsed = read_lines("one\ntwo\n")
    assert parsed.text == "one\ntwo\n"
    assert "not valid JSON" in parsed.notes[0]


def test_lines_under_the_name_of_json_are_read_as_lines() -> None:
    assert read('{"a":1,"b":2}\n{"a":3,"b":4}\n').text == "a | b\n1 | 2\n3 | 4"


def test_many_numbers_stand_side_by_side() -> None:
    assert read(json.dumps(list(range(100)))).text.count("\n") == 4


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "utf-32"])
def test_encodings_are_recorded(encoding: str) -> None:
    parsed = parse_json('{"a":"ü"}'.encode(encoding), media.JSON)
    assert parsed.text == "a: ü"
    assert parsed.encoding.startswith("utf-")


def test_hostile_data_takes_linear_time() -> None:
    pieces = ["[", '{"a":', "[1,", '"\\u0041', "9", '{"a":1}\n', '{"a":{"b":1}}\n', "[[]]\n"]
    check_linear(parse_json, pieces, media.JSON)
    check_linear(parse_json_lines, pieces, media.JSONL)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=30,
)


@given(values, st.booleans())
def test_any_value_is_laid_out(value: object, ascii: bool) -> None:
    data = json.dumps(value, ensure_ascii=ascii).encode("utf-8", "replace")
    parsed = parse_hostile(parse_json, data, media.JSON)
    assert parsed is None or parsed.notes == ()


@given(st.lists(values, max_size=5))
def test_any_lines_are_laid_out(records: list[object]) -> None:
    data = "\n".join(map(json.dumps, records)).encode()
    parse_hostile(parse_json_lines, data, media.JSONL)


@given(st.binary(max_size=300) | st.text(st.sampled_from('{}[]:,"\\u01 \n')).map(str.encode))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    parse_hostile(parse_json, data, media.JSON)
    parse_hostile(parse_json_lines, data, media.JSONL)
