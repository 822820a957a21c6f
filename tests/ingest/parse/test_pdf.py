from __future__ import annotations

import io

import pytest
from pypdf import PdfReader, PdfWriter

from ingest.base.errors import EmptyDocument, EncryptedDocument, ParseError
from ingest.parse.base.blocks import Parsed
from ingest.parse.base.reading import PageLog, Reading
from ingest.parse.pdf.pages import parse_pdf


def make_pdf(*pages: str | bytes, title: str = "") -> bytes:
    """Return a PDF whose pages hold these lines; bytes are taken as a raw content stream."""
    objects: dict[int, bytes] = {3: b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"}
    kids = []
    for number, page in enumerate(pages):
        kids.append(f"{10 + 2 * number} 0 R")
        stream = page if isinstance(page, bytes) else _show(page)
        objects[10 + 2 * number] = (
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents %d 0 R "
            b"/Resources << /Font << /F1 3 0 R >> >> >>" % (11 + 2 * number)
        )
        objects[11 + 2 * number] = b"<< /Length %d >>\nstream\n%s\nendstream" % (
            len(stream),
            stream,
        )
    objects[1] = b"<< /Type /Catalog /Pages 2 0 R >>"
    objects[2] = f"<< /Type /Pages /Kids [{' '.join(kids)}] /Count {len(kids)} >>".encode()
    objects[4] = f"<< /Title ({title}) >>".encode()
    return _assemble(objects)


def _show(text: str) -> bytes:
    lines = " ".join(f"({line}) Tj 0 -14 Td" for line in text.split("\n"))
    return f"BT /F1 12 Tf 50 700 Td {lines} ET".encode("latin-1") if text else b""


def _assemble(objects: dict[int, bytes]) -> bytes:
    data, places = bytearray(b"%PDF-1.7\n"), {}
    for number, body in sorted(objects.items()):
        places[number] = len(data)
        data += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start, size = len(data), max(objects) + 1
    data += b"xref\n0 %d\n0000000000 65535 f \n" % size
    for number in range(1, size):
        known = number in places
        data += b"%010d %05d %s \n" % (places.get(number, 0), 0, b"n" if known else b"f")
    data += b"trailer\n<< /Size %d /Root 1 0 R /Info 4 0 R >>\nstartxref\n%d\n%%%%EOF" % (
        size,
        start,
    )
    return bytes(data)


def read(data: bytes) -> Parsed:
    return parse_pdf(data, Reading(), PageLog())


def encrypt(data: bytes, user_password: str) -> bytes:
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(data)))
    writer.encrypt(user_password, "owner", algorithm="AES-256")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def test_pages_are_joined_and_their_starts_known() -> None:
    parsed = read(make_pdf("First page.\nSecond line.", "Next page.", title="Annual Report"))
    assert parsed.text == "First page.\nSecond line.\n\nNext page."
    assert [parsed.text[page.start :].split()[0] for page in parsed.pages] == ["First", "Next"]
    assert parsed.title == "Annual Report"
    assert parsed.notes == ()


def test_a_page_without_text_is_noted() -> None:
    parsed = read(make_pdf("One.", "", "Three."))
    assert parsed.notes == ("1 page without text (a scan or a picture): 2",)
    assert len(parsed.pages) == 3
    assert parsed.text[parsed.pages[2].start :] == "Three."


def test_no_text_at_all_hints_at_ocr() -> None:
    with pytest.raises(EmptyDocument, match="no text on any of 2 pages") as caught:
        read(make_pdf("", ""))
    assert "OCR" in caught.value.hint
    assert caught.value.reason == "no-text"


def test_a_bad_page_does_not_cost_the_good_ones() -> None:
    data = make_pdf("Good one.", "Bad.", "Good two.")
    length = b"<< /Length %d >>" % len(_show("Bad."))
    broken = data.replace(length, b"<< /Length %d /Filter /None >>" % len(_show("Bad.")))
    assert broken != data
    parsed = read(broken)
    assert parsed.text == "Good one.\n\n\n\nGood two."
    assert parsed.notes == ("1 page that cannot be read: 2",)


def test_an_encrypted_file_without_password_is_read() -> None:
    assert read(encrypt(make_pdf("Open to all."), "")).text == "Open to all."


def test_an_encrypted_file_with_password_is_refused() -> None:
    with pytest.raises(EncryptedDocument) as caught:
        read(encrypt(make_pdf("Secret."), "password"))
    assert caught.value.hint


def test_bookmarks_found_on_their_page_are_headings() -> None:
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(make_pdf("Intro\nSome text.", "Pay\nx"))))
    parent = writer.add_outline_item(title="Intro", page_number=0)
    writer.add_outline_item(title="PAY", page_number=1, parent=parent)
    writer.add_outline_item(title="Not there", page_number=1)
    out = io.BytesIO()
    writer.write(out)
    parsed = read(out.getvalue())
    assert [(h.level, h.title) for h in parsed.headings] == [(1, "Intro"), (2, "PAY")]
    assert parsed.text[parsed.headings[1].start :].startswith("Pay\n")


def test_bookmarks_without_end_cost_no_text() -> None:
    data = make_pdf("Still here.").replace(
        b"/Pages 2 0 R >>", b"/Pages 2 0 R /Outlines << /First 50 0 R >> >>"
    )
    chain = b"".join(
        b"%d 0 obj\n<< /Title (x) /First %d 0 R >>\nendobj\n" % (number, number + 1)
        for number in range(50, 3050)
    )
    at = data.index(b"xref\n")
    assert read(data[:at] + chain + data[at:]).text == "Still here."


@pytest.mark.parametrize("keep", [9, 40, 200])
def test_a_truncated_file_is_a_parse_error(keep: int) -> None:
    with pytest.raises(ParseError):
        read(make_pdf("Some text.")[:keep])


def test_a_lost_cross_reference_table_is_rebuilt() -> None:
    data = make_pdf("Still readable.")
    cut = data[: data.index(b"xref\n")] + b"trailer << /Root 1 0 R >>\nstartxref\n7\n%%EOF"
    assert read(cut).text == "Still readable."
