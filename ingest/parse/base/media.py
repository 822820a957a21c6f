"""A file's name or first bytes in, its media type out."""

from __future__ import annotations

import io
import re
import zipfile
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
    DOCX: "docx docm",
    PPTX: "pptx pptm",
    XLSX: "xlsx xlsm",
    ODT: "odt",
    ODS: "ods",
    ODP: "odp",
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

_UNSUPPORTED_NAMES = (
    "png jpg jpeg gif bmp tif tiff webp svg ico heic heif avif psd ai eps raw cr2 nef "
    "mp3 wav flac ogg m4a aac wma mp4 mkv avi mov wmv webm m4v mpg mpeg "
    "zip tar gz tgz bz2 xz 7z rar zst jar war whl deb rpm dmg iso img apk cab msi "
    "exe dll so dylib o a lib obj class pyc pyo wasm bin dat "
    "doc dot xls xlsb ppt pps pages numbers msg "
    "mobi azw azw3 djvu chm ps xps one pub vsd vsdx "
    "db sqlite sqlite3 mdb accdb parquet feather arrow pickle pkl npy npz h5 hdf5 mat "
    "onnx pt pth safetensors gguf ggml ckpt ttf otf woff woff2 eot lock map swp bak tmp"
)
UNSUPPORTED: frozenset[str] = frozenset(f".{suffix}" for suffix in _UNSUPPORTED_NAMES.split())

_HTML_START = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<!--.{0,2000}?-->\s*)?<(?:!doctype\s+html|html)\b"
)
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OTHER_MAGIC = (b"\x7fELF", b"MZ\x90", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"7z\xbc\xaf", b"Rar!")
_HINT = "save it as PDF, DOCX, HTML, Markdown or plain text"


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
    if b"%PDF-" in data[:1024]:
        return PDF
    if data.startswith(b"PK\x03\x04"):
        return _sniff_zip(data)
    if data.startswith(_OLE):
        raise _ole_error(data)
    if data.startswith(b"{\\rtf"):
        raise UnsupportedFormat("a rich text (RTF) file", _HINT)
    if data.startswith(_OTHER_MAGIC):
        raise UnsupportedFormat("a program or an archive", _HINT)
    if _HTML_START.match(data[:4096].lower()):
        return HTML
    return PLAIN if promised in (PDF, DOCX, UNKNOWN) else promised


def _sniff_zip(data: bytes) -> str:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile:
        return DOCX  # Damaged: its parser says so.
    if "word/document.xml" in names:
        return DOCX
    raise UnsupportedFormat("an archive that is no Word document", _HINT)


def _ole_error(data: bytes) -> EncryptedDocument | UnsupportedFormat:
    if "EncryptedPackage".encode("utf-16-le") in data:
        return EncryptedDocument("a password is needed", "save a copy without a password")
    return UnsupportedFormat("an Office file of the old binary kind", "save it as DOCX or PDF")
