"""What was tried: values by case for each combination of settings, kept as they come."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rag.evaluation.tune.space import Settings, name_of

FILE = "trials.jsonl"


@dataclass(slots=True)
class Trial:
    """One combination of settings with what it measured so far.

    `values` holds by the id of a case a number, or None where there was none; `failure` says why
    it was given up, "" where it was not.
    """

    settings: Settings
    values: dict[str, float | None] = field(default_factory=dict)
    seconds: float = 0.0
    failure: str = ""

    def mean(self, ids: Iterable[str]) -> float | None:
        """Return the mean over those of the cases that have a value, None where none has."""
        numbers = [n for id in ids if (n := self.values.get(id)) is not None]
        return sum(numbers) / len(numbers) if numbers else None


class Trials:
    """All trials by their settings; with a folder each step is on disk when it was added.

    A file that was made with something else (`made_with`: documents, model, cases, measure) is
    begun anew; of a line that a crash cut only that is lost.  What failed is tried again.
    """

    def __init__(self, folder: Path | None = None, made_with: str = "") -> None:
        self._trials: dict[str, Trial] = {}
        self._file = folder / FILE if folder else None
        if self._file and not self._resume(self._file, made_with):
            self._begin(self._file, made_with)

    def of(self, settings: Settings) -> Trial:
        """Return the trial of settings, a new one where they were not tried."""
        return self._trials.setdefault(name_of(settings), Trial(settings))

    def all(self) -> tuple[Trial, ...]:
        """Return every trial in the order in which they began."""
        return tuple(self._trials.values())

    def add(self, settings: Settings, values: Mapping[str, float | None], seconds: float) -> None:
        """Add what was measured with settings."""
        self._put(settings, values, seconds)
        record = {"settings": dict(settings), "values": dict(values), "seconds": seconds}
        if self._file:
            _append(self._file, record)

    def give_up(self, settings: Settings, failure: str) -> None:
        """Remember why settings are not tried further."""
        self.of(settings).failure = failure

    def _put(self, settings: Settings, values: Mapping[str, float | None], seconds: float) -> None:
        trial = self.of(settings)
        trial.values.update(values)
        trial.seconds += seconds

    def _resume(self, file: Path, made_with: str) -> bool:
        """Take up what is there; False where that was made with something else."""
        try:
            first, *lines = file.read_bytes().split(b"\n")
        except FileNotFoundError:
            return False
        if (_read(first) or {}).get("made_with") != made_with:
            return False
        for line in lines:
            record = _read(line)
            if record:
                self._put(record["settings"], record["values"], record["seconds"])
        if lines and lines[-1]:
            with file.open("ab") as stream:
                stream.write(b"\n")
        return True

    def _begin(self, file: Path, made_with: str) -> None:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
        _append(file, {"made_with": made_with})


def _read(line: bytes) -> dict | None:  # type: ignore[type-arg]
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def _append(file: Path, record: Mapping[str, object]) -> None:
    """Add a line and return when it is on disk; a new file is for its owner alone."""
    handle = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    with os.fdopen(handle, "ab") as stream:
        stream.write(json.dumps(record).encode() + b"\n")
        stream.flush()
        os.fsync(stream.fileno())
