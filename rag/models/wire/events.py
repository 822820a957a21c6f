"""A request for text in, the deltas of its answer out, over one stream of events."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain

import openai

from rag.models.base.errors import BadResponse, EndpointError, EndpointUnreachable
from rag.models.base.messages import Delta
from rag.models.wire.client import EVENTS, EndlessAnswer, EventBytes
from rag.models.wire.decode import read_json
from rag.models.wire.hints import MISSING_V1
from rag.models.wire.patience import AnswerTimeout
from rag.models.wire.surfaces import (
    Record,
    Surface,
    calls_tool,
    failure_in,
    mark_cut,
    shows_life,
    with_output,
)
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

    def open(self, body: Mapping[str, object]) -> Iterator[Delta]:
        """Return the deltas of the answer, once its first word is there: blanks are none.

        Until then the request may be made again, so every fault up to it is raised here.  The
        last finish reason is "truncated" where the server gave none, "length" where it would
        not end.  Raises EndpointError, also from the iterator.
        """
        deltas = self._deltas(body)
        held = []
        for delta in deltas:
            held.append(delta)
            if delta.text.strip() or delta.reasoning.strip():
                break
        return chain(held, deltas)

    def _deltas(self, body: Mapping[str, object]) -> Iterator[Delta]:
        told = _Told()
        try:
            with translated(self.peer):
                for event in self._events(body, told):
                    delta = mark_cut(self.surface.read(event), self.limits.tokens)
                    yield told.hear(delta, event)
        except EndpointError as error:
            # What follows the end of an answer can spoil nothing.
            if not told.has_words or not (told.finish or isinstance(error, EndlessAnswer)):
                raise
            if told.finish is None:
                yield Delta(finish_reason="length")
            return
        if told.has_call and not told.has_text:
            raise BadResponse(
                f"the model at {self.peer.host} called a tool instead of answering",
                "load another chat model: none was offered a tool",
            )
        if told.finish is None and not told.has_words:
            raise BadResponse(
                f"{self.peer.host} sent an empty answer",
                f"ask a shorter question, in case it was too long, or {MISSING_V1}",
            )
        if told.finish is None:
            yield Delta(finish_reason="truncated")

    def _events(self, body: Mapping[str, object], told: _Told) -> Iterator[Record]:
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
                yield from self._stream(events, told)
            else:
                yield self._read_whole(events)

    def _read_whole(self, events: openai.Stream[object]) -> Record:
        # No watchdog: what is read whole has limits of its own.
        response = events.response
        kind = response.headers.get("content-type", "")
        whole = read_json(response.read(), kind, self.peer.host)
        if isinstance(whole, str):
            raise explain_text(whole, self.peer)
        return self._refuse_failure(whole, 200)

    def _stream(self, events: openai.Stream[object], told: _Told) -> Iterator[Record]:
        watchdog = Watchdog(self.limits.first, self.limits.idle, lambda: _hang_up(events))
        with watchdog:
            try:
                with translated(self.peer):
                    yield from self._watched(events, watchdog, told)
            except EndpointUnreachable:
                if not watchdog.bit:
                    raise
            if watchdog.bit:
                raise self._silence(watchdog)

    def _watched(
        self, events: openai.Stream[object], watchdog: Watchdog, told: _Told
    ) -> Iterator[Record]:
        """Yield the events that show life; those that do not are a silence with more bytes."""
        for number, data in enumerate(_read_data(events.response.iter_bytes())):
            if number >= self.limits.events:
                raise EndlessAnswer(self.peer.host)
            if data.startswith("[DONE]"):
                return
            if isinstance(events.response.stream, EventBytes):
                events.response.stream.begin_event()
            record = self._refuse_failure(self._parse(data))
            if shows_life(record):
                watchdog.rest()
                yield record
                if told.finish:
                    watchdog.end_soon()
                watchdog.wake()

    def _parse(self, data: str) -> object:
        try:
            return json.loads(data)
        except (ValueError, RecursionError):
            raise explain_text(data, self.peer) from None

    def _refuse_failure(self, event: object, status: int | None = None) -> Record:
        """Return the event, or raise the failure that it reports."""
        if failure := failure_in(event):
            raise explain_event(failure, self.peer, status)
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


class _Told:
    """What was told of an answer so far; halves of a character are joined across pieces."""

    def __init__(self) -> None:
        self.finish: str | None = None
        self.has_text = self.has_words = self.has_call = False
        self._half_of_text = self._half_of_reasoning = ""

    def hear(self, delta: Delta, event: Record) -> Delta:
        """Return the delta as it is passed on."""
        if delta.finish_reason and not self.has_text:
            delta = with_output(delta, event, thought=not self.has_words)
        text, self._half_of_text = _join_halves(self._half_of_text + delta.text)
        thought, self._half_of_reasoning = _join_halves(self._half_of_reasoning + delta.reasoning)
        self.finish = delta.finish_reason or self.finish
        self.has_call = self.has_call or calls_tool(event)
        self.has_text = self.has_text or bool(text.strip())
        self.has_words = self.has_words or self.has_text or bool(thought.strip())
        return replace(delta, text=text, reasoning=thought)


def _join_halves(text: str) -> tuple[str, str]:
    """Return the text without lone halves of a character, and one whose other may follow."""
    if text.isascii():
        return text, ""
    half = text[-1] if "\ud800" <= text[-1] <= "\udbff" else ""
    whole = text[: len(text) - len(half)].encode("utf-16-le", "surrogatepass")
    return whole.decode("utf-16-le", "replace"), half


_LINE_END = re.compile(rb"\r\n|\n|\r")


def _read_data(pieces: Iterable[bytes]) -> Iterator[str]:
    """Yield the data of each event that has any, its lines joined (WHATWG, server-sent events)."""
    data: list[str] = []
    for line in _lines(pieces):
        name, _, value = line.decode("utf-8").partition(":")
        if name == "data":
            data.append(value.removeprefix(" "))
        elif not line:
            if any(data):
                yield "\n".join(data)
            data = []
    # Some send no blank line after the last; half an event is cut off, and left out.
    with suppress(ValueError, RecursionError):
        json.loads("\n".join(data))
        yield "\n".join(data)


def _lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    rest: list[bytes] = []
    is_half = False
    for piece in pieces:
        # The second half of a line's end in two pieces.
        new = piece[1:] if is_half and piece.startswith(b"\n") else piece
        first, *others = _LINE_END.split(new)
        rest.append(first)
        if others:
            yield b"".join(rest)
            yield from others[:-1]
            rest = others[-1:]
        is_half = piece.endswith(b"\r")
    yield b"".join(rest)
