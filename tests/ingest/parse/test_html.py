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
    assert parsed.text == "Name | Days\nAnn | 30\n31\n\nafter"


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
        b"<div>" * 200_000,
        b"<p>x" * 50_000,
        b"<table><tr><td>" * 5_000,
        b"<template>" * 50_000,
        b"<![",
        b"<a " + b"x=1 " * 100_000 + b">",
        b"&#99999999999999999999;" * 1000,
        b"<li>" * 50_000,
    ],
)
def test_hostile_markup_takes_linear_time(hostile: bytes) -> None:
    started = time.process_time()
    parsed = read(hostile + b"<p>end")
    assert time.process_time() - started < 12
    assert isinstance(parsed.text, str)


@given(st.text(alphabet="<>/abptdrl123 &;='\"!-\n"))
def test_any_markup_is_read_and_headings_point_into_it(markup: str) -> None:
    parsed = read(f"<h1>x</h1>{markup}")
    for heading in parsed.headings:
        assert parsed.text[heading.start :].startswith(heading.title.split()[0])
