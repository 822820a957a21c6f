"""Seconds of silence in, a cut connection out: no stream may hang for ever."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self


class Watchdog:
    """Calls `cut` once when `feed` was not called for so many seconds; `bit` tells that it did.

    It sleeps until the first `feed`: how long a first word may take is another limit.
    """

    def __init__(self, seconds: float, cut: Callable[[], None]) -> None:
        self.bit = False
        self._seconds = seconds
        self._cut = cut
        self._fed = threading.Event()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def feed(self) -> None:
        """Say that something arrived."""
        if not self._thread.ident:
            self._thread.start()
        self._fed.set()

    def _watch(self) -> None:
        while self._fed.wait(self._seconds):
            self._fed.clear()
            if self._ended.is_set():
                return
        self.bit = True
        self._cut()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._fed.set()
