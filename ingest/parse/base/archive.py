"""Bytes of a zip-based format in, the content of its members out, within limits. XML too.

Sizes that an archive declares may lie, so what is read is counted while it is unpacked.  Names
of members are keys and never paths; an archive inside the archive is never opened.
"""

from __future__ import annotations

import io
import re
import struct
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from html import unescape
from posixpath import dirname, join, normpath
from types import MappingProxyType
from typing import Any
from urllib.parse import unquote

from ingest.base.errors import EncryptedDocument, ParseError
from ingest.parse.base.failures import TooLarge

MAX_MEMBERS = 10_000
MAX_UNPACKED_BYTES = 200_000_000
MAX_RATIO = 200
NO_ALIASES: Mapping[bytes, bytes] = MappingProxyType({})

_RATIO_FLOOR_BYTES = 1_000_000  # Little is unpacked from a small file, whatever its ratio.
_PIECE_BYTES = 1 << 16
_CONTENT_TYPES = "[Content_Types].xml"
_ENTRY = b"PK\x01\x02"
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED_FLAGS = 0x1 | 0x40 | 0x2000
_DECLARATIONS = re.compile(rb"<!(?:DOCTYPE|ENTITY)")
_ENTITIES = re.compile(rb"<!ENTITY")
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    ValueError,
    NotImplementedError,
    RuntimeError,
    OverflowError,
)
_RELATIONSHIP = re.compile(
    rb"<(?:\w{1,20}:)?Relationship(\s[^<>]{0,4000})(?:/>|>\s{0,99}</(?:\w{1,20}:)?Relationship>)"
)
_TARGET = re.compile(rb"\sTarget\s?=\s?[\"']([^\"']*)[\"']")
_HINT = "open it in its own program and save it again"


@dataclass(slots=True)
class Archive:
    """An archive whose members may be read until the limits are reached.

    `room` is how many bytes may still be unpacked; `kind` is what messages call the file.
    """

    kind: str
    file: zipfile.ZipFile
    room: int
    members: dict[str, zipfile.ZipInfo] = field(default_factory=dict)

    def __contains__(self, name: object) -> bool:
        return name in self.members

    def read(self, name: str) -> bytes:
        """Return the content of a member; raises ParseError, TooLarge or EncryptedDocument."""
        info = self.members.get(name)
        if info is None:
            raise ParseError(f"damaged {self.kind}: {_printable(name)} is missing", _HINT)
        if info.flag_bits & _ENCRYPTED_FLAGS:
            raise encrypted()
        if info.compress_type not in _METHODS:
            raise ParseError(f"damaged {self.kind}: packed in an unknown way", _HINT)
        return b"".join(self._pieces(info))

    def read_markup(self, name: str) -> bytes:
        """Return a member that is XML and declares no document type, else raise ParseError."""
        data = self.read(name)
        refuse_declarations(data, self.kind)
        return data

    def _pieces(self, info: zipfile.ZipInfo) -> Iterable[bytes]:
        try:
            with self.file.open(info) as member:
                while piece := member.read(min(_PIECE_BYTES, self.room + 1)):
                    self.room -= len(piece)
                    if self.room < 0:
                        raise _too_large(self.kind)
                    yield piece
        except _DAMAGE as error:
            raise _damaged(self.kind, error) from error


def open_archive(data: bytes, kind: str) -> Archive:
    """Open the bytes of an archive called `kind` in messages ("DOCX").

    Raises TooLarge when it has too many members or declares too many bytes, ParseError when
    it is damaged.
    """
    if data.count(_ENTRY) > MAX_MEMBERS:  # Before a library makes a record of each.
        raise TooLarge(f"more than {MAX_MEMBERS:,} parts in one {kind} file", _HINT)
    try:
        file = zipfile.ZipFile(io.BytesIO(data))
    except _DAMAGE as error:
        raise _damaged(kind, error) from error
    limit = min(MAX_UNPACKED_BYTES, max(_RATIO_FLOOR_BYTES, MAX_RATIO * len(data)))
    members = {info.filename: info for info in file.infolist() if not info.is_dir()}
    if sum(info.file_size for info in members.values()) > limit:
        raise _too_large(kind)
    return Archive(kind, file, limit, members)


def repack_office(
    archive: Archive, aliases: Mapping[bytes, bytes] = NO_ALIASES, without: str = ""
) -> bytes:
    """Return the archive made anew of its markup, for a library that opens archives itself.

    Every part of it was unpacked here and is stored as it is, so no size in it can lie; no
    part declares a document type.  Pictures, fonts and embedded files are left empty.
    Links to parts that are missing go, as no library reads a file that has one.
    `aliases` are content types (of templates, of files with macros) to be told as others;
    members in the folder `without` are left out.
    """
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as safe:
        for name in archive.members:
            if without and name.startswith(without):
                continue
            is_markup = name.lower().endswith((".xml", ".rels"))
            content = archive.read_markup(name) if is_markup else b""
            if name == _CONTENT_TYPES:
                for old, new in aliases.items():
                    content = content.replace(old, new)
            if name.endswith(".rels"):
                content = _drop_broken_links(name, content, archive)
            safe.writestr(zipfile.ZipInfo(name), content)
    return out.getvalue()


def _drop_broken_links(name: str, content: bytes, archive: Archive) -> bytes:
    """Return a part of relationships without those to parts that are not in the archive."""
    folder = dirname(dirname(name))

    def keep(found: re.Match[bytes]) -> bytes:
        target = _TARGET.search(found[1])
        if target is None or b"External" in found[1]:
            return found[0]
        path = unescape(target[1].decode("utf-8", "replace"))
        known = (normpath(join("/", folder, one)).lstrip("/") for one in (path, unquote(path)))
        return found[0] if any(one in archive for one in known) else b""

    return _RELATIONSHIP.sub(keep, content)


def refuse_declarations(data: bytes, kind: str, *, doctype_allowed: bool = False) -> None:
    """Raise ParseError for markup that declares entities, or a document type unless allowed."""
    pattern = _ENTITIES if doctype_allowed else _DECLARATIONS
    # Without its NULs, UTF-16 and UTF-32 read like ASCII.
    if pattern.search(data.replace(b"\0", b"") if b"\0" in data[:64] else data):
        raise ParseError(f"{kind} with declarations that no such file needs", _HINT)


def parse_xml(data: bytes, kind: str, *, doctype_allowed: bool = False) -> Any:
    """Return the root element; nothing is fetched, no entity is declared or replaced.

    Raises ParseError for what is not well formed, nested too deep or has text too long.
    """
    from lxml import etree

    refuse_declarations(data, kind, doctype_allowed=doctype_allowed)
    parser = etree.XMLParser(
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError, LookupError) as error:
        raise _damaged(kind, error) from error
    information: Any = root.getroottree().docinfo
    if (
        information.doctype and not doctype_allowed
    ):  # In an encoding that the first look cannot read.
        raise ParseError(f"{kind} with declarations that no such file needs", _HINT)
    return root


def encrypted() -> EncryptedDocument:
    """Return the error for a file that only its owner can read."""
    return EncryptedDocument("a password is needed", "save a copy without a password")


def _too_large(kind: str) -> TooLarge:
    return TooLarge(
        f"the {kind} file unpacks to more than {MAX_UNPACKED_BYTES / 1e6:.0f} MB "
        f"or {MAX_RATIO} times its size",
        "save the text in a new document",
    )


def _damaged(kind: str, error: Exception) -> ParseError:
    reason = _printable(str(error)) or type(error).__name__
    return ParseError(f"damaged {kind}: {reason}", _HINT)


def _printable(text: str) -> str:
    return " ".join(text.encode("ascii", "replace").decode("ascii").split())[:120]
