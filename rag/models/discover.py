"""What a server offers: its kind, told by the shape of its answers, and its models."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Literal, Protocol
from urllib.parse import quote

from rag.models.base.errors import BadResponse, EndpointError, ServerBusy
from rag.models.wire import hints
from rag.models.wire.faults import classify, error_text

Kind = Literal["embedding", "chat", "unknown"]


class Listing(Protocol):
    """What is needed of an endpoint to see its models."""

    @property
    def url(self) -> str:
        """Return the base URL."""
        ...

    @property
    def host(self) -> str:
        """Return host and port."""
        ...

    def get(self, path: str) -> object:
        """Return the JSON at a path from the server's root, None when it is no JSON."""
        ...


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """One model as the server describes it; None means the server did not say.

    `id` is what a request names; a model loaded twice is two of these, each with its own
    context.  `context_tokens` is what is allocated now (loaded), `max_context_tokens` what it
    could be; `remote_host` is another machine that this server passes requests on to; `key` is
    the name to load it by where that is not its id.
    """

    id: str
    kind: Kind = "unknown"
    loaded: bool | None = None
    context_tokens: int | None = None
    max_context_tokens: int | None = None
    quantisation: str | None = None
    parallel: int | None = None
    remote_host: str | None = None
    key: str | None = None
    architecture: str | None = None
    publisher: str | None = None
    format: str | None = None
    size_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """All models of a server; `source` is the path that told."""

    server: str
    source: str
    models: tuple[ModelInfo, ...]


def list_models(endpoint: Listing) -> Offer:
    """Return what the server offers, asking the most telling path first.

    LM Studio's /api/v1/models tells most, its /api/v0/models nearly as much, /v1/models often
    ids only.  An answer counts by its shape: some answer 200 to anything.  Raises EndpointError.
    """
    readers = (
        ("/api/v1/models", "models", _read_native_v1, "LM Studio"),
        ("/api/v0/models", "data", _read_native_v0, "LM Studio"),
        ("/v1/models", "data", _read_openai, ""),
    )
    body: object = None
    for path, key, read, server in readers:
        body = endpoint.get(path)
        rows = _rows(body, key)
        models = tuple(model for row in rows or () for model in read(row))
        if models or (rows is not None and path == "/v1/models"):
            offer = Offer(server or _name_server(rows or ()), path, models)
            enrich = _ENRICH.get(offer.server)
            return enrich(endpoint, offer) if enrich else offer
    if isinstance(body, dict) and body.get("error"):
        raise classify(error_text(body), 200, endpoint.host)
    raise BadResponse(f"{endpoint.url} does not list models", hints.MISSING_V1)


def _rows(body: object, key: str) -> list[Mapping[str, object]] | None:
    """Return the rows of a list, None where there is none; Ollama's empty list is null."""
    rows = body.get(key) if isinstance(body, dict) else None
    if rows is None and isinstance(body, dict) and body.get("object") == "list":
        return []
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else None


def describe_model(endpoint: Listing, model_id: str) -> ModelInfo | None:
    """Return one model as LM Studio's /api/v0/models/{id} describes it now.

    None where the server has no such path or no such model.  Raises EndpointError.
    """
    body = endpoint.get(f"/api/v0/models/{quote(model_id, safe='')}")
    return next(iter(_read_native_v0(body) if isinstance(body, dict) else ()), None)


def _enrich_ollama(endpoint: Listing, offer: Offer) -> Offer:
    """Add what Ollama's own paths tell: kind and size of each model, context where loaded.

    A model with a `remote_host` is not run here: it is proxied to another machine.
    """
    known = _by_name(endpoint.get("/api/tags")) or {}
    running = _by_name(endpoint.get("/api/ps"))
    models = (
        replace(
            _read_ollama(model, known.get(model.id, {})),
            loaded=None if running is None else model.id in running,
            context_tokens=_count((running or {}).get(model.id, {}).get("context_length")),
        )
        for model in offer.models
    )
    return replace(offer, models=tuple(models))


def _by_name(body: object) -> dict[str, Mapping[str, object]] | None:
    rows = _rows(body, "models")
    return None if rows is None else {str(row.get("name")): row for row in rows}


def _read_ollama(model: ModelInfo, row: Mapping[str, object]) -> ModelInfo:
    details = row.get("details")
    details = details if isinstance(details, dict) else {}
    abilities = row.get("capabilities")
    abilities = abilities if isinstance(abilities, list) else []
    kind: Kind = "embedding" if "embedding" in abilities else "chat" if abilities else "unknown"
    return replace(
        model,
        kind=kind,
        max_context_tokens=_count(details.get("context_length")),
        quantisation=_text(details.get("quantization_level")),
        remote_host=_text(row.get("remote_host")),
        architecture=_text(details.get("family")),
        format=_text(details.get("format")),
        size_bytes=_count(row.get("size")),
    )


def _enrich_llama_cpp(endpoint: Listing, offer: Offer) -> Offer:
    """Add the context of one slot: a llama.cpp server shares its context among them."""
    body = endpoint.get("/props")
    body = body if isinstance(body, dict) else {}
    settings, slots = body.get("default_generation_settings"), _count(body.get("total_slots"))
    context = _count(settings.get("n_ctx")) if isinstance(settings, dict) else None
    if len(offer.models) != 1 or not context:
        return offer
    model = replace(offer.models[0], context_tokens=context, parallel=slots)
    return replace(offer, models=(model,))


_ENRICH = {"Ollama": _enrich_ollama, "llama.cpp": _enrich_llama_cpp}


def _name_server(rows: Sequence[Mapping[str, object]]) -> str:
    owners = {str(row.get("owned_by", "")) for row in rows}
    known = {"llamacpp": "llama.cpp", "vllm": "vLLM", "foldercite": "the embedded model",
             "library": "Ollama"}  # fmt: skip
    return next((known[owner] for owner in owners if owner in known), "the server")


def _read_native_v1(row: Mapping[str, object]) -> list[ModelInfo]:
    """Read a downloaded model: one for each loaded instance, or one that is not loaded."""
    key, instances = row.get("key"), row.get("loaded_instances")
    if not isinstance(key, str):
        return []
    quantisation = row.get("quantization")
    model = ModelInfo(
        id=key,
        kind=_kind(row.get("type")),
        loaded=False,
        max_context_tokens=_count(row.get("max_context_length")),
        quantisation=_text(quantisation.get("name")) if isinstance(quantisation, dict) else None,
        architecture=_text(row.get("architecture")),
        publisher=_text(row.get("publisher")),
        format=_text(row.get("format")),
        size_bytes=_count(row.get("size_bytes")),
    )
    found = instances if isinstance(instances, list) else []
    return [_read_instance(model, i) for i in found if isinstance(i, dict)] or [model]


def _read_instance(model: ModelInfo, instance: Mapping[str, object]) -> ModelInfo:
    name, config = _text(instance.get("id")) or model.id, instance.get("config")
    config = config if isinstance(config, dict) else {}
    return replace(
        model,
        id=name,
        key=model.id if name != model.id else None,
        loaded=True,
        context_tokens=_count(config.get("context_length")),
        parallel=_count(config.get("parallel")),
    )


def _read_native_v0(row: Mapping[str, object]) -> list[ModelInfo]:
    name = row.get("id")
    if "type" not in row or "state" not in row or not isinstance(name, str):
        return []
    model = ModelInfo(
        id=name,
        kind=_kind(row.get("type")),
        loaded=row.get("state") == "loaded",
        context_tokens=_count(row.get("loaded_context_length")),
        max_context_tokens=_count(row.get("max_context_length")),
        quantisation=_text(row.get("quantization")),
        architecture=_text(row.get("arch")),
        publisher=_text(row.get("publisher")),
        format=_text(row.get("compatibility_type")),
    )
    return [model]


def _read_openai(row: Mapping[str, object]) -> list[ModelInfo]:
    name, meta = row.get("id"), row.get("meta")
    if not isinstance(name, str):
        return []
    meta = meta if isinstance(meta, dict) else {}
    model = ModelInfo(
        id=name,
        kind=_kind(row.get("type")),
        loaded=True if meta else None,
        context_tokens=_count(meta.get("n_ctx")) or _count(row.get("max_model_len")),
        max_context_tokens=_count(meta.get("n_ctx_train")),
        size_bytes=_count(meta.get("size")),
    )
    return [model]


def _kind(value: object) -> Kind:
    match value:
        case "embedding" | "embeddings":
            return "embedding"
        case "llm" | "vlm":
            return "chat"
        case _:
            return "unknown"


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and value > 0 else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


KNOWN_SERVERS = (
    ("LM Studio", "http://127.0.0.1:1234/v1"),
    ("Ollama", "http://127.0.0.1:11434/v1"),
    ("llama.cpp", "http://127.0.0.1:9931/v1"),
    ("llama.cpp", "http://127.0.0.1:8080/v1"),
    ("vLLM", "http://127.0.0.1:8000/v1"),
)
"""Where servers listen if nobody changed it, in the order in which they are taken."""


def find_servers(connect: Callable[[str], Listing]) -> list[tuple[str, Offer]]:
    """Return (URL, offer) of each server that answers where one usually listens, in order.

    One that has no model, or is busy loading, is among them with an offer without models.
    All are asked at once; `connect` should give up after about a second.
    """
    with ThreadPoolExecutor(len(KNOWN_SERVERS)) as pool:
        offers = pool.map(lambda known: _try_to_list(known[0], connect(known[1])), KNOWN_SERVERS)
        return [
            (url, offer) for (_, url), offer in zip(KNOWN_SERVERS, offers, strict=True) if offer
        ]


def _try_to_list(usual: str, endpoint: Listing) -> Offer | None:
    """Return the offer, under the name of what usually listens there if it has no model."""
    try:
        offer = list_models(endpoint)
    except EndpointError as error:
        is_busy = isinstance(error, ServerBusy) and _is_busy(endpoint)
        return Offer(usual, "", ()) if is_busy else None
    return offer if offer.models else replace(offer, server=usual)


def _is_busy(endpoint: Listing) -> bool:
    """Tell a model server from a web page: on a native path only JSON says that it is busy."""
    try:
        endpoint.get("/api/v1/models")
    except EndpointError as error:
        return isinstance(error, ServerBusy)
    return False
