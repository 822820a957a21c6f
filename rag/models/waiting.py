"""A request that loads a model in, its answer out: in the background, told, shared, limited."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TYPE_CHECKING

from rag.models.base.errors import ServerBusy

if TYPE_CHECKING:
    from rag.models.endpoint import Endpoint

TELL_EVERY_SECONDS = 1.0
_STARTING = threading.Lock()


def wait_for(
    endpoint: Endpoint,
    model: str,
    name: str,
    action: Callable[[], object],
    limit_seconds: float,
    quiet_seconds: float = 0.0,
) -> object:
    """Return what the action returns; each second `on_wait` is told that the model is loaded.

    An action of the same `name` that runs already, since its caller gave up waiting, is waited
    for in place of this one.  Nothing is told in the first `quiet_seconds`.  Raises what the
    action raises, and ServerBusy when it takes more than `limit_seconds`.
    """
    started = time.monotonic()
    future, is_ours = _start(name, action)
    while (waited := time.monotonic() - started) < limit_seconds:
        if waited >= quiet_seconds:
            endpoint.on_wait(f"{endpoint.host} loads {model}", waited)
        wait([future], min(TELL_EVERY_SECONDS, limit_seconds - waited))
        if future.done() and (is_ours or not future.exception()):
            return future.result()
        if future.done():
            # Of a connection closed since then, perhaps: what is wrong now, our own shall say.
            future, is_ours = _start(name, action)
    raise too_slow(endpoint, model, limit_seconds)


def too_slow(endpoint: Endpoint, model: str, seconds: float) -> ServerBusy:
    """Return the error for a load that took so long and may still go on."""
    return ServerBusy(
        f"{endpoint.host} did not load {model} within {seconds:.3g} seconds; it may still be "
        "loading it",
        "look whether it is loaded now: rag models; or raise RAG_LOAD_TIMEOUT_SECONDS",
    )


class _Work(threading.Thread):
    """An action whose thread never keeps the program from ending."""

    def __init__(self, name: str, action: Callable[[], object]) -> None:
        super().__init__(name=name, daemon=True)
        self.future: Future[object] = Future()
        self._action = action

    def run(self) -> None:
        try:
            self.future.set_result(self._action())
        except BaseException as error:  # as an Executor does: it concerns whoever waits
            self.future.set_exception(error)


def _start(name: str, action: Callable[[], object]) -> tuple[Future[object], bool]:
    """Return the future of the action of that name, and whether this call started it.

    The threads of the process are the list of what runs: whoever asks sees all of it.
    """
    with _STARTING:
        for thread in threading.enumerate():
            if isinstance(thread, _Work) and thread.name == name and not thread.future.done():
                return thread.future, False
        work = _Work(name, action)
        work.start()
        return work.future, True
