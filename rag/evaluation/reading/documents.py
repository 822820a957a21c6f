"""Documents that came with a set of questions in, files to be ingested out."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from itertools import count
from pathlib import Path

from ingest.base.errors import PipelineError

_UNSAFE = re.compile(r"[^a-z0-9]+")
_MOST_CHARACTERS = 60
# Names that Windows keeps for devices, whatever follows the dot.
_DEVICES = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)?")


def name_documents(ids: Iterable[str]) -> dict[str, str]:
    """Return a file name for each id, safe on every system and unlike all others.

    Small letters, digits and hyphens of the id, cut to 60, and ".txt": "MED-10" is "med-10.txt".
    Where that is taken, or says nothing, some of the id's SHA-256 follows.  The names depend on the
    set of ids alone, not on their order, and a set of such names keeps them.
    """
    ids = set(ids)
    names = {name: name for name in ids if name == f"{_stem(name.removesuffix('.txt'))}.txt"}
    taken = set(names)
    for name in sorted(ids - taken):
        names[name] = next(one for one in _candidates(name) if one not in taken)
        taken.add(names[name])
    return names


def write_documents(folder: Path, documents: Mapping[str, str]) -> dict[str, str]:
    """Write each text to a file of its own, for its owner alone, and return their names by id.

    `CaseSet.documents` has the names as ids, which they keep.  A file that holds the same already
    is left as it is, so that it need not be ingested again.  Raises PipelineError.
    """
    names = name_documents(documents)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, text in documents.items():
            _write(folder / names[name], text.encode("utf-8", "replace"))
    except OSError as error:
        raise PipelineError(
            f"the documents cannot be written to {folder}: {error.strerror}",
            "name another folder, or make room on the disk",
        ) from error
    return names


def _stem(name: str) -> str:
    """Return the part of an id that may stand in a file name, "" where that says nothing."""
    stem = _UNSAFE.sub("-", name.casefold()).strip("-")[:_MOST_CHARACTERS].strip("-")
    return "" if _DEVICES.fullmatch(stem) else stem


def _candidates(name: str) -> Iterator[str]:
    stem = _stem(name)
    if stem:
        yield f"{stem}.txt"
    for number in count():
        digest = sha256(f"{number} {name}".encode("utf-8", "surrogatepass")).hexdigest()
        yield f"{stem[:40]}-{digest[:12]}.txt".lstrip("-")


def _write(path: Path, content: bytes) -> None:
    if path.is_file() and path.read_bytes() == content:
        return
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as stream:
        stream.write(content)
