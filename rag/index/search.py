"""A vector in, the nearest chunks out: by Chroma where that is safe, else exactly."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from threading import RLock
from typing import TYPE_CHECKING, Literal, TypeAlias

from ingest.base.documents import Chunk
from rag.index.base.errors import IndexFault, IndexMismatch
from rag.index.base.lock import CHROMA, WRITER, Lock
from rag.index.finding.found import Found, Ranking, name_texts, rank_best
from rag.index.manifest import read_manifest
from rag.index.projection.generations import folder_of
from rag.index.store.catalogue import Catalogue
from rag.index.store.records import Selection
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
        self._manifest = catalogue.meta("manifest")
        self._method = method
        self._exact_up_to = exact_up_to if method == "auto" else 0
        self._lock = RLock()
        self._owner = Lock(catalogue.folder, CHROMA)
        self._chroma: ChromaVectors | None = None
        self._exact: ExactVectors | None = None
        self._opened_as = ""
        self._large: tuple[tuple[int, int], bool] | None = None
        self._hopeless: tuple[str, ...] = ()
        self._may_repair = True
        self._reason = "exact: it was asked for" if method == "exact" else "not searched yet"

    @property
    def method(self) -> str:
        """Tell how the last search was done, and why, in one line."""
        return self._reason

    def rank(self, vector: Vectors, k: int, named: int, selection: Selection | None) -> Ranking:
        """Return the `k` nearest texts, best first, with the chunks of the first `named`."""
        self._check(vector)
        if k <= 0:
            return Ranking([], [], [])
        with self._lock:
            if selection is not None:
                return self._search_exactly(vector, k, named, selection)
            if self._method != "exact" and self._make_ready():
                try:
                    return self._search_chroma(vector, k, named)
                except IndexFault as error:
                    self._give_up(error.message)
            if self._method == "chroma":
                raise IndexFault(self._reason, "use RAG_SEARCH=auto, or make it anew: rag repair")
            return self._search_exactly(vector, k, named, None)

    def likeness(self, vector: Vectors, chunks: Sequence[Chunk]) -> list[float]:
        """Return the cosine of each chunk's own vector, 0 where the chunk is not there."""
        self._check(vector)
        with self._catalogue.snapshot():
            self._refuse_other_model()
            found = dict(self._catalogue.vectors_of_chunks(list({c.id for c in chunks})))
        numbers = {id: number for number, id in enumerate(found)}
        scores = _score_stored(enumerate(found.values()), vector)
        return [scores[numbers[chunk.id]] if chunk.id in numbers else 0.0 for chunk in chunks]

    def close(self) -> None:
        """Let go of Chroma."""
        with self._lock:
            self._let_go()
            self._exact = None

    def _search_exactly(
        self, vector: Vectors, k: int, named: int, selection: Selection | None
    ) -> Ranking:
        from rag.index.store.exact import ExactVectors

        exact = self._exact = self._exact or ExactVectors(self._catalogue, self._dimension)
        if selection is not None:
            self._reason = "exact: a selection was given"
        with self._catalogue.snapshot():
            self._refuse_other_model()
            allowed = None if selection is None else self._catalogue.numbers(selection)
            return self._find(
                k, named, selection, lambda n: _score(*exact.search(vector, n, allowed), vector)
            )

    def _search_chroma(self, vector: Vectors, k: int, named: int) -> Ranking:
        chroma = self._chroma
        assert chroma is not None
        self._reason = "Chroma"
        with self._catalogue.snapshot():
            self._refuse_other_model()
            # Only what the outbox names can be stale in Chroma, or missing.
            pending = {key for _, key, _ in self._catalogue.pending(MOST_PENDING)}

            def nearest(n: int) -> dict[int, float]:
                keys, _ = chroma.query(vector, n + len(pending))
                numbers = self._catalogue.numbers_of(sorted(pending.union(keys)))
                return _score_stored(self._catalogue.vectors(numbers), vector)

            return self._find(k, named, None, nearest)

    def _find(
        self,
        k: int,
        named: int,
        selection: Selection | None,
        nearest: Callable[[int], Mapping[int, float]],
    ) -> Ranking:
        """Ask for scores of vectors until `k` texts are among them, or there are no more."""
        asked = k
        while True:
            scores = nearest(asked)
            best: dict[int, float] = {}
            for number, text in self._catalogue.texts_of([*scores], selection):
                best[text] = max(scores[number], best.get(text, -2.0))
            if len(best) >= k or len(scores) < asked:
                break
            asked *= 4

        def name(texts: Sequence[int]) -> list[Found]:
            places = self._catalogue.occurrences(texts, selection)
            return name_texts(places, lambda one: scores.get(one.vector, -2.0))

        return rank_best(best, k, named, name)

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
        if not self._is_large():
            return f"at most {self._exact_up_to} chunks, which is faster so and misses nothing"
        if self._catalogue.number("wanted"):
            return "a running ingest needs Chroma"
        if self._catalogue.count("outbox") >= MOST_PENDING:
            return "Chroma was not told yet of many new chunks"
        return ""

    def _is_large(self) -> bool:
        """Return whether there are too many chunks to search exactly; to look takes a while."""
        state = self._catalogue.state()
        if self._large is None or self._large[0] != state:
            self._large = state, self._catalogue.has_more_than(self._exact_up_to)
        return self._large[1]

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

    def _refuse_other_model(self) -> None:
        """Raise IndexMismatch when a migration gave the index other vectors meanwhile.

        The question was embedded by the model of before, of the same dimension perhaps.
        """
        now = self._catalogue.meta("manifest")
        if now != self._manifest:
            made, new = read_manifest(self._manifest), read_manifest(now)
            if made.identity != new.identity:
                raise IndexMismatch(
                    f"the index was given the vectors of {new.embedding_model} meanwhile",
                    "ask again, with that model; a program that goes on running: start it again",
                )
            self._manifest = now

    def _check(self, vector: Vectors) -> None:
        import numpy

        if vector.shape != (self._dimension,):
            raise IndexMismatch(
                f"the question's vector has shape {vector.shape}, the index {self._dimension}",
                "use the embedding model the index was made with: rag status names it",
            )
        if not numpy.isfinite(vector).all():
            raise IndexFault("the question's vector is not finite", "check the embedding model")


def _score_stored(vectors: Iterable[tuple[int, bytes]], question: Vectors) -> dict[int, float]:
    """Return the cosine of each vector with the question's, by number."""
    from rag.index.store.exact import decode

    numbers, blobs = [], []
    for number, vector in vectors:
        numbers.append(number)
        blobs.append(vector)
    return _score(numbers, decode(blobs, len(question)), question)


def _score(numbers: Sequence[int], rows: Vectors, question: Vectors) -> dict[int, float]:
    import numpy

    exact = rows.astype(numpy.float64)
    scores = numpy.einsum("ij,j->i", exact, question.astype(numpy.float64))
    return dict(zip(numbers, scores.tolist(), strict=True))
