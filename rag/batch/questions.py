"""The text of a file of questions in, the questions out, those that are none with the reason."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

MOST_PASSAGES = 1000
MOST_CHARACTERS = 20_000
"""Of a question: what is longer is a document, and would keep all others waiting."""
_LINE_END = re.compile(r"\r\n|\r|\n")  # not U+2028, which may stand in a text of JSON
_BLANKS = re.compile(r"\s*")
_BEGINS_JSON = re.compile(r"\{\s*[\"'}]")


@dataclass(frozen=True, slots=True)
class Question:
    """A question of a batch; `index` is its place from 0, `id` its name as JSON has it.

    `filters` limit it to documents, as --filter does; `problem` says why it cannot be asked.
    """

    index: int
    question: str
    id: object = None
    filters: tuple[str, ...] = ()
    k: int | None = None
    problem: str = ""


def read_questions(text: str) -> list[Question]:
    """Return the questions of a JSON list, of JSON objects, or of plain lines.

    In JSON a question is a text, or an object with `question` and, where wanted, `id`, `filter`
    (a pattern or a list of them) and `k`.  Blank lines are no questions.
    """
    text = text.removeprefix("\ufeff")
    return [_read(index, value) for index, value in enumerate(_values(text))]


def is_question(text: str) -> bool:
    """Return whether a text has a letter or a digit, which all that can be searched for has."""
    return any(map(str.isalnum, text))


def _values(text: str) -> Iterator[object]:
    """Yield what stands for each question: a text, an object, or the error of a line."""
    if text.lstrip().startswith(("[", "{")) and (whole := _parse_whole(text)) is not None:
        yield from whole
        return
    lines = [line.strip() for line in _LINE_END.split(text) if line.strip()]
    parsed = [_parse(line) for line in lines]
    is_json = any(isinstance(value, dict) for value in parsed)
    if is_json or (lines and _BEGINS_JSON.match(lines[0])):
        yield from parsed
    else:
        yield from lines  # plain, also where one begins with a bracket


def _parse_whole(text: str) -> list[object] | None:
    """Return the items of a list, or objects over any lines; None where it is neither."""
    decoder, values = json.JSONDecoder(parse_constant=lambda _name: None), list[object]()
    at, end = _skip_blanks(text, 0), len(text)
    try:
        while at < end:
            value, at = decoder.raw_decode(text, at)
            at = _skip_blanks(text, at)
            if isinstance(value, list) and at == end and not values:
                return value
            if not isinstance(value, dict):
                return None
            values.append(value)
    except (ValueError, RecursionError):
        return None
    return values


def _skip_blanks(text: str, at: int) -> int:
    found = _BLANKS.match(text, at)
    return found.end() if found else at


def _parse(line: str) -> object:
    try:
        return json.loads(line, parse_constant=lambda _name: None)
    except (ValueError, RecursionError) as error:
        return ValueError(f"this line is no JSON: {error}: {line[:80]}")


def _read(index: int, value: object) -> Question:
    if isinstance(value, str):
        return _checked(Question(index, value.strip()))
    if isinstance(value, ValueError):
        return Question(index, "", problem=str(value))
    if not isinstance(value, dict) or not isinstance(value.get("question"), str):
        name = value.get("id") if isinstance(value, dict) else None
        problem = "a question is a text, or has one as 'question'"
        return Question(index, "", name, problem=problem)
    filters, k = value.get("filter"), value.get("k")
    question = Question(index, value["question"].strip(), value.get("id"))
    patterns = [filters] if isinstance(filters, str) else [] if filters is None else filters
    if not isinstance(patterns, list) or not all(isinstance(one, str) for one in patterns):
        return replace(question, problem="'filter' is neither a text nor a list of texts")
    is_number = isinstance(k, int) and not isinstance(k, bool) and 1 <= k <= MOST_PASSAGES
    if k is not None and not is_number:
        return replace(question, problem=f"'k' is no whole number from 1 to {MOST_PASSAGES}")
    return _checked(replace(question, filters=tuple(patterns), k=k))


def _checked(question: Question) -> Question:
    text = question.question
    if not text:
        return replace(question, problem="the question is empty")
    if len(text) > MOST_CHARACTERS:
        problem = f"the question has {len(text)} characters; at most {MOST_CHARACTERS} are taken"
        return replace(question, question=f"{text[:80]}…", problem=problem)
    if not is_question(text):
        return replace(question, problem=f"no question: {text[:80]}")
    if text != text.encode("utf-8", "ignore").decode("utf-8"):
        return replace(question, problem="the question holds half a character, which is no UTF-8")
    return question
