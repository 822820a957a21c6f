"""Is an index sound?  Catalogue, Chroma, cache, files and model compared; findings out.

What is damage and what is not: damage is what is stored and differs from what should be, so
that an answer could be wrong or missing, or would be without a rebuild.  What a run that was
ended left half done is none: until the next run completes it, searches leave that part aside
and stay exact.  Nor is a file that changed after it was ingested, or a vector nobody needs.
"""

from __future__ import annotations

import errno
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.base.documents import Plan
from ingest.base.errors import FolderError, ParseError, PipelineError, TextsRejected
from ingest.base.ports import Embedder
from ingest.parse.base.files import fingerprint_of, read_bytes
from rag.index.base.errors import IndexDamaged, IndexFault, IndexLocked
from rag.index.base.findings import Finding
from rag.index.base.lock import CHROMA, Lock
from rag.index.care.renew import leftovers
from rag.index.care.soundness import Inspector
from rag.index.manifest import SAME_MODEL_COSINE, Manifest, read_manifest
from rag.index.projection.child import BUSY
from rag.index.projection.generations import folder_of
from rag.index.projection.process import describe_failure, run
from rag.index.upkeep import find_damage, held

if TYPE_CHECKING:
    from rag.index.store.catalogue import Catalogue

REPAIR = "rag repair"
AGAIN = "the next rag ingest completes it, or rag repair now"
IN_TIME = "a rag ingest with more changes tells it, or rag repair now"
EMPTY = "it is empty until you ingest again"
_NAMED = 3
_PATIENCE_SECONDS = 2.0


def verify(folder: Path) -> list[Finding]:
    """Return what is to be said of catalogue, Chroma and cache; nothing is changed.

    Raises IndexMissing, IndexDamaged when the catalogue cannot even be read, and IndexLocked
    while a run writes or a search has Chroma open.  Where nothing may be written Chroma, which
    does so even when it is read, is left out.
    """
    try:
        with held(folder, "rag verify") as real:
            return _verify(real, _check_chroma)
    except IndexFault as error:
        if not _is_read_only(error):
            raise
    return _verify(folder.expanduser().resolve(), _leave_out_chroma)


def _verify(folder: Path, check_chroma: Callable[[Inspector], list[Finding]]) -> list[Finding]:
    catalogue = Inspector(folder, writable=False)
    try:
        findings = check_catalogue(catalogue)
        if any(finding.damage for finding in findings):
            return findings
        findings += check_chroma(catalogue)  # which is compared with what is sound
        return [*findings, *_tell_unused(catalogue)]
    finally:
        catalogue.close()


def _is_read_only(error: IndexFault) -> bool:
    cause = error.__cause__
    return isinstance(cause, OSError) and cause.errno in (errno.EROFS, errno.EACCES, errno.EPERM)


def _leave_out_chroma(_: Inspector) -> list[Finding]:
    message = "not looked at, as the folder of the index cannot be written to"
    return [Finding("Chroma", message, "rag verify on a copy of the folder", damage=False)]


# ---- the catalogue


def check_catalogue(catalogue: Inspector) -> list[Finding]:
    """Return what is wrong with a catalogue in itself."""
    broken = catalogue.integrity() or catalogue.schema_changes()
    if broken:  # Whatever else is found follows from this.
        return [Finding("catalogue", message, REPAIR) for message in broken]
    wrong = [*catalogue.dangling(), *catalogue.unreadable_records()]
    findings = [Finding("catalogue", what, REPAIR) for what in wrong]
    manifest, problem = _read_manifest(catalogue)
    if manifest is None:
        return [*findings, *problem]
    bad = dict(catalogue.bad_vectors(manifest.dimension))
    if bad:
        message = f"{_count(len(bad), 'vector')} cannot be right: changed, or of wrong size"
        findings.append(Finding("catalogue", message, REPAIR))
    flaws = list(catalogue.flaws(manifest.identity, frozenset(bad)))
    for what, count in sorted(Counter(flaw.what for flaw in flaws).items()):
        names = (flaw.document_id for flaw in flaws if flaw.what == what)
        message = f"{what}, in {_count(count, 'document')}: {_listed(names, count)}"
        findings.append(Finding("catalogue", message, REPAIR))
    findings += [Finding("words", what, REPAIR) for what in catalogue.word_flaws()]
    if left := catalogue.left_texts():
        findings.append(Finding("catalogue", f"{left} texts belong to no document", REPAIR))
    return findings


def _read_manifest(catalogue: Catalogue) -> tuple[Manifest | None, list[Finding]]:
    stored = catalogue.meta("manifest")
    if not stored and not catalogue.count("documents"):
        note = Finding("catalogue", EMPTY, "rag ingest FOLDER", damage=False)
        return None, [note]
    try:
        return read_manifest(stored), []
    except IndexDamaged as error:
        return None, [Finding("catalogue", error.message, REPAIR)]


# ---- Chroma and what else lies in the folder


def _check_chroma(catalogue: Inspector) -> list[Finding]:
    pending = {key for _, key, _ in catalogue.pending()}
    findings: list[Finding] = []
    if pending:
        message = f"{_count(len(pending), 'change')} not yet in Chroma; they are found without it"
        findings.append(Finding("Chroma", message, IN_TIME, damage=False))
    if not catalogue.number("generation"):
        if catalogue.keys_in_use() - pending:
            findings.append(Finding("Chroma", "it was never told of some passages", REPAIR))
        return findings
    # After a kill its child may still be at work, between what it stored and its seal.
    owner = Lock(catalogue.folder, CHROMA)
    if not owner.try_acquire("rag verify", _PATIENCE_SECONDS):
        raise IndexLocked(describe_failure(catalogue.folder, BUSY, ""), "close it and try again")
    sealed, damage = catalogue.meta("seal"), find_damage(catalogue)
    owner.release()
    if not sealed:
        message = "a run was ended before it had closed Chroma; searches do without it"
        return [*findings, Finding("Chroma", message, AGAIN, damage=False)]
    if damage:
        findings.append(Finding("Chroma", damage, REPAIR))
    status, said = run(catalogue, "check")
    if status == BUSY:
        raise IndexLocked(
            describe_failure(catalogue.folder, status, said), "close it and try again"
        )
    told = [describe_failure(catalogue.folder, status, said)] if status else json.loads(said)
    return [*findings, *(Finding("Chroma", message, REPAIR) for message in told)]


def _tell_unused(catalogue: Inspector) -> list[Finding]:
    count, size = catalogue.unused_vectors()
    findings = []
    if count:
        message = f"{_count(count, 'vector')} ({size / 1e6:.1f} MB) kept for texts that come back"
        findings.append(Finding("cache", message, "rag compact drops them", damage=False))
    if left := [path.name for path in leftovers(catalogue.folder, folder_of(catalogue))]:
        message = f"left by runs that were ended: {_listed(left, len(left))}"
        findings.append(Finding("folder", message, "rag compact removes it", damage=False))
    return findings


# ---- files


def check_files(
    folder: Path, plan: Callable[[str], Plan], *, deep: bool = False
) -> Iterator[Finding]:
    """Yield how the files differ from what was ingested, as a new run would see it.

    `plan` says what ingesting a folder would do.  With `deep` the bytes of every file that
    seems the same are read.
    """
    catalogue = Inspector(folder.expanduser().resolve(), writable=False)
    try:
        for root in catalogue.collections():
            yield from _check_root(catalogue, root, plan, deep=deep)
    finally:
        catalogue.close()


def _check_root(
    catalogue: Catalogue, root: str, plan: Callable[[str], Plan], *, deep: bool
) -> Iterator[Finding]:
    fix = f"rag ingest '{root}'"
    try:
        found = plan(root)
    except FolderError as error:
        fix = f"rag ingest it where it is now, then rag remove '{root}'"
        yield Finding("files", error.message, fix, damage=False)
        return
    changed = [source.id for source in found.changed]
    if deep:
        changed += _changed_within(catalogue, root, found)
    kinds = {
        "changed since the last ingest": changed,
        "new": [source.id for source in found.new],
        "moved": [move.old_id for move in found.moved],
        "gone": list(found.vanished),
    }
    for what, names in kinds.items():
        if names:
            message = f"{_count(len(names), 'file')} {what}: {_listed(names, len(names))}"
            yield Finding("files", message, fix, damage=False)


def _changed_within(catalogue: Catalogue, root: str, found: Plan) -> list[str]:
    """Return the files whose bytes changed though size and time are the same."""
    known = catalogue.known(root)
    changed = []
    for source in found.unchanged:
        try:
            now = fingerprint_of(read_bytes(source.path, max(source.size_bytes, 1)))
        except ParseError:
            now = ""
        if source.id in known and now != known[source.id].fingerprint:
            changed.append(source.id)
    return changed


# ---- vectors


def check_sample(folder: Path, embedder: Embedder, sample: int) -> list[Finding]:
    """Embed some stored passages again and compare; raises what the embedder raises.

    They are spread evenly over the index.  A vector agrees when its cosine with the new one
    reaches `SAME_MODEL_COSINE`.
    """
    catalogue = Inspector(folder.expanduser().resolve(), writable=False)
    try:
        manifest, _ = _read_manifest(catalogue)
        keys = sorted(catalogue.keys_in_use())
        chosen = keys[:: max(1, len(keys) // max(1, sample))][:sample]
        entries = catalogue.entries(chosen)
    finally:
        catalogue.close()
    if manifest is None or not entries:
        return []
    if embedder.identity != manifest.identity:
        message = f"not compared with new ones: the settings choose {embedder.identity}"
        fix = f"set RAG_EMBEDDING_MODEL={manifest.embedding_model}, or rag migrate"
        return [Finding("vectors", message, fix, damage=False)]
    pairs = [(entry.chunk.embedding_text, entry.vector) for entry in entries]
    return _compare(pairs, embedder)


def _compare(pairs: list[tuple[str, bytes]], embedder: Embedder) -> list[Finding]:
    import numpy

    try:
        made = embedder.embed([text for text, _ in pairs])
    except TextsRejected as error:
        message = f"{_count(len(error.reasons), 'passage')} refused by the model that took it once"
        return [Finding("vectors", message, "rag doctor examines the model", damage=False)]
    kept = [numpy.frombuffer(vector, dtype="<f4") for _, vector in pairs]
    cosines = [float(row @ old) for row, old in zip(made, kept, strict=True)]
    if not (wrong := sum(cosine < SAME_MODEL_COSINE for cosine in cosines)):
        message = f"{len(pairs)} passages embedded again agree (cosine {min(cosines):.4f} or more)"
        return [Finding("vectors", message, damage=False)]
    message = f"{wrong} of {len(pairs)} passages embedded again differ (cosine {min(cosines):.2f})"
    fix = "rag doctor examines the model; if it is another: rag ingest --index OTHER FOLDER"
    return [Finding("vectors", message, fix)]


def skipped_sample(error: PipelineError) -> Finding:
    """Return that vectors could not be compared, as no model answers."""
    return Finding("vectors", f"not compared with new ones: {error.message}", error.hint, False)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _listed(names: Iterable[str], count: int) -> str:
    first = [name for _, name in zip(range(_NAMED), names, strict=False)]
    return ", ".join(first) + (f" and {count - _NAMED} more" if count > _NAMED else "")
