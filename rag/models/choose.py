"""Which of a server's models to use, with the reason for the choice."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rag.models.base.errors import ModelUnavailable
from rag.models.discover import ModelInfo, Offer
from rag.models.families import canonical_name, looks_like_embedding
from rag.models.wire.hints import commands_of

_RERANKER = re.compile(r"rerank|cross-encoder", re.IGNORECASE)
# As Ollama tags what it only passes on: `glm-4.6:cloud`, `gpt-oss:120b-cloud`.
_ELSEWHERE = re.compile(r":([\w.-]+-)?cloud$", re.IGNORECASE)
_PLAINLY_CHAT = re.compile(
    r"\d[bm]-it(?![a-z])|(?<![a-z])(instruct|chat|coder|assistant|thinking|reasoning|vicuna|mixtral|mistral|qwq"
    r"|gpt-oss|(llama|qwen|gemma|phi)-?\d[\d.]*|deepseek-(r1|v\d))(?![a-z])",
    re.IGNORECASE,
)
# A chat model that each server knows by this name, for a command that can be copied.
_EXAMPLES = {"Ollama": "qwen3:4b", "llama.cpp": "Qwen3-4B", "vLLM": "Qwen/Qwen3-4B"}
_EXAMPLE = "qwen/qwen3-4b"
_EMBEDDING_EXAMPLE = "nomic-embed-text-v1.5"
_UNPROVEN = "; the first text sent proves it"


@dataclass(frozen=True, slots=True)
class Choice:
    """A model and why it was taken.

    The reason also says when only its name, or the lack of another, tells that it can do what
    it was chosen for: LM Studio calls some embedding models "llm" and answers for models that
    cannot embed with numbers that mean nothing.  One text tells before many are sent.
    """

    model: ModelInfo
    reason: str


def choose_embedding(offer: Offer, wanted: str | None, made_with: str = "") -> Choice:
    """Return the embedding model to use: the one asked for, a loaded one, one that looks so.

    Where none is asked for, the model that an index was `made_with` goes first, if it is offered.
    """
    if wanted:
        model = _asked_for(offer, wanted, "RAG_EMBEDDING_MODEL")
        return Choice(model, "named by RAG_EMBEDDING_MODEL")
    if made_with and len(offer.models) > 1 and (named := _named(offer, made_with)):
        return Choice(named[0], "the index was made with it")
    models = [m for m in offer.models if not _RERANKER.search(m.id)]
    fitting = [m for m in models if m.kind == "embedding" or looks_like_embedding(m.id)]
    if not fitting and len(offer.models) == len(models) == 1 and _may_embed(models[0]):
        return Choice(models[0], f"the only model offered{_UNPROVEN}")
    if not fitting:
        embed = commands_of(offer.server, _EMBEDDING_EXAMPLE).embed
        is_unsaid = any(m.kind == "unknown" for m in models)
        raise ModelUnavailable(
            f"{offer.server} offers no embedding model ({_names(offer.models)})",
            f"load one ({embed}), or set RAG_EMBEDDING_ENDPOINT=embedded to embed with the "
            f"built-in one{'; if one of these embeds: set RAG_EMBEDDING_MODEL' * is_unsaid}",
        )
    # What the server calls an embedding model too goes before what only its name calls so.
    fitting.sort(key=lambda m: m.kind == "chat")
    choice = _choose(fitting, "embedding model")
    if choice.model.kind == "chat":
        by_name = f", by its name (the server calls it a chat model){_UNPROVEN}"
        return Choice(choice.model, choice.reason + by_name)
    return choice


def choose_chat(offer: Offer, wanted: str | None) -> Choice:
    """Return the chat model to use: the one asked for, a loaded one, the first offered."""
    if wanted:
        return Choice(_asked_for(offer, wanted, "RAG_CHAT_MODEL"), "named by RAG_CHAT_MODEL")
    fitting = [
        m
        for m in offer.models
        if m.kind != "embedding" and not (looks_like_embedding(m.id) or _RERANKER.search(m.id))
    ]
    if not fitting:
        raise ModelUnavailable(
            f"{offer.server} offers no chat model ({_names(offer.models)})",
            f"{_to_load(offer, _EXAMPLES.get(offer.server, _EXAMPLE))}; or set "
            "RAG_CHAT_ENDPOINT=embedded to quote sentences with the built-in one",
        )
    return _choose(fitting, "chat model")


def runs_elsewhere(model: ModelInfo) -> bool:
    """Tell whether the server only passes requests for the model on to another machine."""
    return bool(model.remote_host or _ELSEWHERE.search(model.id))


def _may_embed(model: ModelInfo) -> bool:
    return model.kind == "unknown" and not _PLAINLY_CHAT.search(re.split(r"[/\\]", model.id)[-1])


def _to_load(offer: Offer, model: str) -> str:
    if commands_of(offer.server) is commands_of(""):
        return f"load a model like {model} in the server (LM Studio: lms get {model})"
    return commands_of(offer.server, model).load


def _asked_for(offer: Offer, wanted: str, setting: str) -> ModelInfo:
    if named := _named(offer, wanted):
        return named[0]
    raise ModelUnavailable(
        f"{offer.server} does not offer {wanted} ({_names(offer.models)})",
        f"{_to_load(offer, wanted)}; or change {setting}",
    )


def _named(offer: Offer, name: str) -> Sequence[ModelInfo]:
    # The name as it is first: `llama:1b` and `llama:3b` are two models of one canonical name.
    return (
        [m for m in offer.models if m.id == name]
        or [m for m in offer.models if m.key == name]
        or _only([m for m in offer.models if canonical_name(m.id) == canonical_name(name)])
    )


def _only(models: Sequence[ModelInfo]) -> Sequence[ModelInfo]:
    return models if len({m.key or m.id for m in models}) == 1 else ()


def _choose(models: Sequence[ModelInfo], what: str) -> Choice:
    """Return a loaded model, the first where none is; one that runs elsewhere only if all do.

    What is asked and found in the documents leaves this machine only where someone said so.
    """
    here = [m for m in models if not runs_elsewhere(m)]
    model, reason = _prefer_loaded(here or models, what)
    if not here:
        reason += f"; it runs at {model.remote_host or 'another machine'}, not on this server"
    return Choice(model, reason)


def _prefer_loaded(models: Sequence[ModelInfo], what: str) -> tuple[ModelInfo, str]:
    loaded = [m for m in models if m.loaded]
    if loaded:
        return _largest_instance(loaded, what)
    if len(models) == 1:
        return models[0], f"the only {what} offered"
    state = "none is loaded" if models[0].loaded is False else "the server names no state"
    return models[0], f"the first of {len(models)} {what}s offered; {state}"


def _largest_instance(loaded: Sequence[ModelInfo], what: str) -> tuple[ModelInfo, str]:
    """Return the first model loaded, in that of its instances that reads the most."""
    name = loaded[0].key or loaded[0].id
    count = len({m.key or m.id for m in loaded})
    reason = f"the only {what} loaded" if count == 1 else f"the first of {count} loaded {what}s"
    instances = [m for m in loaded if (m.key or m.id) == name]
    if len(instances) == 1:
        return loaded[0], reason
    best = max(instances, key=lambda m: m.context_tokens or 0)
    if all(m.context_tokens == best.context_tokens for m in instances):
        return best, f"{reason}, the first of its {len(instances)} instances"
    size = f"the largest context ({best.context_tokens} tokens)"
    return best, f"{reason}, of its {len(instances)} instances the one with {size}"


def _names(models: Iterable[ModelInfo]) -> str:
    return "it offers " + (", ".join(m.id for m in models) or "none at all")
