"""How files are read: limits and passwords in one record, the pages of one file in another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ingest.base.errors import SettingsError
from ingest.parse.base.files import MAX_FILE_BYTES


@dataclass(frozen=True, slots=True)
class Reading:
    """What a file may cost, and what is tried on it; `passwords` are tried in order.

    `file_seconds` bounds what is not a page, `page_seconds` each page; `memory_bytes` is the
    address space of the process that reads.  `ocr` reads pages without text where the extra
    that can is installed.
    """

    max_file_bytes: int = MAX_FILE_BYTES
    passwords: tuple[str, ...] = ()
    ocr: bool = True
    file_seconds: float = 30.0
    page_seconds: float = 10.0
    memory_bytes: int = 2_000_000_000

    def __post_init__(self) -> None:
        if self.max_file_bytes < 1:
            raise SettingsError(f"max_file_bytes is {self.max_file_bytes}", "set it to 1 or more")


@dataclass(slots=True)
class PageLog:
    """The pages of one file, across the processes that reading it may take.

    `texts` maps the 1-based number of each page that was tried to its text, None where it could
    not be read in time: those are not tried again.  A parser calls `begin` with the seconds a
    page may take, then `done`; both go to whoever watches over it.  `fingerprint` is that of
    the file's bytes, "" before they were read.
    """

    texts: dict[int, str | None] = field(default_factory=dict)
    on_begin: Callable[[int, float], None] = lambda _number, _seconds: None
    on_done: Callable[[int, str], None] = lambda _number, _text: None
    on_open: Callable[[str], None] = lambda _fingerprint: None
    fingerprint: str = ""

    def open(self, fingerprint: str) -> None:
        """Say that the bytes of the file were read."""
        self.fingerprint = fingerprint
        self.on_open(fingerprint)

    def begin(self, number: int, seconds: float) -> None:
        """Say that a page is being read."""
        self.on_begin(number, seconds)

    def done(self, number: int, text: str) -> None:
        """Keep the text of a page."""
        self.texts[number] = text
        self.on_done(number, text)
