"""An embedding model and its server in, what they were seen to do out: measured once, then kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import get_args, get_type_hints

from rag.models.discover import ModelInfo
from rag.models.embedding.checks import (
    MIN_LIMIT,
    Groups,
    compare_batches,
    find_true_limit,
    reads_too_little,
    try_prefixes,
)
from rag.models.embedding.embedder import (
    EndpointEmbedder,
    connect_embedder,
    reserved_tokens,
)
from rag.models.embedding.pace import Pace, PaceRecord, pace_for
from rag.models.embedding.speed import search_pace
from rag.models.endpoint import Endpoint
from rag.models.families import may_be_same
from rag.models.memory import Memory
from rag.models.wire.decode import Vectors
from rag.models.wire.hints import commands_of


@dataclass(frozen=True, slots=True)
class EmbeddingProfile:
    """What was seen of an embedding model on a server.

    `context_tokens` is as the server lists it, None when it does not say.  Texts up to
    `tried_tokens` were tried, those up to `token_limit` are read whole.
    `batch_equals_single` is None while not known.  `unit_length` says that vectors came with
    length 1.  `prefixes_help` is None when they make no difference or there are none.
    `answered_by` is the model the server says it was, "" when it does not.
    """

    server: str
    url: str
    model: str
    context_tokens: int | None
    token_limit: int
    tried_tokens: int
    batch_equals_single: bool | None
    dimension: int
    unit_length: bool
    prefixes_help: bool | None
    answered_by: str
    measured: str
    batch_size: int
    in_flight: int
    settled: bool
    texts_per_second: float

    @property
    def pace(self) -> PaceRecord:
        """Return the pace reached."""
        return PaceRecord(self.batch_size, self.in_flight, self.settled, self.texts_per_second)

    def with_pace(self, pace: PaceRecord) -> EmbeddingProfile:
        """Return the profile with another pace."""
        return replace(self, **asdict(pace))

    def warnings(self, needed_tokens: int = 0) -> list[tuple[str, str]]:
        """Return what should be known of it, each with what to do about it."""
        found: list[tuple[str, str]] = []
        if not may_be_same(self.answered_by, self.model):
            found.append((
                f"{self.model} was asked for and {self.answered_by} answered",
                f"load {self.model}, or choose the other: RAG_EMBEDDING_MODEL={self.answered_by}",
            ))  # fmt: skip
        if self.batch_equals_single is False:
            found.append((
                f"{self.server} mixes up texts sent together; they are sent one by one",
                "update the server: one by one is slower",
            ))  # fmt: skip
        if self.prefixes_help is False:
            found.append((
                f"{self.model} finds less with the prefixes of its family than without",
                "see that it is the model its name says; RAG_QUERY_PREFIX=none and "
                "RAG_DOCUMENT_PREFIX=none leave them out",
            ))  # fmt: skip
        needed = max(needed_tokens, self.tried_tokens)
        if self.token_limit < needed:
            larger = commands_of(self.server, self.model).context
            found.append((
                f"{self.model} reads {self.token_limit} tokens of a text, chunks have {needed}: "
                "they are cut smaller",
                f"{larger}; or lower RAG_CHUNK_TOKENS",
            ))  # fmt: skip
        return found


_TYPES = {
    name: get_args(kind) or (kind,) for name, kind in get_type_hints(EmbeddingProfile).items()
}
_BOUNDS = {
    "token_limit": (MIN_LIMIT, 10**7),
    "tried_tokens": (1, 10**7),
    "dimension": (1, 10**6),
    "batch_size": (1, 2048),
    "in_flight": (1, 64),
    "texts_per_second": (0, 1e9),
}


def read_profile(record: Mapping[str, object] | None) -> EmbeddingProfile | None:
    """Return the profile that was kept as a record, None when it is no such thing."""
    if record is None or record.keys() != _TYPES.keys():
        return None
    # The type itself: to Python a truth is a whole number too.
    if not all(type(value) in _TYPES[name] for name, value in record.items()):
        return None
    profile = EmbeddingProfile(**record)  # type: ignore[arg-type]
    numbers = ((getattr(profile, name), bounds) for name, bounds in _BOUNDS.items())
    return profile if all(least <= n <= most for n, (least, most) in numbers) else None


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the settings say of embedding; None leaves it to what is found out."""

    batch_size: int | None = None
    in_flight: int | None = None
    query_prefix: str | None = None
    document_prefix: str | None = None


@dataclass(frozen=True, slots=True)
class ReadyEmbedder:
    """An embedder that answered once: `probe` is its vector of the probe text.

    `profile` is None when nothing is known yet.  `limit` is the most tokens that model and
    server are said to take.
    """

    embedder: EndpointEmbedder
    probe: Vectors
    server: str
    model: ModelInfo
    wishes: Wishes
    limit: int
    profile: EmbeddingProfile | None = None

    @property
    def key(self) -> str:
        """Return the name under which its profile is kept."""
        prefixes = (self.wishes.query_prefix, self.wishes.document_prefix)
        return _key(self.embedder.endpoint.url, self.model.id, prefixes)


def ready_embedder(
    endpoint: Endpoint,
    model: ModelInfo,
    server: str,
    memory: Memory,
    probe_text: str,
    wishes: Wishes | None = None,
    exact_count: Callable[[Sequence[str]], list[int]] | None = None,
) -> ReadyEmbedder:
    """Return the embedder of a model with what is remembered of it, after one request.

    `server` is its kind as `rag.models.discover` names it.  Raises EndpointError.
    """
    wishes = wishes or Wishes()
    prefixes = (wishes.query_prefix, wishes.document_prefix)
    key = _key(endpoint.url, model.id, prefixes)
    profile = read_profile(memory.recall(key))
    if profile and profile.context_tokens != model.context_tokens:
        profile = None
    pace = _pace(server, model, wishes, profile.pace if profile else None)
    embedder, answer = connect_embedder(endpoint, model, pace, probe_text, exact_count, *prefixes)
    if profile and profile.dimension != embedder.dimension:
        memory.forget(key)
        profile = None
    if profile and profile.batch_equals_single is False:
        pace.at_most(1)
    return ReadyEmbedder(
        embedder, answer.vectors[0], server, model, wishes, embedder.token_limit, profile
    )


def measured_embedder(ready: ReadyEmbedder, memory: Memory, needed_tokens: int) -> ReadyEmbedder:
    """Return the embedder sure to read that many tokens of a text, or to say how many.

    What is not remembered of it is measured, in about ten small requests, and kept.  Raises
    EndpointError.
    """
    embedder, profile = ready.embedder, ready.profile
    tried = min(ready.limit, needed_tokens)
    if profile is None or not _is_enough(profile, tried, embedder.batch_size):
        if profile and profile.batch_equals_single is False:  # That may have been mended.
            embedder.pace = _pace(ready.server, ready.model, ready.wishes, None)
        profile = measure_profile(embedder, ready.model, ready.server, tried)
        profile = profile.with_pace(_reached(ready, PaceRecord()))
        memory.keep(ready.key, asdict(profile))
    if embedder.answered_by:
        profile = replace(profile, answered_by=embedder.answered_by)
    embedder.token_limit = profile.token_limit
    if profile.batch_equals_single is False:
        embedder.pace.at_most(1)
    return replace(ready, profile=profile)


def _is_enough(profile: EmbeddingProfile, tokens: int, batch_size: int) -> bool:
    knows_batches = profile.batch_equals_single is not None or batch_size == 1
    return profile.tried_tokens >= tokens and knows_batches


def remember_pace(
    ready: ReadyEmbedder, memory: Memory, pace: PaceRecord | None = None
) -> ReadyEmbedder:
    """Keep for the next run the pace reached, or that given, and the limit learned in this one."""
    if ready.profile is None:
        return ready
    profile = ready.profile.with_pace(_reached(ready, ready.profile.pace, pace))
    limit = min(profile.token_limit, ready.embedder.token_limit)
    profile = replace(profile, token_limit=limit)
    memory.keep(ready.key, asdict(profile))
    return replace(ready, profile=profile)


def _reached(
    ready: ReadyEmbedder, before: PaceRecord, found: PaceRecord | None = None
) -> PaceRecord:
    """Return the pace found, or else of this run; the one before when the settings decided."""
    is_set = ready.wishes.batch_size or ready.wishes.in_flight
    return before if is_set else found or ready.embedder.pace.record


def measure_profile(
    embedder: EndpointEmbedder, model: ModelInfo, server: str, tokens: int
) -> EmbeddingProfile:
    """Return what a model does with texts of so many tokens and with several at once."""
    family = embedder.family
    batches = compare_batches(embedder.ask, embedder.batch_size)
    groups = Groups(embedder.ask, embedder.batch_size if batches.batch_equals_single else 1)
    limit = find_true_limit(
        groups.embed,
        reads_too_little(model.id, server),
        tokens,
        family.document_prefix,
        reserved_tokens(family, embedder.count),
    )
    prefixes = (family.query_prefix, family.document_prefix)
    helpful = try_prefixes(groups.embed, *prefixes) if any(prefixes) else None
    return EmbeddingProfile(
        server=server,
        url=embedder.endpoint.url,
        model=model.id,
        context_tokens=model.context_tokens,
        token_limit=limit,
        tried_tokens=tokens,
        dimension=embedder.dimension,
        prefixes_help=helpful,
        measured=time.strftime("%Y-%m-%d"),
        **asdict(batches),
        **asdict(embedder.pace.record),
    )


def probe_speed(ready: ReadyEmbedder, tokens: int, seconds: float = 5.0) -> PaceRecord:
    """Look for the best pace with made-up texts of so many tokens, for about so long.

    Nothing of an earlier pace is used.  Raises PipelineError.
    """
    embedder = ready.embedder
    before, embedder.pace = embedder.pace, _pace(ready.server, ready.model, ready.wishes, None)
    if ready.profile and ready.profile.batch_equals_single is False:
        embedder.pace.at_most(1)
    try:
        return search_pace(embedder, min(tokens, embedder.token_limit), seconds)
    finally:
        embedder.pace = before


def _key(url: str, model: str, prefixes: tuple[str | None, str | None]) -> str:
    changed = "" if prefixes == (None, None) else f" with prefixes {prefixes}"
    return f"embedding with {model} at {url}{changed}"


def _pace(server: str, model: ModelInfo, wishes: Wishes, start: PaceRecord | None) -> Pace:
    given = {"batch_size": wishes.batch_size, "in_flight": wishes.in_flight}
    return pace_for(server, model.parallel, start=start, **given)
