"""Is everything there to ingest and to answer?  Settings in, findings with their fixes out."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.base.errors import PipelineError
from rag import __version__
from rag.findings import Finding, failure
from rag.index.base.errors import IndexMissing
from rag.models.base.addresses import EMBEDDED, is_loopback, is_private
from rag.models.families import canonical_name
from rag.models.wire.hints import commands_of
from rag.pipeline import Pipeline
from rag.servers import Role, Servers, first_of, running_servers
from rag.settings import Settings, unknown_variables
from rag.trial import try_chat, try_embedding

if TYPE_CHECKING:
    from rag.models.discover import Offer

MIN_FREE_BYTES = 1_000_000_000


def examine(
    settings: Settings,
    *,
    probe: bool = False,
    on_wait: Callable[[str, float], None] = lambda _what, _seconds: None,
) -> Iterator[Finding]:
    """Yield a finding for each part as soon as it was looked at; nothing raises.

    Models that are loaded answer a few words, to time them.  With `probe` those that are not
    are loaded, and what is remembered of the embedding model is measured anew.  Where no
    server was set and the usual one does not answer, the first that does is examined.
    """
    yield from _examine_settings()
    others, settings = _find_others(settings)
    with Pipeline(settings, on_wait) as pipeline:
        servers = pipeline.models.servers
        for url in dict.fromkeys((settings.embeddings_at, settings.chat_at)):
            yield _examine_server(servers, url)
            yield _examine_privacy(servers, url)
        for other, offer in others:
            yield Finding("ok", "server", f"{offer.server} runs too: RAG_ENDPOINT={other}")
        embedding, chat = servers.roles()
        work = list(
            _examine_model(
                embedding, servers, lambda: try_embedding(pipeline, probe=probe), probe=probe
            )
        )
        yield from work
        yield from _examine_model(chat, servers, lambda: try_chat(pipeline), probe=probe)
        can_embed = any(finding.subject == "embedding speed" for finding in work)
        yield from _examine_index(pipeline, can_embed=can_embed)
    yield _examine_disk(settings.index_dir)
    yield Finding(
        "ok", "versions",
        f"rag {__version__}, Python {platform.python_version()}, "
        f"chromadb {version('chromadb')}, openai {version('openai')}",
    )  # fmt: skip


def _find_others(settings: Settings) -> tuple[list[tuple[str, Offer]], Settings]:
    """Return the servers that run beside the one used, and the settings with that one."""
    used = (settings.embeddings_at, settings.chat_at)
    if "endpoint" in settings.model_fields_set or settings.endpoint not in used:
        return [], settings
    found = running_servers()
    if found and settings.endpoint not in dict(found):
        settings = settings.model_copy(update={"endpoint": first_of(found)[0]})
    return [(url, offer) for url, offer in found if url != settings.endpoint], settings


def _examine_settings() -> Iterator[Finding]:
    unknown = unknown_variables()
    if unknown:
        yield Finding(
            "warn", "settings", f"unknown: {', '.join(unknown)}", "see .env.example for all names"
        )
    else:
        yield Finding("ok", "settings", "all are known and valid")


def _examine_server(servers: Servers, url: str) -> Finding:
    try:
        offer = servers.offer(url)
    except PipelineError as error:
        return failure("server", error)
    count = len(offer.models)
    models = "1 model" if count == 1 else f"{count or 'no'} models"
    where = "inside this program" if url == EMBEDDED else f"at {url} ({offer.source})"
    return Finding("ok", "server", f"{offer.server} {where}: {models}")


def _examine_privacy(servers: Servers, url: str) -> Finding:
    used = [role.model for role in servers.roles() if role.url == url and role.model]
    for model in used:
        if model.remote_host:
            return Finding(
                "warn", "privacy", f"{model.id} is run by {model.remote_host}, which sees your "
                "documents and questions", "choose a model that runs here: rag models",
            )  # fmt: skip
    if is_loopback(url):
        place = "" if url == EMBEDDED else f": {url} is on it"
        return Finding("ok", "privacy", f"documents stay on this machine{place}")
    if is_private(url):
        return Finding(
            "warn", "privacy", f"documents are sent to {url} in your network",
            "make sure that you trust that machine, or set RAG_ENDPOINT to 127.0.0.1",
        )  # fmt: skip
    return Finding(
        "warn", "privacy", f"documents and questions leave your network for {url}",
        "set RAG_ENDPOINT to a server of your own",
    )  # fmt: skip


def _examine_model(
    role: Role,
    servers: Servers,
    examine_work: Callable[[], Iterator[Finding]],
    *,
    probe: bool,
) -> Iterator[Finding]:
    """Tell which model is used, and let it work where it is loaded or may be loaded for that."""
    if role.model or _examine_server(servers, role.url).level == "ok":
        yield _examine_choice(role, servers, probe=probe)  # Else the server was told of.
    if role.model and (role.model.loaded is not False or probe):
        try:
            yield from examine_work()
        except PipelineError as error:
            yield failure(role.name, error)


def _examine_choice(role: Role, servers: Servers, *, probe: bool) -> Finding:
    subject, choice, url = f"{role.name} model", role.choice, role.url
    if isinstance(choice, PipelineError):
        return failure(subject, choice)
    model = choice.model
    said = " ".join([model.id, *filter(None, [model.quantisation]), f"({choice.reason})"])
    if model.loaded is not False:
        return Finding("ok", subject, said)
    if not servers.loads_when_asked(url, model):
        load = commands_of(servers.offer(url).server, model.key or model.id).load
        return Finding("warn", subject, f"{said} is not loaded, and will not be by itself", load)
    when = "it is loaded now" if probe else "the first use loads it, or now: rag doctor --probe"
    return Finding("ok", subject, f"{said}, not loaded yet: {when}")


def _examine_index(pipeline: Pipeline, *, can_embed: bool) -> Iterator[Finding]:
    try:
        status = pipeline.status()
    except IndexMissing as error:
        yield Finding("warn", "index", error.message, error.hint)
        return
    except PipelineError as error:
        yield failure("index", error)
        return
    made_with = status.manifest.embedding_model
    what = (
        f"{status.documents} documents, {status.chunks} chunks, {status.skipped} skipped; "
        f"made with {made_with}"
    )
    if status.clean:
        yield Finding("ok", "index", what)
    else:
        yield Finding(
            "warn", "index", f"{what}; Chroma is damaged, answers come from the catalogue",
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
            yield failure("index model", error)
        return
    model = pipeline.models.servers.roles()[0].model
    if model and canonical_name(model.id) != canonical_name(made_with):
        yield Finding(
            "fail", "index model", f"the index was made with {made_with}, not {model.id}",
            f"set RAG_EMBEDDING_MODEL={made_with}, or use another index: --index OTHER",
        )  # fmt: skip


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
