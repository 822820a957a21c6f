"""A selection and a document in, whether it is selected out: what the catalogue says in SQL."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from rag.index.base.selection import Selection, moment_ns

if TYPE_CHECKING:
    from rag.index.store.records import StoredDocument


def holds(selection: Selection | None, document: StoredDocument) -> bool:
    """Tell whether a document is selected; None selects all."""
    if selection is None:
        return True
    name = document.id
    conditions = (
        name not in selection.except_ids,
        not selection.path_globs or any(_glob(glob).match(name) for glob in selection.path_globs),
        not selection.media_types or document.media_type in selection.media_types,
        not selection.roots or document.root in selection.roots,
        not selection.collections or document.collection in selection.collections,
        not selection.modified_after or document.mtime_ns >= moment_ns(selection.modified_after),
        not selection.modified_before or document.mtime_ns < moment_ns(selection.modified_before),
        not selection.suffixes or name.lower().endswith(tuple(map(str.lower, selection.suffixes))),
    )
    return all(conditions)


def exactly(documents: Sequence[StoredDocument], selection: Selection | None = None) -> Selection:
    """Return the selection of just these documents, which the other one selects too."""
    ids = tuple(dict.fromkeys(escape_glob(document.id) for document in documents))
    roots = tuple(dict.fromkeys(document.root for document in documents))
    return replace(selection or Selection(), path_globs=ids, roots=roots)


def escape_glob(name: str) -> str:
    """Return a pattern that only this name matches."""
    return re.sub(r"[*?\[]", r"[\g<0>]", name)


@lru_cache(maxsize=256)
def _glob(pattern: str) -> re.Pattern[str]:
    """Return a GLOB of SQLite as an expression: `*` crosses folders, case counts."""
    parts: list[str] = []
    at = 0
    while at < len(pattern):
        sign = pattern[at]
        if sign == "[":
            part, at = _class(pattern, at)
            parts.append(part)
            continue
        parts.append({"*": ".*", "?": "."}.get(sign, re.escape(sign)))
        at += 1
    return re.compile("".join(parts) + r"\Z", re.DOTALL)


def _class(pattern: str, at: int) -> tuple[str, int]:
    """Return what `[...]` at this place means, and where it ends; one left open fits nothing."""
    negated = pattern[at + 1 : at + 2] == "^"
    start = at + 2 if negated else at + 1
    close = pattern.find("]", start + 1)
    if close < 0:
        return "(?!)", len(pattern)
    inside = re.sub(r"[\\\]\[^&~|]", r"\\\g<0>", pattern[start:close])
    return f"[{'^' if negated else ''}{inside}]", close + 1
