from __future__ import annotations

import io
import os
import sys
import threading
import zipfile
from hashlib import sha256
from pathlib import Path

import docx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.base.errors import (
    EmptyDocument,
    ParseError,
    SettingsError,
    UnreadableFile,
    UnsupportedFormat,
)
from ingest.parse.base import media
from ingest.parse.base.failures import ChangedFile
from ingest.parse.base.files import read_bytes
from ingest.parse.base.reading import PageLog, Reading
from ingest.parse.read import PLAIN_KINDS, parse, read_document, read_plain

needs_posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX special files")


@pytest.fixture
def put(tmp_path: Path, source_of):
    def write(name: str, data: bytes):
        (tmp_path / name).write_bytes(data)
        return source_of(tmp_path / name)

    return write


def reason(source) -> str:
    with pytest.raises(ParseError) as caught:
        read_document(source)
    assert caught.value.message
    assert caught.value.hint
    assert "\n" not in str(caught.value)
    return caught.value.reason


def test_a_document_knows_its_bytes_title_and_text(put) -> None:
    data = b"# Leave policy\n\nThirty days.\n"
    document = read_document(put("policy.md", data))
    assert document.fingerprint == sha256(data).hexdigest()
    assert document.title == "Leave policy"
    assert document.text == data.decode()
    assert document.id == "policy.md"


@pytest.mark.parametrize(
    ("name", "data", "title"),
    [
        ("leave_policy-new.txt", b"text", "leave policy new"),
        ("guide.md", b"## Only level two\n", "guide"),
        ("report_2024.md", b"# Annual report\n", "Annual report (report 2024)"),
        ("report_2024.md", b"# Annual report 2024\n", "Annual report 2024"),
        ("x.html", b"<html><title>untitled</title><h1>The page</h1>", "The page"),
        ("01-start.md", b"# Start here\n", "Start here"),
        ("README", b"text", "README"),
        ("minutes-2025-10-08.txt", b"text", "minutes 2025-10-08"),
        ("decode_frame.py", b"class Frame:\n    pass\n", "decode_frame.py"),
    ],
)
def test_titles(put, name: str, data: bytes, title: str) -> None:
    assert read_document(put(name, data)).title == title


@pytest.mark.parametrize(
    ("data", "promised", "expected"),
    [
        (b"junk %PDF-1.4", media.PDF, media.PDF),
        (b"\n%PDF-1.4", media.PLAIN, media.PDF),
        (b"\xef\xbb\xbf <!-- x --> <!DOCTYPE HTML>", media.PLAIN, media.HTML),
        (b"<html>", media.UNKNOWN, media.HTML),
        (b"just text", media.PDF, media.PLAIN),
        (b"# title", media.MARKDOWN, media.MARKDOWN),
        (b"text", media.UNKNOWN, media.PLAIN),
        (b"<p>fragment", media.HTML, media.HTML),
    ],
)
def test_content_decides_before_the_name(data: bytes, promised: str, expected: str) -> None:
    assert media.sniff(data, promised) == expected


def test_a_word_file_is_known_by_its_parts() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("word/document.xml", "<x/>")
    assert media.sniff(out.getvalue(), media.UNKNOWN) == media.DOCX


def make_zip(name: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(name, "x")
    return out.getvalue()


OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("a.txt", b"", "empty"),
        ("a.txt", b" \n\t ", "no-text"),
        ("a.txt", b"\x00\x01\x02" * 100, "binary"),
        ("a.txt", b"MZ\x90\x00\x03", "unsupported"),
        ("a.pdf", b"%PDF-1.4\ngarbage", "corrupt"),
        ("a.docx", b"PK\x03\x04 cut off", "corrupt"),
        ("a.docx", make_zip("word/document.xml"), "corrupt"),
        ("a.docx", make_zip("xl/workbook.xml"), "corrupt"),
        ("a.docx", make_zip("other.txt"), "unsupported"),
        ("a.docx", OLE + "EncryptedPackage".encode("utf-16-le"), "encrypted"),
        ("a.docx", OLE + b"\0" * 100, "unsupported"),
        ("a.txt", b"{\\rtf1 }", "no-text"),
        ("a.html", b"<html><script>x</script></html>", "no-text"),
    ],
)
def test_every_refusal_has_a_reason_and_a_hint(put, name: str, data: bytes, code: str) -> None:
    assert reason(put(name, data)) == code


def test_what_a_library_raises_comes_out_as_a_parse_error(put) -> None:
    out, broken = io.BytesIO(), io.BytesIO()
    docx.Document().save(out)
    with zipfile.ZipFile(out) as whole, zipfile.ZipFile(broken, "w") as archive:
        for name in whole.namelist():
            archive.writestr(name, whole.read(name))
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("word/document.xml", "<w:document")
    with pytest.raises(ParseError, match=r"damaged .*\(XMLSyntaxError\)"):
        read_document(put("a.docx", broken.getvalue()))


def test_the_families_of_refusals(put) -> None:
    with pytest.raises(EmptyDocument):
        read_document(put("a.txt", b""))
    with pytest.raises(UnsupportedFormat):
        read_document(put("a.txt", b"\x00\x01\x02" * 100))


def test_a_file_over_the_limit_is_refused(put) -> None:
    source = put("a.txt", b"x" * 1000)
    with pytest.raises(UnreadableFile, match="the limit is"):
        read_document(source, Reading(max_file_bytes=999))


def test_a_missing_file_is_refused(put) -> None:
    source = put("a.txt", b"x")
    source.path.unlink()
    assert reason(source) == "unreadable"


@needs_posix
def test_a_link_put_in_place_of_the_file_is_not_followed(put) -> None:
    source = put("a.txt", b"x")
    source.path.unlink()
    source.path.symlink_to("/etc/passwd")
    assert reason(source) == "symlink"


@needs_posix
def test_a_pipe_put_in_place_of_the_file_does_not_block(put) -> None:
    source = put("a.txt", b"x")
    source.path.unlink()
    os.mkfifo(source.path)
    assert reason(source) == "special-file"


def test_a_folder_put_in_place_of_the_file_is_refused(put) -> None:
    source = put("a.txt", b"x")
    source.path.unlink()
    source.path.mkdir()
    assert reason(source) in ("special-file", "unreadable")


def test_a_file_that_grows_while_it_is_read_is_refused(tmp_path: Path) -> None:
    path, stop = tmp_path / "log.txt", threading.Event()
    path.write_bytes(b"x" * 30_000_000)

    def grow() -> None:
        with path.open("ab", buffering=0) as file:
            while not stop.is_set():
                file.write(b"y")

    writer = threading.Thread(target=grow)
    writer.start()
    try:
        # On a busy machine the writer may get no turn during one reading.
        with pytest.raises(ChangedFile, match="changed while it was read"):
            read_again_and_again(path)
    finally:
        stop.set()
        writer.join()
    assert read_bytes(path).startswith(b"xxx")


def read_again_and_again(path: Path) -> None:
    for _ in range(100):
        read_bytes(path)


@pytest.mark.skipif(sys.platform != "linux", reason="needs a file whose size is not its content")
def test_a_file_whose_size_is_not_its_content_is_refused() -> None:
    with pytest.raises(ChangedFile):
        read_bytes(Path("/proc/self/status"))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    data=st.one_of(
        st.binary(max_size=200),
        st.binary(max_size=100).map(lambda tail: b"%PDF-1.4\n" + tail),
        st.binary(max_size=100).map(lambda tail: b"PK\x03\x04" + tail),
        st.binary(max_size=100).map(lambda tail: b"<html>" + tail),
    ),
    name=st.sampled_from(["a.txt", "a.pdf", "a.docx", "a.html", "a.md", "a.rst", "a.py", "a"]),
)
def test_any_bytes_give_a_document_or_a_parse_error(put, data: bytes, name: str) -> None:
    try:
        document = read_document(put(name, data))
    except ParseError:
        return
    assert document.text.strip()
    document.text.encode("utf-8")


def test_an_interrupt_is_not_a_parse_error(put, source_of) -> None:
    class Interrupting(bytes):
        def __bool__(self) -> bool:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        parse(put("a.txt", b"x"), Interrupting(b"x"), "f", Reading(), PageLog())


def test_a_refusal_knows_which_bytes_were_refused(put) -> None:
    for name, data in (("a.txt", b""), ("a.pdf", b"%PDF-1.4 garbage"), ("b.txt", b"\0\1\2" * 99)):
        with pytest.raises(ParseError) as caught:
            read_document(put(name, data))
        assert caught.value.fingerprint == sha256(data).hexdigest()
    source = put("c.txt", b"x")
    source.path.unlink()
    with pytest.raises(ParseError) as caught:
        read_document(source)
    assert caught.value.fingerprint == ""


def test_only_plain_text_is_read_as_plain(put) -> None:
    plain = put("a.txt", b"text")
    assert read_plain(plain, Reading()) == read_document(plain)
    for data in (b"%PDF-1.4", b"<html><body>x</body></html>", make_zip("word/document.xml")):
        assert read_plain(put("b.txt", data), Reading()) is None
    with pytest.raises(ParseError) as caught:
        read_plain(put("c.txt", b""), Reading())
    assert caught.value.reason == "empty"
    assert {media.PDF, media.HTML, media.EML, media.NOTEBOOK}.isdisjoint(PLAIN_KINDS)


@pytest.mark.parametrize(
    ("error", "reason"), [(MemoryError(), "memory"), (ImportError(name="lxml"), "unsupported")]
)
def test_what_is_no_fault_of_the_file_is_told_as_what_it_is(put, error, reason: str) -> None:
    class Raising(PageLog):
        def open(self, fingerprint: str) -> None:
            raise error

    with pytest.raises(ParseError) as caught:
        read_document(put("a.txt", b"x"), Reading(), Raising())
    assert caught.value.reason == reason
    assert caught.value.hint


def test_a_limit_that_lets_no_file_through_is_refused() -> None:
    with pytest.raises(SettingsError, match="max_file_bytes is 0"):
        Reading(max_file_bytes=0)
