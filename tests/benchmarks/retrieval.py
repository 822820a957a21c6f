"""Measure retrieval and refusal on folders of labelled questions.

    python tests/benchmarks/retrieval.py data/documents data/cases.jsonl

Arguments come in pairs: documents and cases.  Uses the endpoint of the settings (RAG_ENDPOINT).
A hit covers a piece of evidence when it is on the right document and holds at least half of the
excerpt's characters in one piece, or stands on the page named, or when the evidence is the whole
document.  R@5: share of a question's evidence that the first five hits cover.  nDCG@10: each
piece of evidence counts once, at the first hit that covers it (Jarvelin and Kekalainen 2002).
"""

from __future__ import annotations

import json
import math
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path

from rag import Answer, Hit, Pipeline, Settings


@dataclass(frozen=True)
class Row:
    """What one question measured; None where the measure does not apply."""

    recall_5: float | None
    ndcg_10: float | None
    answerable: bool
    abstained: bool
    contains_answer: bool
    tags: tuple[str, ...]


def covers(hit: Hit, evidence: dict) -> bool:
    chunk = hit.chunk
    if chunk.document_id != evidence["doc"]:
        return False
    excerpt = " ".join(evidence.get("excerpt", "").split())
    if not excerpt:
        return evidence.get("page") in (None, chunk.page)
    text = " ".join(chunk.text.split())
    if excerpt in text:
        return True
    match = SequenceMatcher(None, excerpt, text, autojunk=False).find_longest_match()
    return match.size * 2 >= len(excerpt) or match.size * 2 >= len(text)


def gains(hits: Sequence[Hit], evidence: Sequence[dict]) -> list[int]:
    left = list(evidence)
    found = []
    for hit in hits:
        covered = [item for item in left if covers(hit, item)]
        left = [item for item in left if item not in covered]
        found.append(len(covered))
    return found


def ndcg(found: Sequence[int], total: int, k: int) -> float:
    def dcg(values: Sequence[int]) -> float:
        return sum(value / math.log2(rank + 1) for rank, value in enumerate(values[:k], start=1))

    return dcg(found) / dcg([1] * total)


def measure(pipeline: Pipeline, case: dict) -> Row:
    evidence = case["evidence"]
    answer: Answer = pipeline.ask(case["question"], k=10)
    recall = score = None
    if evidence:
        found = gains(pipeline.search(case["question"], k=10), evidence)
        recall, score = sum(found[:5]) / len(evidence), ndcg(found, len(evidence), 10)
    text = " ".join(answer.text.split()).casefold()
    contains = any(" ".join(a.split()).casefold() in text for a in case["answers"])
    return Row(recall, score, case["answerable"], answer.abstained, contains,
               tuple(case.get("tags", ())))  # fmt: skip


def mean(values: Iterator[float] | Sequence[float]) -> float:
    values = list(values)
    return sum(values) / len(values) if values else math.nan


def report(name: str, rows: Sequence[Row]) -> Iterator[str]:
    answerable = [row for row in rows if row.answerable]
    yield f"{name}: {len(rows)} questions, {len(answerable)} answerable"
    yield f"  R@5      {mean([r.recall_5 for r in rows if r.recall_5 is not None]):.3f}"
    yield f"  nDCG@10  {mean([r.ndcg_10 for r in rows if r.ndcg_10 is not None]):.3f}"
    yield f"  answer holds a reference answer  {mean([r.contains_answer for r in answerable]):.3f}"
    yield f"  wrongly refused                  {mean([r.abstained for r in answerable]):.3f}"
    for tag in ("out-of-corpus", "near-miss", "scanned"):
        tagged = [r.abstained for r in rows if not r.answerable and tag in r.tags]
        if tagged:
            yield f"  refused, {tag:<15}         {mean(tagged):.3f}  ({len(tagged)})"
    refused = [r.abstained for r in rows if not r.answerable]
    yield f"  refused, all unanswerable        {mean(refused):.3f}  ({len(refused)})"


def main(arguments: Sequence[str]) -> None:
    for documents, cases in zip(arguments[::2], arguments[1::2], strict=True):
        with tempfile.TemporaryDirectory() as folder:
            settings = Settings.load({"index_dir": folder})
            with Pipeline(settings) as pipeline:
                started = time.perf_counter()
                ingested = pipeline.ingest(documents)
                seconds = time.perf_counter() - started
                lines = Path(cases).read_text(encoding="utf-8").splitlines()
                rows = [measure(pipeline, json.loads(line)) for line in lines]
        stages = {name: round(value, 2) for name, value in ingested.seconds.items()}
        print(f"ingested {len(ingested.ingested)} files, {ingested.chunks} chunks "
              f"in {seconds:.1f} s {stages}")  # fmt: skip
        print("\n".join(report(documents, rows)))


if __name__ == "__main__":
    main(sys.argv[1:])
