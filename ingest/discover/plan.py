"""What a folder holds and what the index remembers in, what to do with each file out."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from ingest.base.documents import Failure, Known, Move, Plan, Source
from ingest.base.errors import FolderError, ParseError
from ingest.discover.scan import Looking, scan
from ingest.parse.base.files import fingerprint_of, read_bytes
from ingest.parse.base.media import media_type_of

CLOCK_GRAIN_NS = 2_000_000_000
"""The coarsest file time in use (FAT)."""
FEW = 20
"""Documents that may all vanish without anybody being asked."""


def make_plan(
    root: Path,
    known: Callable[[str], Mapping[str, Known]],
    recipe: str,
    max_file_bytes: int,
    looking: Looking,
) -> tuple[Plan, list[Failure]]:
    """Return what to do, and which of its failures are files that were not even opened.

    `known` returns what is remembered of a root's sources, as `ChunkIndex.known` does.  Raises
    FolderError when there is nothing to read, now or before.
    """
    seen = scan(root, max_file_bytes, looking)
    sources, unread = seen.sources, list(seen.failures)
    remembered = known(real_folder(root))
    if not root.is_dir():
        remembered = {s.id: remembered[s.id] for s in sources if s.id in remembered}
    if looking.known_only:
        sources = tuple(source for source in sources if source.id in remembered)
        unread = [failure for failure in unread if failure.source_id in remembered]
    if not sources and not remembered:
        raise _nothing_to_read(root, unread)
    plan = diff(
        sources,
        _within_reach(remembered, unread),
        recipe,
        lambda source: fingerprint_of(read_bytes(source.path, max_file_bytes)),
    )
    skipped = (*unread, *plan.skipped)
    return replace(plan, skipped=skipped, ignored=seen.ignored, hidden=seen.hidden), unread


def real_folder(root: Path) -> str:
    """Return the real absolute path under which the sources of `root` are kept."""
    return os.path.realpath(root if root.is_dir() else Path(os.path.realpath(root)).parent)


def _within_reach(known: Mapping[str, Known], failures: Sequence[Failure]) -> Mapping[str, Known]:
    """Leave out what could not be looked at, or is below such a folder: it is not gone."""
    closed = {failure.source_id for failure in failures if failure.reason == "unreadable"}
    if not closed:
        return known
    return {
        id: entry
        for id, entry in known.items()
        if closed.isdisjoint((id, *map(str, PurePosixPath(id).parents)))
    }


def _nothing_to_read(root: Path, failures: Sequence[Failure]) -> FolderError:
    """Return the error for a folder of which nothing was read, now or ever."""
    if not failures:
        return FolderError(f"'{root}' holds no files", "put documents into it, or name another")
    first = failures[0]
    return FolderError(
        f"'{root}' holds nothing that can be read: {len(failures)} entries refused, "
        f"the first is {first.source_id}: {first.message}",
        first.hint or "put documents of a supported format into it",
    )


def diff(
    sources: Sequence[Source],
    known: Mapping[str, Known],
    recipe: str,
    read_fingerprint: Callable[[Source], str],
) -> Plan:
    """Compare the files seen with those remembered; each source lands in exactly one list.

    Content is only read (by `read_fingerprint`, which may raise ParseError) when size and
    times do not prove that it is the same, or when a new file may be a moved one.
    """
    seen = {source.id for source in sources}
    vanished = {id: entry for id, entry in known.items() if id not in seen}
    movable = _Movable(vanished, recipe, read_fingerprint)
    moved: list[Move] = []
    sorted_out: dict[str, list[Source]] = {}
    skipped: list[Failure] = []
    for source in sources:
        entry = known.get(source.id)
        verdict = _compare(source, entry, recipe, read_fingerprint) if entry else "new"
        if entry and entry.failure and verdict != "changed":
            skipped.append(entry.failure)
        elif not entry and (move := movable.find(source)):
            moved.append(move)
        else:
            sorted_out.setdefault(verdict, []).append(source)
    used = {move.old_id for move in moved}
    return Plan(
        new=tuple(sorted_out.get("new", ())),
        changed=tuple(sorted_out.get("changed", ())),
        moved=tuple(moved),
        unchanged=tuple(sorted_out.get("unchanged", ())),
        touched=tuple(sorted_out.get("touched", ())),
        vanished=tuple(id for id in vanished if id not in used),
        skipped=tuple(skipped),
    )


def many_vanish(plan: Plan) -> int:
    """Return how many documents a plan removes, 0 when that need not be asked about.

    More than half of more than a few: so it looks when a drive is not mounted.  What a
    `.ragignore` leaves out does not count, as that was asked for.
    """
    gone = len(not_ignored(plan))
    kept = len(plan.unchanged) + len(plan.touched) + len(plan.changed) + len(plan.moved)
    return gone if gone + kept > FEW and gone > kept else 0


def hold_back_great_loss(root: Path, plan: Plan) -> Plan:
    """Return the plan without its removals where they are so many that nobody may want them.

    Raises FolderError when no file is left at all: so it looks when a drive is not mounted.
    """
    gone = many_vanish(plan)
    if not gone:
        return plan
    if not (plan.new or plan.changed or plan.moved or plan.unchanged or plan.touched):
        raise FolderError(
            f"{gone} documents are not in '{root}' any more, all that was read from it; "
            "nothing was removed",
            f"mount its drive, or if they were deleted on purpose: rag ingest '{root}' --yes",
        )
    held = not_ignored(plan)
    return replace(
        plan, vanished=tuple(id for id in plan.vanished if id not in held), held_back=tuple(held)
    )


def not_ignored(plan: Plan) -> dict[str, None]:
    """Return what vanishes and is not left out by a `.ragignore`, in order."""
    folders = tuple(id for id in plan.ignored if id.endswith("/"))
    ignored = set(plan.ignored)
    gone = (id for id in plan.vanished if id not in ignored and not id.startswith(folders))
    return dict.fromkeys(gone)


def _compare(
    source: Source, entry: Known, recipe: str, read_fingerprint: Callable[[Source], str]
) -> str:
    """Return "unchanged", "touched" or "changed"."""
    if entry.recipe != recipe or not entry.fingerprint:
        return "changed"
    now = (source.size_bytes, source.mtime_ns, source.ctime_ns)
    # A program can set the first time as it likes; the other tells that it did (not on Windows),
    # even if the clock was set back since.
    same_status = now == (entry.size_bytes, entry.mtime_ns, entry.ctime_ns)
    if same_status and max(source.mtime_ns, source.ctime_ns) + CLOCK_GRAIN_NS < entry.seen_ns:
        return "unchanged"
    if source.size_bytes != entry.size_bytes:
        return "changed"
    try:
        return "touched" if read_fingerprint(source) == entry.fingerprint else "changed"
    except ParseError:
        return "changed"  # Reading it again will say what is wrong.


class _Movable:
    """The vanished files whose chunks could serve a new file of the same content and format."""

    def __init__(
        self,
        vanished: Mapping[str, Known],
        recipe: str,
        read_fingerprint: Callable[[Source], str],
    ) -> None:
        self._read = read_fingerprint
        self._sizes: set[int] = set()
        self._ids: dict[tuple[str, str], list[str]] = {}
        for id, entry in vanished.items():
            if entry.recipe == recipe and not entry.failure:
                self._sizes.add(entry.size_bytes)
                key = (entry.fingerprint, media_type_of(id))
                self._ids.setdefault(key, []).append(id)

    def find(self, source: Source) -> Move | None:
        """Return the move that explains a new file; each vanished one is used once."""
        if source.size_bytes not in self._sizes:
            return None
        try:
            fingerprint = self._read(source)
        except ParseError:
            return None  # Reading it as a new file will say what is wrong.
        ids = self._ids.get((fingerprint, source.media_type))
        return Move(ids.pop(0), source, fingerprint) if ids else None
