"""How long retrieval takes for many cases, by stage, and how long it takes to measure them.

    python tests/benchmarks/evaluate.py FOLDER --index FOLDER [--chunks 10000] [--cases 1000]
        [--jobs 1 2]

Documents and cases are put together from the sentences of the text files in FOLDER, and the index
is made of them with the embedded model; what is built stays in --index and is used again.  All
questions are embedded before the clock runs.  CPU is that of all threads of this process.
"""

from __future__ import annotations

import argparse
import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from latency import ask_about, read_sentences, write_documents

from ingest.tokens import count_tokens
from rag import Pipeline, Settings
from rag.evaluation.base.cases import Case, Relevant
from rag.evaluation.pipeline import evaluate
from rag.index.index import Index
from rag.query.context.gather import gather
from rag.query.evidence.calibration import read_calibration
from rag.query.evidence.gate import judge
from rag.query.retrieval.retrieve import retrieve


class Clock:
    """Seconds by stage."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()

    @contextmanager
    def running(self, stage: str) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] += time.perf_counter() - started


class Timed:
    """An index that tells the clock how long each of its methods took."""

    def __init__(self, index: Index, clock: Clock) -> None:
        self._index = index
        self._clock = clock

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*given: object) -> Any:
            with self._clock.running(f"  index.{name}"):
                return getattr(self._index, name)(*given)

        return call


def make_cases(sentences: Sequence[str], folder: Path, count: int) -> list[Case]:
    """Return a question about each of so many sentences that stand in the documents."""
    standing: dict[str, list[str]] = defaultdict(list)
    texts = {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.iterdir())}
    dice = random.Random(11)
    for sentence in dice.sample(sorted(set(sentences)), 2 * count):
        standing[sentence] += [name for name, text in texts.items() if sentence in text]
    asked = [(sentence, names) for sentence, names in standing.items() if names][:count]
    return [
        Case(
            f"{number:05}",
            ask_about(sentence, dice),
            tuple(Relevant(name, excerpt=sentence) for name in names),
        )
        for number, (sentence, names) in enumerate(asked)
    ]


def time_stages(pipeline: Pipeline, questions: Sequence[str]) -> Clock:
    """Do what `Pipeline.passages` does, stage by stage."""
    settings, clock = pipeline.settings, Clock()
    index, embed = Timed(pipeline.index, clock), pipeline.models.embed_question
    known = pipeline.index.manifest.identity, pipeline.index.count()
    calibration = read_calibration(settings.index_dir, *known)
    for question in questions:
        with clock.running("retrieve"):
            found = [retrieve(question, embed, index, settings.top_k)]
        with clock.running("judge"):
            judge(question, found, calibration, settings.refusal_threshold)
        with clock.running("gather"):
            room, per_file = settings.passages_tokens, settings.passages_per_file
            gather(found, index, room, count_tokens, per_file)
    return clock


def show(name: str, work: Callable[[], object]) -> None:
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(f"{name:<28} {wall:7.2f} s wall   {cpu:7.2f} s CPU", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--index", type=Path, required=True, help="for what is built")
    parser.add_argument("--chunks", type=int, default=10_000)
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--jobs", type=int, nargs="*", default=[1, 2])
    asked = parser.parse_args()
    sentences, documents = read_sentences(asked.folder), asked.index / "documents"
    settings = Settings.load({"endpoint": "embedded", "index_dir": asked.index / "index"})
    if not documents.exists():
        write_documents(sentences, documents, asked.chunks)
    cases = make_cases(sentences, documents, asked.cases)
    questions = [case.question for case in cases]
    with Pipeline(settings) as pipeline:
        pipeline.ingest(documents)
        pipeline.prepare(questions)
        print(f"{len(cases)} cases, {pipeline.status().chunks} chunks; embedding is not counted")
        show("passages, cold", lambda: [*map(pipeline.passages, questions)])
        show("passages, warm", lambda: [*map(pipeline.passages, questions)])
        for stage, seconds in time_stages(pipeline, questions).seconds.most_common():
            print(f"    {stage:<24} {seconds:7.2f} s", flush=True)
        for jobs in asked.jobs:
            show(
                f"evaluate, {jobs} at once",
                lambda jobs=jobs: evaluate(pipeline.passages, cases, jobs=jobs),
            )


if __name__ == "__main__":
    main()
