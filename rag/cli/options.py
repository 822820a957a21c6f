"""The words of the command line in, settings whose model is ready to use out."""

from __future__ import annotations

import argparse
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeVar

from ingest.base.errors import SettingsError
from rag.cli.console import Terminal
from rag.index.base.selection import Selection, moment_ns
from rag.models.base.addresses import EMBEDDED, is_loopback
from rag.models.base.errors import EndpointUnreachable
from rag.query.question.selected import escape_glob
from rag.settings import Settings

if TYPE_CHECKING:
    from rag.models.choose import Choice

Result = TypeVar("Result")

_DATES = ("after", "before")

# The flags that are not called as their settings are.
_FLAGS: Mapping[str, str] = MappingProxyType({"index_dir": "--index", "chat_model": "--model"})


def load_settings(options: argparse.Namespace, **overrides: object) -> Settings:
    """Return the settings with what the command line says on top."""
    given = {
        name: value
        for name in Settings.model_fields
        if (value := getattr(options, name, None)) is not None
    }
    named = _named(options.set)
    flags = {name: _FLAGS.get(name, f"--{name.replace('_', '-')}") for name in given}
    flags |= {name: f"--set {name.upper()}" for name in named}
    settings = Settings.load({**given, **named, **overrides}, flags)
    if settings.index_dir.is_file():
        raise SettingsError(
            f"the folder of the index, '{settings.index_dir}', is a file, not a folder",
            "name a folder: --index DIR",
        )
    return all_embedded(settings) if given.get("endpoint") == EMBEDDED else settings


def all_embedded(settings: Settings) -> Settings:
    """Return settings under which no server is used, whatever the environment names."""
    return settings.model_copy(
        update={
            "endpoint": EMBEDDED,
            "embedding_endpoint": None,
            "chat_endpoint": None,
            "embedding_model": None,
            "chat_model": None,
        }
    )


def _named(pairs: list[str]) -> dict[str, object]:
    named: dict[str, object] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise SettingsError(f"--set {pair}: no value", "write --set NAME=VALUE")
        named[name.strip().lower().removeprefix("rag_").replace("-", "_")] = value
    return named


def read_filters(patterns: Sequence[str]) -> Selection | None:
    """Return what --filter selects: `.pdf` is a type, anything else a path pattern.

    A pattern without wildcards matches any path that contains it, and so does a name that has
    brackets; case counts.  Several paths, or several types, mean any of them.
    `after:2024-01-31` and `before:2024-02-28` are about when a file was changed; of several the
    last holds.
    """
    if not patterns:
        return None
    dates = dict.fromkeys(_DATES, "")
    others = []
    for given in patterns:
        pattern = given.strip().removeprefix("./")
        if not pattern:
            raise SettingsError("--filter '': nothing to match", "rag list shows the documents")
        word, colon, date = pattern.partition(":")
        if colon and word in dates:
            moment_ns(date)  # raises where it is none
            dates[word] = date
        else:
            others.append(pattern)
    suffixes = tuple(p for p in others if p.startswith(".") and "/" not in p)
    paths = [path for other in others if other not in suffixes for path in _globs(other)]
    return Selection(
        path_globs=tuple(dict.fromkeys(paths)),
        suffixes=suffixes,
        modified_after=dates["after"],
        modified_before=dates["before"],
    )


def _globs(pattern: str) -> list[str]:
    """Return the patterns that one stands for: as it is, as a name, and in both Unicode forms."""
    globs = [pattern] if set(pattern) & set("*?[") else [f"*{pattern}*"]
    if "[" in pattern:
        globs.append(f"*{escape_glob(pattern)}*")
    return [unicodedata.normalize(form, glob) for glob in globs for form in ("NFC", "NFD")]


def with_server(
    settings: Settings, terminal: Terminal, action: Callable[[Settings], Result]
) -> Result:
    """Run the action; when no server answers, take another that does, or offer the embedded model.

    Other servers are looked for only when no address was set, and the embedded model is
    offered only when someone is there to answer.
    """
    try:
        return action(prepared(settings, terminal))
    except EndpointUnreachable as error:
        chosen = other_server(settings, terminal) or _embedded_instead(settings, error, terminal)
        if chosen is None:
            raise
    return action(prepared(chosen, terminal))


def other_server(settings: Settings, terminal: Terminal) -> Settings | None:
    """Return settings with a server that runs, None when there is none or one was asked for."""
    used = (settings.embeddings_at, settings.chat_at)
    if "endpoint" in settings.model_fields_set or settings.endpoint not in used:
        return None
    from rag.servers import first_of, running_servers

    found = running_servers()
    if not found or settings.endpoint in dict(found):
        return None
    url, offer = first_of(found)
    others = "".join(f"; also running: {o.server} at {u}" for u, o in found if u != url)
    terminal.note(f"no LM Studio at {settings.endpoint}; using {offer.server} at {url}{others}")
    return settings.model_copy(update={"endpoint": url})


def _embedded_instead(
    settings: Settings, error: EndpointUnreachable, terminal: Terminal
) -> Settings | None:
    if EMBEDDED in (settings.embeddings_at, settings.chat_at) or not terminal.is_interactive:
        return None
    question = f"{error.message}. Use the embedded model instead (91 MB, downloaded once)?"
    return all_embedded(settings) if terminal.confirm(question) else None


def prepared(settings: Settings, terminal: Terminal) -> Settings:
    """Make sure of the embedded model's weights if it is used; say who will see documents."""
    if EMBEDDED in (settings.embeddings_at, settings.chat_at):
        pull(settings, terminal)
    for url in dict.fromkeys((settings.embeddings_at, settings.chat_at)):
        if not is_loopback(url):
            terminal.warn(f"documents and questions are sent to {url}")
    return settings


def warn_of_remote(choice: Choice, terminal: Terminal) -> None:
    """Say who will see documents when the server only passes requests on."""
    if host := choice.model.remote_host:
        terminal.warn(f"{choice.model.id} is run by {host}, which is sent documents and questions")


def pull(settings: Settings, terminal: Terminal) -> Path:
    """Fetch the weights of the embedded model if they are not there; return their folder."""
    from rag.models.embedded.weights import are_weights_present, model_folder, pull_weights

    if are_weights_present(settings.cache_dir):
        return model_folder(settings.cache_dir)
    terminal.note("fetching the embedded model all-MiniLM-L6-v2 (91 MB, once) ...")
    with terminal.download_bar() as on_progress:
        return pull_weights(settings.cache_dir, on_progress)
