"""`rag chat`: a conversation that is kept, typed line by line."""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import MappingProxyType

from ingest.base.errors import PipelineError, SettingsError
from rag.cli.asking.answers import local_time, show_closing, show_sources, show_text
from rag.cli.asking.explain import show_found
from rag.cli.asking.stream import check_question, stream_answer, with_pipeline
from rag.cli.console import Terminal, is_terminal
from rag.cli.options import load_settings, read_filters
from rag.history.conversation import Conversation
from rag.history.errors import NothingKept
from rag.history.store import History
from rag.pipeline import Pipeline

_HELP = """\
/sources           the sources of the last answer, quoted in full
/why               how the passages of the last answer were found
/filter PATTERN..  only files that match (handbook/*, .pdf, after:2024-01-31);
                   alone it shows what is set, /filter off ends it
/history           what was asked so far
/new               begin anew; what was said is kept
/quit              end; so does Ctrl-D.  Ctrl-C stops an answer
A question that begins with / is typed with a blank before it."""
_ENDS = ("/quit", "/exit")


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    """Talk until it is ended, or list or forget conversations."""
    if options.question and (options.list or options.forget is not None):
        raise SettingsError("no question is asked with --list or --forget", 'rag chat "QUESTION"')
    check_question(" ".join(options.question))
    settings = load_settings(options)
    history = History(settings.index_dir)
    if options.list:
        return _list(history, terminal)
    if options.forget is not None:
        count = history.forget(options.forget)
        terminal.say(
            f"forgot '{options.forget}' with its {count} {'answer' if count == 1 else 'answers'}"
        )
        return 0
    name = _choose(history, options)
    history.close()

    def action(pipeline: Pipeline) -> int:
        with pipeline.chat(name) as conversation:
            return Chat(pipeline, conversation, terminal, options).run()

    return with_pipeline(settings, terminal, action)


def _choose(history: History, options: argparse.Namespace) -> str:
    """Return the name to go on under, "" for a new one that gets its name later."""
    if options.resume is None and not options.name:
        return ""
    names = [line.name for line in history.conversations()]
    if options.resume is None:
        if options.name in names:
            raise SettingsError(
                f"there is a conversation '{options.name}' already",
                f"go on with it: {_resume(options.name)}",
            )
        return options.name or ""
    if options.resume and options.resume not in names:
        raise NothingKept(f"there is no conversation '{options.resume}'", "rag chat --list")
    if not names:
        raise NothingKept("no conversation is kept here", "begin one: rag chat")
    return str(options.resume or names[0])


def _resume(name: str) -> str:
    """Return the command that goes on with a conversation, as the shell takes it."""
    quoted = subprocess.list2cmdline([name]) if os.name == "nt" else shlex.quote(name)
    return f"rag chat --resume {quoted}"


def _list(history: History, terminal: Terminal) -> int:
    lines = history.conversations()
    for line in lines:
        turns = "1 question" if line.turns == 1 else f"{line.turns} questions"
        terminal.say(f"{line.name:<20} {local_time(line.asked_at)}  {turns}: ", end="")
        terminal.say(" ".join(line.question.split())[:60], "dim")
    if not lines:
        terminal.note("no conversation is kept here; begin one: rag chat")
    return 0


class Chat:
    """One run of `rag chat`: what is typed in, what is shown out."""

    def __init__(
        self,
        pipeline: Pipeline,
        conversation: Conversation,
        terminal: Terminal,
        options: argparse.Namespace,
    ) -> None:
        self._pipeline, self._conversation = pipeline, conversation
        self._terminal, self._options = terminal, options
        self._is_typed = is_terminal(sys.stdin)
        self._first: str | None = " ".join(options.question) or None
        if options.filter:
            conversation.selection = read_filters(options.filter)
            self._patterns = list(options.filter)
        else:
            self._patterns = _describe(conversation)
        self._commands: Mapping[str, Callable[[list[str]], None]] = MappingProxyType(
            {
                "/sources": self._show_sources,
                "/why": self._show_why,
                "/filter": self._filter,
                "/history": self._show_history,
                "/new": self._begin_anew,
                "/help": lambda _words: terminal.note(_HELP),
            }
        )

    def run(self) -> int:
        """Read and answer until the end of input, /quit, or Ctrl-C twice."""
        with suppress(KeyboardInterrupt):  # the second one, pressed fast
            self._go_on()
        self._take_leave()
        return 0

    def _go_on(self) -> None:
        interrupts, is_greeted = 0, False
        while interrupts < 2:
            try:
                if not is_greeted:
                    is_greeted = True
                    self._greet()
                line = self._read()
                if line is None or line.split(" ")[0] in _ENDS:
                    break
                self._do(line)
                interrupts = 0
            except KeyboardInterrupt:
                interrupts += 1
                if interrupts == 1:
                    self._terminal.note("\nCtrl-C again, or /quit, ends")
            except PipelineError as error:
                self._terminal.fail(error)

    def _greet(self) -> None:
        turns = len(self._conversation.answers)
        if turns:
            last = self._conversation.answers[-1]
            after = "1 question" if turns == 1 else f"{turns} questions"
            self._terminal.note(f"Going on with '{self._conversation.name}' after {after}.")
            self._terminal.say(f"> {last.question}", "dim")
            show_text(self._terminal, last)
            if self._patterns:
                self._filter([])
        else:
            self._terminal.note("Ask about your documents; /help shows what else there is.")
            if self._pipeline.history.conversations():
                self._terminal.note("Earlier ones: rag chat --list, rag chat --resume NAME")

    def _take_leave(self) -> None:
        if name := self._conversation.name:
            self._terminal.note(f"kept; go on with it: {_resume(name)}")

    def _read(self) -> str | None:
        """Return the next line, None at the end; the first may have come with the command."""
        line, self._first = self._first, None
        if line is not None:
            return f" {line}"  # a question, however it begins
        if self._is_typed:
            with suppress(ImportError):  # editing of lines; Windows has its own
                import readline  # noqa: F401
        try:
            return input("\n> " if self._is_typed else "").rstrip()
        except EOFError:
            return None

    def _do(self, line: str) -> None:
        if not line.startswith("/"):
            if question := line.strip():
                check_question(question)
                self._ask(question)
            return
        command, *words = line.split()
        if command in self._commands:
            self._commands[command](words)
        else:
            self._terminal.note(f"there is no {command}; /help shows what there is")
            self._terminal.note("a question that begins so is typed with a blank before it")

    def _ask(self, question: str) -> None:
        turns = len(self._conversation.answers)

        try:
            answer = stream_answer(
                lambda **show: self._conversation.ask(
                    question, k=self._options.top_k, strict=self._options.strict, **show
                ),
                self._terminal,
                thinking=self._options.show_thinking,
            )
        except KeyboardInterrupt:
            was_kept = len(self._conversation.answers) > turns
            what = "stopped; what was written is kept" if was_kept else "stopped"
            self._terminal.note(f"\n{what}", "yellow")
            return
        show_sources(self._terminal, answer)
        show_closing(self._terminal, answer, named=False)

    # ---- commands

    def _show_sources(self, _words: list[str]) -> None:
        if answers := self._conversation.answers:
            show_sources(self._terminal, answers[-1], in_full=True)
        else:
            self._terminal.note("nothing was asked yet")

    def _show_why(self, _words: list[str]) -> None:
        if not self._conversation.answers:
            self._terminal.note("nothing was asked yet")
            return
        answer, k = self._conversation.answers[-1], self._options.top_k
        show_found(self._terminal, answer, lambda q: self._pipeline.explain(q, k, answer.selection))

    def _filter(self, words: list[str]) -> None:
        if words in (["off"], ["clear"], ["none"]):
            self._patterns, self._conversation.selection = [], None
        elif words:
            selection = read_filters(words)
            if not self._pipeline.index.count(selection):
                self._terminal.note(f"no document matches {' '.join(words)}; not set", "yellow")
                return
            self._patterns, self._conversation.selection = words, selection
        now = " ".join(self._patterns)
        self._terminal.note(f"only files that match: {now}" if now else "all documents")

    def _show_history(self, _words: list[str]) -> None:
        for number, answer in enumerate(self._conversation.answers, start=1):
            self._terminal.say(f"{number:>3}  {answer.question}", "bold")
            text = " ".join(answer.text.split())
            self._terminal.say(f"     {text[:160]}{'…' if len(text) > 160 else ''}")
        if not self._conversation.answers:
            self._terminal.note("nothing was asked yet")

    def _begin_anew(self, _words: list[str]) -> None:
        self._take_leave()
        self._conversation.clear()
        self._terminal.note("a new conversation begins")


def _describe(conversation: Conversation) -> list[str]:
    """Return a selection of an earlier run as the patterns that were typed."""
    selection = conversation.selection
    if selection is None:
        return []
    dates = (("after", selection.modified_after), ("before", selection.modified_before))
    told = [f"{word}:{date}" for word, date in dates if date]
    return [*selection.path_globs, *selection.suffixes, *told]
