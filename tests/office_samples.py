"""Small documents of every office, book and mail format, made by their libraries or by hand."""

from __future__ import annotations

import datetime
import io
import zipfile
from collections.abc import Mapping
from email.message import EmailMessage
from typing import Any

import docx
import openpyxl
import pptx

_OASIS = "urn:oasis:names:tc:opendocument:xmlns:"
_PREFIXES = {
    "office": f"{_OASIS}office:1.0",
    "text": f"{_OASIS}text:1.0",
    "table": f"{_OASIS}table:1.0",
    "draw": f"{_OASIS}drawing:1.0",
    "svg": f"{_OASIS}svg-compatible:1.0",
    "presentation": f"{_OASIS}presentation:1.0",
    "dc": "http://purl.org/dc/elements/1.1/",
}
NAMESPACES = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in _PREFIXES.items())


def zip_of(members: Mapping[str, str | bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def replace_member(data: bytes, name: str, content: str | bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members: dict[str, str | bytes] = {one: archive.read(one) for one in archive.namelist()}
    members[name] = content
    return zip_of(members)


def read_member(data: bytes, name: str) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return archive.read(name)


def saved(document: Any) -> bytes:
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def make_docx() -> bytes:
    document = docx.Document()
    document.add_heading("Leave", 1)
    document.add_paragraph("Everyone gets 30 days of leave.")
    table = document.add_table(rows=2, cols=2)
    for row, texts in zip(table.rows, (("Name", "Days"), ("Ann", "30")), strict=True):
        for cell, text in zip(row.cells, texts, strict=True):
            cell.text = text
    return saved(document)


def make_pptx() -> bytes:
    presentation = pptx.Presentation()
    slide = presentation.slides.add_slide(presentation.slide_layouts[1])
    slide.shapes.title.text = "Leave"
    slide.placeholders[1].text = "Everyone gets 30 days of leave."
    return saved(presentation)


def make_xlsx() -> bytes:
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    sheet.title = "Leave"
    sheet.append(["Name", "Days", "Since"])
    sheet.append(["Ann", 30, datetime.date(2024, 5, 1)])
    return saved(workbook)


def make_open(kind: str, body: str, meta: str = "") -> bytes:
    """An OpenDocument file; `kind` is text, spreadsheet or presentation."""
    members: dict[str, str | bytes] = {
        "mimetype": f"application/vnd.oasis.opendocument.{kind}",
        "content.xml": f"<office:document-content {NAMESPACES}><office:body>"
        f"<office:{kind}>{body}</office:{kind}></office:body></office:document-content>",
    }
    if meta:
        members["meta.xml"] = f"<office:document-meta {NAMESPACES}>{meta}</office:document-meta>"
    return zip_of(members, zipfile.ZIP_STORED)


def open_row(*cells: str) -> str:
    inside = "".join(f"<table:table-cell><text:p>{c}</text:p></table:table-cell>" for c in cells)
    return f"<table:table-row>{inside}</table:table-row>"


def make_odt() -> bytes:
    table = f"<table:table>{open_row('Name', 'Days')}{open_row('Ann', '30')}</table:table>"
    return make_open(
        "text",
        '<text:h text:outline-level="1">Leave</text:h>'
        f"<text:p>Everyone gets 30 days of leave.</text:p>{table}",
    )


def make_ods() -> bytes:
    rows = open_row("Name", "Days") + open_row("Ann", "30")
    return make_open("spreadsheet", f'<table:table table:name="Leave">{rows}</table:table>')


def make_odp() -> bytes:
    return make_open(
        "presentation",
        '<draw:page><draw:frame presentation:class="title"><draw:text-box><text:p>Leave</text:p>'
        "</draw:text-box></draw:frame><draw:frame><draw:text-box><text:p>Everyone gets 30 days of "
        "leave.</text:p></draw:text-box></draw:frame></draw:page>",
    )


CONTAINER = (
    '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
    '<rootfile full-path="OEBPS/book.opf"/></rootfiles></container>'
)


def make_package(sections: Mapping[str, str], extra_items: str = "", creator: str = "") -> str:
    items = "".join(
        f'<item id="i{n}" href="{name}" media-type="application/xhtml+xml"/>'
        for n, name in enumerate(sections)
    )
    spine = "".join(f'<itemref idref="i{n}"/>' for n in range(len(sections)))
    author = f"<dc:creator>{creator}</dc:creator>" if creator else ""
    return (
        '<package xmlns="http://www.idpf.org/2007/opf" '
        'xmlns:dc="http://purl.org/dc/elements/1.1/"><metadata><dc:title>The Handbook</dc:title>'
        f"{author}</metadata><manifest>{items}{extra_items}</manifest><spine>{spine}</spine>"
        "</package>"
    )


def make_epub(
    sections: Mapping[str, str] | None = None,
    extra_items: str = "",
    extra: Mapping[str, str] | None = None,
    creator: str = "",
) -> bytes:
    sections = sections or {
        "one.xhtml": "<html><body><h1>Leave</h1><p>Everyone gets 30 days of leave.</p></body></html>",
        "two.xhtml": "<html><body><h1>Pay</h1><p>Paid monthly.</p></body></html>",
    }
    return zip_of(
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": CONTAINER,
            "OEBPS/book.opf": make_package(sections, extra_items, creator),
            **{f"OEBPS/{name}": text for name, text in sections.items() if text},
            **(extra or {}),
        }
    )


def make_rtf() -> bytes:
    return (
        rb"{\rtf1\ansi\ansicpg1252{\fonttbl{\f0\fnil\fcharset0 Arial;}}{\info{\title Handbook}}"
        rb"\f0 Leave\par Everyone gets 30 days of leave.\par Gr\'fc\'dfe \u8364? "
        rb"\u-10179?\u-8704?\par\trowd Name\cell Days\cell\row\trowd Ann\cell 30\cell\row\pard End}"
    )


def make_eml() -> bytes:
    message = EmailMessage()
    message["Subject"] = "Leave in Köln"
    message["From"] = "Ann Müller <ann@example.com>"
    message["To"] = "bob@example.com"
    message["Date"] = "Wed, 01 May 2024 12:30:00 +0200"
    message.set_content("Everyone gets 30 days of leave.\n\n> quoted\n\n-- \nAnn")
    return message.as_bytes()


def make_mbox(*messages: bytes) -> bytes:
    messages = messages or (make_eml(), make_eml())
    return b"\n".join(b"From ann@example.com Wed May  1 12:30:00 2024\n" + m for m in messages)


SAMPLES = {
    "a.docx": make_docx,
    "a.pptx": make_pptx,
    "a.xlsx": make_xlsx,
    "a.odt": make_odt,
    "a.ods": make_ods,
    "a.odp": make_odp,
    "a.epub": make_epub,
    "a.rtf": make_rtf,
    "a.eml": make_eml,
    "a.mbox": make_mbox,
}
