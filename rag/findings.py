"""What an examination says of one thing: how it stands, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ingest.base.errors import PipelineError

Level = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: `fix` is what to do about a warning or a failure."""

    level: Level
    subject: str
    message: str
    fix: str = ""


def failure(subject: str, error: PipelineError) -> Finding:
    """Return an error as a finding."""
    return Finding("fail", subject, error.message, error.hint)
