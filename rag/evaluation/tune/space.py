"""Settings that may change in, the combinations of them worth trying out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import TypeAlias

Setting: TypeAlias = "str | int | float | bool | None"
Settings: TypeAlias = Mapping[str, Setting]
Axes: TypeAlias = Mapping[str, Sequence[Setting]]

CUTTING = ("chunk_tokens", "chunk_overlap")
"""What changes the chunks: documents are read again for it, all others act when one asks."""

_RANKING: Axes = {
    "chunk_tokens": (100, 200, 400),
    "fusion": (None, 0.2, 0.3, 0.4, 0.5, 0.7),
}
_READING: Axes = {"top_k": (10, 30, 60), "passages_per_file": (0, 2, 4)}


def usual_axes(present: Settings, *, reading: bool, prefix: bool) -> dict[str, tuple[Setting, ...]]:
    """Return the values tried of each setting, that of the present first.

    What only decides which passages are read is tried where `reading` is measured, the query
    prefix where the embedding model has one.  `passages_tokens` is not here: a larger budget
    finds more and costs tokens with every question, so no measure of finding can weigh it.
    """
    axes = dict(_RANKING)
    if reading:
        axes |= _READING
    if prefix:
        axes["query_prefix"] = (None, "none")
    return {name: _first(present[name], values) for name, values in axes.items()}


def _first(value: Setting, values: Iterable[Setting]) -> tuple[Setting, ...]:
    return tuple(dict.fromkeys((value, *values)))


def asking_arms(present: Settings, axes: Axes) -> list[Settings]:
    """Return the combinations of what acts when one asks, the fewest changes first."""
    names = [name for name in axes if name not in CUTTING]
    return _by_changes(
        present, (dict(zip(names, chosen, strict=True)) for chosen in _combine(names, axes))
    )


def cutting_arms(present: Settings, axes: Axes, best: Sequence[Settings]) -> list[Settings]:
    """Return the best ways of asking with each way of cutting, the fewest changes first.

    Where no overlaps are asked for, none and a quarter of the chunk are tried.
    """
    ways = [
        {"chunk_tokens": tokens, "chunk_overlap": overlap}
        for tokens in axes.get("chunk_tokens", (present["chunk_tokens"],))
        for overlap in _overlaps(present, axes, int(tokens or 0))
    ]
    asking = [{name: one[name] for name in one if name not in CUTTING} for one in best]
    return _by_changes(present, ({**way, **asked} for way, asked in product(ways, asking)))


def _overlaps(present: Settings, axes: Axes, tokens: int) -> list[Setting]:
    wanted = axes.get("chunk_overlap") or _first(present["chunk_overlap"], (0, tokens // 4))
    return [overlap for overlap in wanted if 2 * int(overlap or 0) < tokens]


def _combine(names: Sequence[str], axes: Axes) -> Iterator[tuple[Setting, ...]]:
    return product(*(axes[name] for name in names))


def _by_changes(present: Settings, changed: Iterable[Settings]) -> list[Settings]:
    arms = {name_of(arm): arm for arm in ({**present, **one} for one in changed)}
    return sorted(arms.values(), key=lambda arm: len(changes(present, arm)))


def changes(present: Settings, other: Settings) -> dict[str, Setting]:
    """Return the settings that are not as at present."""
    return {name: value for name, value in other.items() if value != present[name]}


def way_of_cutting(settings: Settings) -> tuple[Setting, ...]:
    """Return what of the settings changes the chunks."""
    return tuple(settings[name] for name in CUTTING)


def name_of(settings: Settings) -> str:
    """Return one spelling of settings."""
    return json.dumps(dict(settings), sort_keys=True)


def tell(settings: Settings) -> str:
    """Return settings as a person reads them: `fusion 0.3, chunk_tokens 400`."""
    told = [f"{name} {_told(value)}" for name, value in settings.items()]
    return ", ".join(told) or "the present settings"


def _told(value: Setting) -> str:
    return "as by default" if value is None else str(value)
