"""From a question to the first byte of the prompt that is sent: ours, and retrievers of others.

    python tests/benchmarks/latency.py FOLDER [--chunks 1000 10000 100000]
        [--langchain PYTHON] [--llamaindex PYTHON] [--questions 200] [--keep FOLDER]

New passages are put together from the sentences of the text files in FOLDER, so that words are
as frequent as they are there.  Vectors are random and the same for all; no question has to be
embedded while the clock runs.  The others search the very Chroma collection that we made.  Times
end when the chat server has the first bytes of the prompt, on one clock for both processes; of
the others also when their retriever has found the passages.  PYTHON is an interpreter that has
what the script `peers/retrieve.py` needs.  What is built is used again with the same --keep.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from fault_server import FaultServer, Reply, Request, as_json, chunk, sse

from rag import Pipeline, Settings

DIMENSION = 384
CHUNKS_IN_FILE = 50


def vector(text: str) -> numpy.ndarray:
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")
    row = numpy.random.default_rng(seed).standard_normal(DIMENSION).astype("<f4")
    return row / numpy.linalg.norm(row)


class Server(FaultServer):
    """Embeds and answers; the name of the model that answered is the time the prompt came."""

    def __init__(self) -> None:
        super().__init__()
        loaded = {"id": "x", "config": {"context_length": 16384}}
        models = [
            {"type": "embedding", "key": "text-embedding-stub", "loaded_instances": [loaded]},
            {"type": "llm", "key": "stub", "loaded_instances": [loaded | {"id": "stub"}]},
        ]
        models[0]["loaded_instances"] = [loaded | {"id": "text-embedding-stub"}]
        self.on("/api/v1/models", as_json({"models": models}))
        self.on("/v1/embeddings", self.embed)
        self.on("/v1/chat/completions", self.answer)

    def embed(self, request: Request) -> Reply:
        self.requests.clear()
        asked = request.json
        as_text = asked.get("encoding_format") == "base64"
        rows = [vector(text) for text in asked["input"]]
        data = [
            {"index": i, "embedding": base64.b64encode(row.tobytes()).decode()
             if as_text else row.tolist()}
            for i, row in enumerate(rows)
        ]  # fmt: skip
        return as_json({"data": data, "model": asked["model"]})

    def answer(self, request: Request) -> Reply:
        came = time.monotonic()
        self.requests.clear()
        told = {"model": f"{came}"}
        return sse(chunk("It is so [1].") | told, chunk(finish="stop") | told)


@contextmanager
def serving() -> Iterator[str]:
    process = subprocess.Popen(
        [sys.executable, __file__, "--serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
    finally:
        process.communicate(timeout=30)


def read_sentences(source: Path) -> list[str]:
    """Return the sentences that documents and questions are made of."""
    texts = [p.read_text(encoding="utf-8", errors="replace") for p in sorted(source.rglob("*"))
             if p.suffix in (".txt", ".md")]  # fmt: skip
    return [
        " ".join(s.split()) for text in texts for s in re.split(r"(?<=[.!?])\s+", text)
        if 40 < len(s) < 400
    ]  # fmt: skip


def write_documents(sentences: Sequence[str], folder: Path, chunks: int) -> None:
    """Write files of about so many chunks."""
    dice = random.Random(7)
    folder.mkdir(parents=True)
    for number in range(max(1, chunks // CHUNKS_IN_FILE)):
        paragraphs = []
        for _ in range(CHUNKS_IN_FILE):
            paragraph: list[str] = []
            while sum(map(len, paragraph)) < 650:
                paragraph.append(dice.choice(sentences))
            paragraphs.append(" ".join(paragraph))
        (folder / f"{number:05}.txt").write_text("\n\n".join(paragraphs), encoding="utf-8")


def make_questions(sentences: Sequence[str], count: int) -> list[str]:
    dice = random.Random(11)
    return [ask_about(sentence, dice) for sentence in dice.sample(sentences, count)]


def ask_about(sentence: str, dice: random.Random) -> str:
    """Return a question of nine words in a row of a sentence."""
    words = re.findall(r"\w+", sentence)
    start = dice.randrange(max(1, len(words) - 9))
    return f"What is known of {' '.join(words[start : start + 9])}?"


def run_ours(settings: Settings, questions: Sequence[str]) -> list[float]:
    """Return the milliseconds from each question to the first byte of its prompt."""
    with Pipeline(settings) as pipeline:
        pipeline.prepare(questions)
        took = []
        for question in questions:
            started = time.monotonic()
            answer = pipeline.ask(question, survey=False)
            took.append(1000 * (float(answer.served_by) - started))
    return took


def run_peer(
    python: str, kind: str, folder: Path, questions: Sequence[str], k: int, url: str
) -> list[list[float]]:
    given = {"questions": questions, "vectors": [vector(q).tolist() for q in questions]}
    command = [python, str(HERE / "peers" / "retrieve.py"), kind, str(folder), str(k), url]
    done = subprocess.run(command, input=json.dumps(given), capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{kind}: {done.stderr[-600:]}")
    return json.loads(done.stdout.splitlines()[-1])


def show(name: str, chunks: int, took: Sequence[float]) -> None:
    warm = took[len(took) // 10 :]
    p50, p95 = numpy.percentile(warm, [50, 95])
    print(f"{chunks:>8} chunks  {name:<18} first {took[0]:8.1f} ms"
          f"   p50 {p50:7.1f} ms   p95 {p95:7.1f} ms", flush=True)  # fmt: skip


def measure(chunks: int, asked: argparse.Namespace, url: str, place: Path) -> None:
    sentences = read_sentences(asked.folder)
    questions = make_questions(sentences, asked.questions)
    settings = Settings.load({
        "endpoint": url, "index_dir": place / "index", "chroma_documents": True,
        "exact_up_to": 0 if asked.chroma else 50_000, "refusal_threshold": 0.0,
        "keep_answers": False, "document_prefix": "none", "query_prefix": "none",
    })  # fmt: skip
    if not (place / "complete").exists():
        write_documents(sentences, place / "documents", chunks)
        with Pipeline(settings) as pipeline:
            pipeline.ingest(place / "documents")
        (place / "complete").touch()
    with Pipeline(settings) as pipeline:
        held = pipeline.status().chunks
    show("ours, sent", held, run_ours(settings, questions))
    collection = max((place / "index").glob("index-*"))
    for kind, python in (("LangChain", asked.langchain), ("LlamaIndex", asked.llamaindex)):
        if python:
            took = run_peer(python, kind, collection, questions, settings.top_k, url)
            show(f"{kind}, found", held, [found for found, _ in took])
            show(f"{kind}, sent", held, [sent for _, sent in took])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--chunks", type=int, nargs="+", default=[1000, 10_000, 100_000])
    parser.add_argument("--questions", type=int, default=200)
    parser.add_argument("--langchain", help="interpreter with LangChain")
    parser.add_argument("--llamaindex", help="interpreter with LlamaIndex")
    parser.add_argument("--keep", type=Path, help="a folder for what is built, to use it again")
    parser.add_argument("--chroma", action="store_true", help="search small ones by Chroma, too")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.serve:
        with Server().running() as server:
            print(server.root.rpartition(":")[2], flush=True)
            sys.stdin.read()
        return
    with serving() as url:
        for chunks in asked.chunks:
            with tempfile.TemporaryDirectory() as place:
                kept = asked.keep / str(chunks) if asked.keep else Path(place)
                measure(chunks, asked, url, kept)


if __name__ == "__main__":
    main()
