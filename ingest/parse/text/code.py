"""Source code in, the same text out with its definitions as headings, nested as they are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from ingest.base.documents import Heading
from ingest.parse.base.blocks import Parsed
from ingest.parse.text.lines import Line, iterate_lines, make_headings

_MODIFIERS = (
    "export|default|declare|public|private|protected|internal|static|abstract|final|sealed|open"
    "|data|async|override|virtual|inline|unsafe|partial|readonly|const|extern|local|suspend|mutating"
    r"|fileprivate|pub(?:\([a-z ]{1,20}\))?"
)
_KEYWORDS = (
    "enum[ ]class|enum[ ]struct|class|defmodule|defmacro|defp|def|function|func|fn|interface|struct"
    "|enum|trait|impl|module|namespace|type|object|fun|record|protocol|extension|message|service"
    "|contract|actor|mod|union|sub|procedure|macro_rules!"
)
_DEFINITION = re.compile(
    rf"([ \t]*)(?:(?:{_MODIFIERS})[ \t]+)*({_KEYWORDS})(?:\*?[ \t]+|(?=<))"
    r"(?:\([^()\n]{0,80}\)[ \t]*|<[^<>\n]{0,80}>[ \t]*)?([A-Za-z_$][\w$.:]*[?!]?)"
    r"(?=\s*(?:[(<\[{=;,!]|$)|\s+(?:extends|implements|for|struct|interface|where|is|do)\b"
    r"|\s*->|\s+:|:\s)"
)
_ARROW = re.compile(
    r"([ \t]*)(?:export[ \t]+)?(?:default[ \t]+)?(?:const|let|var)[ \t]+([A-Za-z_$][\w$]*)"
    r"[ \t]*(?::[^=\n]{0,100})?=[ \t]*(?:async[ \t]*)?(?:function\b|[A-Za-z_$][\w$]*[ \t]*=>|\()"
)
_SQL = re.compile(
    r"([ \t]*)create[ \t]+(?:or[ \t]+replace[ \t]+)?(?:temp(?:orary)?[ \t]+|unique[ \t]+)?"
    r"(table|view|function|procedure|trigger|index)[ \t]+(?:if[ \t]+not[ \t]+exists[ \t]+)?"
    r"[\"`\[]?([A-Za-z_][\w.$]*)",
    re.IGNORECASE,
)
# Strings and comments, an open one to the end of its line, so that none of these ever fails late.
_NOISE = re.compile(
    r'"(?:[^"\\]|\\.)*+(?:"|\\?$)|`[^`]{0,300}+`|(?<![<&])\'(?:[^\'\\]|\\.){0,100}+\'|//.*|/\*.*?(?:\*/|$)'
    r"|(?:^|(?<=\s))#(?![\[!]).*"
)
_ABOVE = re.compile(
    r"[ \t]*(?:@|#(?!(?:include|define|ifn?def|if|elif|else|endif|undef|pragma|import|region)\b)"
    r"|//|--|/\*|\*|template[ \t]*<|\[[A-Z]\w*[\](])"
)
_MARKS = re.compile(r"\(+|\)|[{;]")
_WORD = re.compile(r"(?:[\w$:.<>,?~@]|\[\])+")
_NAME = re.compile(r"(?:[A-Za-z_$][\w$]*(?:<[\w, ]{0,60}>)?::)*~?[A-Za-z_$][\w$]*$")
_TAIL = re.compile(r"[\w\s:<>,.&*?|\[\]()~-]{0,200}$")
_NOT_NAMES = (
    "if for while switch return catch else new throw await sizeof do elif with except print assert "
    "and or not in is case when until unless using lock foreach match loop yield typeof delete "
    "import from synchronized defined raise try finally package use then goto go defer"
)
_CONTAINER_KINDS = (
    "class interface struct enum trait impl object record protocol extension actor union"
)
_NO_DEFINITION = frozenset(_NOT_NAMES.split())
_CONTAINERS = frozenset(_CONTAINER_KINDS.split()) | {"enum class", "enum struct"}
_TEXT_MARKS = ('"""', "'''")
_LONGEST_LINE = 1000
_LONGEST_HEAD = 12
_DEEPEST = 12


@dataclass(frozen=True, slots=True)
class _Definition:
    """What a line defines; `braces` is the depth outside its braces, -1 when it has none.

    Its own brace opens `lines` below; the heading starts `late` when the type stands above it.
    """

    indent: int
    kind: str
    title: str
    braces: int = -1
    lines: int = 0
    late: bool = False


@dataclass(frozen=True, slots=True)
class _Head:
    """The code from a line to its first brace outside parentheses, and how far below that is.

    `opens` is false when a semicolon or other code comes first.
    """

    code: str
    opens: bool = False
    lines: int = 0


def read_code(text: str) -> Parsed:
    """Return the text as it stands; a definition starts at the comment or decorator above it."""
    return Parsed(text, headings=tuple(_Reader(text).run()))


class _Reader:
    """Goes through the lines once, with the definitions that are open at each."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.open: list[_Definition] = []
        self.depth = 0
        self.above: int | None = None
        self.brackets = 0
        self.quote = ""
        self.waiting = 0

    def run(self) -> Iterator[Heading]:
        """Yield the headings in order."""
        before: Line = (0, "")
        for start, line in iterate_lines(self.text):
            if self._is_quoted(start, line):
                continue
            code = _NOISE.sub(" ", line) if len(line) <= _LONGEST_LINE else ""
            if self.waiting:
                self.waiting -= 1
            elif code.strip():
                self._leave(line, code)
                found = self._define(start, line, code, before)
                if found:
                    yield from self._enter(start, before[0], found)
            self._look_above(start, line, code)
            self.depth = max(0, self.depth + _balance(code or line, "{}"))
            before = (start, line)

    def _enter(self, start: int, before: int, found: _Definition) -> list[Heading]:
        begin = start if self.above is None else self.above
        self.above, self.brackets = None, 0
        self.open.append(found)
        self.waiting = found.lines
        begin = min(begin, before) if found.late else begin
        return make_headings(begin, min(len(self.open), _DEEPEST), found.title)

    def _is_quoted(self, start: int, line: str) -> bool:
        """Say whether the line is inside a comment or text of several lines, or begins one."""
        if self.quote:
            if self.quote in line:
                self.quote = ""
            return True
        stripped = line.strip()
        if stripped.startswith("/*") and "*/" not in stripped:
            self.quote = "*/"
            self.above = start if self.above is None else self.above
            return True
        for mark in _TEXT_MARKS:
            if line.count(mark) % 2:
                self.quote = mark
                return stripped.startswith(mark)
        return False

    def _leave(self, line: str, code: str) -> None:
        """Close the definitions that end before this line.

        One with braces ends with them; a brace as far left as its first line ends it too, as
        braces in text or behind conditions of a preprocessor are not all counted.
        """
        if code.lstrip().startswith((")", "{")):
            return
        indent = _indent(line)
        closes = code.lstrip().startswith("}")
        while self.open:
            last = self.open[-1]
            inside = self.depth > last.braces if last.braces >= 0 else indent > last.indent
            if inside and closes and indent <= last.indent and last.braces >= 0:
                self.depth = last.braces + 1
                return
            if inside and (last.braces < 0 or indent >= last.indent):
                return
            self.open.pop()

    def _define(self, start: int, line: str, code: str, before: Line) -> _Definition | None:
        found = _DEFINITION.match(code) or _SQL.match(code)
        if found:
            kind, title = found[2].lower(), f"{found[2]} {found[3].rstrip('.:')}"
            return self._definition(start, line, kind, title)
        arrow = _ARROW.match(code)
        if arrow and ("=>" in code or "function" in code or code.rstrip().endswith("(")):
            return self._definition(start, line, "function", f"{arrow[2]}()")
        return self._define_bare(start, line, code, before)

    def _definition(self, start: int, line: str, kind: str, title: str) -> _Definition:
        head = self._head(start)
        braces = self.depth if head.opens else -1
        return _Definition(_indent(line), kind, title, braces, head.lines)

    def _head(self, start: int) -> _Head:
        """Read on from a line to where it opens a brace."""
        parts: list[str] = []
        balance = 0
        for number, (_, line) in enumerate(islice(iterate_lines(self.text, start), _LONGEST_HEAD)):
            code = _NOISE.sub(" ", line).strip() if len(line) <= _LONGEST_LINE else ";"
            if number and balance <= 0 and code and not code.startswith("{"):
                break
            for mark in _MARKS.finditer(code):
                char = mark[0]
                balance += char.count("(") - char.count(")")
                if balance <= 0 and char in "{;":
                    whole = " ".join((*parts, code[: mark.start()]))
                    return _Head(whole, char == "{", number if char == "{" else 0)
            parts.append(code)
        return _Head(" ".join(parts))

    def _define_bare(self, start: int, line: str, code: str, before: Line) -> _Definition | None:
        """Return the function or method that a line defines without a keyword (C, Java, C#)."""
        words = _bare_words(code)
        if not words:
            return None
        head = self._head(start)
        after = _after_parenthesis(head.code)
        if not head.opens or after is None or not _TAIL.match(after):
            return None
        late = len(words) == 1 and not self._stands_alone(words[0], line, head)
        if late and (not head.lines or _indent(line) or not _is_type(before[1])):
            return None
        title = f"{words[-1]}()"
        return _Definition(_indent(line), "function", title, self.depth, head.lines, late)

    def _stands_alone(self, name: str, line: str, head: _Head) -> bool:
        """Say whether one word is a definition: a method of a class, or a function of a shell."""
        if "::" in name:
            return True
        if self.open and self.open[-1].kind in _CONTAINERS and _indent(line):
            return True
        return not head.lines and not _indent(line) and head.code.rstrip().endswith("()")

    def _look_above(self, start: int, line: str, code: str) -> None:
        """Remember where a block of comments and decorators starts that goes on to this line."""
        if self.brackets or _ABOVE.match(line):
            self.above = start if self.above is None else self.above
            if self.brackets or line.lstrip().startswith(("@", "[", "#[")):
                self.brackets = max(0, self.brackets + _balance(code or line, "()"))
        else:
            self.above = None


def _balance(code: str, pair: str) -> int:
    return code.count(pair[0]) - code.count(pair[1])


def _indent(line: str) -> int:
    return len(line.expandtabs(4)) - len(line.lstrip().expandtabs(4)) if len(line) < 2000 else 0


def _bare_words(code: str) -> list[str]:
    """Return the words before the first parenthesis if they may declare a function."""
    before, parenthesis, _ = code.partition("(")
    words = before.replace("*", " ").replace("&", " ").split()
    if not parenthesis or not words or not _NAME.match(words[-1]):
        return []
    if any(word in _NO_DEFINITION or not _WORD.fullmatch(word) for word in words):
        return []
    return words


def _is_type(line: str) -> bool:
    words = line.replace("*", " ").split()
    return 0 < len(words) <= 5 and all(_WORD.fullmatch(word) for word in words)


def _after_parenthesis(head: str) -> str | None:
    """Return what follows the first parenthesis and its partner, None if that is not there."""
    balance = 0
    for mark in _MARKS.finditer(head):
        balance += mark[0].count("(") - mark[0].count(")")
        if not balance:
            return head[mark.end() :]
    return None
