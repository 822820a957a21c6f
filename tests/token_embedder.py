"""An embedder in which a token that stands in one place only finds that place."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy

from ingest.base.errors import PipelineError
from rag.index.manifest import PROBE_TEXT, Manifest

DIMENSION = 128
_TOKEN = re.compile(r"zq\d+x")


class ServerGone(PipelineError):
    """What an embedder raises from its last text on."""


def token(number: int) -> str:
    """A word that stands for one version of one file."""
    return f"zq{number}x"


def tokens_of(text: str) -> list[str]:
    return _TOKEN.findall(text)


@lru_cache(maxsize=20_000)
def _direction(model: str, word: str) -> numpy.ndarray:
    seed = int.from_bytes(hashlib.sha256(f"{model} {word}".encode()).digest()[:8], "little")
    row = numpy.random.default_rng(seed).standard_normal(DIMENSION)
    return row / numpy.linalg.norm(row)


def vector(text: str, model: str = "stub-a") -> numpy.ndarray:
    """The unit vector of a text: its words count a little, its tokens a lot."""
    row = _direction(model, "every text") * 0.01
    for word in text.split():
        weight = 10.0 if _TOKEN.fullmatch(word) else 0.1
        row = row + weight * _direction(model, word)
    return (row / numpy.linalg.norm(row)).astype(numpy.float32)


@dataclass
class TokenEmbedder:
    """An `ingest.base.ports.Embedder`; it fails for good after `dies_after` texts."""

    model: str = "stub-a"
    dies_after: int = 1_000_000_000
    token_limit: int = 1000
    batch_size: int = 16
    batch_tokens: int = 8000
    in_flight: int = 2
    asked: list[str] = field(default_factory=list)

    @property
    def identity(self) -> str:
        return f"{self.model}|{DIMENSION}|"

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [max(len(text.split()), len(text) // 8 + 1) for text in texts]

    def unknown_share(self, texts: Sequence[str]) -> float | None:
        return None

    def embed(self, texts: Sequence[str]) -> numpy.ndarray:
        self.asked.extend(texts)
        if len(self.asked) > self.dies_after:
            raise ServerGone("the server went away", "start it again")
        return numpy.stack([vector(text, self.model) for text in texts])

    def manifest(self, recipe: str) -> Manifest:
        """What an index made with this embedder says of itself."""
        probe = tuple(map(float, vector(PROBE_TEXT, self.model)))
        limit = self.token_limit
        return Manifest(self.model, self.identity, DIMENSION, "", "", limit, recipe, probe)

    def other(self) -> TokenEmbedder:
        """An embedder of another model."""
        return replace(self, model="stub-b" if self.model == "stub-a" else "stub-a", asked=[])
