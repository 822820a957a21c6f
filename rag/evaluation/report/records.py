"""Rows in, what a page's table shows of them out: plain records with their evidence marked."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import lru_cache
from typing import Any

from rag.evaluation.base.cases import Relevant
from rag.evaluation.base.responses import Passage, Response
from rag.evaluation.base.rows import Row
from rag.evaluation.measures.matching import covers, is_excerpt, overlap, squeeze

MOST_PAGE = 5_000_000
"""Characters in one page; passages found first by each case go in first, where cases leave room."""
MOST_ROWS = 10_000
_CASE = 1_750  # Characters of a case with twenty passages, without their texts.
_RANKS = 20

Span = tuple[int, int]


class Texts:
    """Texts of passages, each once, until the page is large enough; the others are counted."""

    def __init__(self, most: int) -> None:
        self.kept: list[str] = []
        self.left_out = 0
        self._places: dict[str, int | None] = {}
        self._room = most

    def place(self, text: str) -> int | None:
        """Return the place of a text among those `kept`, None where it is left out."""
        if text not in self._places:
            if len(text) <= self._room:
                self._room -= len(text)
                self._places[text] = len(self.kept)
                self.kept.append(text)
            else:
                self.left_out += 1
                self._places[text] = None
        return self._places[text]


def record_rows(
    runs: Sequence[Mapping[str, Row]], measures: Sequence[str], most: int = 0
) -> dict[str, Any]:
    """Return the cases that all runs have with what each run made of them.

    `runs` are rows by the id of their case: one run, or two side by side.  Offsets are of
    characters, `rank` counts from 1, and passages past the twentieth are counted only.  Their
    texts have `most` characters, 0 for what cases leave of a page, at least a quarter.
    """
    shared = [name for name in runs[0] if all(name in run for run in runs)]
    names = shared[:MOST_ROWS]
    texts = Texts(most or max(MOST_PAGE // 4, MOST_PAGE - _CASE * len(runs) * len(names)))
    # By rank, so that every case keeps what it found first.
    for rank in range(_RANKS):
        for name in names:
            for run in runs:
                passages = shown_passages(run[name].response)
                if rank < len(passages):
                    texts.place(passages[rank].text)
    rows = [_record([run[name] for run in runs], measures, texts) for name in names]
    return {
        "measures": list(measures),
        "rows": rows,
        "texts": texts.kept,
        "rowsLeftOut": len(shared) - len(names),
        "textsLeftOut": texts.left_out,
    }


def shown_passages(response: Response | None) -> tuple[Passage, ...]:
    """Return the passages of a response, as found, or as shown to a model where that is all."""
    if response is None:
        return ()
    return (response.ranked or response.context or ())[:_RANKS]


def find_evidence(piece: Relevant, passage: Passage) -> list[Span]:
    """Return which characters of a passage are those of a piece of evidence, [] for none.

    By offsets where both have them, else by the words that `measures.matching` finds in it.  A
    few words that both have in common are no evidence unless they are cut at the passage's end.
    """
    found = overlap(passage, piece) if is_excerpt(piece) else None
    if found is None:
        return []
    if None not in (passage.start, piece.start, piece.end) and passage.document == piece.document:
        return [_span_by_offsets(piece, passage)]
    words = squeeze(piece.excerpt)[found.start : found.end]
    match = _pattern(words).search(passage.text)
    if match is None:
        return []
    is_cut = match.start() == 0 or match.end() == len(passage.text.rstrip())
    return [match.span()] if is_cut or covers(passage, piece) else []


def _span_by_offsets(piece: Relevant, passage: Passage) -> Span:
    assert piece.start is not None
    assert piece.end is not None
    assert passage.start is not None
    return max(0, piece.start - passage.start), min(len(passage.text), piece.end - passage.start)


@lru_cache(maxsize=256)
def _pattern(words: str) -> re.Pattern[str]:
    return re.compile(r"\s+".join(re.escape(word) for word in words.split()))


def finite(value: object) -> object:
    """Return plain data of records, with None for a number that is none."""
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(name): finite(part) for name, part in value.items()}
    if is_dataclass(value):
        return {field.name: finite(getattr(value, field.name)) for field in fields(value)}
    return [finite(part) for part in value] if isinstance(value, list | tuple) else str(value)


def _record(rows: Sequence[Row], measures: Sequence[str], texts: Texts) -> dict[str, Any]:
    case = rows[0].case
    return {
        "id": case.id,
        "question": case.question,
        "kind": case.kind,
        "language": case.language,
        "tags": list(case.tags),
        "answers": list(case.answers),
        "evidence": [_name(relevant) for relevant in case.relevant],
        "near": list(case.near),
        "runs": [_result(row, measures, texts) for row in rows],
    }


def _name(relevant: Relevant) -> dict[str, Any]:
    return {
        "document": relevant.document,
        "page": relevant.page,
        "excerpt": relevant.excerpt,
        "grade": relevant.grade,
    }


def _result(row: Row, measures: Sequence[str], texts: Texts) -> dict[str, Any]:
    response, failure = row.response or Response(), row.failure
    ranked, context = response.ranked or response.context or (), response.context or ()
    found = [[covers(passage, piece) for piece in row.case.relevant] for passage in ranked]
    return {
        "answer": response.text,
        "refused": response.abstained,
        "score": response.evidence,
        "seconds": response.spent.total,
        "notes": list(response.notes),
        "failure": failure and {"message": failure.message, "hint": failure.hint},
        "measures": [_short(row.measures.get(name)) for name in measures],
        "statements": [[s.start, s.end, list(s.cited), s.supported] for s in response.statements],
        "verdicts": {name: _verdict(row, name) for name in row.verdicts},
        "passages": [
            _passage(passage, row, any(covered), context, texts)
            for passage, covered in zip(ranked[:_RANKS], found, strict=False)
        ],
        "more": max(0, len(ranked) - _RANKS),
        "ranks": [
            next((rank for rank, covered in enumerate(found, 1) if covered[piece]), None)
            for piece in range(len(row.case.relevant))
        ],
    }


def _verdict(row: Row, criterion: str) -> dict[str, Any]:
    verdict = row.verdicts[criterion]
    return {
        "score": verdict.score,
        "said": list(verdict.said),
        "failures": list(verdict.failures),
        "agreed": verdict.agreed,
        "why": verdict.why,
    }


def _passage(
    passage: Passage, row: Row, is_labelled: bool, context: Sequence[Passage], texts: Texts
) -> dict[str, Any]:
    record = {
        "document": passage.document,
        "page": passage.page,
        "score": _short(passage.score),
        "text": texts.place(passage.text),
        "marks": sorted(s for piece in row.case.relevant for s in find_evidence(piece, passage))
        or None,
        "labelled": is_labelled or None,
        "number": next((n for n, shown in enumerate(context, 1) if _holds(shown, passage)), None),
    }
    return {name: value for name, value in record.items() if value is not None}


def _short(value: float | None) -> float | None:
    """Return a number in no more digits than a reader can use: there are very many."""
    return value if value is None else round(value, 6)


def _holds(shown: Passage, passage: Passage) -> bool:
    """Return whether a passage of a prompt, perhaps several put together, holds one found."""
    is_inside = bool(passage.text) and passage.text in shown.text
    return shown == passage or (shown.document == passage.document and is_inside)
