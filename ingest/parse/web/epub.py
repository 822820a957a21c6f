"""Books (EPUB) in, their sections in reading order out: the spine of EPUB 3.3 and 2."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from posixpath import dirname, join, normpath
from typing import Any
from urllib.parse import unquote

from ingest.base.errors import EncryptedDocument, ParseError
from ingest.parse.base.archive import Archive, encrypted, open_archive, parse_xml
from ingest.parse.base.blocks import Blocks, Parsed
from ingest.parse.base.clean import clean, decode_text
from ingest.parse.base.failures import TooLarge
from ingest.parse.web.html import read_page
from ingest.parse.web.parts import decode_declared, include

_KIND = "EPUB"
_CONTAINER = "META-INF/container.xml"
_PAGES = ("application/xhtml+xml", "text/html", "application/xml", "text/x-oeb1-document", "")
# Fonts are obfuscated in books that anybody may read (OCF 3.3, section 4; Adobe's older way).
_FONT_METHODS = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")
_DUBLIN_CORE = "{http://purl.org/dc/elements/1.1/}"
_DECLARED = re.compile(rb"<\?xml[^>]{0,100}?encoding\s*=\s*[\"']([\w.:-]{2,40})")
# Closed at once in XML, these would swallow what follows in HTML.
_CLOSED = re.compile(
    r"<(title|script|style|a|div|span|p|i|b|em|td|th|li|iframe|textarea)((?:\s[^<>]{0,500})?)/>",
    re.IGNORECASE,
)
_MAX_NAMED = 10


def parse_epub(data: bytes, media_type: str) -> Parsed:  # noqa: ARG001
    """Return title, author and sections of a book; a section is a page of the result.

    A section without a heading gets that of the table of contents.  Raises EncryptedDocument
    for protected books, TooLarge, ParseError.
    """
    archive = open_archive(data, _KIND)
    _refuse_protected(archive)
    book = _read_package(archive)
    blocks, missing = Blocks(), []
    if book.authors:
        blocks.begin_page("section 1")
        blocks.add(f"Author: {', '.join(book.authors)}")
    for number, name in enumerate(book.spine, 1):
        if number > 1 or not book.authors:
            blocks.begin_page(f"section {number}")
        try:
            section = _read_section(archive, name)
        except (EncryptedDocument, TooLarge):
            raise
        except ParseError:
            missing.append(name)
            continue
        if not section.headings:
            blocks.add(book.contents.get(name, ""), level=1)
        include(blocks, section)
    return replace(blocks.finish(book.title), notes=_notes(missing))


@dataclass(slots=True)
class _Book:
    """What the package document tells; names are those of members of the archive."""

    title: str = ""
    authors: list[str] = field(default_factory=list)
    spine: list[str] = field(default_factory=list)
    contents: dict[str, str] = field(default_factory=dict)


def _notes(missing: list[str]) -> tuple[str, ...]:
    if not missing:
        return ()
    named = ", ".join(clean(name) for name in missing[:_MAX_NAMED])
    return (f"{len(missing)} sections are missing or damaged: {named}",)


def _refuse_protected(archive: Archive) -> None:
    if "META-INF/encryption.xml" not in archive:
        return
    root = parse_xml(archive.read("META-INF/encryption.xml"), _KIND)
    methods = {
        method.get("Algorithm", "")
        for data in root.iter("{*}EncryptedData")
        for method in data.iterchildren("{*}EncryptionMethod")
    }
    if methods - set(_FONT_METHODS):
        raise encrypted()


def _read_package(archive: Archive) -> _Book:
    path = _package_path(archive)
    root = parse_xml(archive.read(path), _KIND, doctype_allowed=True)
    items = {item.get("id", ""): item for item in root.iterfind("{*}manifest/{*}item")}
    names = {key: _resolve(path, item.get("href", "")) for key, item in items.items()}
    references = [one.get("idref", "") for one in root.iterfind("{*}spine/{*}itemref")]
    book = _Book(
        title=next(_texts(root, "title"), ""),
        authors=list(_texts(root, "creator"))[:_MAX_NAMED],
        spine=[
            names[key] for key in references
            if key in items and items[key].get("media-type", "") in _PAGES
        ],
    )  # fmt: skip
    if not book.spine:
        raise ParseError("damaged EPUB: no sections are listed", "get the book again")
    for key, item in items.items():
        is_nav = "nav" in item.get("properties", "").split()
        if is_nav or item.get("media-type") == "application/x-dtbncx+xml":
            for target, title in _read_contents(archive, names[key]):
                book.contents.setdefault(target, title)
    return book


def _package_path(archive: Archive) -> str:
    root = parse_xml(archive.read(_CONTAINER), _KIND) if _CONTAINER in archive else None
    files = () if root is None else root.iter("{*}rootfile")
    listed = [str(file.get("full-path", "")) for file in files]
    for path in (*listed, *(name for name in archive.members if name.endswith(".opf"))):
        if path in archive:
            return path
    raise ParseError("damaged EPUB: its package document is missing", "get the book again")


def _texts(root: Any, name: str) -> Iterator[str]:
    for element in root.iter(f"{_DUBLIN_CORE}{name}"):
        text = " ".join(clean(element.text or "").split())
        if text:
            yield text


def _resolve(base: str, reference: str) -> str:
    """Return the name of the member that a reference in another member means."""
    path = unquote(reference.partition("#")[0])
    return normpath(join(dirname(base), path)).lstrip("/") if path else base


def _read_contents(archive: Archive, name: str) -> Iterator[tuple[str, str]]:
    """Yield (member, title) of a table of contents, in either of its two formats."""
    try:
        root = parse_xml(archive.read(name), _KIND, doctype_allowed=True)
    except (EncryptedDocument, TooLarge):
        raise
    except ParseError:
        return  # A book can be read without it.
    for link in root.iter("{*}a"):
        yield _resolve(name, link.get("href", "")), _squeeze(link)
    for point in root.iter("{*}navPoint"):
        label, content = point.find("{*}navLabel"), point.find("{*}content")
        if label is not None and content is not None:
            yield _resolve(name, content.get("src", "")), _squeeze(label)


def _squeeze(element: Any) -> str:
    return " ".join(clean("".join(element.itertext())).split())


def _read_section(archive: Archive, name: str) -> Parsed:
    data = archive.read(name)
    declared = _DECLARED.match(data.lstrip()[:200])
    decoded = decode_declared(data, declared[1].decode("ascii")) if declared else None
    text = (decoded or decode_text(data)).text
    return read_page(_CLOSED.sub(r"<\1\2></\1>", text))
