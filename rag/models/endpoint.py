"""One model server through the `openai` package: requests out, checked answers back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlsplit

import httpx2
import openai
import orjson

from rag.models.base.errors import BadResponse, EndpointError, ModelUnavailable
from rag.models.base.messages import Delta, Message, Reply
from rag.models.wire.client import open_client
from rag.models.wire.decode import EmbeddingAnswer, Vectors, read_embeddings, read_json
from rag.models.wire.events import Exchange, Limits
from rag.models.wire.faults import brief, is_missing_model
from rag.models.wire.hints import MISSING_V1
from rag.models.wire.patience import AnswerTimeout, Patience, without_refused
from rag.models.wire.surfaces import SURFACES, Request, SurfaceName
from rag.models.wire.translate import Peer, explain_event, explain_status, translated

# Answers to a GET that say something of the server, not of the path.
_SERVER_FAULTS = (401, 403, 429, 503)
_MOST_MODELS_NAMED = 8
_USUAL_PATHS = ("/v1/chat/completions", "/v1/embeddings")
# A list of models takes no work: who needs longer is in trouble.
_LISTING_SECONDS = 30.0
_JSON_CONTENT = {"content-type": "application/json"}

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds to wait: for a connection, a first byte (and again for the rest of an answer
    that is no stream), the next piece of a stream, before the first retry, and in all for a
    server that loads a model or is busy.
    """

    connect: float = 3.0
    response: float = 600.0
    idle: float = 60.0
    retry: float = 0.5
    load: float = 300.0


class Endpoint:
    """A connection to one server; safe to use from several threads.

    `transport` replaces the network (the embedded model).  `native_embeddings` asks LM Studio's
    own surface for vectors.  Nothing but the given key and the request itself is sent: no
    variable of the environment, no header about the machine.

    To be set by whoever knows better: `on_wait` is told what is waited for, and for how many
    seconds already; `on_lost` is called with the id of a model that crashed or was unloaded,
    to load it before the request is made again, and may raise EndpointError; `server` is the
    name of the program, for hints in its own commands.
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
        self.on_lost: Callable[[str], None] = lambda _model: None
        self.server = ""
        self.url = url
        self.host = urlsplit(url).netloc
        self._timeouts = timeouts = timeouts or Timeouts()
        self._listing = httpx2.Timeout(
            min(timeouts.response, _LISTING_SECONDS), connect=timeouts.connect
        )
        # Optional fields that this server does not know.
        self._refused: frozenset[str] = frozenset()
        self._patience = Patience(timeouts.retry, timeouts.load)
        self._root = url.removesuffix("/v1")
        self._embeddings = "/api/v0/embeddings" if native_embeddings else "/v1/embeddings"
        self._http = open_client(
            key,
            self.host,
            connect=timeouts.connect,
            response=timeouts.response,
            verify=url.startswith("https:"),
            transport=transport,
        )
        self._client = openai.OpenAI(
            base_url=url, api_key=key or "none", max_retries=0, http_client=self._http
        )

    def close(self) -> None:
        """Close all connections; what other threads still ask for ends without a word."""
        self.on_wait = lambda _what, _seconds: None
        self._http.close()

    def get(self, path: str) -> object:
        """Return the JSON at `path`, counted from the server's root; None when it is no JSON.

        Waits for a busy server.  Raises EndpointUnreachable when nothing listens.  Callers must
        check the shape: servers answer 200 to paths they do not have.
        """
        return self._patiently(lambda: self._get_once(path))

    def post(self, path: str, body: Mapping[str, object]) -> object:
        """Return the JSON a native path answers with, asked once; raises EndpointError."""
        response = self._post_once(path, body)
        answer = read_json(response.content, _content_type(response), self.host)
        if isinstance(answer, dict) and answer.get("error"):
            raise explain_event(answer, self._peer(), 200)
        return answer

    def embed(self, model: str, texts: Sequence[str]) -> Vectors:
        """Return one unit row per text, in order, whatever order the server answered in.

        Waits for a busy server and retries what may succeed later.  Raises EndpointError.
        """
        return self.embed_measured(model, texts).vectors

    def embed_measured(self, model: str, texts: Sequence[str]) -> EmbeddingAnswer:
        """Return what `embed` does, how long the rows were, and which model answered."""
        sent = [_without_surrogates(text) for text in texts]
        body = {"model": model, "input": sent, "encoding_format": "base64"}

        def ask() -> EmbeddingAnswer:
            response = self._post_once(self._embeddings, body, model, sent)
            kind = _content_type(response)
            return read_embeddings(
                response.content, len(sent), self.host, kind=kind, server=self.server, sent=sent
            )

        with _blaming("RAG_EMBEDDING_SURFACE=openai", self._embeddings):
            return self._patiently(ask, model)

    def stream(
        self,
        model: str,
        messages: Sequence[Message],
        max_tokens: int,
        temperature: float,
        surface: SurfaceName = "chat",
        *,
        think: bool = True,
        response_format: Mapping[str, object] | None = None,
    ) -> Iterator[Delta]:
        """Yield the answer as it is written; the last finish reason is how it ended.

        It is "truncated" for a stream that ends without one, and "length" for one that is cut
        off here since it does not end.  `think=False` asks a reasoning model to answer at
        once; a server that does not know how to be asked is asked without.  Before its first
        word an answer is waited for, and asked for again, as in `embed`.

        Raises EndpointError: BadResponse for a stream without a word, EndpointUnreachable for
        one that breaks or falls silent.
        """
        clean = [Message(m.role, _without_surrogates(m.content)) for m in messages]
        request = Request(model, clean, max_tokens, temperature, think, response_format)
        with _blaming("RAG_CHAT_SURFACE=chat", SURFACES[surface].path):
            yield from self._patiently(lambda: self._open_answer(surface, request), model)

    def complete(
        self,
        model: str,
        messages: Sequence[Message],
        max_tokens: int,
        response_format: Mapping[str, object] | None = None,
        *,
        temperature: float = 0.0,
        think: bool = False,
        surface: SurfaceName = "chat",
    ) -> Reply:
        """Return the whole answer; without its first argument, a `chat.structured.Send`.

        Thinking inside the text is left there.  Raises what `stream` does.
        """
        deltas = list(
            self.stream(
                model,
                messages,
                max_tokens,
                temperature,
                surface,
                think=think,
                response_format=response_format,
            )
        )
        ends = [delta.finish_reason for delta in deltas if delta.finish_reason]
        return Reply(
            text="".join(delta.text for delta in deltas),
            finish_reason=ends[-1],
            reasoning="".join(delta.reasoning for delta in deltas),
        )

    def _patiently(self, action: Callable[[], Result], model: str = "") -> Result:
        """Return what the action returns, tried again as its errors allow."""
        try:
            return self._patience.run(
                action,
                lambda what, seconds: self.on_wait(what, seconds),
                lambda: self.on_lost(model),
            )
        except ModelUnavailable as error:
            if is_missing_model(error.message):
                error.message += self._models_offered()
            raise

    def _models_offered(self) -> str:
        """Return the end of a sentence that names what the server has, "" when it does not say."""
        with suppress(EndpointError):
            body = self._get_once("/v1/models")
            data = body.get("data") if isinstance(body, dict) else None
            rows = data if isinstance(data, list) else ()
            ids = [brief(str(row.get("id")))[:80] for row in rows if isinstance(row, dict)]
            if ids:
                return f"; it offers {', '.join(ids[:_MOST_MODELS_NAMED])}"
        return ""

    def _get_once(self, path: str) -> object:
        try:
            with translated(self._peer()):
                response = self._http.get(self._root + path, timeout=self._listing)
        except AnswerTimeout as slow:
            # Nothing was to be loaded for this: a server that does not list will not list later.
            slow.retryable = False
            slow.hint = "see whether the server is busy or hangs, and its log, then try again"
            raise
        is_standard = path.startswith("/v1/")
        if is_standard and (response.is_redirect or response.is_server_error):
            raise explain_status(response, None, self._peer())
        body: object = None
        with suppress(BadResponse):
            body = read_json(response.content, "", self.host)
        is_readable = body is not None or is_standard
        if response.status_code in _SERVER_FAULTS and is_readable:
            raise explain_status(response, body, self._peer())
        return body

    def _peer(self, model: str = "", sent: Sequence[str] = ()) -> Peer:
        return Peer(self.url, self.host, self.server, model, sent)

    def _post_once(
        self, path: str, body: Mapping[str, object], model: str = "", sent: Sequence[str] = ()
    ) -> httpx2.Response:
        # Past openai-python's own requests, which take 1 ms of processor time each; its typed
        # result, which builds every float as a checked object, takes 100.
        peer = self._peer(model, sent)
        with translated(peer):
            response = self._http.post(
                self._root + path, content=orjson.dumps(body), headers=_JSON_CONTENT
            )
        if response.is_error or response.is_redirect:
            raise explain_status(response, None, peer)
        return response

    def _open_answer(self, name: SurfaceName, request: Request) -> Iterator[Delta]:
        surface = SURFACES[name]
        limits = Limits(self._timeouts.response, self._timeouts.idle, request.max_tokens)
        peer = self._peer(request.model, [message.content for message in request.messages])
        exchange = Exchange(self._client, surface, self._root + surface.path, limits, peer)
        whole = surface.body(request)
        body = {name: value for name, value in whole.items() if name not in self._refused}
        while True:
            try:
                answer = exchange.open(body)
            except EndpointError as error:
                fewer = without_refused(body, error)
                if fewer is None:
                    raise
                body = fewer
            else:
                self._refused |= whole.keys() - body.keys()
                return answer


@contextmanager
def _blaming(setting: str, path: str) -> Iterator[None]:
    """Turn a hint at the address into one at the setting that chose a path less usual."""
    try:
        yield
    except EndpointError as error:
        if path not in _USUAL_PATHS:
            error.hint = error.hint.replace(MISSING_V1, f"set {setting}: it may not have {path}")
        raise


def _content_type(response: httpx2.Response) -> str:
    kind: str = response.headers.get("content-type", "")
    return kind


def _without_surrogates(text: str) -> str:
    """Return the text as UTF-8 can carry it: half of a surrogate pair becomes `?`."""
    return text.encode("utf-8", "replace").decode("utf-8")
