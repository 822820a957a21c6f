"""A way to ask for embeddings in, what the model behind it really does out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy

from rag.models.base.errors import (
    BadResponse,
    ContextOverflow,
    EndpointError,
    ModelUnavailable,
    RequestRefused,
)
from rag.models.wire.decode import EmbeddingAnswer, Vectors

Ask: TypeAlias = Callable[[Sequence[str]], EmbeddingAnswer]

# [CLS] and [SEP], or their like.
SPECIAL_TOKENS = 2
MIN_LIMIT = 32
CUT_DISTANCE = 0.0141  # a cosine of 0.9999
CUT_SHARE = 0.1
SAME_COSINE = 0.999
ONE_VECTOR_COSINE = 0.9999
UNIT_TOLERANCE = 0.01

_MARKS = ("cold water and old stone bridges", "seven red engines burning at night")
_PAIRS = (
    ("When does the ferry leave?", "The boat to the island sails at a quarter past nine."),
    ("How long may I borrow a book?", "Readers keep a volume for four weeks, then return it."),
    ("What does the oven run on?", "Our bakery heats with dry beech wood, as it did in 1890."),
    ("Who repairs the heating?", "If a radiator stays cold, call the caretaker in room twelve."),
    ("Is the museum open on Monday?", "The collection is closed on the first day of the week."),
    ("How is the bread made sour?", "The dough rests with a starter of rye for a whole day."),
    ("What does a ticket cost?", "Adults pay six crowns for the crossing, children half of it."),
    ("May I take photographs?", "Pictures without a flash are allowed in all of the halls."),
)
_QUESTIONS = [question for question, _ in _PAIRS]
_PASSAGES = [passage for _, passage in _PAIRS]
# Of different lengths, as padding is where servers err.
_MIXED = [text[: len(text) // (1 + place % 3)] for place, text in enumerate(_PASSAGES)]
_SINGLES = (0, 3, 5, 7)


@dataclass(frozen=True, slots=True)
class BatchCheck:
    """Whether texts sent together get what they get alone, and what the answers told.

    `unit_length` says that vectors came with length 1, `answered_by` who the server says it is.
    """

    batch_equals_single: bool
    unit_length: bool
    answered_by: str


def find_true_limit(
    embed: Callable[[Sequence[str]], Vectors], model: str, tokens: int, prefix: str = ""
) -> int:
    """Return the most tokens of a text that the model was seen to read, at most so many.

    Two texts of that length that differ only at their end are embedded, and two that differ at
    their beginning.  A server that refuses them names its limit; one that cuts them off in
    silence, as LM Studio and Ollama do, makes the first two equal.  Either way a shorter
    length is tried.  Raises ModelUnavailable when next to nothing is left.
    """
    limit = tokens
    while limit >= MIN_LIMIT:
        fillers = [words(limit - len(mark.split()), "") for mark in _MARKS]
        texts = [filler + mark for filler, mark in zip(fillers, _MARKS, strict=True)]
        texts += [f"{mark} {filler}" for filler, mark in zip(fillers, _MARKS, strict=True)]
        try:
            rows = embed([prefix + text for text in texts])
        except ContextOverflow as error:
            told = error.limit_tokens or limit
            limit = told - SPECIAL_TOKENS if told < limit else limit // 2
            continue
        if not _is_cut(rows):
            return limit
        limit //= 2
    raise reads_too_little(model)


def _is_cut(rows: Vectors) -> bool:
    """Tell whether a difference at the end counts for nothing, beside one at the beginning.

    The longer the texts the less it counts everywhere: a fixed bound would not do.
    """
    at_end, at_beginning = (float(numpy.linalg.norm(rows[i] - rows[i + 1])) for i in (0, 2))
    return at_end < CUT_DISTANCE and at_end < CUT_SHARE * at_beginning


def compare_batches(ask: Ask) -> BatchCheck:
    """Embed four texts alone, two of them together, and again among eight.

    Raises BadResponse for a model that gives different texts the same vector.
    """
    alone = {place: ask([_MIXED[place]]) for place in _SINGLES}
    first, *others = (answer.vectors[0] for answer in alone.values())
    if all(float(first @ row) > ONE_VECTOR_COSINE for row in others):
        raise BadResponse(
            f"{alone[0].model or 'the model'} gives different texts the same vector",
            "load an embedding model; rag models shows which is used, and why",
        )
    lengths = numpy.concatenate([answer.lengths for answer in alone.values()])
    groups: tuple[Sequence[int], ...] = (_SINGLES[:2], range(len(_MIXED)))
    return BatchCheck(
        batch_equals_single=all(_equals(ask, group, alone) for group in groups),
        unit_length=bool((numpy.abs(lengths - 1) <= UNIT_TOLERANCE).all()),
        answered_by=alone[0].model,
    )


def _equals(ask: Ask, group: Sequence[int], alone: dict[int, EmbeddingAnswer]) -> bool:
    try:
        rows = ask([_MIXED[place] for place in group]).vectors
    except (BadResponse, RequestRefused):
        return False
    except EndpointError as error:
        if error.retryable:  # It was too much, and may pass in less.
            return False
        raise
    found = zip(group, rows, strict=True)
    return all(
        float(alone[place].vectors[0] @ row) > SAME_COSINE for place, row in found if place in alone
    )


def try_prefixes(ask: Ask, query_prefix: str, document_prefix: str) -> bool:
    """Tell whether eight questions find their passages as well with the prefixes as without.

    False only when that is plain: two or more fewer find theirs first, or by less than half
    the margin.
    """
    with_them, without = (
        _find_passages(
            ask(
                [*(query + text for text in _QUESTIONS), *(document + p for p in _PASSAGES)]
            ).vectors
        )
        for query, document in ((query_prefix, document_prefix), ("", ""))
    )
    (found, margin), (found_bare, margin_bare) = with_them, without
    return found > found_bare - 2 and (margin_bare <= 0 or margin >= margin_bare / 2)


def _find_passages(rows: Vectors) -> tuple[int, float]:
    """Return how many questions are nearest to their own passage, and by what mean margin."""
    scores = rows[: len(_PAIRS)] @ rows[len(_PAIRS) :].T
    own = scores.diagonal().copy()
    numpy.fill_diagonal(scores, -numpy.inf)
    margins = own - scores.max(axis=1)
    return int((margins > 0).sum()), float(margins.mean())


def words(tokens: int, ending: str) -> str:
    """Return a text of so many tokens: every tokenizer has these words whole."""
    return f"{'one ' * (tokens - len(ending.split()))}{ending}"


def reads_too_little(model: str) -> ModelUnavailable:
    """Return the error of a model that reads next to nothing of a text."""
    return ModelUnavailable(
        f"{model} reads less than {MIN_LIMIT} tokens of a text",
        "load it with a larger context (llama.cpp: --ubatch-size), or choose another model",
    )
