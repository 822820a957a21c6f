"""A callable in, a hash of what it is made of out, so that two systems are told apart."""

from __future__ import annotations

import hashlib
from functools import partial
from inspect import getattr_static
from types import CodeType, FunctionType, MethodType

_SIMPLE = (str, bytes, int, float, type(None))


def hash_code(system: object) -> str:
    """Return a hash of a callable's code, its defaults and the simple values it closes over.

    The same in every process of one version of Python.  What it calls by name, and what changes
    while it runs (lists, attributes), has no say.
    """
    told = repr(_tell(system))
    return hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def _tell(value: object, within: frozenset[int] = frozenset()) -> object:
    """Return what a value is made of, in what `repr` writes alike each time."""
    if isinstance(value, _SIMPLE):
        return value
    if id(value) in within:
        return "itself"
    tell = partial(_tell, within=within | {id(value)})
    if isinstance(value, tuple):
        return [tell(one) for one in value]
    if isinstance(value, frozenset):
        return sorted(repr(tell(one)) for one in value)
    if isinstance(value, CodeType):
        return [value.co_code, value.co_names, tell(value.co_consts)]
    if isinstance(value, partial):
        return [tell(value.func), tell(value.args), tell(tuple(sorted(value.keywords.items())))]
    if isinstance(value, MethodType):
        return tell(value.__func__)
    if isinstance(value, FunctionType):
        named = tuple(sorted((value.__kwdefaults__ or {}).items()))
        return [tell(one) for one in (value.__code__, value.__defaults__, named, _closed(value))]
    call = getattr_static(type(value), "__call__", None)
    return tell(call) if isinstance(call, FunctionType) else type(value).__qualname__


def _closed(function: FunctionType) -> tuple[object, ...]:
    """Return the values that a function closes over, None for one that is not there yet."""
    found: list[object] = []
    for cell in function.__closure__ or ():
        try:
            found.append(cell.cell_contents)
        except ValueError:
            found.append(None)
    return tuple(found)
