"""A way to ask for embeddings in, what the model behind it really does out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy

from rag.models.base.errors import BadResponse, ContextOverflow, EndpointError, ModelUnavailable
from rag.models.embedding.salvage import concerns_texts, is_too_much
from rag.models.wire.decode import EmbeddingAnswer, Vectors
from rag.models.wire.hints import commands_of

Ask: TypeAlias = Callable[[Sequence[str]], EmbeddingAnswer]

# [CLS] and [SEP], or their like.
SPECIAL_TOKENS = 2
MIN_LIMIT = 32
USUAL_LIMITS = (8192, 4096, 2048, 1024, 512, 256, 128, 64)
BISECTIONS = 2
MARKED_SHARE = 20  # A twentieth of a text is what differs.
UNREAD_SHARE = 0.1
NOISE_TIMES = 4
LEAST_NOISE = 0.002
SAME_COSINE = 0.999
ONE_VECTOR_COSINE = 0.9999
UNIT_TOLERANCE = 0.01

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

    `batch_equals_single` is None when the server took no two texts at once, `unit_length` says
    that vectors came with length 1, `answered_by` who the server says it is.
    """

    batch_equals_single: bool | None
    unit_length: bool
    answered_by: str


@dataclass(slots=True)
class Groups:
    """Embeds texts in groups of so many at most, and of fewer where a group is too much."""

    ask: Ask
    most: int

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return one row per text; raises EndpointError when one fails alone."""
        while (size := min(self.most, len(texts))) > 1:
            try:
                return self._embed(texts, size)
            except EndpointError as error:
                if not concerns_texts(error):
                    raise
                if isinstance(error, ContextOverflow):  # Shorter texts may pass together.
                    break
                self.most = 1 if is_too_much(error) else size // 2
        return self._embed(texts, 1)

    def _embed(self, texts: Sequence[str], size: int) -> Vectors:
        groups = [texts[start : start + size] for start in range(0, len(texts), size)]
        return numpy.concatenate([self.ask(group).vectors for group in groups])


def find_true_limit(
    embed: Callable[[Sequence[str]], Vectors],
    too_little: EndpointError,
    tokens: int,
    prefix: str = "",
    reserved: int = SPECIAL_TOKENS,
) -> int:
    """Return the most tokens of a text that the model was seen to read, at most so many.

    `reserved` are the tokens of the prefix and special ones, which come on top.  Texts of that
    length are embedded that differ in a part only.  A server that refuses them may name its
    limit; one that cuts them off in silence, as LM Studio and Ollama do, makes them equal.
    Either way shorter ones are tried: the usual limits first, then half of what is between.
    Raises `too_little` when next to nothing is left.
    """
    limit, unread = tokens, tokens + 1
    while limit >= MIN_LIMIT:
        told = _find_fault(embed, prefix, limit)
        if told is None:
            break
        named = told - reserved
        if told and named < limit:
            limit, unread = named, named + 1
        elif told and named < 2 * limit:  # It is right, and our count a little off.
            limit, unread = limit * 7 // 8, limit
        else:
            limit, unread = _usual_below(limit, reserved), limit
    else:
        raise too_little
    for _ in range(BISECTIONS):
        middle = (limit + unread) // 2
        if unread - limit <= limit // MARKED_SHARE:
            break
        if _find_fault(embed, prefix, middle) is None:
            # Of what differs at the end, a part may have gone unread.
            limit = max(limit, middle - middle // MARKED_SHARE)
        else:
            unread = middle
    return limit


def _usual_below(limit: int, reserved: int) -> int:
    """Return the next shorter length to try."""
    usual = [n - reserved for n in USUAL_LIMITS if n - reserved < limit]
    return max(MIN_LIMIT if limit > MIN_LIMIT else 0, limit // 4, *usual)


def _find_fault(embed: Callable[[Sequence[str]], Vectors], prefix: str, tokens: int) -> int | None:
    """Return None when texts of that length are read whole, else the limit named or 0."""
    try:
        rows = embed([prefix + text for text in _marked_texts(tokens)])
    except ContextOverflow as error:
        return error.limit_tokens or 0
    except EndpointError as error:
        if not concerns_texts(error):
            raise
        return 0
    return 0 if _is_cut(rows) else None


def _marked_texts(tokens: int) -> list[str]:
    """Return a text twice, then with other words at its beginning, middle and end."""
    filler = ["one"] * tokens
    mark = [("water", "night")[n % 2] for n in range(max(1, tokens // MARKED_SHARE))]
    rest = tokens - len(mark)
    marked = [filler[:start] + mark + filler[start:rest] for start in (0, rest // 2, rest)]
    return [" ".join(text) for text in (filler, filler, *marked)]


def _is_cut(rows: Vectors) -> bool:
    """Tell whether other words at one place count for nothing, beside the other places.

    What the same text differs by from itself is noise.  Some models hardly look at some places
    and the longer the texts the less each counts, so that neither bound alone would do.
    """
    noise, *effects = (float(numpy.linalg.norm(row - rows[0])) for row in rows[1:])
    least = min(effects)
    is_noise = least <= max(NOISE_TIMES * noise, LEAST_NOISE)
    return is_noise and least < UNREAD_SHARE * max(effects)


def compare_batches(ask: Ask, most: int = len(_MIXED)) -> BatchCheck:
    """Embed four texts alone, two of them together, and again among eight, `most` at once.

    A group that is refused, or too much for the server, says nothing of this.  Raises
    BadResponse for a model that gives different texts the same vector.
    """
    alone = {place: ask([_MIXED[place]]) for place in _SINGLES}
    first, *others = (answer.vectors[0] for answer in alone.values())
    if all(float(first @ row) > ONE_VECTOR_COSINE for row in others):
        raise BadResponse(
            f"{alone[0].model or 'the model'} gives different texts the same vector",
            "load an embedding model; rag models shows which is used, and why",
        )
    lengths = numpy.concatenate([answer.lengths for answer in alone.values()])
    groups = [group[:most] for group in (_SINGLES[:2], range(len(_MIXED)))] if most > 1 else []
    verdicts = {_equals(ask, group, alone) for group in groups} - {None}
    return BatchCheck(
        batch_equals_single=False not in verdicts if verdicts else None,
        unit_length=bool((numpy.abs(lengths - 1) <= UNIT_TOLERANCE).all()),
        answered_by=alone[0].model,
    )


def _equals(ask: Ask, group: Sequence[int], alone: dict[int, EmbeddingAnswer]) -> bool | None:
    """Tell whether a group gets what its texts get alone; None when it was not taken."""
    try:
        rows = ask([_MIXED[place] for place in group]).vectors
    except BadResponse:
        return False
    except EndpointError as error:
        if concerns_texts(error):
            return None
        raise
    found = zip(group, rows, strict=True)
    return all(
        float(alone[place].vectors[0] @ row) > SAME_COSINE for place, row in found if place in alone
    )


def try_prefixes(
    embed: Callable[[Sequence[str]], Vectors], query_prefix: str, document_prefix: str
) -> bool | None:
    """Tell whether eight questions find their passages better with the prefixes than without.

    True and False only when that is plain: two or more more find theirs first, or by more than
    twice the margin.  None when it makes no difference, or the server does not take the texts.
    """
    try:
        with_them, without = (
            _find_passages(
                embed([*(query + q for q in _QUESTIONS), *(document + p for p in _PASSAGES)])
            )
            for query, document in ((query_prefix, document_prefix), ("", ""))
        )
    except EndpointError as error:
        if not concerns_texts(error):
            raise
        return None
    helps, harms = _is_better(with_them, without), _is_better(without, with_them)
    return None if helps == harms else helps


def _is_better(one: tuple[int, float], other: tuple[int, float]) -> bool:
    (found, margin), (found_by_other, margin_of_other) = one, other
    return found >= found_by_other + 2 or (margin > 0 and margin > 2 * margin_of_other)


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


def reads_too_little(model: str, server: str) -> ModelUnavailable:
    """Return the error of a model that reads next to nothing of a text."""
    return ModelUnavailable(
        f"{model} reads less than {MIN_LIMIT} tokens of a text",
        f"{commands_of(server, model).context}; or choose another model",
    )
