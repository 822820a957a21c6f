"""How far our measures of ranked retrieval are from those of trec_eval, and how fast they are.

    python tests/benchmarks/measures.py [--rankings 5000]

The rankings are random, with ties, gaps, documents nobody judged, grades of 0 and less, queries
without results and without relevant documents; see tests/evaluation/test_measures_ranking.py.
Then cases with 30 passages each, of one document or of ten, are judged by offsets and by words.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "evaluation"))

from test_measures_ranking import NAMES, make_rankings, measure_with_trec_eval

from rag.evaluation.base.cases import Case, Relevant
from rag.evaluation.base.responses import Passage, Response
from rag.evaluation.measures.ranking import measure_run
from rag.evaluation.measures.registry import default_measures, measure_case

CASES = 1000
PASSAGES = 30


def tell_agreement(rankings: int) -> Iterator[str]:
    run, qrels = make_rankings(rankings)
    started = time.perf_counter()
    ours = measure_run(run, qrels, NAMES)
    seconds = time.perf_counter() - started
    apart: dict[str, list[float]] = defaultdict(list)
    for query, name, value in measure_with_trec_eval(run, qrels):
        apart[name].append(abs(ours[query][name] - value))
    yield f"{rankings} rankings, {len(NAMES)} measures each in {seconds:.2f} s"
    yield "| measure | rankings | largest deviation from trec_eval |\n|---|---|---|"
    yield from (f"| {name} | {len(apart[name])} | {max(apart[name]):.1e} |" for name in NAMES)


def make_case(draw: random.Random, text: str, by: str, documents: int) -> tuple[Case, Response]:
    """Return a case with two excerpts of one of the documents, which all have the same text."""

    def cut(size: int) -> tuple[str, int | None, int | None]:
        start = draw.randrange(len(text) - size)
        place = (start, start + size) if by == "offsets" else (None, None)
        return text[start : start + size], *place

    pieces = (Relevant("0", *cut(300)), Relevant("0", *cut(300)))
    ranked = (
        Passage(str(draw.randrange(documents)), *cut(2000), tokens=500) for _ in range(PASSAGES)
    )
    return Case("c", "?", pieces), Response(ranked=tuple(ranked))


def tell_speed(by: str, documents: int) -> str:
    draw = random.Random(4)
    words = ["".join(draw.choices("etaoinshrdlu", k=draw.randint(2, 9))) for _ in range(3000)]
    text = " ".join(draw.choices(words, k=20_000))
    cases = [make_case(draw, text, by, documents) for _ in range(CASES)]
    names = default_measures(answers=False, judge=False)
    started = time.perf_counter()
    for case, response in cases:
        measure_case(case, response, names)
    seconds = time.perf_counter() - started
    return f"| {by} | {documents} | {CASES} | {len(names)} | {seconds:.2f} s |"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rankings", type=int, default=5000)
    print("\n".join(tell_agreement(parser.parse_args().rankings)))
    print("\n| judged by | documents found | cases | measures | time |\n|---|---|---|---|---|")
    for by in ("offsets", "words"):
        print("\n".join(tell_speed(by, documents) for documents in (1, 10)))


if __name__ == "__main__":
    main()
