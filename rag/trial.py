"""The two models let do a little of their work: how well and how fast, as findings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rag.findings import Finding, Level
from rag.models.base.addresses import EMBEDDED
from rag.models.families import may_be_same
from rag.models.wire.hints import commands_of
from rag.pipeline import Pipeline

if TYPE_CHECKING:
    from rag.models.chat.model import ChatModel
    from rag.models.embedding.profile import EmbeddingProfile

SMALL_CONTEXT_TOKENS = 4096
# Instructions, a question, one passage of the usual length, and a third for the answer.
LEAST_CONTEXT_TOKENS = 1200


def try_embedding(pipeline: Pipeline, *, probe: bool) -> Iterator[Finding]:
    """Yield what is known of the embedding model and how fast it is; raises PipelineError.

    With `probe` it is measured anew.
    """
    models, limit = pipeline.models, pipeline.chunk_limit
    if probe:
        models.probe_embedding(limit)
    profile = models.ready.profile
    for message, fix in models.embedding_warnings(limit):
        yield Finding("warn", "embedding", message, fix)
    if profile:
        yield Finding("ok", "embedding", describe_profile(profile))
    elif pipeline.settings.embeddings_at != EMBEDDED:
        yield Finding(
            "ok", "embedding", "not measured yet: the first ingest does it, or rag doctor --probe"
        )
    size = min(limit, models.embedder.token_limit)
    rate = _round(models.time_embedding(size))
    yield Finding("ok", "embedding speed", f"{rate} texts of {size} tokens per second")


def describe_profile(profile: EmbeddingProfile) -> str:
    """Return what was measured of an embedding model, in one line."""
    least = "at least " if profile.token_limit >= profile.tried_tokens else ""
    prefixes = {True: "prefixes help", False: "prefixes do not help", None: ""}
    facts = (
        f"reads texts of {least}{profile.token_limit} tokens whole",
        "several texts get what each gets alone" if profile.batch_equals_single else "",
        f"{profile.dimension} dimensions",
        "unit length" if profile.unit_length else "made unit length here",
        prefixes[profile.prefixes_help],
        f"{profile.batch_size} texts a request, {profile.in_flight} at once"
        + ("" if profile.settled else " so far"),
        f"measured {profile.measured}",
    )
    return ", ".join(filter(None, facts))


def try_chat(pipeline: Pipeline) -> Iterator[Finding]:
    """Yield how large the context of the chat model is and how fast it answers.

    Raises PipelineError.
    """
    chat = pipeline.models.chat()
    if chat.is_extractive:
        yield Finding("ok", "chat speed", "answers are quoted from the documents, at once")
        return
    yield _examine_context(pipeline, chat)
    speed = chat.measure_speed()
    rate = speed.tokens_per_second
    tokens = f", then {_round(rate)} tokens per second" if rate else ""
    yield Finding("ok", "chat speed", f"first word after {speed.first_token_seconds:.2f} s{tokens}")
    if not may_be_same(speed.answered_by, chat.id):
        server = pipeline.models.servers.offer(pipeline.settings.chat_at).server
        yield Finding(
            "warn", "chat model", f"{chat.id} was asked for and {speed.answered_by} answered",
            commands_of(server, chat.id).load,
        )  # fmt: skip


def _examine_context(pipeline: Pipeline, chat: ChatModel) -> Finding:
    tokens = chat.counter.context_tokens
    if chat.listed_tokens is None:
        return Finding(
            "warn", "context", f"the server does not say; {tokens} tokens are assumed",
            "set RAG_CONTEXT_TOKENS to what the model was loaded with",
        )  # fmt: skip
    server = pipeline.models.servers.offer(pipeline.settings.chat_at).server
    larger = commands_of(server, chat.id).context
    wanted = pipeline.settings.context_tokens or 0
    if tokens < wanted:
        message = f"{tokens} tokens are loaded; RAG_CONTEXT_TOKENS asks for {wanted}"
        return Finding("warn", "context", message, larger)
    if tokens < SMALL_CONTEXT_TOKENS:
        level: Level = "fail" if tokens < LEAST_CONTEXT_TOKENS else "warn"
        room = "no passage" if level == "fail" else "few passages"
        return Finding(level, "context", f"{tokens} tokens leave room for {room}", larger)
    counted = {"server": "counted by the server", "usage": "counted as earlier answers showed",
               "margin": "counted with a safe margin"}[chat.counter.source]  # fmt: skip
    return Finding("ok", "context", f"{tokens} tokens for passages and answer, {counted}")


def _round(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.1f}"
