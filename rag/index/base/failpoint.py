"""Named places at which a crash can be rehearsed: armed only by the kill tests, else nothing."""

from __future__ import annotations

import os
from dataclasses import dataclass

CRASHED = 137
"""The exit status of a process that was killed, and of one that reached its failpoint."""


@dataclass(slots=True)
class _Trap:
    name: str = ""
    left: int = 0


# The one piece of module-level state of the program: a crash has no object to belong to.
_TRAP = _Trap()


def arm(name: str, n: int = 1) -> None:
    """Let the n-th `reach(name)` of this process, or of each of its children, end it at once."""
    _TRAP.name, _TRAP.left = name, n


def reach(name: str) -> None:
    """End the process without any clean-up when this is the armed failpoint's turn."""
    if _TRAP.name != name:
        return
    _TRAP.left -= 1
    if _TRAP.left <= 0:
        os._exit(CRASHED)


def as_argument() -> list[str]:
    """Return what a child is started with so that it is armed as this process is."""
    return ["--fail", f"{_TRAP.name}={_TRAP.left}"] if _TRAP.name else []


def arm_from_argument(value: str) -> None:
    """Arm what `as_argument` of the parent said."""
    name, _, n = value.partition("=")
    arm(name, int(n))
