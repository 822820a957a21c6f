"""An action that may fail in, its result out: what is tried again, how often, without what."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from rag.models.base.errors import (
    BadResponse,
    EndpointError,
    EndpointUnreachable,
    ModelLost,
    RequestRefused,
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


_THINKING_FIELDS = frozenset(("reasoning_effort", "chat_template_kwargs", "reasoning"))
_FORMAT = re.compile(r"response_format|json_schema")
_THINKING_WORDS = re.compile(r"reasoning|chat_template|thinking", re.IGNORECASE)
# transformers, pydantic, vLLM, llama.cpp and gateways, each in its own words.
_UNKNOWN_FIELD = re.compile(
    r"unexpected (fields?|keyword)|extra (fields?|inputs?)|extra_forbidden"
    r"|(unknown|unsupported|unrecogni[sz]ed) |unrecogni[sz]ed|unknown_parameter",
    re.IGNORECASE,
)


def without_refused(body: Mapping[str, object], error: EndpointError) -> dict[str, object] | None:
    """Return the body without the optional fields that an error refuses, None when
    it speaks of something else.
    """
    # A 500 is no refusal by its status, and is one by its words on some servers.
    if type(error) not in (RequestRefused, EndpointError):
        return None
    words, refused = error.message, set[str]()
    names_thinking = _THINKING_WORDS.search(words) is not None
    if names_thinking:
        refused |= _THINKING_FIELDS & body.keys()
    if "stream_options" in words:
        refused |= {"stream_options"} & body.keys()
    elif not names_thinking and not _FORMAT.search(words) and _UNKNOWN_FIELD.search(words):
        # Some do not name what they do not know.
        refused |= _THINKING_FIELDS & body.keys() or {"stream_options"} & body.keys()
    return {k: v for k, v in body.items() if k not in refused} if refused else None
