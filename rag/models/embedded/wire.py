"""The embedded models behind the OpenAI wire protocol: bytes of a request in, of a reply out."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING
from uuid import uuid4

import httpx2

from rag.models.base.errors import ModelUnavailable
from rag.models.base.passages import EXTRACTIVE_MODEL, read_passages
from rag.models.embedded.loopback import serve
from rag.models.embedded.reply import Handler, Reply, reply_error, reply_json
from rag.models.embedded.weights import are_weights_present, model_folder

if TYPE_CHECKING:
    from ingest.base.documents import Vectors
    from rag.models.embedded.encoder import Encoder

__all__ = ["EmbeddedServer", "InProcessTransport", "serve"]

EMBEDDING_MODEL = "all-MiniLM-L6-v2"
CHAT_MODEL = EXTRACTIVE_MODEL
DIMENSION = 384
EMBEDDING_CONTEXT = 256
CHAT_CONTEXT = 32_768
_QUESTION = "Question:"
_MODELS = {
    "object": "list",
    "data": [
        {"id": name, "object": "model", "owned_by": "foldercite", "type": kind, "meta": meta}
        for name, kind, meta in (
            (EMBEDDING_MODEL, "embeddings", {"n_ctx": EMBEDDING_CONTEXT, "n_embd": DIMENSION}),
            (CHAT_MODEL, "llm", {"n_ctx": CHAT_CONTEXT}),
        )
    ],
}


class _Refused(Exception):
    """The request gets an error of the OpenAI form."""

    def __init__(self, status: int, message: str, *, param: str = "", code: str = "") -> None:
        super().__init__(message)
        self.status, self.param, self.code = status, param, code


class EmbeddedServer:
    """Serves the embedding model and the extractive answerer; safe to use from several threads.

    Nothing is loaded before it is needed.  `threshold` is the likeness below which the
    answerer says that the documents do not hold the answer.
    """

    def __init__(self, cache_dir: Path, threshold: float | None = None) -> None:
        self._cache_dir = cache_dir
        self._threshold = threshold
        self._lock = Lock()
        self._encoder: Encoder | None = None

    @property
    def encoder(self) -> Encoder:
        """Return the embedding model, loaded at the first use; raises ModelUnavailable."""
        with self._lock:
            if self._encoder is None:
                self._encoder = _load_encoder(self._cache_dir)
            return self._encoder

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Return the tokens of each text with the special ones; raises ModelUnavailable."""
        return self.encoder.count_tokens(texts)

    def unknown_share(self, texts: Sequence[str]) -> float | None:
        """Return the part of the words that the model does not know; raises ModelUnavailable."""
        return self.encoder.unknown_share(texts)

    def handle(self, method: str, path: str, body: bytes) -> Reply:
        """Answer one request; what is wrong with it is told in the reply, nothing is raised."""
        routes: Mapping[str, tuple[str, Callable[[bytes], Reply]]] = {
            "/v1/models": ("GET", lambda _body: reply_json(200, _MODELS)),
            "/v1/embeddings": ("POST", self._embed),
            "/v1/chat/completions": ("POST", self._chat),
        }
        path = path.partition("?")[0].rstrip("/")
        try:
            if path not in routes:
                raise _Refused(404, f"There is nothing at {path}", code="unknown_url")
            wanted, respond = routes[path]
            if method != wanted:
                raise _Refused(405, f"{path} wants {wanted}", code="method_not_allowed")
            return respond(body)
        except _Refused as error:
            return reply_error(error.status, str(error), param=error.param, code=error.code)
        except ModelUnavailable as error:
            message = f"weights_missing: {error.message}. {error.hint}"
            return reply_error(503, message, code="weights_missing")

    def _embed(self, body: bytes) -> Reply:
        request = _read_object(body)
        _check_model(request, EMBEDDING_MODEL)
        texts = _read_input(request.get("input"))
        encoding = _read_encoding(request)
        vectors = self.encoder.encode(texts)
        tokens = sum(min(n, EMBEDDING_CONTEXT) for n in self.encoder.count_tokens(texts))
        rows = _encode_base64(vectors) if encoding == "base64" else vectors.tolist()
        data = [{"object": "embedding", "index": i, "embedding": row} for i, row in enumerate(rows)]
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        answer = {"object": "list", "model": EMBEDDING_MODEL, "data": data, "usage": usage}
        return reply_json(200, answer)

    def _chat(self, body: bytes) -> Reply:
        request = _read_object(body)
        _check_model(request, CHAT_MODEL)
        _check_plain(request)
        prompt = _read_prompt(request.get("messages"))
        # Loaded before the first byte is sent: once a stream has begun its status is said.
        encoder = self.encoder
        if request.get("stream"):
            options = request.get("stream_options")
            with_usage = isinstance(options, Mapping) and bool(options.get("include_usage"))
            headers = {"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
            return Reply(200, headers, self._stream(prompt, encoder, with_usage))
        parts = self._answer(prompt, encoder)
        message = {"role": "assistant", "content": " ".join(parts)}
        choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
        head = _describe_answer("chat.completion")
        usage = _count(encoder, prompt, parts)
        return reply_json(200, head | {"choices": choices, "usage": usage})

    def _answer(self, prompt: str, encoder: Encoder) -> Sequence[str]:
        from rag.models.embedded.extractive import THRESHOLD, answer

        passages, question = read_passages(prompt)
        question = question.removeprefix(_QUESTION).strip()
        threshold = THRESHOLD if self._threshold is None else self._threshold
        return answer(question, passages, encoder.encode, threshold).parts

    def _stream(self, prompt: str, encoder: Encoder, with_usage: bool) -> Iterator[bytes]:
        head = _describe_answer("chat.completion.chunk")

        def event(delta: Mapping[str, str], finish: str | None = None) -> bytes:
            choice = {"index": 0, "delta": delta, "finish_reason": finish}
            return _event(head | {"choices": [choice]})

        yield event({"role": "assistant", "content": ""})
        parts = self._answer(prompt, encoder)
        for number, part in enumerate(parts):
            yield event({"content": f" {part}" if number else part})
        yield event({}, "stop")
        if with_usage:
            yield _event(head | {"choices": [], "usage": _count(encoder, prompt, parts)})
        yield b"data: [DONE]\n\n"


class InProcessTransport(httpx2.BaseTransport):
    """Lets an `httpx2.Client` talk to a handler without a socket; parts arrive as they are made."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answer the request; every URL leads to the handler, whatever its host."""
        body = request.read()
        reply = self._handler.handle(request.method, request.url.path, body)
        return httpx2.Response(
            reply.status, headers=dict(reply.headers), stream=_Body(reply), request=request
        )


class _Body(httpx2.SyncByteStream):
    def __init__(self, reply: Reply) -> None:
        self._reply = reply

    def __iter__(self) -> Iterator[bytes]:
        yield from self._reply.body

    def close(self) -> None:
        self._reply.close()


def _load_encoder(cache_dir: Path) -> Encoder:
    if not are_weights_present(cache_dir):
        raise ModelUnavailable(
            f"The weights of {EMBEDDING_MODEL} are not in {model_folder(cache_dir)}",
            "Run: rag models pull",
        )
    from rag.models.embedded.encoder import Encoder

    return Encoder(model_folder(cache_dir))


def _describe_answer(kind: str) -> dict[str, object]:
    name = f"chatcmpl-{uuid4().hex}"
    return {"id": name, "object": kind, "created": int(time.time()), "model": CHAT_MODEL}


def _read_object(body: bytes) -> Mapping[str, object]:
    try:
        request = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise _Refused(400, "The body is not valid JSON", code="invalid_json") from error
    if not isinstance(request, dict):
        raise _Refused(400, "The body must be a JSON object", code="invalid_json")
    return request


def _check_model(request: Mapping[str, object], wanted: str) -> None:
    model = request.get("model")
    if model == wanted:
        return
    if model in (EMBEDDING_MODEL, CHAT_MODEL):
        raise _Refused(400, f"{model} cannot do this; use {wanted}", param="model")
    offered = f"use {EMBEDDING_MODEL} to embed or {CHAT_MODEL} to answer"
    raise _Refused(
        404, f"There is no model {model!r}; {offered}", param="model", code="model_not_found"
    )


def _check_plain(request: Mapping[str, object]) -> None:
    if request.get("tools") or request.get("functions"):
        raise _Refused(400, f"{CHAT_MODEL} cannot call tools", param="tools")
    form = request.get("response_format")
    kind = form.get("type") if isinstance(form, Mapping) else form
    if kind not in (None, "text"):
        message = f"{CHAT_MODEL} supports no response_format.type but 'text'"
        raise _Refused(400, message, param="response_format")


def _read_input(given: object) -> list[str]:
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise _Refused(400, "input must be a string or a list of strings", param="input")
    if not texts or not all(texts):
        raise _Refused(400, "input is empty or holds an empty string", param="input")
    return texts


def _read_encoding(request: Mapping[str, object]) -> object:
    encoding = request.get("encoding_format", "float")
    if encoding not in ("float", "base64"):
        message = "encoding_format must be 'float' or 'base64'"
        raise _Refused(400, message, param="encoding_format")
    if request.get("dimensions", DIMENSION) != DIMENSION:
        raise _Refused(400, f"{EMBEDDING_MODEL} has {DIMENSION} dimensions", param="dimensions")
    return encoding


def _read_prompt(messages: object) -> str:
    """Return the text of the last message of the user."""
    for message in reversed(messages if isinstance(messages, list) else []):
        if isinstance(message, Mapping) and message.get("role") == "user":
            content = message.get("content")
            parts = content if isinstance(content, list) else [{"text": content}]
            texts = [part.get("text") if isinstance(part, Mapping) else None for part in parts]
            return "\n".join(text for text in texts if isinstance(text, str))
    raise _Refused(400, "messages must hold a message of the user", param="messages")


def _count(encoder: Encoder, prompt: str, parts: Sequence[str]) -> Mapping[str, int]:
    asked, answered = encoder.count_tokens([prompt, " ".join(parts)])
    total = asked + answered
    return {"prompt_tokens": asked, "completion_tokens": answered, "total_tokens": total}


def _encode_base64(vectors: Vectors) -> list[str]:
    return [base64.b64encode(row.astype("<f4").tobytes()).decode("ascii") for row in vectors]


def _event(data: Mapping[str, object]) -> bytes:
    return b"data: " + json.dumps(data).encode("ascii") + b"\n\n"
