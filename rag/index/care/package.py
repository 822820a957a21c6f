"""The one file an index travels in: a zip of what it holds and the catalogue itself.

Packed by `pack`; what `unpack` is given may come from anybody, so no path in it is used, nothing
is read beyond its limits, and the catalogue comes out as bytes whose digest is right, no more.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from rag.index.base.errors import DiskFull, IndexDamaged, IndexFault, IndexMismatch
from rag.index.store.catalogue import FILE_NAME, FORMAT

KIND = "foldercite index"
_OLDEST = 2
"""Format 2 of the catalogue has the same tables as 3, but for the words, which stay out."""
EXPORT_FORMAT = 1
MOST_COMPRESSED = 200
"""A catalogue is text and vectors: deflate makes it a few times smaller, a bomb a thousand."""

_CONTENTS = "manifest.json"
_MOST_CONTENTS_BYTES = 100_000
_BLOCK = 1 << 20
_LEVEL = 1  # Vectors hardly shrink, text shrinks well at once.
BAD_FILE = "it is no export of this program, or it is damaged: export the index again"


@dataclass(frozen=True, slots=True)
class Contents:
    """What an export says of itself; `bytes` and `sha256` are those of the catalogue in it."""

    kind: str
    format: int
    program: str
    catalogue_format: int
    embedding_model: str
    dimension: int
    documents: int
    chunks: int
    vectors: int
    bytes: int
    sha256: str


def pack(stream: IO[bytes], copy: Path, contents: Contents) -> None:
    """Write the file, the catalogue in it from `copy`."""
    packed = zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL)
    with packed:
        packed.writestr(_CONTENTS, json.dumps(asdict(contents), indent=2))
        packed.write(copy, FILE_NAME)


def look_into(file: Path) -> Contents:
    """Return what a file says of itself; raises as `unpack` does."""
    with _opened_zip(file) as packed:
        return _read_contents(packed)


def unpack(file: Path, foreign: Path) -> Contents:
    """Write the catalogue of a file to `foreign`, which is not there yet, and tell of the file.

    Raises IndexMismatch when a newer program made it, DiskFull, IndexFault when there is none,
    IndexDamaged when it is anything else.
    """
    with _opened_zip(file) as packed:
        contents = _read_contents(packed)
        _check_size(packed.getinfo(FILE_NAME), contents)
        _check_room(contents, foreign.parent)
        _extract(packed, contents, foreign)
    return contents


@contextlib.contextmanager
def _opened_zip(file: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(file.expanduser()) as packed:
            names = sorted(entry.filename for entry in packed.infolist())
            if names != sorted((FILE_NAME, _CONTENTS)):
                raise IndexDamaged(f"'{file}' holds other files than an export does", BAD_FILE)
            yield packed
    except FileNotFoundError as error:
        raise IndexFault(
            f"there is no file '{file}'", "name a file that rag export made"
        ) from error
    except OSError as error:
        raise IndexFault(
            f"'{file}' cannot be read: {error.strerror or error}", "check path and permissions"
        ) from error
    # What the zip module raises on hostile bytes: its own error, those of zlib and of parsing.
    except (zipfile.BadZipFile, EOFError, ValueError, NotImplementedError, RuntimeError) as error:
        raise IndexDamaged(f"'{file}' is no export of an index: {error}", BAD_FILE) from error


def _read_contents(packed: zipfile.ZipFile) -> Contents:
    with packed.open(_CONTENTS) as stream:
        data = stream.read(_MOST_CONTENTS_BYTES)
    try:
        fields = json.loads(data)
        if fields["kind"] != KIND:
            raise ValueError(fields["kind"])
        _refuse_newer(int(fields["format"]), int(fields["catalogue_format"]))
        _check_kinds(fields)
        return Contents(**fields)
    except (ValueError, TypeError, KeyError) as error:
        raise IndexDamaged("the file does not say what it holds", BAD_FILE) from error


def _check_kinds(fields: Mapping[str, object]) -> None:
    """Raise ValueError unless every field is what it should be."""
    texts = {"kind", "program", "embedding_model", "sha256"}
    for name, value in fields.items():
        right = isinstance(value, str) if name in texts else type(value) is int and value >= 0
        if not right:
            raise ValueError(name)


def _refuse_newer(export_format: int, catalogue_format: int) -> None:
    if export_format > EXPORT_FORMAT or catalogue_format > FORMAT:
        raise IndexMismatch(
            f"the file was made by a newer program (format {export_format}.{catalogue_format}, "
            f"this one reads up to {EXPORT_FORMAT}.{FORMAT})",
            "update the program",
        )
    if catalogue_format < _OLDEST:
        raise IndexMismatch(
            f"the file holds an index of format {catalogue_format}, this program reads {FORMAT}",
            "export it again with a newer program, or ingest the folders: rag ingest FOLDER",
        )


def _check_size(entry: zipfile.ZipInfo, contents: Contents) -> None:
    if entry.file_size != contents.bytes or entry.file_size > MOST_COMPRESSED * max(
        1, entry.compress_size
    ):
        raise IndexDamaged("the catalogue in the file has not the size it should", BAD_FILE)


def _check_room(contents: Contents, folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if contents.bytes * 3 > free:
        raise DiskFull(
            f"the import takes {contents.bytes * 3 / 1e6:.0f} MB, there are {free / 1e6:.0f} MB",
            "free some space and import again; nothing was changed",
        )


def _extract(packed: zipfile.ZipFile, contents: Contents, foreign: Path) -> None:
    """Write the catalogue under a name of ours, no more of it than it may have."""
    digest, left = hashlib.sha256(), contents.bytes
    with packed.open(FILE_NAME) as stream, foreign.open("xb") as target:
        while block := stream.read(min(_BLOCK, left + 1)):
            left -= len(block)
            if left < 0:
                break
            digest.update(block)
            target.write(block)
    if left or digest.hexdigest() != contents.sha256:
        raise IndexDamaged("the catalogue in the file is damaged", BAD_FILE)
