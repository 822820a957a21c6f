"""A folder in, its files out, and what to do with each compared with what the index remembers."""

from __future__ import annotations

import os
import stat
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

from ingest.base.documents import Failure, Known, Move, Plan, Source
from ingest.base.errors import FolderError, ParseError
from ingest.parse.base.files import MAX_FILE_BYTES, explain_size
from ingest.parse.base.media import is_unsupported, media_type_of

MAX_DEPTH = 64
INDEX_FILE = "catalogue.sqlite"
CLOCK_GRAIN_NS = 2_000_000_000  # The coarsest file time in use (FAT).

_TOOL_NAMES = frozenset({"node_modules", "__pycache__", "desktop.ini", "thumbs.db", "$recycle.bin"})
_SECRETS = (".env*", "*.pem", "*.key", "*.p12", "*.pfx", "*.jks", "*.kdbx", "*.ppk", "*.keystore")
_LINK_TAGS = frozenset({0xA000000C, 0xA0000003})  # Windows: symbolic link, junction.
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@dataclass(slots=True)
class _Scan:
    root: str
    max_file_bytes: int
    sources: list[Source] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    folders: list[tuple[Path, str, int]] = field(default_factory=list)


def check_folder(root: Path) -> None:
    """Raise FolderError unless `root` is a folder or a file; nothing is listed or opened."""
    _split_root(root)


def scan(root: Path, max_file_bytes: int = MAX_FILE_BYTES) -> tuple[list[Source], list[Failure]]:
    """List the files below a folder, or the one file that `root` is, sorted by id.

    Links are not followed; hidden files, tool folders and indexes of ours are passed over in
    silence, everything else that is not read is reported.  Raises FolderError when `root` is
    missing, cannot be read or is an index; a folder without files is no error.
    """
    base, only = _split_root(root)
    found = _Scan(os.path.realpath(base), max_file_bytes)
    found.folders.append((Path(found.root), "", 0))
    if only:
        _visit(found, Path(found.root) / only, only, "", 0)
    while found.folders and not only:
        _scan_folder(found, *found.folders.pop())
    found.sources.sort(key=lambda source: source.id)
    found.failures.sort(key=lambda failure: failure.source_id)
    return found.sources, found.failures


def diff(
    sources: Sequence[Source],
    known: Mapping[str, Known],
    recipe: str,
    read_fingerprint: Callable[[Source], str],
) -> Plan:
    """Compare the files seen with those remembered; each source lands in exactly one list.

    Content is only read (by `read_fingerprint`, which may raise ParseError) when size and
    time do not prove that it is the same, or when a new file may be a moved one.
    """
    seen = {source.id for source in sources}
    vanished = {id: entry for id, entry in known.items() if id not in seen}
    by_size = _movable(vanished, recipe)
    moves: dict[str, Move] = {}
    sorted_out: dict[str, list[Source]] = {}
    skipped: list[Failure] = []
    for source in sources:
        entry = known.get(source.id)
        verdict = _compare(source, entry, recipe, read_fingerprint) if entry else "new"
        if entry and entry.failure and verdict != "changed":
            skipped.append(entry.failure)
            continue
        candidates = [id for id in by_size.get(source.size_bytes, ()) if id not in moves]
        move = None
        if not entry and candidates:
            move = _find_move(source, {id: vanished[id] for id in candidates}, read_fingerprint)
        if move:
            moves[move.old_id] = move
        else:
            sorted_out.setdefault(verdict, []).append(source)
    return Plan(
        new=tuple(sorted_out.get("new", ())),
        changed=tuple(sorted_out.get("changed", ())),
        moved=tuple(moves.values()),
        unchanged=tuple(sorted_out.get("unchanged", ())),
        touched=tuple(sorted_out.get("touched", ())),
        vanished=tuple(id for id in vanished if id not in moves),
        skipped=tuple(skipped),
    )


def printable_name(name: str) -> str:
    """Return a file name as text: what is no text, or could disturb a terminal, is escaped.

    Backslashes are escaped too, so two different names never become the same.
    """
    return "".join(_escape(char) for char in name)


def _escape(char: str) -> str:
    unsafe = char == "\\" or char in _BIDI or unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp")
    if 0xDC80 <= ord(char) <= 0xDCFF:
        return f"\\x{ord(char) - 0xDC00:02x}"  # A byte of the name that is no text.
    return char.encode("unicode_escape").decode("ascii") if unsafe else char


def _split_root(root: Path) -> tuple[Path, str]:
    """Return the folder to look at and, when `root` is a file, the one name to look for."""
    try:
        mode = root.stat().st_mode
    except OSError as error:
        raise FolderError(
            f"there is no folder '{root}'", "name an existing folder or file to ingest"
        ) from error
    if stat.S_ISDIR(mode):
        return root, ""
    if stat.S_ISREG(mode):
        real = Path(os.path.realpath(root))
        return real.parent, real.name
    raise FolderError(f"'{root}' is neither a folder nor a file", "name a folder of documents")


def _scan_folder(found: _Scan, folder: Path, prefix: str, depth: int) -> None:
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries]
    except OSError as error:
        closed = _unreadable(prefix.rstrip("/"), error)
        if not prefix:
            raise FolderError(f"'{folder}' {closed.message}", closed.hint) from error
        found.failures.append(closed)
        return
    if INDEX_FILE in names:
        if not prefix:
            raise FolderError(f"'{folder}' is an index", "name the folder of the documents")
        return
    for name in names:
        if not _is_passed_over(name):
            _visit(found, folder / name, name, prefix, depth)


def _visit(found: _Scan, path: Path, name: str, prefix: str, depth: int) -> None:
    """Sort one entry into sources, failures or folders still to scan."""
    identity = prefix + printable_name(name)
    try:
        status = path.lstat()
    except FileNotFoundError:
        return  # It went while the folder was being listed.
    except OSError as error:
        found.failures.append(_unreadable(identity, error))
        return
    if getattr(status, "st_file_attributes", 0) & stat.FILE_ATTRIBUTE_HIDDEN:
        return
    if stat.S_ISDIR(status.st_mode) and not _is_link(status):
        if depth >= MAX_DEPTH:
            message = f"more than {MAX_DEPTH} folders deep"
            found.failures.append(Failure(identity, "too-deep", message, "move it further up"))
        else:
            found.folders.append((path, f"{identity}/", depth + 1))
        return
    failure = _refuse(identity, name, status, found.max_file_bytes)
    if failure:
        found.failures.append(failure)
        return
    media_type = media_type_of(name)
    found.sources.append(
        Source(identity, found.root, path, media_type, status.st_size, status.st_mtime_ns)
    )


def _refuse(id: str, name: str, status: os.stat_result, max_bytes: int) -> Failure | None:
    if _is_link(status):
        return Failure(id, "symlink", "a link, not followed", "put the file itself here")
    if not stat.S_ISREG(status.st_mode):
        return Failure(id, "special-file", "not a regular file", "move it out of the folder")
    if _is_secret(name):
        return Failure(id, "secret", "looks like a key or password file", "keep it elsewhere")
    if is_unsupported(name):
        kind = PurePosixPath(name).suffix.lower()
        return Failure(
            id, "unsupported", f"no parser for {kind} files", "convert it to text or PDF"
        )
    if status.st_size > max_bytes:
        return Failure(id, "too-large", *explain_size(status.st_size, max_bytes))
    return None


def _is_link(status: os.stat_result) -> bool:
    return stat.S_ISLNK(status.st_mode) or getattr(status, "st_reparse_tag", 0) in _LINK_TAGS


def _is_secret(name: str) -> bool:
    lower = name.lower()
    is_ssh_key = lower.startswith("id_") and PurePosixPath(lower).suffix in ("", ".pub")
    return is_ssh_key or any(fnmatch(lower, pattern) for pattern in _SECRETS)


def _is_passed_over(name: str) -> bool:
    if name.startswith("."):
        return not name.lower().startswith(".env")
    return name.startswith("~$") or name.lower() in _TOOL_NAMES or name == "venv"


def _unreadable(id: str, error: OSError) -> Failure:
    reason = error.strerror or type(error).__name__
    return Failure(id, "unreadable", f"cannot be opened: {reason}", "check its permissions")


def nothing_to_read(root: Path, failures: Sequence[Failure]) -> FolderError:
    """Return the error for a folder of which nothing was read, now or ever."""
    if not failures:
        return FolderError(f"'{root}' holds no files", "put documents into it, or name another")
    first = failures[0]
    return FolderError(
        f"'{root}' holds nothing that can be read: {len(failures)} entries refused, "
        f"the first is {first.source_id}: {first.message}",
        first.hint or "put documents of a supported format into it",
    )


def _compare(
    source: Source, entry: Known, recipe: str, read_fingerprint: Callable[[Source], str]
) -> str:
    """Return "unchanged", "touched" or "changed"."""
    if entry.recipe != recipe or not entry.fingerprint:
        return "changed"
    same_status = (source.size_bytes, source.mtime_ns) == (entry.size_bytes, entry.mtime_ns)
    if same_status and entry.mtime_ns + CLOCK_GRAIN_NS < entry.seen_ns:
        return "unchanged"
    if source.size_bytes != entry.size_bytes:
        return "changed"
    try:
        return "touched" if read_fingerprint(source) == entry.fingerprint else "changed"
    except ParseError:
        return "changed"  # Reading it again will say what is wrong.


def _movable(vanished: Mapping[str, Known], recipe: str) -> dict[int, list[str]]:
    """Return the vanished ids whose chunks could serve a file of the same content, by size."""
    by_size: dict[int, list[str]] = {}
    for id, entry in vanished.items():
        if entry.recipe == recipe and not entry.failure:
            by_size.setdefault(entry.size_bytes, []).append(id)
    return by_size


def _find_move(
    source: Source, candidates: Mapping[str, Known], read_fingerprint: Callable[[Source], str]
) -> Move | None:
    """Return the move if a vanished file of the same format has the content of this new one."""
    try:
        fingerprint = read_fingerprint(source)
    except ParseError:
        return None  # Reading it as a new file will say what is wrong.
    for id, entry in candidates.items():
        if entry.fingerprint == fingerprint and media_type_of(id) == source.media_type:
            return Move(id, source, fingerprint)
    return None
