"""A path in, its bytes out: only of a regular file, bounded, and only if it held still."""

from __future__ import annotations

import errno
import os
import stat
from hashlib import sha256
from pathlib import Path

from ingest.base.errors import UnreadableFile
from ingest.parse.base.failures import ChangedFile, LinkedFile, SpecialFile, TooLarge

MAX_FILE_BYTES = 64_000_000

# A link is not followed, a pipe does not block, and Windows translates no line ends.
_FLAGS = os.O_RDONLY | sum(
    getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY")
)


def read_bytes(path: Path, max_bytes: int = MAX_FILE_BYTES) -> bytes:
    """Return the content of a regular file, read a second time if it changed meanwhile.

    Raises UnreadableFile or one of its kinds.
    """
    try:
        content = _read_still(path, max_bytes)
        if content is None:
            content = _read_still(path, max_bytes)
    except OSError as error:
        raise _translate(error) from error
    if content is None:
        raise ChangedFile(
            "the file changed while it was read", "run again when nothing writes to it"
        )
    return content


def fingerprint_of(data: bytes) -> str:
    """Return the SHA-256 of the bytes in hexadecimal."""
    return sha256(data).hexdigest()


def explain_size(size: int, limit: int) -> tuple[str, str]:
    """Return message and hint about a file that has more bytes than the limit."""
    return (
        f"the file has {size / 1e6:.1f} MB, the limit is {limit / 1e6:g} MB",
        "split the file or raise RAG_MAX_FILE_MEGABYTES",
    )


def _read_still(path: Path, max_bytes: int) -> bytes | None:
    """Return the content, or None if the file changed between first and last look."""
    with os.fdopen(os.open(path, _FLAGS), "rb") as file:
        before = os.fstat(file.fileno())
        if not stat.S_ISREG(before.st_mode):
            raise SpecialFile("not a regular file", "only regular files are read")
        if before.st_size > max_bytes:
            raise _too_large(before.st_size, max_bytes)
        content = file.read(max_bytes + 1)
        after = os.fstat(file.fileno())
    still = (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)
    return content if still and len(content) == after.st_size else None


def _too_large(size: int, max_bytes: int) -> TooLarge:
    return TooLarge(*explain_size(size, max_bytes))


def _translate(error: OSError) -> UnreadableFile:
    if error.errno == errno.ELOOP:
        return LinkedFile("a symbolic link, not followed", "put the file itself into the folder")
    if error.errno in (errno.ENXIO, errno.EISDIR):
        return SpecialFile("not a regular file", "only regular files are read")
    reason = error.strerror or type(error).__name__
    return UnreadableFile(f"cannot be opened: {reason}", "check the file's permissions")
