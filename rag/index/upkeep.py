"""Keeps Chroma true to the catalogue: what is wrong with it, and a new one made from the truth."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rag.index.base.errors import DiskFull, IndexDamaged, IndexFault
from rag.index.base.lock import WRITER, Lock
from rag.index.projection.child import DAMAGED, FULL
from rag.index.projection.generations import folder_of, installed_version, remove_others, seal
from rag.index.projection.process import describe_failure, run
from rag.index.store.catalogue import FILE_NAME, Catalogue
from rag.index.store.database import DAMAGE_HINT

# Below this many it costs less to carry deleted vectors along than to build anew.
FEWEST_TOMBSTONES = 1000
MOST_TOMBSTONES = 0.3


def rebuild(folder: Path, documents: bool | None = None) -> int:
    """Make Chroma anew from the catalogue and return how many passages there are.

    `documents` says whether it holds the texts too, None that this stays as it is.  No text
    is embedded.  The old files stay in use until the new ones are complete.  Raises
    IndexMissing, IndexDamaged, IndexLocked, and IndexFault when Chroma fails.
    """
    with held(folder, "rag repair") as real:
        catalogue = Catalogue(real, writable=True)
        try:
            renew_chroma(catalogue, documents)
            return catalogue.count("chunks")
        finally:
            catalogue.close()


def renew_chroma(catalogue: Catalogue, documents: bool | None = None) -> None:
    """Make Chroma anew and delete the old one; raises IndexFault, DiskFull, IndexDamaged.

    The caller holds the writer's lock.
    """
    status, said = _run_rebuild(catalogue, documents)
    if status:
        raise _fault(describe_failure(catalogue.folder, status, said), status)
    remove_others(catalogue)


def _fault(problem: str, status: int) -> IndexFault:
    """Return what the child met, as what it is."""
    if status == FULL:
        return DiskFull(problem, "free some space and run the same command again")
    if status == DAMAGED:
        return IndexDamaged(problem, DAMAGE_HINT)
    return IndexFault(problem, "searches are exact and complete without Chroma")


@contextmanager
def held(folder: Path, command: str) -> Iterator[Path]:
    """Keep writers away from an index, and yield its real folder; without one nothing is made.

    Raises IndexMissing, IndexDamaged when only its vectors are left, IndexLocked.
    """
    folder = folder.expanduser().resolve()
    if not (folder / FILE_NAME).exists():
        Catalogue(folder, writable=False).close()
    with locked(folder, command):
        yield folder


@contextmanager
def locked(folder: Path, command: str) -> Iterator[None]:
    """Hold the lock of the one writer; raises IndexLocked."""
    lock = Lock(folder, WRITER)
    lock.acquire(command)
    try:
        yield
    finally:
        lock.release()


def make_usable(catalogue: Catalogue, documents: bool | None = None) -> str:
    """Bring Chroma into a state in which it may be opened; return why it is not, or "".

    The caller holds the writer's lock.  There is at most one rebuild.
    """
    if _was_never_opened(catalogue):
        return ""
    if find_wear(catalogue, documents):
        return _rebuild(catalogue, documents)
    if not find_damage(catalogue):
        return ""
    findings = _check(catalogue)
    if findings:
        return _rebuild(catalogue, documents)
    catalogue.set_meta({"seal": seal(folder_of(catalogue))}, "accept")
    return ""


def find_damage(catalogue: Catalogue) -> str:
    """Return why Chroma must not be opened in this process, or ""."""
    return _find_open_end(catalogue) or _find_foreign_hand(catalogue)


def find_wear(catalogue: Catalogue, documents: bool | None = None) -> str:
    """Return why Chroma should be built anew although it is sound, or ""."""
    return (
        _find_other_version(catalogue)
        or _find_other_content(catalogue, documents)
        or _find_tombstones(catalogue)
    )


def _was_never_opened(catalogue: Catalogue) -> bool:
    return catalogue.number("generation") == 0


def _find_open_end(catalogue: Catalogue) -> str:
    return "" if catalogue.meta("seal") else "Chroma was not closed in order"


def _find_foreign_hand(catalogue: Catalogue) -> str:
    same = seal(folder_of(catalogue)) == catalogue.meta("seal")
    return "" if same else "the files of Chroma are missing or were changed"


def _find_other_version(catalogue: Catalogue) -> str:
    built, now = catalogue.meta("chroma_version"), installed_version()
    return "" if built == now else f"Chroma was written by version {built}, {now} is installed"


def _find_other_content(catalogue: Catalogue, documents: bool | None) -> str:
    same = documents is None or documents == bool(catalogue.number("chroma_documents"))
    return "" if same else "Chroma is to hold the texts, or to hold them no longer"


def _find_tombstones(catalogue: Catalogue) -> str:
    dead, alive = catalogue.number("tombstones"), catalogue.count("chunks")
    many = dead > max(FEWEST_TOMBSTONES, MOST_TOMBSTONES * alive)
    return f"Chroma carries {dead} deleted vectors" if many else ""


def _check(catalogue: Catalogue) -> list[str]:
    return _read_findings(catalogue.folder, *run(catalogue, "check"))


def _read_findings(folder: Path, status: int, said: str) -> list[str]:
    if status:
        return [describe_failure(folder, status, said)]
    findings: list[str] = json.loads(said)
    return findings


def _rebuild(catalogue: Catalogue, documents: bool | None) -> str:
    status, said = _run_rebuild(catalogue, documents)
    return describe_failure(catalogue.folder, status, said) if status else ""


def _run_rebuild(catalogue: Catalogue, documents: bool | None) -> tuple[int, str]:
    if documents is None:
        documents = bool(catalogue.number("chroma_documents"))
    return run(catalogue, "rebuild", *(["--documents"] if documents else []))
