"""A path in, the labelled questions it holds out, whatever their format."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

from rag.evaluation.base.cases import Case, CaseSet, Problem
from rag.evaluation.base.errors import CasesUnreadable
from rag.evaluation.reading.beir import LAYOUT, is_beir, read_beir
from rag.evaluation.reading.lines import NAMES, Item, parse_json, read_lines, read_values
from rag.evaluation.reading.squad import is_squad, read_squad
from rag.evaluation.reading.table import read_table

_NOTHING: Mapping[str, str] = MappingProxyType({})
_HOLDS_ALL = re.compile(r'"data"\s*:\s*\[')  # SQuAD in one line
_EXAMPLE = (
    'a line of a file of cases: {"question": "How long is leave?", "answers": ["27 days"], '
    '"evidence": ["handbook/leave.md"]}'
)


def read_cases(
    path: str | Path, columns: Mapping[str, str] | None = None, split: str = ""
) -> CaseSet:
    """Return the cases of a file or folder: our JSONL, a BEIR folder, SQuAD JSON, or CSV.

    The content decides which it is.  `columns` says which column or field is which part of a
    case, where they are not called so: {"question": "prompt", "answers": "expected"}.  `split`
    names the qrels of BEIR, "" the test set or the only one.  Lines that are no case are in
    `problems`, also those whose id stood there before.  Raises CasesUnreadable.
    """
    path = Path(path)
    try:
        items, documents, names = _read(path, _check(columns or {}), split)
        cases, problems = _gather(items)
    except UnicodeDecodeError as error:
        raise CasesUnreadable(
            f"{path} is no UTF-8: {error.reason}", "save it as UTF-8 and try again"
        ) from error
    except OSError as error:
        raise CasesUnreadable(
            f"{path} cannot be read: {error.strerror}", "name a file of cases or a folder of BEIR"
        ) from error
    if not cases:
        why = f": {problems[0].place}: {problems[0].message}" if problems else ""
        raise CasesUnreadable(f"{path} holds no case{why}", _EXAMPLE)
    return CaseSet(path.resolve().name, tuple(cases), documents, tuple(problems), names)


def _check(columns: Mapping[str, str]) -> Mapping[str, str]:
    """Return columns by our names of the parts; "answer" and "doc" are names as well."""
    known = {usual: field for field, names in reversed(list(NAMES.items())) for usual in names}
    unknown = sorted(set(columns) - set(known))
    if unknown:
        raise CasesUnreadable(
            f"no part of a case is called {', '.join(unknown)}", f"the parts are {', '.join(NAMES)}"
        )
    return {known[name]: column for name, column in columns.items()}


def _read(
    path: Path, columns: Mapping[str, str], split: str
) -> tuple[Iterable[Item], Mapping[str, str], Mapping[str, str]]:
    """Return what a file or folder holds, the documents that came with it, and their own names."""
    if path.is_dir():
        return _read_folder(path, columns, split)
    start = _first_line(path).strip()
    if not start.startswith(("{", "[")):
        return read_table(path, columns), _NOTHING, _NOTHING
    if start.startswith("{") and start.endswith("}") and not _HOLDS_ALL.search(start):
        return read_lines(path, columns), _NOTHING, _NOTHING
    try:
        value = parse_json(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        if isinstance(error, UnicodeDecodeError):
            raise
        return read_lines(path, columns), _NOTHING, _NOTHING
    return _read_value(path, value, columns)


def _read_value(
    path: Path, value: object, columns: Mapping[str, str]
) -> tuple[Iterable[Item], Mapping[str, str], Mapping[str, str]]:
    """Return what a file holds that is JSON as a whole: SQuAD, a list of cases, or one case."""
    data = value.get("data") if isinstance(value, dict) else value
    if isinstance(data, list) and is_squad(value):
        return read_squad(data)
    values = data if isinstance(data, list) else [value]
    return read_values(path.name, values, columns), _NOTHING, _NOTHING


def _read_folder(
    path: Path, columns: Mapping[str, str], split: str
) -> tuple[Iterable[Item], Mapping[str, str], Mapping[str, str]]:
    if is_beir(path):
        return read_beir(path, split)
    if (path / "cases.jsonl").is_file():
        return read_lines(path / "cases.jsonl", columns), _NOTHING, _NOTHING
    raise CasesUnreadable(
        f"{path} is no folder of BEIR, and holds no cases.jsonl",
        f"name a file of cases, or a folder with {LAYOUT}",
    )


def _first_line(path: Path) -> str:
    """Return the first line that is not blank; raises CasesUnreadable for UTF-16 and nothing."""
    with path.open("rb") as stream:
        if stream.read(2) in (b"\xff\xfe", b"\xfe\xff"):
            raise CasesUnreadable(f"{path} is UTF-16, not UTF-8", "save it as UTF-8 and try again")
    with path.open(encoding="utf-8-sig") as lines:
        if first := next((line for line in lines if line.strip()), ""):
            return first
    raise CasesUnreadable(f"{path} is empty", _EXAMPLE)


def _gather(items: Iterable[Item]) -> tuple[list[Case], list[Problem]]:
    """Return the cases, each id once, and what is none."""
    cases: dict[str, Case] = {}
    problems = []
    for place, item in items:
        if isinstance(item, Case) and item.id not in cases:
            cases[item.id] = item
            continue
        twice = "" if isinstance(item, str) else f"the id {item.id} stood there before"
        problems.append(Problem(place, item if isinstance(item, str) else twice))
    return list(cases.values()), problems
