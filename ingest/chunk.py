"""A document in, its chunks out: cut at structure, none over the token limit, nothing lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from math import ceil
from typing import TypeAlias

from ingest.base.documents import Chunk, Document, chunk_id
from ingest.base.errors import SettingsError
from ingest.structure import (
    LEVELS,
    HeadingPath,
    Section,
    Span,
    cut,
    cut_evenly,
    find_sections,
    short_forms,
)

CHUNKER_VERSION = 2
MIN_LIMIT = 16

Count: TypeAlias = Callable[[Sequence[str]], list[int]]

_COUNT_AT_ONCE = 256
# A token stands for at most so many characters here, whatever the counter says: WordPiece takes
# any unbroken run of more than 100 characters (Thai, a row of digits) for one unknown token, and
# nothing would bound a chunk of such text.  What has more characters per token of room is
# therefore cut uncounted.  Prose has 4 to 5, so nothing else changes.
_MOST_CHARACTERS = 8
_MOST_WITH_BLANKS = 32  # Per token of the limit; runs of blanks count for nothing otherwise.


@dataclass(frozen=True, slots=True)
class _Piece:
    """A span of a section; it is cut further while `tokens` is 0, `over` when that was counted."""

    section: int
    start: int
    end: int
    tokens: int = 0
    over: bool = False


@dataclass(frozen=True, slots=True)
class _Draft:
    """A chunk to be; `tokens` are exact and include the heading path."""

    section: int
    start: int
    end: int
    path: HeadingPath
    tokens: int = 0


def chunk_document(document: Document, limit: int, count: Count, recipe: str) -> list[Chunk]:
    """Cut a document into chunks of at most `limit` tokens, in reading order.

    `count` returns the tokens of each text it is given; it is asked about what will be
    embedded, heading path and text.  Eight characters of that are one token at least.  A
    heading starts a new chunk; inside, cuts fall between paragraphs, else items and rows, else
    sentences, else lines, else words, else characters.  Chunks do not overlap, and every
    character that is not blank is in one.  Raises SettingsError when the limit is too small to
    hold anything.
    """
    if limit < MIN_LIMIT:
        raise _too_small(limit)
    chunker = _Chunker(document.text, find_sections(document), limit, count)
    return [
        _finish(document, draft, chunker.headers[draft.path], ordinal, recipe)
        for ordinal, draft in enumerate(chunker.run())
    ]


def _finish(document: Document, draft: _Draft, header: str, ordinal: int, recipe: str) -> Chunk:
    text = document.text[draft.start : draft.end]
    place = document.place_at(draft.start)
    return Chunk(
        id=chunk_id(document.source.root, document.id, ordinal, text, recipe),
        document_id=document.id,
        ordinal=ordinal,
        text=text,
        start=draft.start,
        end=draft.end,
        tokens=draft.tokens,
        page=place.page,
        heading=header,
        place=place.label,
    )


class _Chunker:
    """Cuts one text; every count goes through `_count`, in batches."""

    def __init__(self, text: str, sections: list[Section], limit: int, count: Count) -> None:
        self.text = text
        self.sections = sections
        self.limit = limit
        self.count = count
        self.headers: dict[HeadingPath, str] = {}
        self.room: dict[HeadingPath, int] = {}

    def run(self) -> list[_Draft]:
        """Cut to pieces, fill chunks with them, make sure that they fit, join what is tiny."""
        self._choose_headers()
        return self._join(self._fit(list(self._fill(self._cut_to_pieces()))))

    def _count(self, texts: Iterable[str]) -> list[int]:
        """Count whitespace as the embedding text has it, never all of a large document at once."""
        counts: list[int] = []
        rest = iter(texts)
        while batch := [" ".join(text.split()) for text in islice(rest, _COUNT_AT_ONCE)]:
            counted = zip(batch, self.count(batch), strict=True)
            counts.extend(max(1, n, ceil(len(text) / _MOST_CHARACTERS)) for text, n in counted)
        return counts

    def _choose_headers(self) -> None:
        """Choose for each path its longest form that takes at most a quarter of the limit."""
        paths = (path for section in self.sections for path in (section.path, section.path[:-1]))
        forms = {path: short_forms(path) for path in paths}
        while forms:
            candidates = [(path, next(rest, "")) for path, rest in forms.items()]
            counts = self._count(header for _, header in candidates)
            for (path, header), tokens in zip(candidates, counts, strict=True):
                if not header or tokens <= self.limit // 4:
                    self.headers[path] = header
                    self.room[path] = self.limit - (tokens if header else 0)
                    del forms[path]

    def _room(self, piece: _Piece) -> int:
        return self.room[self.sections[piece.section].path]

    def _cut_to_pieces(self) -> list[_Piece]:
        """Cut what is over its section's room at ever finer structure, the rest not at all."""
        pieces = [
            _Piece(number, section.start, section.end)
            for number, section in enumerate(self.sections)
        ]
        level = 0
        while any(not piece.tokens for piece in pieces):
            pieces = self._measure(list(self._refine(pieces, level)), level)
            level += 1
        return pieces

    def _refine(self, pieces: Iterable[_Piece], level: int) -> Iterator[_Piece]:
        """Replace each piece without a count by its parts at this level of structure."""
        for piece in pieces:
            if piece.tokens:
                yield piece
                continue
            for start, end in self._cut(piece, level):
                same = (start, end) == (piece.start, piece.end)
                yield _Piece(piece.section, start, end, over=piece.over and same)

    def _cut(self, piece: _Piece, level: int) -> Iterator[Span]:
        if level < LEVELS:
            body = self.sections[piece.section].body
            return cut(self.text, piece.start, piece.end, level, body)
        size = self._room(piece) // 2  # A sixth of the room or so: parts that pack well.
        return cut_evenly(self.text, piece.start, piece.end, max(1, size >> (level - LEVELS)))

    def _measure(self, pieces: list[_Piece], level: int) -> list[_Piece]:
        """Count the pieces that may fit."""
        uncounted = [n for n, piece in enumerate(pieces) if self._may_fit(piece, level)]
        counts = self._count(self.text[pieces[n].start : pieces[n].end] for n in uncounted)
        for number, tokens in zip(uncounted, counts, strict=True):
            piece = pieces[number]
            fits = tokens <= self._room(piece) or piece.end - piece.start == 1
            pieces[number] = replace(piece, tokens=tokens if fits else 0, over=not fits)
        return pieces

    def _may_fit(self, piece: _Piece, level: int) -> bool:
        if piece.tokens or piece.over:
            return False
        return level >= LEVELS or piece.end - piece.start <= _MOST_CHARACTERS * self._room(piece)

    def _fill(self, pieces: Iterable[_Piece]) -> Iterator[_Draft]:
        """Put consecutive pieces of a section together as long as their sum fits."""
        held: _Piece | None = None
        for piece in pieces:
            if not self.text[piece.start : piece.end].strip():
                continue
            if held and held.section == piece.section:
                total = held.tokens + piece.tokens
                if total <= self._room(piece) and self._is_near(held.start, piece.end):
                    held = _Piece(piece.section, held.start, piece.end, total)
                    continue
            if held:
                yield self._draft(held.section, held.start, held.end)
            held = piece
        if held:
            yield self._draft(held.section, held.start, held.end)

    def _is_near(self, start: int, end: int) -> bool:
        return end - start <= _MOST_WITH_BLANKS * self.limit

    def _draft(self, section: int, start: int, end: int, path: HeadingPath | None = None) -> _Draft:
        """Make a draft of a span without the blanks at its ends."""
        text = self.text[start:end]
        start += len(text) - len(text.lstrip())
        end = start + len(text.strip())
        return _Draft(section, start, end, self.sections[section].path if path is None else path)

    def _exact(self, drafts: Sequence[_Draft]) -> list[_Draft]:
        counts = self._count(
            f"{self.headers[draft.path]} {self.text[draft.start : draft.end]}" for draft in drafts
        )
        return [replace(draft, tokens=tokens) for draft, tokens in zip(drafts, counts, strict=True)]

    def _fit(self, drafts: list[_Draft]) -> list[_Draft]:
        """Count exactly, and halve what is over the limit: sums of parts are not always upper."""
        drafts = self._exact(drafts)
        while any(draft.tokens > self.limit for draft in drafts):
            halves = {n: self._halve(d) for n, d in enumerate(drafts) if d.tokens > self.limit}
            counted = iter(self._exact([half for pair in halves.values() for half in pair]))
            drafts = [
                draft
                for number, whole in enumerate(drafts)
                for draft in (islice(counted, len(halves[number])) if number in halves else [whole])
            ]
        return drafts

    def _halve(self, draft: _Draft) -> list[_Draft]:
        length = draft.end - draft.start
        if length == 1:
            raise _too_small(self.limit)
        spans = cut_evenly(self.text, draft.start, draft.end, ceil(length / 2))
        halves = [self._draft(draft.section, start, end, draft.path) for start, end in spans]
        return [half for half in halves if half.start < half.end]

    def _join(self, drafts: list[_Draft]) -> list[_Draft]:
        """Join a tiny last chunk to the one before it, and short sections to what follows."""
        groups = self._groups(drafts)
        joined = self._exact([self._span(group) for group in groups if len(group) > 1])
        rest = iter(joined)
        result: list[_Draft] = []
        for group in groups:
            whole = next(rest) if len(group) > 1 else group[0]
            result.extend([whole] if whole.tokens <= self.limit else group)
        return result

    def _groups(self, drafts: list[_Draft]) -> list[list[_Draft]]:
        """Group what should be one chunk, judged by sums; a group of one stays as it is."""
        parts = Counter(draft.section for draft in drafts)
        groups: list[list[_Draft]] = []
        total = 0
        for draft in drafts:
            own = self._own_tokens(draft)
            if groups and self._belong(groups[-1], draft, total + own, parts):
                groups[-1].append(draft)
                total += own
            else:
                groups.append([draft])
                total = draft.tokens
        return groups

    def _own_tokens(self, draft: _Draft) -> int:
        """Return about what a draft adds to a chunk that already has a heading path."""
        return draft.tokens - (self.limit - self.room[draft.path])

    def _belong(self, group: list[_Draft], draft: _Draft, total: int, parts: Counter[int]) -> bool:
        """Say whether a draft ends the group's section, or continues its few words above it."""
        first, tiny = group[0], self.limit // 8
        if not self._is_near(first.start, draft.end):
            return False
        if group[-1].section == draft.section:
            return self._own_tokens(draft) < tiny and total <= self.limit
        if parts[first.section] != 1:
            return False
        if len(group) == 1 and _leads_to(first.path, draft.path):
            return self._own_tokens(first) < tiny and total <= self.limit
        siblings = len(draft.path) > 1 and first.path[:-1] == draft.path[:-1]
        return siblings and parts[draft.section] == 1 and total <= self.limit // 2

    def _span(self, group: list[_Draft]) -> _Draft:
        """Return a group as one draft; of several sections under the heading they share."""
        first, last = group[0], group[-1]
        path = last.path if _leads_to(first.path, last.path) else first.path[:-1]
        return _Draft(first.section, first.start, last.end, path)


def _leads_to(path: HeadingPath, deeper: HeadingPath) -> bool:
    return deeper[: len(path)] == path


def _too_small(limit: int) -> SettingsError:
    return SettingsError(
        f"a limit of {limit} tokens is too small to cut text to",
        f"{MIN_LIMIT} is the least: raise RAG_CHUNK_TOKENS, or use a model that takes more",
    )
