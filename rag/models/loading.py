"""A model that is offered but not loaded in, the same model loaded out, where a server can."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
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
from rag.models.waiting import TELL_EVERY_SECONDS, too_slow, wait_for
from rag.models.wire.patience import AnswerTimeout

if TYPE_CHECKING:
    from rag.models.endpoint import Endpoint

CAN_LOAD = "/api/v1/models"
LOAD_PATH = "/api/v1/models/load"
UNLOAD_PATH = "/api/v1/models/unload"
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
    offer: Offer | None = None,
) -> ModelInfo:
    """Return the model as it is once it is loaded, with the context it then has.

    Only LM Studio's native surface is asked to load: a model loaded that way is not evicted
    when another one is needed, as those are that it loads by itself (Idle TTL and Auto-Evict
    in its documentation).  Everywhere else, and where it refuses, the model is returned as it
    is: the first request then loads it.  A load of the model that an earlier call gave up is
    waited for: a second one would be a second instance.

    Where memory has no room, those of `others` that are loaded are unloaded one by one until
    it has; no other model ever is.  `context_tokens` asks for a context, None leaves it to the
    server; never more than the model has.  `offer` is what the server offers now, None to look.
    Raises ServerBusy when a load takes more than `limit_seconds`.
    """
    if model.loaded is not False:
        return model
    offer = offer or list_models(endpoint)
    if offer.source != CAN_LOAD:
        return model
    if there := _loaded(offer, model):
        return there
    ours = [m for other in others if _key(other) != _key(model) and (m := _loaded(offer, other))]
    try:
        answer = _load(endpoint, _request(model, context_tokens), limit_seconds, ours)
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
    key: str | None = None,
    others: Sequence[ModelInfo] = (),
    context_tokens: int | None = None,
) -> ModelInfo | None:
    """Return the model of that id loaded once more after it crashed or was unloaded.

    Its id may be a new one; `key` names it where it was loaded under a name of its own.  None
    when the server does not offer it any more; not loaded where the server cannot be told to.
    Otherwise as `load_model`.
    """
    # The second instance of a model is named `key:2`.
    names = (model_id, re.sub(r":\d+$", "", model_id), key or model_id)
    offer = list_models(endpoint)
    offered = [m for m in offer.models if {m.id, m.key} & set(names)]
    if not offered:
        return None
    model = min(offered, key=lambda m: (m.id != model_id, not m.loaded))
    return load_model(
        endpoint,
        model,
        limit_seconds,
        others=others,
        context_tokens=context_tokens,
        offer=offer,
    )


def wake_model(
    endpoint: Endpoint,
    model: ModelInfo,
    limit_seconds: float,
    ask: Callable[[], object],
) -> ModelInfo:
    """Return the model as it is after a first request, which loads it where nothing else can.

    `ask` makes that request, a tiny one; it is not made for a model that is not known as not
    loaded.  It runs in the background, so that waiting is told and can be interrupted.  Raises
    what `ask` raises, and ServerBusy when it takes more than `limit_seconds`.
    """
    if model.loaded is not False:
        return model
    wait_for(endpoint, _key(model), f"ask {endpoint.url} {_key(model)}", ask, limit_seconds)
    try:
        return look_again(endpoint, model)
    except EndpointError:
        return replace(model, loaded=True)


def look_again(endpoint: Endpoint, model: ModelInfo) -> ModelInfo:
    """Return the model with its state and context of now, after a first request loaded it.

    Unchanged where the server does not list it any more.  Raises EndpointError.
    """
    now = describe_model(endpoint, _key(model))
    now = now or next((m for m in list_models(endpoint).models if m.id == model.id), None)
    if now is None:
        return model
    return replace(
        model,
        loaded=now.loaded,
        context_tokens=now.context_tokens or model.context_tokens,
        parallel=now.parallel or model.parallel,
    )


def _request(model: ModelInfo, context_tokens: int | None) -> Mapping[str, object]:
    body: dict[str, object] = {"model": _key(model)}
    if context_tokens:
        body["context_length"] = min(context_tokens, model.max_context_tokens or context_tokens)
    return body


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
            # A refusal comes soon: nothing is told before that would have to be told again.
            return _post_load(endpoint, body, limit_seconds, quiet_seconds=TELL_EVERY_SECONDS)
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
    return _post_load(endpoint, body, limit_seconds)


def _post_load(
    endpoint: Endpoint,
    body: Mapping[str, object],
    limit_seconds: float,
    quiet_seconds: float = 0.0,
) -> object:
    """Return the answer to a request to load; a busy server is asked again until the limit."""
    started, model = time.monotonic(), str(body["model"])

    def post() -> object:
        while True:
            try:
                return endpoint.post(LOAD_PATH, body)
            except AnswerTimeout as slow:
                raise too_slow(endpoint, model, time.monotonic() - started) from slow
            except ServerBusy as busy:
                time.sleep(busy.retry_after_seconds or TELL_EVERY_SECONDS)
                if time.monotonic() - started >= limit_seconds:
                    raise too_slow(endpoint, model, limit_seconds) from busy

    name = f"load {endpoint.url} {model}"
    return wait_for(endpoint, model, name, post, limit_seconds, quiet_seconds)
