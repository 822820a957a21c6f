"""A model that is offered but not loaded in, the same model loaded out, where a server can."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, TimeoutError
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from rag.models.base.errors import (
    AuthenticationFailed,
    EndpointError,
    EndpointUnreachable,
    ModelUnavailable,
    RequestRefused,
    ServerBusy,
)
from rag.models.discover import ModelInfo, Offer, describe_model, list_models

if TYPE_CHECKING:
    from rag.models.endpoint import Endpoint

CAN_LOAD = "/api/v1/models"
LOAD_PATH = "/api/v1/models/load"
UNLOAD_PATH = "/api/v1/models/unload"
_TELL_EVERY_SECONDS = 1.0
_NO_ROOM = re.compile(
    r"insufficient (system )?(resources|memory)|not enough (system )?(resources|memory)"
    r"|out of memory|(unable|failed) to allocate|overload your system",
    re.IGNORECASE,
)


def load_model(
    endpoint: Endpoint,
    model: ModelInfo,
    limit_seconds: float,
    *,
    others: Sequence[ModelInfo] = (),
    context_tokens: int | None = None,
) -> ModelInfo:
    """Return the model as it is once it is loaded, with the context it then has.

    Only LM Studio's native surface is asked to load: a model loaded that way is not evicted
    when another one is needed, as those are that it loads by itself (Idle TTL and Auto-Evict
    in its documentation).  Everywhere else, and where it refuses, the model is returned as it
    is: the first request then loads it.

    Where memory has no room, those of `others` that are loaded are unloaded one by one until
    it has; no other model ever is.  `context_tokens` asks for a context, None leaves it to the
    server.  Raises ServerBusy when a load takes more than `limit_seconds`.
    """
    if model.loaded is not False or (offer := list_models(endpoint)).source != CAN_LOAD:
        return model
    if there := _loaded(offer, model):
        return there
    body = {"model": _key(model)}
    wanted = body | ({"context_length": context_tokens} if context_tokens else {})
    ours = [m for other in others if _key(other) != _key(model) and (m := _loaded(offer, other))]
    try:
        answer = _load(endpoint, wanted, limit_seconds, ours)
    except (AuthenticationFailed, EndpointUnreachable, ServerBusy):
        raise
    except EndpointError as error:
        endpoint.on_wait(error.message, 0.0)
        return model
    name = answer.get("instance_id") if isinstance(answer, dict) else None
    instance = replace(model, id=str(name or model.id), key=_key(model))
    return _loaded(list_models(endpoint), instance) or model


def load_again(
    endpoint: Endpoint,
    model_id: str,
    limit_seconds: float,
    *,
    others: Sequence[ModelInfo] = (),
    context_tokens: int | None = None,
) -> ModelInfo | None:
    """Return the model of that id loaded once more after it crashed or was unloaded.

    Its id may be a new one.  None when the server does not offer it any more; not loaded
    where the server cannot be told to.  Otherwise as `load_model`.
    """
    # The second instance of a model is named `key:2`.
    names = (model_id, re.sub(r":\d+$", "", model_id))
    offered = [m for m in list_models(endpoint).models if {m.id, m.key} & set(names)]
    if not offered:
        return None
    model = min(offered, key=lambda m: (m.id != model_id, not m.loaded))
    return load_model(endpoint, model, limit_seconds, others=others, context_tokens=context_tokens)


def look_again(endpoint: Endpoint, model: ModelInfo) -> ModelInfo:
    """Return the model with its state and context of now, after a first request loaded it.

    Unchanged where the server does not describe single models.  Raises EndpointError.
    """
    now = describe_model(endpoint, model.key or model.id)
    if now is None:
        return model
    context = now.context_tokens or model.context_tokens
    return replace(model, loaded=now.loaded, context_tokens=context)


def _key(model: ModelInfo) -> str:
    return model.key or model.id


def _loaded(offer: Offer, model: ModelInfo) -> ModelInfo | None:
    """Return the loaded instance of that id, else any of the same model, None without one."""
    alike = [m for m in offer.models if m.loaded and (m.id == model.id or _key(m) == _key(model))]
    return min(alike, key=lambda m: m.id != model.id, default=None)


def _load(
    endpoint: Endpoint,
    body: Mapping[str, object],
    limit_seconds: float,
    ours: Sequence[ModelInfo],
) -> object:
    """Return the server's answer to the load, which may cost our other models their place."""
    for other in ours:
        try:
            return _wait(endpoint, body, limit_seconds)
        except EndpointError as error:
            if not _NO_ROOM.search(error.message):
                raise
        endpoint.on_wait(
            f"{endpoint.host} has no room for both; {other.id} is unloaded for {body['model']}",
            0.0,
        )
        # Gone already is as good; what else went wrong, the next try to load says.
        with suppress(ModelUnavailable, RequestRefused):
            endpoint.post(UNLOAD_PATH, {"instance_id": other.id})
    return _wait(endpoint, body, limit_seconds)


def _wait(endpoint: Endpoint, body: Mapping[str, object], limit_seconds: float) -> object:
    """Return the answer to a request to load; a busy server is asked again until the limit."""
    started = time.monotonic()
    loading = _in_background(lambda: endpoint.post(LOAD_PATH, body))
    while (waited := time.monotonic() - started) < limit_seconds:
        endpoint.on_wait(f"{endpoint.host} loads {body['model']}", waited)
        pause = min(_TELL_EVERY_SECONDS, limit_seconds - waited)
        try:
            return loading.result(pause)
        except TimeoutError:
            continue
        except ServerBusy as busy:
            time.sleep(min(busy.retry_after_seconds or pause, limit_seconds - waited))
            loading = _in_background(lambda: endpoint.post(LOAD_PATH, body))
    raise ServerBusy(
        f"{endpoint.host} did not load {body['model']} within {limit_seconds:g} seconds",
        f"load it there (lms load {body['model']}), or raise RAG_LOAD_TIMEOUT_SECONDS",
    )


def _in_background(action: Callable[[], object]) -> Future[object]:
    """Return the future of an action whose thread never keeps the program from ending."""
    future: Future[object] = Future()

    def act() -> None:
        try:
            future.set_result(action())
        except BaseException as error:  # as an Executor does: it concerns whoever waits
            future.set_exception(error)

    threading.Thread(target=act, name="load", daemon=True).start()
    return future
