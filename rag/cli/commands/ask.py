"""`rag ask`: one question, or a small prompt loop; answers are streamed, then sourced."""

from __future__ import annotations

import argparse
import sys

from ingest.base.errors import PipelineError
from rag.cli.console import Terminal, is_terminal
from rag.cli.options import load_settings, read_filters, warn_of_remote, with_server
from rag.cli.show import show_json, show_sources
from rag.doctor import missing_folders
from rag.index.store.records import Selection
from rag.pipeline import Pipeline
from rag.query.answer import Answer
from rag.settings import Settings


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    """Answer the question given, the one on standard input, or all that are typed."""
    settings = load_settings(options)
    selection = read_filters(options.filter)
    question = " ".join(options.question)
    is_loop = not question and not options.json and is_terminal(sys.stdin)
    if not question and not is_loop and sys.stdin is not None:
        question = sys.stdin.read()

    def action(chosen: Settings) -> int:
        with Pipeline(chosen, terminal.on_wait) as pipeline:
            for root in missing_folders(pipeline.index.roots()):
                terminal.warn(f"{root} is not there; what was read from it still answers")
                terminal.note(f"fix: bring it back, or forget it: rag remove '{root}'")
            for choice in (
                pipeline.models.servers.embedding_choice,
                pipeline.models.servers.chat_choice,
            ):
                warn_of_remote(choice, terminal)
            if not is_loop:
                answer_one(
                    pipeline,
                    question,
                    selection,
                    terminal,
                    as_json=options.json,
                    thinking=options.show_thinking,
                )
            else:
                _loop(pipeline, selection, terminal, thinking=options.show_thinking)
        return 0

    return with_server(settings, terminal, action)


def answer_one(
    pipeline: Pipeline,
    question: str,
    selection: Selection | None,
    terminal: Terminal,
    *,
    as_json: bool = False,
    thinking: bool = False,
) -> Answer:
    """Answer one question on the terminal, streamed."""
    if as_json:
        answer = pipeline.ask(question, selection=selection)
        show_json(terminal, answer)
        return answer
    with terminal.waiting("searching and waiting for the first word ...") as stop:

        def show(text: str) -> None:
            stop()
            terminal.write(text)

        def show_thinking(text: str) -> None:
            if thinking:
                stop()
                terminal.think(text)

        answer = pipeline.ask(
            question, selection=selection, on_text=show, on_thinking=show_thinking
        )
    if answer.abstained:
        terminal.write(answer.text)
    terminal.say()
    show_sources(terminal, answer)
    return answer


def _loop(
    pipeline: Pipeline, selection: Selection | None, terminal: Terminal, *, thinking: bool
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
            answer_one(pipeline, question, selection, terminal, thinking=thinking)
        except PipelineError as error:
            terminal.fail(error)
        terminal.say()
