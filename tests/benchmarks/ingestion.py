"""Measure the ingestion of a folder against the working time of the embedding server.

    python tests/benchmarks/ingestion.py FOLDER [--copies 1 8] [--files 10000] [--workers N]
        [--delay 0.03] [--per-text 0.0005] [--batch 128] [--in-flight 2]

The server, a process of its own, answers one request after the other like a model on one
device; *busy* is the time it worked, so a ratio of 1 means that nothing but the server was
waited for.  *answerable* is the end of `ingest_folder`: the catalogue is committed and exact
search serves everything; *drained* is when Chroma holds it too.  Each row is a process of its
own, so that peaks are its own.  --copies N ingests the folder N times, the text of each copy
changed so that no vector serves twice.  --files N makes small text files for "nothing changed".
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace

import embedding_server
import orjson

MODEL = "text-embedding-stub"
DIMENSIONS = embedding_server.DIMENSIONS
COLUMNS = (
    "copies", "MB", "chunks", "wall", "busy", "answerable", "drained", "chunks/s", "parent MB",
    "child MB", "CPU s",
)  # fmt: skip


def serve(delay: float, per_text: float, place: str) -> None:
    """Answer requests one after the other; the busy seconds are always in the file."""
    turn, total = threading.Lock(), SimpleNamespace(seconds=0.0)

    def answer(connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with connection, contextlib.suppress(OSError):
            while body := embedding_server.read_request(connection):
                count = len(orjson.loads(body)["input"])
                response = embedding_server.prepared(count, True)
                with turn:
                    started = time.perf_counter()
                    time.sleep(delay + per_text * count)
                    total.seconds += time.perf_counter() - started
                    Path(place).write_text(str(total.seconds), encoding="utf-8")
                connection.sendall(response)

    for size in range(1, 257):
        embedding_server.prepared(size, True)  # Making them is not the server's work.
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        print(listener.getsockname()[1], flush=True)
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=answer, args=(connection,), daemon=True).start()


@contextlib.contextmanager
def serving(asked: argparse.Namespace, place: Path) -> Iterator[str]:
    command = [sys.executable, __file__, str(asked.folder), "--serve", str(place)]
    command += ["--delay", str(asked.delay), "--per-text", str(asked.per_text)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def ingest_once(asked: argparse.Namespace) -> dict[str, float]:
    """Ingest the folder into --index and return what was measured; run in a process of its own."""
    from ingest.pipeline import Options, ingest_folder
    from ingest.tokens import estimate_tokens
    from rag.index.index import Index
    from rag.index.manifest import Manifest
    from rag.models.embedding.embedder import EndpointEmbedder
    from rag.models.embedding.pace import Pace
    from rag.models.endpoint import Endpoint
    from rag.models.families import UNKNOWN

    options = Options(workers=asked.workers)
    endpoint = Endpoint(asked.url, "none")
    pace = Pace(batch_size=asked.batch, in_flight=asked.in_flight)
    embedder = EndpointEmbedder(
        endpoint, MODEL, UNKNOWN, DIMENSIONS, 512, pace,
        lambda texts: [estimate_tokens(text) for text in texts],
    )  # fmt: skip
    probe = (1.0, *[0.0] * (DIMENSIONS - 1))
    manifest = Manifest(MODEL, embedder.identity, DIMENSIONS, "", "", 512, options.recipe, probe)
    started = time.perf_counter()
    index = Index.open_for_writing(asked.index, manifest, drain=not asked.no_chroma)
    try:
        report = ingest_folder(asked.folder, embedder, index, options)
        answerable = time.perf_counter() - started
    finally:
        index.close()
    drained = time.perf_counter() - started
    endpoint.close()
    found = {"chunks": report.chunks, "answerable": answerable, "drained": drained}
    found |= {
        "embedded": report.embedded,
        "files": len(report.ingested),
        "warnings": index.warnings,
    }
    found |= {"skipped": len(report.skipped), **{f"in {k}": v for k, v in report.seconds.items()}}
    return found | {
        "parent MB": peak(resource.RUSAGE_SELF),
        "child MB": peak(resource.RUSAGE_CHILDREN),
    }


def peak(who: int) -> float:
    return resource.getrusage(who).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def measure(asked: argparse.Namespace, folder: Path, index: Path) -> dict[str, float]:
    """Run `ingest_once` in a process with a fresh server; adds busy and processor seconds."""
    place = index.with_name("busy")
    place.write_text("0", encoding="utf-8")
    with serving(asked, place) as url:
        command = [sys.executable, __file__, str(folder), "--url", url, "--index", str(index)]
        command += ["--batch", str(asked.batch), "--in-flight", str(asked.in_flight)]
        command += ["--no-chroma"] * asked.no_chroma
        command += ["--workers", str(asked.workers)] if asked.workers is not None else []
        before = processor_seconds()
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
        after = processor_seconds()
    found = json.loads(done.stdout)
    return found | {"busy": float(place.read_text(encoding="utf-8")), "CPU s": after - before}


def processor_seconds() -> float:
    """The server counts only when it has ended, after both looks at this."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def copy_folder(folder: Path, root: Path, copies: int) -> int:
    """Fill `root` with copies of the folder, each of another text; returns the bytes."""
    for number in range(copies):
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            target = root / f"copy {number}" / path.relative_to(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            if number == 0:
                shutil.copyfile(path, target)
            else:
                target.write_bytes(changed(path, number))
    return sum(path.stat().st_size for path in root.rglob("*") if path.is_file())


def changed(path: Path, number: int) -> bytes:
    """The file with other text in every chunk: a word in each paragraph, or another title."""
    data = path.read_bytes()
    if path.suffix != ".pdf":
        return b"copy%d " % number + data.replace(b". ", b". copy%d " % number)
    import pypdf

    out = io.BytesIO()
    pypdf.overwrite_configuration(array_maximum_element_count=5_000_000)
    writer = pypdf.PdfWriter(clone_from=pypdf.PdfReader(io.BytesIO(data)))
    writer.add_metadata({"/Title": f"{path.stem} copy {number}"})
    writer.write(out)
    return out.getvalue()


def make_small_files(root: Path, count: int) -> None:
    for number in range(count):
        path = root / f"{number % 100:02d}" / f"note {number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"Note {number}.\nA line about subject {number * 7}.\n", encoding="utf-8")


def grow_old() -> None:
    """Wait until every file is clearly older than the clock."""
    time.sleep(2.5)


def report_row(found: dict[str, float], copies: int, size: int) -> dict[str, str]:
    busy = found["busy"]
    return {
        "copies": str(copies), "MB": f"{size / 1e6:.1f}", "chunks": f"{found['chunks']:.0f}",
        "wall": f"{found['drained']:.1f}", "busy": f"{busy:.1f}",
        "answerable": f"{found['answerable'] / busy:.2f}x", "drained": f"{found['drained'] / busy:.2f}x",
        "chunks/s": f"{found['chunks'] / found['answerable']:.0f}",
        "parent MB": f"{found['parent MB']:.0f}", "child MB": f"{found['child MB']:.0f}",
        "CPU s": f"{found['CPU s']:.1f}",
    }  # fmt: skip


def show(rows: Sequence[dict[str, str]]) -> None:
    widths = {name: max(len(name), *(len(row[name]) for row in rows)) for name in COLUMNS}
    for row in (dict(zip(COLUMNS, COLUMNS, strict=True)), *rows):
        print("  ".join(row[name].rjust(widths[name]) for name in COLUMNS))


def measure_copies(asked: argparse.Namespace, copies: int) -> dict[str, str]:
    """One row of the table; with one copy also what a second and a third run cost."""
    with tempfile.TemporaryDirectory() as place:
        root, index = Path(place) / "documents", Path(place) / "index"
        size = copy_folder(asked.folder, root, copies)
        grow_old()
        found = measure(asked, root, index)
        if copies == 1:
            show_again(asked, root, index)
        print(
            f"{copies} copies:",
            {k: round(v, 2) if isinstance(v, float) else v for k, v in found.items()},
        )
        return report_row(found, copies, size)


def show_again(asked: argparse.Namespace, root: Path, index: Path) -> None:
    again = measure(asked, root, index)
    print(f"nothing changed: {again['CPU s']:.2f} s of CPU, {again['drained']:.2f} s")
    small = min(
        (p for p in root.rglob("*") if p.suffix in (".txt", ".md")), key=lambda p: p.stat().st_size
    )
    with small.open("ab") as file:
        file.write(b"\nOne more line.\n")
    one = measure(asked, root, index)
    beyond = [f"{one[name] - one['busy']:.2f} s" for name in ("answerable", "drained")]
    print(f"one file changed: {beyond[0]} beyond its embedding, {beyond[1]} to the last of Chroma")


def measure_small_files(asked: argparse.Namespace) -> None:
    fast = argparse.Namespace(**{**vars(asked), "delay": 0.0, "per_text": 0.0})
    with tempfile.TemporaryDirectory() as place:
        root, index = Path(place) / "documents", Path(place) / "index"
        make_small_files(root, asked.files)
        grow_old()
        first = measure(fast, root, index)
        again = measure(fast, root, index)
        print(
            f"{asked.files} small files: first {first['answerable']:.1f} s, {first['CPU s']:.1f} s of CPU"
        )
        print(
            f"nothing changed: {again['CPU s']:.2f} s of CPU, {again['drained']:.2f} s of wall",
            again,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--copies", type=int, nargs="*", default=[1])
    parser.add_argument("--files", type=int, default=0)
    parser.add_argument("--workers", type=int)
    parser.add_argument("--delay", type=float, default=0.03)
    parser.add_argument("--per-text", type=float, default=0.0005)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--in-flight", type=int, default=2)
    parser.add_argument("--no-chroma", action="store_true", help="leave Chroma for a later run")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    parser.add_argument("--index", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.serve:
        serve(asked.delay, asked.per_text, asked.serve)
    elif asked.url:
        print(json.dumps(ingest_once(asked)))
    else:
        rows = [measure_copies(asked, copies) for copies in asked.copies]
        if rows:
            show(rows)
        if asked.files:
            measure_small_files(asked)


if __name__ == "__main__":
    main()
