"""A vector in, the nearest chunks out: by Chroma where that is safe, else exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from threading import RLock
from typing import TYPE_CHECKING, Literal, TypeAlias

from ingest.base.documents import Chunk
from rag.index.base.errors import IndexFault, IndexMismatch
from rag.index.base.lock import CHROMA, WRITER, Lock
from rag.index.projection.generations import folder_of
from rag.index.store.catalogue import Catalogue
from rag.index.store.records import Entry, Selection
from rag.index.upkeep import find_damage, make_usable

if TYPE_CHECKING:
    from ingest.base.documents import Vectors
    from rag.index.projection.chroma import ChromaVectors
    from rag.index.store.exact import ExactVectors

SearchMethod: TypeAlias = Literal["auto", "chroma", "exact"]

MOST_PENDING = 2000
"""With more chunks Chroma was not told, exact search is faster than both together."""
MOST_REPAIRED = 10_000
"""A search repairs a Chroma of so many chunks at most; a larger one waits for `rag repair`."""


@dataclass(frozen=True, slots=True)
class Found:
    """A chunk, the cosine of its vector with the question's, and the folder it came from."""

    chunk: Chunk
    score: float
    root: str


class Searcher:
    """Searches one catalogue; from several threads, one at a time.

    Chroma is opened at the first search that may use it, and let go of as soon as a writer
    wants it.  Either way the answer is joined with the catalogue and scored from its vectors,
    so what is not in the catalogue can never be found.
    """

    def __init__(
        self, catalogue: Catalogue, dimension: int, method: SearchMethod, exact_up_to: int = 0
    ) -> None:
        self._catalogue = catalogue
        self._dimension = dimension
        self._method = method
        self._exact_up_to = exact_up_to if method == "auto" else 0
        self._lock = RLock()
        self._owner = Lock(catalogue.folder, CHROMA)
        self._chroma: ChromaVectors | None = None
        self._exact: ExactVectors | None = None
        self._opened_as = ""
        self._hopeless: tuple[str, ...] = ()
        self._may_repair = True
        self._reason = "exact: it was asked for" if method == "exact" else "not searched yet"

    @property
    def method(self) -> str:
        """Tell how the last search was done, and why, in one line."""
        return self._reason

    def search(self, vector: Vectors, k: int, selection: Selection | None) -> list[Found]:
        """Return the `k` nearest chunks, best first, ties by id."""
        self._check(vector)
        if k <= 0:
            return []
        with self._lock:
            if selection is not None:
                return self._search_exactly(vector, k, selection)
            if self._method != "exact" and self._make_ready():
                try:
                    return self._search_chroma(vector, k)
                except IndexFault as error:
                    self._give_up(error.message)
            if self._method == "chroma":
                raise IndexFault(self._reason, "use RAG_SEARCH=auto, or make it anew: rag repair")
            return self._search_exactly(vector, k, None)

    def close(self) -> None:
        """Let go of Chroma."""
        with self._lock:
            self._let_go()
            self._exact = None

    def _search_exactly(self, vector: Vectors, k: int, selection: Selection | None) -> list[Found]:
        from rag.index.store.exact import ExactVectors

        self._exact = self._exact or ExactVectors(self._catalogue, self._dimension)
        if selection is not None:
            self._reason = "exact: a selection was given"
        with self._catalogue.snapshot():
            allowed = None if selection is None else self._catalogue.numbers(selection)
            numbers = self._exact.search(vector, k, allowed)
            return _score(self._catalogue.entries("rowid", numbers), vector, k)

    def _search_chroma(self, vector: Vectors, k: int) -> list[Found]:
        assert self._chroma is not None
        self._reason = "Chroma"
        with self._catalogue.snapshot():
            # Only what the outbox names can be stale in Chroma, or missing.
            pending = {name for _, name, _ in self._catalogue.pending(MOST_PENDING)}
            nearest, _ = self._chroma.query(vector, k + len(pending))
            names = sorted(pending.union(nearest))
            return _score(self._catalogue.entries("id", names), vector, k)

    # ---- whether Chroma may be used

    def _make_ready(self) -> bool:
        """Return whether Chroma is open and up to date, opening or closing it as needed."""
        facts = self._facts()
        if self._chroma is not None:
            if facts[0] == self._opened_as and not self._find_hindrance():
                return True
            self._let_go()
        if facts == self._hopeless:
            return False
        if hindrance := self._find_hindrance():
            self._reason = f"exact: {hindrance}"
            return False
        return self._open()

    def _facts(self) -> tuple[str, ...]:
        return self._catalogue.meta("generation"), self._catalogue.meta("seal")

    def _find_hindrance(self) -> str:
        if self._catalogue.number("generation") == 0:
            return "Chroma was not built yet"
        if self._catalogue.count("chunks") <= self._exact_up_to:
            return f"at most {self._exact_up_to} chunks, which is faster so and misses nothing"
        if self._catalogue.number("wanted"):
            return "a running ingest needs Chroma"
        if self._catalogue.count("outbox") >= MOST_PENDING:
            return "Chroma was not told yet of many new chunks"
        return ""

    def _open(self) -> bool:
        from rag.index.projection.chroma import ChromaVectors

        try:
            if not self._own():
                return False
            folder = folder_of(self._catalogue)
            self._opened_as = self._facts()[0]
            self._chroma = ChromaVectors(folder)
        except IndexFault as error:
            self._give_up(error.message)
            return False
        return True

    def _own(self) -> bool:
        """Take Chroma for this process alone, repairing it once if it needs that."""
        if not self._owner.try_acquire("rag ask"):
            self._reason = f"exact: Chroma is open in {self._owner.holder()}"
            return False
        damage = find_damage(self._catalogue)
        if damage and self._may_repair:
            self._owner.release()
            damage = self._repair(damage)
            if not damage and not self._owner.try_acquire("rag ask"):
                damage = "Chroma is open elsewhere"
        if damage:
            self._give_up(damage)
        return not damage

    def _repair(self, damage: str) -> str:
        """Return what is still wrong afterwards, or ""."""
        if self._catalogue.count("chunks") > MOST_REPAIRED:
            return f"{damage}; rag repair makes it anew"
        writer = Lock(self._catalogue.folder, WRITER)
        if not writer.try_acquire("rag ask, repairing"):
            return damage
        try:
            self._may_repair = False
            catalogue = Catalogue(self._catalogue.folder, writable=True)
            try:
                return make_usable(catalogue)
            finally:
                catalogue.close()
        finally:
            writer.release()

    def _give_up(self, why: str) -> None:
        """Search exactly until something about Chroma changed on disk."""
        self._let_go()
        self._hopeless = self._facts()
        self._reason = f"exact: {why}"

    def _let_go(self) -> None:
        chroma, self._chroma = self._chroma, None
        try:
            if chroma is not None:
                chroma.close()
        finally:
            self._owner.release()

    def _check(self, vector: Vectors) -> None:
        import numpy

        if vector.shape != (self._dimension,):
            raise IndexMismatch(
                f"the question's vector has shape {vector.shape}, the index {self._dimension}",
                "use the embedding model the index was made with: rag status names it",
            )
        if not numpy.isfinite(vector).all():
            raise IndexFault("the question's vector is not finite", "check the embedding model")


def _score(entries: Sequence[Entry], vector: Vectors, k: int) -> list[Found]:
    import numpy

    from rag.index.store.exact import decode

    if not entries:
        return []
    rows = decode([entry.vector for entry in entries], len(vector))
    scores = numpy.einsum("ij,j->i", rows.astype(numpy.float64), vector.astype(numpy.float64))
    found = [
        Found(entry.chunk, float(score), entry.root)
        for entry, score in zip(entries, scores, strict=True)
    ]
    return sorted(found, key=lambda one: (-one.score, one.chunk.id))[:k]
