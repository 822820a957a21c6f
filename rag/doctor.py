"""Is everything there to ingest and to answer?  Settings in, findings with their fixes out."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from ingest.base.errors import PipelineError
from rag import __version__
from rag.connections import FALLBACK_CONTEXT_TOKENS, running_servers
from rag.index.base.errors import IndexMissing
from rag.models.choose import Choice
from rag.models.discover import ModelInfo
from rag.pipeline import Pipeline
from rag.settings import Settings, is_loopback, is_private, unknown_variables

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


def examine(settings: Settings) -> Iterator[Finding]:
    """Yield a finding for each part as soon as it was looked at; nothing raises."""
    yield from _examine_settings()
    with Pipeline(settings) as pipeline:
        for url in dict.fromkeys((settings.embeddings_at, settings.chat_at)):
            yield from _examine_server(pipeline, url)
            yield _examine_privacy(url)
        yield _examine_choice("embedding model", lambda: pipeline.models.embedding_choice)
        yield _examine_choice("chat model", lambda: pipeline.models.chat_choice)
        yield from _examine_context(pipeline)
        yield from _examine_index(pipeline)
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
    try:
        offer = pipeline.models.offer(url)
    except PipelineError as error:
        yield _failure("server", error)
        for other, found in running_servers():
            yield Finding("ok", "server", f"{found.server} runs at {other}; RAG_ENDPOINT={other}")
        return
    models = ", ".join(map(describe, offer.models)) or "no models"
    yield Finding("ok", "server", f"{offer.server} at {url} ({offer.source}): {models}")


def describe(model: ModelInfo) -> str:
    """Return a model with what its server said about it."""
    loaded = {True: "loaded", False: "not loaded", None: None}[model.loaded]
    context = f"context {model.context_tokens}" if model.context_tokens else None
    most = f"at most {model.max_context_tokens}" if model.max_context_tokens else None
    facts = [fact for fact in (model.quantisation, loaded, context, most) if fact]
    return f"{model.id} ({', '.join(facts)})" if facts else model.id


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
    if choice.model.remote_host:
        return Finding(
            "warn", subject, f"{choice.model.id} is passed on to {choice.model.remote_host}, "
            "which sees your documents", "choose a model that runs here",
        )  # fmt: skip
    if choice.model.loaded is False:
        return Finding(
            "warn", subject, f"{choice.model.id}: {choice.reason}",
            f"the first request waits until it is loaded; load it now: lms load {choice.model.id}",
        )  # fmt: skip
    return Finding("ok", subject, f"{choice.model.id}: {choice.reason}")


def _examine_context(pipeline: Pipeline) -> Iterator[Finding]:
    try:
        model = pipeline.models.chat_choice.model
    except PipelineError:
        return
    tokens = pipeline.models.context_tokens(model)
    if not (pipeline.settings.context_tokens or model.context_tokens):
        yield Finding(
            "warn", "context", f"the server does not say; {FALLBACK_CONTEXT_TOKENS} is assumed",
            "set RAG_CONTEXT_TOKENS to what the model was loaded with",
        )  # fmt: skip
    elif tokens < SMALL_CONTEXT_TOKENS:
        yield Finding(
            "warn", "context", f"{tokens} tokens leave room for few passages",
            f"load it with more: lms load {model.id} --context-length 8192",
        )  # fmt: skip
    else:
        yield Finding("ok", "context", f"{tokens} tokens for passages and answer")


def _examine_index(pipeline: Pipeline) -> Iterator[Finding]:
    try:
        status = pipeline.status()
    except IndexMissing as error:
        yield Finding("warn", "index", error.message, error.hint)
        return
    except PipelineError as error:
        yield _failure("index", error)
        return
    yield Finding(
        "ok", "index",
        f"{status.documents} documents, {status.chunks} chunks, {status.skipped} skipped; "
        f"made with {status.manifest.embedding_model}",
    )  # fmt: skip
    for root in missing_folders(status.roots):
        yield Finding(
            "warn", "folder", f"{root} is not there; what was read from it still answers",
            f"bring it back, or forget it: rag remove '{root}'",
        )  # fmt: skip
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
