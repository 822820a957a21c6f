"""Which of a server's models to use, with the reason for the choice."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rag.models.base.errors import ModelUnavailable
from rag.models.discover import ModelInfo, Offer
from rag.models.families import canonical_name, looks_like_embedding
from rag.models.wire.faults import LOAD_MODEL


@dataclass(frozen=True, slots=True)
class Choice:
    """A model and why it was taken."""

    model: ModelInfo
    reason: str


def choose_embedding(offer: Offer, wanted: str | None) -> Choice:
    """Return the embedding model to use: the one asked for, a loaded one, one that looks so."""
    if wanted:
        return _asked_for(offer, wanted, "RAG_EMBEDDING_MODEL")
    fitting = [m for m in offer.models if m.kind == "embedding" or looks_like_embedding(m.id)]
    unknown = [m for m in offer.models if m.kind == "unknown"]
    if not fitting and len(unknown) == len(offer.models) == 1:
        return Choice(unknown[0], "the only model offered; the first text sent proves it")
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
    # The name as it is first: `llama:1b` and `llama:3b` are two models of one canonical name.
    exact = [m for m in offer.models if m.id == wanted]
    alike = [m for m in offer.models if canonical_name(m.id) == canonical_name(wanted)]
    if exact or len(alike) == 1:
        return Choice((exact or alike)[0], f"named by {setting}")
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
