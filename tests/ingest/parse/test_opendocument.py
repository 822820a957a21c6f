from __future__ import annotations

import time

import pytest
from office_samples import make_odt, make_open, open_row, replace_member

from ingest.base.errors import EncryptedDocument
from ingest.parse.base import media
from ingest.parse.base.blocks import Parsed
from ingest.parse.office.opendocument import parse_opendocument


def read_text(body: str, meta: str = "") -> Parsed:
    return parse_opendocument(make_open("text", body, meta), media.ODT)


def read_sheets(body: str) -> Parsed:
    return parse_opendocument(make_open("spreadsheet", body), media.ODS)


def read_slides(body: str) -> Parsed:
    return parse_opendocument(make_open("presentation", body), media.ODP)


def heading(level: int, text: str) -> str:
    return f'<text:h text:outline-level="{level}">{text}</text:h>'


def test_headings_paragraphs_and_blanks() -> None:
    parsed = read_text(
        heading(1, "Leave")
        + '<text:p>Thirty<text:s text:c="2"/>days<text:tab/>or <text:span>more</text:span>.</text:p>'
        + heading(2, "Sick")
        + "<text:section><text:p>Tell<text:line-break/>us.</text:p></text:section>"
    )
    assert parsed.text == "Leave\n\nThirty  days\tor more.\n\nSick\n\nTell\nus."
    assert [(h.level, h.title) for h in parsed.headings] == [(1, "Leave"), (2, "Sick")]


def test_lists_are_marked_and_indented() -> None:
    inner = "<text:list><text:list-item><text:p>deep</text:p></text:list-item></text:list>"
    parsed = read_text(
        f"<text:list><text:list-item><text:p>one</text:p>{inner}</text:list-item>"
        "<text:list-item><text:p>two</text:p></text:list-item></text:list>"
    )
    assert parsed.text == "- one\n  - deep\n- two"


def test_tables_name_their_columns() -> None:
    parsed = read_text(
        "<table:table><table:table-header-rows>"
        + open_row("Name", "Days")
        + "</table:table-header-rows>"
        + open_row("Ann", "30")
        + "</table:table><text:p>After.</text:p>"
    )
    assert parsed.text == "Name | Days\nAnn | 30\n\nAfter."
    assert [table.columns for table in parsed.tables] == ["Name | Days"]


def test_deleted_text_that_is_tracked_is_left_out() -> None:
    parsed = read_text(
        "<text:tracked-changes><text:changed-region><text:deletion><text:p>gone</text:p>"
        "</text:deletion></text:changed-region></text:tracked-changes>"
        '<text:p>Stays<text:change text:change-id="c1"/> here.</text:p>'
    )
    assert parsed.text == "Stays here."


def test_notes_and_comments_follow_their_paragraph_and_notes_are_numbered() -> None:
    note = (
        "<text:note><text:note-citation>*</text:note-citation><text:note-body>"
        "<text:p>The law.</text:p></text:note-body></text:note>"
    )
    comment = (
        "<office:annotation><dc:creator>Ann</dc:creator><text:p>Why?</text:p></office:annotation>"
    )
    parsed = read_text(f"<text:p>One{note}{comment}.</text:p><text:p>Two{note}.</text:p>")
    assert parsed.text == (
        "One[1].\n\n[1] The law.\n\nComment by Ann: Why?\n\nTwo[2].\n\n[2] The law."
    )


def test_frames_follow_their_paragraph() -> None:
    parsed = read_text(
        "<text:p>Beside<draw:frame><draw:text-box><text:p>boxed</text:p></draw:text-box>"
        "</draw:frame> it.</text:p>"
    )
    assert parsed.text == "Beside it.\n\nboxed"


def test_the_title_comes_from_the_metadata_else_from_its_style() -> None:
    styled = '<text:p text:style-name="Title">The Handbook</text:p>'
    assert read_text(styled).title == "The Handbook"
    named = read_text(styled, "<office:meta><dc:title>Handbook 2024</dc:title></office:meta>")
    assert named.title == "Handbook 2024"


def test_a_file_with_a_password_is_encrypted() -> None:
    manifest = "<manifest:file-entry><manifest:encryption-data/></manifest:file-entry>"
    with pytest.raises(EncryptedDocument):
        parse_opendocument(replace_member(make_odt(), "META-INF/manifest.xml", manifest), media.ODT)


def test_sheets_are_pages_with_tables() -> None:
    rows = open_row("Name", "Days") + open_row("Ann", "30")
    parsed = read_sheets(
        f'<table:table table:name="Leave">{rows}</table:table>'
        '<table:table table:name="Empty"><table:table-row><table:table-cell/></table:table-row>'
        f'</table:table><table:table table:name="Pay">{open_row("x")}</table:table>'
    )
    assert parsed.text == "Leave\n\nName | Days\nAnn | 30\n\nPay\n\nx"
    assert [page.label for page in parsed.pages] == ["sheet Leave", "sheet Empty", "sheet Pay"]
    assert [table.columns for table in parsed.tables] == ["Name | Days"]


def test_dates_are_iso_and_other_values_as_shown() -> None:
    cells = (
        '<table:table-cell office:date-value="2024-05-01"><text:p>1. Mai 24</text:p>'
        '</table:table-cell><table:table-cell office:value="0.256"><text:p>25.6 %</text:p>'
        '</table:table-cell><table:table-cell office:value="7"/>'
    )
    parsed = read_sheets(
        f'<table:table table:name="S"><table:table-row>{cells}</table:table-row></table:table>'
    )
    assert parsed.text == "S\n\n2024-05-01 | 25.6 % | 7"


def test_empty_repeated_rows_and_cells_are_bounded() -> None:
    empty = (
        '<table:table-row table:number-rows-repeated="1048576">'
        '<table:table-cell table:number-columns-repeated="16384"/></table:table-row>'
    )
    started = time.process_time()
    parsed = read_sheets(
        f'<table:table table:name="S">{open_row("Name", "Days")}{empty * 50}{open_row("Ann", "30")}'
        "</table:table>"
    )
    assert parsed.text == "S\n\nName | Days\n\nAnn | 30"
    assert time.process_time() - started < 1


def test_filled_repeated_rows_and_cells_are_bounded() -> None:
    filled = (
        '<table:table-row table:number-rows-repeated="1048576"><table:table-cell '
        'table:number-columns-repeated="1000"><text:p>x</text:p></table:table-cell>'
        "</table:table-row>"
    )
    started = time.process_time()
    parsed = read_sheets(f'<table:table table:name="S">{filled * 30}</table:table>')
    assert len(parsed.text) < 20_000_000
    assert time.process_time() - started < 5


def test_slides_are_pages_with_title_shapes_in_order_and_notes() -> None:
    def frame(text: str, attributes: str) -> str:
        return (
            f"<draw:frame {attributes}><draw:text-box><text:p>{text}</text:p></draw:text-box>"
            "</draw:frame>"
        )

    parsed = read_slides(
        "<draw:page>"
        + frame("below", 'svg:y="5in"')
        + frame("right", 'svg:y="3cm" svg:x="9cm"')
        + frame("left", 'svg:y="31mm" svg:x="1cm"')
        + frame("Leave", 'svg:y="9cm" presentation:class="title"')
        + f"<presentation:notes>{frame('Say it.', '')}</presentation:notes>"
        + "</draw:page><draw:page/>"
    )
    assert parsed.text == "Leave\n\nleft\n\nright\n\nbelow\n\nNotes: Say it."
    assert [(page.label, page.findings) for page in parsed.pages] == [
        ("slide 1", ()),
        ("slide 2", ("empty",)),
    ]
    assert [h.title for h in parsed.headings] == ["Leave"]
