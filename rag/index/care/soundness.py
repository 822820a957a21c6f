"""Is every row of a catalogue what its content says?  Rows in, flaws out, nothing changed."""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from zlib import crc32

import numpy

from ingest.base.documents import chunk_id
from ingest.embed import vector_key
from rag.index.base.errors import IndexDamaged
from rag.index.store import records, schema
from rag.index.store.catalogue import FILE_NAME, Catalogue
from rag.index.store.database import Row, connect
from rag.index.store.records import blob, hash_text, integer
from rag.index.store.schema import SCHEMA
from rag.index.store.words import PREPARED_AS, join_terms

UNIT_TOLERANCE = 1e-3
NUMBERS = ("generation", "tombstones", "wanted", "chroma_documents", "ingested_ns")
"""The facts that are numbers."""

_PAGE = 2000
_NUMBER = re.compile(r"[0-9]{1,19}")
_ESCAPED = re.compile(r"\\ud([c-f][0-9a-f]{2})")

# Outer joins: a chunk that points nowhere is to be seen, not passed over.
_CHUNKS = """
SELECT c.root, c.document_id, d.recipe, d.status, c.id, c.ordinal, t.text, t.hash,
    c.start, c."end", c.heading, c.columns, v.key, c.vector_number
FROM chunks c LEFT JOIN documents d ON d.root = c.root AND d.id = c.document_id
LEFT JOIN texts t ON t.number = c.text_number LEFT JOIN vectors v ON v.number = c.vector_number
ORDER BY c.root, c.document_id, c.ordinal"""

_WITHOUT_CHUNKS = """
SELECT root, id FROM documents d WHERE status = 'ok'
    AND NOT EXISTS (SELECT 1 FROM chunks WHERE root = d.root AND document_id = d.id)"""

_COUNTED = "SELECT chunk_count FROM documents WHERE root = ? AND id = ?"

_VECTORS = """
SELECT number, vector, crc, EXISTS (SELECT 1 FROM chunks WHERE vector_number = v.number)
FROM vectors v"""

_SCHEMA = "SELECT type, name FROM sqlite_master WHERE name NOT GLOB 'sqlite_*'"

_LEFT_TEXTS = """
SELECT count(*) FROM texts
WHERE NOT EXISTS (SELECT 1 FROM chunks WHERE text_number = texts.number)"""

_WORDS = {
    "passages cannot be found by their words": (
        "SELECT count(*) FROM chunks WHERE number NOT IN (SELECT id FROM words_docsize)"
    ),
    "passages that are gone have words": (
        "SELECT count(*) FROM words_docsize WHERE id NOT IN (SELECT number FROM chunks)"
    ),
}
_WORDS_COMPARED = 500


@dataclass(frozen=True, slots=True)
class Flaw:
    """What is wrong in a document; the same words for the same kind of flaw."""

    what: str
    root: str
    document_id: str


class Inspector(Catalogue):
    """A catalogue whose rows are looked at one by one."""

    def bad_vectors(self, dimension: int) -> Iterator[tuple[int, bool]]:
        """Yield the number of each vector that cannot be right, and whether a chunk has it.

        One that no chunk has may be that of another model, and so of another size.
        """
        for rows in self._database.pages(_VECTORS, (), _PAGE):
            for number, vector, crc, used in rows:
                if not is_sound(vector, dimension if used else 0) or crc32(blob(vector)) != crc:
                    yield integer(number), bool(used)

    def flaws(self, identity: str, bad: frozenset[int] = frozenset()) -> Iterator[Flaw]:
        """Yield what is wrong with the chunks of each document.

        `identity` is that of the embedder whose keys the vectors should have; `bad` are the
        numbers of vectors that are of no use.
        """
        rows = (row for page in self._database.pages(_CHUNKS, (), _PAGE) for row in page)
        for (root, name), chunks in groupby(rows, key=lambda row: (str(row[0]), str(row[1]))):
            told: set[str] = set()
            count = 0
            for count, row in enumerate(chunks, 1):
                told.update(_flaws_of(row, count - 1, identity, bad))
            if self._rows(_COUNTED, (root, name)) not in ([], [(count,)]):
                told.add("chunks lost or left over")
            yield from (Flaw(what, root, name) for what in sorted(told))
        for row in self._rows(_WITHOUT_CHUNKS):
            yield Flaw("no chunk", str(row[0]), str(row[1]))

    def schema_changes(self) -> list[str]:
        """Return what was taken from the tables and indexes of the catalogue, or put to them."""
        ours = sqlite3.connect(":memory:")
        with contextlib.closing(ours):
            ours.executescript(SCHEMA)
            expected = {(str(kind), str(name)) for kind, name in ours.execute(_SCHEMA)}
        found = {(str(kind), str(name)) for kind, name in self._rows(_SCHEMA)}
        return [
            *(f"the {kind} {name} is missing" for kind, name in sorted(expected - found)),
            *(
                f"the {kind} {name} is not of this program"
                for kind, name in sorted(found - expected)
            ),
        ]

    def unreadable_records(self) -> Iterator[str]:
        """Yield which parts of the list of documents cannot be understood."""
        for key in NUMBERS:
            if not _NUMBER.fullmatch(value := self.meta(key, "0")):
                yield f"{value[:20]!r} stands where {key} should be a number"
        try:
            self.documents()
            for root in self.collections():
                self.known(root)
        except IndexDamaged as error:
            yield error.message
        except (ValueError, TypeError, KeyError) as error:
            yield f"what is stored of a document cannot be understood: {error}"

    def unreadable_documents(self) -> Iterator[tuple[str, str]]:
        """Yield root and id of each document whose pages or notes cannot be understood."""
        for root, name, notes, pages in self._rows("SELECT root, id, notes, pages FROM documents"):
            try:
                list(json.loads(str(notes)))
                records.read_pages(str(pages))
            except (ValueError, TypeError):
                yield str(root), str(name)

    def document_names(self) -> set[tuple[str, str]]:
        """Return root and id of every document."""
        return {
            (str(root), str(name)) for root, name in self._rows("SELECT root, id FROM documents")
        }

    def left_texts(self) -> int:
        """Return how many texts there are that no chunk has."""
        return integer(self._rows(_LEFT_TEXTS)[0][0])

    def word_flaws(self) -> Iterator[str]:
        """Yield how the word index differs from what the chunks say."""
        for what, sql in _WORDS.items():
            if count := integer(self._rows(sql)[0][0]):
                yield f"{count} {what}"
        if self.meta("words") == PREPARED_AS:  # else the next writer makes all anew
            every = max(1, self.count("chunks") // _WORDS_COMPARED)
            rows = self._rows(f"{schema.WORDS_COMPARED} WHERE c.number % ? = 0", (every,))
            wrong = sum(join_terms(*map(str, parts)) != terms for *parts, terms in rows)
            if wrong:
                yield f"{wrong} of {len(rows)} passages compared have other words"
        if self._has_broken_words():
            yield "the lists of words do not fit the passages they are of"

    def _has_broken_words(self) -> bool:
        """Let FTS5 compare its lists with its rows, which it only does where it may write."""
        try:
            with contextlib.closing(connect(self.folder / FILE_NAME, "rw")) as connection:
                connection.execute("INSERT INTO words (words) VALUES ('integrity-check')")
        except sqlite3.OperationalError:
            return False
        except sqlite3.DatabaseError:
            return True
        return False

    def unused_vectors(self) -> tuple[int, int]:
        """Return how many vectors no chunk has, and how many bytes they take."""
        count, size = self._rows(
            "SELECT count(*), coalesce(sum(length(vector)), 0) FROM vectors v"
            " WHERE NOT EXISTS (SELECT 1 FROM chunks WHERE vector_number = v.number)"
        )[0]
        return integer(count), integer(size)


def is_sound(vector: object, dimension: int) -> bool:
    """Say whether a stored vector is finite, of length one and of the size; 0 is any size."""
    if not isinstance(vector, bytes) or not vector or len(vector) % 4:
        return False
    if dimension and len(vector) != 4 * dimension:
        return False
    row = numpy.frombuffer(blob(vector), dtype="<f4").astype(numpy.float64)
    with numpy.errstate(all="ignore"):
        return bool(abs(numpy.sqrt(row @ row) - 1.0) <= UNIT_TOLERANCE)


def _flaws_of(row: Row, expected: int, identity: str, bad: frozenset[int]) -> Iterator[str]:
    root, name, recipe, status, stored_id, ordinal, text, digest, start, end, *rest = row
    heading, columns, key, vector = rest
    if recipe is None or status != "ok":
        yield "chunks that were not ingested"
    if ordinal != expected:
        yield "gaps between chunks"
    if not isinstance(ordinal, int):
        return
    if key is None or vector in bad:
        yield "chunks without a vector of use"
    if text is None:
        yield "chunks without text"
        return
    if not isinstance(start, int) or not isinstance(end, int) or end - start != len(str(text)):
        yield "chunks not as long as their place in the text"
    if hash_text(str(text)) != digest:
        yield "texts that were changed"
    ids = {
        chunk_id(path, str(name), ordinal, str(text), str(recipe)) for path in _spellings(str(root))
    }
    if recipe is not None and stored_id not in ids:
        yield "chunks that are not what their id says"
    embedded = " ".join(f"{heading!s} {columns!s} {text!s}".split())
    if key is not None and vector_key(identity, embedded) != key:
        yield "chunks with the vector of another text"


def _spellings(root: str) -> set[str]:
    """Return a path as it is stored, and as it was if its bytes are no text."""
    return {root, _ESCAPED.sub(lambda match: chr(0xD000 + int(match[1], 16)), root)}
