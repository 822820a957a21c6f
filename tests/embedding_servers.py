"""Behaviours of embedding servers for `FaultServer`: what they cut, mix up, refuse, crash on."""

from __future__ import annotations

import threading
import time

from fault_server import Reply, Request, as_json, embedding_rows, fail


def letters(text: str) -> list[float]:
    """A vector that says how often each letter occurs: longer texts differ less."""
    return [1 + text.count(letter) for letter in "abcdefghijklmnopqrstuvwxyz"]


TOPICS = (
    ("ferry", "boat"), ("borrow", "Readers"), ("oven", "bakery"), ("repairs", "caretaker"),
    ("museum", "collection"), ("sour", "dough"), ("ticket", "pay"), ("photo", "Pictures"),
)  # fmt: skip


def words(text: str) -> list[float]:
    """A unit vector that says which words occur, and what they are about."""
    row = [0.001] * 64 + [3.0 * any(word in text for word in topic) for topic in TOPICS]
    for word in text.lower().replace("?", "").replace(".", "").split():
        row[sum(word.encode()) % 64] += 1.0
    length = sum(n * n for n in row) ** 0.5
    return [n / length for n in row]


def embedding(request: Request, vector=letters, model: str | None = None) -> Reply:
    """An honest answer."""
    rows = embedding_rows([vector(text) for text in request.json["input"]])
    return as_json({"data": rows} | ({"model": model} if model else {}))


def cutting(limit: int):
    """A server that reads the first words only and says nothing."""

    def embed(request):
        return embedding(request, lambda text: letters(" ".join(text.split()[:limit])))

    return embed


def capped(most: int):
    """A server that refuses more texts than so many at once."""

    def embed(request):
        count = len(request.json["input"])
        text = f"batch size {count} > maximum allowed batch size {most}"
        return fail(text, 413) if count > most else embedding(request, words)

    return embed


def refusing(limit: int, names_limit: bool = True):
    """A server that refuses longer texts, as llama.cpp does, or Ollama without the number."""

    def embed(request):
        longest = max(len(text.split()) for text in request.json["input"])
        if longest <= limit:
            return embedding(request)
        if not names_limit:
            return fail("the input length exceeds the context length", bare=True)
        text = f"input ({longest} tokens) is too large to process. (current batch size: {limit})"
        return fail(text, 500)

    return embed


def poisoned(*words: str, reply):
    """A server that fails for every batch that holds one of the words."""

    def embed(request):
        texts = request.json["input"]
        if any(word in text for text in texts for word in words):
            return reply(texts) if callable(reply) else reply
        return embedding(request)

    return embed


def mixing(request):
    """A server that gives texts sent together the vectors of their neighbours."""
    texts = request.json["input"]
    return as_json({"data": embedding_rows([words(text) for text in texts[1:] + texts[:1]])})


CRASH = fail("The model has crashed without additional information. (Exit code: 6)", bare=True)


class Fragile:
    """A server that crashes when it has more than so many requests at once, or texts in one."""

    def __init__(self, at_once: int = 64, texts: int = 4096, seconds: float = 0.01) -> None:
        self.at_once, self.texts, self.seconds = at_once, texts, seconds
        self.running = self.crashes = 0
        self.lock = threading.Lock()

    def __call__(self, request):
        with self.lock:
            self.running += 1
            too_much = self.running > self.at_once or len(request.json["input"]) > self.texts
            self.crashes += too_much
        time.sleep(self.seconds)
        with self.lock:
            self.running -= 1
        return CRASH if too_much else embedding(request)
