"""The particular ways in which one file cannot be read, each with its reason code."""

from __future__ import annotations

from ingest.base.errors import EmptyDocument, ParseError, UnreadableFile, UnsupportedFormat


class EmptyFile(EmptyDocument):
    """The file has no bytes."""

    reason = "empty"


class BinaryFile(UnsupportedFormat):
    """The content is no text in any known encoding."""

    reason = "binary"


class TooLarge(UnreadableFile):
    """The file, or what is packed in it, is over a limit of ours."""

    reason = "too-large"


class ChangedFile(UnreadableFile):
    """The file was written to while it was read, twice."""

    reason = "changed"


class SpecialFile(UnreadableFile):
    """A pipe, device or socket now stands where a file was seen."""

    reason = "special-file"


class LinkedFile(UnreadableFile):
    """A symbolic link now stands where a file was seen."""

    reason = "symlink"


class ReadingFailed(ParseError):
    """Reading the file ended the process that did it."""

    reason = "crash"


class TimedOut(ReadingFailed):
    """The file, or a page of it, was not read in the time it is given."""

    reason = "timeout"


class OutOfMemory(ReadingFailed):
    """Reading the file takes more memory than a file is given."""

    reason = "memory"
