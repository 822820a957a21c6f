"""`rag ask --batch`: a file of questions in, a file of answers out; run again, it goes on."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from ingest.base.errors import PipelineError, SettingsError
from rag.batch.questions import Question, read_questions
from rag.batch.results import Results
from rag.batch.run import Outcome
from rag.cli.asking.stream import with_pipeline
from rag.cli.console import Terminal
from rag.cli.options import load_settings, read_filters
from rag.history.kept import Request
from rag.pipeline import Pipeline
from rag.settings import Settings

EXIT_SOME_FAILED = 2
_EXAMPLE = "rag ask --batch questions.jsonl --out answers.jsonl"


def run_batch(options: argparse.Namespace, terminal: Terminal) -> int:
    """Answer all questions of a file that were not answered yet."""
    _check(options)
    settings = load_settings(options)
    questions = [
        replace(
            question,
            filters=question.filters or tuple(options.filter),
            k=question.k or options.top_k,
        )
        for question in read_questions(_read(options.batch))
    ]
    if not questions:
        raise SettingsError(f"{options.batch} holds no question", "write one on each line")
    results = _open(questions, settings, options)
    try:
        earlier = sum(map(results.has, questions))
        code = 0
        if earlier < len(questions):
            code = _go_on(settings, questions, results, options, terminal)
        answered = sum(map(results.has, questions)) - earlier
    finally:
        results.close()
    before = f"{earlier} answered before, " if earlier else ""
    others = f"; {results.others} more of other questions, their index is null"
    told = f"{before}{answered} answered now: {options.out}{others if results.others else ''}"
    terminal.note(told, "bold")
    return code


def _check(options: argparse.Namespace) -> None:
    """Raise SettingsError for words that have no say here, or that every question would refuse."""
    if options.out is None or options.question:
        raise SettingsError("--batch needs a file for the answers, and no other question", _EXAMPLE)
    if options.json:
        raise SettingsError(
            "--json has no say with --batch, whose answers are JSON anyway",
            "leave it out; --explain writes prompts, passages and ranks as well",
        )
    if options.show_thinking:
        raise SettingsError("--show-thinking is for one question", "leave --batch or it out")
    try:
        read_filters(options.filter)
    except PipelineError as error:
        raise SettingsError(f"--filter: {error.message}", error.hint) from error


def _open(
    questions: Sequence[Question], settings: Settings, options: argparse.Namespace
) -> Results:
    """Return where the answers go; raises SettingsError where that is no place for them."""
    said = {
        "strict": options.strict,
        "survey": options.survey,
        "collection": settings.collection,
    }
    name = options.out
    try:
        return Results(_choose(name, options.batch), questions, said, in_full=options.explain)
    except OSError as error:
        raise SettingsError(
            f"{name} cannot be written: {error.strerror}", "name another file: --out answers.jsonl"
        ) from error


def _choose(name: str, questions: str) -> Path | BinaryIO:
    """Return a file, or a stream that holds nothing of an earlier run: a pipe, a terminal."""
    if name == "-":
        return os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    path = Path(name)
    if path.is_dir():
        raise SettingsError(f"{name} is a folder", f"name a file in it: --out {path / 'a.jsonl'}")
    if path.exists() and not path.is_file():
        return path.open("wb")
    if path.exists() and Path(questions).exists() and path.samefile(questions):
        raise SettingsError(
            f"{name} holds the questions", f"another file for the answers: {_EXAMPLE}"
        )
    return path.resolve()  # of a link the file, which is the one to be replaced


def _go_on(
    settings: Settings,
    questions: Sequence[Question],
    results: Results,
    options: argparse.Namespace,
    terminal: Terminal,
) -> int:
    """Ask what has no answer; where the server goes in the middle, tell it and what is left."""
    begun = sum(map(results.has, questions))
    try:
        return with_pipeline(
            settings,
            terminal,
            lambda pipeline: _ask(pipeline, questions, results, options, terminal),
        )
    except PipelineError as error:
        answered = sum(map(results.has, questions))
        if options.debug or answered == begun:
            raise
        terminal.fail(error)
        terminal.note(f"{len(questions) - answered} questions are left; run the same command again")
        return EXIT_SOME_FAILED


def _ask(
    pipeline: Pipeline,
    questions: Sequence[Question],
    results: Results,
    options: argparse.Namespace,
    terminal: Terminal,
) -> int:
    left = [question for question in questions if not results.has(question)]
    good: list[tuple[Question, Request]] = []
    bad: list[tuple[Question, Outcome]] = []
    failed = 0
    with terminal.batch_bar(len(left)) as advance:

        def write(question: Question, outcome: Outcome) -> None:
            nonlocal failed
            failed += outcome.answer is None
            results.write(question, outcome.answer or outcome.error or PipelineError("no answer"))
            advance(failed)

        for question in left:
            try:
                good.append((question, _request(question, options)))
            except PipelineError as error:
                bad.append((question, Outcome(question.index, Request(""), error=error)))
        requests = [request for _question, request in good]
        outcomes = pipeline.ask_all(
            requests, options.jobs, lambda outcome: write(good[outcome.index][0], outcome)
        )
        for question, outcome in bad:
            write(question, outcome)
        for _ in outcomes:
            pass  # each was written as soon as it was there
    if failed:
        terminal.warn(f"{failed} of {len(left)} questions have no answer; see 'error' there")
        terminal.note("fix: mend them or the server, and run the same command again")
    return EXIT_SOME_FAILED if failed else 0


def _request(question: Question, options: argparse.Namespace) -> Request:
    """Return a question as it is asked; raises PipelineError where it cannot be."""
    if question.problem:
        raise PipelineError(question.problem, "see rag ask --help for what a line holds")
    return Request(
        question.question,
        question.k,
        read_filters(question.filters),
        strict=options.strict,
        survey=options.survey,
    )


def _read(name: str) -> str:
    """Return the text of a file, "-" is standard input."""
    try:
        data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        problem = f"{name} is no UTF-8: {error.reason}"
    except OSError as error:
        problem = f"{name} cannot be read: {error.strerror}"
    raise SettingsError(problem, "name a file of text in UTF-8, or - for standard input")
