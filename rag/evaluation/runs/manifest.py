"""What a run is made with in, its manifest out; the same fingerprint means the same measured."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol, TypeAlias, TypeGuard

from rag import __version__
from rag.evaluation.base.cases import Case, CaseSet
from rag.evaluation.base.rows import Manifest
from rag.evaluation.measures.registry import measures_of
from rag.evaluation.runs.code import hash_code
from rag.history.kept import TELLING_SETTINGS
from rag.history.records import plain
from rag.query.evidence.calibration import read_calibration

if TYPE_CHECKING:
    from rag.connections import Connections
    from rag.index.index import Index

Facts: TypeAlias = Mapping[str, str | int | float | bool | None]

_NOTHING: Facts = MappingProxyType({})
_OF_ANSWERS = ("context_tokens", "answer_tokens", "temperature", "strict", "chat_surface")
_SAID = {"cases_hash": "cases", "wanted": "measures"}
_NOT_COMPARED = (
    "name", "fingerprint", "made_at", "format", "cases_name", "command", "jobs", "left_out",
)  # fmt: skip


class Searcher(Protocol):
    """What a pipeline of ours tells of itself."""

    @property
    def models(self) -> Connections:
        """Return its models."""
        ...

    @property
    def index(self) -> Index:
        """Return what it searches; raises IndexMissing."""
        ...


def describe(
    ask: Callable[..., object],
    cases: CaseSet,
    wanted: Sequence[str],
    judge: str = "",
    name: str = "",
    settings: Facts = _NOTHING,
) -> Manifest:
    """Return the manifest of a run with a system, begun now.

    Of a method of our pipeline it tells settings and index, of any other callable a hash of its
    code, unless it is given a `name`: that stands for the system whatever its code is.
    `settings` are told beside.  Raises IndexMissing, and ModelUnavailable where a model is to
    answer and there is none.
    """
    system = name or getattr(ask, "__qualname__", type(ask).__qualname__)
    pipeline = getattr(ask, "__self__", None)
    if not _is_searcher(pipeline):
        code = {} if name else {"code": hash_code(ask)}
        return make_manifest(system, cases, wanted, {**code, **settings}, judge=judge)
    told = {**settings_of(pipeline, answers=ask.__name__ == "ask"), **settings}
    return make_manifest(system, cases, wanted, told, state_of(pipeline.index), judge)


def _is_searcher(owner: object) -> TypeGuard[Searcher]:
    return owner is not None and all(hasattr(type(owner), name) for name in ("index", "passages"))


def make_manifest(
    system: str,
    cases: CaseSet,
    wanted: Sequence[str],
    settings: Facts = _NOTHING,
    index: Facts = _NOTHING,
    judge: str = "",
) -> Manifest:
    """Return the manifest of a run that is begun now."""
    made = Manifest(
        name=f"{cases.name}, {system}",
        fingerprint="",
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
        version=__version__,
        system=system,
        settings=plain(settings),
        index=dict(index),
        wanted=tuple(measure.name for measure in measures_of(wanted)),
        cases_name=cases.name,
        cases_hash=hash_cases(cases.cases),
        judge=judge,
    )
    return replace(made, fingerprint=fingerprint_of(made))


def fingerprint_of(manifest: Manifest) -> str:
    """Return a hash over all that decides what a run measures."""
    told = {name: plain(value) for name, value in _compared(manifest)}
    return _hash(json.dumps(told, sort_keys=True))


def hash_cases(cases: Sequence[Case]) -> str:
    """Return a hash over all that cases say, in their order."""
    return _hash(json.dumps([plain(case) for case in cases], sort_keys=True))


def settings_of(pipeline: Searcher, *, answers: bool) -> Facts:
    """Return the settings of a pipeline that have a say in what it finds, or in its answers.

    Models are in it as they were chosen, and the threshold of refusals as it was calibrated.
    """
    settings, index = pipeline.models.settings, pipeline.index
    names = [name for name in TELLING_SETTINGS if answers or name not in _OF_ANSWERS]
    told = {name: plain(getattr(settings, name)) for name in names}
    told["embedding_model"] = pipeline.models.servers.embedding_choice.model.id
    if answers:
        told["chat_model"] = pipeline.models.servers.chat_choice.model.id
    if told["refusal_threshold"] is None:
        folder, identity = settings.index_dir, index.manifest.identity
        told["refusal_threshold"] = read_calibration(folder, identity, index.count()).threshold
    return told


def state_of(index: Index) -> Facts:
    """Return what was searched: the model, how texts were cut, and a hash of its documents."""
    manifest, documents = index.manifest, dict(documents_of(index))
    return {
        "embedding_model": manifest.embedding_model,
        "identity": manifest.identity,
        "recipe": manifest.recipe,
        "documents": len(documents),
        "chunks": index.count(),
        "hash": _hash(json.dumps(sorted(documents.items()))),
    }


def documents_of(index: Index) -> Iterator[tuple[str, str]]:
    """Yield id and hash of the bytes of each document that can be found."""
    for root in index.roots():
        for id, known in index.known(root).items():
            if known.failure is None:
                yield id, known.fingerprint


def differences(one: Manifest, other: Manifest) -> list[str]:
    """Return what is not the same in two manifests, a few words each."""
    before, now = dict(_flat(one)), dict(_flat(other))
    return [
        f"{name} ({_short(before.get(name))} there, {_short(now.get(name))} now)"
        for name in dict.fromkeys((*before, *now))
        if before.get(name) != now.get(name)
    ]


def _flat(manifest: Manifest) -> Iterator[tuple[str, object]]:
    for name, value in _compared(manifest):
        if isinstance(value, Mapping):
            yield from ((f"{name}.{inner}", one) for inner, one in value.items())
        else:
            yield _SAID.get(name, name), value


def _compared(manifest: Manifest) -> Iterator[tuple[str, object]]:
    names = (field.name for field in fields(manifest) if field.name not in _NOT_COMPARED)
    return ((name, getattr(manifest, name)) for name in names)


def _short(value: object) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return text if len(text) <= 40 else f"{text[:12]}…"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
