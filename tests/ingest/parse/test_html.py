from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.parse.base import media
from ingest.parse.base.blocks import Parsed
from ingest.parse.web.html import parse_html


def read(html: str | bytes) -> Parsed:
    return parse_html(html.encode("utf-8") if isinstance(html, str) else html, media.HTML)


def test_blocks_headings_and_title() -> None:
    parsed = read(
        "<!doctype html><html><head><title>The  Guide</title></head><body>"
        "<h1>Leave</h1><p>Every   one\n gets <b>30</b> days.</p><h2>Sick</h2>text<br>more"
    )
    assert parsed.title == "The Guide"
    assert parsed.text == "Leave\n\nEvery one gets 30 days.\n\nSick\n\ntext\nmore"
    assert [(h.start, h.level, h.title) for h in parsed.headings] == [
        (0, 1, "Leave"),
        (parsed.text.index("Sick"), 2, "Sick"),
    ]


@pytest.mark.parametrize(
    "markup",
    [
        "<script>if (a < b) hidden()</script>",
        "<style>p { hidden }</style>",
        "<nav><a>hidden</a><nav>hidden</nav></nav>",
        "<template><p>hidden</p></template>",
        "<p hidden>hidden</p>",
        "<div style='display: none'>hidden<div>hidden</div></div>",
        "<!-- hidden -->",
        "<svg><text>hidden</text></svg>",
        "<img alt='hidden' style='display:none'>",
    ],
)
def test_what_a_reader_does_not_see_is_left_out(markup: str) -> None:
    assert read(f"<p>one</p>{markup}<p>two</p>").text == "one\n\ntwo"


def test_table_rows_are_lines() -> None:
    parsed = read(
        "<table><thead><tr><th>Name<th>Days</thead><tr><td><p>Ann</p></td><td>30</td></tr>"
        "<tr><td></td><td>31</td></tr></table><p>after"
    )
    assert parsed.text == "Name | Days\nAnn | 30\n| 31\n\nafter"


def test_a_table_used_for_layout_gives_paragraphs() -> None:
    parsed = read("<table><tr><td><p>one<p>two</td><td><h2>Three</h2>four</td></tr></table>")
    assert "one\ntwo" in parsed.text
    assert "Three" in parsed.text


def test_lists_are_marked() -> None:
    assert read("<ul><li>one<li><p>two</ul>").text == "- one\n- two"


def test_preformatted_text_keeps_its_lines() -> None:
    assert read("<p>a</p><pre>def f():\n    return 1\n</pre>").text == (
        "a\n\ndef f():\n    return 1"
    )


def test_links_give_their_text_only() -> None:
    assert read("<p>see <a href='http://x.example/'>the page</a>.</p>").text == "see the page."


def test_entities_and_invisible_characters() -> None:
    assert read("<p>a&amp;b &lt;c&gt; d&#8203;e&nbsp;f</p>").text == "a&b <c> de f"


def test_the_declared_encoding_is_used() -> None:
    page = "<html><head><meta charset='shift_jis'></head><body><p>日本語のページ</p></body></html>"
    assert read(page.encode("shift_jis")).text == "日本語のページ"
    unknown = "<meta charset='nonsense'><p>Größe</p>".encode("cp1252")
    assert read(unknown).text == "Größe"


@pytest.mark.parametrize(
    "hostile",
    [
        b"<a " * 20_000,
        b"<!--" * 20_000,
        b"</" * 100_000,
        b"<div>" * 1_000_000,
        b"<p>x" * 50_000,
        b"<table><tr><td>" * 5_000,
        b"<template>" * 50_000,
        b"<![",
        b"<a " + b"x=1 " * 100_000 + b">",
        b"&#99999999999999999999;" * 1000,
        b"&#" + b"9" * 1_000_000 + b";",
        b"<li>" * 50_000,
        b"<table><tr><td rowspan=9999 colspan=9999>x" * 2_000,
        b"<table>" + b"<tr><td rowspan=100>x" * 20_000,
        b"<table>" + b"<tr>" + b"<td colspan=100>x" * 20_000,
        b"<pre>" * 50_000,
    ],
)
def test_hostile_markup_takes_linear_time(hostile: bytes) -> None:
    started = time.process_time()
    parsed = read(hostile + b"<p>end")
    assert time.process_time() - started < 4  # Half a second to one on a quiet machine.
    assert isinstance(parsed.text, str)


@given(st.text(alphabet="<>/abptdrl123 &;='\"!-\n"))
def test_any_markup_is_read_and_headings_point_into_it(markup: str) -> None:
    parsed = read(f"<h1>x</h1>{markup}")
    for heading in parsed.headings:
        assert parsed.text[heading.start :].startswith(heading.title.split()[0])


def test_header_cells_name_the_columns() -> None:
    parsed = read(
        "<p>before<table><caption>Days</caption><tr><th>Name<th>Days<tr><td>Ann<td>30"
        "<tr><th>Bob<td>31</table><p>after"
    )
    assert parsed.text == "before\n\nDays\n\nName | Days\nAnn | 30\nBob | 31\n\nafter"
    (table,) = parsed.tables
    assert table.columns == "Name | Days"
    assert parsed.text[table.start : table.end] == "Name | Days\nAnn | 30\nBob | 31"


def test_rows_in_the_head_of_a_table_name_the_columns() -> None:
    parsed = read(
        "<table><thead><tr><td>Name<td>Days</thead><tr><td>Ann<td>30</table>"
        "<table><tr><td>a<td>b<tr><td>c<td>d</table>"
    )
    assert [table.columns for table in parsed.tables] == ["Name | Days", ""]


def test_cells_over_several_columns_and_rows_keep_the_others_in_place() -> None:
    parsed = read(
        "<table><tr><th>Group<th>Name<th>Days<tr><td rowspan=2>North<td>Ann<td>30"
        "<tr><td>Bob<td>31<tr><td colspan=2>Total<td>61</table>"
    )
    assert parsed.text == ("Group | Name | Days\nNorth | Ann | 30\nNorth | Bob | 31\nTotal |  | 61")


def test_lines_in_a_cell_of_a_data_table_are_joined() -> None:
    parsed = read("<table><tr><th>Name<th>Note<tr><td>Ann<td>one<br>two</table>")
    assert parsed.text == "Name | Note\nAnn | one two"


def test_columns_without_any_text_are_left_out() -> None:
    parsed = read("<table><tr><td>Rent<td><td>$<td>1<tr><td>Food<td><td>$<td>2</table>")
    assert parsed.text == "Rent | $ | 1\nFood | $ | 2"


def test_code_keeps_its_first_indentation_and_its_blank_lines() -> None:
    parsed = read("<pre>    a = 1\n\n    b  =  2\n</pre>")
    assert parsed.text == "    a = 1\n\n    b  =  2"


@pytest.mark.parametrize(
    ("page", "encoding"),
    [
        (b"<p>plain", "utf-8"),
        ("<p>Größe".encode("utf-16"), "utf-16-le"),
        ("<meta charset=shift_jis><p>日本語".encode("shift_jis"), "shift_jis"),
        ("<p>Die Größe der Räume wird geprüft, danach gilt sie.".encode("cp1252"), "cp1252"),
    ],
)
def test_the_encoding_is_recorded(page: bytes, encoding: str) -> None:
    assert read(page).encoding == encoding


def test_encodings_that_no_page_has_are_not_used() -> None:
    assert read("<meta charset=punycode><p>Größe".encode("cp1252")).text == "Größe"


def test_header_rows_are_joined_by_column() -> None:
    parsed = read(
        "<table><thead><tr><th colspan=5>Sales</th></tr>"
        "<tr><th rowspan=2>Region</th><th colspan=2>Q1</th><th colspan=2>Q2</th></tr>"
        "<tr><th>Plan</th><th>Actual</th><th>Plan</th><th>Actual</th></tr></thead>"
        "<tr><td>North</td><td>1</td><td>2</td><td>3</td><td>4</td></tr></table>"
    )
    columns = "Region | Q1 Plan | Q1 Actual | Q2 Plan | Q2 Actual"
    assert parsed.text == f"Sales\n\n{columns}\nNorth | 1 | 2 | 3 | 4"
    assert [table.columns for table in parsed.tables] == [columns]
