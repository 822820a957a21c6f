"""Cases in, a file of them out; lines written whole or not at all, for their owner alone."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from ingest.base.errors import PipelineError
from rag.evaluation.base.cases import Case, Relevant


def write_cases(path: Path, cases: Iterable[Case]) -> None:
    """Write cases as lines of JSON that `read_cases` reads as the same; raises PipelineError."""
    write_lines(path, (to_json(record(case)) for case in cases))


def add_case(path: Path, case: Case) -> None:
    """Add a case to a file of them, made for its owner alone; raises PipelineError."""
    line = f"{to_json(record(case))}\n".encode()
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(line)
    except OSError as error:
        raise PipelineError(
            f"{path} cannot be written: {error.strerror}", "name another file"
        ) from error


def record(case: Case) -> dict[str, object]:
    """Return a case as our JSONL has it, without what says nothing."""
    told = {
        "id": case.id,
        "question": case.question,
        "answerable": case.answerable,
        "kind": case.kind,
        "answers": list(case.answers),
        "evidence": [_piece(one) for one in case.relevant],
        "near": list(case.near),
        "without": list(case.without),
        "lang": case.language,
        "tags": list(case.tags),
        "judged_answer": case.judged_answer,
        "labels": dict(case.labels),
    }
    return {name: value for name, value in told.items() if value not in ("", [], {})}


def to_json(value: Mapping[str, object]) -> str:
    """Return a record as one line of JSON in plain characters, half ones escaped."""
    text = json.dumps(value, ensure_ascii=False)
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Put lines in the place of a file, with mode 600; raises PipelineError."""
    try:
        descriptor, draft = tempfile.mkstemp(".new", f".{path.name[:40]}-", path.parent)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as stream:
                stream.writelines(f"{line}\n" for line in lines)
                stream.flush()
                os.fsync(stream.fileno())
            Path(draft).replace(path)
        except BaseException:
            Path(draft).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise PipelineError(
            f"{path} cannot be written: {error.strerror}", "name another file"
        ) from error


def _piece(one: Relevant) -> dict[str, object]:
    told = {"excerpt": one.excerpt or None, "page": one.page, "start": one.start, "end": one.end}
    known = {name: value for name, value in told.items() if value is not None}
    return {"doc": one.document, **known, **({"grade": one.grade} if one.grade != 1 else {})}
