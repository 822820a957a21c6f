"""What every command that asks does: a pipeline made ready, an answer shown as it is written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from ingest.base.errors import SettingsError
from rag.batch.questions import is_question
from rag.cli.asking.answers import show_text
from rag.cli.console import Terminal
from rag.cli.options import warn_of_remote, with_server
from rag.doctor import missing_folders
from rag.pipeline import Pipeline
from rag.query.base.answers import Answer
from rag.query.base.questions import Asked
from rag.settings import Settings

Result = TypeVar("Result")


def with_pipeline(
    settings: Settings, terminal: Terminal, action: Callable[[Pipeline], Result]
) -> Result:
    """Run the action on a pipeline whose models are there; warn of what is not as it should be."""

    def ready(chosen: Settings) -> Result:
        with Pipeline(chosen, terminal.on_wait) as pipeline:
            for root in missing_folders(pipeline.index.roots()):
                terminal.warn(f"{root} is not there; what was read from it still answers")
                terminal.note(f"fix: bring it back, or forget it: rag remove '{root}'")
            for choice in (
                pipeline.models.servers.embedding_choice,
                pipeline.models.servers.chat_choice,
            ):
                warn_of_remote(choice, terminal)
            return action(pipeline)

    return with_server(settings, terminal, ready)


def check_question(text: str) -> None:
    """Raise SettingsError for what has no letter and no digit to search for."""
    if text.strip() and not is_question(text):
        raise SettingsError(f"no question: {text.strip()[:80]}", 'write it in words: rag ask "..."')


def stream_answer(
    ask: Callable[..., Answer], terminal: Terminal, *, thinking: bool = False
) -> Answer:
    """Print an answer as it is written, and again where its check has changed it.

    It is returned without the notes that were shown before it was written.
    """
    pieces: list[str] = []
    told: list[str] = []
    with terminal.waiting("searching and waiting for the first word ...") as stop:

        def show(text: str) -> None:
            stop()
            pieces.append(text)
            terminal.write(text)

        def show_thinking(text: str) -> None:
            if thinking:
                stop()
                terminal.think(text)

        def show_asked(asked: Asked) -> None:
            told.extend(asked.notes)
            if not asked.notes and (asked.parts or asked.query != asked.question):
                terminal.note(f"searched for: {' / '.join(asked.parts or (asked.query,))}")
            for note in asked.notes:
                terminal.note(note)

        answer = ask(
            on_text=show,
            on_thinking=show_thinking,
            on_asked=show_asked,
            on_read=lambda done, total: terminal.progress(f"read {done} of {total} documents"),
        )
    streamed = "".join(pieces).split()
    if streamed:
        terminal.say()
    if streamed != answer.text.split():
        if streamed:
            terminal.say("\nAs checked against the passages:", "bold")
        show_text(terminal, answer)
    return replace(answer, notes=tuple(note for note in answer.notes if note not in told))
