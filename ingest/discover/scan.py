"""A folder in, the files in it out, and everything in it that is not read, with the reason."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from ingest.base.documents import Failure, Source
from ingest.base.errors import FolderError
from ingest.discover.ignore import (
    IGNORE_FILE,
    Rules,
    is_hidden,
    is_of_a_tool,
    is_secret,
    printable_name,
    read_rules,
)
from ingest.parse.base.files import MAX_FILE_BYTES, explain_size
from ingest.parse.base.media import is_unsupported, media_type_of

MAX_DEPTH = 64
INDEX_FILE = "catalogue.sqlite"

_VENV_FILE = "pyvenv.cfg"
_LINK_TAGS = frozenset({0xA000000C, 0xA0000003})  # Windows: symbolic link, junction.


@dataclass(frozen=True, slots=True)
class Looking:
    """What is looked at in a folder, besides plain files and folders that can be seen.

    With `known_only` nothing but the files right in it that an index already knows.
    """

    hidden_files: bool = False
    follow_links: bool = False
    known_only: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """What stands in a folder: files to read, what was refused, both sorted by id.

    `ignored` are the entries a `.ragignore` leaves out, folders with a `/` at the end;
    `hidden` counts those passed over because of their names.
    """

    sources: tuple[Source, ...] = ()
    failures: tuple[Failure, ...] = ()
    ignored: tuple[str, ...] = ()
    hidden: int = 0


@dataclass(frozen=True, slots=True)
class _Folder:
    """A folder to scan: `name` is its path below the root as it is, `prefix` as it is shown."""

    path: str
    name: str = ""
    prefix: str = ""
    rules: Rules = field(default_factory=Rules)
    above: tuple[tuple[int, int], ...] = ()  # Device and inode of the folders around it.


def check_folder(root: Path) -> None:
    """Raise FolderError unless `root` is a folder or a file; nothing is listed or opened."""
    _split_root(root)


def scan(root: Path, max_file_bytes: int = MAX_FILE_BYTES, looking: Looking | None = None) -> Seen:
    """List the files below a folder, or the one file that `root` is.

    What tools and hidden files keep is passed over; everything else that is not read is
    reported.  Links are followed only if `looking` says so, only inside the root, and lead to
    each file and folder once.  Raises FolderError when `root` is missing, cannot be read or is
    an index; a folder without files is no error.
    """
    base, only = _split_root(root)
    found = _Scan(os.path.realpath(base), max_file_bytes, looking or Looking())
    if only:
        found.visit(_Folder(found.root), only, named=True)
    else:
        status = base.stat()
        found.folders.append(_Folder(found.root, above=((status.st_dev, status.st_ino),)))
        found.walk()
        found.follow_links()
    return Seen(
        tuple(sorted(found.sources, key=lambda source: source.id)),
        tuple(sorted(found.failures, key=lambda failure: failure.source_id)),
        tuple(sorted(found.ignored)),
        found.hidden,
    )


@dataclass(slots=True)
class _Scan:
    root: str
    max_file_bytes: int
    looking: Looking
    sources: list[Source] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    hidden: int = 0
    folders: list[_Folder] = field(default_factory=list)
    links: list[tuple[str, _Folder, str]] = field(default_factory=list)
    entered: set[str] = field(default_factory=set)
    taken: set[str] = field(default_factory=set)

    def walk(self) -> None:
        """Scan the folders on the list and all those in them, without recursion."""
        while self.folders:
            self.list_folder(self.folders.pop())

    def list_folder(self, folder: _Folder) -> None:
        """Visit what is in one folder, unless it was already, or is an index or a program's."""
        if folder.path in self.entered:
            return
        self.entered.add(folder.path)
        try:
            with os.scandir(folder.path) as entries:
                names = [entry.name for entry in entries]
        except OSError as error:
            closed = _unreadable(folder.prefix.rstrip("/"), error)
            if not folder.prefix:
                raise FolderError(f"'{folder.path}' {closed.message}", closed.hint) from error
            self.failures.append(closed)
            return
        if INDEX_FILE in names:
            if not folder.prefix:
                raise FolderError(f"'{folder.path}' is an index", "name the folder of documents")
            return
        if _VENV_FILE in names and folder.prefix:
            self.hidden += len(names)
            return
        if IGNORE_FILE in names:
            folder = self.with_rules(folder)
        for name in names:
            self.visit(folder, name)

    def with_rules(self, folder: _Folder) -> _Folder:
        """Return the folder with the rules of its own `.ragignore`."""
        rules, problem, hint = read_rules(Path(folder.path, IGNORE_FILE))
        if problem:
            self.refuse(folder.prefix + IGNORE_FILE, "ignore-file", problem, hint)
        return replace(folder, rules=folder.rules.below(folder.name, rules))

    def visit(self, folder: _Folder, name: str, *, named: bool = False) -> None:
        """Sort one entry into sources, failures, what is ignored, links and folders to scan.

        One that was `named` by a person is neither hidden nor ignored.
        """
        path = os.path.join(folder.path, name)  # noqa: PTH118 - four times as fast as Path
        id = folder.prefix + printable_name(name)
        try:
            status = os.lstat(path)
        except FileNotFoundError:
            return  # It went while the folder was being listed.
        except OSError as error:
            self.failures.append(_unreadable(id, error))
            return
        is_link = _is_link(status)
        is_folder = stat.S_ISDIR(status.st_mode) and not is_link
        if not named and self.passes_over(name, status, is_folder=is_folder):
            self.hidden += name != IGNORE_FILE
        elif folder.rules.levels and folder.rules.ignore(folder.name + name, is_folder=is_folder):
            self.ignored.append(f"{id}/" if is_folder else id)
        elif is_link and self.looking.follow_links:
            self.links.append((id, folder, name))
        elif is_link:
            self.refuse(id, "symlink", "a link, not followed", "put the file itself here")
        elif is_secret(name, is_folder=is_folder):
            self.refuse(id, "secret", "looks like a key or password file", "keep it elsewhere")
        elif is_folder:
            self.enter(folder, name, path, status)
        else:
            self.take(id, path, name, status)

    def passes_over(self, name: str, status: os.stat_result, *, is_folder: bool) -> bool:
        """Tell whether an entry is hidden or a program's own."""
        if is_of_a_tool(name):
            return True
        hidden = is_hidden(name, is_folder=is_folder)
        attributes = getattr(status, "st_file_attributes", 0)  # Windows only.
        hidden = hidden or bool(attributes & stat.FILE_ATTRIBUTE_HIDDEN)
        return hidden and not self.looking.hidden_files

    def enter(self, folder: _Folder, name: str, path: str, status: os.stat_result) -> None:
        """Put a folder on the list, unless it is one of those around it, mounted here again."""
        id = folder.prefix + printable_name(name)
        key = (status.st_dev, status.st_ino)
        if self.looking.known_only:
            return
        if key in folder.above and status.st_ino:
            self.refuse(id, "loop", "the same folder as one around it", "unmount it here")
        elif folder.name.count("/") >= MAX_DEPTH:
            message = f"more than {MAX_DEPTH} folders deep"
            self.refuse(id, "too-deep", message, "move it further up")
        else:
            above = (*folder.above, key)
            self.folders.append(
                _Folder(path, f"{folder.name}{name}/", f"{id}/", folder.rules, above)
            )

    def take(self, id: str, path: str, name: str, status: os.stat_result) -> None:
        """Put a file on the list, unless it is none, nothing here reads it, or it is there."""
        if path in self.taken:
            return
        failure = _refuse(id, name, status, self.max_file_bytes)
        if failure:
            self.failures.append(failure)
            return
        self.taken.add(path)
        times = (status.st_mtime_ns, status.st_ctime_ns)
        self.sources.append(
            Source(id, self.root, Path(path), media_type_of(name), status.st_size, *times)
        )

    def follow_links(self) -> None:
        """Take what links lead to; it may hold further links."""
        while self.links:
            links, self.links = sorted(self.links, key=lambda link: link[0]), []
            for id, folder, name in links:
                self.follow(id, folder, name)

    def follow(self, id: str, folder: _Folder, name: str) -> None:
        """Take one file or folder under the name of a link to it, if it is not here already."""
        path = os.path.realpath(Path(folder.path, name))
        try:
            status = os.lstat(path)
        except OSError:
            self.refuse(id, "symlink", "a link that leads nowhere", "remove or mend it")
            return
        is_folder = stat.S_ISDIR(status.st_mode)
        if _is_link(status):
            self.refuse(id, "symlink", "a link that leads to itself", "remove or mend it")
        elif not Path(path).is_relative_to(self.root):
            self.refuse(id, "symlink", "a link that leads out of the folder", "put the file here")
        elif any(is_secret(n, is_folder=is_folder) for n in (name, Path(path).name)):
            self.refuse(id, "secret", "looks like a key or password file", "keep it elsewhere")
        elif is_folder and path not in self.entered:
            self.enter(folder, name, path, status)
            self.walk()
        elif not is_folder:
            self.take(id, path, name, status)

    def refuse(self, id: str, reason: str, message: str, hint: str) -> None:
        """Report an entry that is not read."""
        self.failures.append(Failure(id, reason, message, hint))


def _split_root(root: Path) -> tuple[Path, str]:
    """Return the folder to look at and, when `root` is a file, the one name to look for."""
    try:
        mode = root.stat().st_mode
    except OSError as error:
        raise FolderError(
            f"there is no file or folder '{root}'", "name an existing folder or file to ingest"
        ) from error
    if stat.S_ISDIR(mode):
        return root, ""
    if stat.S_ISREG(mode):
        real = Path(os.path.realpath(root))
        return real.parent, real.name
    raise FolderError(f"'{root}' is neither a folder nor a file", "name a folder of documents")


def _refuse(id: str, name: str, status: os.stat_result, max_bytes: int) -> Failure | None:
    if not stat.S_ISREG(status.st_mode):
        return Failure(id, "special-file", "not a regular file", "move it out of the folder")
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


def _unreadable(id: str, error: OSError) -> Failure:
    reason = error.strerror or type(error).__name__
    return Failure(id, "unreadable", f"cannot be opened: {reason}", "check its permissions")
