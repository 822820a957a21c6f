"""A model server for questions: embeds by letters and answers with the last word of a question."""

from __future__ import annotations

import time
from pathlib import Path

from fault_server import FaultServer, Reply, Request, as_json, chunk, embedding_rows, fail, sse

PARALLEL = 4


class AskedServer(FaultServer):
    """Answers as LM Studio does; a question with `bad` in it is refused, one with `slow` paced."""

    def __init__(self) -> None:
        super().__init__()
        self.on("/api/v1/models", as_json({"models": [
            {"type": "llm", "key": "stub-chat", "max_context_length": 131072, "loaded_instances": [
                {"id": "stub-chat",
                 "config": {"context_length": 4096, "parallel": PARALLEL}}]},
            {"type": "embedding", "key": "text-embedding-stub", "max_context_length": 2048,
             "loaded_instances": [{"id": "text-embedding-stub",
                                   "config": {"context_length": 2048}}]},
        ]}))  # fmt: skip
        self.on("/v1/embeddings", self.embed)
        self.on("/v1/chat/completions", self.reply)

    def embed(self, request: Request) -> Reply:
        texts = request.json["input"]
        return as_json(
            {"data": embedding_rows([[1 + t.count(c) for c in "etaoinshr"] for t in texts])}
        )

    def reply_as(self, text: str) -> Reply:
        return sse(chunk(text), chunk("", "stop"))

    def reply(self, request: Request) -> Reply:
        text = request.json["messages"][-1]["content"]
        question = text.rpartition("Question:")[2].strip()
        if "bad" in question:
            return fail("this question is refused")
        words = f"It is {question.split()[-1].rstrip('?')} [1]."
        if "slow" in question:
            pieces = [chunk(f"{word} ") for word in f"{words} And so on it goes.".split()]
            reply = sse(*pieces, chunk("", "stop"))
            reply.pace = 0.5
            return reply
        time.sleep(0.05)
        return sse(chunk(words), chunk("", "stop"))


def write_documents(folder: Path, count: int = 6) -> Path:
    """Make a folder of documents, each with a word of its own."""
    folder.mkdir()
    for number in range(count):
        text = f"# Part {number}\n\nThe secret word of part {number} is w{number}."
        (folder / f"part-{number}.md").write_text(text, encoding="utf-8")
    return folder
