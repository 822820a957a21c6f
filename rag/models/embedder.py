"""The embedder that ingestion and retrieval use: a model of an endpoint with its prefixes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from threading import Lock, local

import numpy

from ingest.base.errors import TextsRejected
from ingest.tokens import estimate_tokens
from rag.models.base.errors import (
    BadResponse,
    ContextOverflow,
    EndpointError,
    ModelLost,
    RequestRefused,
    ServerBusy,
)
from rag.models.discover import ModelInfo
from rag.models.endpoint import Endpoint
from rag.models.families import UNKNOWN, Family, canonical_name, family_of
from rag.models.measure.checks import MIN_LIMIT, SPECIAL_TOKENS, reads_too_little
from rag.models.measure.pace import Pace
from rag.models.wire.decode import Vectors
from rag.models.wire.patience import AnswerTimeout

NO_PREFIX = "none"
# Faults that another text may not have; the others concern the server as a whole.
_MAY_BE_THE_TEXT = (BadResponse, ContextOverflow, RequestRefused)
_HARMLESS = "A short sentence that no model refuses."


@dataclass(slots=True)
class EndpointEmbedder:
    """An `ingest.base.ports.Embedder`: documents and questions each get their prefix.

    `token_limit` goes down when the server refuses what was thought to fit.
    """

    endpoint: Endpoint
    model: str
    family: Family
    dimension: int
    token_limit: int
    pace: Pace
    count: Callable[[Sequence[str]], list[int]]
    _lock: Lock = field(default_factory=Lock, repr=False)
    _call: local = field(default_factory=local, repr=False)

    @property
    def identity(self) -> str:
        """Name what changes a vector: model, dimension, document prefix."""
        return f"{canonical_name(self.model)}|{self.dimension}|{self.family.document_prefix}"

    @property
    def batch_size(self) -> int:
        """Return how many texts one call should have."""
        return self.pace.batch_size

    @property
    def batch_tokens(self) -> int:
        """Return how many tokens one call should have."""
        return self.pace.batch_tokens

    @property
    def in_flight(self) -> int:
        """Return how many calls may run at once."""
        return self.pace.in_flight

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Return the tokens of each text, without prefix and special tokens."""
        return self.count(texts)

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return one unit row per document text, in order.

        A request that fails for what is in it, or is too much for the server, is sent again
        in ever smaller parts, with no other beside it.  Raises TextsRejected naming the texts
        at fault, EndpointError when no text can be embedded.
        """
        mark = self.pace.begin()
        self._call.fell = lambda: self.pace.crashed(mark)
        texts_done = tokens_done = 0
        try:
            vectors = self._send(texts)
            texts_done, tokens_done = len(texts), sum(map(_rough_tokens, texts))
            return vectors
        except EndpointError as error:
            if _is_too_much(error):
                self.pace.crashed(mark)
            elif not isinstance(error, _MAY_BE_THE_TEXT):
                raise
            failed = error
        finally:
            del self._call.fell
            self.pace.end(mark, texts_done, tokens_done)
        with self.pace.alone():
            return _Salvage(self, texts).run(failed)

    def embed_query(self, question: str) -> Vectors:
        """Return the unit vector of a question, shape (dimension,); raises EndpointError."""
        text = " ".join(question.split())
        row: Vectors = self.endpoint.embed(self.model, [self.family.query_prefix + text])[0]
        return row

    def watch_losses(self) -> None:
        """Slow down at a crash even when the endpoint's own second try succeeds."""
        before = self.endpoint.on_lost

        def on_lost(model: str) -> None:
            if fell := getattr(self._call, "fell", None):  # Set in the thread of the request.
                fell()
            before(model)

        self.endpoint.on_lost = on_lost

    def _send(self, texts: Sequence[str]) -> Vectors:
        prefix = self.family.document_prefix
        return self.endpoint.embed(self.model, [prefix + text for text in texts])

    def learn_limit(self, error: ContextOverflow, longest: int) -> None:
        """Lower the limit after texts of which the longest had so many tokens were too long.

        It is the number the server names, else three quarters of what was sent.  Raises
        ModelUnavailable when next to nothing is left.
        """
        told = (error.limit_tokens or 0) - reserved_tokens(self.family, self.count)
        limit = told if 0 < told < longest else longest * 3 // 4
        if limit < MIN_LIMIT:
            raise reads_too_little(self.model) from error
        with self._lock:
            self.token_limit = min(self.token_limit, limit)


class _Salvage:
    """Embeds the texts of a request that failed as a whole, in parts."""

    def __init__(self, embedder: EndpointEmbedder, texts: Sequence[str]) -> None:
        self.embedder = embedder
        self.texts = texts
        self.rows: dict[int, Vectors] = {}
        self.refused: dict[int, str] = {}
        self.too_long: set[int] = set()
        self.largest = 0

    def run(self, error: EndpointError) -> Vectors:
        """Return the rows of all texts; raises TextsRejected, EndpointError."""
        everything = range(len(self.texts))
        if not isinstance(error, ContextOverflow):
            self._check_server(error)
        if len(everything) == 1 and _is_too_much(error):
            self._try(everything)  # Others may have run beside it, now none does.
        else:
            self._divide(everything, error)
        if len(everything) > 1 and len(self.refused) == len(everything) and not self.too_long:
            raise error
        if len(everything) > 2 and not self.refused and not _is_too_much(error):
            self.embedder.pace.at_most(self.largest)  # Nothing is wrong with them but their number.
        rows = [self.rows[i] for i in sorted(self.rows)]
        empty = numpy.empty((0, self.embedder.dimension), numpy.float32)
        matrix = numpy.stack(rows) if rows else empty
        if self.refused:
            raise TextsRejected(self.refused, matrix, frozenset(self.too_long)) from error
        return matrix

    def _check_server(self, error: EndpointError) -> None:
        """Raise the error when it is not for the texts: a few of them fail alone as well."""
        last = len(self.texts) - 1
        places = sorted({0, last, last // 2, last // 4}, key=lambda place: place % max(last, 1))
        scouts = [self.texts[place] for place in places] if last else [_HARMLESS]
        if isinstance(error, AnswerTimeout):
            scouts = scouts[:1] if last else []
        for text in scouts:
            try:
                self.embedder._send([text])
            except EndpointError as again:
                if not _concerns_texts(again):
                    raise
            else:
                return
        raise error

    def _divide(self, places: Sequence[int], error: EndpointError) -> None:
        """Embed a group that failed without the too long, or in halves; one alone is refused."""
        if isinstance(error, ContextOverflow):
            rest = self._without_too_long(places, error)
            if rest:
                self._try(rest)
        elif len(places) == 1:
            self.refused[places[0]] = error.message
        else:
            middle = len(places) // 2
            self._try(places[:middle])
            self._try(places[middle:])

    def _try(self, places: Sequence[int]) -> None:
        try:
            rows = self.embedder._send([self.texts[place] for place in places])
        except EndpointError as error:
            is_late = isinstance(error, AnswerTimeout)
            if is_late:
                self.embedder.pace.crashed()
            if not _concerns_texts(error) or (is_late and len(places) == 1):
                raise
            self._divide(places, error)
        else:
            self.largest = max(self.largest, len(places))
            self.rows |= dict(zip(places, rows, strict=True))

    def _without_too_long(self, places: Sequence[int], error: ContextOverflow) -> list[int]:
        counts = self.embedder.count([self.texts[place] for place in places])
        self.embedder.learn_limit(error, max(counts))
        limit = self.embedder.token_limit
        long = [place for place, n in zip(places, counts, strict=True) if n > limit]
        self.too_long.update(long)
        self.refused |= dict.fromkeys(long, error.message)
        return [place for place in places if place not in self.too_long]


def connect_embedder(
    endpoint: Endpoint,
    model: ModelInfo,
    pace: Pace,
    probe_text: str,
    exact_count: Callable[[Sequence[str]], list[int]] | None = None,
    query_prefix: str | None = None,
    document_prefix: str | None = None,
) -> tuple[EndpointEmbedder, Vectors]:
    """Return the embedder for a model, and the vector it gives the probe text.

    `exact_count` counts tokens with special ones; without it a safe estimate is used.
    A prefix of None is that of the model's family, "none" is no prefix.  The probe tells the
    dimension and proves that the model embeds at all.
    """
    family = _with_prefixes(family_of(model.id), query_prefix, document_prefix)
    count = _without_special(exact_count) if exact_count else _estimate
    probe = endpoint.embed(model.id, [family.document_prefix + probe_text])[0]
    embedder = EndpointEmbedder(
        endpoint=endpoint,
        model=model.id,
        family=family,
        dimension=int(probe.shape[0]),
        token_limit=_limit(model) - reserved_tokens(family, count),
        pace=pace,
        count=count,
    )
    embedder.watch_losses()
    return embedder, probe


def reserved_tokens(family: Family, count: Callable[[Sequence[str]], list[int]]) -> int:
    """Return the tokens of every text that are not its own: special ones and prefix."""
    return SPECIAL_TOKENS + count([family.document_prefix])[0]


def _is_too_much(error: EndpointError) -> bool:
    """Tell whether a smaller request may pass: a crash, silence, a broken line, another 5xx."""
    if isinstance(error, ModelLost | AnswerTimeout):
        return True
    return error.retryable and not isinstance(error, ServerBusy | BadResponse)


def _concerns_texts(error: EndpointError) -> bool:
    return isinstance(error, _MAY_BE_THE_TEXT) or _is_too_much(error)


def _rough_tokens(text: str) -> int:
    """Return about how many tokens a text has, as only ratios of it matter."""
    return len(text.encode("utf-8", "replace")) // 4


def _with_prefixes(family: Family, query: str | None, document: str | None) -> Family:
    def choose(given: str | None, own: str) -> str:
        return own if given is None else "" if given.lower() == NO_PREFIX else given

    return replace(
        family,
        query_prefix=choose(query, family.query_prefix),
        document_prefix=choose(document, family.document_prefix),
    )


def _limit(model: ModelInfo) -> int:
    known = [n for n in (model.context_tokens, model.max_context_tokens) if n]
    family = family_of(model.id)
    if family is not UNKNOWN:
        known.append(family.max_tokens)
    return min(known, default=UNKNOWN.max_tokens)


def _estimate(texts: Sequence[str]) -> list[int]:
    return [estimate_tokens(text) for text in texts]


def _without_special(
    exact_count: Callable[[Sequence[str]], list[int]],
) -> Callable[[Sequence[str]], list[int]]:
    return lambda texts: [count - SPECIAL_TOKENS for count in exact_count(texts)]
