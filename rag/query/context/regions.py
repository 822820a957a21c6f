"""Chunks that stand side by side in a document in, one passage that spans them out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain, pairwise

from ingest.base.documents import HEADING_SEPARATOR, Chunk
from ingest.sentences import SENTENCE_END, ends_sentence
from rag.query.base.hits import Hit

_SEAM = 160  # Characters on each side of a seam that tell how lines stand there.
# What stands between chunks is not stored.  One sign or two part words, lines or paragraphs; more
# may be the indentation of code, or lay out columns.
_LONGEST_KNOWN = 2
_ASKS = re.compile(r"[?？][*_\"'”»)\s]*\Z")


def follows(first: Chunk, second: Chunk) -> bool:
    """Tell whether one chunk comes right after the other in one document."""
    return second.document_id == first.document_id and second.ordinal == first.ordinal + 1


def runs_on(first: Chunk, second: Chunk) -> bool:
    """Tell whether the second is needed to read the first: half a sentence, or an answer.

    A sentence, list or table goes on where no blank line parts the two, or the first ends with
    a colon; a question that stands last is answered by what follows.
    """
    if _ASKS.search(first.text) or first.text.endswith(":"):
        return True
    return second.start - first.end < 2 and not _ends_a_sentence(first.text)


def _ends_a_sentence(text: str) -> bool:
    last = text[-_SEAM:]
    return any(
        found.end() == len(last) and ends_sentence(last, found)
        for found in SENTENCE_END.finditer(last)
    )


@dataclass(frozen=True, slots=True)
class Region:
    """Chunks that touch, in reading order; `hit` is the one for which they were taken first."""

    order: int
    hit: Hit
    chunks: tuple[Chunk, ...]

    def touches(self, chunk: Chunk) -> bool:
        """Tell whether a chunk stands right before or after."""
        return follows(self.chunks[-1], chunk) or follows(chunk, self.chunks[0])

    def with_others(self, others: Sequence[Region]) -> Region:
        """Return one region of this and others that touch it, which keeps the first's place."""
        regions = (self, *others)
        first = min(regions, key=lambda region: region.order)
        chunks = chain.from_iterable(region.chunks for region in regions)
        return replace(first, chunks=tuple(sorted(chunks, key=lambda chunk: chunk.ordinal)))

    def passages(self) -> list[Hit]:
        """Return the hit with a chunk that spans all of the chunks, under its own id.

        Where it is not known what stands between two, the passage ends, and the rest follows as
        passages of their own: none ever holds text that its document does not.
        """
        runs: list[list[Chunk]] = [[self.chunks[0]]]
        for before, after in pairwise(self.chunks):
            if after.start - before.end <= _LONGEST_KNOWN:
                runs[-1].append(after)
            else:
                runs.append([after])
        hits = [self._join(run) for run in runs]
        return sorted(hits, key=lambda hit: hit.chunk.id != self.hit.chunk.id)

    def _join(self, run: Sequence[Chunk]) -> Hit:
        """Return a hit whose chunk spans those of the run; offsets stay those of the document.

        The heading is the one that all of the chunks stand under.
        """
        first = run[0]
        own = next((chunk.id for chunk in run if chunk.id == self.hit.chunk.id), first.id)
        hit = self.hit if own == self.hit.chunk.id else replace(self.hit, copies=(), scores={})
        if len(run) == 1:
            return replace(hit, chunk=first)
        text = first.text
        for before, after in pairwise(run):
            gap = after.start - before.end
            # Chunks overlap where RAG_CHUNK_OVERLAP says so.
            text += _blanks(before, after, gap) + after.text[max(0, -gap) :]
        chunk = replace(
            first,
            id=own,
            text=text,
            end=first.start + len(text),
            tokens=sum(chunk.tokens for chunk in run),
            heading=_common_path([chunk.heading for chunk in run]),
        )
        return replace(hit, chunk=chunk, joined=tuple(chunk.id for chunk in run))


def _blanks(before: Chunk, after: Chunk, gap: int) -> str:
    """Return what stands between two chunks: the end of a line, or of a paragraph, or a blank."""
    in_lines = "\n" in before.text[-_SEAM:] or "\n" in after.text[:_SEAM]
    return "\n" * gap if gap > 1 or in_lines else " " * gap


def _common_path(headings: Sequence[str]) -> str:
    """Return the headings that all of the chunks stand under, outermost first."""
    paths = [heading.split(HEADING_SEPARATOR) for heading in headings]
    common: list[str] = []
    for level in zip(*paths, strict=False):
        if len(set(level)) > 1:
            break
        common.append(level[0])
    return HEADING_SEPARATOR.join(common)
