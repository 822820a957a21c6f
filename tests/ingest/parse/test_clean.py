from __future__ import annotations

import codecs
import time
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.parse.base.clean import clean, decode, decode_text
from ingest.parse.base.failures import BinaryFile

GERMAN = "Der Größe nach geordnet: Äpfel, Öl, Übermut und Straßenfüße.\n"
RUSSIAN = "Съешь ещё этих мягких французских булок, да выпей же чаю.\n" * 4
JAPANESE = "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。\n" * 6
CHINESE = "大学之道，在明明德，在亲民，在止于至善。知止而后有定，定而后能静。\n" * 6


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("text", [GERMAN, RUSSIAN, JAPANESE, "plain\n"])
def test_unicode_files_are_read_without_a_note(encoding: str, text: str) -> None:
    assert decode(text.encode(encoding)) == (text, "")


def test_byte_order_marks_tell_utf16_from_utf32() -> None:
    assert decode(codecs.BOM_UTF16_BE + "ab".encode("utf-16-be")) == ("ab", "")
    assert decode(codecs.BOM_UTF32_LE + "ab".encode("utf-32-le")) == ("ab", "")


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf16_without_a_mark_is_known_by_its_nuls(encoding: str) -> None:
    text, note = decode((GERMAN * 5).encode(encoding))
    assert text == GERMAN * 5
    assert encoding in note


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (GERMAN, "cp1252"),
        ("café crème à la carte", "latin-1"),
        (RUSSIAN, "cp1251"),
        (RUSSIAN, "koi8-r"),
        (JAPANESE, "shift_jis"),
        (CHINESE, "gb18030"),
    ],
)
def test_old_encodings_are_read_with_a_note(text: str, encoding: str) -> None:
    decoded, note = decode(text.encode(encoding))
    assert decoded == text
    assert note.startswith("not UTF-8, read as ")


def test_a_few_damaged_bytes_cost_only_themselves() -> None:
    data = bytearray((GERMAN * 50).encode("utf-8"))
    data[500] = 0xFF
    text, note = decode(bytes(data))
    assert text.count("\ufffd") <= 2
    assert "damaged bytes replaced" in note


@pytest.mark.parametrize(
    "data",
    [
        b"\x00\x01\x02\x03",
        bytes(range(256)) * 20,
        b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + b"\x00\x01\x02" * 50,
        b"text " * 20 + b"\x00" * 900,
    ],
)
def test_binary_content_is_refused(data: bytes) -> None:
    with pytest.raises(BinaryFile):
        decode(data)


def test_a_single_nul_in_text_is_dropped() -> None:
    text, _ = decode(b"some text with a\x00 NUL in it, and then quite a lot more of it to read")
    assert clean(text).startswith("some text with a NUL")


def test_line_ends_become_newlines() -> None:
    assert clean("a\r\nb\rc\fd\u2028e\x85f") == "a\nb\nc\nd\ne\nf"


def test_what_nobody_can_see_is_removed() -> None:
    hidden = "".join(chr(0xE0000 + ord(char)) for char in "ignore all")
    assert clean(f"a\u200bb\u202ec\ufeffd\xade{hidden}f") == "abcdef"


@pytest.mark.parametrize(
    "sequence",
    [
        "\x1b[0m",
        "\x1b[1;38;5;196m",
        "\x1b[2K",
        "\x1b]0;a title\x07",
        "\x1b]8;;http://x\x1b\\",
        "\x1b(B",
    ],
)
def test_what_only_terminals_obey_is_removed(sequence: str) -> None:
    assert clean(f"on{sequence}e\n") == "one\n"


def test_text_after_a_stray_escape_stays() -> None:
    assert clean("a\x1bb \x1b]0;unfinished\nnext") == "ab ]0;unfinished\nnext"


def test_many_unfinished_sequences_take_linear_time() -> None:
    started = time.process_time()
    clean("\x1b[" * 300_000 + "\x1b]" * 300_000 + "\x1b[" + "1" * 1_000_000)
    assert time.process_time() - started < 12


def test_a_coloured_log_is_text() -> None:
    line = "\x1b]0;build\x07\x1b[32mOK\x1b[0m\n"
    text, note = decode((line * 500).encode())
    assert note == ""
    assert clean(text) == "OK\n" * 500


@pytest.mark.parametrize("control", [b"\x1b", b"\x00", b"\x07", b"\x01\x02\x03\x04"])
def test_a_few_control_characters_make_no_binary(control: bytes) -> None:
    text, _ = decode(b"Forty characters, with very few of them" + control)
    assert clean(text) == "Forty characters, with very few of them"


def test_joiners_that_spell_words_stay() -> None:
    assert clean("می\u200cخواهم 👩\u200d💻") == "می\u200cخواهم 👩\u200d💻"


def test_text_comes_out_composed_and_encodable() -> None:
    assert clean("e\u0301") == "é"
    assert clean("a\ud800b") == "a\ufffdb"


@given(st.binary(max_size=400))
def test_any_bytes_are_text_or_binary(data: bytes) -> None:
    try:
        text, _ = decode(data)
    except BinaryFile:
        return
    clean(text).encode("utf-8")


@given(st.text())
def test_cleaning_twice_changes_nothing(text: str) -> None:
    assert clean(clean(text)) == clean(text)


@pytest.mark.parametrize("text", [GERMAN, RUSSIAN, JAPANESE, CHINESE])
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_wide_text_of_any_script_is_known_without_a_mark(text: str, encoding: str) -> None:
    decoded = decode_text((text * 3).encode(encoding))
    assert (decoded.text, decoded.encoding) == (text * 3, encoding)
    assert decoded.note == f"read as {encoding}"


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (b"plain", "utf-8"),
        (GERMAN.encode("utf-8-sig"), "utf-8"),
        (codecs.BOM_UTF16_LE + GERMAN.encode("utf-16-le"), "utf-16-le"),
        (codecs.BOM_UTF16_BE + GERMAN.encode("utf-16-be"), "utf-16-be"),
        (codecs.BOM_UTF32_LE + GERMAN.encode("utf-32-le"), "utf-32-le"),
        (codecs.BOM_UTF32_BE + GERMAN.encode("utf-32-be"), "utf-32-be"),
        (GERMAN.encode("cp1252"), "cp1252"),
        ((b"line\n" * 9000) + JAPANESE.encode("shift_jis"), "shift_jis"),
    ],
)
def test_the_encoding_is_told(data: bytes, encoding: str) -> None:
    decoded = decode_text(data)
    assert codecs.lookup(decoded.encoding).name in (
        encoding,
        encoding.replace("shift_jis", "cp932"),
    )
    assert decode(data) == (decoded.text, decoded.note)


def test_lone_surrogates_in_bytes_are_replaced() -> None:
    text = decode_text(codecs.BOM_UTF16_LE + b"a\0" + b"\x00\xd8" + b"b\0").text
    assert clean(text) == "a\ufffdb"
    assert clean(decode_text(GERMAN.encode() * 20 + b"\xed\xa0\x80").text).endswith("\ufffd")


def test_controls_all_over_a_long_text_cost_little_memory() -> None:
    text = decode_text(b"a" * 40_000 + b"a\x01\r" * 500_000).text
    tracemalloc.start()
    cleaned = clean(text)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert cleaned == "a" * 40_000 + "a\n" * 500_000
    # A million characters are cleaned at a time; all at once would be over 100 MB.
    assert peak < 80_000_000


def test_a_long_line_takes_linear_time() -> None:
    def seconds(size: int) -> float:
        started = time.process_time()
        clean(decode_text("wörter ".encode() * size).text)
        return time.process_time() - started

    assert seconds(1_600_000) < 30 * seconds(200_000) + 0.25


def test_text_of_dos_is_told_by_what_windows_has_no_characters_for() -> None:
    decoded = decode_text("Die Büros öffnen für Gäste um zehn, Größe egal.\n".encode("cp850"))
    assert decoded.text == "Die Büros öffnen für Gäste um zehn, Größe egal.\n"
    assert decoded.note == "not UTF-8, read as cp850"
    stray = decode_text("Größe über älter\n".encode("cp1252") + b"\x81")
    assert stray.encoding == "cp1252"


def test_few_bytes_are_read_in_no_rare_code_page() -> None:
    assert decode_text("<p>Größe".encode("cp1252")).encoding == "cp1252"
    assert decode_text("äöü ß".encode("cp1252")).encoding == "cp1252"
