"""Small PDF files, written by hand so that a test knows every word on every page."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pypdf import PdfReader, PdfWriter

Place = tuple[float, float, str]


def make_pdf(
    *pages: str | bytes,
    title: str = "",
    page: bytes = b"",
    catalog: bytes = b"",
    objects: Mapping[int, bytes] | None = None,
    size: tuple[int, int] = (600, 800),
) -> bytes:
    """Return a PDF whose pages hold these lines; bytes are taken as a raw content stream.

    `page` and `catalog` are more entries of their dictionaries; `objects` are added, or replace
    those made here: 1 the catalogue, 2 the tree, 3 the font, 4 the properties, and from 10 on a
    page and its content by turns.
    """
    made: dict[int, bytes] = {3: b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"}
    kids = []
    for number, content in enumerate(pages):
        kids.append(f"{10 + 2 * number} 0 R")
        stream = content if isinstance(content, bytes) else show_lines(content)
        made[10 + 2 * number] = (
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 %d %d] /Contents %d 0 R "
            b"/Resources << /Font << /F1 3 0 R /F2 5 0 R >> /XObject << /Im 6 0 R >> >> %s >>"
            % (*size, 11 + 2 * number, page)
        )
        made[11 + 2 * number] = stream_object(b"", stream)
    made[1] = b"<< /Type /Catalog /Pages 2 0 R %s >>" % catalog
    made[2] = f"<< /Type /Pages /Kids [{' '.join(kids)}] /Count {len(kids)} >>".encode()
    made[4] = f"<< /Title ({title}) >>".encode()
    return assemble({**made, **(objects or {})})


def show_lines(text: str, left: int = 50, top: int = 700) -> bytes:
    """Return the commands that show lines of Latin text."""
    lines = " ".join(f"({line}) Tj 0 -14 Td" for line in text.split("\n"))
    return f"BT /F1 12 Tf {left} {top} Td {lines} ET".encode("latin-1") if text else b""


def show_places(places: Iterable[Place], size: int = 10) -> bytes:
    """Return the commands that show each piece of text (left, bottom, text), in this order."""
    pieces = " ".join(f"1 0 0 1 {left} {bottom} Tm ({text}) Tj" for left, bottom, text in places)
    return f"BT /F1 {size} Tf {pieces} ET".encode("latin-1")


def two_columns(left: Sequence[str], right: Sequence[str], top: int = 680) -> list[Place]:
    """Return where two columns of lines stand, line by line across both."""
    places: list[Place] = []
    for row, (one, other) in enumerate(zip(left, right, strict=True)):
        places += [(50, top - 14 * row, one), (310, top - 14 * row, other)]
    return places


def stream_object(entries: bytes, data: bytes) -> bytes:
    """Return a stream with these entries beside its length."""
    return b"<< /Length %d %s>>\nstream\n%s\nendstream" % (len(data), entries, data)


def wide_font(text: str, *, mapped: bool) -> tuple[dict[int, bytes], bytes]:
    """Return a font without a program for any script as objects, and the text as glyphs.

    Glyph n is the n-th different character; `mapped` says whether the font tells so.
    """
    letters = list(dict.fromkeys(text))
    rows = "\n".join(
        f"<{glyph:04x}> <{char.encode('utf-16-be').hex()}>" for glyph, char in enumerate(letters, 1)
    )
    table = (
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /X def "
        "1 begincodespacerange <0000> <ffff> endcodespacerange "
        f"{len(letters)} beginbfchar\n{rows}\nendbfchar endcmap end end"
    )
    to_unicode = b" /ToUnicode 8 0 R" if mapped else b""
    objects = {
        5: b"<< /Type /Font /Subtype /Type0 /BaseFont /Any /Encoding /Identity-H "
        b"/DescendantFonts [7 0 R]%s >>" % to_unicode,
        7: b"<< /Type /Font /Subtype /CIDFontType2 /BaseFont /Any /DW 1000 /CIDSystemInfo "
        b"<< /Registry (Adobe) /Ordering (Identity) /Supplement 0 >> /FontDescriptor 9 0 R >>",
        8: stream_object(b"", table.encode()),
        9: b"<< /Type /FontDescriptor /FontName /Any /Flags 4 /FontBBox [0 0 1000 1000] "
        b"/ItalicAngle 0 /Ascent 800 /Descent -200 /CapHeight 700 /StemV 80 >>",
    }
    glyphs = "".join(f"{letters.index(char) + 1:04x}" for char in text)
    return objects, f"BT /F2 12 Tf 50 700 Td <{glyphs}> Tj ET".encode()


def picture_page(width: int, height: int, grey: bytes) -> tuple[dict[int, bytes], bytes]:
    """Return a picture of grey levels as objects, and the commands that fill a page with it."""
    entries = (
        b"/Type /XObject /Subtype /Image /Width %d /Height %d /ColorSpace /DeviceGray "
        b"/BitsPerComponent 8 /Filter /FlateDecode " % (width, height)
    )
    objects = {6: stream_object(entries, zlib.compress(grey))}
    return objects, b"q 600 0 0 800 0 0 cm /Im Do Q"


def assemble(objects: Mapping[int, bytes]) -> bytes:
    """Return a file of these objects, 1 being its catalogue and 4 its properties."""
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


def encrypt(data: bytes, user_password: str, algorithm: str = "AES-256") -> bytes:
    """Return the file under a password; the empty one opens for everybody."""
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(data)))
    writer.encrypt(user_password, "owner", algorithm=algorithm)
    return _written(writer)


def add_outline(data: bytes, entries: Iterable[tuple[str, int, str]]) -> bytes:
    """Return the file with bookmarks: title, page from 0, title of the parent or ""."""
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(data)))
    made: dict[str, Any] = {}
    for title, page, parent in entries:
        made[title] = writer.add_outline_item(
            title=title, page_number=page, parent=made.get(parent)
        )
    return _written(writer)


def _written(writer: PdfWriter) -> bytes:
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()
