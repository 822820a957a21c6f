from __future__ import annotations

import io
import struct
import time
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path

import pytest
from office_samples import (
    CONTAINER,
    SAMPLES,
    make_package,
    read_member,
    replace_member,
    zip_of,
)

from ingest.base.documents import Document
from ingest.base.errors import EncryptedDocument, ParseError
from ingest.parse.base.archive import (
    MAX_MEMBERS,
    MAX_UNPACKED_BYTES,
    open_archive,
    parse_xml,
    refuse_declarations,
    repack_office,
)
from ingest.parse.base.failures import TooLarge
from ingest.parse.read import read_document

ZIPPED = ("a.docx", "a.pptx", "a.xlsx", "a.odt", "a.ods", "a.odp", "a.epub")
MAIN_PARTS = {
    "a.docx": "word/document.xml",
    "a.pptx": "ppt/slides/slide1.xml",
    "a.xlsx": "xl/worksheets/sheet1.xml",
    "a.odt": "content.xml",
    "a.ods": "content.xml",
    "a.odp": "content.xml",
    "a.epub": "OEBPS/book.opf",
}


@pytest.fixture
def read(tmp_path: Path, source_of):
    def run(name: str, data: bytes) -> Document:
        (tmp_path / name).write_bytes(data)
        return read_document(source_of(tmp_path / name))

    return run


def check(document: Document) -> None:
    """Assert what holds for every document."""
    size = len(document.text)
    for marks in (document.pages, document.headings, document.tables):
        starts = [mark.start for mark in marks]
        assert starts == sorted(starts)
        assert all(0 <= start <= size for start in starts)
    for heading in document.headings:
        assert document.text[heading.start :].split()[: len(heading.title.split())] == (
            heading.title.split()
        )
    for table in document.tables:
        rows = document.text[table.start : table.end]
        assert rows == rows.strip()
        assert "\n\n" not in rows
        assert rows.startswith(table.columns) or " / " in table.columns
    ends = [0, *(table.end for table in document.tables)]
    assert all(table.start >= end for table, end in zip(document.tables, ends, strict=False))


def lie(data: bytes, name: str, size: int) -> bytes:
    """Return the archive with another size of a member told, in both places that tell it."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        info = archive.getinfo(name)
    forged = bytearray(data)
    struct.pack_into("<L", forged, info.header_offset + 22, size)
    at = data.index(b"PK\x01\x02")
    while data[at + 46 : at + 46 + len(name)] != name.encode():
        at = data.index(b"PK\x01\x02", at + 1)
    struct.pack_into("<L", forged, at + 24, size)
    return bytes(forged)


@pytest.mark.parametrize("name", SAMPLES)
def test_every_sample_is_read_and_its_marks_lie_inside_the_text(read, name: str) -> None:
    document = read(name, SAMPLES[name]())
    check(document)
    assert "30" in document.text


@pytest.mark.parametrize("name", SAMPLES)
def test_a_truncated_file_gives_a_document_or_a_parse_error(read, name: str) -> None:
    data = SAMPLES[name]()
    step = 10 if len(data) < 3_000 else len(data) // 60
    for end in range(0, len(data), step):
        with suppress(ParseError):
            check(read(name, data[:end]))


@pytest.mark.parametrize("name", SAMPLES)
def test_flipped_bytes_give_a_document_or_a_parse_error(read, name: str) -> None:
    data = SAMPLES[name]()
    for at in range(0, len(data), max(1, len(data) // 60)):
        with suppress(ParseError):
            check(read(name, data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :]))


@pytest.mark.parametrize("name", ZIPPED)
def test_markup_cut_or_not_well_formed_is_a_parse_error(read, name: str) -> None:
    data = SAMPLES[name]()
    content = read_member(data, MAIN_PARTS[name])
    for broken in (content[: len(content) // 2], b"", b"<a><b></a>", b"\xff\xff"):
        document = replace_member(data, MAIN_PARTS[name], broken)
        if name in ("a.pptx", "a.xlsx"):  # Other slides and sheets might still be good.
            try:
                check(read(name, document))
            except ParseError:
                continue
        else:
            with pytest.raises(ParseError):
                read(name, document)


BILLION_LAUGHS = (
    '<!DOCTYPE lolz [<!ENTITY a "aaaaaaaaaa">'
    + "".join(
        f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    )
    + "]>"
)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("name", ZIPPED)
def test_entities_are_refused_wherever_the_markup_declares_them(read, name, encoding) -> None:
    data = SAMPLES[name]()
    content = read_member(data, MAIN_PARTS[name]).decode()
    if content.startswith("<?xml"):
        content = content.partition("?>")[2]
    bomb = BILLION_LAUGHS + content.replace("Leave", "&i;&i;")
    started = time.process_time()
    with pytest.raises(ParseError, match="declarations"):
        read(name, replace_member(data, MAIN_PARTS[name], bomb.encode(encoding)))
    assert time.process_time() - started < 2


@pytest.mark.parametrize("name", ZIPPED)
def test_a_file_outside_is_never_read_through_an_entity(read, name: str, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("secret", encoding="utf-8")
    outside = f'<!DOCTYPE x SYSTEM "file://{tmp_path}/secret.txt">'
    data = SAMPLES[name]()
    content = read_member(data, MAIN_PARTS[name]).decode()
    content = content.partition("?>")[2] if content.startswith("<?xml") else content
    try:
        document = read(name, replace_member(data, MAIN_PARTS[name], outside + content))
    except ParseError:
        return
    assert name == "a.epub"
    assert "secret" not in document.text


@pytest.mark.parametrize("name", ZIPPED)
def test_markup_nested_a_hundred_thousandfold_is_a_parse_error(read, name: str) -> None:
    deep = "<a>" * 100_000 + "</a>" * 100_000
    started = time.process_time()
    with pytest.raises(ParseError):
        read(name, replace_member(SAMPLES[name](), MAIN_PARTS[name], deep))
    assert time.process_time() - started < 5


@pytest.mark.parametrize("name", ZIPPED)
def test_a_member_with_a_password_is_encrypted(read, name: str) -> None:
    data = bytearray(SAMPLES[name]())
    at = data.find(b"PK\x01\x02")
    while at >= 0:
        struct.pack_into("<H", data, at + 8, 1)
        at = data.find(b"PK\x01\x02", at + 1)
    with pytest.raises(EncryptedDocument):
        read(name, bytes(data))


@pytest.mark.parametrize("name", ZIPPED)
def test_a_bomb_in_the_part_that_is_read_is_too_large(read, name: str) -> None:
    part = MAIN_PARTS[name]
    with pytest.raises(TooLarge):
        read(name, replace_member(SAMPLES[name](), part, b" " * 60_000_000))


@pytest.mark.parametrize("name", ZIPPED)
def test_a_size_that_lies_lets_nothing_through(read, name: str) -> None:
    part = MAIN_PARTS[name]
    bomb = replace_member(SAMPLES[name](), part, b" " * 60_000_000)
    started = time.process_time()
    with pytest.raises(ParseError):
        read(name, lie(bomb, part, 100))
    assert time.process_time() - started < 2


def test_a_size_that_lies_with_the_right_checksum_gives_only_what_was_declared() -> None:
    content = b"<x/>" + b" " * 5_000_000
    bomb = bytearray(lie(zip_of({"word/document.xml": content}), "word/document.xml", 4))
    for mark, at in ((b"PK\x03\x04", 14), (b"PK\x01\x02", 16)):
        struct.pack_into("<L", bomb, bomb.index(mark) + at, zlib.crc32(b"<x/>"))
    safe = repack_office(open_archive(bytes(bomb), "DOCX"))
    assert len(safe) < 1_000
    assert read_member(safe, "word/document.xml") == b"<x/>"


def test_what_is_read_is_counted_across_the_members() -> None:
    archive = open_archive(zip_of({f"{n}": b"x" * 400_000 for n in range(2)}), "EPUB")
    archive.room = 700_000
    assert len(archive.read("0")) == 400_000
    with pytest.raises(TooLarge):
        archive.read("1")


def test_members_over_the_limit_are_refused_before_they_are_listed() -> None:
    data = zip_of({str(number): b"" for number in range(MAX_MEMBERS)})
    assert len(open_archive(data, "EPUB").members) == MAX_MEMBERS
    with pytest.raises(TooLarge, match="more than 10,000 parts"):
        open_archive(zip_of({str(number): b"" for number in range(MAX_MEMBERS + 1)}), "EPUB")


def test_declared_sizes_over_the_limit_are_refused_at_once() -> None:
    data = lie(zip_of({"a": b"x"}), "a", MAX_UNPACKED_BYTES + 1)
    with pytest.raises(TooLarge, match="unpacks to more than 200 MB"):
        open_archive(data, "DOCX")


def test_a_small_ratio_is_no_bomb() -> None:
    text = bytes(range(256)) * 3_000
    assert open_archive(zip_of({"a": text}), "ODT").read("a") == text


def test_methods_of_packing_that_cannot_be_bounded_are_refused() -> None:
    archive = open_archive(zip_of({"a": b"x" * 1000}, zipfile.ZIP_BZIP2), "ODT")
    with pytest.raises(ParseError, match="unknown way"):
        archive.read("a")


def test_a_missing_member_is_named() -> None:
    with pytest.raises(ParseError, match=r"damaged ODT: content\.xml is missing"):
        open_archive(zip_of({"a": b""}), "ODT").read("content.xml")


def test_what_is_no_archive_is_a_parse_error() -> None:
    with pytest.raises(ParseError, match="damaged PPTX"):
        open_archive(b"PK\x03\x04 cut off", "PPTX")


def test_pictures_and_archives_inside_are_left_empty() -> None:
    inner = zip_of({"x": b"x"})
    data = zip_of({"a.xml": b"<a/>", "media/picture.png": b"png", "embeddings/sheet.xlsx": inner})
    safe = repack_office(open_archive(data, "DOCX"), without="gone/")
    assert read_member(safe, "a.xml") == b"<a/>"
    assert read_member(safe, "media/picture.png") == b""
    assert read_member(safe, "embeddings/sheet.xlsx") == b""


def test_damaged_pictures_do_not_cost_the_text(read) -> None:
    data = replace_member(SAMPLES["a.docx"](), "word/media/image1.png", b"picture" * 100)
    at = data.index(b"word/media/image1.png") + len("word/media/image1.png")
    document = read("a.docx", data[:at] + b"\xff\xff\xff" + data[at + 3 :])
    assert "30 days" in document.text


@pytest.mark.parametrize("name", ["../../evil.xml", "/etc/passwd", "C:\\evil.xml"])
def test_names_of_members_are_never_paths(read, name: str, tmp_path: Path) -> None:
    document = read("a.docx", replace_member(SAMPLES["a.docx"](), name, b"<x/>"))
    assert "30 days" in document.text
    assert list(tmp_path.iterdir()) == [tmp_path / "a.docx"]
    for place in (Path.cwd(), *Path.cwd().parents, *tmp_path.parents):
        assert not (place / "evil.xml").exists()


def test_a_reference_out_of_a_book_reads_nothing(read) -> None:
    book = zip_of(
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": CONTAINER,
            "OEBPS/book.opf": make_package({"../../../../etc/passwd": "", "one.xhtml": "x"}),
            "OEBPS/one.xhtml": "<p>here</p>",
        }
    )
    document = read("a.epub", book)
    assert document.text == "here"
    assert document.notes == ("1 sections are missing or damaged: ../../../etc/passwd",)


def test_xml_is_parsed_without_comments_and_without_a_network() -> None:
    root = parse_xml(b"<a><!-- gone --><b>text</b></a>", "ODT")
    assert [child.tag for child in root] == ["b"]
    doctype = b'<!DOCTYPE a SYSTEM "http://192.0.2.1/a.dtd"><a>text</a>'
    assert parse_xml(doctype, "EPUB", doctype_allowed=True).text == "text"
    with pytest.raises(ParseError, match="declarations"):
        parse_xml(doctype, "ODT")


def test_declarations_of_entities_are_refused_even_where_a_document_type_is_allowed() -> None:
    with pytest.raises(ParseError):
        refuse_declarations(b'<!DOCTYPE a [<!ENTITY b "c">]>', "EPUB", doctype_allowed=True)


def test_a_document_type_in_an_encoding_of_its_own_is_refused() -> None:
    hidden = b'<?xml version="1.0" encoding="UTF-7"?>+ADw-+ACE-DOCTYPE a+AD4-<a/>'
    with pytest.raises(ParseError):
        parse_xml(hidden, "ODT")


@pytest.mark.parametrize("target", ["media/gone.png", "NULL", "#bookmark", "/word/gone.xml"])
@pytest.mark.parametrize(
    ("name", "links"),
    [
        ("a.docx", "word/_rels/document.xml.rels"),
        ("a.pptx", "ppt/slides/_rels/slide1.xml.rels"),
        ("a.xlsx", "xl/_rels/workbook.xml.rels"),
    ],
)
def test_links_to_missing_parts_do_not_cost_the_text(read, name, links, target) -> None:
    data = SAMPLES[name]()
    broken = f'<Relationship Id="rId77" Type="http://x.example/image" Target="{target}"/></Rel'
    content = read_member(data, links).decode().replace("</Rel", broken)
    assert "30" in read(name, replace_member(data, links, content)).text
