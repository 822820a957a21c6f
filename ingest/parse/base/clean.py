"""Bytes in, text out that holds nothing invisible: decoding and hygiene for every format."""

from __future__ import annotations

import codecs
import re
import unicodedata

from ingest.parse.base.failures import BinaryFile

_LINE_ENDS = re.compile("\r\n?|[\v\f\x85\u2028\u2029]")
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
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SAMPLE_BYTES = 32_768


def clean(text: str) -> str:
    """Return the text in NFC with newline line ends and without characters nobody can see.

    Escape sequences of terminals (coloured logs) go as a whole.
    """
    text = _ESCAPE_SEQUENCES.sub("", _LINE_ENDS.sub("\n", text))
    text = _INVISIBLE.sub("", text)
    if not text.isascii():
        text = unicodedata.normalize("NFC", _SURROGATE.sub("\ufffd", text))
    return text


def decode(data: bytes) -> tuple[str, str]:
    """Return the decoded text and a note for a person, empty when nothing was guessed.

    Byte order mark, NUL pattern of UTF-16, strict UTF-8, UTF-8 with few damaged bytes,
    detection where it is certain, else Windows-1252.  Raises BinaryFile.
    """
    for mark, encoding in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            return _refuse_binary(data.decode(encoding, "replace")), ""
    wide = _utf16_by_nuls(data[:4096])
    if wide:
        return _refuse_binary(data.decode(wide, "replace")), f"read as {wide}"
    _refuse_binary(data[:_SAMPLE_BYTES].decode("latin-1"))
    try:
        return data.decode("utf-8"), ""
    except UnicodeDecodeError:
        return _decode_damaged(data) or _decode_legacy(data)


def _utf16_by_nuls(sample: bytes) -> str:
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    half = max(1, len(sample) // 2)
    if odd > 0.4 * half and even < 0.05 * half:
        return "utf-16-le"
    return "utf-16-be" if even > 0.4 * half and odd < 0.05 * half else ""


def _refuse_binary(text: str) -> str:
    """Refuse more than 2 % of control characters plus a few, of a very short text fewer."""
    sample = _ESCAPE_SEQUENCES.sub("", text[:_SAMPLE_BYTES])
    if len(_CONTROLS.findall(sample)) > 0.02 * len(sample) + min(4, len(sample) / 8):
        raise BinaryFile("binary content, not text", "remove the file or convert it to text")
    return text


def _decode_damaged(data: bytes) -> tuple[str, str] | None:
    """Return the text if the file is UTF-8 but for a few bytes, else None."""
    text = data.decode("utf-8", "replace")
    bad = text.count("\ufffd")
    good = sum(not char.isascii() for char in text) - bad
    if bad < 0.01 * len(data) and good > 5 * bad:
        return text, f"{bad} damaged bytes replaced"
    return None


def _decode_legacy(data: bytes) -> tuple[str, str]:
    encoding = _detect(data[:_SAMPLE_BYTES]) or "cp1252"
    return data.decode(encoding, "replace"), f"not UTF-8, read as {encoding}"


def _detect(sample: bytes) -> str:
    """Return the encoding if the text is clearly in another script than Latin, else "".

    On Western text the detector takes one Latin code page for another, and on a few words
    even for Chinese; such text is mostly ASCII, which tells it from all others.
    """
    from charset_normalizer import from_bytes

    beyond_ascii = sum(byte > 0x7F for byte in sample)
    if beyond_ascii < 0.3 * sum(byte > 0x7F or chr(byte).isalpha() for byte in sample):
        return ""
    match = from_bytes(sample.rpartition(b"\n")[0] or sample).best()
    if match is None:
        return ""
    letters = [char for char in str(match)[:4000] if not char.isascii() and char.isalpha()]
    foreign = sum("LATIN" not in unicodedata.name(char, "LATIN") for char in letters)
    return match.encoding if foreign > 0.8 * len(letters) else ""
