"""Bytes in, text out that holds nothing invisible: decoding and hygiene for every format."""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from ingest.parse.base.failures import BinaryFile

_LINE_ENDS = ("\r\n", "\r", "\v", "\f", "\x85", "\u2028", "\u2029")
# Controls, soft hyphen, zero-width and bidirectional marks, tag characters and supplementary
# variation selectors: nobody sees them, so they carry nothing but hidden instructions.  The
# joiners U+200C and U+200D stay: Persian, Indic scripts and emoji are spelt with them.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e"
    "\u2060-\u206f\ufeff\U000e0000-\U000e01ef]"
)
_CONTROLS = re.compile("[\x00-\x07\x0e-\x1a\x1c-\x1f]")
# What terminals obey: colours and cursor moves, titles and links, character sets (ECMA-48).
_ESCAPE_SEQUENCES = re.compile(
    r"\x1b(?:\[[0-?]*+[ -/]*+[@-~]|[\]P_^X][^\x07\x1b\n]{0,4096}+(?:\x07|\x1b\\)|[()*+][0-9A-Z])"
)
_SURROGATE = re.compile("[\ud800-\udfff]")
_BEYOND_ASCII = re.compile(rb"[\x80-\xff]")
_NOT_WINDOWS = re.compile(rb"[\x81\x8d\x8f\x90\x9d]")  # No characters in Windows-1252.
_FEWEST_TO_DETECT = 20  # On fewer bytes beyond ASCII the detector names rare code pages.
# The marks of 32 bits begin with those of 16, so they are looked for first.
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_SAMPLE_BYTES = 32_768
_NO_TEXT = frozenset(("Cc", "Cn", "Co", "Cs"))
_BLANKS = frozenset(" \t\r\n\u3000\u3001\u3002\uff0c")
_WINDOW = 1_000_000


@dataclass(frozen=True, slots=True)
class Decoded:
    """The text of a file, the name of its encoding, and a note when that was guessed, else ""."""

    text: str
    encoding: str
    note: str = ""


def clean(text: str) -> str:
    """Return the text in NFC with newline line ends and without characters nobody can see.

    Escape sequences of terminals (coloured logs) go as a whole.
    """
    for line_end in _LINE_ENDS:
        text = text.replace(line_end, "\n")
    if "\x1b" in text:
        text = _ESCAPE_SEQUENCES.sub("", text)
    if _INVISIBLE.search(text):
        text = "".join(_INVISIBLE.sub("", part) for part in _windows(text))
    if not text.isascii():
        if _SURROGATE.search(text):
            text = "".join(_SURROGATE.sub("\ufffd", part) for part in _windows(text))
        text = unicodedata.normalize("NFC", text)
    return text


def _windows(text: str) -> Iterator[str]:
    """Yield the text in parts: a million replacements at once cost a hundred times their size."""
    return (text[start : start + _WINDOW] for start in range(0, len(text), _WINDOW))


def decode(data: bytes) -> tuple[str, str]:
    """Return the text and the note of `decode_text`."""
    decoded = decode_text(data)
    return decoded.text, decoded.note


def decode_text(data: bytes) -> Decoded:
    """Decode the bytes of a text in whatever encoding it is; `text` is not yet clean.

    Byte order mark, NUL pattern of UTF-32 and UTF-16, strict UTF-8, UTF-8 with few damaged
    bytes, detection where it is certain, else Windows-1252, or the code page of DOS where that
    makes more letters.  Raises BinaryFile.
    """
    for mark, encoding in _BYTE_ORDER_MARKS:
        if data.startswith(mark) and _is_whole(data, encoding):
            return Decoded(_refuse_binary(data[len(mark) :].decode(encoding, "replace")), encoding)
    wide = _wide_by_nuls(data[:4096])
    if wide:
        text = _refuse_binary(data.decode(wide, "replace"))
        return Decoded(text, wide, f"read as {wide}")
    _refuse_binary(data[:_SAMPLE_BYTES].decode("latin-1"))
    try:
        return Decoded(data.decode("utf-8"), "utf-8")
    except UnicodeDecodeError:
        return _decode_damaged(data) or _decode_legacy(data)


def _is_whole(data: bytes, encoding: str) -> bool:
    """Tell 32-bit text from 16-bit text that begins with a NUL: by a sample that decodes."""
    if not encoding.startswith("utf-32"):
        return True
    sample = data[: min(4096, len(data) // 4 * 4)]
    return len(sample) > 4 and _decodes(sample, encoding)


def _decodes(sample: bytes, encoding: str) -> bool:
    try:
        sample.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _wide_by_nuls(sample: bytes) -> str:
    """Return the encoding of text in units of 32 or 16 bits without a mark, "" of any other."""
    quarter = max(1, len(sample) // 4)
    nuls = [sample[offset::4].count(0) for offset in range(4)]
    if len(sample) >= 8 and min(nuls[2], nuls[3]) > 0.9 * quarter and nuls[0] < 0.1 * quarter:
        return "utf-32-le"
    if len(sample) >= 8 and min(nuls[0], nuls[1]) > 0.9 * quarter and nuls[3] < 0.1 * quarter:
        return "utf-32-be"
    even, odd = nuls[0] + nuls[2], nuls[1] + nuls[3]
    half = max(1, len(sample) // 2)
    if odd > 0.4 * half and even < 0.05 * half:
        return "utf-16-le"
    if even > 0.4 * half and odd < 0.05 * half:
        return "utf-16-be"
    return _wide_by_letters(sample) if even + odd and not _is_narrow(sample) else ""


def _is_narrow(sample: bytes) -> bool:
    """Say whether a sample with NULs is UTF-8 all the same, with hardly any control characters."""
    controls = len(_CONTROLS.findall(sample.decode("latin-1")))
    return controls <= 0.1 * len(sample) and _decodes(sample[:-3], "utf-8")


def _wide_by_letters(sample: bytes) -> str:
    """Return the byte order in which 16-bit units are letters with blanks between, "" if none.

    Text in another script than Latin has NULs only in its blanks and line ends, and no
    encoding in units of 8 bits has any.
    """
    best = ("", 0)
    for encoding in ("utf-16-le", "utf-16-be"):
        text = sample[: len(sample) // 2 * 2].decode(encoding, "replace").rstrip("\ufffd")
        blanks = sum(char in _BLANKS for char in text)
        strange = sum(
            char == "\ufffd" or (char not in _BLANKS and unicodedata.category(char) in _NO_TEXT)
            for char in text
        )
        if strange <= 0.01 * len(text) and blanks > best[1]:
            best = (encoding, blanks)
    return best[0]


def _refuse_binary(text: str) -> str:
    """Refuse more than 2 % of control characters plus a few, of a very short text fewer."""
    sample = _ESCAPE_SEQUENCES.sub("", text[:_SAMPLE_BYTES])
    if len(_CONTROLS.findall(sample)) > 0.02 * len(sample) + min(4, len(sample) / 8):
        raise BinaryFile("binary content, not text", "remove the file or convert it to text")
    return text


def _decode_damaged(data: bytes) -> Decoded | None:
    """Return the text if the file is UTF-8 but for a few bytes, else None."""
    text = data.decode("utf-8", "replace")
    bad = text.count("\ufffd")
    good = len(text) - len(text.encode("ascii", "ignore")) - bad
    if bad < 0.01 * len(data) and good > 5 * bad:
        return Decoded(text, "utf-8", f"{bad} damaged bytes replaced")
    return None


def _decode_legacy(data: bytes) -> Decoded:
    """Decode by what is found where the first characters beyond ASCII are."""
    found = _BEYOND_ASCII.search(data)
    begin = data.rfind(b"\n", 0, found.start()) + 1 if found else 0
    encoding = _detect(data[begin : begin + _SAMPLE_BYTES]) or _choose_western(data)
    return Decoded(data.decode(encoding, "replace"), encoding, f"not UTF-8, read as {encoding}")


def _choose_western(data: bytes) -> str:
    """Return the code page of DOS for what Windows has no characters for, if it spells more."""
    if not _NOT_WINDOWS.search(data):
        return "cp1252"
    foreign = b"".join(_BEYOND_ASCII.findall(data[:_WINDOW]))
    letters = {
        encoding: sum(map(str.isalpha, foreign.decode(encoding, "replace")))
        for encoding in ("cp1252", "cp850")
    }
    return max(letters, key=lambda encoding: letters[encoding])


def _detect(sample: bytes) -> str:
    """Return the encoding if the text is clearly in another script than Latin, else "".

    On Western text the detector takes one Latin code page for another, and on a few words
    even for Chinese; such text is mostly ASCII, which tells it from all others.
    """
    from charset_normalizer import from_bytes

    beyond_ascii = sum(byte > 0x7F for byte in sample)
    if beyond_ascii < _FEWEST_TO_DETECT:
        return ""
    if beyond_ascii < 0.3 * sum(byte > 0x7F or chr(byte).isalpha() for byte in sample):
        return ""
    match = from_bytes(sample.rpartition(b"\n")[0] or sample).best()
    if match is None:
        return ""
    letters = [char for char in str(match)[:4000] if not char.isascii() and char.isalpha()]
    foreign = sum("LATIN" not in unicodedata.name(char, "LATIN") for char in letters)
    return match.encoding if foreign > 0.8 * len(letters) else ""
