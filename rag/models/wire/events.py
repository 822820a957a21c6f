"""A request for text in, the deltas of its answer out, over one stream of events."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain

import openai

from rag.models.base.errors import BadResponse, EndpointUnreachable
from rag.models.base.messages import Delta
from rag.models.wire.client import EVENTS, EndlessAnswer, EventBytes
from rag.models.wire.decode import read_json
from rag.models.wire.faults import MISSING_V1
from rag.models.wire.patience import AnswerTimeout
from rag.models.wire.surfaces import Record, Surface, failure_in, mark_cut, shows_life
from rag.models.wire.translate import Peer, explain_event, explain_text, translated
from rag.models.wire.watchdog import Watchdog


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds for the first event and for each further one, and the most tokens of an answer."""

    first: float
    idle: float
    tokens: int

    @property
    def events(self) -> int:
        """Return how many events are read: one for a token is usual, four are generous."""
        return 4 * self.tokens + 1000


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request for text at `url`, and its answer."""

    client: openai.OpenAI
    surface: Surface
    url: str
    limits: Limits
    peer: Peer
    model: str

    def open(self, body: Mapping[str, object]) -> Iterator[Delta]:
        """Return the deltas of the answer, once its first word is there.

        Until then the request may be made again, so every fault up to it is raised here.  The
        last finish reason is "truncated" where the server gave none, "length" where it would
        not end.  Raises EndpointError, also from the iterator.
        """
        deltas = self._deltas(body)
        held = []
        for delta in deltas:
            held.append(delta)
            if delta.text or delta.reasoning or delta.finish_reason:
                break
        return chain(held, deltas)

    def _deltas(self, body: Mapping[str, object]) -> Iterator[Delta]:
        finish, has_words = None, False
        with translated(self.peer, self.model):
            try:
                for event in self._events(body):
                    delta = mark_cut(self.surface.read(event), self.limits.tokens)
                    finish = delta.finish_reason or finish
                    has_words = has_words or bool(delta.text or delta.reasoning)
                    yield delta
            except EndlessAnswer:
                if not has_words:
                    raise
                if finish is None:
                    finish = "length"
                    yield Delta(finish_reason=finish)
        if finish is None and not has_words:
            raise BadResponse(
                f"{self.peer.host} sent an empty answer",
                f"ask a shorter question, in case it was too long, or {MISSING_V1}",
            )
        if finish is None:
            yield Delta(finish_reason="truncated")

    def _events(self, body: Mapping[str, object]) -> Iterator[Record]:
        """Yield the events of a stream, or the one answer of a server that does not stream."""
        events = self.client.post(
            self.url,
            cast_to=object,
            body=body,
            options={"headers": {"Accept": f"{EVENTS}, application/json"}},
            stream=True,
            stream_cls=openai.Stream[object],
        )
        with events:
            if isinstance(events.response.stream, EventBytes):
                yield from self._stream(events)
            else:
                yield self._read_whole(events)

    def _read_whole(self, events: openai.Stream[object]) -> Record:
        # No watchdog: what is read whole has limits of its own.
        response = events.response
        kind = response.headers.get("content-type", "")
        whole = read_json(response.read(), kind, self.peer.host)
        if isinstance(whole, str):
            raise explain_text(whole, self.peer, self.model)
        return self._refuse_failure(whole, 200)

    def _stream(self, events: openai.Stream[object]) -> Iterator[Record]:
        watchdog = Watchdog(self.limits.first, self.limits.idle, lambda: _hang_up(events))
        with watchdog:
            try:
                yield from self._watched(events, watchdog)
            except openai.APIConnectionError:
                if not watchdog.bit:
                    raise
            if watchdog.bit:
                raise self._silence(watchdog)

    def _watched(self, events: openai.Stream[object], watchdog: Watchdog) -> Iterator[Record]:
        """Yield the events that show life; those that do not are a silence with more bytes."""
        for number, event in enumerate(events):
            if number >= self.limits.events:
                raise EndlessAnswer(self.peer.host)
            if isinstance(events.response.stream, EventBytes):
                events.response.stream.begin_event()
            record = self._refuse_failure(event)
            if shows_life(record):
                watchdog.rest()
                yield record
                watchdog.wake()

    def _refuse_failure(self, event: object, status: int | None = None) -> Record:
        """Return the event, or raise the failure that it reports."""
        if failure := failure_in(event):
            raise explain_event(failure, self.peer, self.model, status)
        return event if isinstance(event, dict) else {}

    def _silence(self, watchdog: Watchdog) -> EndpointUnreachable:
        if not watchdog.was_fed:
            return AnswerTimeout(
                f"{self.peer.host} did not begin its answer in {self.limits.first:g} seconds",
                "wait for the model to load, or raise RAG_RESPONSE_TIMEOUT_SECONDS",
                retryable=True,
            )
        return EndpointUnreachable(
            f"{self.peer.host} sent nothing for {self.limits.idle:g} seconds",
            "see the server's log; raise RAG_IDLE_TIMEOUT_SECONDS if it is slow",
        )


def _hang_up(events: openai.Stream[object]) -> None:
    """End a stream from another thread; closing it would not wake the one that reads."""
    network = events.response.extensions.get("network_stream")
    connection = network.get_extra_info("socket") if network else None
    if connection is not None:
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
