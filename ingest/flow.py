"""An iterator in, the same items out, made in a thread of their own; and a clock for all stages."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from time import perf_counter
from typing import Generic, TypeVar

Item = TypeVar("Item")

# Windows tells of Ctrl-C only between two waits.
LOOK_SECONDS = 0.5


def run_ahead(
    items: Iterator[Item], weigh: Callable[[Item], int], most: int
) -> Generator[Item, None, None]:
    """Yield the items, which a thread gets before they are asked for.

    It stops getting more while those that wait weigh `most` or more.  What the iterator raises
    is raised here, after the items before it.  Closing waits for the item that is being made.
    """
    ahead = _Ahead(items, weigh, most)
    thread = threading.Thread(target=ahead.fill, name="ahead", daemon=True)
    thread.start()
    try:
        yield from ahead.take()
    finally:
        ahead.stop()
        thread.join()


class _Ahead(Generic[Item]):
    """Items that wait, between the thread that makes them and the one that takes them."""

    def __init__(self, items: Iterator[Item], weigh: Callable[[Item], int], most: int) -> None:
        self._items = items
        self._weigh = weigh
        self._most = most
        self._waiting: deque[Item] = deque()
        self._weight = 0
        self._ended = self._stopped = False
        self._error: BaseException | None = None
        self._changed = threading.Condition()

    def fill(self) -> None:
        """Get items until there are none, or nobody wants them."""
        try:
            for item in self._items:
                with self._changed:
                    self._waiting.append(item)
                    self._weight += self._weigh(item)
                    self._changed.notify_all()
                    self._changed.wait_for(lambda: self._stopped or self._weight < self._most)
                    if self._stopped:
                        return
        except BaseException as error:
            # Whatever it is, it belongs to the thread that asks for the items.
            self._error = error
        finally:
            self.stop(ended=True)

    def take(self) -> Iterator[Item]:
        """Yield items as they come; raises what making them raised."""
        while True:
            with self._changed:
                while not (self._ended or self._waiting):
                    self._changed.wait(LOOK_SECONDS)
                if not self._waiting:
                    break
                item = self._waiting.popleft()
                self._weight -= self._weigh(item)
                self._changed.notify_all()
            yield item
        if self._error:
            raise self._error

    def stop(self, *, ended: bool = False) -> None:
        """Let the thread get no more items, or say that there are none."""
        with self._changed:
            self._stopped = self._stopped or not ended
            self._ended = self._ended or ended
            self._changed.notify_all()


class Clock:
    """The seconds each stage worked, in whatever thread; stages may overlap."""

    def __init__(self, stages: Sequence[str]) -> None:
        self.seconds = dict.fromkeys(stages, 0.0)
        self._local = threading.local()

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Add the time inside to a stage; a stage inside another takes its time from it."""
        running: list[str] = self._local.__dict__.setdefault("running", [])
        started = perf_counter()
        running.append(stage)
        try:
            yield
        finally:
            running.pop()
            seconds = perf_counter() - started
            self.seconds[stage] += seconds
            if running:
                self.seconds[running[-1]] -= seconds
