from __future__ import annotations

import io
import json
import struct
import time
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.base.errors import EncryptedDocument, ParseError, UnsupportedFormat
from ingest.parse.base import media


def type_or_hint(data: bytes, promised: str) -> str:
    try:
        return media.sniff(data, promised)
    except ParseError as error:
        return error.hint


OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
MAIL = b"From: a@b.de\r\nTo: c@d.de\r\nSubject: Hi\r\nDate: Mon, 1 Jan 2024 10:00:00 +0000\r\n\r\nWords.\r\n"
MBOX = b"From a@b.de Mon Jan  1 10:00:00 2024\n" + MAIL.replace(b"\r\n", b"\n")
NOTEBOOK = b'{"cells": [], "metadata": {}, "nbformat": 4}'
SRT = b"1\r\n00:00:01,000 --> 00:00:02,000\r\nHello\r\n"


def archive(*names: str, mimetype: str = "") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        if mimetype:
            file.writestr("mimetype", mimetype)
        for name in names:
            file.writestr(name, "<x/>")
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (archive("[Content_Types].xml", "word/document.xml"), media.DOCX),
        (archive("[Content_Types].xml", "word/document2.xml"), media.DOCX),
        (archive("ppt/presentation.xml"), media.PPTX),
        (archive("xl/workbook.xml"), media.XLSX),
        (archive("content.xml", mimetype=media.ODT), media.ODT),
        (archive("content.xml", mimetype=f"{media.ODS}-template"), media.ODS),
        (archive("content.xml", mimetype=media.ODP), media.ODP),
        (archive("META-INF/container.xml", mimetype=media.EPUB), media.EPUB),
        (archive("META-INF/container.xml"), media.EPUB),
        (b"{\\rtf1\\ansi words}", media.RTF),
        (b"%PDF-1.7\n", media.PDF),
        (b"<!-- a\nb -->\n<!DOCTYPE html><p>", media.HTML),
        (b'<?xml version="1.0"?>\n<html xmlns="x">', media.HTML),
    ],
)
@pytest.mark.parametrize("promised", [media.PLAIN, media.DOCX, media.PDF, media.UNKNOWN, media.CSV])
def test_content_decides_whatever_the_name_says(data: bytes, expected: str, promised: str) -> None:
    assert media.sniff(data, promised) == expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"Just words.", media.PLAIN),
        (b"\xef\xbb\xbfJust words.", media.PLAIN),
        (MAIL, media.EML),
        (MBOX, media.MBOX),
        (NOTEBOOK, media.NOTEBOOK),
        (b'{"a": 1}\n', media.JSON),
        (b'[{"a": 1}]', media.JSON),
        ('{"a": 1}'.encode("utf-16"), media.JSON),
        (b'{"a": 1}\n{"a": 2}\n', media.JSONL),
        (b"WEBVTT\n\n00:01.000 --> 00:02.000\nHi\n", media.SUBTITLES),
        (SRT, media.SUBTITLES),
        (b"[12:30] A line of a log, and [more]", media.PLAIN),
        (b"{not json at all}", media.PLAIN),
        (b"From here on, Subject: and Date: are words.\nTo: all\n", media.PLAIN),
        (b"Note: one\nWarning: two\nHint: three\n", media.PLAIN),
    ],
)
@pytest.mark.parametrize("promised", [media.PLAIN, media.PDF, media.XLSX, media.UNKNOWN])
def test_text_with_an_unmistakable_form_is_known_by_it(
    data: bytes, expected: str, promised: str
) -> None:
    assert media.sniff(data, promised) == expected


@pytest.mark.parametrize(
    ("data", "promised"),
    [
        (b'{"a": 1}', media.CODE),
        (b"no headers", media.EML),
        (b"no headers", media.MBOX),
        (MBOX, media.EML),
        (b"a,b\n", media.CSV),
        (b'{"a": 1}', media.NOTEBOOK),
        (b"A file may begin with %PDF-1.4 as PDFs do.", media.MARKDOWN),
        (b"A file may begin with %PDF-1.4 as PDFs do.", media.PLAIN),
        (b"<p>fragment", media.HTML),
    ],
)
def test_the_name_decides_between_kinds_of_text(data: bytes, promised: str) -> None:
    assert media.sniff(data, promised) == promised


def test_a_mailbox_without_its_first_line_is_a_mail() -> None:
    assert media.sniff(MAIL, media.MBOX) == media.EML


def test_a_script_without_a_suffix_is_code() -> None:
    assert media.sniff(b"#!/bin/sh\necho\n", media.UNKNOWN) == media.CODE


def test_a_pdf_behind_junk_is_a_pdf_under_any_name() -> None:
    data = b"HTTP/1.1 200 OK\n\n%PDF-1.4\n1 0 obj\n<<>>\nendobj\n%%EOF"
    assert media.sniff(data, media.PLAIN) == media.PDF
    assert media.sniff(b"junk %PDF-1.4", media.PDF) == media.PDF


@pytest.mark.parametrize("promised", [media.DOCX, media.XLSX, media.EPUB, media.ODT])
@pytest.mark.parametrize("size", [4, 10, 60])
def test_a_damaged_archive_is_what_its_name_says(promised: str, size: int) -> None:
    assert media.sniff(archive("word/document.xml")[:size], promised) == promised


def test_a_damaged_archive_under_another_name_is_refused() -> None:
    with pytest.raises(UnsupportedFormat, match="archive"):
        media.sniff(b"PK\x03\x04 cut off", media.PLAIN)


@pytest.mark.parametrize("names", [("a.txt",), ("xl/workbook.bin", "[Content_Types].xml"), ()])
def test_other_archives_are_refused(names: tuple[str, ...]) -> None:
    with pytest.raises(UnsupportedFormat, match="archive"):
        media.sniff(archive(*names), media.DOCX)


def test_a_type_that_is_packed_like_a_bomb_is_read_only_a_little() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("mimetype", b"x" * 50_000_000)
    started = time.process_time()
    with pytest.raises(UnsupportedFormat):
        media.sniff(out.getvalue(), media.ODT)
    assert time.process_time() - started < 1


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (OLE + "EncryptedPackage".encode("utf-16-le"), EncryptedDocument),
        (OLE + b"\0" * 100, UnsupportedFormat),
        (b"MZ\x90\0", UnsupportedFormat),
    ],
)
def test_what_no_parser_reads_is_refused(data: bytes, error: type[ParseError]) -> None:
    with pytest.raises(error) as caught:
        media.sniff(data, media.DOCX)
    assert caught.value.hint


def test_names_of_every_format_are_known_and_none_is_refused_as_well() -> None:
    assert media.media_type_of("Talk.VTT") == media.SUBTITLES
    assert media.media_type_of("a.unheard-of") == media.UNKNOWN
    assert not media.SUFFIXES.keys() & media.UNSUPPORTED


@pytest.mark.parametrize(
    "piece",
    [b"<!--", b"A: b\n", b"A:\n ", b'{"', b" ", b"From x\n", b"From 10:00\n", b"\n", b"<?xml "],
)
def test_hostile_beginnings_take_no_time(piece: bytes) -> None:
    started = time.process_time()
    media.sniff(piece * 500_000, media.UNKNOWN)
    assert time.process_time() - started < 0.5


@given(
    st.binary(max_size=200), st.sampled_from(sorted(set(media.SUFFIXES.values()))), st.booleans()
)
def test_any_bytes_have_a_type_or_are_refused(data: bytes, promised: str, zipped: bool) -> None:
    assert type_or_hint(b"PK\x03\x04" * zipped + data, promised)


@given(st.data())
def test_any_damage_to_an_archive_is_survived(data: st.DataObject) -> None:
    whole = bytearray(archive("word/document.xml", mimetype=media.ODT))
    for _ in range(data.draw(st.integers(1, 6))):
        whole[data.draw(st.integers(4, len(whole) - 1))] = data.draw(st.integers(0, 255))
    assert type_or_hint(bytes(whole), media.ODT)


def test_a_directory_that_lies_about_its_size_is_survived() -> None:
    whole = archive("a", mimetype=media.ODT)
    end = whole.rindex(b"PK\x05\x06")
    lying = whole[: end + 12] + struct.pack("<I", 2**31) + whole[end + 16 :]
    assert media.sniff(lying, media.ODT) == media.ODT


def test_a_notebook_under_another_name_is_one() -> None:
    data = json.dumps({"cells": [{"source": "x" * 50_000}], "nbformat": 4}, indent=1).encode()
    assert media.sniff(data, media.PLAIN) == media.NOTEBOOK
