"""An index put in order: repaired from what is left of it, or rid of what nobody needs."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from rag.index.base.errors import IndexDamaged, IndexFault, IndexMissing
from rag.index.care.renew import cut_log, finish, leftovers, remove_all, shrink, take_place
from rag.index.care.salvage import Salvaged, salvage
from rag.index.care.soundness import Inspector
from rag.index.manifest import read_manifest
from rag.index.projection.generations import count_bytes, folder_of
from rag.index.projection.process import run
from rag.index.store.catalogue import FILE_NAME, Catalogue
from rag.index.upkeep import held, locked, make_usable, renew_chroma
from rag.index.verify import check_catalogue
from rag.index.writer import CatalogueWriter


@dataclass(frozen=True, slots=True)
class Repaired:
    """What a repair did: `chunks` stand in Chroma now.

    `salvaged` is None when the catalogue was sound; else `kept_as` is where the damaged one
    is, "" when there was none.  `warning` says why there is no Chroma beside a salvaged one.
    """

    chunks: int
    salvaged: Salvaged | None = None
    kept_as: str = ""
    warning: str = ""


def repair(folder: Path) -> Repaired:
    """Put an index in order from what is left of it; nothing is embedded.

    Of a damaged catalogue all that is whole goes into a new one, in one step; the damaged one
    is kept beside it.  Chroma is made anew.  Raises IndexMissing, IndexLocked, DiskFull,
    IndexDamaged when nothing can be saved, IndexFault when Chroma fails.
    """
    folder = folder.expanduser().resolve()
    if not folder.is_dir():
        raise IndexMissing(f"there is no index in {folder}", "make one: rag ingest FOLDER")
    with locked(folder, "rag repair"):
        kept = finish(folder)
        salvaged = None
        if not _is_sound(folder):
            salvaged, kept = _salvage(folder)
        catalogue = Catalogue(folder, writable=True)
        try:
            warning = _renew(catalogue, fail=salvaged is None)
            remove_all(leftovers(folder, folder_of(catalogue)))
            return Repaired(catalogue.count("chunks"), salvaged, str(kept or ""), warning)
        finally:
            catalogue.close()


def _renew(catalogue: Catalogue, *, fail: bool) -> str:
    """Make Chroma anew; when that must not fail, as more was done before, say why it did."""
    try:
        renew_chroma(catalogue)
    except IndexFault as error:
        if fail:
            raise
        return f"{error.message}; {error.hint}"
    return ""


def _is_sound(folder: Path) -> bool:
    """Say whether the catalogue needs no salvage; raises IndexMissing when there is none."""
    try:
        # Opened to write, as that brings one of an older format up to date.
        inspector = Inspector(folder, writable=True)
        try:
            if any(inspector.word_flaws()):
                inspector.renew_words()
            return not any(finding.damage for finding in check_catalogue(inspector))
        finally:
            inspector.close()
    except IndexDamaged:
        return False


def _salvage(folder: Path) -> tuple[Salvaged, Path | None]:
    with tempfile.TemporaryDirectory(prefix="import-", dir=folder) as workplace:
        place = Path(workplace)
        salvaged = _salvage_catalogue(folder, place) or _salvage_chroma(folder, place)
        if not salvaged.vectors:
            raise IndexDamaged(
                f"nothing of {folder / FILE_NAME} can be read, and no vector of Chroma",
                "restore it: rag import FILE --force; or delete the folder and ingest again",
            )
        return salvaged, take_place(place / FILE_NAME, folder)


def _salvage_catalogue(folder: Path, place: Path) -> Salvaged | None:
    """Return what was saved of the catalogue, None when that is nothing."""
    try:
        salvaged = salvage(folder / FILE_NAME, place, _describe)
    except IndexDamaged:
        return None
    return salvaged if salvaged.vectors else None


def _salvage_chroma(folder: Path, place: Path) -> Salvaged:
    """Save the vectors of the newest Chroma: they bear the keys they had in the catalogue."""
    remove_all(list(place.iterdir()))
    catalogue = Catalogue(place, writable=True, new=True)
    try:
        found = sorted(folder.glob("index-*"), key=lambda path: path.stat().st_mtime)
        if found:
            run(catalogue, "salvage", "--source", str(found[-1]))
        return Salvaged(0, 0, catalogue.count("vectors"), (), has_manifest=False)
    finally:
        catalogue.close()


def _describe(manifest: str) -> tuple[str, int] | None:
    try:
        read = read_manifest(manifest)
    except IndexDamaged:
        return None
    return read.identity, read.dimension


@dataclass(frozen=True, slots=True)
class Compacted:
    """What `compact` gave back; sizes are those of all files of the index."""

    bytes_before: int
    bytes_after: int
    vectors_dropped: int
    chroma_renewed: bool


def compact(folder: Path) -> Compacted:
    """Drop what nobody needs: unused vectors, deleted ones in Chroma, free pages, leftovers.

    Nothing that answers is touched.  Raises IndexMissing, IndexDamaged, IndexLocked, DiskFull.
    """
    with held(folder, "rag compact") as real:
        before = count_bytes(real)
        catalogue = CatalogueWriter(real, writable=True)
        try:
            # What needs no room goes first: it makes that which the rest needs.
            remove_all(leftovers(real, folder_of(catalogue)))
            cut_log(real)
            dropped = catalogue.drop_unused_vectors()
            catalogue.optimize_words()
            renewed = _shrink_chroma(catalogue)
            remove_all(leftovers(real, folder_of(catalogue)))
        finally:
            catalogue.close()
        shrink(real)
    return Compacted(before, count_bytes(real), dropped, renewed)


def _shrink_chroma(catalogue: Catalogue) -> bool:
    """Make Chroma anew when it carries deleted vectors, or is to be told of some."""
    generation = catalogue.number("generation")
    if generation and (catalogue.number("tombstones") or catalogue.count("outbox")):
        renew_chroma(catalogue)
    else:
        make_usable(catalogue)
    return catalogue.number("generation") != generation
