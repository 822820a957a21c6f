"""What a survey found in, the text of the answer with its proof out."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rag.query.base.answers import Citation, Coverage, Statement
from rag.query.base.hits import Hit
from rag.query.survey.items import Item, merge
from rag.query.survey.wording import wording_of
from rag.query.writing.markup import break_markup

if TYPE_CHECKING:
    from ingest.base.documents import Chunk, Place

MOST_SHOWN = 50
_MOST_SOURCES = 3
_MOST_ALIKE = 10
_MOST_LETTERS = 240
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True)
class Told:
    """The text of an answer, what it cites, and the sentences that do."""

    text: str
    context: tuple[Hit, ...] = ()
    citations: tuple[Citation, ...] = ()
    statements: tuple[Statement, ...] = ()


def tell(
    items: Sequence[Item],
    head: str,
    coverage: Coverage,
    language: str,
    place_at: Callable[[Chunk, int], Place],
    alike: Sequence[str] = (),
) -> Told:
    """Return the items as a list below their number, each line with its citations.

    `head` names a phrase of `Wording`, "fitting" is for documents that several topics decide on.
    The first fifty are shown, all are counted; those of one name are one.  Documents that are
    only `alike` are named apart, and not counted.
    """
    wording = wording_of(language)
    names = ", ".join(show(name) for name in alike[:_MOST_ALIKE])
    perhaps = f"\n\n{wording.perhaps.format(names=names)}" if alike else ""
    groups = merge(items)
    read = wording.read.format(read=coverage.read, total=coverage.total)
    if not groups:
        none = (wording.none if head != "fitting" else wording.misfit).format(read=coverage.read)
        return Told(f"{none}{perhaps}\n\n{read}")
    files = len({(item.root, item.chunk.document_id) for item in items})
    counts = {"n": len(groups), "files": files, "total": coverage.total}
    lines = _Lines(
        getattr(wording, head.replace("fitting", "documents")).format_map(counts), place_at
    )
    for group in groups[:MOST_SHOWN]:
        lines.add(group)
    if len(groups) > MOST_SHOWN:
        lines.text += "\n" + wording.more.format(n=len(groups) - MOST_SHOWN)
    lines.text += f"{perhaps}\n\n{read}"
    return Told(lines.text, tuple(lines.hits), tuple(lines.citations), tuple(lines.statements))


class _Lines:
    """The lines of a list while they are written."""

    def __init__(self, head: str, place_at: Callable[[Chunk, int], Place]) -> None:
        self.text = head
        self.hits: list[Hit] = []
        self.citations: list[Citation] = []
        self.statements: list[Statement] = []
        self._numbers: dict[tuple[str, str], int] = {}
        self._place_at = place_at

    def add(self, group: Sequence[Item]) -> None:
        """Add a line for items of one name, with the first sources of it."""
        first, sources = group[0], group[:_MOST_SOURCES]
        numbers = tuple(dict.fromkeys(self._cite(item) for item in sources))
        marks = "".join(f"[{number}]" for number in numbers)
        quote = show(first.chunk.text[first.start : first.end])
        name = show(first.chunk.document_id)
        said = _name(first.text) or (name if first.is_absent else f'{name}: "{quote}"')
        start = len(self.text) + len("\n- ")
        self.text += f"\n- {said} {marks}"
        if not first.is_absent:
            self.statements.append(Statement(start, len(self.text), numbers, supported=True))

    def _cite(self, item: Item) -> int:
        key = item.root, item.chunk.id
        if key not in self._numbers:
            rank = self._numbers[key] = len(self.hits) + 1
            self.hits.append(Hit(item.chunk, 1.0, rank, {}, root=item.root))
        number = self._numbers[key]
        offset = item.chunk.start + item.start
        place = self._place_at(item.chunk, offset)
        self.citations.append(
            Citation(
                number,
                self.hits[number - 1],
                item.chunk.text[item.start : item.end],
                offset,
                item.chunk.start + item.end,
                place.page,
                verified=True,
                place=place.label,
            )
        )
        return number


def _name(text: str) -> str:
    """Return what a model calls a thing, without brackets that would be taken for a citation."""
    return re.sub(r"\[([\d, ]+)\]", r"(\1)", show(text))[:_MOST_LETTERS]


def show(text: str) -> str:
    """Return a text of a document on one line, without what a terminal obeys or a page loads."""
    return break_markup(_UNSEEN.sub("", " ".join(text.split())))
