"""What a server offers, and which of its models to use, with the reason for the choice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from rag.models.errors import BadResponse, ModelUnavailable
from rag.models.families import canonical_name, looks_like_embedding
from rag.models.faults import LOAD_MODEL, MISSING_V1, classify, error_text

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

    `context_tokens` is what is allocated now (loaded), `max_context_tokens` what it could be.
    """

    id: str
    kind: Kind = "unknown"
    loaded: bool | None = None
    context_tokens: int | None = None
    max_context_tokens: int | None = None
    quantisation: str | None = None
    parallel: int | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """All models of a server; `source` is the path that told."""

    server: str
    source: str
    models: tuple[ModelInfo, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """A model and why it was taken."""

    model: ModelInfo
    reason: str


def list_models(endpoint: Listing) -> Offer:
    """Return what the server offers, asking the most telling path first.

    LM Studio's /api/v1/models tells type, state and loaded context, /api/v0/models nearly as
    much, /v1/models only ids on most servers.  A path counts when its answer has the right
    shape, since some servers answer 200 to anything.  Raises EndpointError.
    """
    readers = (
        ("/api/v1/models", "models", _read_native_v1, "LM Studio"),
        ("/api/v0/models", "data", _read_native_v0, "LM Studio"),
        ("/v1/models", "data", _read_openai, ""),
    )
    body: object = None
    for path, key, read, server in readers:
        body = endpoint.get(path)
        items = body.get(key) if isinstance(body, dict) else None
        if isinstance(items, list) and (path == "/v1/models" or items):
            rows = [item for item in items if isinstance(item, dict)]
            models = tuple(model for row in rows if (model := read(row)) is not None)
            if models or path == "/v1/models":
                return Offer(server or _name_server(rows), path, models)
    if isinstance(body, dict) and body.get("error"):
        raise classify(error_text(body), 200, endpoint.host)
    raise BadResponse(f"{endpoint.url} does not list models", MISSING_V1)


def choose_embedding(offer: Offer, wanted: str | None) -> Choice:
    """Return the embedding model to use: the one asked for, a loaded one, one that looks so."""
    if wanted:
        return _asked_for(offer, wanted, "RAG_EMBEDDING_MODEL")
    fitting = [m for m in offer.models if m.kind == "embedding" or looks_like_embedding(m.id)]
    if not fitting:
        raise ModelUnavailable(
            f"{offer.server} offers no embedding model ({_names(offer.models)})",
            f"{LOAD_MODEL}; or set RAG_EMBEDDING_ENDPOINT=embedded to embed with the built-in one",
        )
    return _prefer_loaded(fitting, "embedding model")


def choose_chat(offer: Offer, wanted: str | None) -> Choice:
    """Return the chat model to use: the one asked for, a loaded one, the first offered."""
    if wanted:
        return _asked_for(offer, wanted, "RAG_CHAT_MODEL")
    fitting = [
        m
        for m in offer.models
        if m.kind == "chat" or (m.kind == "unknown" and not looks_like_embedding(m.id))
    ]
    fitting = [m for m in fitting if not looks_like_embedding(m.id)]
    if not fitting:
        raise ModelUnavailable(
            f"{offer.server} offers no chat model ({_names(offer.models)})",
            "load one in the server, or set RAG_CHAT_ENDPOINT=embedded to quote sentences "
            "with the built-in one",
        )
    return _prefer_loaded(fitting, "chat model")


def _asked_for(offer: Offer, wanted: str, setting: str) -> Choice:
    same = canonical_name(wanted)
    for model in offer.models:
        if model.id == wanted or canonical_name(model.id) == same:
            return Choice(model, f"named by {setting}")
    raise ModelUnavailable(
        f"{offer.server} does not offer {wanted} ({_names(offer.models)})",
        f"load it in the server, or change {setting}",
    )


def _prefer_loaded(models: Sequence[ModelInfo], what: str) -> Choice:
    loaded = [m for m in models if m.loaded]
    if len(loaded) == 1:
        return Choice(loaded[0], f"the only {what} loaded")
    if loaded:
        return Choice(loaded[0], f"the first of {len(loaded)} loaded {what}s")
    if len(models) == 1:
        return Choice(models[0], f"the only {what} offered")
    state = "none is loaded" if models[0].loaded is False else "the server names no state"
    return Choice(models[0], f"the first of {len(models)} {what}s offered; {state}")


def _names(models: Iterable[ModelInfo]) -> str:
    return "it offers " + (", ".join(m.id for m in models) or "none at all")


def _name_server(rows: Sequence[Mapping[str, object]]) -> str:
    owners = {str(row.get("owned_by", "")) for row in rows}
    known = {"llamacpp": "llama.cpp", "vllm": "vLLM", "foldercite": "the embedded model",
             "library": "Ollama"}  # fmt: skip
    return next((known[owner] for owner in owners if owner in known), "the server")


def _read_native_v1(row: Mapping[str, object]) -> ModelInfo | None:
    key, instances = row.get("key"), row.get("loaded_instances")
    if not isinstance(key, str):
        return None
    first = instances[0] if isinstance(instances, list) and instances else {}
    config = first.get("config", {}) if isinstance(first, dict) else {}
    quantisation = row.get("quantization")
    return ModelInfo(
        id=str(first.get("id", key)) if isinstance(first, dict) else key,
        kind=_kind(row.get("type")),
        loaded=bool(instances),
        context_tokens=_count(config.get("context_length")),
        max_context_tokens=_count(row.get("max_context_length")),
        quantisation=str(quantisation.get("name")) if isinstance(quantisation, dict) else None,
        parallel=_count(config.get("parallel")),
    )


def _read_native_v0(row: Mapping[str, object]) -> ModelInfo | None:
    if "type" not in row or "state" not in row:
        return None
    return ModelInfo(
        id=str(row.get("id")),
        kind=_kind(row.get("type")),
        loaded=row.get("state") == "loaded",
        context_tokens=_count(row.get("loaded_context_length")),
        max_context_tokens=_count(row.get("max_context_length")),
        quantisation=str(row["quantization"]) if row.get("quantization") else None,
    )


def _read_openai(row: Mapping[str, object]) -> ModelInfo | None:
    if not isinstance(row.get("id"), str):
        return None
    meta = row.get("meta")
    meta = meta if isinstance(meta, dict) else {}
    return ModelInfo(
        id=str(row["id"]),
        kind=_kind(row.get("type")),
        loaded=True if meta else None,
        context_tokens=_count(meta.get("n_ctx")) or _count(row.get("max_model_len")),
        max_context_tokens=_count(meta.get("n_ctx_train")),
    )


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
