"""The truth of the index: documents, chunks, vectors and what Chroma is still to be told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ingest.base.documents import Chunk, Known, Place, find_place
from rag.index.store import records, schema
from rag.index.store.facts import FILE_NAME, FORMAT, Facts
from rag.index.store.records import (
    Entry,
    Occurrence,
    Selection,
    StoredDocument,
    blob,
    integer,
    storable,
)
from rag.index.store.words import read_varints

__all__ = ["FILE_NAME", "FORMAT", "UNREAD", "Catalogue"]

UNREAD = "unread:"
"""What the facts begin with that list the files of a root that were not opened."""


class Catalogue(Facts):
    """The SQLite file of one index; every method is one transaction and safe from any thread."""

    # ---- sources

    def known(self, root: str) -> dict[str, Known]:
        """Return what is remembered of each source of `root`, by id."""
        rows = self._rows(schema.KNOWN, (storable(root),))
        return {str(row[0]): records.read_known(row) for row in rows}

    def collections(self) -> dict[str, str]:
        """Return the collection of every folder that was ingested, sorted by folder."""
        rows = self._rows("SELECT root, collection FROM roots ORDER BY root")
        return {str(root): str(collection) for root, collection in rows}

    def whole_roots(self) -> list[str]:
        """Return the folders of which all files were looked at, not only single ones."""
        sql = (
            "SELECT substr(key, ?) FROM meta WHERE key GLOB ?"
            " UNION SELECT DISTINCT root FROM documents WHERE id GLOB '*/*' ORDER BY 1"
        )
        return [str(row[0]) for row in self._rows(sql, (len(UNREAD) + 1, f"{UNREAD}*"))]

    def documents(self) -> list[StoredDocument]:
        """Return every source, ingested, refused or never opened, by root and id.

        One that cannot be opened any more, but has chunks of an earlier run, is there twice.
        """
        documents = [records.read_document(row) for row in self._rows(schema.DOCUMENTS)]
        sql = "SELECT substr(key, ?), value FROM meta WHERE key GLOB ?"
        collections = self.collections()
        for root, text in self._rows(sql, (len(UNREAD) + 1, f"{UNREAD}*")):
            collection = collections.get(str(root), "")
            documents += records.read_unread(str(root), collection, str(text))
        return sorted(documents, key=lambda document: (document.root, document.id))

    # ---- vectors: the cache of what was embedded, and those that chunks have

    def stored_keys(self, keys: Sequence[str]) -> set[str]:
        """Return those of `keys` that have a vector."""
        sql = "SELECT key FROM vectors WHERE key IN ({})"
        return {str(row[0]) for row in self._rows_in(sql, keys)}

    def keys_in_use(self) -> set[str]:
        """Return the keys of the vectors that a chunk has: what Chroma is to hold."""
        return {str(row[0]) for row in self._rows(schema.KEYS_IN_USE)}

    def numbers(self, selection: Selection | None = None) -> list[int]:
        """Return the numbers of the vectors in use, or of those in the documents selected.

        A number names one vector for ever; it is never given twice.
        """
        if selection is None:
            rows = self._rows("SELECT DISTINCT vector_number FROM chunks")
        else:
            where, values = records.where_selected(selection)
            of_those = f"{schema.CHUNKS_OF_DOCUMENTS} WHERE {where}"
            rows = self._rows(f"SELECT DISTINCT c.vector_number FROM {of_those}", values)  # noqa: S608
        return [integer(row[0]) for row in rows]

    def vectors(self, numbers: Sequence[int]) -> Iterator[tuple[int, bytes]]:
        """Yield (number, vector) of those of the numbers that there are, in any order."""
        sql = "SELECT number, vector FROM vectors WHERE number IN ({})"
        for number, vector in self._rows_in(sql, numbers):
            yield integer(number), blob(vector)

    def numbers_of(self, keys: Sequence[str]) -> list[int]:
        """Return the numbers of those of the keys that a chunk has."""
        sql = f"SELECT number FROM ({schema.IN_USE}) WHERE key IN ({{}})"  # noqa: S608
        return [integer(row[0]) for row in self._rows_in(sql, keys)]

    def entries(self, keys: Sequence[str]) -> list[Entry]:
        """Return those of the keys that a chunk has, each with one such chunk."""
        sql = f"{schema.ENTRIES} WHERE v.key IN ({{}})"
        return [records.read_entry(row) for row in self._rows_in(sql, keys)]

    def all_entries(self, page: int = 1000) -> Iterator[list[Entry]]:
        """Yield all vectors in use, each with one of its chunks, `page` at a time, by number."""
        last = 0
        sql = f"{schema.ENTRIES} WHERE v.number > ? ORDER BY v.number LIMIT ?"
        while rows := self._rows(sql, (last, page)):
            entries = [records.read_entry(row) for row in rows]
            last = entries[-1].number
            yield entries

    # ---- chunks

    def has_more_than(self, number: int) -> bool:
        """Return whether there are more chunks than that; cheap, unlike to count them."""
        rows = self._rows("SELECT 1 FROM chunks LIMIT 1 OFFSET ?", (number,))
        return bool(rows)

    def count_selected(self, selection: Selection) -> int:
        """Return how many chunks are in the documents selected."""
        where, values = records.where_selected(selection)
        sql = f"SELECT count(*) FROM {schema.CHUNKS_OF_DOCUMENTS} WHERE {where}"  # noqa: S608
        return integer(self._rows(sql, values)[0][0])

    def texts_of(
        self, vectors: Sequence[int], selection: Selection | None
    ) -> Iterator[tuple[int, int]]:
        """Yield (number of a vector, number of a text) for what the chunks selected have."""
        where, values = records.where_selected(selection or Selection())
        source = "chunks c" if selection is None else schema.DOCUMENTS_OF_CHUNKS
        sql = (
            "SELECT DISTINCT c.vector_number, c.text_number"  # noqa: S608
            f" FROM {source} WHERE {where} AND c.vector_number IN ({{}})"
        )
        for vector, text in self._rows_in(sql, vectors, values):
            yield integer(vector), integer(text)

    def occurrences(self, texts: Sequence[int], selection: Selection | None) -> list[Occurrence]:
        """Return every chunk selected that has one of the texts; the texts go by number."""
        where, values = records.where_selected(selection or Selection())
        select = schema.OCCURRENCES if selection is None else schema.SELECTED_OCCURRENCES
        sql = f"{select} WHERE {where} AND c.text_number IN ({{}})"
        return [records.read_occurrence(row) for row in self._rows_in(sql, texts, values)]

    def all_occurrences(self, page: int = 1000) -> Iterator[list[Occurrence]]:
        """Yield every chunk, `page` at a time, in the order in which they were stored."""
        last = 0
        sql = f"{schema.OCCURRENCES} WHERE c.number > ? ORDER BY c.number LIMIT ?"
        while rows := self._rows(sql, (last, page)):
            last = integer(rows[-1][-1])
            yield [records.read_occurrence(row) for row in rows]

    def vectors_of_chunks(self, ids: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        """Yield (id, vector) of those of the chunks that there are, in any order."""
        for id, vector in self._rows_in(schema.VECTORS_OF_CHUNKS, ids):
            yield str(id), blob(vector)

    # ---- the words of chunks

    def count_words(self) -> tuple[int, int]:
        """Return of how many chunks there are words, and how many words that is in all.

        FTS5 keeps both in the first row of its data, for its own bm25: variable-length integers
        of seven bits a byte, the highest first (sqlite.org/fts5.html, "The Averages Record").
        """
        rows = self._rows("SELECT block FROM words_data WHERE id = 1")
        numbers = read_varints(blob(rows[0][0])) if rows else []
        return (numbers[0], numbers[1]) if len(numbers) > 1 else (0, 0)

    def count_chunks_with(self, term: str) -> int:
        """Return how many chunks hold a term."""
        rows = self._rows("SELECT doc FROM word_counts WHERE term = ?", (term,))
        return integer(rows[0][0]) if rows else 0

    def places_of(self, term: str) -> str:
        """Return the numbers of the chunks that hold a term, each as often as it does.

        One text of numbers and commas, as a hundred thousand rows would take ten times as long.
        """
        rows = self._rows("SELECT group_concat(doc) FROM word_places WHERE term = ?", (term,))
        return str(rows[0][0] or "")

    def word_lengths(self) -> tuple[str, bytes]:
        """Return the numbers of all chunks, with commas, and how many terms each has, as varints.

        FTS5 keeps them for its own bm25 (sqlite.org/fts5.html, "The %_docsize Table").
        """
        sql = "SELECT group_concat(id), group_concat(hex(sz), '') FROM words_docsize"
        numbers, lengths = self._rows(sql)[0]
        return str(numbers or ""), bytes.fromhex(str(lengths or ""))

    def text_numbers(self) -> tuple[str, str]:
        """Return the numbers of all chunks, and in that order those of their texts, with commas."""
        sql = "SELECT group_concat(number), group_concat(text_number) FROM chunks"
        numbers, texts = self._rows(sql)[0]
        return str(numbers or ""), str(texts or "")

    def chunk_numbers(self, selection: Selection) -> str:
        """Return the numbers of the chunks selected, with commas, in any order."""
        where, values = records.where_selected(selection)
        sql = f"SELECT group_concat(c.number) FROM {schema.CHUNKS_OF_DOCUMENTS} WHERE {where}"  # noqa: S608
        return str(self._rows(sql, values)[0][0] or "")

    def words_of(self, numbers: Sequence[int]) -> Iterator[tuple[int, int, str]]:
        """Yield (number, number of its text, terms with blanks between) of chunks by number."""
        for number, text, terms in self._rows_in(schema.WORDS_OF, numbers):
            yield integer(number), integer(text), str(terms)

    def words_of_chunks(self, ids: Sequence[str]) -> Iterator[tuple[str, str]]:
        """Yield (id, terms with blanks between) of those of the chunks that there are."""
        for id, terms in self._rows_in(schema.WORDS_OF_IDS, ids):
            yield str(id), str(terms)

    # ---- the chunks of a document

    def chunks(self, root: str, document_id: str) -> list[Chunk]:
        """Return the chunks of a document in reading order."""
        rows = self._rows(schema.CHUNKS_OF_DOCUMENT, (storable(root), storable(document_id)))
        return [records.read_chunk(row) for row in rows]

    def shared_chunks(self) -> dict[tuple[str, str], int]:
        """Return by (root, id) how many chunks of a document have a text that another has too."""
        rows = self._rows(schema.SHARED_CHUNKS)
        return {(str(root), str(name)): integer(count) for root, name, count in rows}

    def twins(self) -> dict[tuple[str, str], tuple[str, str, int]]:
        """Return by (root, id) the document that shares most with it, and how many chunks."""
        return {
            (str(root), str(name)): (str(other), str(id), integer(count))
            for root, name, other, id, count in self._rows(schema.TWINS)
        }

    def neighbours(self, chunk: Chunk, before: int, after: int) -> list[Chunk]:
        """Return the chunks around one, itself included, in reading order."""
        rows = self._rows(
            schema.NEIGHBOURS, (chunk.id, chunk.ordinal - before, chunk.ordinal + after)
        )
        others = [records.read_chunk(row) for row in rows]
        return sorted([*others, chunk], key=lambda one: one.ordinal)

    def place_at(self, chunk: Chunk, offset: int) -> Place:
        """Return the page that holds a character of the chunk's document."""
        rows = self._rows(schema.PAGES, (chunk.id,))
        if not rows:
            return Place(chunk.page, chunk.place)
        return find_place(records.read_pages(str(rows[0][0])), offset)

    # ---- what Chroma is still to be told

    def pending(self, most: int = -1) -> list[tuple[int, str, str]]:
        """Return (sequence number, vector key, upsert or delete), oldest first; -1 means all."""
        rows = self._rows("SELECT seq, key, op FROM outbox ORDER BY seq LIMIT ?", (most,))
        return [(integer(seq), str(name), str(op)) for seq, name, op in rows]

    def told(self, last: int, deletes: int) -> None:
        """Forget what Chroma was told, up to the sequence number `last`."""
        with self._database.transaction("told"):
            self._run("DELETE FROM outbox WHERE seq <= ?", last)
            self._set_meta({"tombstones": self.number("tombstones") + deletes})

    def flip(self, generation: int, covered: int, facts: Mapping[str, str | int]) -> None:
        """Let a rebuilt Chroma take over: it holds what was told up to `covered`."""
        with self._database.transaction("rebuild"):
            self._run("DELETE FROM outbox WHERE seq <= ?", covered)
            self._set_meta({"generation": generation, "tombstones": 0, **facts})
