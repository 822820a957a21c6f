"""Measure retrieval, passages, refusal and extracted answers on sets of labelled questions.

    python tests/benchmarks/quality.py FOLDER [--set NAME]... [--limit N] [--index DIR]
    python tests/benchmarks/quality.py data/documents data/cases.jsonl --answers

FOLDER holds sets, each a folder with `corpus/` and `cases.jsonl`; two paths are one set.  The
endpoint is that of the settings (RAG_ENDPOINT).  With --index the indexes are kept for next time.

What is measured:
- R@5 and nDCG@10 of the hits, as `rag/evaluation/measures/matching.py` judges them.
- passages: share of the pieces of evidence of which half the characters are in what is handed to
  a model within 2 000 tokens; of whole documents and pages, that one of their passages is.
- refusal: AUROC of the evidence score, and what is refused at its threshold.
- answers (--answers): the text of the answer holds one of the reference answers.
The figure behind ± is half of the 95 % interval, by paired bootstrap where modes are compared.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy

from ingest.tokens import count_tokens
from rag import Hit, Pipeline, Settings
from rag.evaluation.base.cases import Relevant
from rag.evaluation.base.responses import Passage
from rag.evaluation.measures.matching import judge_passages, share_held, squeeze
from rag.evaluation.measures.ranking import ndcg, recall
from rag.evaluation.measures.refusal import auroc
from rag.query.base.hits import Retrieval
from rag.query.context.gather import gather
from rag.query.evidence.calibration import read_calibration
from rag.query.evidence.gate import judge
from rag.query.retrieval.retrieve import retrieve
from rag.text.terms import query_terms

MODES = ("dense", "words", "default")
PASSAGES_TOKENS = 2000
DEEP = 100


@dataclass
class Row:
    """What one question measured, by mode; None where a measure does not apply."""

    id: str
    kind: str
    ndcg: dict[str, float] = field(default_factory=dict)
    recall: dict[str, float] = field(default_factory=dict)
    passages: float | None = None
    evidence: float = 0.0
    enough: bool = True
    contains: bool | None = None


def evidence_of(case: dict) -> tuple[Relevant, ...]:
    return tuple(
        Relevant(one["doc"], one.get("excerpt") or "", one.get("start"), one.get("end"),
                 one.get("page"), float(one.get("grade") or 1))
        for one in case["evidence"]
    )  # fmt: skip


def passages_of(hits: Sequence[Hit]) -> list[Passage]:
    chunks = [hit.chunk for hit in hits]
    return [Passage(one.document_id, one.text, one.start, one.end, one.page) for one in chunks]


def grade(hits: Sequence[Hit], evidence: Sequence[Relevant]) -> tuple[float, float]:
    """Return nDCG@10 and R@5."""
    found = judge_passages(passages_of(hits), evidence)
    return ndcg(found, 10), recall(found, 5)


def held(passages: Sequence[Hit], evidence: Sequence[Relevant]) -> float:
    """Return the share of pieces of evidence of which half is in the passages."""
    shown = passages_of(passages)
    return sum(share_held(shown, piece) >= 0.5 for piece in evidence) / len(evidence)


def kind_of(case: dict) -> str:
    if case["answerable"]:
        return "answerable"
    return "near-miss" if case.get("near") else "out-of-corpus"


def search(pipeline: Pipeline, case: dict, modes: Sequence[str]) -> tuple[dict, Retrieval]:
    """Return the hits of each mode, and all that the default finds."""
    vector = pipeline.models.embed_question(case["question"])
    index = pipeline.index
    found = retrieve(case["question"], lambda _: vector, index, DEEP)
    lists: dict[str, Sequence[Hit]] = {"default": found.hits}
    if "dense" in modes:
        lists["dense"] = index.search(vector, DEEP)
    if "words" in modes:
        lists["words"] = index.search_words(query_terms(case["question"]), DEEP)
    return {mode: lists[mode] for mode in modes}, found


def measure(pipeline: Pipeline, case: dict, modes: Sequence[str], answers: bool) -> Row:
    lists, found = search(pipeline, case, modes)
    settings, row = pipeline.settings, Row(case["id"], kind_of(case))
    # Everything below takes what a question of a user would get, not what was ranked for nDCG.
    found = replace(found, hits=found.hits[: settings.top_k])
    calibration = read_calibration(settings.index_dir)
    verdict = judge(case["question"], [found], calibration, settings.refusal_threshold)
    row.evidence, row.enough = verdict.score, verdict.is_enough
    if evidence := evidence_of(case):
        for mode, hits in lists.items():
            row.ndcg[mode], row.recall[mode] = grade(hits, evidence)
        per_file = settings.passages_per_file
        passages = gather([found], pipeline.index, PASSAGES_TOKENS, count_tokens, per_file)
        row.passages = held(passages, evidence)
    if answers and case["answerable"] and case["answers"]:
        text = squeeze(pipeline.ask(case["question"]).text).casefold()
        row.contains = any(squeeze(answer).casefold() in text for answer in case["answers"])
    return row


def half_width(values: Sequence[float], rounds: int = 1000) -> float:
    """Return half of the 95 % interval of the mean (bootstrap; the same draw every time)."""
    data = numpy.asarray(values, dtype=float)
    draws = numpy.random.default_rng(0).integers(0, len(data), (rounds, len(data)))
    low, high = numpy.percentile(data[draws].mean(axis=1), [2.5, 97.5])
    return float(high - low) / 2


def mean(values: Sequence[float], signed: bool = False) -> str:
    if not values:
        return ""
    average = sum(values) / len(values)
    return f"{average:{'+' if signed else ''}.3f} ±{half_width(values):.3f}"


def tell_retrieval(name: str, rows: Sequence[Row], modes: Sequence[str]) -> Iterator[str]:
    judged = [row for row in rows if row.ndcg]
    for mode in modes if judged else ():
        ndcg = mean([row.ndcg[mode] for row in judged])
        recall = mean([row.recall[mode] for row in judged])
        passages = [row.passages for row in judged if row.passages is not None]
        handed = mean(passages) if mode == "default" else ""
        yield f"| {name} | {len(judged)} | {mode} | {ndcg} | {recall} | {handed} |"
    for mode in modes if judged and "default" in modes else ():
        if mode != "default":
            ndcg = mean([row.ndcg["default"] - row.ndcg[mode] for row in judged], signed=True)
            recall = mean([row.recall["default"] - row.recall[mode] for row in judged], signed=True)
            yield f"| {name} | {len(judged)} | default - {mode} | {ndcg} | {recall} | |"


def tell_refusal(name: str, rows: Sequence[Row]) -> Iterator[str]:
    good = [row for row in rows if row.kind == "answerable"]
    wrongly = sum(not row.enough for row in good) / len(good) if good else math.nan
    for kind in ("near-miss", "out-of-corpus"):
        bad = [row for row in rows if row.kind == kind]
        if good and bad:
            value = auroc([row.evidence for row in good], [row.evidence for row in bad])
            refused = sum(not row.enough for row in bad) / len(bad)
            yield f"| {name} | {kind} ({len(bad)}) | {value:.3f} | {refused:.3f} | {wrongly:.3f} |"


def tell(sets: dict[str, Sequence[Row]], modes: Sequence[str]) -> Iterator[str]:
    yield "| set | questions | mode | nDCG@10 | R@5 | evidence in 2 000 tokens |"
    yield "|---|---|---|---|---|---|"
    for name, rows in sets.items():
        yield from tell_retrieval(name, rows, modes)
    yield "\n| set | unanswerable | AUROC | refused | answerable refused |\n|---|---|---|---|---|"
    for name, rows in sets.items():
        yield from tell_refusal(name, rows)
    yield "\n| set | answers that hold a reference answer |\n|---|---|"
    for name, rows in sets.items():
        contains = [float(row.contains) for row in rows if row.contains is not None]
        if contains:
            yield f"| {name} | {mean(contains)} ({len(contains)}) |"


def find_sets(paths: Sequence[Path], wanted: Sequence[str]) -> dict[str, tuple[Path, Path]]:
    """Return the documents and the cases of each set."""
    if len(paths) == 2:
        return {paths[0].name: (paths[0], paths[1])}
    found = {path.parent.name: path.parent for path in sorted(paths[0].glob("*/cases.jsonl"))}
    return {
        name: (folder / "corpus", folder / "cases.jsonl")
        for name, folder in found.items()
        if not wanted or name in wanted
    }


def run_set(documents: Path, cases: Path, index: Path, arguments: argparse.Namespace) -> list[Row]:
    lines = cases.read_text(encoding="utf-8").splitlines()
    chosen = [json.loads(line) for line in lines if line.strip()][: arguments.limit]
    with Pipeline(Settings.load({"index_dir": str(index)})) as pipeline:
        report = pipeline.ingest(documents)
        print(f"{documents}: {len(report.ingested)} files ingested, {report.unchanged} unchanged")
        return [measure(pipeline, case, arguments.modes, arguments.answers) for case in chosen]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("paths", nargs="+", type=Path)
    parser.add_argument("--set", action="append", default=[], dest="wanted")
    parser.add_argument("--limit", type=int, help="only the first so many cases of each set")
    parser.add_argument("--modes", nargs="+", choices=MODES, default=list(MODES))
    parser.add_argument("--index", type=Path, help="keep the indexes in this folder")
    parser.add_argument("--answers", action="store_true", help="also ask for answers")
    parser.add_argument("--json", type=Path, help="write every row to this file")
    arguments = parser.parse_args()
    with ExitStack() as stack:
        kept = arguments.index or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        sets = {
            name: run_set(documents, cases, kept / name, arguments)
            for name, (documents, cases) in find_sets(arguments.paths, arguments.wanted).items()
        }
    print("\n".join(tell(sets, arguments.modes)))
    if arguments.json:
        rows = {name: [asdict(row) for row in measured] for name, measured in sets.items()}
        arguments.json.write_text(json.dumps(rows, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
