"""The embedder that ingestion and retrieval use: a model of an endpoint with its prefixes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy

from ingest.base.errors import TextsRejected
from ingest.tokens import estimate_tokens
from rag.models.base.errors import (
    BadResponse,
    ContextOverflow,
    EndpointError,
    ModelUnavailable,
    RequestRefused,
)
from rag.models.discover import ModelInfo
from rag.models.endpoint import Endpoint
from rag.models.families import UNKNOWN, Family, canonical_name, family_of
from rag.models.wire.decode import Vectors

# [CLS] and [SEP], or their like.
SPECIAL_TOKENS = 2
# Faults that another text may not have; the others concern the server as a whole.
_MAY_BE_THE_TEXT = (BadResponse, ContextOverflow, RequestRefused)
MIN_LIMIT = 32
SAME_COSINE = 0.9999
_ENDINGS = ("cold water and old stone bridges", "seven red engines burning at night")


@dataclass(frozen=True, slots=True)
class EndpointEmbedder:
    """An `ingest.base.ports.Embedder`: documents and questions each get their prefix."""

    endpoint: Endpoint
    model: str
    family: Family
    dimension: int
    token_limit: int
    in_flight: int
    count: Callable[[Sequence[str]], list[int]]

    @property
    def identity(self) -> str:
        """Name what changes a vector: model, dimension, document prefix."""
        return f"{canonical_name(self.model)}|{self.dimension}|{self.family.document_prefix}"

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Return the tokens of each text, without prefix and special tokens."""
        return self.count(texts)

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return one unit row per document text, in order.

        A batch that fails for what is in it is halved until the texts at fault are alone.
        Raises TextsRejected naming those, EndpointError when no text can be embedded.
        """
        prefix = self.family.document_prefix
        whole = [prefix + text for text in texts]
        try:
            return self.endpoint.embed(self.model, whole)
        except _MAY_BE_THE_TEXT as error:
            vectors, reasons = self._embed_halves(whole, error)
            if len(reasons) == len(texts) > 1:
                raise
            rows = [vectors[i] for i in range(len(texts)) if i in vectors]
            matrix = numpy.stack(rows) if rows else numpy.empty((0, self.dimension), numpy.float32)
            raise TextsRejected(reasons, matrix) from error

    def _embed_halves(
        self, texts: Sequence[str], error: EndpointError
    ) -> tuple[dict[int, Vectors], dict[int, str]]:
        """Return the vectors by position, and why the texts without one were refused."""
        if len(texts) == 1:
            return {}, {0: error.message}
        vectors: dict[int, Vectors] = {}
        reasons: dict[int, str] = {}
        middle = len(texts) // 2
        for start, half in ((0, texts[:middle]), (middle, texts[middle:])):
            try:
                found: dict[int, Vectors] = dict(enumerate(self.endpoint.embed(self.model, half)))
                refused: dict[int, str] = {}
            except _MAY_BE_THE_TEXT as again:
                found, refused = self._embed_halves(half, again)
            vectors |= {start + i: row for i, row in found.items()}
            reasons |= {start + i: why for i, why in refused.items()}
        return vectors, reasons

    def embed_query(self, question: str) -> Vectors:
        """Return the unit vector of a question, shape (dimension,); raises EndpointError."""
        text = " ".join(question.split())
        row: Vectors = self.endpoint.embed(self.model, [self.family.query_prefix + text])[0]
        return row


def connect_embedder(
    endpoint: Endpoint,
    model: ModelInfo,
    in_flight: int,
    probe_text: str,
    exact_count: Callable[[Sequence[str]], list[int]] | None = None,
) -> tuple[EndpointEmbedder, Vectors]:
    """Return the embedder for a model, and the vector it gives the probe text.

    `exact_count` counts tokens with special ones; without it a safe estimate is used.
    Embedding the probe tells the dimension and proves that the model embeds at all.
    """
    family = family_of(model.id)
    count = _without_special(exact_count) if exact_count else _estimate
    probe = endpoint.embed(model.id, [family.document_prefix + probe_text])[0]
    embedder = EndpointEmbedder(
        endpoint=endpoint,
        model=model.id,
        family=family,
        dimension=int(probe.shape[0]),
        token_limit=_limit(model, family) - SPECIAL_TOKENS - count([family.document_prefix])[0],
        in_flight=in_flight,
        count=count,
    )
    return embedder, probe


def with_true_limit(embedder: EndpointEmbedder, needed_tokens: int) -> EndpointEmbedder:
    """Return the embedder with a token limit that its server was seen to keep.

    Two texts of the length needed that differ only at their end are embedded.  A server that
    refuses them names its limit; equal vectors (cosine above 0.9999) prove that it cuts them
    off in silence, as LM Studio and Ollama do.  Either way a shorter length is tried.
    """
    limit = min(embedder.token_limit, needed_tokens)
    prefix = embedder.family.document_prefix
    while limit > MIN_LIMIT:
        texts = [prefix + text for text in _texts_that_end_differently(limit)]
        try:
            first, second = embedder.endpoint.embed(embedder.model, texts)
        except ContextOverflow as error:
            told = error.limit_tokens or limit
            limit = told - SPECIAL_TOKENS if told < limit else limit // 2
            continue
        if float(first @ second) <= SAME_COSINE:
            return replace(embedder, token_limit=limit)
        limit //= 2
    raise ModelUnavailable(
        f"{embedder.model} reads less than {MIN_LIMIT} tokens of a text",
        "load it with a larger context (llama.cpp: --ubatch-size), or choose another model",
    )


def _texts_that_end_differently(tokens: int) -> list[str]:
    """Return two texts of so many tokens: every tokenizer has these words whole."""
    return [f"{'one ' * (tokens - len(ending.split()))}{ending}" for ending in _ENDINGS]


def _limit(model: ModelInfo, family: Family) -> int:
    known = [n for n in (model.context_tokens, model.max_context_tokens) if n]
    if family is not UNKNOWN:
        known.append(family.max_tokens)
    return min(known, default=UNKNOWN.max_tokens)


def _estimate(texts: Sequence[str]) -> list[int]:
    return [estimate_tokens(text) for text in texts]


def _without_special(
    exact_count: Callable[[Sequence[str]], list[int]],
) -> Callable[[Sequence[str]], list[int]]:
    return lambda texts: [count - SPECIAL_TOKENS for count in exact_count(texts)]
