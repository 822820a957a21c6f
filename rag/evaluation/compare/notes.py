"""Two runs in, what is not the same in both out, a line each, so that no one misreads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rag.evaluation.base.rows import Report, Row

_NAMED = 3


def find_notes(first: Report, second: Report) -> tuple[str, ...]:
    """Return what differs: cases, failures, then what either run was made with."""
    return (
        *_note_cases(first.rows, second.rows),
        *_note_gaps(first, "first"),
        *_note_gaps(second, "second"),
        *_note_makings(first, second),
    )


def _note_cases(first: Sequence[Row], second: Sequence[Row]) -> list[str]:
    old, new = ({row.case.id: row.case for row in rows} for rows in (first, second))
    both = [name for name in old if name in new]
    asked = [name for name in both if old[name].question != new[name].question]
    labelled = [name for name in both if name not in asked and old[name] != new[name]]
    told = {
        "only the first run has, left out": [name for name in old if name not in new],
        "only the second run has, left out": [name for name in new if name not in old],
        "with another question in the second run, left out": asked,
        "with other labels in the second run, compared all the same": labelled,
    }
    return [f"{_count(names)} {what}: {_name(names)}" for what, names in told.items() if names]


def _note_gaps(run: Report, which: str) -> list[str]:
    """Return how many cases were not asked, and how many failed."""
    rows, cases = run.rows, run.counts.get("cases", len(run.rows))
    failed = [row.case.id for row in rows if row.failure is not None]
    unfinished = f"the {which} run is unfinished: {len(rows)} of {cases} cases are in it"
    told = f"{_count(failed)} of {len(rows)} failed in the {which} run, left out: {_name(failed)}"
    return [*([unfinished] if len(rows) < cases else []), *([told] if failed else [])]


def _count(names: Sequence[str]) -> str:
    return "1 case" if len(names) == 1 else f"{len(names)} cases"


def _name(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")


def _note_makings(first: Report, second: Report) -> list[str]:
    old, new = first.manifest, second.manifest
    return [
        *_note_changes("setting ", old.settings, new.settings),
        *_note_changes("index ", old.index, new.index),
        *_note_changes("", _describe(first), _describe(second)),
        *_note_jobs(old.jobs, new.jobs),
    ]


def _note_jobs(old: int | None, new: int | None) -> list[str]:
    """Return that seconds were measured under another load."""
    if old == new:
        return []
    return [
        f"cases asked at once: {old or 'not told'} in the first run, {new or 'not told'} in the "
        "second; seconds differ for that reason too"
    ]


def _describe(run: Report) -> dict[str, str]:
    models = {row.response.model for row in run.rows if row.response and row.response.model}
    return {
        "answering model": ", ".join(sorted(models)),
        "judge": run.manifest.judge,
        "system": run.manifest.system,
        "version": run.manifest.version,
        "set of cases": run.manifest.cases_name,
    }


def _note_changes(what: str, old: Mapping[str, object], new: Mapping[str, object]) -> list[str]:
    return [
        f"{what}{key}: {_show(old.get(key))} in the first run, {_show(new.get(key))} in the second"
        for key in dict.fromkeys([*old, *new])
        if old.get(key) != new.get(key)
    ]


def _show(value: object) -> str:
    return "none" if value in (None, "") else str(value)
