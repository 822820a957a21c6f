from __future__ import annotations

import pptx
import pytest
from office_samples import read_member, replace_member, saved
from pptx.chart.data import CategoryChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.util import Inches

from ingest.parse.base import media
from ingest.parse.base.blocks import Parsed
from ingest.parse.office.slides import parse_pptx

TITLE_ONLY, BLANK = 5, 6


@pytest.fixture
def deck():
    presentation = pptx.Presentation()
    presentation.core_properties.title = ""
    return presentation


def read(presentation) -> Parsed:
    return parse_pptx(saved(presentation), media.PPTX)


def add_slide(presentation, title: str = ""):
    layout = presentation.slide_layouts[TITLE_ONLY if title else BLANK]
    slide = presentation.slides.add_slide(layout)
    if title:
        slide.shapes.title.text = title
    return slide


def add_box(shapes, text: str, left: float, top: float) -> None:
    box = shapes.add_textbox(Inches(left), Inches(top), Inches(1), Inches(1))
    box.text_frame.text = text


def test_each_slide_is_a_page_with_its_title_as_heading(deck) -> None:
    add_box(add_slide(deck, "Leave").shapes, "Thirty days.", 1, 3)
    add_box(add_slide(deck, "Pay").shapes, "Monthly.", 1, 3)
    parsed = read(deck)
    assert parsed.text == "Leave\n\nThirty days.\n\nPay\n\nMonthly."
    assert [(p.label, parsed.text[p.start :].split()[0]) for p in parsed.pages] == [
        ("slide 1", "Leave"),
        ("slide 2", "Pay"),
    ]
    assert [(h.level, h.title) for h in parsed.headings] == [(1, "Leave"), (2, "Pay")]


def test_shapes_are_read_from_top_to_bottom_and_left_to_right(deck) -> None:
    shapes = add_slide(deck).shapes
    add_box(shapes, "below", 1, 5)
    add_box(shapes, "right", 5, 3)
    add_box(shapes, "left", 1, 3.1)
    add_box(shapes, "above", 3, 1)
    assert read(deck).text.split() == ["above", "left", "right", "below"]


def test_groups_are_opened_where_they_stand(deck) -> None:
    shapes = add_slide(deck).shapes
    add_box(shapes, "last", 1, 5)
    group = shapes.add_group_shape()
    add_box(group.shapes, "second", 1, 2)
    inner = group.shapes.add_group_shape()
    add_box(inner.shapes, "first", 1, 1)
    assert read(deck).text.split() == ["first", "second", "last"]


def test_lists_keep_their_levels(deck) -> None:
    slide = deck.slides.add_slide(deck.slide_layouts[1])
    slide.shapes.title.text = "Rules"
    frame = slide.placeholders[1].text_frame
    frame.text = "one"
    deeper = frame.add_paragraph()
    deeper.text, deeper.level = "deeper", 1
    assert read(deck).text == "Rules\n\n- one\n  - deeper"


def test_tables_name_their_columns(deck) -> None:
    shape = add_slide(deck, "Days").shapes.add_table(
        3, 2, Inches(1), Inches(2), Inches(4), Inches(2)
    )
    for row, texts in zip(shape.table.rows, ("Name Days", "Ann 30", "Bob 31"), strict=True):
        for cell, text in zip(row.cells, texts.split(), strict=True):
            cell.text = text
    parsed = read(deck)
    (table,) = parsed.tables
    assert table.columns == "Name | Days"
    assert parsed.text[table.start : table.end] == "Name | Days\nAnn | 30\nBob | 31"


def test_charts_give_their_values(deck) -> None:
    data = CategoryChartData()
    data.categories = ["North", "South"]
    data.add_series("Sales", (1.5, 20))
    add_slide(deck).shapes.add_chart(
        XL_CHART_TYPE.COLUMN_CLUSTERED, Inches(1), Inches(1), Inches(4), Inches(3), data
    )
    assert read(deck).text == "| Sales\nNorth | 1.5\nSouth | 20"


def test_notes_end_the_slide_and_are_called_so(deck) -> None:
    slide = add_slide(deck, "Leave")
    slide.notes_slide.notes_text_frame.text = "Mention the law."
    add_slide(deck, "Pay")
    assert read(deck).text == "Leave\n\nNotes: Mention the law.\n\nPay"


def test_hidden_slides_are_kept_and_noted(deck) -> None:
    add_slide(deck, "Shown")
    add_slide(deck, "Hidden")._element.set("show", "0")
    parsed = read(deck)
    assert parsed.text == "Shown\n\nHidden"
    assert parsed.notes == ("slides hidden: 2",)


def test_a_slide_without_text_is_a_page_with_a_finding(deck) -> None:
    add_slide(deck, "First")
    add_slide(deck)
    add_slide(deck, "Third")
    pages = read(deck).pages
    assert [(page.label, page.findings) for page in pages] == [
        ("slide 1", ()),
        ("slide 2", ("empty",)),
        ("slide 3", ()),
    ]
    assert pages[1].score == 0.0


def test_the_title_comes_from_the_properties(deck) -> None:
    add_slide(deck, "Leave")
    assert read(deck).title == ""
    deck.core_properties.title = "Handbook"
    assert read(deck).title == "Handbook"


def test_shows_and_templates_are_read_too(deck) -> None:
    add_slide(deck, "Leave")
    data = saved(deck)
    types = read_member(data, "[Content_Types].xml").replace(
        b"presentationml.presentation.main+xml", b"presentationml.slideshow.main+xml"
    )
    assert (
        parse_pptx(replace_member(data, "[Content_Types].xml", types), media.PPTX).text == "Leave"
    )


def test_a_damaged_slide_does_not_cost_the_others(deck) -> None:
    slide = add_slide(deck, "Broken")
    slide.shapes.add_table(1, 1, 0, 0, 1, 1)
    add_slide(deck, "Good")
    data = saved(deck)
    broken = read_member(data, "ppt/slides/slide1.xml").replace(b"<a:tbl>", b"<a:tbx>")
    broken = broken.replace(b"</a:tbl>", b"</a:tbx>")
    parsed = parse_pptx(replace_member(data, "ppt/slides/slide1.xml", broken), media.PPTX)
    assert "Good" in parsed.text
    assert parsed.notes == ("slides damaged and read in part: 1",)
