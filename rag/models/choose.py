"""Which of a server's models to use, with the reason for the choice."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rag.models.base.errors import ModelUnavailable
from rag.models.discover import ModelInfo, Offer
from rag.models.families import canonical_name, looks_like_embedding
from rag.models.wire.faults import LOAD_MODEL

_RERANKER = re.compile(r"rerank|cross-encoder", re.IGNORECASE)
_UNPROVEN = "; the first text sent proves it"


@dataclass(frozen=True, slots=True)
class Choice:
    """A model and why it was taken.

    `certain` is false while only its name, or the lack of another, says that it can do what it
    was chosen for: LM Studio calls some embedding models "llm" and answers for models that
    cannot embed with numbers that mean nothing.  One text tells before many are sent.
    """

    model: ModelInfo
    reason: str
    certain: bool = True


def choose_embedding(offer: Offer, wanted: str | None) -> Choice:
    """Return the embedding model to use: the one asked for, a loaded one, one that looks so."""
    if wanted:
        model = _asked_for(offer, wanted, "RAG_EMBEDDING_MODEL")
        return Choice(model, "named by RAG_EMBEDDING_MODEL", model.kind == "embedding")
    models = [m for m in offer.models if not _RERANKER.search(m.id)]
    fitting = [m for m in models if m.kind == "embedding" or looks_like_embedding(m.id)]
    if not fitting and len(offer.models) == len(models) == 1 and models[0].kind == "unknown":
        return Choice(models[0], f"the only model offered{_UNPROVEN}", certain=False)
    if not fitting:
        raise ModelUnavailable(
            f"{offer.server} offers no embedding model ({_names(offer.models)})",
            f"{LOAD_MODEL}; or set RAG_EMBEDDING_ENDPOINT=embedded to embed with the built-in one",
        )
    # What the server calls an embedding model too goes before what only its name calls so.
    fitting.sort(key=lambda m: m.kind == "chat")
    model, reason = _prefer_loaded(fitting, "embedding model")
    if model.kind == "chat":
        reason += f", by its name (the server calls it a chat model){_UNPROVEN}"
    return Choice(model, reason, model.kind == "embedding")


def choose_chat(offer: Offer, wanted: str | None) -> Choice:
    """Return the chat model to use: the one asked for, a loaded one, the first offered."""
    if wanted:
        model = _asked_for(offer, wanted, "RAG_CHAT_MODEL")
        return Choice(model, "named by RAG_CHAT_MODEL", model.kind == "chat")
    fitting = [
        m
        for m in offer.models
        if m.kind != "embedding" and not (looks_like_embedding(m.id) or _RERANKER.search(m.id))
    ]
    if not fitting:
        raise ModelUnavailable(
            f"{offer.server} offers no chat model ({_names(offer.models)})",
            "load one in the server, or set RAG_CHAT_ENDPOINT=embedded to quote sentences "
            "with the built-in one",
        )
    model, reason = _prefer_loaded(fitting, "chat model")
    return Choice(model, reason, model.kind == "chat")


def _asked_for(offer: Offer, wanted: str, setting: str) -> ModelInfo:
    # The name as it is first: `llama:1b` and `llama:3b` are two models of one canonical name.
    named = (
        [m for m in offer.models if m.id == wanted]
        or [m for m in offer.models if m.key == wanted]
        or _only([m for m in offer.models if canonical_name(m.id) == canonical_name(wanted)])
    )
    if named:
        return named[0]
    raise ModelUnavailable(
        f"{offer.server} does not offer {wanted} ({_names(offer.models)})",
        f"load it in the server, or change {setting}",
    )


def _only(models: Sequence[ModelInfo]) -> Sequence[ModelInfo]:
    return models if len({m.key or m.id for m in models}) == 1 else ()


def _prefer_loaded(models: Sequence[ModelInfo], what: str) -> tuple[ModelInfo, str]:
    loaded = [m for m in models if m.loaded]
    if len(loaded) == 1:
        return loaded[0], f"the only {what} loaded"
    if loaded:
        return loaded[0], f"the first of {len(loaded)} loaded {what}s"
    if len(models) == 1:
        return models[0], f"the only {what} offered"
    state = "none is loaded" if models[0].loaded is False else "the server names no state"
    return models[0], f"the first of {len(models)} {what}s offered; {state}"


def _names(models: Iterable[ModelInfo]) -> str:
    return "it offers " + (", ".join(m.id for m in models) or "none at all")
