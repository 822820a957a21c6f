from __future__ import annotations

import codecs
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.parse.base.clean import clean, decode
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
