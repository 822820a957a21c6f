"""The process that opens Chroma to write or to check it, so that its crashes are not ours.

`python -m rag.index.projection.child drain|check|rebuild|salvage FOLDER`: `drain` tells Chroma
what the outbox holds until "finish" or the end of standard input; `check` writes its findings as
a JSON list; `salvage` fills the empty catalogue in FOLDER from the Chroma that `--source` names.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rag.index.base.errors import DiskFull, IndexDamaged, IndexFault, IndexLocked
from rag.index.base.failpoint import arm_from_argument, reach
from rag.index.base.lock import CHROMA, Lock
from rag.index.projection.generations import (
    folder_of,
    installed_version,
    next_generation,
    seal,
    settle,
)
from rag.index.store.catalogue import Catalogue

if TYPE_CHECKING:
    from rag.index.projection.chroma import ChromaVectors

BATCH = 1000
BUSY = IndexLocked.exit_code
# As `sysexits.h` numbers them, so that the parent can raise the same again.
DAMAGED = 65
FULL = 74
DRAINING = "rag ingest, telling Chroma"
"""How the child of an ingest calls itself as the holder of Chroma."""

_WAIT_SECONDS = 0.2
_GRACE_SECONDS = 1.0
_PATIENCE_SECONDS = 10.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Do one command and return its exit status: 0 done, else one of those above."""
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=("drain", "check", "rebuild", "salvage"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--documents", action="store_true")
    parser.add_argument("--source", type=Path)
    parser.add_argument("--fail", type=arm_from_argument)
    asked = parser.parse_args(arguments)
    # Ctrl-C reaches the whole group; the parent decides when this process may stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        catalogue = Catalogue(asked.folder, writable=asked.command != "check")
    except IndexFault as error:
        sys.stderr.write(f"{error.message}\n")
        return _status_of(error)
    lock = Lock(asked.folder, CHROMA)
    try:
        if asked.command == "drain":
            _give_way()
            return drain(catalogue, lock, asked.documents, _Orders())
        if asked.command == "check":
            return write_findings(catalogue, lock)
        if asked.command == "salvage":
            return salvage(catalogue, asked.source)
        return rebuild(catalogue, lock, asked.documents)
    except IndexFault as error:
        sys.stderr.write(f"{error.message}\n")
        return _status_of(error)
    finally:
        lock.release()
        catalogue.close()


def _status_of(error: IndexFault) -> int:
    if isinstance(error, DiskFull):
        return FULL
    return DAMAGED if isinstance(error, IndexDamaged) else error.exit_code


def _give_way() -> None:
    """Let the embedding of documents go first: they are searchable without Chroma."""
    if hasattr(os, "nice"):
        os.nice(10)


class _Orders:
    """What the parent wants: standard input is read until "finish", or until its end."""

    def __init__(self) -> None:
        self._heard = threading.Event()
        self.finish = False
        threading.Thread(target=self._listen, daemon=True).start()

    def wait(self, seconds: float) -> bool:
        """Return whether the parent spoke, or went, within the time."""
        return self._heard.wait(seconds)

    def _listen(self) -> None:
        self.finish = sys.stdin.readline().strip() == "finish"
        self._heard.set()


def drain(catalogue: Catalogue, lock: Lock, documents: bool, orders: _Orders) -> int:
    """Tell Chroma what the outbox holds, in full batches until told to finish."""
    if not _take(catalogue, lock, orders):
        return BUSY
    chroma = _open_to_write(catalogue, documents)
    while not orders.wait(0):
        if catalogue.count("outbox") < BATCH:
            orders.wait(_WAIT_SECONDS)
        else:
            tell(catalogue, chroma)
    while orders.finish and tell(catalogue, chroma):
        pass
    chroma.close()
    folder = folder_of(catalogue)
    settle(folder)
    catalogue.set_meta({"seal": seal(folder)}, "seal")
    return 0


def _take(catalogue: Catalogue, lock: Lock, orders: _Orders) -> bool:
    """Wait for Chroma as long as the parent works, and a little longer."""
    if lock.try_acquire(DRAINING):
        return True
    with _wanted(catalogue):
        while not orders.wait(0):
            if lock.try_acquire(DRAINING, _WAIT_SECONDS):
                return True
        return orders.finish and lock.try_acquire(DRAINING, _GRACE_SECONDS)


@contextlib.contextmanager
def _wanted(catalogue: Catalogue) -> Iterator[None]:
    """Ask readers to let go of Chroma; they look at each search."""
    catalogue.set_meta({"wanted": 1})
    try:
        yield
    finally:
        catalogue.set_meta({"wanted": 0})


def _open_to_write(catalogue: Catalogue, documents: bool) -> ChromaVectors:
    from rag.index.projection.chroma import ChromaVectors

    first = catalogue.number("generation") == 0
    if first:
        generation, facts = next_generation(catalogue), _describe(documents)
        catalogue.set_meta({"seal": "", "generation": generation, **facts}, "open")
    else:
        catalogue.set_meta({"seal": ""}, "open")
    return ChromaVectors(folder_of(catalogue), create=first, documents=documents)


def _describe(documents: bool) -> dict[str, str | int]:
    return {"chroma_version": installed_version(), "chroma_documents": int(documents)}


def tell(catalogue: Catalogue, chroma: ChromaVectors) -> bool:
    """Tell Chroma one batch, then forget it; return whether there was any.

    What became of a vector since counts, not what the outbox called it, so a batch can be told
    twice and a vector that is out of use is never told again.
    """
    with catalogue.snapshot():
        batch = catalogue.pending(BATCH)
        keys = list(dict.fromkeys(key for _, key, _ in batch))
        entries = catalogue.entries(keys)
    if not batch:
        return False
    alive = {entry.key for entry in entries}
    gone = [key for key in keys if key not in alive]
    reach("chroma:before-write")
    chroma.upsert(entries)
    chroma.delete(gone)
    reach("chroma:after-write")
    catalogue.told(batch[-1][0], len(gone))
    return True


def write_findings(catalogue: Catalogue, lock: Lock) -> int:
    """Write what is wrong with Chroma to standard output."""
    if not lock.try_acquire("rag verify", _PATIENCE_SECONDS):
        return BUSY
    from rag.index.projection.check import check

    sys.stdout.write(json.dumps(check(catalogue)))
    return 0


def rebuild(catalogue: Catalogue, lock: Lock, documents: bool) -> int:
    """Make a new generation from the catalogue and let it take over in one transaction."""
    from rag.index.projection.chroma import ChromaVectors

    with _wanted(catalogue):
        if not lock.try_acquire("rag repair", _PATIENCE_SECONDS):
            return BUSY
    generation = next_generation(catalogue)
    pending = catalogue.pending()
    folder = folder_of(catalogue, generation)
    chroma = ChromaVectors(folder, create=True, documents=documents)
    for page in catalogue.all_entries():
        reach("rebuild:page")
        chroma.upsert(page)
    if chroma.count() != len(catalogue.numbers()):
        raise IndexFault("Chroma does not hold what it was told", "run rag repair again")
    chroma.close()
    settle(folder)
    facts = {"seal": seal(folder), **_describe(documents)}
    catalogue.flip(generation, pending[-1][0] if pending else 0, facts)
    return 0


def salvage(catalogue: Catalogue, source: Path) -> int:
    """Keep the vectors of a Chroma whose catalogue is lost, so that they need not be made again."""
    from rag.index.care.salvage import keep_vectors
    from rag.index.projection.chroma import ChromaVectors

    owner = Lock(source.parent, CHROMA)
    if not owner.try_acquire("rag repair", _PATIENCE_SECONDS):
        return BUSY
    try:
        chroma = ChromaVectors(source)
        for keys, vectors in chroma.pages():
            keep_vectors(catalogue.folder, keys, vectors)
        chroma.close()
    finally:
        owner.release()
    return 0


if __name__ == "__main__":
    sys.exit(main())
