"""What was found in, the lines that tell a person how it came to be found out."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from rag.query.base.hits import label

if TYPE_CHECKING:
    from rag.query.base.answers import Evidence
    from rag.query.base.hits import Hit, Retrieval

_WHERE = 60
_MORE = 5
_MOST = 10


def explain_lines(
    found: Retrieval,
    evidence: Evidence | None = None,
    read: Collection[str] = (),
    cited: Collection[str] = (),
) -> list[str]:
    """Return what was searched for, how the lists were weighed, and a table of the hits.

    A hit's line has its fused score, then for each list its rank there with its own score, "-"
    where it is not among the best.  `evidence` is what was made of all that.  Hits whose chunks
    were `read` for the answer, or `cited` in it, say so; of all others only the best are shown.
    """
    lines = [f"How it was found: {found.question}"]
    if evidence:
        lines.append(f"  evidence  {evidence.score:.2f}; enough from {evidence.threshold:.2f}")
        lines += [f"            {reason}" for reason in evidence.reasons]
    if found.weights:
        weights = ", ".join(f"{name} {weight:.2f}" for name, weight in found.weights.items())
        lines.append(f"  weights   {weights}")
    lines += [f"            {reason}" for reason in found.reasons]
    if found.terms:
        lines.append(f"  words     {_tell_terms(found)}")
    return [*lines, *_tell_hits(found, read, cited)]


def _tell_terms(found: Retrieval) -> str:
    """Name each word with how many passages hold it, then those that none does."""
    there = [term for term in dict.fromkeys(found.terms) if found.frequency.get(term)]
    missing = [term for term in dict.fromkeys(found.terms) if not found.frequency.get(term)]
    told = ", ".join(f"{term} {found.frequency[term]}" for term in there)
    of = f" (of {found.chunks} passages in the index)" if told and found.chunks else ""
    return f"{told}{of}" + (f"; nowhere: {', '.join(missing)}" if missing else "")


def _tell_hits(found: Retrieval, read: Collection[str], cited: Collection[str]) -> list[str]:
    lists = list(found.weights) or sorted({name for hit in found.hits for name in hit.why})
    heads = "".join(f"{name:>14}" for name in lists)
    lines = [f"  rank  score{heads}  passage"]
    left = _MORE if read or cited else _MOST
    for hit in found.hits:
        names = {hit.chunk.id, *hit.joined}
        mark = "cited" if names & {*cited} else "read" if names & {*read} else ""
        if not mark and not left:
            continue
        left -= not mark
        cells = "".join(f"{_cell(hit, name):>14}" for name in lists)
        where = label(hit.chunk)
        short = where if len(where) <= _WHERE else f"{where[: _WHERE - 1]}…"
        lines.append(
            f"  {hit.rank:>4}  {hit.score:>5.3f}{cells}  {short}{f'  ({mark})' if mark else ''}"
        )
    hidden = len(found.hits) - len(lines) + 1
    return [*lines, f"        and {hidden} more"] if hidden else lines


def _cell(hit: Hit, name: str) -> str:
    """Return the rank in a list and the score there: `3 (0.61)`, `- (0.40)` below its best."""
    rank = str(hit.why.get(name, "-"))
    return f"{rank} ({hit.scores[name]:.2f})" if name in hit.scores else rank
