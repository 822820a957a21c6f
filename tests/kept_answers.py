"""Answers for tests of what is kept of them."""

from __future__ import annotations

from ingest.base.documents import Chunk
from rag.history.kept import Kept, Request, Seen
from rag.index.base.selection import Selection
from rag.index.store.records import Copy
from rag.models.base.messages import NativeReport, Usage
from rag.query.base.answers import (
    Answer,
    Citation,
    Coverage,
    Evidence,
    Statement,
    Timings,
)
from rag.query.base.hits import Hit
from rag.query.base.questions import Turn


def hit(name: str = "a.md", text: str = "It starts at noon.", rank: int = 1) -> Hit:
    chunk = Chunk(f"{name}-{rank}", name, 0, text, 0, len(text), 5, None, "A")
    return Hit(
        chunk, 0.9, rank, {"dense": rank, "words": 2}, "/docs",
        (Copy("/docs", "b.md", None, "", "A"),), {"dense": 0.7, "words": 3.5}, (chunk.id,),
    )  # fmt: skip


def answer(text: str = "It starts at noon [1].", question: str = "When?", **more) -> Answer:
    found = more.pop("hits", (hit(),))
    values = {
        "question": question, "text": text, "context": found, "retrieved": len(found),
        "citations": tuple(
            Citation(n, one, one.chunk.text, 0, 5, None, True) for n, one in enumerate(found, 1)
        ),
        "abstained": False, "complete": True, "finish_reason": "stop", "extractive": False,
        "model": "qwen3-8b", "served_by": "qwen3-8b", "notes": ("one",), "usage": Usage(9, 3),
        "timings": Timings(0.1, 0.2, 0.3, None), "native": NativeReport(format="gguf"),
        "query": question, "parts": ("When?", "Where?"), "selection": Selection(suffixes=(".md",)),
        "statements": (Statement(0, len(text), (1,), supported=True),),
        "evidence": Evidence(0.8, 0.3, ("few words",)), "coverage": Coverage(2, 3),
    }  # fmt: skip
    return Answer(**{**values, **more})


def kept(text: str = "It starts at noon [1].", question: str = "When?", **more) -> Kept:
    history = (Turn("Who?", "Who starts?", "The reactor.", ("a.md",)),)
    request = Request(question, 4, Selection(path_globs=("*a*",)), history, strict=True)
    return Kept(
        request, answer(text, question, **more), "2026-11-20T10:00:00.000+00:00",
        {"top_k": 8, "temperature": 0.1, "collection": None}, "mini", "recipe",
        (Seen("/docs", "a.md", "f1"),),
    )  # fmt: skip
