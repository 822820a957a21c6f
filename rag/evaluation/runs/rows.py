"""The rows of a run as lines of a file; what cannot be read, or is not asked now, goes beside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rag.batch.results import rewrite
from rag.evaluation.base.cases import Case
from rag.evaluation.base.errors import RunUnusable
from rag.evaluation.base.rows import Row
from rag.history.records import plain, read_record

ROWS = "rows.jsonl"
ASIDE = "rows.aside.jsonl"
"""Lines of `rows.jsonl` that are no rows, and rows of cases that are not asked now."""


@dataclass(frozen=True, slots=True)
class Line:
    """A row and the line it stands in."""

    row: Row
    text: bytes


@dataclass(frozen=True, slots=True)
class Settled:
    """Rows by the id of their case, and how many lines and other rows were put aside."""

    rows: dict[str, Row]
    unread: int = 0
    others: int = 0


def read_lines(path: Path) -> tuple[list[Line], list[bytes]]:
    """Return the rows of a file, and its lines that are none; nothing where there is no file.

    What follows its last line's end was cut by a crash.  Raises RunUnusable for a file that cannot
    be opened.
    """
    try:
        *texts, _torn = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return [], []
    except OSError as error:
        raise RunUnusable(f"{path} cannot be read: {error.strerror}", "see who may") from error
    lines: list[Line] = []
    unread: list[bytes] = []
    for text in texts:
        try:
            lines.append(Line(_read(text), text))
        except (ValueError, TypeError, KeyError, AttributeError):
            unread.append(text)
    return lines, unread


def settle_rows(folder: Path, cases: Sequence[Case]) -> Settled:
    """Leave in `rows.jsonl` one row of each case that has one, and return them.

    Failures are taken out; everything else goes into `rows.aside.jsonl`, and a row comes back
    from there when its case is asked again.  Raises RunUnusable, changing nothing, where all rows
    are of other cases.
    """
    found, unread = read_lines(folder / ROWS)
    beside, unread_before = read_lines(folder / ASIDE)
    fitting, others = _sort([*beside, *found], cases)
    if others and not fitting:
        raise RunUnusable(
            f"the run in {folder} holds {len(others)} other cases, none of these {len(cases)}",
            "name another folder with --run, or measure anew with --again, which keeps the old run",
        )
    if unread or others or (folder / ASIDE).exists():
        rewrite(folder / ASIDE, [*unread_before, *unread, *(line.text for line in others)])
    if (folder / ROWS).exists():
        rewrite(folder / ROWS, [line.text for line in fitting.values()])
    rows = {id: line.row for id, line in fitting.items()}
    return Settled(rows, len(unread), len(others))


def count_settled(folder: Path, cases: Sequence[Case]) -> int:
    """Return how many of the cases need neither be asked nor judged again, changing nothing."""
    lines = [line for name in (ASIDE, ROWS) for line in read_lines(folder / name)[0]]
    return sum(not is_to_judge(line.row) for line in _sort(lines, cases)[0].values())


def is_to_judge(row: Row) -> bool:
    """Return whether a judge was asked and could not say something."""
    return any(verdict.failures or verdict.score is None for verdict in row.verdicts.values())


def _read(text: bytes) -> Row:
    row = read_record(Row, text.decode("utf-8"))
    if not isinstance(row.case.id, str) or row.measures is None:
        raise TypeError("no row")
    return row


def _sort(lines: Sequence[Line], cases: Sequence[Case]) -> tuple[dict[str, Line], list[Line]]:
    """Return the last line of each case that says the same in every field, and all of others."""
    asked = {case.id: plain(case) for case in cases}
    fitting: dict[str, Line] = {}
    others: list[Line] = []
    for line in lines:
        case = line.row.case
        if line.row.failure is not None:
            continue
        if asked.get(case.id) == plain(case):
            fitting[case.id] = line
        else:
            others.append(line)
    return fitting, others
