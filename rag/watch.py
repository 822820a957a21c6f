"""Folders in, a round of ingestion for each whose files changed and then were left alone."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from math import inf
from pathlib import Path

from watchfiles import watch

from ingest.base.documents import IngestReport
from ingest.base.errors import FolderError, PipelineError
from ingest.discover.ignore import Visible

_TICK_SECONDS = 0.1
_STEP_MILLISECONDS = 50


@dataclass(frozen=True, slots=True)
class Pace:
    """How long to wait: for quiet, for quiet that never comes, before another try, and so on.

    A try that failed is repeated after `retry_seconds`, then after twice as long each time, up
    to `most_retry_seconds`.
    """

    quiet_seconds: float = 1.5
    longest_seconds: float = 30.0
    look_seconds: float = 1.0
    retry_seconds: float = 2.0
    most_retry_seconds: float = 60.0
    poll_seconds: float = 2.0


@dataclass(slots=True)
class _Root:
    """A folder that is watched; `first` and `last` tell when changes came that still wait."""

    path: Path
    identity: tuple[int, int] | None = None
    is_there: bool = False
    first: float = inf
    last: float = inf
    retry_at: float = -inf
    tries: int = 0
    trouble: str = ""

    def change(self, now: float) -> None:
        """Remember that something changed."""
        self.first = min(self.first, now)
        self.last = now

    def is_due(self, now: float, pace: Pace) -> bool:
        """Tell whether it is time for a round."""
        if not self.is_there or self.first == inf or now < self.retry_at:
            return False
        waited = now - self.first >= pace.longest_seconds
        return waited or now - self.last >= pace.quiet_seconds

    def look(self) -> bool:
        """Look whether the folder is there, and the one it was; return whether that changed.

        An empty folder in place of another is the mount point of a drive that is gone.
        """
        identity = _identity(self.path)
        if identity and self.identity not in (None, identity) and _is_empty(self.path):
            identity = None
        changed = (identity is not None) != self.is_there
        changed = changed or identity not in (None, self.identity)
        self.is_there = identity is not None
        self.identity = identity or self.identity
        return changed


@dataclass(slots=True)
class Watcher:
    """Follows folders: `ingest` brings one in line and may raise PipelineError.

    `done` is told of each round with its seconds, `failed` of what went wrong (once, while the
    same goes wrong again and again), `note` of all else.  Changes in `index_dir` do not count.
    """

    ingest: Callable[[Path], IngestReport]
    done: Callable[[Path, IngestReport, float], None]
    failed: Callable[[Path, PipelineError], None]
    note: Callable[[str], None]
    index_dir: Path
    hidden_files: bool = False
    poll: bool = False
    pace: Pace = field(default_factory=Pace)
    _roots: list[_Root] = field(default_factory=list)

    def follow(self, folders: Sequence[Path], stop: threading.Event | None = None) -> None:
        """Ingest the folders, then each again after it changed, until `stop` is set.

        Raises FolderError when one of them is a file.
        """
        stop = stop or threading.Event()
        for folder in folders:
            if folder.is_file():
                raise FolderError(f"'{folder}' is a file", "name the folder it is in")
        self._roots = [_Root(folder.resolve()) for folder in folders]
        for root in self._roots:
            root.look()
            if not root.is_there:
                self.note(f"{root.path} is not there; waiting for it")
            root.first = root.last = -inf
        while not stop.is_set():
            self._follow_present(stop)

    def _follow_present(self, stop: threading.Event) -> None:
        """Follow the folders that are there now, until that is other ones."""
        looked_at = time.monotonic()
        present = [root for root in self._roots if root.is_there]
        for paths in self._changes(present, stop):
            now = time.monotonic()
            self._sort(paths, present, now)
            if now - looked_at >= self.pace.look_seconds:
                looked_at = now
                if self._look(now):
                    return
            for root in present:
                if not stop.is_set() and root.is_due(time.monotonic(), self.pace):
                    self._run(root)

    def _changes(self, roots: list[_Root], stop: threading.Event) -> Iterator[list[Path]]:
        """Yield the paths that changed, often none, at least at every tick."""
        if not roots:
            while not stop.wait(_TICK_SECONDS):
                yield []
            return
        try:
            for changes in watch(
                *(root.path for root in roots),
                watch_filter=None,
                debounce=4 * _STEP_MILLISECONDS,
                step=_STEP_MILLISECONDS,
                rust_timeout=int(_TICK_SECONDS * 1000),
                yield_on_timeout=True,
                stop_event=stop,
                force_polling=self.poll,
                poll_delay_ms=int(self.pace.poll_seconds * 1000),
                ignore_permission_denied=True,
            ):
                yield [Path(path) for _, path in changes]
        except FileNotFoundError:
            stop.wait(_TICK_SECONDS)  # One of them went just now.
        except (OSError, RuntimeError) as error:
            self._fall_back(error, stop)

    def _fall_back(self, error: Exception, stop: threading.Event) -> None:
        """Poll from now on: the system tells of no changes, or not in so many folders."""
        if self.poll:
            stop.wait(self.pace.retry_seconds)
            return
        self.note(f"the system tells of no changes here ({error}); looking for them instead")
        self.poll = True

    def _sort(self, paths: list[Path], roots: list[_Root], now: float) -> None:
        """Remember for each folder whether something changed in it that a scan would look at."""
        if not paths:
            return
        index = self.index_dir.resolve()
        for root in roots:
            visible = Visible(root.path, hidden_files=self.hidden_files)
            inside = (path for path in paths if path == root.path or root.path in path.parents)
            if any(
                index != path and index not in path.parents and visible.shows(path)
                for path in inside
            ):
                root.change(now)

    def _look(self, now: float) -> bool:
        """Look for all folders; tell of those that went or came back, and bring these in line."""
        changed = False
        for root in self._roots:
            was_there = root.is_there
            if not root.look():
                continue
            changed = True
            if not root.is_there:
                self.note(f"{root.path} is gone; what was read from it still answers")
                continue
            if not was_there:
                self.note(f"{root.path} is there")
            root.change(now)
            root.retry_at = -inf
        return changed

    def _run(self, root: _Root) -> None:
        """Bring a folder in line; when that fails, it is tried again later."""
        root.first = root.last = inf
        started = time.monotonic()
        try:
            report = self.ingest(root.path)
        except PipelineError as error:
            if error.message != root.trouble:  # Its hint may be another one each time.
                self.failed(root.path, error)
            root.trouble = error.message
            self._try_again(root)
            return
        self.done(root.path, report, time.monotonic() - started)
        root.trouble = ""
        if any(failure.reason == "changed" for failure in report.skipped):
            self._try_again(root)
        else:
            root.tries, root.retry_at = 0, -inf

    def _try_again(self, root: _Root) -> None:
        now = time.monotonic()
        seconds = min(self.pace.retry_seconds * 2**root.tries, self.pace.most_retry_seconds)
        root.tries = min(root.tries + 1, 16)
        root.retry_at = now + seconds
        root.change(now)


def _identity(path: Path) -> tuple[int, int] | None:
    """Return what tells a folder from another one at its place, None when there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return (status.st_dev, status.st_ino) if path.is_dir() else None


def _is_empty(path: Path) -> bool:
    try:
        with os.scandir(path) as entries:
            return next(entries, None) is None
    except OSError:
        return True
