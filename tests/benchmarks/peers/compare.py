"""Our ingestion beside LangChain's and LlamaIndex's: one folder, one kind of server, one run.

    python compare.py FOLDER --langchain PYTHON --llamaindex PYTHON [--delay 0.03] [--per-text 0.0005]

PYTHON is the interpreter of an environment with what the two scripts beside this one need.  The
embedding server answers one request after the other; *busy* is the time it worked.  Each is
run on the empty store, then after one file has changed.  Peaks are those of the process.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

import ingestion


def run_peer(python: str, script: str, folder: Path, work: Path, asked: argparse.Namespace):
    place = work / "busy"
    work.mkdir(parents=True, exist_ok=True)
    place.write_text("0", encoding="utf-8")
    with ingestion.serving(asked, place) as url:
        command = [python, str(HERE / script), str(folder), url, str(work)]
        done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        return {"failed": done.stderr.strip().splitlines()[-1][:200]}
    found = json.loads(done.stdout.splitlines()[-1])
    return found | {"busy": float(place.read_text(encoding="utf-8"))}


def run_ours(folder: Path, work: Path, asked: argparse.Namespace):
    work.mkdir(parents=True, exist_ok=True)
    found = ingestion.measure(asked, folder, work / "index")
    peaks = found["parent MB"] + found["child MB"]
    return {**found, "seconds": found["drained"], "peak_mb": peaks}


def show(name: str, found: dict) -> None:
    if "failed" in found:
        print(f"{name:<28} failed: {found['failed']}")
        return
    parts = [
        f"{found['chunks']:.0f} chunks",
        f"{found['seconds']:.1f} s",
        f"busy {found['busy']:.1f} s",
    ]
    if "answerable" in found:
        parts.insert(1, f"answerable {found['answerable']:.1f} s")
    print(f"{name:<28} {', '.join(parts)}, {found['peak_mb']:.0f} MB", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--langchain", help="interpreter with LangChain")
    parser.add_argument("--llamaindex", help="interpreter with LlamaIndex")
    parser.add_argument("--delay", type=float, default=0.03)
    parser.add_argument("--per-text", type=float, default=0.0005)
    asked = parser.parse_args()
    asked.batch, asked.in_flight, asked.workers, asked.no_chroma = 128, 2, None, False
    peers = {
        "ours": lambda folder, work: run_ours(folder, work, asked),
        "LangChain": asked.langchain
        and (lambda f, w: run_peer(asked.langchain, "with_langchain.py", f, w, asked)),
        "LlamaIndex": asked.llamaindex
        and (lambda f, w: run_peer(asked.llamaindex, "with_llamaindex.py", f, w, asked)),
    }
    with tempfile.TemporaryDirectory() as place:
        for name, run in peers.items():
            if not run:
                continue
            folder = Path(place) / name / "documents"
            shutil.copytree(asked.folder, folder)
            ingestion.grow_old()
            show(name, run(folder, Path(place) / name / "store"))
            smallest = min(folder.rglob("*.txt"), key=lambda path: path.stat().st_size)
            with smallest.open("ab") as file:
                file.write(b"\nOne more line.\n")
            show(f"{name}, one file changed", run(folder, Path(place) / name / "store"))


if __name__ == "__main__":
    main()
