"""Finished requests in, the size of the next out: texts in one and how many at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from statistics import median
from threading import Condition
from time import perf_counter

START_BATCH = 16
MOST_TEXTS = 256
TOKENS_PER_TEXT = 256
MOST_TOKENS = 65_536
WORTH_IT = 1.1
"""A step is kept when it brings a tenth more."""
ENOUGH_CALLS = 3

# What is tried at most when nobody says: more requests than this crashed or queued there.
_MOST_AT_ONCE = {"LM Studio": 2, "Ollama": 2, "vLLM": 16}
_MOST_AT_ONCE_ELSEWHERE = 4


@dataclass(frozen=True, slots=True)
class PaceRecord:
    """A pace that was reached; `settled` when it need not be looked for again.

    `texts_per_second` is 0 while unknown.
    """

    batch_size: int = START_BATCH
    in_flight: int = 1
    settled: bool = False
    texts_per_second: float = 0.0


@dataclass(frozen=True, slots=True)
class Mark:
    """When a request began: at which step, and what all had done by then."""

    step: int
    batch_size: int
    seconds: float
    work: float


class Pace:
    """How fast a server is asked, grown while it pays; safe to use from several threads.

    First the texts of a request are doubled, then the requests at once.  Each step is judged
    by the median of its full requests; one that brings less than a tenth more is taken back.
    As some servers gain from a certain size on only, one step is then tried further ahead.
    A number that is given stays as it is.

    A crash ends the search of this run.  At a step that is being tried, the one before it is
    gone back to, for later runs too.  At any other, one request at a time is gone on with, and
    with fewer texts only if the parts of a request passed which failed as a whole: an evicted
    model or a broken line had nothing to do with the size, and the pace must not sink for it.
    Later runs begin there and look again what is possible.  `start` is where an earlier run
    arrived.
    """

    def __init__(
        self,
        most_in_flight: int = _MOST_AT_ONCE_ELSEWHERE,
        *,
        batch_size: int | None = None,
        in_flight: int | None = None,
        start: PaceRecord | None = None,
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        start = start or PaceRecord()
        self._batch_is_fixed = batch_size is not None
        self._in_flight_is_fixed = in_flight is not None
        self.batch_size = batch_size or start.batch_size
        self.in_flight = in_flight or min(start.in_flight, most_in_flight)
        self._most_texts, self._most_in_flight = MOST_TEXTS, most_in_flight
        self._grows_batch = self.in_flight == 1 or self._in_flight_is_fixed
        self._settled = start.settled or (self._batch_is_fixed and self._in_flight_is_fixed)
        self._kept = PaceRecord(
            self.batch_size, self.in_flight, self._settled, start.texts_per_second
        )
        self._best_rate = 0.0
        self._is_trial = self._looks_ahead = self._fell = False
        self._samples: list[tuple[float, float]] = []
        self._step = self._fell_at = self._running = self._claims = 0
        self._clock, self._seen, self._work = clock, clock(), 0.0
        self._changed = Condition()

    @property
    def batch_tokens(self) -> int:
        """Return the most tokens of one request."""
        return min(MOST_TOKENS, TOKENS_PER_TEXT * self.batch_size)

    @property
    def record(self) -> PaceRecord:
        """Return where the next run should begin: the best pace that was judged."""
        with self._changed:
            return self._kept

    def begin(self) -> Mark:
        """Note that a request begins; waits while another has to be alone."""
        with self._changed:
            self._changed.wait_for(lambda: not self._claims)
            self._look()
            self._running += 1
            return Mark(self._step, self.batch_size, self._seen, self._work)

    def end(self, mark: Mark, texts: int = 0, tokens: int = 0) -> None:
        """Note that a request ended, and what it brought; nothing when it failed."""
        with self._changed:
            self._look()
            self._running -= 1
            self._changed.notify_all()
            seconds = self._seen - mark.seconds
            if seconds > 0 and mark.step == self._step and self._is_full(texts, tokens):
                # Requests that overlap share the server: what it does is what one gets times
                # how many ran beside it on average (Little's law).
                together = (self._work - mark.work) / seconds
                self._samples.append((tokens / seconds * together, texts / seconds * together))
                if len(self._samples) >= max(ENOUGH_CALLS, self.in_flight):
                    self._judge()

    def _look(self) -> None:
        """Add up how many requests ran for how long until now."""
        now = self._clock()
        self._work += self._running * (now - self._seen)
        self._seen = now

    def crashed(self, mark: Mark | None = None) -> None:
        """Fall back for the rest of this run, as told above.

        Requests that began before the last crash count as part of it.
        """
        with self._changed:
            if mark and mark.step < self._fell_at:
                return
            if self._is_trial:
                self._take_back()
                self._kept = replace(self._kept, settled=True)
            else:
                self._fell = True
                if not self._in_flight_is_fixed:
                    self.in_flight = 1
            self._settled = True
            self._next_step()
            self._fell_at = self._step

    def was_too_much(self, mark: Mark, share: float) -> None:
        """Have later runs begin lower: of a request that crashed, parts of that share passed."""
        with self._changed:
            if not self._fell:
                return
            if not self._batch_is_fixed:
                self.batch_size = min(self.batch_size, max(1, int(mark.batch_size * share)))
            self._kept = PaceRecord(self.batch_size, self.in_flight)

    def at_most(self, texts: int) -> None:
        """Send no more texts in a request from now on: the server cannot take them.

        A later run begins with so many, and looks again whether it was more than a moment.
        """
        with self._changed:
            self._most_texts = min(self._most_texts, texts)
            self.batch_size = min(self.batch_size, texts)
            self.in_flight = min(self.in_flight, self._kept.in_flight)
            if self._kept.batch_size > texts:
                self._kept = PaceRecord(texts, self.in_flight if self._in_flight_is_fixed else 1)
            self._best_rate = 0.0
            self._is_trial = self._grows_batch = False
            self._next_step()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold all other requests back until this is left; waits for those that run."""
        with self._changed:
            self._claims += 1
        try:
            with self._changed:
                self._changed.wait_for(lambda: not self._running)
                self._look()
                self._running = 1
            try:
                yield
            finally:
                with self._changed:
                    self._look()
                    self._running = 0
        finally:
            with self._changed:
                self._claims -= 1
                self._changed.notify_all()

    def _is_full(self, texts: int, tokens: int) -> bool:
        """Tell whether a request says anything about this step; `tokens` may be rough."""
        return texts >= 0.75 * self.batch_size or tokens >= 0.4 * self.batch_tokens

    def _judge(self) -> None:
        """Keep the step when it was worth it, else take it back, and go on from there."""
        rate = median(tokens for tokens, _ in self._samples)
        texts = median(texts for _, texts in self._samples)
        self._samples.clear()
        if self._settled:
            if not self._fell:
                self._kept = replace(self._kept, texts_per_second=texts)
            return
        if rate >= WORTH_IT * self._best_rate:
            self._best_rate, self._looks_ahead = rate, False
            self._kept = PaceRecord(self.batch_size, self.in_flight, texts_per_second=texts)
        elif self._may_look_ahead(rate):
            self._looks_ahead = True
            self.batch_size = min(self._most_texts, 4 * self.batch_size)
            self._next_step()
            return
        else:
            self._take_back()
        self._grow()
        self._next_step()

    def _may_look_ahead(self, rate: float) -> bool:
        """Tell whether larger batches may pay where one that cost nothing brought nothing."""
        is_even = rate * WORTH_IT >= self._best_rate
        room = self.batch_size < self._most_texts
        return self._grows_batch and is_even and room and not self._looks_ahead

    def _take_back(self) -> None:
        """Return to the best step; no larger batch is tried after that, or nothing at all."""
        self.batch_size, self.in_flight = self._kept.batch_size, self._kept.in_flight
        self._settled = not self._grows_batch
        self._grows_batch = self._is_trial = False

    def _grow(self) -> None:
        """Take the next step, if there is one."""
        grows_batch = self._grows_batch and not self._batch_is_fixed
        self._is_trial = not self._settled
        if self._settled:
            self._kept = replace(self._kept, settled=True)
        elif grows_batch and self.batch_size < self._most_texts:
            self.batch_size = min(self._most_texts, 2 * self.batch_size)
        elif not self._in_flight_is_fixed and self.in_flight < self._most_in_flight:
            self._grows_batch = False
            self.in_flight = min(self._most_in_flight, 2 * self.in_flight)
        else:
            self._settled, self._is_trial = True, False
            self._kept = replace(self._kept, settled=True)

    def _next_step(self) -> None:
        self._step += 1
        self._samples.clear()


def pace_for(
    server: str,
    slots: int | None = None,
    *,
    batch_size: int | None = None,
    in_flight: int | None = None,
    start: PaceRecord | None = None,
) -> Pace:
    """Return the pace for a kind of server, as `rag.models.discover` names it.

    `slots` is how many requests it says it serves at once.  Numbers that are given stay.
    """
    if server == "the embedded model":
        return Pace(batch_size=batch_size or 64, in_flight=in_flight or 1)
    most = _MOST_AT_ONCE.get(server) or slots or _MOST_AT_ONCE_ELSEWHERE
    return Pace(most, batch_size=batch_size, in_flight=in_flight, start=start)
