"""What is stored of a chunk in, the terms it is found by out; and the table of them made anew.

FTS5 keeps the prepared terms beside its lists.  Without them ("contentless") the table takes a
third of the room (1.4 instead of 5.0 MB beside 11 MB of 3,200 chunks; writing takes as long),
but a row could only be taken out by preparing its text again exactly as it once was, and each
candidate would be prepared again for its score, which takes ten times as long as to read it.
"""

from __future__ import annotations

import sqlite3
import unicodedata

from ingest.base.documents import Chunk
from rag.index.store.records import storable
from rag.index.store.schema import WORDS, WORDS_OF_CHUNKS
from rag.text.terms import TERMS, index_terms

PREPARED_AS = f"{TERMS}, Unicode {unicodedata.unidata_version}"
"""How terms are prepared now; what was prepared otherwise is made anew."""


def join_terms(heading: str, columns: str, text: str) -> str:
    """Return the terms of what is embedded of a chunk, in order, with blanks between them."""
    return " ".join(index_terms(f"{heading} {columns} {text}"))


def above(chunk: Chunk) -> tuple[str, str]:
    """Return what is embedded with the text of a chunk, as it is stored."""
    return storable(chunk.heading), storable(chunk.columns)


def word_row(chunk: Chunk) -> tuple[str, str]:
    """Return the values of `PUT_WORDS`."""
    return join_terms(*above(chunk), storable(chunk.text)), chunk.id


def drop_words(connection: sqlite3.Connection) -> None:
    """Take the word index away; it follows from the chunks."""
    for table in ("word_places", "word_counts", "words"):
        connection.execute(f"DROP TABLE IF EXISTS {table}")


def fill_words(connection: sqlite3.Connection) -> None:
    """Make the word index of all chunks anew; the caller has begun a transaction."""
    drop_words(connection)
    for statement in WORDS:
        connection.execute(statement)
    rows = connection.execute(WORDS_OF_CHUNKS)
    connection.executemany(
        "INSERT INTO words (rowid, terms) VALUES (?, ?)",
        ((number, join_terms(*parts)) for number, *parts in rows),
    )
    connection.execute("INSERT OR REPLACE INTO meta VALUES ('words', ?)", (PREPARED_AS,))


def read_varints(data: bytes) -> list[int]:
    """Return the numbers of up to eight bytes that SQLite wrote one after the other."""
    numbers, number = [], 0
    for byte in data:
        number = number << 7 | byte & 0x7F
        if byte < 0x80:
            numbers.append(number)
            number = 0
    return numbers
