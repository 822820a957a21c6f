from __future__ import annotations

import io
import zipfile

import docx
import pytest
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls

from ingest.base.errors import ParseError
from ingest.parse.base import media
from ingest.parse.base.blocks import Parsed
from ingest.parse.base.failures import TooLarge
from ingest.parse.office.word import parse_docx


def save(document: docx.document.Document) -> bytes:
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def read(document: docx.document.Document) -> Parsed:
    return parse_docx(save(document), media.DOCX)


@pytest.fixture
def document() -> docx.document.Document:
    blank = docx.Document()
    blank.core_properties.title = ""
    return blank


def test_paragraphs_headings_and_tables_in_document_order(document) -> None:
    document.add_heading("Leave", 1)
    document.add_paragraph("Everyone gets 30 days.")
    table = document.add_table(rows=2, cols=2)
    for cell, text in zip(
        (c for row in table.rows for c in row.cells), ["Name", "Days", "Ann", "30"], strict=True
    ):
        cell.text = text
    document.add_heading("Sick leave", 2)
    document.add_paragraph("Tell us.")
    parsed = read(document)
    assert parsed.text == (
        "Leave\n\nEveryone gets 30 days.\n\nName | Days\nAnn | 30\n\nSick leave\n\nTell us."
    )
    assert [(h.level, h.title) for h in parsed.headings] == [(1, "Leave"), (2, "Sick leave")]
    assert parsed.text[parsed.headings[1].start :].startswith("Sick leave")


def test_headings_are_known_by_the_built_in_name_whatever_the_style_id(document) -> None:
    document.styles["Heading 1"].element.set(
        "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}styleId", "berschrift1"
    )
    document.add_paragraph("Urlaub", style=document.styles["Heading 1"])
    assert [h.title for h in read(document).headings] == ["Urlaub"]


def test_own_styles_inherit_and_outline_levels_count(document) -> None:
    style = document.styles.add_style("House", docx.enum.style.WD_STYLE_TYPE.PARAGRAPH)
    style.base_style = document.styles["Heading 2"]
    document.add_paragraph("Inherited", style=style)
    outlined = document.add_paragraph("Outlined")
    outlined._p.get_or_add_pPr().append(parse_xml(f'<w:outlineLvl {nsdecls("w")} w:val="2"/>'))
    assert [(h.level, h.title) for h in read(document).headings] == [
        (2, "Inherited"),
        (3, "Outlined"),
    ]


def test_the_title_comes_from_the_properties_else_from_its_style(document) -> None:
    document.add_heading("The Handbook", 0)
    assert read(document).title == "The Handbook"
    assert read(document).headings == ()
    document.core_properties.title = "Handbook 2024"
    assert read(document).title == "Handbook 2024"


def test_insertions_and_links_are_text_deletions_are_not(document) -> None:
    paragraph = document.add_paragraph("Stays")
    for xml in (
        '<w:ins {ns} w:id="1" w:author="a"><w:r><w:t xml:space="preserve"> new</w:t></w:r></w:ins>',
        '<w:del {ns} w:id="2" w:author="a"><w:r><w:delText>old</w:delText></w:r></w:del>',
        '<w:moveFrom {ns} w:id="3" w:author="a"><w:r><w:t>moved</w:t></w:r></w:moveFrom>',
        '<w:hyperlink {ns}><w:r><w:t xml:space="preserve"> link</w:t></w:r></w:hyperlink>',
    ):
        paragraph._p.append(parse_xml(xml.format(ns=nsdecls("w"))))
    assert read(document).text == "Stays new link"


def test_content_controls_and_nested_tables_are_read(document) -> None:
    document.element.body.insert(
        0,
        parse_xml(
            f"<w:sdt {nsdecls('w')}><w:sdtContent><w:p><w:r><w:t>Inside</w:t></w:r></w:p>"
            "</w:sdtContent></w:sdt>"
        ),
    )
    outer = document.add_table(rows=1, cols=2)
    outer.cell(0, 0).text = "left"
    inner = outer.cell(0, 1).add_table(rows=1, cols=2)
    inner.cell(0, 0).text = "deep"
    inner.cell(0, 1).text = "deeper"
    assert read(document).text == "Inside\n\nleft | deep deeper"


def test_list_items_are_marked(document) -> None:
    for text in ("one", "two"):
        item = document.add_paragraph(text)
        item._p.get_or_add_pPr().append(
            parse_xml(f'<w:numPr {nsdecls("w")}><w:numId w:val="1"/></w:numPr>')
        )
    assert read(document).text == "- one\n- two"


def test_a_bomb_is_refused_before_it_is_unpacked(document) -> None:
    data = io.BytesIO(save(document))
    with zipfile.ZipFile(data, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/media/bomb", b"\0" * 150_000_000)
    with pytest.raises(TooLarge) as caught:
        parse_docx(data.getvalue(), media.DOCX)
    assert caught.value.reason == "too-large"


def test_a_damaged_archive_is_a_parse_error(document) -> None:
    with pytest.raises(ParseError, match="damaged DOCX"):
        parse_docx(save(document)[:500], media.DOCX)
