"""The name of an entry in, whether it is left unread: hidden, a tool's, secret, or by a rule."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.base.errors import ParseError
from ingest.parse.base.files import read_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

IGNORE_FILE = ".ragignore"
MAX_IGNORE_BYTES = 64_000
MAX_RULES = 1000
MAX_RULE_LENGTH = 500
# Each wildcard multiplies the time that a hostile name can take: three cost 0.03 s, four 2 s.
MAX_WILDCARDS_IN_NAME = 3
MAX_WILDCARDS = 8

_HOW = "write it as a .gitignore, in UTF-8; the other rules hold"

_TOOL_NAMES = frozenset(
    {
        "node_modules", "__pycache__", "desktop.ini", "thumbs.db", "$recycle.bin", ".ds_store",
        ".git", ".hg", ".svn", ".venv", ".tox", ".mypy_cache", ".ruff_cache", ".pytest_cache",
    }
)  # fmt: skip
_SECRET_ENDS = (".pem", ".key", ".p12", ".pfx", ".jks", ".kdbx", ".ppk", ".keystore")
_SECRET_NAMES = frozenset(
    {".netrc", "_netrc", ".pgpass", ".git-credentials", ".npmrc", ".pypirc", ".htpasswd"}
)
_SECRET_FOLDERS = frozenset({".ssh", ".gnupg", ".aws", ".kube"})
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def is_of_a_tool(name: str) -> bool:
    """Tell whether an entry is a program's own, of no use to a reader."""
    lower = name.lower()
    return lower in _TOOL_NAMES or name in ("venv", IGNORE_FILE) or name[:2] == "~$"


def is_hidden(name: str, *, is_folder: bool = False) -> bool:
    """Tell whether a name begins with a dot; secrets do not count, they are told of."""
    return name[:1] == "." and not is_secret(name, is_folder=is_folder)


def is_secret(name: str, *, is_folder: bool = False) -> bool:
    """Tell whether a name is that of a key or password file, or of a folder of such."""
    lower = name.lower()
    if is_folder:
        return lower in _SECRET_FOLDERS
    if lower.endswith(_SECRET_ENDS) or lower.startswith(".env") or lower in _SECRET_NAMES:
        return True
    return lower.startswith("id_") and ("." not in lower or lower.endswith(".pub"))


def printable_name(name: str) -> str:
    """Return a file name as text: what is no text, or could disturb a terminal, is escaped.

    Backslashes are escaped too, so two different names never become the same.
    """
    if name.isascii() and name.isprintable() and "\\" not in name:
        return name
    return "".join(_escape(char) for char in name)


def _escape(char: str) -> str:
    unsafe = char == "\\" or char in _BIDI or unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp")
    if 0xDC80 <= ord(char) <= 0xDCFF:
        return f"\\x{ord(char) - 0xDC00:02x}"  # A byte of the name that is no text.
    return char.encode("unicode_escape").decode("ascii") if unsafe else char


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of a `.ragignore`: what it matches is ignored, or kept after all (`!`)."""

    pattern: GitIgnoreSpecPattern
    keeps: bool
    folders_only: bool
    by_name: bool
    inside: bool

    def matches(self, path: str, name: str, *, is_folder: bool) -> bool:
        """Tell whether the rule speaks of this very entry; what it says of its parents is past."""
        if self.folders_only and not is_folder:
            return False
        if self.by_name:
            return self.pattern.match_file(name) is not None
        regex = self.pattern.regex
        assert regex is not None, "a rule without a pattern is not made"
        return bool(regex.match(path) if self.inside else regex.fullmatch(path))


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules that hold in a folder: those of each `.ragignore` from the root down to it.

    Each comes with the path of its folder, "" for the root, else "a/b/".
    """

    levels: tuple[tuple[str, tuple[Rule, ...]], ...] = ()

    def below(self, prefix: str, rules: tuple[Rule, ...]) -> Rules:
        """Return these rules with those of a folder further down, which win."""
        return Rules((*self.levels, (prefix, rules))) if rules else self

    def ignore(self, path: str, *, is_folder: bool) -> bool:
        """Tell whether an entry is ignored; the last rule that matches it decides.

        `path` is relative to the root with `/` between names.  As in git, what lies in an
        ignored folder is not asked about any more.
        """
        name = path.rpartition("/")[2]
        for prefix, rules in reversed(self.levels):
            below = path[len(prefix) :]
            for rule in reversed(rules):
                if rule.matches(below, name, is_folder=is_folder):
                    return not rule.keeps
        return False


def read_rules(path: Path) -> tuple[tuple[Rule, ...], str, str]:
    """Return the rules in a `.ragignore`, and what is wrong with it and what to do, or "".

    Nothing that stands in it raises; what is no rule is left out.
    """
    try:
        data = read_bytes(path, MAX_IGNORE_BYTES)
    except ParseError as error:
        return (), f"its rules are not applied: {error.message}", error.hint
    text, is_text = _decode(data)
    rules, bad = _compile(text.splitlines())
    if bad:
        numbers = ", ".join(map(str, bad[:5])) + (" ..." if len(bad) > 5 else "")
        return rules, f"no rules that can be followed in line {numbers}", _HOW
    return rules, "" if is_text else "it is not UTF-8 text; names with accents may not match", _HOW


def _decode(data: bytes) -> tuple[str, bool]:
    """Return the text, and whether it was UTF-8, or the UTF-16 that Windows likes to write."""
    codec = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return data.decode(codec), True
    except UnicodeDecodeError:
        return data.decode("utf-8", "surrogateescape"), False


def _compile(lines: Iterable[str]) -> tuple[tuple[Rule, ...], list[int]]:
    """Return the rules, and the numbers of the lines that are none."""
    rules: list[Rule] = []
    bad: list[int] = []
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        rule = _compile_rule(line) if len(rules) < MAX_RULES else None
        if rule:
            rules.append(rule)
        else:
            bad.append(number)
    return tuple(rules), bad


def _compile_rule(line: str) -> Rule | None:
    """Return the rule, None when it is none or could take too long."""
    from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

    keeps = line.startswith("!")
    text = (line if line.endswith("\\ ") else line.rstrip()).removeprefix("!")
    bare = text.rstrip("/")
    if not bare or len(text) > MAX_RULE_LENGTH or _is_costly(bare):
        return None
    try:
        # What begins with ! or # here was escaped, or follows the ! that was taken off.
        pattern = GitIgnoreSpecPattern(f"\\{bare}" if bare[0] in "!#" else bare)
    except (ValueError, re.error):
        return None
    if pattern.regex is None:
        return None
    return Rule(pattern, keeps, text != bare, "/" not in bare, bare.endswith("/**"))


def _is_costly(text: str) -> bool:
    names = [len(re.findall(r"\*+", name)) for name in text.split("/")]
    return max(names) > MAX_WILDCARDS_IN_NAME or sum(names) > MAX_WILDCARDS


class Visible:
    """Tells of single paths below a root whether a scan would look at them.

    It remembers the rules it read: make a new one when they may have changed.
    """

    def __init__(self, root: Path, *, hidden_files: bool = False) -> None:
        self._root = root
        self._hidden_files = hidden_files
        self._rules: dict[tuple[str, ...], Rules] = {}

    def shows(self, path: Path) -> bool:
        """Tell whether a change at the path can matter; a `.ragignore` always does."""
        try:
            names = path.relative_to(self._root).parts
        except ValueError:
            return True  # Another spelling of the root: better one look too many.
        for depth, name in enumerate(names, 1):
            is_last = depth == len(names)
            is_folder = not is_last or path.is_dir()
            if is_last and name == IGNORE_FILE:
                return True
            hidden = not self._hidden_files and is_hidden(name, is_folder=is_folder)
            if hidden or is_of_a_tool(name):
                return False
            rules = self._rules_in(names[: depth - 1])
            if rules.ignore("/".join(names[:depth]), is_folder=is_folder):
                return False
        return True

    def _rules_in(self, names: tuple[str, ...]) -> Rules:
        """Return the rules that hold for what is right in a folder."""
        if names not in self._rules:
            above = self._rules_in(names[:-1]) if names else Rules()
            file = self._root.joinpath(*names, IGNORE_FILE)
            own = read_rules(file)[0] if file.is_file() else ()
            prefix = "".join(f"{name}/" for name in names)
            self._rules[names] = above.below(prefix, own)
        return self._rules[names]
