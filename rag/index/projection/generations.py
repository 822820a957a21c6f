"""The folders Chroma lives in, one per rebuild, and whether the current one is as it was left."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from rag.index.store.catalogue import Catalogue

_DATABASE = "chroma.sqlite3"
_PERSISTED = "index_metadata.pickle"


def folder_of(catalogue: Catalogue, generation: int | None = None) -> Path:
    """Return the folder of a generation, of the current one when it is None."""
    number = catalogue.number("generation") if generation is None else generation
    return catalogue.folder / f"index-{number}"


def next_generation(catalogue: Catalogue) -> int:
    """Return a number above every folder there is: what a crash left is never written to."""
    numbers = [catalogue.number("generation"), *(_number(path) for path in _folders(catalogue))]
    return max(numbers) + 1


def remove_others(catalogue: Catalogue) -> None:
    """Delete the folders of all generations but the current one, as far as possible."""
    current = folder_of(catalogue)
    for path in _folders(catalogue):
        if path != current:
            shutil.rmtree(path, ignore_errors=True)


def seal(folder: Path) -> str:
    """Return a digest of the files Chroma left, without reading them; "" when there are none.

    Times count only for a vector index that was persisted: Chroma writes to its database, and
    to a vector index that still lives in the database's log, even when it is only read.
    """
    if not (folder / _DATABASE).is_file():
        return ""
    digest = sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        if path.name.startswith(f"{_DATABASE}-"):
            continue
        status = path.stat()
        time = status.st_mtime_ns if path.with_name(_PERSISTED).is_file() else 0
        digest.update(f"{path.relative_to(folder).as_posix()} {status.st_size} {time}\n".encode())
    return digest.hexdigest()


def count_bytes(folder: Path) -> int:
    """Return the size of all files of an index."""
    total = 0
    for path in folder.rglob("*"):
        with suppress(OSError):  # a writer may delete it meanwhile
            total += path.stat().st_size if path.is_file() else 0
    return total


def installed_version() -> str:
    """Return the version of chromadb without importing it, "" when it is not installed."""
    try:
        return version("chromadb")
    except PackageNotFoundError:
        return ""


def settle(folder: Path) -> None:
    """Force every file to the disk: Chroma itself does so for its database only."""
    for path in folder.rglob("*"):
        if path.is_file():
            with suppress(OSError), path.open("rb+") as file:
                os.fsync(file.fileno())


def _folders(catalogue: Catalogue) -> list[Path]:
    return [path for path in catalogue.folder.glob("index-*") if _number(path)]


def _number(path: Path) -> int:
    digits = path.name.removeprefix("index-")
    return int(digits) if digits.isdecimal() else 0
