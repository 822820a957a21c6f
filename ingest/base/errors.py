"""The root of the error family: every failure says what happened and what to do next.

PipelineError(message, hint)
├── SettingsError              a setting has a value that is not allowed
├── ParseError                 one file cannot be read; the run goes on without it
│   ├── UnsupportedFormat
│   ├── EncryptedDocument
│   ├── EmptyDocument
│   ├── UnreadableFile
│   ├── ReadingFailed          (ingest.parse.base.failures) it cost too much, or broke the reader
│   └── EmbeddingRejected
├── TextsRejected              the embedder took some texts and refused others
├── FolderError                the folder to ingest is missing or holds nothing
├── EndpointError              (rag.models.base.errors) the model server
│   ├── EndpointUnreachable
│   ├── ModelUnavailable
│   │   └── ModelLost
│   ├── AuthenticationFailed
│   ├── ContextOverflow
│   ├── RequestRefused
│   ├── ServerBusy
│   └── BadResponse
│       ├── OnlyThought
│       └── EndlessAnswer      (rag.models.wire.client)
├── IndexFault                 (rag.index.base.errors) the index on disk
│   ├── IndexMissing
│   ├── IndexMismatch
│   ├── IndexLocked
│   ├── IndexDamaged
│   └── DiskFull
├── HistoryFault               (rag.history.errors) the answers that are kept
└── NothingKept
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from ingest.base.documents import Page, Vectors


class PipelineError(Exception):
    """Base of every error this program raises on purpose.

    `message` is one line: what happened. `hint` is one line: what to do next.
    `exit_code` is what the command line returns when nothing handles it.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class SettingsError(PipelineError):
    """A setting has a value that is not allowed."""

    exit_code = 2


class ParseError(PipelineError):
    """One file cannot be turned into text; `reason` is its short code in reports.

    `fingerprint` is that of the bytes that were refused, "" when they could not even be read.
    `pages` are those that were looked at in vain.
    """

    reason: ClassVar[str] = "corrupt"
    fingerprint: str = ""
    pages: tuple[Page, ...] = ()


class UnsupportedFormat(ParseError):
    """The content is of a kind no parser reads, or binary."""

    reason = "unsupported"


class EncryptedDocument(ParseError):
    """A password is needed to read the file."""

    reason = "encrypted"


class EmptyDocument(ParseError):
    """The file was read and holds no text."""

    reason = "no-text"


class UnreadableFile(ParseError):
    """The operating system or a limit of ours refused the file."""

    reason = "unreadable"


class EmbeddingRejected(ParseError):
    """The embedding model refuses a part of the file's text."""

    reason = "embed-rejected"


class TextsRejected(PipelineError):
    """The embedder refused some of the texts it was given and embedded the others.

    `reasons` maps the position of each refused text to why; `vectors` has one row for each
    of the others, in order.  `too_long` are those of the refused that, cut to the embedder's
    limit as it is now, may be taken.
    """

    def __init__(
        self, reasons: Mapping[int, str], vectors: Vectors, too_long: Collection[int] = ()
    ) -> None:
        super().__init__(f"{len(reasons)} texts could not be embedded", "see the report")
        self.reasons = reasons
        self.vectors = vectors
        self.too_long = too_long


class FolderError(PipelineError):
    """The folder to ingest is missing, not a folder, or holds nothing that can be read."""
