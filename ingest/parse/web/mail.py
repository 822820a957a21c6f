"""Messages (EML) and mailboxes (MBOX) in, their headers, bodies and text attachments out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from email.message import Message
from email.parser import BytesParser
from email.policy import compat32
from itertools import pairwise
from pathlib import PurePosixPath

from ingest.base.errors import ParseError
from ingest.parse.base import media
from ingest.parse.base.blocks import Blocks, Parsed
from ingest.parse.base.clean import clean
from ingest.parse.text.tables import parse_table
from ingest.parse.web.html import read_page
from ingest.parse.web.mail_forms import choose_form, decode_part
from ingest.parse.web.mail_headers import Headers, read_file_name
from ingest.parse.web.parts import include

_MAX_DEPTH = 5
_MAX_MESSAGES = 50_000
_MAX_NAMED = 20
_TEXT_SUFFIXES = frozenset((".txt", ".text", ".md", ".markdown", ".csv", ".tsv", ".html", ".htm"))
_ENVELOPE = re.compile(
    rb"(?:\A|(?<=\n\n)|(?<=\n\r\n))From [^\n]{0,500}\n(?=[!-9;-~]{1,100}:|>From )"
)
_ESCAPED_FROM = re.compile(rb"^>(>*From )", re.MULTILINE)
_SOFT_BREAK = re.compile(r"(?<=[^\s>-]) \n(?![>\s-])")
# What the parser of the standard library raises on messages that are none.
_DAMAGE = (ParseError, ValueError, LookupError, TypeError, AttributeError, RecursionError)


def parse_mail(data: bytes, media_type: str) -> Parsed:  # noqa: ARG001
    """Return the subject as title and heading, who wrote when to whom, and the body.

    Of several forms of the body the plain one is read, unless a page says much more or has a
    table that is missing there.  Text attachments, tables of CSV and attached messages follow
    under headings of their own, others are named in a note.  Raises ParseError.
    """
    reader = _Reader()
    message = BytesParser(policy=compat32).parsebytes(data)
    headers = Headers(message)
    reader.read_message(message, level=1)
    if not headers.lines() and not reader.blocks.parts:
        raise ParseError("damaged message: it has no headers", "save it again as EML")
    return replace(reader.blocks.finish(headers.subject), notes=tuple(reader.notes()))


def parse_mailbox(data: bytes, media_type: str) -> Parsed:  # noqa: ARG001
    """Return each message of a mailbox as a page, its subject as heading (RFC 4155)."""
    reader, damaged, number = _Reader(), 0, 0
    for number, content in enumerate(_split_mailbox(data), 1):
        if number > _MAX_MESSAGES:
            break
        reader.blocks.begin_page(f"message {number}")
        try:
            reader.read_message(BytesParser(policy=compat32).parsebytes(content), level=2)
        except _DAMAGE:
            damaged += 1
    if not number:
        raise ParseError("damaged mailbox: it holds no message", "export it again as MBOX")
    notes = list(reader.notes())
    if damaged:
        notes.append(f"{damaged} messages are damaged")
    if number > _MAX_MESSAGES:
        notes.append(f"only the first {_MAX_MESSAGES:,} messages were read")
    return replace(reader.blocks.finish(""), notes=tuple(notes))


def _split_mailbox(data: bytes) -> Iterator[bytes]:
    """Yield the messages; a `From ` after a blank line that no header follows is text."""
    marks = [(found.start(), found.end()) for found in _ENVELOPE.finditer(data)]
    for (_, start), (end, _) in pairwise([*marks, (len(data), 0)]):
        yield _ESCAPED_FROM.sub(rb"\1", data[start:end])


@dataclass(slots=True)
class _Reader:
    """Turns messages into blocks, and remembers what was not read."""

    blocks: Blocks = field(default_factory=Blocks)
    unread: list[str] = field(default_factory=list)
    waiting: list[tuple[str, Message]] = field(default_factory=list)

    def read_message(self, message: Message, level: int, depth: int = 0) -> None:
        """Add headers, body and text attachments of a message."""
        headers = Headers(message)
        self.blocks.add(headers.subject, level=level)
        self.blocks.add("\n".join(headers.lines()))
        outer, self.waiting = self.waiting, []
        self._read_part(message, level)
        attached, self.waiting = self.waiting, outer
        for name, part in attached:
            self._read_attachment(name, part, level + 1, depth + 1)

    def notes(self) -> Iterator[str]:
        """Yield what a person should know of the attachments."""
        if self.unread:
            names = ", ".join(self.unread[:_MAX_NAMED])
            more = ", ..." if len(self.unread) > _MAX_NAMED else ""
            noun = "attachment was" if len(self.unread) == 1 else "attachments were"
            yield f"{len(self.unread)} {noun} not read: {names}{more}"

    def _read_part(self, message: Message, level: int) -> None:
        """Read the parts of a message in order; attachments wait until its end."""
        stack = [message]
        while stack:
            part = stack.pop()
            kind = part.get_content_type()
            children = _children(part)
            if kind == "multipart/alternative" and children:
                stack.append(choose_form(children))
            elif kind == "multipart/encrypted":
                self.unread.append("an encrypted part")
            elif kind != "message/rfc822" and children:
                stack.extend(children[::-1])
            elif kind in ("text/plain", "text/html") and not _is_attachment(part):
                self._read_text(part, level)
            elif not kind.startswith("multipart/"):
                name = read_file_name(part)
                if name or _is_attachment(part) or kind == "message/rfc822":
                    self.waiting.append((name or kind, part))

    def _read_attachment(self, name: str, part: Message, level: int, depth: int) -> None:
        if part.get_content_type() == "message/rfc822":
            inner = _children(part)
            if not inner or depth > _MAX_DEPTH:
                self.unread.append(name)
            else:
                self.read_message(inner[0], level, depth)
        elif _is_text(name, part):
            self.blocks.add(f"Attachment: {name}", level=level)
            self._read_text(part, level, name)
        else:
            self.unread.append(name)

    def _read_text(self, part: Message, level: int, name: str = "") -> None:
        """Add the text of a part, however it is encoded."""
        try:
            text = decode_part(part)
        except ParseError:
            self.unread.append(name or "a part that is no text")
            return
        if name and (kind := _table_kind(name, part)):
            include(self.blocks, parse_table(text.encode("utf-8", "replace"), kind))
            return
        is_page = part.get_content_type() == "text/html" or name.lower().endswith((".html", ".htm"))
        if is_page:
            include(self.blocks, read_page(text), level)
            return
        if str(part.get_param("format", "")).lower() == "flowed":
            text = _SOFT_BREAK.sub(" ", text.replace("\r\n", "\n"))
        include(self.blocks, Parsed(clean(text)))


def _children(part: Message) -> list[Message]:
    if not part.is_multipart():
        return []  # Asked for its content, a part would decode it as it declares.
    return [child for child in part.get_payload() if isinstance(child, Message)]


def _table_kind(name: str, part: Message) -> str:
    """Return the media type of an attachment that is a table as text, "" of others."""
    suffix, told = PurePosixPath(name.lower()).suffix, part.get_content_type()
    if suffix == ".tsv" or (not suffix and told == "text/tab-separated-values"):
        return media.TSV
    return media.CSV if suffix == ".csv" or (not suffix and told == "text/csv") else ""


def _is_attachment(part: Message) -> bool:
    return part.get_content_disposition() == "attachment"


def _is_text(name: str, part: Message) -> bool:
    suffix = PurePosixPath(name.lower()).suffix
    kinds = ("text/plain", "text/html", "text/markdown", "text/csv", "text/tab-separated-values")
    return suffix in _TEXT_SUFFIXES or (not suffix and part.get_content_type() in kinds)
