"""The headers of a message in, its subject and who wrote when to whom out, as people read them."""

from __future__ import annotations

from contextlib import suppress
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message
from email.utils import collapse_rfc2231_value, parsedate_to_datetime

from ingest.parse.base.clean import clean

_SHOWN = ("From", "To", "Cc", "Date")
_MAX_CHARACTERS = 10_000


class Headers:
    """The headers of one message, decoded (RFC 2047) and unfolded."""

    def __init__(self, message: Message) -> None:
        self._values: dict[str, str] = {}
        for name, value in message.raw_items():
            self._values.setdefault(name.lower(), str(value))

    @property
    def subject(self) -> str:
        """Return the subject, "" without one."""
        return self._read("subject")

    def lines(self) -> list[str]:
        """Return who wrote to whom and when, a line each; the date in ISO 8601."""
        values = {name: self._read(name.lower()) for name in _SHOWN}
        values["Date"] = _show_date(values["Date"])
        return [f"{name}: {value}" for name, value in values.items() if value]

    def _read(self, name: str) -> str:
        return decode_words(self._values.get(name, ""))


def decode_words(raw: str) -> str:
    """Return a header's value with its encoded words decoded; bytes of no encoding are guessed."""
    data = raw[:_MAX_CHARACTERS].encode("utf-8", "surrogateescape")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = data.decode("cp1252", "replace")
    if "=?" in text:
        # Encoded words that are none stay as they are.
        with suppress(HeaderParseError, LookupError, ValueError):
            text = str(make_header(decode_header(text)))
    return " ".join(clean(text).split())


def read_file_name(part: Message) -> str:
    """Return the file name that a part gives itself, "" without one."""
    name = part.get_param("filename", None, "content-disposition")
    if name is None:
        name = part.get_param("name", None, "content-type")
    if name is None:
        return ""
    # A name is shown and never used as a path.
    return decode_words(collapse_rfc2231_value(name).replace("\\", "/").rpartition("/")[2])[:200]


def _show_date(text: str) -> str:
    try:
        return parsedate_to_datetime(text).isoformat(" ", "minutes")
    except (TypeError, ValueError, IndexError, OverflowError):
        return text
