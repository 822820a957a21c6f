"""What an examination of the index says of one part of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """Something found out about a part of the index, and what to do about it.

    `damage` says that what is stored differs from what should be; without it the finding is
    worth knowing only, or something that the next run completes.
    """

    subject: str
    message: str
    fix: str = ""
    damage: bool = True
