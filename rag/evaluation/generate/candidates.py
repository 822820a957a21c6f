"""An index in, passages to ask about out; what is asked about them, before it was tried."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from ingest.health import find_language
from ingest.parse.base.media import CODE
from rag.query.evidence.questions import sample_passages

if TYPE_CHECKING:
    from ingest.base.documents import Chunk
    from rag.index.index import Index
    from rag.models.base.errors import EndpointError


@dataclass(frozen=True, slots=True)
class Passage:
    """A passage of the documents in folder `root`.

    `language` is a code of ISO 639-1, its own or else its document's, "" when neither is clear.
    `is_section` says that no other passage of the document has its heading.
    """

    root: str
    chunk: Chunk
    language: str = ""
    is_code: bool = False
    is_section: bool = False


@dataclass(frozen=True, slots=True)
class Candidate:
    """A question about a passage; `start` and `end` of its evidence count in the document.

    `answer` is "" where all of the evidence is one.  `near_miss` is the question with one thing
    changed, "" where nothing could be.  `tags` say how it was made.
    """

    passage: Passage
    question: str
    answer: str
    start: int
    end: int
    near_miss: str = ""
    tags: tuple[str, ...] = ()

    @property
    def chunk(self) -> Chunk:
        """Return the passage itself."""
        return self.passage.chunk

    @property
    def excerpt(self) -> str:
        """Return the exact words that hold the answer."""
        return self.chunk.text[self.start - self.chunk.start : self.end - self.chunk.start]


@dataclass(frozen=True, slots=True)
class Dropped:
    """Why there is no question about a passage; `error` is set where no more can be asked."""

    reason: str
    error: EndpointError | None = None


Drafted: TypeAlias = "Candidate | Dropped"


def choose_passages(index: Index, most: int, collection: str = "") -> list[Passage]:
    """Return up to `most` passages of a collection, "" for all, the same ones every time."""
    documents = {(one.root, one.id): one for one in index.documents()}
    headings: dict[tuple[str, str], Counter[str]] = {}
    chosen = []
    for root, chunk in sample_passages(index, most, collection):
        home = (root, chunk.document_id)
        if home not in headings:
            headings[home] = Counter(one.heading for one in index.chunks(*home))
        document = documents[home]
        language = find_language(chunk.text) or document.language
        is_code, is_section = document.media_type == CODE, headings[home][chunk.heading] == 1
        chosen.append(Passage(root, chunk, language, is_code, is_section))
    return chosen
