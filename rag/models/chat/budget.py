"""A text in, an upper estimate of a chat model's tokens out, from the best source there is."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from math import ceil
from typing import Literal, Protocol

from ingest.tokens import count_tokens
from rag.models.base.errors import EndpointError

MARGIN = 1.35
"""Against cl100k, tokenizers of local chat models need up to 1.32 times as many tokens."""

_HEADROOM = 1.1
_REMEMBERED = 20
# Fewer answers say little of other texts, and none says that all scripts are as short as one.
_ENOUGH = 5
_LEAST_MARGIN = 1.2
# Below this a chat template is too large a share of what the server counts.
_LEAST_PROMPT = 200
# Some servers leave out what they had in their cache; others count in units of their own.
_LOWEST_RATIO, _HIGHEST_RATIO = 0.8, 4.0
# Where texts are joined, what was one token may become several.
_JOINT_TOKENS = 4
_KEPT_OF_SENT = 0.75
_RAISED = 1.25
_MOST = 50.0


class Server(Protocol):
    """What is needed of an endpoint to have tokens counted."""

    def post(self, path: str, body: Mapping[str, object]) -> object:
        """Return the JSON at a path from the server's root; raises EndpointError."""
        ...


class TokenCounter:
    """Counts tokens for one chat model, never too few, and learns from what the server says.

    Sources, best first: the server's own count (llama.cpp and vLLM), the ratio learned from the
    usage that earlier answers reported, 1.35 times cl100k.  `kind` is the server's name in its
    offer, `listed_tokens` the context it lists as loaded; `known` is an earlier `record()`, of
    which a learned limit is dropped when the listed context has changed.
    """

    def __init__(
        self,
        server: Server,
        kind: str,
        model: str,
        listed_tokens: int,
        known: Mapping[str, object] | None = None,
    ) -> None:
        self._server = server
        self._kind = kind
        self._model = model
        self.listed_tokens = listed_tokens
        self._is_asked = kind in ("llama.cpp", "vLLM")
        known = known or {}
        self._ratios = deque(_read_ratios(known.get("ratios")), maxlen=_REMEMBERED)
        learned = _read_count(known.get("context_tokens"))
        is_same = known.get("listed_tokens") == listed_tokens
        self._learned_tokens = learned if is_same else None
        assumed = known.get("assumed")
        self._assumed = assumed if isinstance(assumed, float) and 0 < assumed < _MOST else 0.0
        self._answers_left = _ENOUGH

    @property
    def context_tokens(self) -> int:
        """Return the context that can be used: as listed, or less if the server proved so."""
        return min(self.listed_tokens, self._learned_tokens or self.listed_tokens)

    @property
    def ratio(self) -> float:
        """Return how many tokens are reckoned for one of cl100k where the server does not count.

        What an overflow made us assume holds for the next few answers.
        """
        least = _LEAST_MARGIN if len(self._ratios) >= _ENOUGH else MARGIN
        return max(least, _HEADROOM * max(self._ratios, default=0.0), self._assumed)

    @property
    def source(self) -> Literal["server", "usage", "margin"]:
        """Return where counts come from now."""
        if self._is_asked:
            return "server"
        return "usage" if self._ratios else "margin"

    def count(self, text: str) -> int:
        """Return the most tokens that the text takes among others."""
        if self._is_asked and (exact := self._ask(text)) is not None:
            return exact + _JOINT_TOKENS
        return ceil(self.ratio * count_tokens(text))

    def learn(self, counted: int, prompt_tokens: int) -> None:
        """Compare our cl100k count of a prompt with what the server counted; 0 is unknown."""
        if counted < _LEAST_PROMPT:
            return
        # Multiplied, not divided: a server may send a number that goes into no float.
        if _LOWEST_RATIO * counted <= prompt_tokens <= _HIGHEST_RATIO * counted:
            self._ratios.append(prompt_tokens / counted)
            self._answers_left -= 1
            if self._answers_left <= 0:
                self._assumed = 0.0

    def overflowed(self, limit: int | None, prompt_tokens: int, answer_tokens: int) -> None:
        """Learn from a server that refused a prompt of so many tokens, by our count.

        `limit` is the context it named.  One that prompt and answer should have fitted in shows
        that we counted too few; any other is the context from now on, or 3/4 of what was sent
        if it named none.  What is packed after this is smaller than before.
        """
        sent = prompt_tokens + answer_tokens
        if limit and limit >= sent:
            # Truly it was more than there was room for, so our count was too low by this much.
            room = min(limit - answer_tokens, int(_MOST * prompt_tokens))
            raised = _RAISED * max(1.0, room / prompt_tokens) * max(self.ratio, MARGIN)
            self._assumed = min(raised, _MOST)
            self._is_asked, self._answers_left = False, _ENOUGH
        else:
            self._learned_tokens = limit or int(_KEPT_OF_SENT * sent)

    def record(self) -> dict[str, object]:
        """Return what was learned, as plain values for JSON; the model's name is not in it."""
        learned: dict[str, object] = {"ratios": [round(ratio, 4) for ratio in tuple(self._ratios)]}
        if self._assumed:
            learned["assumed"] = self._assumed
        if self._learned_tokens is not None:
            learned["context_tokens"] = self._learned_tokens
            learned["listed_tokens"] = self.listed_tokens
        return learned

    def _ask(self, text: str) -> int | None:
        """Return the server's own count; None, now and ever after, when it has none."""
        text = text.encode("utf-8", "replace").decode("utf-8")
        body: dict[str, object] = {"model": self._model, "content": text, "add_special": False}
        if self._kind == "vLLM":
            body = {"model": self._model, "prompt": text}
        try:
            exact = _read_tokens(self._server.post("/tokenize", body))
        except EndpointError:
            exact = None
        self._is_asked = exact is not None
        return exact


def _read_tokens(answer: object) -> int | None:
    if not isinstance(answer, dict):
        return None
    tokens = answer.get("tokens")
    told = _read_count(answer.get("count"))
    return len(tokens) if isinstance(tokens, list) and told is None else told


def _read_count(value: object) -> int | None:
    is_count = isinstance(value, int) and not isinstance(value, bool) and value > 0
    return value if is_count else None  # type: ignore[return-value]


def _read_ratios(value: object) -> list[float]:
    ratios = value if isinstance(value, list) else []
    return [
        float(ratio)
        for ratio in ratios
        if isinstance(ratio, int | float) and 0 < ratio < _HIGHEST_RATIO
    ]
