"""Answers in, whole lines of a file out, from which a later run knows what was answered."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock
from types import MappingProxyType
from typing import Any, BinaryIO

from ingest.base.errors import PipelineError
from rag.batch.questions import Question
from rag.history.records import plain
from rag.query.base.answers import Answer

_BEGIN = b'{"index": '
_NOTHING: Mapping[str, object] = MappingProxyType({})
# The text of what is cited stands with each citation.
_MUCH = ("context", "messages", "found")


class Results:
    """A file, or a stream, with one line of JSON for each question that was asked.

    A line is an object with `index`, `id`, `question`, `with` (filter, k and what else it was
    asked with, where there is any) and either `answer` or `error` with `message` and `hint`.
    `in_full` is an answer as `rag ask --json --explain` prints it, else it is without prompt and
    passages but those cited.  Each line is on disk when it was written.

    Opened again, a file keeps the answers to these questions, asked with the same; each question
    has a line of its own, at its `index` of now.  Answers to what is not asked here stay, with
    null as `index`; errors, answers that one of the same id, or of the same words, will replace,
    and what a crash left of a last line are taken out.
    """

    def __init__(
        self,
        target: Path | BinaryIO,
        questions: Sequence[Question],
        said: Mapping[str, object] = _NOTHING,
        *,
        in_full: bool = False,
    ) -> None:
        self._said, self._in_full = said, in_full
        self._lock = Lock()
        self._done: set[int] = set()
        self.others = 0
        self._is_file = isinstance(target, Path)
        if isinstance(target, Path):
            rewrite(target, self._sort(_read_lines(target), questions))
            self._file = open_private(target, "ab")
        else:
            self._file = target

    def has(self, question: Question) -> bool:
        """Return whether a question has an answer by now."""
        return question.index in self._done

    def write(self, question: Question, result: Answer | PipelineError) -> None:
        """Add a line and return when it is on disk; from any thread."""
        record: dict[str, object] = {"index": question.index, **self._name(question)}
        if isinstance(result, Answer):
            answer: dict[str, object] = plain(result)
            record["answer"] = {
                name: value for name, value in answer.items() if self._in_full or name not in _MUCH
            }
        else:
            record["error"] = {"message": result.message, "hint": result.hint}
        with self._lock:
            self._file.write(_line(record) + b"\n")
            self._file.flush()
            if self._is_file:
                os.fsync(self._file.fileno())
            if isinstance(result, Answer):
                self._done.add(question.index)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._file.close()

    def _name(self, question: Question) -> dict[str, object]:
        """Return what tells whether the same was asked before."""
        asked = {"filter": list(question.filters), "k": question.k, **self._said}
        given = {name: value for name, value in asked.items() if value not in (None, [], "")}
        return {
            "id": question.id,
            "question": question.question,
            **({"with": given} if given else {}),
        }

    def _sort(
        self, lines: Sequence[tuple[bytes, dict[str, Any]]], questions: Sequence[Question]
    ) -> list[bytes]:
        """Return the lines that stay, each with the place that its question has now."""
        places: dict[str, list[int]] = {}
        for question in questions:
            places.setdefault(_key(self._name(question)), []).append(question.index)
        named = {_short(self._name(question)) for question in questions}
        kept = []
        for line, record in lines:
            if "answer" not in record:
                continue
            free = places.get(_key(record))
            index = free.pop(0) if free else None
            if index is not None:
                self._done.add(index)
            elif _short(record) in named:
                continue
            else:
                self.others += 1
            kept.append(line if record["index"] == index else _line({**record, "index": index}))
        return kept


def _line(record: Mapping[str, object]) -> bytes:
    return json.dumps(record, ensure_ascii=False).encode("utf-8", "backslashreplace")


def _key(record: Mapping[str, Any]) -> str:
    return json.dumps([record["id"], record["question"], record.get("with")], sort_keys=True)


def _short(record: Mapping[str, Any]) -> str:
    """Return what a question is known by: its id, without one its words."""
    name = record["id"]
    return json.dumps([record["question"]] if name is None else name, sort_keys=True)


def _read_lines(path: Path) -> list[tuple[bytes, dict[str, Any]]]:
    """Return the whole lines of a file, with what each says; raises PipelineError."""
    try:
        *lines, torn = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    found = []
    if not torn.startswith(_BEGIN[: len(torn)]):
        lines.append(torn)  # no line of ours that a crash cut
    for number, line in enumerate(filter(None, lines), start=1):
        try:
            record = json.loads(line)
            _key(record)
            record["index"]
        except (ValueError, TypeError, KeyError, RecursionError):
            raise PipelineError(
                f"{path} is no file of answers: line {number} is none",
                "name another file: --out answers.jsonl",
            ) from None
        found.append((line, record))
    return found


def rewrite(path: Path, lines: Sequence[bytes]) -> None:
    """Leave only these lines in the file, all at once or not at all."""
    content = b"".join(line + b"\n" for line in lines)
    is_there = path.exists()
    if content == (path.read_bytes() if is_there else b""):
        return
    draft = path.with_name(f"{path.name}.new")
    with open_private(draft, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    if is_there:
        shutil.copymode(path, draft)
    draft.replace(path)


def open_private(path: Path, mode: str) -> BinaryIO:
    """Open a file; a new one is for its owner alone, as the documents may be."""

    def make(name: str, flags: int) -> int:
        return os.open(name, flags, 0o600)

    return open(path, mode, opener=make)  # type: ignore[return-value]
