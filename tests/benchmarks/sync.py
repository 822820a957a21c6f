"""Lets the machines of test_sync_model.py make up more and longer stories.

    python tests/benchmarks/sync.py [--runs 500] [--steps 30] [--chroma] [--wait]

With --chroma it is told everything and examined after each run, a second for each step; with
--wait some steps let the two seconds pass after which size and time prove that a file is the same.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS.parent), str(TESTS)]

import test_sync_model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--chroma", action="store_true")
    parser.add_argument("--wait", action="store_true")
    asked = parser.parse_args()
    machine = test_sync_model.SyncThroughChroma if asked.chroma else test_sync_model.Sync
    machine.may_wait = asked.wait
    started = time.perf_counter()
    test_sync_model.run(machine, asked.runs, asked.steps)
    print(f"{asked.runs} runs of up to {asked.steps} steps, {time.perf_counter() - started:.0f} s: "
          "the index was what the folder was")  # fmt: skip


if __name__ == "__main__":
    main()
