"""Measure how often sentences quoted without a language model hold a reference answer.

    python tests/benchmarks/extractive.py FOLDER [--index COPY] [--cache VECTORS.npz]

FOLDER holds corpus/ (or documents/) and cases.jsonl; only cases with short answers count.  The
passages are the first five of the default retrieval with the embedded model.  `--index` is an
index of the corpus made before, or where to make one; `--cache` keeps vectors between runs.
One to three sentences are forced, then the answerer's own rule decides.  An answer is held when
its words stand in what is quoted, blind to case and white space.  Questions with an even and
an odd sha256 of their id are told apart: constants may be tuned on the even ones only.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy

from rag import Pipeline, Settings
from rag.models.base.passages import Passage
from rag.models.embedded.extractive import THRESHOLD, answer, choose
from rag.models.embedded.scoring import Candidate, score_sentences
from rag.models.embedded.wire import EmbeddedServer
from rag.query.base.hits import label, passage_text

if TYPE_CHECKING:
    from ingest.base.documents import Vectors

PASSAGES = 5


@dataclass(frozen=True)
class Row:
    """What one question measured; `held` by one, two, three sentences and by the own rule."""

    even: bool
    held: tuple[bool, bool, bool, bool]
    right_passage: bool
    sentences: int
    words: float
    score: float


class CachedEncoder:
    """Encodes each text once, also over several runs."""

    def __init__(self, server: EmbeddedServer, path: Path | None) -> None:
        self._server, self._path = server, path
        self._known: dict[str, Vectors] = {}
        self.seconds = 0.0
        if path and path.exists():
            with numpy.load(path) as stored:
                self._known = dict(zip(stored["keys"].tolist(), stored["vectors"], strict=True))

    def encode(self, texts: Sequence[str]) -> Vectors:
        keys = [hashlib.sha256(text.encode("utf-8", "replace")).hexdigest() for text in texts]
        new = {k: t for k, t in zip(keys, texts, strict=True) if k not in self._known}
        if new:
            started = time.perf_counter()
            vectors = self._server.encoder.encode(list(new.values()))
            self.seconds += time.perf_counter() - started
            self._known |= dict(zip(new, vectors, strict=True))
        return numpy.stack([self._known[key] for key in keys])

    def save(self) -> None:
        if self._path and self._known:
            vectors = numpy.stack(list(self._known.values()))
            numpy.savez(self._path, keys=numpy.array(list(self._known)), vectors=vectors)


def squash(text: str) -> str:
    return " ".join(text.split()).casefold()


def count_words(text: str) -> float:
    """Return the words of a text; 1.6 Chinese or Japanese signs count as one."""
    signs = sum("\u3040" <= sign <= "\u9fff" for sign in text)
    rest = "".join(" " if "\u3040" <= sign <= "\u9fff" else sign for sign in text)
    return len(rest.split()) + signs / 1.6


def measure(case: dict, passages: Sequence[Passage], encode: CachedEncoder) -> Row:
    question, wanted = case["question"], [squash(text) for text in case["answers"]]
    candidates = score_sentences(question, passages, encode.encode)
    found = answer(question, passages, encode.encode, threshold=0)
    documents = {item["doc"] for item in case["evidence"]}
    texts = [quoted(choose(candidates, margin=9, most=most)) for most in (1, 2, 3)]
    texts.append(" ".join(text for _, text in found.sentences))
    held = [any(one in squash(text) for one in wanted) for text in texts]
    sources = {passage.number: passage.source for passage in passages}
    return Row(
        even=int(hashlib.sha256(case["id"].encode()).hexdigest(), 16) % 2 == 0,
        held=(held[0], held[1], held[2], held[3]),
        right_passage=any(
            sources[number].startswith(name) for number, _ in found.sentences for name in documents
        ),
        sentences=len(found.sentences),
        words=count_words(texts[-1]),
        score=found.score,
    )


def quoted(candidates: Sequence[Candidate]) -> str:
    return " ".join(candidate.unit.text for candidate in candidates)


def auroc(positive: Sequence[float], negative: Sequence[float]) -> float:
    pairs = [(a > b) + 0.5 * (a == b) for a in positive for b in negative]
    return sum(pairs) / len(pairs)


def report(name: str, rows: Sequence[Row]) -> Iterator[str]:
    yield f"{name}: {len(rows)} questions with short answers"
    yield "        1 sent.  2 sent.  3 sent.  own rule  right file  sentences  words  refused"
    halves = {
        "all": rows,
        "even": [r for r in rows if r.even],
        "odd": [r for r in rows if not r.even],
    }
    for half, some in halves.items():
        count = len(some) or 1
        held = [sum(row.held[i] for row in some) / count for i in range(4)]
        refused = sum(row.score < THRESHOLD for row in some) / count
        yield (
            f"  {half:<5} {held[0]:7.3f}  {held[1]:7.3f}  {held[2]:7.3f}  {held[3]:8.3f}"
            f"  {sum(r.right_passage for r in some) / count:10.3f}"
            f"  {sum(r.sentences for r in some) / count:9.2f}"
            f"  {sum(r.words for r in some) / count:5.1f}  {refused:7.3f}"
        )


def report_refusal(scores: dict[str, list[float]]) -> Iterator[str]:
    """Yield how well the score tells questions with an answer from each kind without one."""
    answered = scores.pop("", [])
    for tag, some in scores.items():
        refused = sum(score < THRESHOLD for score in some) / len(some)
        yield f"  {tag}: AUROC {auroc(answered, some):.3f}, refused {refused:.3f} ({len(some)})"


def run(folder: Path, index: Path, cache: Path | None) -> None:
    settings = Settings.load({"endpoint": "embedded", "index_dir": index})
    encoder = CachedEncoder(EmbeddedServer(settings.cache_dir), cache)
    lines = (folder / "cases.jsonl").read_text(encoding="utf-8").splitlines()
    cases = [json.loads(line) for line in lines]
    rows, scores = [], {}
    with Pipeline(settings) as pipeline:
        if not (index / "catalogue.sqlite").exists():
            names = (folder / name for name in ("corpus", "documents"))
            pipeline.ingest(next(path for path in names if path.is_dir()))
        for case in cases:
            hits = pipeline.search(case["question"], k=PASSAGES)
            passages = [
                Passage(n, label(hit.chunk), passage_text(hit.chunk))
                for n, hit in enumerate(hits, start=1)
            ]
            tag = "" if case["answerable"] else ", ".join(case["tags"][:1]) or "unanswerable"
            found = score_sentences(case["question"], passages, encoder.encode)
            score = max((candidate.likeness for candidate in found), default=0.0)
            scores.setdefault(tag, []).append(score)
            if case["answerable"] and case["answers"]:
                rows.append(measure(case, passages, encoder))
    encoder.save()
    print("\n".join([*report(folder.name, rows), *report_refusal(scores)]))
    print(f"  {encoder.seconds:.1f} s for new vectors")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--index", type=Path)
    parser.add_argument("--cache", type=Path)
    options = parser.parse_args()
    for folder in options.folders:
        with tempfile.TemporaryDirectory() as made:
            run(folder, options.index or Path(made), options.cache)


if __name__ == "__main__":
    main()
