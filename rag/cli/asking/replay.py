"""`rag replay`: a kept answer again, as of now, and what changed."""

from __future__ import annotations

import argparse

from ingest.base.errors import SettingsError
from rag.cli.asking.answers import local_time
from rag.cli.asking.stream import with_pipeline
from rag.cli.console import Terminal
from rag.cli.options import load_settings
from rag.cli.show import show_json
from rag.history.replay import Mark, Replay
from rag.history.store import History
from rag.pipeline import Pipeline

EXIT_CHANGED = 3
_STYLES: dict[Mark, str] = {"same": "", "gone": "red strike", "new": "green"}
_SIGNS: dict[Mark, tuple[str, str]] = {"same": ("", ""), "gone": ("[-", "-]"), "new": ("{+", "+}")}


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    """Show what changed since an answer; 0 when nothing did, 3 when something did."""
    if options.list and options.id:
        raise SettingsError("--list shows all answers, not one", f"rag replay {options.id}")
    if options.forget and not options.id:
        raise SettingsError("--forget needs the id of the answer", "rag replay --list shows them")
    settings = load_settings(options)
    history = History(settings.index_dir)
    if options.list:
        return _list(history, terminal, as_json=options.json)
    if options.forget:
        forgotten = history.forget_answer(options.id)
        if options.json:
            show_json(terminal, {"forgot": forgotten})
        else:
            terminal.say(f"forgot {forgotten}")
        return 0
    id = history.find(options.id).id
    history.close()

    def action(pipeline: Pipeline) -> int:
        with terminal.waiting("answering again ..."):
            replay = pipeline.replay(
                id, lambda done, total: terminal.progress(f"read {done} of {total} documents")
            )
        if options.json:
            show_json(terminal, {"is_same": replay.is_same, "replay": replay})
        else:
            _show(terminal, replay)
        return 0 if replay.is_same else EXIT_CHANGED

    return with_pipeline(settings, terminal, action)


def _list(history: History, terminal: Terminal, *, as_json: bool) -> int:
    lines = history.answers()
    if as_json:
        show_json(terminal, lines)
        return 0
    for line in lines:
        terminal.say(f"{line.id}  {local_time(line.asked_at)}  ", "dim", end="")
        question = " ".join(line.question.split())
        terminal.say(f"{question[:80]}{' (refused)' if line.abstained else ''}")
    if not lines:
        terminal.note("no answer is kept here; ask first: rag ask")
    return 0


def _show(terminal: Terminal, replay: Replay) -> None:
    before = replay.before
    terminal.say(before.request.question, "bold")
    terminal.note(f"{before.id}, asked {local_time(before.asked_at)}")
    if replay.is_same:
        terminal.say("\nNothing changed: the same passages, the same answer.", "green")
        return
    terminal.say("\nWhat changed", "bold")
    for change in replay.changes:
        terminal.say(f"  {change.kind:<9} {change.text}")
    if before.answer.text == replay.now.answer.text:
        terminal.say("\nThe answer is the same.", "green")
        return
    words = replay.words()
    if all(mark != "same" for mark, _text in words):
        terminal.say("\nThe answer was", "bold")
        terminal.say(before.answer.text)
        terminal.say("\nThe answer is", "bold")
        terminal.say(replay.now.answer.text)
        return
    terminal.say("\nThe answer", "bold")
    for mark, text in words:
        # Colour alone says nothing in a file, nor to who cannot tell red from green.
        begin, end = _SIGNS[mark]
        terminal.say(f"{begin}{text}{end}", _STYLES[mark], end="")
    terminal.say()
