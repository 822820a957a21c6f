"""Frozen records in, JSON out, and back again by their declared types."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from numbers import Real
from types import UnionType
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from rag.index.base.selection import Selection, storable
from rag.index.store.records import Copy
from rag.models.base.messages import Message

Record = TypeVar("Record")

_SCALARS = (str, int, float, bool)

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
    if value is None or isinstance(value, str | int | float):
        return value
    if getattr(value, "ndim", None) == 0:  # a number of numpy or torch
        return plain(cast(Any, value).item())
    return plain(float(value)) if isinstance(value, Real | Decimal) else str(value)


def read_record(kind: type[Record], text: str) -> Record:
    """Return the record that `write_record` wrote, here or in another version.

    A field that is not known any more is left out, one that is new has its default.  Raises
    ValueError, TypeError, KeyError or AttributeError when it is no such record, naming the field
    that holds what does not belong there.
    """
    record: Record = _reader_of(cast(Hashable, kind))(json.loads(text))
    return record


@cache
def _reader_of(kind: Any) -> Callable[[Any], Any]:
    """Return what makes a value of a declared type of what JSON has; None stays None."""
    if is_dataclass(kind):
        return _reader_of_record(kind)
    origin, arguments = get_origin(kind), get_args(kind)
    if kind in _SCALARS:
        return _reader_of_scalar(kind)
    if origin in (Union, UnionType):
        first, *others = (a for a in arguments if a is not type(None))
        return _as_it_is if others and first in _SCALARS else _reader_of(first)
    if origin is not None and issubclass(origin if isinstance(origin, type) else object, Mapping):
        return _reader_of_mapping(arguments[1])
    if origin is tuple and arguments[-1] is not Ellipsis:
        return lambda value: None if value is None else tuple(value)
    if origin in (tuple, list, Sequence):
        return _reader_of_items(arguments[0])
    if kind in (date, datetime):
        return lambda value: None if value is None else kind.fromisoformat(value)
    return _as_it_is


def _as_it_is(value: Any) -> Any:
    return value


def _reader_of_scalar(kind: type) -> Callable[[Any], Any]:
    """Return what lets a value of the kind pass; a whole number may be written as 3.0."""
    kinds = (int, float) if kind is float else kind

    def read(value: Any) -> Any:
        if value is None or isinstance(value, kinds):
            return value
        if kind is int and isinstance(value, float) and value.is_integer():
            return int(value)
        raise TypeError(f"{type(value).__name__} where {kind.__name__} belongs")

    return read


def _reader_of_record(kind: Any) -> Callable[[Any], Any]:
    types = get_type_hints(kind, localns=_NAMES)
    readers = {f.name: _reader_of(types[f.name]) for f in fields(kind) if f.init}

    def read(value: Any) -> Any:
        if value is None:
            return None
        if not isinstance(value, dict):
            raise TypeError(f"{type(value).__name__} where {kind.__name__} belongs")
        made = {}
        for name in readers.keys() & value.keys():
            try:
                made[name] = readers[name](value[name])
            except TypeError as error:
                raise TypeError(f"{name}: {error}") from None
        return kind(**made)

    return read


def _reader_of_mapping(kind: Any) -> Callable[[Any], Any]:
    reader = _reader_of(kind)
    return lambda value: (
        None if value is None else {name: reader(one) for name, one in value.items()}
    )


def _reader_of_items(kind: Any) -> Callable[[Any], Any]:
    reader = _reader_of(kind)

    def read(value: Any) -> Any:
        if value is None or isinstance(value, list):
            return None if value is None else tuple(map(reader, value))
        raise TypeError(f"{type(value).__name__} where a list belongs")

    return read
