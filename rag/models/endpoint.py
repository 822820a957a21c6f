"""One model server through the `openai` package: requests out, checked answers back."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import chain
from typing import TypeVar
from urllib.parse import urlsplit

import httpx2
import openai
import orjson

from rag.models.base.errors import BadResponse, EndpointError, EndpointUnreachable, ServerBusy
from rag.models.base.messages import Delta, Message
from rag.models.wire.decode import Vectors, read_embeddings
from rag.models.wire.faults import MISSING_V1, classify, error_text, read_seconds
from rag.models.wire.surfaces import SURFACES, Request, SurfaceName, failure_in, mark_cut
from rag.models.wire.watchdog import Watchdog

_SENT_HEADERS = frozenset(
    ("host", "accept", "accept-encoding", "connection", "content-type", "content-length",
     "user-agent")
)  # fmt: skip
_RETRIES = 2
_LONGEST_PAUSE_SECONDS = 5.0

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds to wait: for a connection, a first byte, the next piece of an answer, before the
    first retry, and in all for a server that loads a model or is busy.
    """

    connect: float = 3.0
    response: float = 600.0
    idle: float = 60.0
    retry: float = 0.5
    load: float = 300.0


class Endpoint:
    """A connection to one server; safe to use from several threads.

    `transport` replaces the network (the embedded model).  `native_embeddings` asks LM Studio's
    own surface for vectors.  `on_wait` is told what is waited for, and for how many seconds
    already.  Nothing but the given key and the request itself is sent: no variable of the
    environment, no header about the machine.
    """

    def __init__(
        self,
        url: str,
        key: str,
        timeouts: Timeouts | None = None,
        transport: httpx2.BaseTransport | None = None,
        *,
        native_embeddings: bool = False,
    ) -> None:
        self.on_wait: Callable[[str, float], None] = lambda _what, _seconds: None
        self._timeouts = timeouts = timeouts or Timeouts()
        self.url = url
        self.host = urlsplit(url).netloc
        self._root = url.removesuffix("/v1")
        self._embeddings = "/api/v0/embeddings" if native_embeddings else "/v1/embeddings"
        self._authorization = f"Bearer {key or 'none'}"
        self._http = httpx2.Client(
            timeout=httpx2.Timeout(timeouts.response, connect=timeouts.connect),
            # Shorter than the 5 s after which servers close: a request never meets a closing line.
            limits=httpx2.Limits(keepalive_expiry=3.0),
            # Proxies of the environment break loopback and would see private documents.
            trust_env=False,
            # Certificates take a tenth of a second to load and are of use to https only.
            verify=url.startswith("https:"),
            follow_redirects=False,
            transport=transport,
            event_hooks={"request": [self._strip_headers]},
        )
        self._client = openai.OpenAI(
            base_url=url, api_key=key or "none", max_retries=0, http_client=self._http
        )

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def get(self, path: str) -> object:
        """Return the JSON at `path`, counted from the server's root; None when it is no JSON.

        Waits for a busy server.  Raises EndpointUnreachable when nothing listens.  Callers must
        check the shape: servers answer 200 to paths they do not have.
        """
        return self._patiently(lambda: self._get_once(path))

    def _get_once(self, path: str) -> object:
        with self._translated():
            response = self._http.get(self._root + path)
        try:
            body: object = orjson.loads(response.content)
        except orjson.JSONDecodeError:
            return None
        if response.status_code in (401, 403, 429, 503):
            raise classify(error_text(body), response.status_code, self.host)
        return body

    def post(self, path: str, body: Mapping[str, object]) -> object:
        """Return the JSON a native path answers with; raises EndpointError."""
        with self._translated():
            response = self._client.post(self._root + path, cast_to=httpx2.Response, body=body)
            answer: object = orjson.loads(response.content)
        if isinstance(answer, dict) and answer.get("error"):
            raise classify(error_text(answer), 200, self.host)
        return answer

    def embed(self, model: str, texts: Sequence[str]) -> Vectors:
        """Return one unit row per text, in order, whatever order the server answered in.

        Waits for a busy server and retries what may succeed later.  Raises EndpointError.
        """
        return self._patiently(lambda: self._embed_once(model, texts))

    def _patiently(self, action: Callable[[], Result]) -> Result:
        """Return what the action returns, tried again as its errors allow."""
        started, tries = time.monotonic(), 0
        while True:
            try:
                return action()
            except EndpointError as error:
                waited = time.monotonic() - started
                pause = self._timeouts.retry * 2**tries
                if isinstance(error, ServerBusy):
                    pause = error.retry_after_seconds or min(pause, _LONGEST_PAUSE_SECONDS)
                    is_hopeless = waited + pause > self._timeouts.load
                else:
                    is_hopeless = not error.retryable or tries == _RETRIES
                if is_hopeless:
                    raise
                self.on_wait(error.message, waited)
            tries += 1
            time.sleep(pause)

    def _embed_once(self, model: str, texts: Sequence[str]) -> Vectors:
        body = {
            "model": model,
            "input": [_without_surrogates(text) for text in texts],
            "encoding_format": "base64",
        }
        # The typed result builds every float as a checked object: 20 times the time.
        with self._translated():
            response = self._client.post(
                self._root + self._embeddings, cast_to=httpx2.Response, body=body
            )
        return read_embeddings(response.content, len(texts), self.host)

    def stream(
        self,
        model: str,
        messages: Sequence[Message],
        max_tokens: int,
        temperature: float,
        surface: SurfaceName = "chat",
    ) -> Iterator[Delta]:
        """Yield the answer as it is written; the last delta has a finish reason.

        A stream that ends without one yields `finish_reason="truncated"`.  Raises
        EndpointError: BadResponse for a stream without a single event, EndpointUnreachable
        for one that falls silent.
        """
        asked = SURFACES[surface]
        clean = [Message(m.role, _without_surrogates(m.content)) for m in messages]
        body = asked.body(Request(model, clean, max_tokens, temperature))
        finish, seen = None, False
        for event in self._patiently(lambda: _begin(self._events(asked.path, body))):
            if failure := failure_in(event):
                raise classify(error_text(failure), None, self.host)
            seen = True
            delta = mark_cut(asked.read(event), max_tokens)
            finish = delta.finish_reason or finish
            yield delta
        if not seen:
            raise BadResponse(f"{self.host} sent an empty answer", MISSING_V1)
        if finish is None:
            yield Delta(finish_reason="truncated")

    def _events(self, path: str, body: dict[str, object]) -> Iterator[Mapping[str, object]]:
        """Yield the events of a stream, or the one answer of a server that does not stream."""
        with self._translated():
            events = self._client.post(
                self._root + path,
                cast_to=object,
                body=body,
                stream=True,
                stream_cls=openai.Stream[object],
            )
            with events, Watchdog(self._timeouts.idle, lambda: _hang_up(events)) as watchdog:
                if "json" in events.response.headers.get("content-type", ""):
                    whole = orjson.loads(events.response.read())
                    yield whole if isinstance(whole, dict) else {}
                    return
                try:
                    for event in events:
                        watchdog.feed()
                        if isinstance(event, dict):
                            yield event
                except openai.APIConnectionError:
                    if not watchdog.bit:
                        raise
                if watchdog.bit:
                    raise EndpointUnreachable(
                        f"{self.host} sent nothing for {self._timeouts.idle:g} seconds",
                        "see the server's log; raise RAG_IDLE_TIMEOUT_SECONDS if it is slow",
                    )

    def _strip_headers(self, request: httpx2.Request) -> None:
        for name in set(request.headers) - _SENT_HEADERS:
            del request.headers[name]
        request.headers["authorization"] = self._authorization

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn every exception of openai and httpx2 into one of ours."""
        try:
            yield
        except openai.APIStatusError as error:
            body = error.body if error.body is not None else error.response.content
            meant = classify(error_text(body), error.status_code, self.host)
            if isinstance(meant, ServerBusy):
                meant.ask_to_wait(read_seconds(error.response.headers.get("retry-after")))
            raise meant from error
        except (openai.APITimeoutError, httpx2.TimeoutException) as error:
            if isinstance(error, httpx2.ConnectTimeout) or isinstance(
                error.__cause__, httpx2.ConnectTimeout
            ):
                raise self._nobody_there() from error
            raise EndpointUnreachable(
                f"{self.host} did not answer in time",
                "wait for the model to load, or raise RAG_RESPONSE_TIMEOUT_SECONDS",
            ) from error
        except (openai.APIConnectionError, httpx2.TransportError) as error:
            raise self._connection_error(error) from error
        except openai.APIError as error:
            raise classify(error_text(error.body or str(error)), None, self.host) from error
        except (
            openai.OpenAIError, httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError,
            httpx2.CookieConflict,
            # What openai-python lets through when a server answers with something else.
            ValueError, TypeError, AttributeError, KeyError, IndexError,
        ) as error:  # fmt: skip
            raise BadResponse(
                f"{self.host} sent an answer that cannot be read: {type(error).__name__}: {error}",
                MISSING_V1,
            ) from error

    def _nobody_there(self) -> EndpointUnreachable:
        return EndpointUnreachable(
            f"no server at {self.url}",
            "start it (LM Studio: lms server start), set RAG_ENDPOINT, or add --embedded",
        )

    def _connection_error(self, error: Exception) -> EndpointUnreachable:
        cause = error.__cause__ if isinstance(error, openai.OpenAIError) else error
        if isinstance(cause, httpx2.ConnectError):
            return self._nobody_there()
        return EndpointUnreachable(
            f"the connection to {self.host} broke: {cause or error}", "try again", retryable=True
        )


def _without_surrogates(text: str) -> str:
    """Return the text as UTF-8 can carry it: half of a surrogate pair becomes `?`."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _begin(events: Iterator[Mapping[str, object]]) -> Iterator[Mapping[str, object]]:
    """Return the events once the first is there: until then a request can be tried again."""
    return chain([first], events) if (first := next(events, None)) is not None else iter(())


def _hang_up(events: openai.Stream[object]) -> None:
    """End a stream from another thread; closing it would not wake the one that reads."""
    network = events.response.extensions.get("network_stream")
    connection = network.get_extra_info("socket") if network else None
    if connection is not None:
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
