"""An answer and its passages in; each sentence checked, mended or marked out, without a model."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from ingest.base.documents import Chunk, Place
from rag.query.base.answers import REFUSAL, Citation, Statement
from rag.query.base.hits import Hit
from rag.query.verify.align import Verdict, judge, may_hold
from rag.query.verify.claims import Claim, begins_table, is_neutral
from rag.query.verify.gaps import join_gaps, lead_in, tail
from rag.query.verify.marks import (
    Piece,
    Sentence,
    is_extracts,
    normalise_marks,
    open_quotation,
    replace_marks,
    reveal,
    split_pieces,
    split_sentences,
    strip_marks,
)
from rag.query.verify.passages import Passage, names_of

NO_SOURCE = "no source is named"
NOTHING_HELD = "nothing of what the model wrote is in the passages"

CLEAR = 0.6
"""Share of a claim's words and facts from which another passage clearly holds it."""

_LEAST_CLEAR = 4
# Words that announce the mark of the sentence before them.
_ANNOUNCE = ("source", "quelle", "reference", "citation", "passage", "来源", "出处", "段落")


@dataclass(frozen=True, slots=True)
class Checked:
    """An answer after its check: marks are written [n], every one has a citation.

    `statements` are its sentences that claim something; `abstained` says that none is left.
    `notes` tell the reader what was changed, one line each.
    """

    text: str
    citations: tuple[Citation, ...] = ()
    statements: tuple[Statement, ...] = ()
    notes: tuple[str, ...] = ()
    abstained: bool = False


def check_answer(
    text: str, context: Sequence[Hit], place_at: Callable[[Chunk, int], Place]
) -> Checked:
    """Return the answer with each of its sentences checked against the passages it cites.

    `place_at` tells the page of a character offset in a chunk's document.
    """
    return Checker(context, place_at).check(text)


def withhold(checked: Checked) -> Checked:
    """Return the answer without the sentences that no passage holds; nothing left is a refusal."""
    kept = [statement for statement in checked.statements if statement.supported]
    if not kept:
        return Checked(REFUSAL, notes=(*checked.notes, NOTHING_HELD), abstained=True)
    if len(kept) == len(checked.statements):
        return checked
    text, gap, position, after_loss = "", "", 0, False
    moved: list[Statement] = []
    for statement in checked.statements:
        between = checked.text[position : statement.start]
        gap = join_gaps(gap, between) if after_loss else between
        position, after_loss = statement.end, not statement.supported
        if after_loss:
            gap = lead_in(gap)
        else:
            text += gap if text else gap.lstrip()
            gap, start = "", len(text)
            text += checked.text[statement.start : statement.end]
            moved.append(replace(statement, start=start, end=len(text)))
    gap = tail(checked.text[position:], after_loss=after_loss)
    left_out = len(checked.statements) - len(kept)
    notes = (*checked.notes, f"{_count(left_out, 'sentence')} without support left out")
    citations = _kept(checked.citations, {n for statement in kept for n in statement.numbers})
    return Checked((text + gap).rstrip(), citations, tuple(moved), notes)


class Checker:
    """The passages of one answer, made ready once; each sentence is judged once."""

    def __init__(self, context: Sequence[Hit], place_at: Callable[[Chunk, int], Place]) -> None:
        self._passages = [Passage(number, hit) for number, hit in enumerate(context, start=1)]
        self._place_at = place_at
        self._names: frozenset[str] | None = None
        self._judged: dict[tuple[str, bool], _Judged] = {}
        self.seconds = 0.0
        """Time spent on checking so far."""

    def check(self, text: str) -> Checked:
        """Return an answer, or the beginning of one, with each sentence checked."""
        started = time.perf_counter()
        checked = self._check(text)
        self.seconds += time.perf_counter() - started
        return checked

    def check_begun(self, text: str) -> str:
        """Return what of an answer still being written can be shown: sentences that are held.

        The last sentence is not known to be whole, nor one whose mark may still follow.
        """
        text, _ = normalise_marks(text, len(self._passages))
        sentences = split_sentences(text)
        begun = open_quotation(text)
        while sentences and (
            _may_be_mark(text[sentences[-1].start : sentences[-1].end])
            or (begun is not None and sentences[-1].start > begun)
        ):
            sentences.pop()
        if len(sentences) < 2 or text.startswith('"'):
            return ""
        whole = withhold(self.check(text[: sentences[-1].start]))
        return "" if whole.abstained else whole.text[: whole.statements[-1].end]

    def _check(self, text: str) -> Checked:
        unknown = 0
        if not is_extracts(text):
            text, unknown = normalise_marks(text, len(self._passages))
        written, position = "", 0
        statements: list[Statement] = []
        judged: list[_Judged] = []
        for sentence in split_sentences(text):
            said = text[sentence.start : sentence.end]
            written += text[position : sentence.start]
            position = sentence.end
            one = self._judge_sentence(said, sentence, text[sentence.end :])
            start = len(written)
            written += one.text
            if not one.is_neutral:
                statements.append(
                    Statement(start, len(written), one.numbers, one.supported, one.problem)
                )
                judged.append(one)
        text = written + text[position:]
        return Checked(
            reveal(text), _merge(judged), tuple(statements), tuple(_notes(unknown, judged))
        )

    def _judge_sentence(self, said: str, sentence: Sentence, behind: str) -> _Judged:
        key = (said, sentence.is_extract)
        if key not in self._judged:
            pieces = _read_extract(said) if sentence.is_extract else split_pieces(said)
            pieces = [self._known(piece) for piece in pieces]
            cited = any(piece.numbers for piece in pieces)
            if not cited and is_neutral(strip_marks(said), begins_table=begins_table(behind)):
                return _Judged(said, is_neutral=True)
            self._judged[key] = self._judge_pieces(said, pieces)
        return self._judged[key]

    def _known(self, piece: Piece) -> Piece:
        most = len(self._passages)
        return replace(piece, numbers=tuple(n for n in piece.numbers if 1 <= n <= most))

    def _judge_pieces(self, said: str, pieces: list[Piece]) -> _Judged:
        result = _Judged(said)
        changes: list[tuple[Piece, int]] = []
        for piece in pieces:
            claim = Claim(piece.text, self._all_names())
            cited = [self._passages[number - 1] for number in piece.numbers]
            verdict = judge(claim, cited) if cited else Verdict(False, 0.0, NO_SOURCE)
            mended = None if verdict.supported else self._find_other(claim, piece, verdict)
            if mended:
                number, verdict = mended
                changes.append((piece, number))
                (result.moved if piece.numbers else result.added).append(number)
                piece = Piece(piece.text, (number,))
            self._record(result, piece, verdict)
        result.text = replace_marks(said, changes)
        return result

    def _find_other(
        self, claim: Claim, piece: Piece, verdict: Verdict
    ) -> tuple[int, Verdict] | None:
        """Return the passage that clearly holds what those cited do not; None without."""
        if len(claim.words) + len(claim.facts) < _LEAST_CLEAR:
            return None
        best: tuple[int, Verdict] | None = None
        for passage in self._passages:
            if passage.number in piece.numbers or not may_hold(claim, passage, CLEAR):
                continue
            other = judge(claim, [passage])
            clear = other.supported and other.coverage >= max(CLEAR, verdict.coverage)
            if clear and (best is None or other.coverage > best[1].coverage):
                best = passage.number, other
        return best

    def _record(self, result: _Judged, piece: Piece, verdict: Verdict) -> None:
        result.numbers = tuple(dict.fromkeys((*result.numbers, *piece.numbers)))
        result.supported &= verdict.supported
        result.problem = result.problem or verdict.problem
        for number in piece.numbers:
            hit = self._passages[number - 1].hit
            start, end = verdict.spans[number]
            helps = verdict.supported and (number in verdict.helping or len(piece.numbers) == 1)
            problem = verdict.problem or ("" if helps else "the passage adds nothing to it")
            offset = hit.chunk.start + start
            place = self._place_at(hit.chunk, offset)
            quote = hit.chunk.text[start:end]
            result.citations.append(
                Citation(number, hit, quote, offset, hit.chunk.start + end, place.page, helps,
                         place.label, problem)
            )  # fmt: skip

    def _all_names(self) -> frozenset[str]:
        if self._names is None:
            self._names = names_of(self._passages)
        return self._names


@dataclass(slots=True)
class _Judged:
    """A sentence while it is judged: its text after repair and what was found for it."""

    text: str
    is_neutral: bool = False
    numbers: tuple[int, ...] = ()
    supported: bool = True
    problem: str = ""
    citations: list[Citation] = field(default_factory=list)
    moved: list[int] = field(default_factory=list)
    added: list[int] = field(default_factory=list)


def _read_extract(said: str) -> list[Piece]:
    quote, _, number = said.rpartition(" [")
    return [Piece(quote, (int(number.rstrip("] \n")),), ((len(quote) + 1, len(said.rstrip())),))]


def _may_be_mark(begun: str) -> bool:
    """Return whether a sentence still being written may be no more than the mark of the last."""
    first = begun.lstrip("-*+• \t_.").casefold()
    if not re.search(r"[^\W\d_]", first) or first[0] in "[【［〔({（<\\^":
        return True
    return any(first.startswith(word) or word.startswith(first) for word in _ANNOUNCE)


def _merge(judged: Sequence[_Judged]) -> tuple[Citation, ...]:
    """Return one citation for each number and place, a verified one where there is one."""
    citations: dict[tuple[int, int, int], Citation] = {}
    for citation in (citation for one in judged for citation in one.citations):
        key = (citation.number, citation.start, citation.end)
        if key not in citations or not citations[key].verified:
            citations[key] = citation
    return tuple(sorted(citations.values(), key=lambda one: (one.number, one.start)))


def _kept(citations: Sequence[Citation], numbers: set[int]) -> tuple[Citation, ...]:
    verified = {citation.number for citation in citations if citation.verified}
    return tuple(
        citation
        for citation in citations
        if citation.number in numbers and (citation.verified or citation.number not in verified)
    )


def _notes(unknown: int, judged: Sequence[_Judged]) -> list[str]:
    moved = sum(len(one.moved) for one in judged)
    added = sum(len(one.added) for one in judged)
    notes = [
        (unknown, "citation", "pointed to no passage and was removed"),
        (moved, "citation", "pointed to a wrong passage and was corrected"),
        (added, "citation", "was missing and was added"),
    ]
    return [f"{_count(count, what)} {happened if count == 1 else happened.replace('was', 'were')}"
            for count, what, happened in notes if count]  # fmt: skip


def _count(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
