"""Fills the disk at random points of an ingest and counts what is lost.

    python tests/benchmarks/disk_full.py [--points 30] [--small FOLDER]

The points are lengths that no file may exceed; with a small file system mounted at FOLDER
(a tmpfs of 16 MB) they are bytes that are left on it.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS.parent), str(TESTS)]

import stub_server
from test_disk_full import Disk

MOST_BYTES = 4_000_000


def fill(folder: Path, left: int) -> Path:
    """Leave so many bytes free on a small file system."""
    ballast = folder / "ballast"
    ballast.write_bytes(bytes(max(0, shutil.disk_usage(folder).free - left)))
    return ballast


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--small", type=Path)
    asked = parser.parse_args()
    dice = random.Random(asked.seed)
    full = lost = 0
    with tempfile.TemporaryDirectory() as home, stub_server.serving() as url:
        (place := asked.small or Path(home, "place")).mkdir(exist_ok=True)
        disk = Disk(Path(home), url, place)
        disk.prepare()
        for number in range(asked.points):
            point = int(MOST_BYTES * dice.random() ** 2)  # rather at the beginning
            try:
                disk.begin()
                if asked.small:
                    ballast = fill(place, point)
                    full += disk.run_full()
                    ballast.unlink()
                else:
                    full += disk.run_full(point)
                disk.check_before()
                disk.check_after()
            except Exception as error:
                lost += 1
                print(f"point {number}, {point} bytes: {error!r}", flush=True)
            (place / "ballast").unlink(missing_ok=True)
    print(f"{asked.points} points, {full} runs ended by a full disk, {lost} that lost something")
    return int(bool(lost))


if __name__ == "__main__":
    sys.exit(main())
