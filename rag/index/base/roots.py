"""A path and the folders of an index in, which of them it stands for and in what collection out."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ingest.base.errors import FolderError, PipelineError

DEFAULT_COLLECTION = "default"


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


def check_collection(name: str, collections: Mapping[str, Sequence[str]]) -> None:
    """Raise PipelineError, naming those there are, unless there is a collection of that name."""
    if name not in collections:
        raise PipelineError(
            f"there is no collection '{name}' in the index",
            f"it has: {', '.join(collections) or 'none'}; rag ingest FOLDER --collection {name}",
        )
