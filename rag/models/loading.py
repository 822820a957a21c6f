"""A model that is offered but not loaded in, the same model loaded out, where a server can."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor, TimeoutError
from typing import TYPE_CHECKING

from rag.models.base.errors import RequestRefused, ServerBusy
from rag.models.discover import ModelInfo, list_models
from rag.models.families import canonical_name

if TYPE_CHECKING:
    from rag.models.endpoint import Endpoint

LOAD_PATH = "/api/v1/models/load"
_TELL_EVERY_SECONDS = 1.0


def load_model(endpoint: Endpoint, model: ModelInfo, limit_seconds: float) -> ModelInfo:
    """Return the model as it is once it is loaded, with the context it then has.

    Only LM Studio's native surface is asked to load: a model loaded that way is not evicted
    when another one is needed, as those are that it loads by itself (Idle TTL and Auto-Evict
    in its documentation).  Everywhere else, and where it refuses, the model is returned as it
    is: the first request then loads it.  Raises ServerBusy after `limit_seconds`.
    """
    if model.loaded is not False or list_models(endpoint).source != "/api/v1/models":
        return model
    try:
        _wait(endpoint, model, limit_seconds)
    except RequestRefused as error:
        endpoint.on_wait(error.message, 0.0)
        return model
    same = canonical_name(model.id)
    loaded = (m for m in list_models(endpoint).models if m.loaded)
    return next((m for m in loaded if canonical_name(m.id) == same), model)


def _wait(endpoint: Endpoint, model: ModelInfo, limit_seconds: float) -> None:
    started = time.monotonic()
    # Not in a `with`: leaving it would wait for a request that may hang.
    pool = ThreadPoolExecutor(1, "load")
    loading: Future[object] = pool.submit(endpoint.post, LOAD_PATH, {"model": model.id})
    pool.shutdown(wait=False)
    while not loading.done():
        waited = time.monotonic() - started
        if waited > limit_seconds:
            raise ServerBusy(
                f"{endpoint.host} did not load {model.id} within {limit_seconds:g} seconds",
                f"load it there (lms load {model.id}), or raise RAG_LOAD_TIMEOUT_SECONDS",
            )
        endpoint.on_wait(f"{endpoint.host} loads {model.id}", waited)
        try:
            loading.result(_TELL_EVERY_SECONDS)
        except TimeoutError:
            continue
