"""What an index tells without vectors: its folders, documents and chunks, and chunks by words."""

from __future__ import annotations

from collections.abc import Sequence

from ingest.base.documents import Chunk, Place
from rag.index.finding.found import Found, Ranking
from rag.index.finding.words import WordSearcher
from rag.index.store.catalogue import Catalogue
from rag.index.store.records import Selection, StoredDocument


class Reading:
    """An index, open to read, as far as its catalogue alone tells of it."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._words = WordSearcher(catalogue)
        self._counted: tuple[tuple[int, int], int] | None = None

    # ---- words

    def search_words(
        self, terms: Sequence[str], k: int, selection: Selection | None = None
    ) -> list[Found]:
        """Return the `k` best texts that hold one of the terms, best first, each once.

        Scores are BM25, above 0; ties are in the order of ids.  Terms are those of
        `rag.text.terms.query_terms`; one that stands there twice counts once.
        """
        return [*self._words.rank(terms, k, k, selection).named]

    def rank_words(
        self, terms: Sequence[str], k: int, named: int, selection: Selection | None = None
    ) -> Ranking:
        """Return the same of which only the first `named` are looked up: the rest is cheap."""
        return self._words.rank(terms, k, named, selection)

    def word_scores(self, terms: Sequence[str], chunks: Sequence[Chunk]) -> list[float]:
        """Return the BM25 of each chunk, 0 where it holds none of the terms or is gone."""
        return self._words.scores(terms, chunks)

    def terms_of(self, chunks: Sequence[Chunk]) -> list[str]:
        """Return the terms by which each chunk is found, in order, blanks around; "" if gone."""
        return self._words.terms_of(chunks)

    def frequency(self, terms: Sequence[str]) -> dict[str, int]:
        """Return how many chunks hold each of the terms."""
        return self._words.frequency(terms)

    # ---- documents and chunks

    def neighbours(self, chunk: Chunk, before: int = 1, after: int = 1) -> list[Chunk]:
        """Return a chunk with those around it in its document, in reading order."""
        return self._catalogue.neighbours(chunk, before, after)

    def place_at(self, chunk: Chunk, offset: int) -> Place:
        """Return the page that holds a character of the chunk's document."""
        return self._catalogue.place_at(chunk, offset)

    def roots(self) -> list[str]:
        """Return the folders that were ingested; cheap, unlike `status`."""
        return list(self._catalogue.collections())

    def whole_roots(self) -> list[str]:
        """Return those of the folders that were ingested whole, not only single files of them."""
        return self._catalogue.whole_roots()

    def collections(self) -> dict[str, list[str]]:
        """Return the folders of each collection, both sorted; one that has none is not there."""
        folders: dict[str, list[str]] = {}
        for root, name in self._catalogue.collections().items():
            folders.setdefault(name, []).append(root)
        return dict(sorted(folders.items()))

    def chunks(self, root: str, document_id: str) -> list[Chunk]:
        """Return the chunks of a document in reading order, [] when it has none."""
        return self._catalogue.chunks(root, document_id)

    def documents(self) -> list[StoredDocument]:
        """Return every source, ingested, refused or never opened, by root and id."""
        return self._catalogue.documents()

    def shared_chunks(self) -> dict[tuple[str, str], int]:
        """Return by (root, id) how many chunks of a document have a text that another has too."""
        return self._catalogue.shared_chunks()

    def twins(self) -> dict[tuple[str, str], tuple[str, str, int]]:
        """Return by (root, id) the document that shares most with it, and how many chunks."""
        return self._catalogue.twins()

    def count_texts(self) -> int:
        """Return how many different texts the chunks have."""
        return self._catalogue.count("texts")

    def count(self, selection: Selection | None = None) -> int:
        """Return how many chunks there are, or how many a search of the selection sees."""
        if selection is not None:
            return self._catalogue.count_selected(selection)
        with self._catalogue.snapshot():  # to count takes as long as there are many
            state = self._catalogue.state()
            if self._counted is None or self._counted[0] != state:
                self._counted = state, self._catalogue.count("chunks")
            return self._counted[1]
