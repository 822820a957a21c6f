"""A path in, the labelled questions it holds out, whatever their format."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rag.evaluation.base.cases import CaseSet


def read_cases(
    path: str | Path, columns: Mapping[str, str] | None = None, split: str = ""
) -> CaseSet:
    """Return the cases of a file or folder: our JSONL, a BEIR folder, SQuAD JSON, or CSV.

    `columns` says for CSV which column is which part of a case, where they are not called so:
    {"question": "prompt", "answer": "expected"}.  `split` names the qrels of BEIR, "" the test
    set or the only one.  Lines that are no case are in `problems`.  Raises CasesUnreadable.
    """
    raise NotImplementedError
