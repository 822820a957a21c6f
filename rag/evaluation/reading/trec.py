"""Rankings as TREC has them: runs and judgements of relevance.

A run has lines `query Q0 item rank score tag`, qrels have `query 0 item grade`.  White space, "%"
and what is no character stand in ids as "%20".
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from urllib.parse import quote, unquote

from rag.evaluation.base.cases import Case, Relevant
from rag.evaluation.base.errors import CasesUnreadable
from rag.evaluation.base.responses import Passage
from rag.evaluation.base.rows import Row
from rag.evaluation.measures.matching import covers
from rag.evaluation.reading.write import write_lines

NOTHING_FOUND = "-nothing-found-"
"""The only item of a query for which nothing was found: trec_eval would leave the query out."""

_SAME_NAMES: Mapping[str, str] = MappingProxyType({})
_NOT_IN_IDS = re.compile("[\\s%\x00-\x1f\x7f\ud800-\udfff]")
_FINEST = 1000  # trec_eval reads whole grades; its nDCG does not change with their unit


def write_trec(
    run: Path,
    qrels: Path,
    rows: Sequence[Row],
    tag: str,
    names: Mapping[str, str] = _SAME_NAMES,
) -> int:
    """Write what was found and what is relevant; return of how many cases.

    Where all evidence of a case is whole documents, items are documents, each at its first
    passage; `names` are what they are called there, such as `CaseSet.names`.  Else an item is a
    piece of evidence, "leave.md#e1", at the first passage that covers it, or a passage that covers
    none, "leave.md#r7" for the seventh.  So trec_eval gives our R@k, P@k, nDCG@k, RR and AP, with
    one exception: pieces that one passage is the first to cover stand at ranks of their own, one
    behind the other, since TREC has one item at a rank.  Scores count down by rank, since
    trec_eval sorts by them.

    Cases that failed, that have no evidence or whose ranking is not told are left out.  Grades
    that are no whole numbers are multiplied by 1 000.  Raises PipelineError.
    """
    found: list[str] = []
    judged: list[str] = []
    written = 0
    for row in rows:
        ranked = row.response.ranked if row.response else None
        if ranked is None or not any(one.grade > 0 for one in row.case.relevant):
            continue
        written += 1
        query = encode(row.case.id)
        items = list(dict.fromkeys(_items(row.case, ranked, names))) or [NOTHING_FOUND]
        for rank, item in enumerate(items, start=1):
            score = len(items) - rank + 1
            found.append(f"{query} Q0 {encode(item)} {rank} {score} {encode(tag)}")
        judged += [f"{query} 0 {encode(one)} {n}" for one, n in _grades(row.case, names).items()]
    write_lines(run, found)
    write_lines(qrels, judged)
    return written


def read_trec_run(path: Path) -> dict[str, dict[str, float]]:
    """Return scores by query and item; raises CasesUnreadable at a line that is none of a run."""
    run: dict[str, dict[str, float]] = {}
    for query, _q0, item, _rank, score, _tag in _read_lines(path, 6, score=4):
        run.setdefault(_decode(query), {})[_decode(item)] = float(score)
    return run


def read_trec_qrels(path: Path) -> dict[str, dict[str, float]]:
    """Return grades by query and item; raises CasesUnreadable at a line that is none of qrels."""
    qrels: dict[str, dict[str, float]] = {}
    for query, _iteration, item, grade in _read_lines(path, 4, score=3):
        qrels.setdefault(_decode(query), {})[_decode(item)] = float(grade)
    return qrels


def encode(name: str) -> str:
    """Return an id without white space, as it can stand in a file of TREC; never empty."""
    return _NOT_IN_IDS.sub(lambda found: quote(found[0], errors="surrogatepass"), name) or "%00"


def _decode(name: str) -> str:
    return unquote(name, errors="surrogatepass")


def _is_of_documents(case: Case) -> bool:
    return all(one.is_document for one in case.relevant if one.grade > 0)


def _items(case: Case, ranked: Sequence[Passage], names: Mapping[str, str]) -> Iterator[str]:
    """Yield the items of a ranking, best first; a document may come again."""
    left = [one for one in enumerate(case.relevant, start=1) if one[1].grade > 0]
    is_of_documents = _is_of_documents(case)
    for rank, passage in enumerate(ranked, start=1):
        covered = [one for one in left if covers(passage, one[1])]
        left = [one for one in left if one not in covered]
        document = names.get(passage.document, passage.document)
        if covered:
            yield from (_name(case, number, piece, names) for number, piece in covered)
        else:
            yield document if is_of_documents else f"{document}#r{rank}"


def _name(case: Case, number: int, piece: Relevant, names: Mapping[str, str]) -> str:
    document = names.get(piece.document, piece.document)
    return document if _is_of_documents(case) else f"{document}#e{number}"


def _grades(case: Case, names: Mapping[str, str]) -> dict[str, int]:
    """Return whole grades of the evidence; of documents also those judged not relevant."""
    judged = [
        (number, one)
        for number, one in enumerate(case.relevant, start=1)
        if one.grade > 0 or (one.is_document and _is_of_documents(case))
    ]
    unit = 1 if all(one.grade % 1 == 0 for _, one in judged) else _FINEST
    return {
        _name(case, number, one, names): max(round(one.grade * unit), int(one.grade > 0))
        for number, one in sorted(judged, key=lambda pair: pair[1].grade)
    }


def _read_lines(path: Path, fields: int, *, score: int) -> Iterator[list[str]]:
    """Yield the fields of each line that is not blank; that of the score is a number."""
    try:
        with path.open(encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, start=1):
                cells = line.split()
                if cells and (len(cells) != fields or not _is_number(cells[score])):
                    raise CasesUnreadable(
                        f"{path.name}:{number} has not the {fields} fields of TREC",
                        "a run has query Q0 item rank score tag, qrels have query 0 item grade",
                    )
                if cells:
                    yield cells
    except (OSError, UnicodeDecodeError) as error:
        raise CasesUnreadable(f"{path} cannot be read: {error}", "name a file of TREC") from error


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
