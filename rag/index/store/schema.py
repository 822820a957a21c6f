"""The tables of the catalogue and the statements that read and write them."""

from __future__ import annotations

TABLES = ("roots", "documents", "texts", "vectors", "chunks", "outbox")

# Terms are prepared by us and set apart by blanks, so every sign belongs to one.  They are kept
# as they are: what a chunk was found by is then what goes with it.
WORDS = (
    """
CREATE VIRTUAL TABLE words USING fts5 (
    terms, tokenize = "ascii tokenchars '!#$%&()*+,-./:;<=>?@[\\]^_`{|}~'''"
)""",
    "CREATE VIRTUAL TABLE word_counts USING fts5vocab (words, row)",
    "CREATE VIRTUAL TABLE word_places USING fts5vocab (words, instance)",
)

# A text stands once however many chunks have it, and so does a vector.  Their numbers are never
# given twice: what was read under one cannot become something else.  What a row that is lost or
# changed would not tell itself stands elsewhere: how many chunks a document has, and the CRC-32
# of a vector.
PLAIN = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE roots (
    root TEXT PRIMARY KEY, collection TEXT NOT NULL DEFAULT 'default'
) WITHOUT ROWID;
CREATE TABLE documents (
    root TEXT NOT NULL REFERENCES roots (root), id TEXT NOT NULL,
    fingerprint TEXT NOT NULL, recipe TEXT NOT NULL,
    size_bytes INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
    ctime_ns INTEGER NOT NULL DEFAULT 0, seen_ns INTEGER NOT NULL,
    media_type TEXT NOT NULL, title TEXT NOT NULL DEFAULT '',
    status TEXT NOT NULL DEFAULT 'ok' CHECK (status IN ('ok', 'skipped')),
    reason TEXT NOT NULL DEFAULT '', message TEXT NOT NULL DEFAULT '',
    hint TEXT NOT NULL DEFAULT '', notes TEXT NOT NULL DEFAULT '[]',
    pages TEXT NOT NULL DEFAULT '[]', encoding TEXT NOT NULL DEFAULT '',
    language TEXT NOT NULL DEFAULT '', unknown_share REAL,
    split_chunks INTEGER NOT NULL DEFAULT 0, chunk_count INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (root, id)
);
CREATE TABLE texts (
    number INTEGER PRIMARY KEY AUTOINCREMENT, hash TEXT NOT NULL UNIQUE, text TEXT NOT NULL
);
CREATE TABLE vectors (
    number INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, vector BLOB NOT NULL,
    crc INTEGER NOT NULL
);
CREATE TABLE chunks (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,
    root TEXT NOT NULL, document_id TEXT NOT NULL, ordinal INTEGER NOT NULL,
    text_number INTEGER NOT NULL REFERENCES texts (number),
    start INTEGER NOT NULL, "end" INTEGER NOT NULL,
    tokens INTEGER NOT NULL, page INTEGER, heading TEXT NOT NULL,
    place TEXT NOT NULL, columns TEXT NOT NULL,
    vector_number INTEGER NOT NULL REFERENCES vectors (number),
    FOREIGN KEY (root, document_id) REFERENCES documents (root, id) ON UPDATE CASCADE
);
CREATE INDEX chunks_by_document ON chunks (root, document_id, ordinal);
CREATE INDEX chunks_by_text ON chunks (text_number);
CREATE INDEX chunks_by_vector ON chunks (vector_number);
CREATE TABLE outbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL,
    op TEXT NOT NULL CHECK (op IN ('upsert', 'delete'))
)"""

SCHEMA = ";\n".join((PLAIN, *WORDS))

# ---- writing

PUT_ROOT = "INSERT INTO roots (root) VALUES (?) ON CONFLICT DO NOTHING"

PUT_SOURCE = """
INSERT INTO documents
    (root, id, fingerprint, recipe, size_bytes, mtime_ns, ctime_ns, seen_ns, media_type)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (root, id) DO UPDATE SET
    fingerprint = excluded.fingerprint, recipe = excluded.recipe,
    size_bytes = excluded.size_bytes, mtime_ns = excluded.mtime_ns,
    ctime_ns = excluded.ctime_ns, seen_ns = excluded.seen_ns,
    media_type = excluded.media_type, title = '', status = 'ok',
    reason = '', message = '', hint = '', notes = '[]', pages = '[]', encoding = '',
    language = '', unknown_share = NULL, split_chunks = 0"""

DESCRIBE_DOCUMENT = """
UPDATE documents SET title = ?, notes = ?, pages = ?, encoding = ?, language = ?,
    unknown_share = ?, split_chunks = ?
WHERE root = ? AND id = ?"""

PUT_TEXT = "INSERT INTO texts (hash, text) VALUES (?, ?) ON CONFLICT (hash) DO NOTHING"

PUT_VECTOR = """
INSERT INTO vectors (key, vector, crc) VALUES (?, ?, ?) ON CONFLICT (key) DO NOTHING"""

COUNT_CHUNKS = "UPDATE documents SET chunk_count = ? WHERE root = ? AND id = ?"

PUT_CHUNK = """
INSERT INTO chunks
    (id, root, document_id, ordinal, text_number, start, "end", tokens, page, heading, place,
    columns, vector_number)
VALUES (?, ?, ?, ?, (SELECT number FROM texts WHERE hash = ?), ?, ?, ?, ?, ?, ?, ?,
    (SELECT number FROM vectors WHERE key = ?))
ON CONFLICT (id) DO UPDATE SET
    start = excluded.start, "end" = excluded."end", tokens = excluded.tokens,
    page = excluded.page, heading = excluded.heading, place = excluded.place,
    columns = excluded.columns, vector_number = excluded.vector_number"""

# A number that is given again must find nothing under it, whatever went wrong before.
PUT_WORDS = """
INSERT OR REPLACE INTO words (rowid, terms) SELECT number, ? FROM chunks WHERE id = ?"""

OLD_CHUNKS = """
SELECT id, text_number, heading, columns FROM chunks WHERE root = ? AND document_id = ?"""

DROP_WORDS = "DELETE FROM words WHERE rowid = (SELECT number FROM chunks WHERE id = ?)"

DROP_TEXTS = """
DELETE FROM texts WHERE number IN ({})
    AND NOT EXISTS (SELECT 1 FROM chunks WHERE text_number = texts.number)"""

DROP_VECTORS = """
DELETE FROM vectors
WHERE NOT EXISTS (SELECT 1 FROM chunks WHERE vector_number = vectors.number)"""

TELL_ALL = """
INSERT INTO outbox (key, op) SELECT key, 'upsert' FROM vectors v
WHERE EXISTS (SELECT 1 FROM chunks WHERE vector_number = v.number) ORDER BY number"""

WORDS_OF_CHUNKS = """
SELECT c.number, c.heading, c.columns, t.text
FROM chunks c JOIN texts t ON t.number = c.text_number ORDER BY c.number"""

# ---- documents

KNOWN = """
SELECT id, fingerprint, recipe, size_bytes, mtime_ns, ctime_ns, seen_ns, status, reason, message,
    hint
FROM documents WHERE root = ?"""

DOCUMENTS = """
SELECT d.root, d.id, media_type, title, status, reason, message, hint, encoding, language,
    collection, notes, pages, unknown_share, split_chunks, size_bytes, mtime_ns,
    (SELECT count(*) FROM chunks c WHERE c.root = d.root AND c.document_id = d.id)
FROM documents d JOIN roots r ON r.root = d.root ORDER BY d.root, d.id"""

# ---- chunks

_CHUNK = (
    'c.id, c.document_id, c.ordinal, t.text, c.start, c."end", c.tokens, c.page, c.heading,'
    " c.place, c.columns"
)
_WITH_TEXT = "JOIN texts t ON t.number = c.text_number"

CHUNKS_OF_DOCUMENTS = "chunks c JOIN documents d ON d.root = c.root AND d.id = c.document_id"
# Where few chunks are looked for: SQLite keeps the order of a CROSS JOIN.
DOCUMENTS_OF_CHUNKS = CHUNKS_OF_DOCUMENTS.replace("JOIN", "CROSS JOIN")

_OCCURRENCES = f"SELECT {_CHUNK}, c.root, c.text_number, c.vector_number, c.number"
OCCURRENCES = f"{_OCCURRENCES} FROM chunks c {_WITH_TEXT}"
SELECTED_OCCURRENCES = f"{_OCCURRENCES} FROM {DOCUMENTS_OF_CHUNKS} {_WITH_TEXT}"

ENTRIES = f"""
SELECT {_CHUNK}, c.root, d.media_type, v.number, v.key, v.vector
FROM vectors v
JOIN chunks c ON c.number = (SELECT min(number) FROM chunks WHERE vector_number = v.number)
{_WITH_TEXT} JOIN documents d ON d.root = c.root AND d.id = c.document_id"""  # noqa: S608

CHUNKS_OF_DOCUMENT = f"""
SELECT {_CHUNK} FROM chunks c {_WITH_TEXT} WHERE c.root = ? AND c.document_id = ?
ORDER BY c.ordinal"""  # noqa: S608

NEIGHBOURS = f"""
SELECT {_CHUNK} FROM chunks o JOIN chunks c ON o.root = c.root AND o.document_id = c.document_id
{_WITH_TEXT} WHERE o.id = ? AND c.ordinal BETWEEN ? AND ? AND c.number <> o.number
ORDER BY c.ordinal"""  # noqa: S608

SHARED_CHUNKS = """
SELECT c.root, c.document_id, count(*) FROM chunks c
WHERE EXISTS (
    SELECT 1 FROM chunks o WHERE o.text_number = c.text_number
    AND (o.root <> c.root OR o.document_id <> c.document_id)
) GROUP BY c.root, c.document_id"""

# A text of many documents is no sign that two of them are the same, and would make many pairs.
TWINS = """
SELECT c.root, c.document_id, o.root, o.document_id, count(DISTINCT c.number)
FROM (SELECT text_number FROM chunks GROUP BY text_number HAVING count(*) BETWEEN 2 AND 10) s
JOIN chunks c ON c.text_number = s.text_number
JOIN chunks o ON o.text_number = s.text_number
    AND (o.root <> c.root OR o.document_id <> c.document_id)
GROUP BY c.root, c.document_id, o.root, o.document_id ORDER BY 5, 3 DESC, 4 DESC"""

PAGES = f"SELECT d.pages FROM {CHUNKS_OF_DOCUMENTS} WHERE c.id = ?"  # noqa: S608

VECTORS_OF_CHUNKS = """
SELECT c.id, v.vector FROM chunks c JOIN vectors v ON v.number = c.vector_number
WHERE c.id IN ({})"""

# ---- words

# FTS5 keeps in words_content what was put in: id is the number of a row, c0 its first column
# (sqlite.org/fts5.html, "The %_content Table"); to read it there takes half the time.
WORDS_OF = """
SELECT w.id, c.text_number, w.c0 FROM chunks c CROSS JOIN words_content w ON w.id = c.number
WHERE c.number IN ({})"""

WORDS_COMPARED = """
SELECT c.heading, c.columns, t.text, w.terms
FROM chunks c JOIN texts t ON t.number = c.text_number CROSS JOIN words w ON w.rowid = c.number"""

WORDS_OF_IDS = """
SELECT c.id, w.c0 FROM chunks c CROSS JOIN words_content w ON w.id = c.number WHERE c.id IN ({})"""

# ---- vectors in use: those that a chunk has

KEYS_OF_DOCUMENT = """
SELECT DISTINCT v.key FROM chunks c JOIN vectors v ON v.number = c.vector_number
WHERE c.root = ? AND c.document_id = ?"""

IN_USE = """
SELECT number, key FROM vectors v
WHERE EXISTS (SELECT 1 FROM chunks WHERE vector_number = v.number)"""

KEYS_IN_USE = f"SELECT key FROM ({IN_USE})"  # noqa: S608
