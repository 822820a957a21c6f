"""`rag ask`: one question, many from a file, or a small prompt; answers streamed, then sourced."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict, replace
from functools import partial

from ingest.base.errors import PipelineError, SettingsError
from rag.cli.asking.answers import show_closing, show_sources
from rag.cli.asking.batch import run_batch
from rag.cli.asking.explain import show_found
from rag.cli.asking.stream import check_question, stream_answer, with_pipeline
from rag.cli.console import Terminal, is_terminal
from rag.cli.options import load_settings, read_filters
from rag.cli.show import show_json
from rag.history.kept import Request
from rag.pipeline import Pipeline
from rag.query.base.answers import Answer


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    """Answer the question given, the one on standard input, all of a file, or all typed."""
    if options.batch is not None:
        return run_batch(options, terminal)
    for name in ("out", "jobs"):
        if getattr(options, name) is not None:
            raise SettingsError(f"--{name} is for many questions", "name their file: --batch FILE")
    settings = load_settings(options)
    question = " ".join(options.question)
    is_loop = not question and not options.json and is_terminal(sys.stdin)
    if not question and not is_loop and sys.stdin is not None:
        question = sys.stdin.read()
    if not is_loop:
        check_question(question)
    request = Request(
        question,
        options.top_k,
        read_filters(options.filter),
        strict=options.strict,
        survey=options.survey,
    )

    def action(pipeline: Pipeline) -> int:
        if is_loop:
            _loop(pipeline, request, options, terminal)
        else:
            answer_one(pipeline, request, terminal, options)
        return 0

    return with_pipeline(settings, terminal, action)


def answer_one(
    pipeline: Pipeline,
    request: Request,
    terminal: Terminal,
    options: argparse.Namespace | None = None,
) -> Answer:
    """Answer one question on the terminal, streamed; `options` say what more is shown."""
    ask = partial(
        pipeline.ask,
        request.question,
        k=request.k,
        selection=request.selection,
        strict=request.strict,
        survey=request.survey,
    )
    explain = options is not None and options.explain
    if options is not None and options.json:
        answer = ask()
        told = asdict(answer)
        if not explain:
            del told["found"]
        show_json(terminal, told)
        return answer
    answer = stream_answer(ask, terminal, thinking=options is not None and options.show_thinking)
    show_sources(terminal, answer)
    if explain:
        show_found(terminal, answer, lambda q: pipeline.explain(q, request.k, answer.selection))
    show_closing(terminal, answer)
    return answer


def _loop(
    pipeline: Pipeline, request: Request, options: argparse.Namespace, terminal: Terminal
) -> None:
    terminal.note("Ask about your documents; an empty line ends.")
    while True:
        try:
            question = input("> ").strip()
        except EOFError:
            question = ""
        if not question:
            return
        try:
            check_question(question)
            answer_one(pipeline, replace(request, question=question), terminal, options)
        except PipelineError as error:
            terminal.fail(error)
        terminal.say()
