"""The embedder that ingestion and retrieval use: a model of an endpoint with its prefixes."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from threading import Lock, local

from ingest.tokens import estimate_tokens
from rag.models.base.errors import (
    BadResponse,
    ContextOverflow,
    EndpointError,
    ModelUnavailable,
)
from rag.models.discover import ModelInfo
from rag.models.embedding.checks import MIN_LIMIT, SPECIAL_TOKENS, reads_too_little
from rag.models.embedding.pace import Pace
from rag.models.embedding.salvage import Salvage, concerns_texts, is_too_much
from rag.models.endpoint import Endpoint
from rag.models.families import MANY, UNKNOWN, Family, canonical_name, family_of, languages_of
from rag.models.wire.decode import EmbeddingAnswer, Vectors

NO_PREFIX = "none"

# One sign of a script without spaces, or two letters at least.
_WORD = re.compile(
    r"[\u3040-\u30ff\u3400-\u9fff]|(?:(?![\u3040-\u30ff\u3400-\u9fff])[^\W\d_]){2,}+"
)


@dataclass(slots=True)
class EndpointEmbedder:
    """An `ingest.base.ports.Embedder`: documents and questions each get their prefix.

    `token_limit` goes down when the server refuses what was thought to fit; `answered_by` is
    the model that the server said its first answer was from, "" if it did not.
    `exact_unknown` tells the share of unknown words where the tokenizer is at hand.
    """

    endpoint: Endpoint
    model: str
    family: Family
    dimension: int
    token_limit: int
    pace: Pace
    count: Callable[[Sequence[str]], list[int]]
    answered_by: str = ""
    exact_unknown: Callable[[Sequence[str]], float | None] | None = None
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

    def unknown_share(self, texts: Sequence[str]) -> float | None:
        """Return the part of the texts' words that the model has no tokens for, but letters.

        Where the tokenizer is not here but known to be BERT's of English, it is the part of
        the words in other scripts; of other models it is None, as it is without words.
        """
        if self.exact_unknown:
            return self.exact_unknown(texts)
        if not self.family.word_piece or languages_of(self.model) == MANY:
            return None
        words = [word for text in texts for word in _WORD.findall(text)]
        return sum(map(_is_foreign, words)) / len(words) if words else None

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
            vectors = self.embed_once(texts)
            texts_done, tokens_done = len(texts), sum(map(_rough_tokens, texts))
            return vectors
        except EndpointError as error:
            if is_too_much(error):
                self.pace.crashed(mark)
            elif not concerns_texts(error):
                raise
            failed = error
        finally:
            del self._call.fell
            self.pace.end(mark, texts_done, tokens_done)
        with self.pace.alone():
            salvage = Salvage(self, texts)
            vectors = salvage.run(failed)
            if is_too_much(failed) and len(texts) > 1:
                self.pace.was_too_much(mark, salvage.largest / len(texts))
            return vectors

    def embed_query(self, question: str) -> Vectors:
        """Return the unit vector of a question, shape (dimension,); raises EndpointError."""
        text = " ".join(question.split())
        row: Vectors = self.ask([self.family.query_prefix + text]).vectors[0]
        return row

    def watch_losses(self) -> None:
        """Slow down at a crash even when the endpoint's own second try succeeds."""
        before = self.endpoint.on_lost

        def on_lost(model: str) -> None:
            if fell := getattr(self._call, "fell", None):  # Set in the thread of the request.
                fell()
            before(model)

        self.endpoint.on_lost = on_lost

    def ask(self, texts: Sequence[str]) -> EmbeddingAnswer:
        """Return what the model says to texts as they are; raises EndpointError.

        Another dimension than its first answer had is BadResponse: another model answers.  One
        of the same dimension that has another name is ModelUnavailable, which ends a run.
        """
        answer = self.endpoint.embed_measured(self.model, texts)
        if answer.model and self.answered_by and _plain(answer.model) != _plain(self.answered_by):
            raise ModelUnavailable(
                f"{answer.model} answers at {self.endpoint.host} where {self.answered_by} did: "
                "the model was changed meanwhile",
                f"load {self.model} again and repeat the command: it goes on where it stopped",
            )
        dimension = answer.vectors.shape[1]
        if dimension != self.dimension:
            raise BadResponse(
                f"{self.endpoint.host} sent vectors of {dimension} numbers for {self.model}, "
                f"whose first had {self.dimension} numbers",
                "load one embedding model only; rag models shows which is used",
            )
        return answer

    def embed_once(self, texts: Sequence[str]) -> Vectors:
        """Return the rows of document texts from one request; raises EndpointError."""
        prefix = self.family.document_prefix
        return self.ask([prefix + text for text in texts]).vectors

    def learn_limit(self, error: ContextOverflow, longest: int) -> None:
        """Lower the limit after texts of which the longest had so many tokens were too long.

        It is the number the server names, else three quarters of what was sent.  Raises
        ModelUnavailable when next to nothing is left.
        """
        told = (error.limit_tokens or 0) - reserved_tokens(self.family, self.count)
        limit = told if 0 < told < longest else longest * 3 // 4
        if limit < MIN_LIMIT:
            raise reads_too_little(self.model, self.endpoint.server) from error
        with self._lock:
            self.token_limit = min(self.token_limit, limit)


def connect_embedder(
    endpoint: Endpoint,
    model: ModelInfo,
    pace: Pace,
    probe_text: str,
    exact_count: Callable[[Sequence[str]], list[int]] | None = None,
    query_prefix: str | None = None,
    document_prefix: str | None = None,
) -> tuple[EndpointEmbedder, EmbeddingAnswer]:
    """Return the embedder for a model, and its answer to the probe text.

    `exact_count` counts tokens with special ones; without it a safe estimate is used.
    A prefix of None is that of the model's family, "none" is no prefix.  The probe tells the
    dimension and proves that the model embeds at all.
    """
    family = _with_prefixes(family_of(model.id), query_prefix, document_prefix)
    count = _without_special(exact_count) if exact_count else _estimate
    answer = endpoint.embed_measured(model.id, [family.document_prefix + probe_text])
    embedder = EndpointEmbedder(
        endpoint=endpoint,
        model=model.id,
        family=family,
        dimension=int(answer.vectors.shape[1]),
        token_limit=_limit(model) - reserved_tokens(family, count),
        pace=pace,
        count=count,
        answered_by=answer.model,
    )
    embedder.watch_losses()
    return embedder, answer


def reserved_tokens(family: Family, count: Callable[[Sequence[str]], list[int]]) -> int:
    """Return the tokens of every text that are not its own: special ones and prefix."""
    return SPECIAL_TOKENS + count([family.document_prefix])[0]


def _is_foreign(word: str) -> bool:
    """Say whether a word is not in Latin letters."""
    return not any(char < "\u0250" or "\u1e00" <= char <= "\u1eff" for char in word)


def _plain(model: str) -> str:
    """Return the name of a model without what only some answers of a server may have."""
    return canonical_name(model).removesuffix("-gguf")


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
