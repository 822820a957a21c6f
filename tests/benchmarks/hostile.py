"""Ingest a folder of hostile files with good ones among them, and say what became of each.

    python tests/benchmarks/hostile.py [--scale 1] [--workers N] [--file-seconds 30]
        [--page-seconds 10] [--json]

The files are made by `tests/ingest/hostile.py`; --scale makes bombs smaller.  Goals at full
size: no abort, all good files found, 150 s on two cores, this process below 500 MB.  The index
and the embedder are those of the tests: what is measured is the reading.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "ingest"))

from conftest import HashEmbedder, MemoryIndex
from hostile import VANISHING, make_folder

from ingest.base.documents import Progress
from ingest.parse.base.reading import Reading
from ingest.pipeline import Options, ingest_folder


@dataclass
class Clock:
    """Which files took longest, as seen from where their outcomes arrive; deletes some at once."""

    root: Path
    last: float = field(default_factory=time.monotonic)
    files: int = 0
    gaps: list[tuple[float, str]] = field(default_factory=list)

    def look(self, progress: Progress) -> None:
        if progress.files_done == 0:
            for name in VANISHING:
                (self.root / name).unlink(missing_ok=True)
        if progress.files_done != self.files:
            now = time.monotonic()
            self.gaps.append((round(now - self.last, 1), progress.current))
            self.files, self.last = progress.files_done, now


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--workers", type=int)
    parser.add_argument("--file-seconds", type=float, default=30.0)
    parser.add_argument("--page-seconds", type=float, default=10.0)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--make", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.make:
        print(json.dumps(make_folder(asked.make, asked.scale)))
        return 0
    reading = Reading(file_seconds=asked.file_seconds, page_seconds=asked.page_seconds)
    options = Options(reading=reading, workers=asked.workers)
    with tempfile.TemporaryDirectory() as folder:
        found = run(Path(folder) / "documents", asked.scale, options)
    if asked.json:
        print(json.dumps(found))
    else:
        for name, value in found.items():
            print(f"{name:<16}{value}")
    return 0


def make_apart(root: Path, scale: float) -> tuple[list[str], list[str]]:
    """Make the folder in another process: what that takes is not what is measured."""
    command = [sys.executable, __file__, "--make", str(root), "--scale", str(scale)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    hostile, good = json.loads(done.stdout)
    return hostile, good


def run(root: Path, scale: float, options: Options) -> dict[str, object]:
    hostile, good = make_apart(root, scale)
    before, index, clock = peak(resource.RUSAGE_SELF), MemoryIndex(), Clock(root)
    started = time.monotonic()
    report = ingest_folder(root, HashEmbedder(), index, options, clock.look)
    seconds = time.monotonic() - started
    outcomes = {failure.source_id: failure.reason for failure in report.skipped}
    outcomes |= dict.fromkeys(report.ingested, "ok")
    outcomes |= {name: "partial" for name, note in report.notes if "were read" in note}
    # Names that are no text are escaped in reports, so what has none is found by number.
    lost = [name for name in hostile if name.isprintable() and not has(outcomes, name)]
    texts = {id: document.text for (_, id), (document, _) in index.documents.items()}
    found = [name for name in good if f"marmalade{int(name[:3]) // 5}." in texts.get(name, "")]
    return {
        "tried": len(hostile),
        "outcomes": len(outcomes),
        "without outcome": lost,
        "good found": len(found),
        "good": len(good),
        "seconds": round(seconds, 1),
        "parent MB": peak(resource.RUSAGE_SELF),
        "parent before MB": before,
        "reasons": dict(Counter(outcomes.values()).most_common()),
        "hints missing": [f.source_id for f in report.skipped if not (f.message and f.hint)],
        "slowest": sorted(clock.gaps, reverse=True)[:12],
        "by file": outcomes,
    }


def has(outcomes: dict[str, str], name: str) -> bool:
    """Whether a file, or something in a folder of that name, has an outcome."""
    escaped = name.replace("\\", "\\\\")
    return escaped in outcomes or any(id.startswith(f"{escaped}/") for id in outcomes)


def peak(who: int) -> int:
    size = resource.getrusage(who).ru_maxrss
    return round(size / (1e6 if sys.platform == "darwin" else 1e3))


if __name__ == "__main__":
    sys.exit(main())
