"""Rows in, the lines of JSON out that ragas evaluates: `EvaluationDataset.from_jsonl` of 0.4."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rag.evaluation.base.cases import Case
from rag.evaluation.base.responses import Response
from rag.evaluation.base.rows import Row
from rag.evaluation.reading.write import to_json, write_lines


def write_ragas(path: Path, rows: Sequence[Row]) -> int:
    """Write a `SingleTurnSample` of each row that has a response; return how many were left out.

    `retrieved_contexts` is what a model was shown, else what was found.  `reference` is the first
    of the reference answers, since ragas takes one; `reference_contexts` are the excerpts of the
    evidence, a page or a document has no words.  What is not known is null, in every line the same
    columns.  Raises PipelineError.
    """
    lines = [to_json(_sample(row.case, row.response)) for row in rows if row.response]
    write_lines(path, lines)
    return len(rows) - len(lines)


def _sample(case: Case, response: Response) -> dict[str, object]:
    passages = response.ranked if response.context is None else response.context
    excerpts = [one.excerpt for one in case.relevant if one.excerpt and one.grade > 0]
    return {
        "user_input": case.question,
        "retrieved_contexts": None if passages is None else [one.text for one in passages],
        "reference_contexts": excerpts or None,
        "response": response.text,
        "reference": case.answers[0] if case.answers else None,
    }
