"""What was found in, the passages a model is to read out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Protocol, TypeAlias

from rag.query.base.hits import Hit, passage_text, ranked
from rag.query.context.alike import Seen
from rag.query.context.queue import Queue, Wanted
from rag.query.context.regions import Region, follows, runs_on

if TYPE_CHECKING:
    from ingest.base.documents import Chunk
    from rag.query.base.hits import Retrieval

File: TypeAlias = tuple[str, str]

# What a chunk beside one that is read is worth, as a share of that: needed to understand it, or
# of the same section.
RUNNING_ON = 0.7
SAME_SECTION = 0.5
# What a passage is worth of which its file has one too many, to the power of how many squared;
# the same for each chunk of a file that has had half of the budget.
TOO_MANY = 0.9
# What is left of the worth of what says again what is there.
SAID_AGAIN = 0.8
# The same of what is like others but for a few words, to the power of how many squared: two that
# contradict each other are both to be read, a heap of them has no more to say.
NEARLY_THE_SAME = 0.9


class Neighbourly(Protocol):
    """An index that knows what stands around a chunk."""

    def neighbours(self, chunk: Chunk, before: int = 1, after: int = 1) -> list[Chunk]:
        """Return a chunk with those around it in its document, in reading order."""
        ...


def gather(
    found: Sequence[Retrieval],
    index: Neighbourly,
    budget_tokens: int,
    count: Callable[[str], int],
    passages_per_file: int = 2,
) -> list[Hit]:
    """Return the passages to read, best first, their text together within the budget.

    There is one of `found` for each part of the question; the parts take turns.  A chunk is
    read with those beside it while they are worth more than what was found further down.
    Chunks that touch become one passage, where what stands between them is known.  From
    `passages_per_file` on (0: no limit) a further passage of a file has to be worth more than
    what other files have, each much more than the one before, so that no file fills the budget
    while others have something to say; so has what says again what is there already, or is like
    several of them but for a few words.  The best chunk is there even where it is over the
    budget by itself.
    """
    choice = _Choice(index, budget_tokens, count, passages_per_file)
    waiting = [Queue.of(retrieval) for retrieval in found]
    while waiting and choice.has_room:
        queue = waiting.pop(0)
        if choice.take_from(queue):
            waiting.append(queue)
    return list(ranked(choice.passages()))


class _Choice:
    """The passages chosen so far, and what they cost."""

    def __init__(
        self, index: Neighbourly, budget: int, count: Callable[[str], int], per_file: int
    ) -> None:
        self._index = index
        self._budget = self._left = budget
        self._count = count
        self._per_file = per_file
        self._costs: dict[str, int] = {}
        self._words: dict[str, int] = {}
        self._regions: dict[File, list[Region]] = {}
        self._taken: set[str] = set()
        self._seen = Seen()

    @property
    def has_room(self) -> bool:
        """Return whether there is budget left."""
        return self._left > 0

    def take_from(self, queue: Queue) -> bool:
        """Take the best chunk of a queue that fits; False where there is none."""
        while wanted := queue.pop(self._worth_now):
            if wanted.chunk.id not in self._taken and self._take(wanted):
                for beside in self._beside(wanted):
                    queue.push(beside)
                return True
        return False

    def passages(self) -> list[Hit]:
        """Return what was chosen, best first."""
        regions = [region for regions in self._regions.values() for region in regions]
        in_order = sorted(regions, key=lambda region: region.order)
        return [hit for region in in_order for hit in region.passages()]

    def _worth_now(self, wanted: Wanted) -> float:
        """Return what a chunk is worth beside what was taken already."""
        if not self._fits(wanted.chunk):
            return wanted.worth
        worth = wanted.worth * TOO_MANY ** (self._too_many(wanted) ** 2)
        alike = NEARLY_THE_SAME ** (self._seen.count_alike(wanted.chunk.text) ** 2)
        return worth * min(alike, SAID_AGAIN if self._seen.knows(wanted.chunk.text) else 1.0)

    def _too_many(self, wanted: Wanted) -> int:
        regions = self._regions.get(_file(wanted), [])
        if not self._per_file or not regions:
            return 0
        touches = any(region.touches(wanted.chunk) for region in regions)
        passages = 0 if touches else max(0, len(regions) + 1 - self._per_file)
        chunks = spent = 0
        for chunk in chain.from_iterable(region.chunks for region in regions):
            spent += self._cost(chunk)
            chunks += spent >= self._budget / 2
        return max(passages, chunks)

    def _take(self, wanted: Wanted) -> bool:
        """Take a chunk if it fits."""
        chunk, file = wanted.chunk, _file(wanted)
        if self._taken and not self._fits(chunk):
            return False
        self._left -= self._cost(chunk)
        self._taken.add(chunk.id)
        self._seen.add(chunk.text)
        regions = self._regions.setdefault(file, [])
        touching = [region for region in regions if region.touches(chunk)]
        apart = [region for region in regions if not region.touches(chunk)]
        region = Region(len(self._taken), wanted.hit, (chunk,))
        self._regions[file] = [*apart, region.with_others(touching)]
        return True

    def _beside(self, wanted: Wanted) -> Iterator[Wanted]:
        """Yield the chunks before and after, with what they are worth beside this one."""
        for other in self._index.neighbours(wanted.chunk):
            if other.id not in self._taken and (share := _share(wanted.chunk, other)):
                yield Wanted(other, share * wanted.worth, wanted.hit)

    def _fits(self, chunk: Chunk) -> bool:
        """Return whether there is budget left for a chunk.

        Most do not fit in the end, and have more words than there are tokens left: tokenizers
        part words, they never join them.
        """
        if (cost := self._costs.get(chunk.id)) is not None:
            return cost <= self._left
        if chunk.id not in self._words:
            self._words[chunk.id] = len(passage_text(chunk).split())
        return self._words[chunk.id] <= self._left and self._cost(chunk) <= self._left

    def _cost(self, chunk: Chunk) -> int:
        """Return the tokens of a chunk as it is read alone: of rows joined, columns come once."""
        if chunk.id not in self._costs:
            self._costs[chunk.id] = self._count(passage_text(chunk))
        return self._costs[chunk.id]


def _file(wanted: Wanted) -> File:
    return wanted.hit.root, wanted.chunk.document_id


def _share(chunk: Chunk, other: Chunk) -> float:
    """Return what share of a chunk's worth the one beside it has."""
    first, second = sorted((chunk, other), key=lambda one: one.ordinal)
    if not follows(first, second):
        return 0.0
    if runs_on(first, second):
        return RUNNING_ON
    return SAME_SECTION if first.heading == second.heading else 0.0
