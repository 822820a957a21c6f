"""An action that may fail in, its result out: what is tried again, how often, how long."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from rag.models.base.errors import (
    BadResponse,
    EndpointError,
    EndpointUnreachable,
    ModelLost,
    ServerBusy,
)

_RETRIES = 2
_LONGEST_PAUSE_SECONDS = 5.0
LONGEST_WISH_SECONDS = 120.0
"""A server that asks to be left alone for longer is reported at once."""

Result = TypeVar("Result")


class AnswerTimeout(EndpointUnreachable):
    """The server took the request and did not answer in time: it may still compute."""


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds before the first retry, and in all for a server that loads or is busy."""

    first_pause: float
    load: float

    def run(
        self,
        action: Callable[[], Result],
        on_wait: Callable[[str, float], None],
        on_lost: Callable[[], None],
    ) -> Result:
        """Return what the action returns, tried again as its errors allow.

        A busy server is waited for; other passing faults are met with two retries, a timeout
        and an unreadable answer with one.  `on_wait` is told the fault and the seconds so far,
        `on_lost` that the model has to be loaded again.  Raises the last EndpointError.
        """
        started, failures, waits = time.monotonic(), 0, 0
        while True:
            try:
                return action()
            except EndpointError as error:
                fault = error
            waited = time.monotonic() - started
            is_busy = isinstance(fault, ServerBusy) and fault.retryable
            pause = self._pause(fault, waits if is_busy else failures)
            if self._is_too_long(fault, waited, pause) if is_busy else failures >= _retries(fault):
                raise fault
            on_wait(fault.message, waited)
            if isinstance(fault, ModelLost):
                on_lost()
            failures, waits = failures + (not is_busy), waits + is_busy
            time.sleep(pause)

    def _pause(self, fault: EndpointError, tries: int) -> float:
        pause = min(self.first_pause * 2 ** min(tries, 10), _LONGEST_PAUSE_SECONDS)
        wish = fault.retry_after_seconds if isinstance(fault, ServerBusy) else None
        # Never less than the first pause: a wish of a millisecond would be a storm of requests.
        return max(wish, self.first_pause) if wish else pause

    def _is_too_long(self, fault: EndpointError, waited: float, pause: float) -> bool:
        wish = fault.retry_after_seconds if isinstance(fault, ServerBusy) else None
        return (wish or 0.0) > LONGEST_WISH_SECONDS or waited + pause > self.load


def _retries(fault: EndpointError) -> int:
    if not fault.retryable:
        return 0
    # A second request as long as the first keeps a slow server busy with both.
    return 1 if isinstance(fault, AnswerTimeout | BadResponse) else _RETRIES
