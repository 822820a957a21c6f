"""Lines of JSON in, cases out; what a field may be called and hold, for tables as well.

    {"question": "How long is annual leave?", "answers": ["27 days"],
     "evidence": [{"doc": "handbook/leave.md", "excerpt": "27 working days of annual leave"}]}
    {"question": "Who feeds the fish?", "answerable": false, "near": ["handbook/office.md"]}

Only `question` must be there.  `id` is made from it where it is not given.  `answers` (or `answer`,
`reference`) are texts any of which is right.  `evidence` (or `relevant`) is one or a list of
"handbook/leave.md" (a document), "manual.pdf#p3" (its third page), and objects with `doc`, `page`,
`excerpt`, `start`, `end`, `grade`; "./leave.md" and "handbook\\leave.md" are understood as well.
`near` are documents that nearly answer, `without` those that are held out.  `kind`, `lang` and
`tags` say more; `labels` are what people said of `judged_answer`, by criterion, from 0 to 1.

Only what says so must be refused: `"answerable": false`, or a `kind` that means it.  A line with
nothing but a question is answerable with nothing to compare its answer with: speed, support and
what a judge says are measured.  What must be refused is "near-miss" where `near` names documents,
"out-of-corpus" where it is an empty list, "unanswerable" where it is not given.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias, get_args

from rag.evaluation.base.cases import CRITERIA, Case, Kind, Relevant

Item: TypeAlias = "tuple[str, Case | str]"
"""A place in a file, with the case that stands there or why it is none."""

NAMES: Mapping[str, tuple[str, ...]] = {
    "id": ("id", "_id", "case_id", "question_id", "query_id", "qid"),
    "question": ("question", "user_input", "query", "prompt", "input"),
    # Where a reference stands as well, "answer" is what some system said: it comes last.
    "answers": (
        *("answers", "reference", "references", "reference_answer", "ground_truth"),
        *("ground_truths", "expected", "expected_answer", "expected_output", "gold", "answer"),
    ),
    "evidence": ("evidence", "relevant"),
    "document": ("document", "doc", "document_id", "source", "file", "filename", "file_name"),
    "page": ("page", "page_number"),
    "excerpt": ("excerpt", "quote", "passage"),
    "start": ("start",),
    "end": ("end",),
    "grade": ("grade",),
    "answerable": ("answerable", "is_answerable"),
    "kind": ("kind",),
    "near": ("near",),
    "without": ("without",),
    "language": ("language", "lang"),
    "tags": ("tags", "tag"),
    "judged_answer": ("judged_answer",),
    "labels": ("labels",),
}
"""The parts of a case, and what they are usually called; the first that is there is taken."""

_NO_COLUMNS: Mapping[str, str] = MappingProxyType({})
_PAGE = re.compile(r"(.+)#p(?:age=)?([1-9]\d{0,8})", re.DOTALL)
_SAYS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def read_lines(path: Path, columns: Mapping[str, str] = _NO_COLUMNS) -> Iterator[Item]:
    """Yield what stands on each line that is not blank, as it is read."""
    with path.open(encoding="utf-8-sig") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield f"{path.name}:{number}", _read_line(line, columns)


def read_values(
    name: str, values: Sequence[object], columns: Mapping[str, str] = _NO_COLUMNS
) -> Iterator[Item]:
    """Yield what each value of a list is."""
    for number, value in enumerate(values, start=1):
        yield f"{name}, case {number}", read_value(value, columns)


def read_value(value: object, columns: Mapping[str, str] = _NO_COLUMNS) -> Case | str:
    """Return the case a value of JSON is, or why it is none."""
    if isinstance(value, str):
        value = {"question": value}
    if not isinstance(value, dict):
        return "a case is an object with 'question'"
    try:
        return make_case(known_fields(value, columns))
    except ValueError as error:
        return str(error)


def parse_json(text: str) -> object:
    """Return what a text of JSON says, NaN as None; raises ValueError, however deep it is."""
    try:
        return json.loads(text, parse_constant=lambda _name: None)
    except json.JSONDecodeError as error:
        raise ValueError(f"this is no JSON: {error}") from None
    except RecursionError:
        raise ValueError("this is nested too deep") from None


def known_fields(
    record: Mapping[str, object], columns: Mapping[str, str] = _NO_COLUMNS
) -> dict[str, object]:
    """Return the parts of a case that a record has, by our names for them.

    A null says nothing.  Neither case nor the marks between words matter in a name.
    """
    given = {normalize(name): value for name, value in record.items() if value is not None}
    found = {}
    for field, usual in NAMES.items():
        names = [columns[field]] if field in columns else usual
        for name in map(normalize, names):
            if name in given:
                found[field] = given[name]
                break
    return found


@lru_cache(maxsize=1000)
def normalize(name: str) -> str:
    """Return the name of a field as it is compared: "User Input" is "user_input"."""
    return re.sub(r"[\s_-]+", "_", name.strip().casefold())


def make_case(given: Mapping[str, object]) -> Case:
    """Return the case that fields say by our names; raises ValueError with what is wrong."""
    question = _text(given, "question")
    if not any(map(str.isalnum, question)):
        raise ValueError("it has no 'question'")
    kind = _read_kind(given)
    case = Case(
        id=_text(given, "id") or make_id(question),
        question=question,
        relevant=_read_evidence(given),
        answers=_texts(given, "answers"),
        answerable=kind == "answerable",
        kind=kind,
        near=_read_documents(given, "near"),
        without=_read_documents(given, "without"),
        language=_text(given, "language"),
        tags=_texts(given, "tags"),
        judged_answer=_text(given, "judged_answer"),
        labels=_read_labels(given),
    )
    _refuse_contradiction(case, said="answerable" in given or "kind" in given)
    return case


def make_id(question: str) -> str:
    """Return an id for a question that has none; the same words have the same."""
    return f"q-{sha256(question.encode()).hexdigest()[:12]}"


def _texts(given: Mapping[str, object], field: str) -> tuple[str, ...]:
    """Return the texts of a field that holds one or a list, without empty ones."""
    value = given.get(field)
    values = value if isinstance(value, list) else [value]
    return tuple(text for one in values if (text := _text({field: one}, field)))


def _read_line(line: str, columns: Mapping[str, str]) -> Case | str:
    try:
        value = parse_json(line)
    except ValueError as error:
        return str(error)
    return read_value(value, columns)


def _refuse_contradiction(case: Case, *, said: bool) -> None:
    if not case.answerable and any(one.grade > 0 for one in case.relevant):
        raise ValueError("it has evidence, yet no answer: name what nearly answers it as 'near'")
    if not case.answerable and case.answers:
        raise ValueError("it has answers, yet is said to have none")
    if case.near and not (said or case.relevant or case.answers):
        raise ValueError("'near' is given: add \"answerable\": false, or what the answer rests on")
    if case.labels and not case.judged_answer:
        raise ValueError("'labels' are of an answer, which is missing: 'judged_answer'")


def _read_kind(given: Mapping[str, object]) -> Kind:
    kind = normalize(_text(given, "kind")).replace("_", "-")
    names: tuple[Kind, ...] = get_args(Kind)
    found = next((name for name in names if name == kind), None)
    if kind and not found:
        raise ValueError(f"'kind' is none of {', '.join(names)}; other groups are 'tags'")
    answerable = _read_answerable(given)
    if found and answerable not in (None, found == "answerable"):
        raise ValueError("'kind' and 'answerable' contradict each other")
    if found or answerable is not False:
        return found or "answerable"
    if "near" not in given:
        return "unanswerable"
    return "near-miss" if _read_documents(given, "near") else "out-of-corpus"


def _read_answerable(given: Mapping[str, object]) -> bool | None:
    value = given.get("answerable", "")
    word = str(value).strip().casefold() if isinstance(value, str | int) else "?"
    if word and word not in _SAYS:
        raise ValueError("'answerable' is neither true nor false")
    return _SAYS.get(word)


def _read_evidence(given: Mapping[str, object]) -> tuple[Relevant, ...]:
    """Return the evidence in its list, and what the case itself says as a row of a table does."""
    value = given.get("evidence", [])
    pieces = [_read_piece(one) for one in (value if isinstance(value, list) else [value])]
    if any(field in given for field in ("document", "page", "excerpt")):
        pieces.append(_make_relevant(given))
    return tuple(dict.fromkeys(pieces))


def _read_documents(given: Mapping[str, object], field: str) -> tuple[str, ...]:
    """Return documents that are named alone or as evidence is, whatever of them is meant."""
    value = given.get(field) or []
    names = [
        _name_document(_text(known_fields(one), "document"))
        if isinstance(one, dict)
        else _name_document(_text({field: one}, field))
        for one in (value if isinstance(value, list) else [value])
    ]
    return tuple(dict.fromkeys(filter(None, names)))


def _read_piece(value: object) -> Relevant:
    if isinstance(value, str):
        return _make_relevant({"document": value})
    if not isinstance(value, dict):
        raise ValueError("evidence is the name of a document or an object with 'doc'")
    return _make_relevant(known_fields(value))


def _name_document(name: str) -> str:
    """Return a document as the index calls it, whatever system its path was written on."""
    return name.replace("\\", "/").removeprefix("./")


def _make_relevant(given: Mapping[str, object]) -> Relevant:
    """Return a piece of evidence; "manual.pdf#p3" is a document and its page."""
    document, page = _name_document(_text(given, "document")), _number(given, "page", least=1)
    if page is None and (found := _PAGE.fullmatch(document)):
        document, page = found[1], int(found[2])
    if not document.strip():
        raise ValueError("evidence names no document: 'doc'")
    if (excerpt := _text(given, "excerpt")) and not excerpt.strip():
        raise ValueError("'excerpt' of evidence is blank: give its words, or leave it out")
    start, end = _number(given, "start", least=0), _number(given, "end", least=1)
    if (start is None) != (end is None) or (start is not None and start >= (end or 0)):
        raise ValueError("'start' and 'end' of evidence are offsets, the first the smaller one")
    return Relevant(document, excerpt, start, end, page, _read_grade(given))


def _read_labels(given: Mapping[str, object]) -> dict[str, float]:
    labels = given.get("labels", {})
    if not isinstance(labels, dict) or not all(
        isinstance(value, int | float) and 0 <= value <= 1 for value in labels.values()
    ):
        raise ValueError("'labels' are numbers from 0 to 1 by criterion")
    if unknown := next((name for name in labels if name not in CRITERIA), None):
        raise ValueError(f"'labels' are of {', '.join(CRITERIA)}, not of {unknown!r}")
    return {_text({"labels": name}, "labels"): float(value) for name, value in labels.items()}


def _read_grade(given: Mapping[str, object]) -> float:
    try:
        grade = float(_text(given, "grade") or 1)
    except ValueError:
        grade = math.nan
    if not math.isfinite(grade):
        raise ValueError("'grade' is no number")
    return grade


def _number(given: Mapping[str, object], field: str, *, least: int) -> int | None:
    text = _text(given, field).strip().removesuffix(".0")
    if not text:
        return None
    if not re.fullmatch(r"\d{1,15}", text) or int(text) < least:
        raise ValueError(f"'{field}' is no whole number from {least}")
    return int(text)


def _text(given: Mapping[str, object], field: str) -> str:
    value = given.get(field)
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"'{field}' is no text")
    text = str(value)
    if text != text.encode("utf-8", "ignore").decode("utf-8"):
        raise ValueError(f"'{field}' holds half a character, which is no UTF-8")
    return text
