"""A path and the folders of an index in, which of them it stands for and in what collection out."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol, TypeAlias

from ingest.base.documents import Known, Plan
from ingest.base.errors import FolderError, PipelineError
from ingest.discover.plan import many_vanish, not_ignored, real_folder

DEFAULT_COLLECTION = "default"

Remembered: TypeAlias = Callable[[str], Mapping[str, Known]]
"""Returns what an index remembers of the sources of a folder, by id."""


def whole_root(folder: Path, roots: Iterable[str]) -> Path:
    """Return the folder of the index that `folder` is a part of, else `folder` itself.

    A file has one place in an index: what lies inside a folder that was ingested is brought in
    line with the whole of it.
    """
    real = folder.resolve()
    parents = [root for root in map(Path, roots) if root in real.parents and root.is_dir()]
    # A file right in a known folder is ingested alone; deeper ones need the folder's own names.
    if parents and not (folder.is_file() and real.parent in parents):
        return min(parents, key=lambda root: len(root.parts))
    return folder


def roots_inside(folder: Path, roots: Iterable[str]) -> list[str]:
    """Return the folders of the index that lie inside `folder`, which now holds their files."""
    real = folder.resolve()
    return [root for root in roots if folder.is_dir() and real in Path(root).parents]


def lost_inside(
    whole: Path, inside: Sequence[str], known: Remembered, plan: Plan, *, remove_many: bool
) -> tuple[str, ...]:
    """Return the documents of folders inside `whole` that the plan for it does not hold.

    The ids are those they would have in `whole`.  Raises FolderError when all or most of a
    folder's are lost, as with a drive that is not mounted, unless `remove_many`.
    """
    sources = (*plan.new, *plan.changed, *plan.unchanged, *plan.touched)
    seen = {source.id: source for source in (*sources, *(move.source for move in plan.moved))}
    refused = {failure.source_id for failure in plan.skipped}
    lost: list[str] = []
    for root in inside:
        prefix = Path(root).relative_to(whole.resolve()).as_posix()
        ids = [f"{prefix}/{id}" for id, entry in known(root).items() if not entry.failure]
        part = Plan(
            vanished=tuple(id for id in ids if id not in seen and id not in refused),
            unchanged=tuple(seen[id] for id in ids if id in seen),
            ignored=plan.ignored,
        )
        gone = len(not_ignored(part))
        if gone and not remove_many and (many_vanish(part) or not part.unchanged):
            raise FolderError(
                f"'{root}' is in the index, and {gone} of its documents are not there any more; "
                "nothing was changed",
                f"bring it back, or forget it: rag remove '{root}'",
            )
        lost.extend(part.vanished)
    return tuple(lost)


def explain_missing(folder: Path, roots: Iterable[str], known: Remembered) -> FolderError | None:
    """Return why a folder or file is not there that the index knows, None when it does not."""
    real = Path(os.path.realpath(folder))
    for root in map(Path, roots):
        if root != real and root not in real.parents:
            continue
        if not root.is_dir():
            return FolderError(
                f"'{root}' is not there; what was read from it still answers",
                f"bring it back, or forget it: rag remove '{root}'",
            )
        id = real.relative_to(root).as_posix()
        if any(name == id or name.startswith(f"{id}/") for name in known(str(root))):
            return FolderError(
                f"there is no file or folder '{folder}' any more", "forget it: rag ingest"
            )
    return None


def tell_renamed(folder: str, roots: Iterable[str], known: Remembered) -> list[str]:
    """Return a warning for each folder that is gone while all it held is in `folder` now."""
    gone = [root for root in roots if root != folder and not Path(root).is_dir()]
    here = _contents(known(folder)) if gone else frozenset()
    return [
        f"'{root}' is gone and its files are all in '{folder}'; forget it: rag remove '{root}'"
        for root in gone
        if (there := _contents(known(root))) and there <= here
    ]


def _contents(known: Mapping[str, Known]) -> frozenset[str]:
    return frozenset(entry.fingerprint for entry in known.values() if not entry.failure)


def choose_collection(
    folder: Path, whole: Path, wanted: str | None, collections: Mapping[str, Sequence[str]]
) -> tuple[str, str]:
    """Return the collection that the folder is in, "" for a new one, and the one it goes into.

    `whole` is what `whole_root` made of `folder`.  Raises FolderError where other files than
    those of `folder` would change their collection.
    """
    homes = {root: name for name, roots in collections.items() for root in roots}
    root = os.path.realpath(whole if whole.is_dir() else whole.resolve().parent)
    now = homes.get(root, "")
    if wanted and now not in ("", wanted) and os.path.realpath(folder) != root:
        raise FolderError(
            f"'{folder}' is part of '{root}', which is in the collection '{now}'",
            f"move all of it: rag ingest '{root}' --collection {wanted}",
        )
    name = wanted or now or DEFAULT_COLLECTION
    for inner in roots_inside(whole, homes):
        if homes[inner] != name:
            raise FolderError(
                f"'{inner}' lies in '{root}' and is in the collection '{homes[inner]}'",
                f"put both into one, or forget it first: rag remove '{inner}'",
            )
    return now, name


class Collections(Protocol):
    """What of an index keeps its folders in collections."""

    def collections(self) -> dict[str, list[str]]:
        """Return the folders of each collection."""
        ...

    def set_collection(self, root: str, name: str) -> None:
        """Put a folder into a collection."""
        ...


def put_together(index: Collections, folder: Path, whole: Path, wanted: str | None) -> list[str]:
    """Put a folder into its collection; return what should be told of that."""
    now, name = choose_collection(folder, whole, wanted, index.collections())
    root = real_folder(whole)
    if name != (now or DEFAULT_COLLECTION):
        index.set_collection(root, name)
    if now in ("", name):
        return []
    return [f"{root} was in the collection {now}; it is in {name} now"]


def check_collection(name: str, collections: Mapping[str, Sequence[str]]) -> None:
    """Raise PipelineError, naming those there are, unless there is a collection of that name."""
    if name not in collections:
        raise PipelineError(
            f"there is no collection '{name}' in the index",
            f"it has: {', '.join(collections) or 'none'}; rag ingest FOLDER --collection {name}",
        )
