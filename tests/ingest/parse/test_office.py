from __future__ import annotations

import io
import time
import zipfile
from contextlib import suppress

import docx
import pytest
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls
from office_samples import make_rtf, read_member, replace_member

from ingest.base.errors import ParseError
from ingest.parse.base import media
from ingest.parse.base.blocks import Parsed
from ingest.parse.base.failures import TooLarge
from ingest.parse.office.rich_text import parse_rtf
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


def test_a_table_names_its_columns(document) -> None:
    table = document.add_table(rows=3, cols=2)
    for row, texts in zip(table.rows, ("Name Days", "Ann 30", "Bob 31"), strict=True):
        for cell, text in zip(row.cells, texts.split(), strict=True):
            cell.text = text
    document.add_paragraph("After.")
    parsed = read(document)
    (found,) = parsed.tables
    assert found.columns == "Name | Days"
    assert parsed.text[found.start : found.end] == "Name | Days\nAnn | 30\nBob | 31"


def test_rows_marked_as_header_name_the_columns(document) -> None:
    table = document.add_table(rows=3, cols=2)
    for row, texts in zip(table.rows, ("2023 2024", "Q1 Q2", "1 2"), strict=True):
        for cell, text in zip(row.cells, texts.split(), strict=True):
            cell.text = text
    for row in list(table.rows)[:2]:
        row._tr.get_or_add_trPr().append(parse_xml(f"<w:tblHeader {nsdecls('w')}/>"))
    assert read(document).tables[0].columns == "2023 Q1 | 2024 Q2"


def test_merged_cells_keep_the_columns_and_repeat_downwards(document) -> None:
    table = document.add_table(rows=4, cols=3)
    texts = ["Group", "Name", "Days", "North", "Ann", "30", "", "Bob", "31", "Total", "", "61"]
    for cell, text in zip((c for row in table.rows for c in row.cells), texts, strict=True):
        cell.text = text
    table.cell(1, 0).merge(table.cell(2, 0))
    table.cell(3, 0).merge(table.cell(3, 1))
    assert read(document).text == (
        "Group | Name | Days\nNorth | Ann | 30\nNorth | Bob | 31\nTotal |  | 61"
    )


def add_note(data: bytes, kind: str) -> bytes:
    """Give the document a part with the note 2, to which its text already refers."""
    note = f'<w:{kind} w:id="2"><w:p><w:r><w:t>See the law.</w:t></w:r></w:p></w:{kind}>'
    separator = (
        f'<w:{kind} w:type="separator" w:id="0"><w:p><w:r><w:t>-</w:t></w:r></w:p></w:{kind}>'
    )
    rels = read_member(data, "word/_rels/document.xml.rels").decode()
    types = read_member(data, "[Content_Types].xml").decode()
    family = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    relation = f'<Relationship Id="rId99" Type="{family}/{kind}s" Target="{kind}s.xml"/>'
    override = (
        f'<Override PartName="/word/{kind}s.xml" ContentType="application/vnd.openxmlformats-'
        f'officedocument.wordprocessingml.{kind}s+xml"/>'
    )
    for name, content in (
        (f"word/{kind}s.xml", f"<w:{kind}s {nsdecls('w')}>{separator}{note}</w:{kind}s>"),
        ("word/_rels/document.xml.rels", rels.replace("</Rel", relation + "</Rel")),
        ("[Content_Types].xml", types.replace("</Types>", override + "</Types>")),
    ):
        data = replace_member(data, name, content)
    return data


@pytest.mark.parametrize("kind", ["footnote", "endnote"])
def test_notes_follow_their_paragraph(document, kind: str) -> None:
    paragraph = document.add_paragraph("Thirty days.")
    paragraph._p.append(parse_xml(f'<w:r {nsdecls("w")}><w:{kind}Reference w:id="2"/></w:r>'))
    document.add_paragraph("Next.")
    parsed = parse_docx(add_note(save(document), kind), media.DOCX)
    assert parsed.text == "Thirty days.[1]\n\n[1] See the law.\n\nNext."


def test_comments_follow_their_paragraph(document) -> None:
    paragraph = document.add_paragraph("Thirty days.")
    document.add_comment(paragraph.runs, text="Really?", author="Ann", initials="A")
    document.add_paragraph("Next.")
    assert read(document).text == "Thirty days.\n\nComment by Ann: Really?\n\nNext."


def test_text_boxes_follow_their_paragraph_once(document) -> None:
    box = (
        "<w:txbxContent><w:p><w:r><w:t>boxed</w:t></w:r></w:p><w:p><w:r><w:t>twice</w:t></w:r>"
        "</w:p></w:txbxContent>"
    )
    markup = "http://schemas.openxmlformats.org/markup-compatibility/2006"
    paragraph = document.add_paragraph("Beside it.")
    paragraph._p.append(
        parse_xml(
            f'<w:r {nsdecls("w")} xmlns:mc="{markup}"><mc:AlternateContent><mc:Choice '
            f'Requires="wps">{box}</mc:Choice><mc:Fallback><w:pict>{box}</w:pict></mc:Fallback>'
            "</mc:AlternateContent></w:r>"
        )
    )
    assert read(document).text == "Beside it.\n\nboxed\n\ntwice"


def test_headers_and_footers_are_left_out(document) -> None:
    document.sections[0].header.paragraphs[0].text = "Confidential"
    document.sections[0].footer.paragraphs[0].text = "Page 1"
    document.add_paragraph("Text.")
    assert read(document).text == "Text."


def test_a_document_with_macros_is_read(document) -> None:
    document.add_paragraph("Text.")
    data = save(document)
    types = read_member(data, "[Content_Types].xml").replace(
        b"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml",
        b"application/vnd.ms-word.document.macroEnabled.main+xml",
    )
    data = replace_member(data, "[Content_Types].xml", types)
    assert parse_docx(data, media.DOCX).text == "Text."


def test_rich_text_gives_paragraphs_characters_and_tables() -> None:
    parsed = parse_rtf(make_rtf(), media.RTF)
    assert parsed.title == "Handbook"
    assert parsed.text == (
        "Leave\n\nEveryone gets 30 days of leave.\n\nGrüße € \U0001f600\n\n"
        "Name | Days\nAnn | 30\n\nEnd"
    )
    assert [table.columns for table in parsed.tables] == ["Name | Days"]


def test_links_in_rich_text_give_their_text_only() -> None:
    link = rb'{\rtf1 see {\field{\*\fldinst{HYPERLINK "http://x.example/"}}{\fldrslt the page}}.}'
    assert parse_rtf(link, media.RTF).text == "see the page."


@pytest.mark.parametrize(
    "hostile",
    [
        rb"{\rtf1 " + rb"{\field{\*\fldinst{" * 20_000,
        rb"{\rtf1 {\fonttbl" + rb"\f1" * 30_000 + rb"}}",
        rb"{\rtf1 " + b"{" * 100_000,
        rb"{\rtf1 " + b"}" * 100_000,
        rb"{\rtf1 " + rb"\'e4" * 100_000 + b"}",
        rb"{\rtf1 \u99999999999 x}",
        rb"{\rtf1 {\fonttbl" + rb"\f1\fcharset1" * 30_000,
    ],
)
def test_hostile_rich_text_takes_linear_time(hostile: bytes) -> None:
    started = time.process_time()
    with suppress(ParseError, ValueError, OverflowError):
        parse_rtf(hostile, media.RTF)
    assert time.process_time() - started < 2
