"""The nouns of ingestion, as frozen records: a source is a file, a chunk is what is stored."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Vectors: TypeAlias = NDArray[numpy.float32]

HEADING_SEPARATOR = " › "


@dataclass(frozen=True, slots=True)
class Source:
    """A file that was seen and not yet read; `id` is its POSIX path relative to the root.

    `root` is the real absolute path of the folder.  Bytes of a file name that are no text
    are escaped in `id`; `path` opens the file.  `ctime_ns` is when content, name or rights
    changed last, whatever `mtime_ns` was set to; 0 when that is not known.
    """

    id: str
    root: str
    path: Path
    media_type: str
    size_bytes: int
    mtime_ns: int
    ctime_ns: int = 0


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading at character `start` of the text; `level` 1 is the outermost."""

    start: int
    level: int
    title: str


@dataclass(frozen=True, slots=True)
class Page:
    """A page, slide, sheet, section or message, which starts at character `start` of the text.

    `label` is what a person calls it ("p. 3", "slide 2", "sheet Budget").  `score` says how well
    it could be read, 0 (not at all) to 1; `findings` are short codes for what is wrong with it.
    """

    start: int
    label: str
    score: float = 1.0
    findings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands: the 1-based number of the page and its label, None and "" without."""

    page: int | None = None
    label: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows at `start:end` of the text, one on each line; `columns` is the line that names them."""

    start: int
    end: int
    columns: str


@dataclass(frozen=True, slots=True)
class Document:
    """The text of one source, newlines kept, and where its pages, tables and headings start.

    `fingerprint` is the SHA-256 of the file's bytes in hexadecimal.  `pages` ascend, and are
    empty when the format has none; `tables` ascend and do not overlap.  `notes` are findings a
    person should see (a page without text).  `encoding` is that of a text file, "" of others.
    """

    source: Source
    fingerprint: str
    title: str
    text: str
    pages: tuple[Page, ...] = ()
    headings: tuple[Heading, ...] = ()
    tables: tuple[Table, ...] = ()
    notes: tuple[str, ...] = ()
    encoding: str = ""

    @property
    def id(self) -> str:
        """Return the id of the source."""
        return self.source.id

    def place_at(self, offset: int) -> Place:
        """Return the page that holds a character."""
        return find_place(self.pages, offset)


def find_place(pages: Sequence[Page], offset: int) -> Place:
    """Return which of the pages of a document holds a character."""
    if not pages:
        return Place()
    number = max(1, bisect_right(pages, offset, key=lambda page: page.start))
    return Place(number, pages[number - 1].label)


@dataclass(frozen=True, slots=True)
class Chunk:
    """A stored passage: `document.text[start:end] == text`, never empty, never over the limit.

    `heading` is the path that leads to it, outermost first ("Handbook › Leave"); its first
    part is the document's title.  `page` is the page on which the chunk starts, `place` what
    that is called.  `columns` names the columns of a table of which the chunk begins with a
    later row, else it is "".
    """

    id: str
    document_id: str
    ordinal: int
    text: str
    start: int
    end: int
    tokens: int
    page: int | None
    heading: str
    place: str = ""
    columns: str = ""

    @property
    def embedding_text(self) -> str:
        """Return what is embedded on one line: the only place where newlines are stripped."""
        return " ".join(f"{self.heading} {self.columns} {self.text}".split())


@dataclass(frozen=True, slots=True)
class Health:
    """How well an index can know a document.

    `language` is a code of ISO 639-1, "" when it is not clear.  `unknown_share` is the part of
    its words that the embedding model has no tokens for, None when that cannot be told.
    `split_chunks` counts the chunks that end inside a sentence or row, as it was too long.
    """

    language: str = ""
    unknown_share: float | None = None
    split_chunks: int = 0


def chunk_id(root: str, document_id: str, ordinal: int, text: str, recipe: str) -> str:
    """Return the id of a chunk: 32 hexadecimal digits that depend on nothing else.

    SHA-256 over the parts, each preceded by its length, so that no two lists of parts
    can look the same.
    """
    digest = sha256()
    for part in (root, document_id, str(ordinal), text, recipe):
        data = part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Failure:
    """A file that was not ingested: `reason` is a short code, `hint` what to do about it.

    `pages` are those that were looked at in vain, none where that is not known.
    """

    source_id: str
    reason: str
    message: str
    hint: str = ""
    pages: tuple[Page, ...] = ()


@dataclass(frozen=True, slots=True)
class Move:
    """A file whose content is already indexed under another id."""

    old_id: str
    source: Source
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run will do: every source seen is in exactly one of the lists.

    `ignored` are entries that a `.ragignore` leaves out, folders with a `/` at the end;
    `hidden` counts those passed over for their names.  `held_back` are documents whose files are
    gone, too many at once to forget them unasked.  `folder` is what the plan is for, when known.
    """

    new: tuple[Source, ...] = ()
    changed: tuple[Source, ...] = ()
    moved: tuple[Move, ...] = ()
    unchanged: tuple[Source, ...] = ()
    touched: tuple[Source, ...] = ()
    vanished: tuple[str, ...] = ()
    skipped: tuple[Failure, ...] = ()
    ignored: tuple[str, ...] = ()
    hidden: int = 0
    held_back: tuple[str, ...] = ()
    folder: str = ""


@dataclass(frozen=True, slots=True)
class Known:
    """What the index remembers of a source, ingested or refused.

    `recipe` names the parser and chunker settings it was read with; `seen_ns` is the clock
    when it was read: a file whose mtime is not clearly older than that may have changed since.
    `ctime_ns` is that of the source then.
    """

    fingerprint: str
    recipe: str
    size_bytes: int
    mtime_ns: int
    seen_ns: int
    failure: Failure | None = None
    ctime_ns: int = 0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is; `current` is the id of the file being read, sizes are in bytes."""

    files_done: int
    files_total: int
    bytes_done: int
    bytes_total: int
    chunks_done: int
    current: str = ""


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What one run did; no file of the folder is missing from the counts.

    `embedded` counts the texts that were sent to the embedder (the rest had a stored
    vector).  `notes` are (document id, finding) pairs.  `ignored` counts the entries that a
    `.ragignore` left out, `hidden` those passed over for their names.  `seconds` is keyed by
    stage.  `held_back` are documents that stay although their files are gone: too many at once.
    `folder` is what was brought in line, when known.
    """

    ingested: tuple[str, ...] = ()
    unchanged: int = 0
    moved: int = 0
    removed: tuple[str, ...] = ()
    skipped: tuple[Failure, ...] = ()
    notes: tuple[tuple[str, str], ...] = ()
    chunks: int = 0
    embedded: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    ignored: int = 0
    hidden: int = 0
    held_back: tuple[str, ...] = ()
    folder: str = ""
