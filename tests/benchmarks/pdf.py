"""PDF files in; pages a second and the text of both extractors, side by side, out.

python tests/benchmarks/pdf.py FOLDER [--cases cases.jsonl]

`--cases` counts how many of the figures in the answers stand in the documents they name.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from ingest.base.errors import ParseError
from ingest.parse.base.reading import PageLog, Reading
from ingest.parse.pdf.fallback import Pypdf
from ingest.parse.pdf.pages import parse_pdf
from ingest.parse.pdf.pdfium import DamagedFile, Pdfium
from ingest.parse.pdf.quality import judge

_FIGURE = re.compile(r"\d[\d,]*\.?\d+")
_WORD = re.compile(r"[^\W\d_]+")


@dataclass
class Outcome:
    """What one extractor made of all files."""

    name: str
    seconds: float = 0.0
    pages: int = 0
    failed: int = 0
    found: Counter[str] = field(default_factory=Counter)
    words: Counter[str] = field(default_factory=Counter)
    texts: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, read: Callable[[], list[str]]) -> None:
        """Read one file, and count."""
        begin = time.process_time()
        try:
            texts = read()
        except (DamagedFile, ParseError):
            texts = []
            self.failed += 1
        self.seconds += time.process_time() - begin
        self.pages += len(texts)
        for text in texts:
            self.found.update(judge(text))
            self.words.update(_WORD.findall(text))
        self.texts[name] = " ".join(" ".join(texts).split())

    def describe(self) -> str:
        """Return one line of a table."""
        total = sum(self.words.values())
        single = sum(n for word, n in self.words.items() if len(word) == 1 and word not in "aAI")
        return (
            f"{self.name:10} {self.pages:6} pages  {self.pages / max(self.seconds, 1e-9):7.1f}/s  "
            f"{total:8} words  {single / max(total, 1):.5f} single letters  "
            f"{self.failed} failed  {dict(self.found)}"
        )


def read_pages(kind: type[Pdfium] | type[Pypdf], data: bytes) -> list[str]:
    """Return the text of every page, "" of one that cannot be read."""
    file = kind(data, ())
    texts = []
    for index in range(file.count):
        try:
            texts.append(file.text(index)[0])
        except DamagedFile:
            texts.append("")
    file.close()
    return texts


def read_whole(data: bytes) -> list[str]:
    """Return the text of the file as it is ingested, as one page of many."""
    parsed = parse_pdf(data, Reading(ocr=False), PageLog())
    starts = [page.start for page in parsed.pages]
    ends = [*starts[1:], len(parsed.text)]
    return [parsed.text[start:end] for start, end in zip(starts, ends, strict=True)]


def count_figures(cases: Iterable[str], texts: dict[str, str]) -> tuple[int, int]:
    """Return how many figures of the answers stand in the documents, and of how many."""
    found = total = 0
    for line in cases:
        case = json.loads(line)
        known = " ".join(texts.get(evidence["doc"], "") for evidence in case["evidence"])
        for figure in set(_FIGURE.findall(" ".join(case["answers"]))):
            total += 1
            found += figure in known
    return found, total


def main() -> None:
    """Compare the extractors."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cases", type=Path)
    options = parser.parse_args()
    outcomes = Outcome("pdfium"), Outcome("pypdf"), Outcome("ingested")
    for path in sorted(options.folder.rglob("*.pdf")):
        data = path.read_bytes()
        outcomes[0].add(path.name, lambda data=data: read_pages(Pdfium, data))
        outcomes[1].add(path.name, lambda data=data: read_pages(Pypdf, data))
        outcomes[2].add(path.name, lambda data=data: read_whole(data))
    for outcome in outcomes:
        print(outcome.describe())
        if options.cases:
            lines = options.cases.read_text(encoding="utf-8").splitlines()
            print("           figures of answers found:", *count_figures(lines, outcome.texts))
    one, other = outcomes[0].words, outcomes[1].words
    print("words of pdfium only:", (one - other).most_common(20))
    print("words of pypdf only: ", (other - one).most_common(20))


if __name__ == "__main__":
    main()
