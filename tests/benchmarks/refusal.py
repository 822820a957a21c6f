"""Evaluation sets in, how well the evidence gate tells what the documents do not answer out.

    python tests/benchmarks/refusal.py FOLDER [--indexes FOLDER] [--half odd] [--also SET:INDEX]

FOLDER holds sets (`NAME/corpus/`, `NAME/cases.jsonl`); near misses and questions about something
else are told apart by their tags.  Indexes are made in `--indexes` and used again from there.
`--also SET:INDEX` puts the questions of one set to the index of another that covers nothing of
it.  Half the cases, by sha256 of their id, is what constants were tuned on; the other is "odd".
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from rag import Pipeline, Settings
from rag.query.evidence.calibration import Calibration, read_calibration
from rag.query.evidence.gate import judge

THRESHOLDS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
NEAR = frozenset(("unanswerable-adversarial", "near-miss"))
OTHER = frozenset(("unanswerable-out-of-corpus", "out-of-corpus"))
KINDS = ("answerable", "near-miss", "out-of-corpus")


def read_cases(folder: Path, half: str) -> list[tuple[str, str]]:
    """Return (kind, question) of the cases of a set that belong to the half."""
    found = []
    for line in (folder / "cases.jsonl").read_text(encoding="utf-8").splitlines():
        case = json.loads(line)
        parity = "odd" if sha256(case["id"].encode()).digest()[-1] % 2 else "even"
        tags = set(case.get("tags", ()))
        kind = "answerable" if case["answerable"] else ""
        kind = kind or ("near-miss" if tags & NEAR else "out-of-corpus" if tags & OTHER else "")
        if kind and half in (parity, "all"):
            found.append((kind, case["question"]))
    return found


def auroc(higher: Sequence[float], lower: Sequence[float]) -> float:
    """Return how often a score of the first kind is above one of the second, ties by half."""
    wins = sum((a > b) + 0.5 * (a == b) for a in higher for b in lower)
    return wins / (len(higher) * len(lower))


def score(pipeline: Pipeline, questions: Sequence[str], calibration: Calibration) -> list[float]:
    """Return the evidence for each question."""
    pipeline.prepare(questions)
    return [judge(q, [pipeline.explain(q)], calibration, None).score for q in questions]


def show(name: str, scores: dict[str, list[float]], calibration: Calibration) -> None:
    """Print AUROC, the operating point, and the share below each threshold."""
    at = calibration.threshold
    for kind in KINDS:
        if not (found := scores.get(kind)):
            continue
        known = scores.get("answerable")
        area = f"{auroc(known, found):.3f}" if known and kind != "answerable" else "     "
        shares = "  ".join(f"{_below(found, threshold):.3f}" for threshold in THRESHOLDS)
        print(f"{name:24} {kind:14} {len(found):5} {area} {_below(found, at):.3f}   {shares}")


def _below(scores: Sequence[float], threshold: float) -> float:
    return sum(one < threshold for one in scores) / len(scores)


def open_set(folder: Path, indexes: Path) -> Pipeline:
    """Return a pipeline on the index of a set, made where it is not there yet."""
    where = indexes / folder.name
    settings = Settings.load({"endpoint": "embedded", "index_dir": where})
    pipeline = Pipeline(settings)
    if not (where / "catalogue.sqlite").exists():
        pipeline.ingest(folder / "corpus")
    return pipeline


def main() -> None:
    """Print a table for every set of the folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--indexes", type=Path, help="keep the indexes here")
    parser.add_argument("--half", choices=("odd", "even", "all"), default="odd")
    parser.add_argument("--also", action="append", default=[], metavar="SET:INDEX")
    parser.add_argument("--sets", nargs="*", help="only these")
    options = parser.parse_args()
    sets = {path.parent.name: path.parent for path in sorted(options.folder.glob("*/cases.jsonl"))}
    if not sets:
        sys.exit(f"no NAME/cases.jsonl in {options.folder}")
    indexes = options.indexes or Path(tempfile.mkdtemp(prefix="refusal-"))
    header = "  ".join(f"<{threshold:.2f}" for threshold in THRESHOLDS)
    print(f"{'set':24} {'kind':14} {'n':>5} AUROC refused {header}")
    for name in options.sets or sets:
        with open_set(sets[name], indexes) as pipeline:
            calibration = read_calibration(indexes / name)
            scores = {}
            for kind in KINDS:
                asked = [q for k, q in read_cases(sets[name], options.half) if k == kind]
                scores[kind] = score(pipeline, asked, calibration) if asked else []
            show(name, scores, calibration)
            for other in (pair.split(":")[0] for pair in options.also if pair.endswith(f":{name}")):
                asked = [q for k, q in read_cases(sets[other], options.half) if k == "answerable"]
                also = {**scores, "near-miss": []}
                also["out-of-corpus"] = score(pipeline, asked, calibration)
                show(f"{other} > {name}", {"answerable": scores["answerable"], **also}, calibration)


if __name__ == "__main__":
    main()
