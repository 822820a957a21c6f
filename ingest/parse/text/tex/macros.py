"""TeX with macros of its own in, the same with them expanded out; and what it reads from files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ingest.parse.text.tex import syntax

_DEFINITION = re.compile(
    r"\\(?:new|renew|provide)command\*?\s{0,5}(?:\{\s{0,5}\\([A-Za-z@]+)\s{0,5}\}|\\([A-Za-z@]+))"
    r"\s{0,5}(?:\[([0-3])\]\s{0,5})?(?=\{)"
)
_WORD = re.compile(
    r"%[^\n]*|\\begin\{(?P<copied>[Vv]erbatim\*?|lstlisting|minted|alltt)\}"
    r"|\\(?P<command>[A-Za-z@]+)|\\."
)
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
_COMMENT = re.compile(r"(?<!\\)%[^\n]*\n?[ \t]*")
_BLANKS = re.compile(r"\s{0,5}")
_OTHER_FILE = re.compile(r"(?<!\\)%[^\n]*|\\(?:input|include)\s{0,5}\{([^{}\n]{1,200})\}")
_KEPT = syntax.DROPPED | syntax.LEVELS.keys() | {"begin", "end", "item", "par"}
_LONGEST = 2_000
_DEEPEST = 20
_MOST_MACROS = 1_000
_MOST_EXPANSIONS = 10_000
_MOST_GROWTH = 2_000_000
_MOST_NAMED = 20


@dataclass(frozen=True, slots=True)
class _Macro:
    """What is written for a macro: `body` with `#1` to `#3` for its arguments."""

    arguments: int
    body: str

    def expand(self, arguments: list[str]) -> str:
        text = self.body
        if arguments:
            text = re.sub("#([1-3])", lambda found: arguments[int(found[1]) - 1], text)
        return text


def expand_macros(text: str) -> str:
    r"""Replace what `\newcommand` defines, with three arguments at most, one level deep.

    After 10,000 replacements, or two million characters more than there were, the rest stays.
    """
    macros = dict(_definitions(text))
    if not macros:
        return text
    parts: list[str] = []
    done, left, growth, missing = 0, _MOST_EXPANSIONS, _MOST_GROWTH, False
    position = 0
    while left > 0 and growth > 0 and (found := _WORD.search(text, position)):
        position = found.end()
        if found["copied"] and not missing:
            stop = text.find(f"\\end{{{found['copied']}}}", position)
            missing, position = stop < 0, max(stop, position)
        definition = _DEFINITION.match(text, found.start())
        macro = macros.get(found["command"] or "")
        if definition:
            left -= 1
            position = _group_end(text, definition.end()) or definition.end()
        elif macro:
            left -= 1
            arguments, end = _arguments(text, position, macro.arguments)
            if len(arguments) == macro.arguments:
                written = macro.expand(arguments)
                parts += text[done : found.start()], written
                growth -= len(written)
                done = position = end
                if text[end : end + 1].isalpha():
                    parts.append("{}")
    return "".join([*parts, text[done:]])


def name_other_files(text: str) -> Iterator[str]:
    """Yield a note for each file that a document reads its text from."""
    names = dict.fromkeys(found[1].strip() for found in _OTHER_FILE.finditer(text) if found[1])
    for name in list(names)[:_MOST_NAMED]:
        yield f"text of {name} is in another file"
    if len(names) > _MOST_NAMED:
        yield f"text of {len(names) - _MOST_NAMED} more is in other files"


def _definitions(text: str) -> Iterator[tuple[str, _Macro]]:
    """Yield the macros by name; commands that make structure keep their meaning."""
    for number, found in enumerate(_DEFINITION.finditer(text)):
        end = _group_end(text, found.end())
        name = found[1] or found[2]
        if number == _MOST_MACROS:
            return
        if end and name not in _KEPT and text.count("#", found.end(), end) <= 20:
            body = _COMMENT.sub("", text[found.end() + 1 : end - 1])
            arguments = int(found[3] or 0)
            if all(int(one) <= arguments for one in re.findall("#([1-3])", body)):
                yield name, _Macro(arguments, " ".join(body.split()))


def _arguments(text: str, position: int, wanted: int) -> tuple[list[str], int]:
    """Return the groups that follow, as many as are wanted and there, and where they end."""
    groups: list[str] = []
    while len(groups) < wanted:
        blanks = _BLANKS.match(text, position)
        start = blanks.end() if blanks else position
        end = _group_end(text, start)
        if not end:
            break
        groups.append(text[start + 1 : end - 1])
        position = end
    return groups, position


def _group_end(text: str, start: int) -> int:
    """Return where the group ends that begins here, 0 if none does or it is very long or deep."""
    if not text.startswith("{", start):
        return 0
    depth = 0
    for found in _BRACE.finditer(text, start, start + _LONGEST):
        depth += (found[0] == "{") - (found[0] == "}")
        if not depth:
            return found.end()
        if depth > _DEEPEST:
            return 0
    return 0
