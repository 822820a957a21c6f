"""The texts of a request that failed in, the rows of all but those at fault out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy

from ingest.base.errors import TextsRejected
from rag.models.base.errors import (
    BadResponse,
    ContextOverflow,
    EndpointError,
    ModelLost,
    RequestRefused,
    ServerBusy,
)
from rag.models.wire.patience import AnswerTimeout

if TYPE_CHECKING:
    from rag.models.embedding.pace import Pace
    from rag.models.wire.decode import Vectors


class Sender(Protocol):
    """What is needed of an embedder to send texts in parts."""

    dimension: int
    token_limit: int
    pace: Pace

    def embed_once(self, texts: Sequence[str]) -> Vectors:
        """Return the rows of document texts from one request; raises EndpointError."""
        ...

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Return the tokens of each text."""
        ...

    def learn_limit(self, error: ContextOverflow, longest: int) -> None:
        """Lower `token_limit` after texts with so many tokens were too long."""
        ...


# Faults that another text may not have; the others concern the server as a whole.
_MAY_BE_THE_TEXT = (BadResponse, ContextOverflow, RequestRefused)
_HARMLESS = "A short sentence that no model refuses."


def is_too_much(error: EndpointError) -> bool:
    """Tell whether a smaller request may pass: a crash, silence, a broken line, another 5xx."""
    if isinstance(error, ModelLost | AnswerTimeout):
        return True
    return error.retryable and not isinstance(error, ServerBusy | BadResponse)


def concerns_texts(error: EndpointError) -> bool:
    """Tell whether another text, or fewer of them, may pass."""
    return isinstance(error, _MAY_BE_THE_TEXT) or is_too_much(error)


class Salvage:
    """Embeds the texts of a request that failed as a whole, in parts."""

    def __init__(self, embedder: Sender, texts: Sequence[str]) -> None:
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
        if len(everything) == 1 and is_too_much(error):
            self._try(everything)  # Others may have run beside it, now none does.
        else:
            self._divide(everything, error)
        if len(everything) > 1 and len(self.refused) == len(everything) and not self.too_long:
            raise error
        if len(everything) > 2 and not self.refused and not is_too_much(error):
            self.embedder.pace.at_most(self.largest)  # Nothing is wrong with them but their number.
        rows = [self.rows[i] for i in sorted(self.rows)]
        empty = numpy.empty((0, self.embedder.dimension), numpy.float32)
        matrix = numpy.stack(rows) if rows else empty
        if self.refused:
            raise TextsRejected(self.refused, matrix, frozenset(self.too_long)) from error
        return matrix

    def _check_server(self, error: EndpointError) -> None:
        """Raise the error when it is not for the texts: a few of them fail alone as well."""
        count = len(self.texts)
        if isinstance(error, AnswerTimeout):  # Each try takes as long again.
            scouts = self.texts[:1] if count > 1 else []
        elif count == 1:
            scouts = [_HARMLESS]
        else:  # From all over, the ends first.
            places = (0, count - 1, count // 4, count // 2)
            scouts = [self.texts[place] for place in dict.fromkeys(places)]
        for text in scouts:
            try:
                self.embedder.embed_once([text])
            except EndpointError as again:
                if not concerns_texts(again):
                    raise
            else:
                return
        raise error

    def _divide(self, places: Sequence[int], error: EndpointError) -> None:
        """Embed a group that failed in smaller ones; of a text alone, note what is wrong."""
        if isinstance(error, ContextOverflow):
            self._divide_too_long(places, error)
        elif len(places) == 1:
            self.refused[places[0]] = error.message
        else:
            self._try_halves(places)

    def _try_halves(self, places: Sequence[int]) -> None:
        middle = len(places) // 2
        self._try(places[:middle])
        self._try(places[middle:])

    def _try(self, places: Sequence[int]) -> None:
        if not places:
            return
        try:
            rows = self.embedder.embed_once([self.texts[place] for place in places])
        except EndpointError as error:
            is_late = isinstance(error, AnswerTimeout)
            if is_late:
                self.embedder.pace.crashed()
            if not concerns_texts(error) or (is_late and len(places) == 1):
                raise
            self._divide(places, error)
        else:
            self.largest = max(self.largest, len(places))
            self.rows |= dict(zip(places, rows, strict=True))

    def _divide_too_long(self, places: Sequence[int], error: ContextOverflow) -> None:
        """Try the longest text alone: some servers count all texts of a request together."""
        texts = [self.texts[place] for place in places]
        counts = dict(zip(places, self.embedder.count_tokens(texts), strict=True))
        longest = max(places, key=counts.__getitem__)
        if len(places) == 1:
            self.embedder.learn_limit(error, counts[longest])
            self._refuse_too_long([longest], error)
            return
        self._try([longest])
        rest = [place for place in places if place != longest]
        if longest in self.too_long:
            limit = self.embedder.token_limit
            self._refuse_too_long([place for place in rest if counts[place] > limit], error)
            self._try([place for place in rest if place not in self.too_long])
        else:
            self._try_halves(rest)

    def _refuse_too_long(self, places: Sequence[int], error: ContextOverflow) -> None:
        self.too_long.update(places)
        self.refused |= dict.fromkeys(places, error.message)
