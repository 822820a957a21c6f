"""A file's name or content in, its media type out: content first, name second."""

from __future__ import annotations

import io
import re
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import PurePath
from types import MappingProxyType

from ingest.base.errors import EncryptedDocument, UnsupportedFormat

PDF = "application/pdf"
HTML = "text/html"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
PPTX = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
ODT = "application/vnd.oasis.opendocument.text"
ODS = "application/vnd.oasis.opendocument.spreadsheet"
ODP = "application/vnd.oasis.opendocument.presentation"
RTF = "application/rtf"
EPUB = "application/epub+zip"
EML = "message/rfc822"
MBOX = "application/mbox"
NOTEBOOK = "application/x-ipynb+json"
MARKDOWN = "text/markdown"
RST = "text/x-rst"
ORG = "text/x-org"
TEX = "text/x-tex"
CSV = "text/csv"
TSV = "text/tab-separated-values"
JSON = "application/json"
JSONL = "application/jsonl"
SUBTITLES = "text/vtt"
CODE = "text/x-source"
PLAIN = "text/plain"
UNKNOWN = "application/octet-stream"

_NAMES = {
    PDF: "pdf",
    HTML: "html htm xhtml",
    DOCX: "docx docm dotx dotm",
    PPTX: "pptx pptm ppsx potx",
    XLSX: "xlsx xlsm xltx",
    ODT: "odt ott",
    ODS: "ods ots",
    ODP: "odp otp",
    RTF: "rtf",
    EPUB: "epub",
    EML: "eml",
    MBOX: "mbox",
    NOTEBOOK: "ipynb",
    ORG: "org",
    TEX: "tex ltx sty cls",
    CSV: "csv",
    TSV: "tsv tab",
    JSON: "json json5 geojson",
    JSONL: "jsonl ndjson",
    SUBTITLES: "srt vtt",
    MARKDOWN: "md markdown mdown mkd mdx qmd rmd",
    RST: "rst rest",
    PLAIN: "txt text log yaml yml toml ini cfg conf xml bib adoc asciidoc properties",
    CODE: "py pyi js mjs cjs jsx ts tsx java kt kts scala go rs c h cc cpp cxx hpp hh cs swift "
    "rb php pl pm lua r jl sh bash zsh fish ps1 bat sql m mm dart ex exs erl hs ml fs vb groovy "
    "gradle css scss less vue svelte proto graphql tf cmake zig nim",
}
SUFFIXES: Mapping[str, str] = MappingProxyType(
    {f".{suffix}": media for media, names in _NAMES.items() for suffix in names.split()}
)

# Not here: names that say nothing (bin dat bak tmp), and old Office, which is often RTF or HTML.
_UNSUPPORTED_NAMES = (
    "png jpg jpeg gif bmp tif tiff webp svg ico heic heif avif psd ai eps raw cr2 nef "
    "mp3 wav flac ogg m4a aac wma mp4 mkv avi mov wmv webm m4v mpg mpeg "
    "zip tar gz tgz bz2 xz 7z rar zst jar war whl deb rpm dmg iso img apk cab msi "
    "exe dll so dylib o a lib obj class pyc pyo wasm "
    "xlsb pages numbers msg "
    "mobi azw azw3 djvu chm ps xps one pub vsd vsdx "
    "db sqlite sqlite3 mdb accdb parquet feather arrow pickle pkl npy npz h5 hdf5 mat "
    "onnx pt pth safetensors gguf ggml ckpt ttf otf woff woff2 eot lock map swp"
)
UNSUPPORTED: frozenset[str] = frozenset(f".{suffix}" for suffix in _UNSUPPORTED_NAMES.split())

_ZIPPED = frozenset((DOCX, PPTX, XLSX, ODT, ODS, ODP, EPUB))
# A file named so whose content is another's is text, if it is anything.
_NEVER_TEXT = _ZIPPED | {PDF, RTF, UNKNOWN}
# Names that promise no more than text: what the content is known by decides.
_ANY_TEXT = frozenset((PLAIN, UNKNOWN))
_MAIN_PARTS: Mapping[str, str] = MappingProxyType(
    {"word/document": DOCX, "ppt/presentation": PPTX, "xl/workbook": XLSX}
)
_DAMAGE = (zipfile.BadZipFile, zlib.error, struct.error, OSError, EOFError, ValueError,
           RuntimeError, NotImplementedError)  # fmt: skip
_HTML_START = re.compile(
    rb"\s*(?:<\?xml[^>]{0,200}>\s*)?(?:<!--(?:(?!-->).){0,1000}+-->\s*){0,3}"
    rb"<(?:!doctype\s+html|html)\b",
    re.DOTALL,
)
_HEADER = re.compile(rb"([A-Za-z][A-Za-z0-9-]{1,60}):[ \t]*\S?[^\n]*(?:\n[ \t]+\S[^\n]*)*+\n")
_MBOX_START = re.compile(rb"From \S[^\n]{0,200}\d\d:\d\d[^\n]{0,60}\n(?=>?[A-Za-z][A-Za-z0-9-]+: )")
_SUBTITLES_START = re.compile(
    rb"WEBVTT(?:[ \t\n]|$)|\s*\d{1,6}[ \t]*\n\d{1,3}:\d\d:\d\d[,.]\d{1,3}[ \t]*-->"
)
_JSON_START = re.compile(rb"\s*(?:\{\s*(?:\"|\})|\[\s*[\[{\"])")
_PDF_SIGN = re.compile(rb"\d obj\b|%%EOF")
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OTHER_MAGIC = (b"\x7fELF", b"MZ\x90", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"7z\xbc\xaf", b"Rar!")
_HINT = "save it as PDF, DOCX, XLSX, PPTX, ODT, EPUB, HTML, Markdown or plain text"
_HEAD_BYTES = 16_384


def media_type_of(name: str) -> str:
    """Return the media type that the file's name promises, UNKNOWN if it promises none."""
    return SUFFIXES.get(PurePath(name).suffix.lower(), UNKNOWN)


def is_unsupported(name: str) -> bool:
    """Say whether the name belongs to a format that no parser here reads."""
    return PurePath(name).suffix.lower() in UNSUPPORTED


def sniff(data: bytes, promised: str) -> str:
    """Return the media type of the content; `promised` decides between kinds of plain text.

    Raises UnsupportedFormat or EncryptedDocument for containers that are not read.
    """
    if _is_pdf(data, promised):
        return PDF
    if data.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _sniff_zip(data, promised)
    if data.startswith(_OLE):
        raise _ole_error(data)
    if data.startswith(_OTHER_MAGIC):
        raise UnsupportedFormat("a program or an archive", _HINT)
    head = _head(data)
    if head.lstrip().startswith(b"{\\rtf"):
        return RTF
    if _HTML_START.match(head.lower()):
        return HTML
    if promised in _ANY_TEXT | _NEVER_TEXT | {EML, MBOX}:
        return _sniff_mail(head, promised) or _sniff_text(data, head, promised)
    return promised


def _head(data: bytes) -> bytes:
    """Return the first bytes as if they were in an encoding of 8 bits, line ends as newlines."""
    head = data[:_HEAD_BYTES]
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        head = head[2:].replace(b"\0", b"")
    return head.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _is_pdf(data: bytes, promised: str) -> bool:
    """Say whether it is a PDF: junk may stand before one, and other text may speak of one."""
    start = data.find(b"%PDF-", 0, 1024)
    if start < 0:
        return False
    return not data[:start].strip() or promised in _NEVER_TEXT or _has_pdf_sign(data)


def _has_pdf_sign(data: bytes) -> bool:
    return bool(_PDF_SIGN.search(data[:4096]) and _PDF_SIGN.search(data[-2048:]))


def _sniff_zip(data: bytes, promised: str) -> str:
    """Return the format of an archive by its parts; a damaged one is what its name says."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = frozenset(archive.namelist())
            declared = ""
            if "mimetype" in names:
                with archive.open("mimetype") as file:
                    declared = file.read(200).decode("ascii", "replace").strip()
    except _DAMAGE as error:
        if promised in _ZIPPED:
            return promised  # Its parser says what is wrong.
        raise UnsupportedFormat("an archive, or a damaged Office file", _HINT) from error
    found = _by_parts(names) or _by_declaration(declared, names, promised)
    if not found:
        raise UnsupportedFormat("an archive that is no Office document or e-book", _HINT)
    return found


def _by_parts(names: frozenset[str]) -> str:
    """Return the Office format whose main part is there; some writers number that part."""
    for part, found in _MAIN_PARTS.items():
        if f"{part}.xml" in names:
            return found
    if "[Content_Types].xml" in names:
        for part, found in _MAIN_PARTS.items():
            if any(name.startswith(part) and name.endswith(".xml") for name in names):
                return found
    return ""


def _by_declaration(declared: str, names: frozenset[str], promised: str) -> str:
    """Return the format of an OpenDocument file or e-book, "" of any other archive."""
    if declared == EPUB or "META-INF/container.xml" in names:
        return EPUB
    for found in (ODT, ODS, ODP):
        if declared in (found, f"{found}-template"):
            return found
    bare = not declared and {"content.xml", "META-INF/manifest.xml"} <= names
    return promised if bare and promised in (ODT, ODS, ODP) else ""


def _ole_error(data: bytes) -> EncryptedDocument | UnsupportedFormat:
    if "EncryptedPackage".encode("utf-16-le") in data:
        return EncryptedDocument("a password is needed", "save a copy without a password")
    return UnsupportedFormat("an Office file of the old binary kind", "save it as DOCX or PDF")


def _sniff_mail(head: bytes, promised: str) -> str:
    """Return the kind of mail, "" if the text does not begin like one."""
    if promised != EML and _MBOX_START.match(head):
        return MBOX
    fields = _header_names(head)
    dated = fields & {b"date", b"received", b"message-id", b"return-path"}
    is_mail = b"from" in fields and fields & {b"to", b"subject", b"cc"} and dated
    if promised == MBOX:
        return EML if is_mail else MBOX
    return EML if is_mail or promised == EML else ""


def _header_names(head: bytes) -> frozenset[bytes]:
    """Return the names of the header fields at the top, in lower case."""
    names: list[bytes] = []
    position = 0
    while (found := _HEADER.match(head, position)) and len(names) < 200:
        names.append(found[1].lower())
        position = found.end()
    return frozenset(names)


def _sniff_text(data: bytes, head: bytes, promised: str) -> str:
    """Return which kind of text it is that has an unmistakable form, else plain text."""
    if _SUBTITLES_START.match(head):
        return SUBTITLES
    if promised in (UNKNOWN, *_NEVER_TEXT) and head.startswith(b"#!/"):
        return CODE
    if _JSON_START.match(head):
        return _sniff_json(data, head)
    return PLAIN


def _sniff_json(data: bytes, head: bytes) -> str:
    tail = data[-64:].replace(b"\0", b"").rstrip()
    if not tail.endswith((b"}", b"]")):
        return PLAIN
    lines = [line.strip() for line in head.split(b"\n", 3)[:2]]
    if len(lines) == 2 and all(line.startswith(b"{") for line in lines) and lines[0][-1:] == b"}":
        return JSONL
    is_notebook = head.lstrip().startswith(b"{") and b'"nbformat"' in data and b'"cells"' in data
    return NOTEBOOK if is_notebook else JSON
