"""Seconds of silence in, a cut connection out: no stream may hang for ever."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

LAST_SECONDS = 2.0
"""How long is waited for what may follow the end of an answer."""


class Watchdog:
    """Calls `cut` once when it was left waiting for too long; `bit` tells that it did,
    `was_fed` that something had arrived before.

    It waits `first` seconds for what comes first, `idle` for what comes next.  It sleeps
    between `rest` and `wake`: who reads may take any time.
    """

    def __init__(self, first: float, idle: float, cut: Callable[[], None]) -> None:
        self.bit = False
        self.was_fed = False
        self._idle = idle
        self._cut = cut
        self._due: float | None = time.monotonic() + first
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def rest(self) -> None:
        """Say that something arrived, and that nothing is waited for."""
        self.was_fed = True
        self._due = None

    def wake(self) -> None:
        """Say that the next is waited for now."""
        self._due = time.monotonic() + self._idle

    def end_soon(self) -> None:
        """Say that all that matters has arrived: little more is waited for from now on."""
        self._idle = min(self._idle, LAST_SECONDS)

    def _watch(self) -> None:
        while not self._ended.wait(self._nap()):
            due = self._due
            if due is not None and time.monotonic() >= due:
                self.bit = True
                self._cut()
                return

    def _nap(self) -> float:
        # Never longer than what `wake` may set meanwhile.
        most, due = min(self._idle, LAST_SECONDS), self._due
        return most if due is None else min(max(due - time.monotonic(), 0.0), most)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._ended.set()
