"""Frozen records in, JSON out, and back again by their declared types."""

from __future__ import annotations

import json
import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from functools import cache
from types import UnionType
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from rag.index.base.selection import Selection, storable
from rag.index.store.records import Copy
from rag.models.base.messages import Message

Record = TypeVar("Record")

# What the nouns of the query stage name only for the type checker.
_NAMES = {kind.__name__: kind for kind in (Copy, Message, Selection)}


def write_record(record: object) -> str:
    """Return a record as one line of JSON that SQLite and files can hold."""
    return storable(json.dumps(plain(record), ensure_ascii=False))


def plain(value: object) -> Any:
    """Return a record of any depth as JSON has it; a number that JSON does not have is None."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(name): plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(one) for one in value]
    return value if value is None or isinstance(value, str | int | float) else str(value)


def read_record(kind: type[Record], text: str) -> Record:
    """Return the record that `write_record` wrote, here or in another version.

    A field that is not known any more is left out, one that is new has its default.  Raises
    ValueError, TypeError, KeyError or AttributeError when it is no such record.
    """
    record: Record = _read(kind, json.loads(text))
    return record


def _read(kind: Any, value: Any) -> Any:
    if value is None:
        return None
    if is_dataclass(kind):
        types = _types_of(cast(Hashable, kind))
        given = {f.name: f for f in fields(kind) if f.init and f.name in value}
        return kind(**{name: _read(types[name], value[name]) for name in given})  # type: ignore[operator]
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return _read(next(a for a in arguments if a is not type(None)), value)
    if origin is not None and issubclass(origin if isinstance(origin, type) else object, Mapping):
        return {name: _read(arguments[1], one) for name, one in value.items()}
    if origin in (tuple, list, Sequence):
        return tuple(_read(arguments[0], one) for one in value)
    return kind.fromisoformat(value) if kind in (date, datetime) else value


@cache
def _types_of(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind, localns=_NAMES)
