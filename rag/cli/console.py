"""How output looks: two consoles, errors with their remedy, text of documents made harmless."""

from __future__ import annotations

import math
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO

from rich.console import Console
from rich.status import Status
from rich.text import Text

from ingest.base.documents import Progress
from ingest.base.errors import PipelineError

# Terminal control: escape sequences, whole where they are (OSC with its text, so no links), C0 and
# C1 but tab and newline, marks that change the direction of text.
_CONTROL = re.compile(
    r"(?:\x1b\]|\x9d)[^\x07\x1b\x9c\n]{0,2048}(?:\x07|\x1b\\|\x9c)"
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|\x1b[ -/]*[0-~]?"
    r"|[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)
# What a later piece of a stream may make into such a sequence.
_UNFINISHED = re.compile(
    r"(?:(?:\x1b\]|\x9d)[^\x07\x1b\x9c\n]{0,2048}\x1b?|(?:\x1b\[|\x9b)[0-?]*[ -/]*|\x1b[ -/]*)\Z"
)
_TELL_AGAIN_SECONDS = 10.0


def clean(text: str) -> str:
    """Return text that can move no cursor, set no colour and reverse no line."""
    return _CONTROL.sub("", text)


class Cleaner:
    """Cleans a text that comes in pieces, where a sequence may begin in one and end in another."""

    def __init__(self) -> None:
        self._held = ""

    def feed(self, piece: str) -> str:
        """Return what of the text so far can be shown now."""
        text = self._held + piece
        open_end = _UNFINISHED.search(text)
        shown = text[: open_end.start()] if open_end else text
        self._held = text[len(shown) :]
        return clean(shown)

    def end(self) -> str:
        """Return what was held back, now that nothing follows."""
        held, self._held = self._held, ""
        return clean(held)


def is_terminal(stream: IO[str] | None) -> bool:
    """Tell whether a person is at the other end; a stream that was closed is None."""
    return stream is not None and stream.isatty()


def forgive_encoding() -> None:
    """Let a console that lacks a character show `?` in its place instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


def _console(file: IO[str]) -> Console:
    return Console(file=file, markup=False, highlight=False, emoji=False, soft_wrap=True)


class Terminal:
    """Where results (`say`) and everything about them (`note`, `warn`, `fail`) are printed.

    `clock` tells seconds, for what is not to be said too often.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.out = _console(sys.stdout)
        self.err = _console(sys.stderr)
        self._clock = clock
        self._status: Status | None = None
        self._thought = ""  # the last characters of a thought that no line has followed yet
        self._told: dict[str, float] = {}
        self._stream = Cleaner()

    @property
    def is_interactive(self) -> bool:
        """Tell whether someone is there to read and to answer."""
        return is_terminal(sys.stdin) and is_terminal(sys.stdout)

    def say(self, text: str = "", style: str = "", end: str = "\n") -> None:
        """Print a result to standard output."""
        self._end_thought()
        self._end_stream()
        self.out.print(Text(clean(text), style=style), end=end)

    def write(self, text: str) -> None:
        """Print a piece of a streamed answer at once."""
        self._end_thought()
        self.out.file.write(self._stream.feed(text))
        self.out.file.flush()

    def _end_stream(self) -> None:
        self.out.file.write(self._stream.end())

    def think(self, text: str) -> None:
        """Print a piece of a model's thinking, dim, to standard error at once."""
        self.err.print(Text(clean(text), style="dim italic"), end="")
        self._thought = (self._thought + clean(text))[-2:]

    def _end_thought(self) -> None:
        """Leave a blank line after a thought, wherever it ended."""
        thought, self._thought = self._thought, ""
        if thought:
            ended = len(thought) - len(thought.rstrip("\n"))
            self.err.file.write("\n" * (2 - ended))
            self.err.file.flush()

    def note(self, text: str, style: str = "dim") -> None:
        """Print something about a result to standard error."""
        self._end_thought()
        self.err.print(Text(clean(text), style=style))

    def warn(self, text: str) -> None:
        """Print a warning to standard error."""
        self.note(f"warning: {text}", "yellow")

    def fail(self, error: PipelineError) -> None:
        """Print what happened and what to do next."""
        self._end_thought()
        self.err.print(Text("error: ", style="bold red") + Text(clean(error.message)))
        if error.hint:
            self.err.print(Text("fix:   ", style="bold green") + Text(clean(error.hint)))

    def confirm(self, question: str) -> bool:
        """Ask a yes-or-no question; no answer means yes."""
        self.err.print(Text(f"{question} [Y/n] "), end="")
        try:
            return input().strip().lower() in ("", "y", "yes", "j", "ja")
        except EOFError:
            return False

    @contextmanager
    def waiting(self, text: str) -> Iterator[Callable[[], None]]:
        """Show on a terminal that something is waited for, until the function yielded is called."""
        if not self.err.is_terminal:
            yield lambda: None
            return
        with self.err.status(Text(text)) as status:
            self._status = status

            def stop() -> None:
                self._status = None
                status.stop()

            try:
                yield stop
            finally:
                self._status = None

    def progress(self, text: str) -> None:
        """Show in the status line, if there is one, how far something has come."""
        if self._status is not None:
            self._status.update(Text(clean(text)))

    def on_wait(self, what: str, seconds: float) -> None:
        """Say what a server is waited for, and for how long already.

        In the status line if there is one; else in a line of its own, the same one again only
        after ten seconds.
        """
        text = clean(what) if seconds < 1 else f"{clean(what)} ({seconds:.0f} s so far)"
        if self._status is not None:
            self._status.update(Text(text))
            return
        now = self._clock()
        if now - self._told.get(what, -math.inf) >= _TELL_AGAIN_SECONDS:
            self._told[what] = now
            self.note(text)

    @contextmanager
    def ingest_bar(self) -> Iterator[Callable[[Progress], None]]:
        """Yield a function that shows files, chunks, rate and time left, on a terminal only."""
        from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        columns = (
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            TextColumn("{task.fields[files]} files, {task.fields[chunks]} chunks"),
            TextColumn("{task.fields[rate]:.0f}/s"),
            TimeRemainingColumn(),
        )
        silent = not self.err.is_terminal
        with Bar(*columns, console=self.err, transient=True, disable=silent) as bar:
            task = bar.add_task("", total=None, files="0", chunks=0, rate=0.0)

            def show(progress: Progress) -> None:
                bar.update(
                    task,
                    total=progress.bytes_total or 1,
                    completed=progress.bytes_done,
                    files=f"{progress.files_done}/{progress.files_total}",
                    chunks=progress.chunks_done,
                    rate=progress.chunks_done / (bar.tasks[0].elapsed or 1.0),
                )

            yield show

    @contextmanager
    def batch_bar(self, total: int) -> Iterator[Callable[[int], None]]:
        """Yield a function to call for each question, with how many failed; on a terminal only."""
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        columns = (BarColumn(), MofNCompleteColumn(), TextColumn("questions{task.fields[failed]}"))
        silent = not self.err.is_terminal
        with Bar(
            *columns, TimeRemainingColumn(), console=self.err, transient=True, disable=silent
        ) as bar:
            task = bar.add_task("", total=total, failed="")
            yield lambda failed: bar.update(
                task, advance=1, failed=f", {failed} failed" if failed else ""
            )

    @contextmanager
    def download_bar(self) -> Iterator[Callable[[str, int, int], None]]:
        """Yield a function that shows what is fetched and how many bytes of it are there."""
        from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
        silent = not self.err.is_terminal
        with Bar(
            *columns, TimeRemainingColumn(), console=self.err, transient=True, disable=silent
        ) as bar:
            task = bar.add_task("", total=None)

            def show(label: str, done: int, total: int) -> None:
                bar.update(task, description=label, completed=done, total=total or None)

            yield show
