"""The forms of a message's body in, the one that says most out; and the text of a part."""

from __future__ import annotations

import re
from collections.abc import Iterator
from email.message import Message

from ingest.base.errors import ParseError
from ingest.parse.base.blocks import Parsed
from ingest.parse.base.clean import decode_text
from ingest.parse.web.html import read_page
from ingest.parse.web.parts import decode_declared

_STUB = 3  # A page says so many times more than a plain form that only points to it.
_ADDRESS = re.compile(r"https?://\S+")
_WORD = re.compile(r"\w+")
_SHOWN = 0.8  # The share of a table's words from which on the plain form has the table too.


def choose_form(forms: list[Message]) -> Message:
    """Return the plain form of a body if it has the text, else the last, which is the richest.

    A page is taken instead of a plain form that has less than a third of its letters, or
    lacks the words of one of its tables.
    """
    plain = [
        one for one in forms if one.get_content_type() == "text/plain" and _payload(one).strip()
    ]
    rich = [one for one in forms if one.is_multipart() or one.get_content_type() == "text/html"]
    if not plain:
        return (rich or forms)[-1]
    return rich[-1] if rich and _says_more(rich[-1], plain[0]) else plain[0]


def decode_part(part: Message) -> str:
    """Return the text of a part: as it declares if those bytes can be that, else detected."""
    data, declared = _payload(part), str(part.get_param("charset", ""))
    decoded = decode_declared(data, declared) if declared else None
    if decoded is None or "\ufffd" in decoded.text:
        return decode_text(data).text
    return decoded.text


def _says_more(rich: Message, plain: Message) -> bool:
    page = next(_pages(rich), None)
    if page is None:
        return False
    try:
        read, text = read_page(decode_part(page)), _ADDRESS.sub("", decode_part(plain))
    except ParseError:
        return False
    if _count_letters(read.text) > _STUB * _count_letters(text):
        return True
    words = set(_WORD.findall(text.casefold()))
    return any(_lacks(words, table) for table in _tables(read))


def _pages(form: Message) -> Iterator[Message]:
    """Yield the pages of a form: itself, or those right inside it, pictures beside them."""
    inside = form.get_payload() if form.is_multipart() else [form]
    for part in inside:
        if isinstance(part, Message) and part.get_content_type() == "text/html":
            yield part


def _tables(page: Parsed) -> Iterator[str]:
    return (page.text[table.start : table.end] for table in page.tables)


def _lacks(words: set[str], table: str) -> bool:
    """Say whether words of a table are missing in a text."""
    wanted = set(_WORD.findall(table.casefold()))
    return len(wanted & words) < _SHOWN * len(wanted)


def _count_letters(text: str) -> int:
    return sum(map(str.isalnum, _ADDRESS.sub("", text)))


def _payload(part: Message) -> bytes:
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""
