"""Is everything there to ingest and to answer?  Settings in, findings with their fixes out."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ingest.base.errors import PipelineError
from rag import __version__
from rag.index.base.errors import IndexMissing
from rag.models.choose import Choice
from rag.models.families import canonical_name
from rag.models.wire.hints import commands_of
from rag.pipeline import Pipeline
from rag.servers import running_servers
from rag.settings import EMBEDDED, Settings, is_loopback, is_private, unknown_variables

if TYPE_CHECKING:
    from rag.models.chat.model import ChatModel
    from rag.models.embedding.profile import EmbeddingProfile

Level = Literal["ok", "warn", "fail"]

MIN_FREE_BYTES = 1_000_000_000
SMALL_CONTEXT_TOKENS = 4096


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: `fix` is what to do about a warning or a failure."""

    level: Level
    subject: str
    message: str
    fix: str = ""


def examine(
    settings: Settings,
    *,
    probe: bool = False,
    on_wait: Callable[[str, float], None] = lambda _what, _seconds: None,
) -> Iterator[Finding]:
    """Yield a finding for each part as soon as it was looked at; nothing raises.

    Models that are loaded answer a few words, to time them.  With `probe` those that are not
    are loaded, and what is remembered of the embedding model is measured anew.
    """
    yield from _examine_settings()
    with Pipeline(settings, on_wait) as pipeline:
        for url in dict.fromkeys((settings.embeddings_at, settings.chat_at)):
            yield from _examine_server(pipeline, url)
            yield _examine_privacy(url)
        models = pipeline.models
        yield _examine_choice("embedding model", lambda: models.servers.embedding_choice)
        if can_embed := _is_ready(lambda: models.servers.embedding_choice, probe=probe):
            yield from _told("embedding", _examine_embedding(pipeline, probe=probe))
        yield _examine_choice("chat model", lambda: models.servers.chat_choice)
        if _is_ready(lambda: models.servers.chat_choice, probe=probe):
            yield from _told("chat", _examine_chat(pipeline))
        yield from _examine_index(pipeline, can_embed=can_embed)
    yield _examine_disk(settings.index_dir)
    yield Finding(
        "ok", "versions",
        f"rag {__version__}, Python {platform.python_version()}, "
        f"chromadb {version('chromadb')}, openai {version('openai')}",
    )  # fmt: skip


def _examine_settings() -> Iterator[Finding]:
    unknown = unknown_variables()
    if unknown:
        yield Finding(
            "warn", "settings", f"unknown: {', '.join(unknown)}", "see .env.example for all names"
        )
    else:
        yield Finding("ok", "settings", "all are known and valid")


def _examine_server(pipeline: Pipeline, url: str) -> Iterator[Finding]:
    settings = pipeline.settings
    try:
        offer = pipeline.models.servers.offer(url)
    except PipelineError as error:
        yield _failure("server", error)
    else:
        count = len(offer.models)
        models = "1 model" if count == 1 else f"{count or 'no'} models"
        yield Finding("ok", "server", f"{offer.server} at {url} ({offer.source}): {models}")
    if {"endpoint", "embedding_endpoint", "chat_endpoint"} & settings.model_fields_set:
        return
    for other, found in running_servers():
        if other != url:
            yield Finding("ok", "server", f"{found.server} runs too: RAG_ENDPOINT={other}")


def _examine_privacy(url: str) -> Finding:
    if is_loopback(url):
        return Finding("ok", "privacy", "documents stay on this machine")
    if is_private(url):
        return Finding(
            "warn", "privacy", f"documents are sent to {url} in your network",
            "make sure that you trust that machine, or set RAG_ENDPOINT to 127.0.0.1",
        )  # fmt: skip
    return Finding(
        "warn", "privacy", f"documents and questions leave your network for {url}",
        "set RAG_ENDPOINT to a server of your own",
    )  # fmt: skip


def _examine_choice(subject: str, choose: Callable[[], Choice]) -> Finding:
    try:
        choice = choose()
    except PipelineError as error:
        return _failure(subject, error)
    model = choice.model
    facts = [model.id, *filter(None, [model.quantisation]), f"({choice.reason})"]
    said = " ".join(facts)
    if model.remote_host:
        return Finding(
            "warn", subject, f"{said} is passed on to {model.remote_host}, "
            "which sees your documents", "choose a model that runs here",
        )  # fmt: skip
    if model.loaded is False:
        said += ", not loaded yet: the first use loads it, as rag doctor --probe does now"
    return Finding("ok", subject, said)


def _is_ready(choose: Callable[[], Choice], *, probe: bool) -> bool:
    """Tell whether a model can be tried: it is loaded, or may be loaded for that."""
    try:
        return choose().model.loaded is not False or probe
    except PipelineError:  # Told as a finding of its own.
        return False


def _told(subject: str, findings: Iterator[Finding]) -> Iterator[Finding]:
    """Yield the findings, the last of which may be that it went no further."""
    try:
        yield from findings
    except PipelineError as error:
        yield _failure(subject, error)


def _examine_embedding(pipeline: Pipeline, *, probe: bool) -> Iterator[Finding]:
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
    prefixes = {True: "prefixes help", False: "prefixes do not help", None: ""}
    facts = (
        f"reads texts of {profile.token_limit} tokens whole",
        "several texts get what each gets alone" if profile.batch_equals_single else "",
        f"{profile.dimension} dimensions",
        "unit length" if profile.unit_length else "made unit length here",
        prefixes[profile.prefixes_help],
        f"{profile.batch_size} texts a request, {profile.in_flight} at once"
        + ("" if profile.settled else " so far"),
        f"measured {profile.measured}",
    )
    return ", ".join(filter(None, facts))


def _examine_chat(pipeline: Pipeline) -> Iterator[Finding]:
    chat = pipeline.models.chat()
    if chat.is_extractive:
        yield Finding("ok", "chat speed", "answers are quoted from the documents, at once")
        return
    yield _examine_context(pipeline, chat)
    speed = chat.measure_speed()
    rate = speed.tokens_per_second
    tokens = f", then {_round(rate)} tokens per second" if rate else ""
    yield Finding("ok", "chat speed", f"first word after {speed.first_token_seconds:.2f} s{tokens}")
    if speed.answered_by and canonical_name(speed.answered_by) != canonical_name(chat.id):
        yield Finding(
            "warn", "chat model", f"{chat.id} was asked for and {speed.answered_by} answered",
            f"load {chat.id}, or choose the other: RAG_CHAT_MODEL={speed.answered_by}",
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
        return Finding("warn", "context", f"{tokens} tokens leave room for few passages", larger)
    counted = {"server": "counted by the server", "usage": "counted as earlier answers showed",
               "margin": "counted with a safe margin"}[chat.counter.source]  # fmt: skip
    return Finding("ok", "context", f"{tokens} tokens for passages and answer, {counted}")


def _round(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.1f}"


def _examine_index(pipeline: Pipeline, *, can_embed: bool) -> Iterator[Finding]:
    try:
        status = pipeline.status()
    except IndexMissing as error:
        yield Finding("warn", "index", error.message, error.hint)
        return
    except PipelineError as error:
        yield _failure("index", error)
        return
    sound = status.clean and not status.pending
    yield Finding(
        "ok" if status.clean else "warn", "index",
        f"{status.documents} documents, {status.chunks} chunks, {status.skipped} skipped; "
        f"made with {status.manifest.embedding_model}"
        + ("" if sound else "; Chroma is not up to date, answers come from the catalogue"),
        "nothing is lost; the next rag ingest mends it, or: rag repair",
    )  # fmt: skip
    for root in missing_folders(status.roots):
        yield Finding(
            "warn", "folder", f"{root} is not there; what was read from it still answers",
            f"bring it back, or forget it: rag remove '{root}'",
        )  # fmt: skip
    if can_embed:
        try:
            pipeline.check_index()
        except PipelineError as error:
            yield _failure("index model", error)


def missing_folders(roots: Iterable[str]) -> list[str]:
    """Return those folders of an index that are not there any more."""
    return [root for root in roots if not Path(root).is_dir()]


def _examine_disk(folder: Path) -> Finding:
    there = next(path for path in (folder.resolve(), *folder.resolve().parents) if path.exists())
    free = shutil.disk_usage(there).free
    if free < MIN_FREE_BYTES:
        return Finding(
            "warn", "disk", f"{free / 1e9:.1f} GB free at {there}",
            "free some space, or set RAG_INDEX_DIR to another disk",
        )  # fmt: skip
    return Finding("ok", "disk", f"{free / 1e9:.0f} GB free")


def _failure(subject: str, error: PipelineError) -> Finding:
    return Finding("fail", subject, error.message, error.hint)
