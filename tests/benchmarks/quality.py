"""Measure retrieval, passages, refusal and extracted answers on sets of labelled questions.

    python tests/benchmarks/quality.py FOLDER [--set NAME]... [--limit N] [--index DIR]
    python tests/benchmarks/quality.py data/documents data/cases.jsonl --answers

FOLDER holds sets, each a folder with `corpus/` and `cases.jsonl`; two paths are one set.  The
endpoint is that of the settings (RAG_ENDPOINT).  With --index the indexes are kept for next time.

What is measured:
- R@5: share of a question's evidence that the first five hits cover.  nDCG@10: each piece of
  evidence counts once, by its grade, at the first hit that covers it (Jarvelin and Kekalainen
  2002); where evidence is whole documents, those are ranked by their first hit, and R@5 is of
  documents.  A hit covers an excerpt when it holds half of its characters in one piece, or lies
  to its half in it; it covers a page when it begins there.
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
from difflib import SequenceMatcher
from pathlib import Path

import numpy

from ingest.tokens import count_tokens
from rag import Hit, Pipeline, Settings
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


def squeeze(text: str) -> str:
    return " ".join(text.split())


def is_whole(evidence: dict) -> bool:
    return not evidence.get("excerpt") and evidence.get("page") is None


def overlap(hit: Hit, evidence: dict) -> tuple[int, int, int]:
    """Return the characters both have in one piece, and those of each."""
    excerpt, chunk = evidence["excerpt"], hit.chunk
    if evidence.get("start") is not None and evidence.get("end") is not None:
        start, end = max(chunk.start, evidence["start"]), min(chunk.end, evidence["end"])
        if end > start:
            return end - start, evidence["end"] - evidence["start"], chunk.end - chunk.start
    excerpt, text = squeeze(excerpt), squeeze(chunk.text)
    if excerpt in text:
        return len(excerpt), len(excerpt), len(text)
    match = SequenceMatcher(None, excerpt, text, autojunk=False).find_longest_match()
    return match.size, len(excerpt), len(text)


def covers(hit: Hit, evidence: dict) -> bool:
    if hit.chunk.document_id != evidence["doc"]:
        return False
    if not evidence.get("excerpt"):
        return evidence.get("page") in (None, hit.chunk.page)
    both, excerpt, text = overlap(hit, evidence)
    return both * 2 >= min(excerpt, text)


def first_of_documents(hits: Sequence[Hit]) -> list[Hit]:
    """Return the first hit of each document."""
    first: dict[str, Hit] = {}
    for hit in hits:
        first.setdefault(hit.chunk.document_id, hit)
    return list(first.values())


def gains(hits: Sequence[Hit], evidence: Sequence[dict]) -> list[list[float]]:
    """Return for each hit the grades of the evidence it is the first to cover."""
    left, found = list(evidence), []
    for hit in hits[:10]:
        covered = [item for item in left if covers(hit, item)]
        left = [item for item in left if item not in covered]
        found.append([float(item.get("grade") or 1) for item in covered])
    return found


def dcg(values: Sequence[float]) -> float:
    return sum(value / math.log2(rank + 1) for rank, value in enumerate(values[:10], start=1))


def grade(hits: Sequence[Hit], evidence: Sequence[dict]) -> tuple[float, float]:
    """Return nDCG@10 and R@5."""
    found = gains(first_of_documents(hits) if is_whole(evidence[0]) else hits, evidence)
    ideal = sorted((float(item.get("grade") or 1) for item in evidence), reverse=True)
    recall = sum(len(grades) for grades in found[:5]) / len(evidence)
    return dcg([sum(grades) for grades in found]) / dcg(ideal), recall


def held(passages: Sequence[Hit], evidence: dict) -> bool:
    """Return whether half of the evidence is in the passages."""
    near = [hit for hit in passages if hit.chunk.document_id == evidence["doc"]]
    if not evidence.get("excerpt"):
        return any(evidence.get("page") in (None, hit.chunk.page) for hit in near)
    parts = [overlap(hit, evidence) for hit in near]
    return sum(both for both, _, _ in parts) * 2 >= max((size for _, size, _ in parts), default=1)


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
    if case["evidence"]:
        for mode, hits in lists.items():
            row.ndcg[mode], row.recall[mode] = grade(hits, case["evidence"])
        per_file = settings.passages_per_file
        passages = gather([found], pipeline.index, PASSAGES_TOKENS, count_tokens, per_file)
        row.passages = sum(held(passages, one) for one in case["evidence"]) / len(case["evidence"])
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


def auroc(good: Sequence[float], bad: Sequence[float]) -> float:
    """Return how often a good score is above a bad one, ties counted half."""
    above = sum((one > other) + (one == other) / 2 for one in good for other in bad)
    return above / (len(good) * len(bad))


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
