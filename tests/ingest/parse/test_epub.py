from __future__ import annotations

import time

import pytest
from office_samples import make_epub, replace_member, zip_of

from ingest.base.errors import EncryptedDocument, ParseError
from ingest.parse.base import media
from ingest.parse.base.blocks import Parsed
from ingest.parse.web.epub import parse_epub


def read(data: bytes) -> Parsed:
    return parse_epub(data, media.EPUB)


def page(body: str) -> str:
    return (
        '<?xml version="1.0" encoding="utf-8"?><!DOCTYPE html><html '
        f'xmlns="http://www.w3.org/1999/xhtml"><head><title/></head><body>{body}</body></html>'
    )


NAV = '<item id="nav" href="nav.xhtml" properties="nav" media-type="application/xhtml+xml"/>'
NCX = '<item id="ncx" href="toc.ncx" media-type="application/x-dtbncx+xml"/>'


def test_sections_follow_the_spine_and_are_pages() -> None:
    parsed = read(
        make_epub({"b.xhtml": page("<h1>First</h1><p>one"), "a.xhtml": page("<h1>Second</h1>two")})
    )
    assert parsed.title == "The Handbook"
    assert parsed.text == "First\n\none\n\nSecond\n\ntwo"
    assert [(p.label, parsed.text[p.start :].split()[0]) for p in parsed.pages] == [
        ("section 1", "First"),
        ("section 2", "Second"),
    ]
    assert [(h.start, h.title) for h in parsed.headings] == [
        (0, "First"),
        (parsed.text.index("Second"), "Second"),
    ]


def test_the_author_is_told_at_the_top() -> None:
    parsed = read(make_epub({"a.xhtml": page("text")}, creator="Ann Müller"))
    assert parsed.text == "Author: Ann Müller\n\ntext"
    assert [page.label for page in parsed.pages] == ["section 1"]


@pytest.mark.parametrize(
    ("item", "name", "contents"),
    [
        (
            NAV,
            "OEBPS/nav.xhtml",
            page('<nav><ol><li><a href="a%20b.xhtml#x">Leave</a></li></ol></nav>'),
        ),
        (
            NCX,
            "OEBPS/toc.ncx",
            '<!DOCTYPE ncx PUBLIC "-//NISO//DTD ncx 2005-1//EN" "http://192.0.2.1/ncx.dtd">'
            '<ncx xmlns="http://www.daisy.org/z3986/2005/ncx/"><navMap><navPoint><navLabel><text>'
            'Leave</text></navLabel><content src="a%20b.xhtml"/></navPoint></navMap></ncx>',
        ),
    ],
    ids=["nav", "ncx"],
)
def test_sections_without_heading_take_that_of_the_contents(item, name, contents) -> None:
    parsed = read(make_epub({"a b.xhtml": page("<p>Thirty days.")}, item, {name: contents}))
    assert parsed.text == "Leave\n\nThirty days."
    assert [h.title for h in parsed.headings] == ["Leave"]


def test_damaged_contents_do_not_cost_the_book() -> None:
    parsed = read(make_epub({"a.xhtml": page("text")}, NAV, {"OEBPS/nav.xhtml": "<nav><ol>"}))
    assert parsed.text == "text"


def test_tables_and_headings_are_where_the_section_stands() -> None:
    table = "<table><tr><th>Name</th><th>Days</th></tr><tr><td>Ann</td><td>30</td></tr></table>"
    parsed = read(make_epub({"a.xhtml": page("<p>one"), "b.xhtml": page(f"<h2>Two</h2>{table}")}))
    (found,) = parsed.tables
    assert parsed.text[found.start : found.end] == "Name | Days\nAnn | 30"
    assert parsed.text[parsed.headings[0].start :].startswith("Two")


def test_missing_sections_are_noted() -> None:
    parsed = read(make_epub({"a.xhtml": page("here"), "gone.xhtml": "", "b.xhtml": page("there")}))
    assert parsed.text == "here\n\nthere"
    assert parsed.notes == ("1 sections are missing or damaged: OEBPS/gone.xhtml",)
    assert [(p.label, p.start) for p in parsed.pages] == [
        ("section 1", 0),
        ("section 2", 6),
        ("section 3", 6),
    ]


def encryption(method: str) -> dict[str, str]:
    return {
        "META-INF/encryption.xml": '<encryption xmlns="urn:oasis:names:tc:opendocument:xmlns:'
        'container"><EncryptedData xmlns="http://www.w3.org/2001/04/xmlenc#"><EncryptionMethod '
        f'Algorithm="{method}"/></EncryptedData></encryption>'
    }


def test_protected_books_are_encrypted_and_hidden_fonts_are_not() -> None:
    with pytest.raises(EncryptedDocument):
        read(make_epub(extra=encryption("http://www.w3.org/2001/04/xmlenc#aes128-cbc")))
    assert read(make_epub(extra=encryption("http://www.idpf.org/2008/embedding"))).text


def test_elements_closed_at_once_do_not_swallow_the_text() -> None:
    parsed = read(
        make_epub({"a.xhtml": page('<script src="x"/><p>one<a id="x"/> two</p><p/>three')})
    )
    assert parsed.text == "one two\n\nthree"


def test_the_encoding_that_a_section_declares_is_used() -> None:
    text = page("<p>Größe").replace("utf-8", "iso-8859-1").encode("latin-1")
    data = replace_member(make_epub({"a.xhtml": "x"}), "OEBPS/a.xhtml", text)
    assert read(data).text == "Größe"


def test_entities_that_a_section_declares_are_not_replaced() -> None:
    bomb = '<!DOCTYPE html [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><html><body><p>x &b; y</p>'
    parsed = read(make_epub({"a.xhtml": bomb}))
    assert "aaaa" not in parsed.text.replace('"aaaa"', "")


def test_a_book_without_its_package_is_damaged() -> None:
    with pytest.raises(ParseError, match="package document is missing"):
        read(zip_of({"mimetype": "application/epub+zip"}))


def test_a_section_listed_many_times_is_bounded() -> None:
    spine = "".join('<itemref idref="i0"/>' for _ in range(5_000))
    data = make_epub({"a.xhtml": page("<p>" + "word " * 100_000)})
    package = (
        '<package xmlns="http://www.idpf.org/2007/opf"><manifest><item id="i0" href="a.xhtml" '
        f'media-type="application/xhtml+xml"/></manifest><spine>{spine}</spine></package>'
    )
    started = time.process_time()
    with pytest.raises(ParseError):
        read(replace_member(data, "OEBPS/book.opf", package))
    assert time.process_time() - started < 10
