"""TeX in, what a reader of the page would see out: commands unwrapped, formulas verbatim."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace

from ingest.parse.base.blocks import Blocks, Parsed
from ingest.parse.text.tex import syntax
from ingest.parse.text.tex.macros import expand_macros, name_other_files
from ingest.parse.text.tex.syntax import Group

_LONGEST_FORMULA = 2000


def read_tex(text: str) -> Parsed:
    """Return the body of a TeX document as text; a file of macros stays as it is.

    Sections are below level 1, which the title alone has.
    """
    if "\\ProvidesPackage" in text or "\\ProvidesClass" in text:
        return Parsed(text)
    text = expand_macros(text)
    begin = text.find("\\begin{document}")
    title = syntax.TITLE.search(text)
    reader = _Reader(text)
    name = reader.read_group(title.end()) if title else ""
    if name:
        reader.blocks.add(name)
    end = text.find("\\end{document}", max(0, begin))
    reader.read(begin + 16 if begin >= 0 else 0, end if end >= 0 else len(text))
    notes = tuple(name_other_files(text[max(0, begin) :]))
    return replace(reader.blocks.finish(name), notes=notes)


class _Reader:
    """Reads tokens one after the other; words are collected until a paragraph ends."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.blocks = Blocks()
        self.words: list[str] = []
        self.groups: list[Group] = []
        self.rows: list[list[str]] = []
        self.tables = 0
        self.missing: set[str] = set()
        self.position = 0
        self.pending = Group()
        self.unseen = 0

    def read_group(self, start: int) -> str:
        """Return the text of the group whose brace is before `start`, at most a paragraph."""
        inner = _Reader(self.text)
        inner.position = start
        while inner.position < len(self.text) and not inner.blocks.parts:
            token = syntax.TOKEN.match(self.text, inner.position)
            if token is None or (token["mark"] == "}" and not inner.groups):
                break
            inner.take(token, len(self.text))
        return inner.take_words()

    def read(self, start: int, end: int) -> None:
        """Read a part of the text into blocks."""
        self.position = start
        while self.position < end and (token := syntax.TOKEN.match(self.text, self.position, end)):
            self.take(token, end)
        self.end_table(all_of_it=True)
        self.flush()

    def take(self, token: re.Match[str], end: int) -> None:
        """Read one token and go on to where the next begins."""
        self.position = token.end()
        kind, value = token.lastgroup, token[0]
        if self.unseen:
            self._pass_over(kind, value)
        elif kind == "command":
            self._command(token["command"], end)
        elif kind == "escape":
            self._escape(token["escape"], end)
        elif kind == "math":
            self._formula(token.start(), value)
        elif kind == "mark":
            self._mark(value)
        elif kind == "blank":
            self._paragraph()
        elif kind == "quote":
            self.words.append(syntax.QUOTES[value])
        elif kind != "comment":
            self.words.append(" " if kind == "space" else value)

    def take_words(self) -> str:
        """Return what was collected as tidy lines."""
        text = unicodedata.normalize("NFC", "".join(self.words))
        self.words.clear()
        return "\n".join(" ".join(line.split()) for line in text.split("\n")).strip()

    def flush(self) -> None:
        """End the paragraph."""
        self.blocks.add(self.take_words())

    def _paragraph(self) -> None:
        """End the paragraph, and a heading whose brace was never closed; not inside a table."""
        if self.tables:
            self.words.append(" ")
            return
        while self.groups and self.groups[-1].level:
            self.groups.pop()
        self.flush()

    def _mark(self, mark: str) -> None:
        if mark == "{":
            self.groups.append(self.pending)
            self.pending = Group()
        elif mark == "}" and self.groups:
            group = self.groups.pop()
            if group.level:
                self.blocks.add(self.take_words().replace("\n", " "), level=group.level)
            self.words.append(group.after)
        elif mark == "&" and self.tables:
            self._end_cell()
        elif mark in "&~":
            self.words.append(" " if mark == "~" else "&")

    def _escape(self, char: str, end: int) -> None:
        if char == "\\":
            self._option()
            if self.tables:
                self._end_row()
            else:
                self.words.append("\n")
        elif char in "([":
            self._formula(self.position - 2, "\\)" if char == "(" else "\\]")
        elif char in syntax.ACCENTS:
            self._accent(char, end)
        elif char in " ,;:/\n":
            self.words.append(" ")
        elif char in "%&_#${}":
            self.words.append(char)

    def _command(self, name: str, end: int) -> None:
        if name in syntax.LEVELS and not self.tables:
            self._option()
            self.flush()
            self._expect(Group(syntax.LEVELS[name]))
        elif name in ("begin", "end"):
            self._environment(name, self._argument(), end)
        elif name in syntax.DROPPED:
            self._drop()
        elif name in syntax.KEYS:
            self.words.append(self._argument())
        elif "cite" in name:
            self._option()
            self.words.append(f" [{self._argument()}]")
        elif name == "item":
            self.words.append("\n- ")
        elif name == "bibitem":
            self._paragraph()
            self._argument()
        elif name in ("par", "newpage", "clearpage", "maketitle"):
            self._paragraph()
        else:
            self._inline(name, end)

    def _inline(self, name: str, end: int) -> None:
        """Read a command within a line; of one that is not known only its argument stays."""
        if name in syntax.SYMBOLS:
            self.words.append(syntax.SYMBOLS[name])
        elif name in syntax.ACCENTS:
            self._accent(name, end)
        elif name == "footnote":
            self.words.append(" (")
            self._expect(Group(after=")"))
        elif name == "href":
            self._argument()
        elif name in ("verb", "lstinline"):
            self._verb(end)
        elif name == "multicolumn":
            _ = self._argument(), self._argument()
        else:
            self._option()

    def _expect(self, group: Group) -> None:
        """Let the group that begins here, if one does, end so."""
        while self.text[self.position : self.position + 1].isspace():
            self.position += 1
        if self.text.startswith("{", self.position):
            self.pending = group

    def _option(self) -> None:
        found = syntax.OPTION.match(self.text, self.position)
        self.position = found.end() if found else self.position

    def _argument(self) -> str:
        self._option()
        found = syntax.ARGUMENT.match(self.text, self.position)
        self.position = found.end() if found else self.position
        return found[1].strip() if found else ""

    def _drop(self) -> None:
        """Pass over all arguments; of those with braces inside, over the first."""
        before = -1
        while self.position != before:
            before = self.position
            self._argument()
        if self.text.startswith("{", self.position):
            self.unseen = len(self.groups) + 1

    def _pass_over(self, kind: str | None, value: str) -> None:
        """Look only for the brace that ends what is not shown, or for the paragraph's end."""
        if value == "{":
            self.groups.append(Group())
        elif kind == "blank" or (value == "}" and len(self.groups) <= self.unseen):
            del self.groups[self.unseen - 1 :]
            self.unseen = 0
        elif value == "}":
            self.groups.pop()

    def _accent(self, accent: str, end: int) -> None:
        found = syntax.ACCENTED.match(self.text, self.position, end)
        if found:
            self.position = found.end()
            self.words.append((found[1] or found[2] or found[3]) + syntax.ACCENTS[accent])

    def _verb(self, end: int) -> None:
        mark = self.text[self.position : self.position + 1]
        stop = (
            self.text.find(mark, self.position + 1, min(end, self.position + 500)) if mark else -1
        )
        if stop >= 0:
            self.words.append(self.text[self.position + 1 : stop])
            self.position = stop + 1

    def _formula(self, start: int, closing: str) -> None:
        """Copy a formula up to its closing mark; without one the mark is text."""
        stop = self.text.find(closing, self.position, self.position + _LONGEST_FORMULA)
        if stop < 0:
            self.words.append(self.text[start : self.position])
            return
        self.position = stop + len(closing)
        self.words.append(" ".join(self.text[start : self.position].split()))

    def _environment(self, command: str, name: str, end: int) -> None:
        if name in syntax.TABLES:
            self._table(command, name)
        elif command == "begin" and name in syntax.MATH | syntax.VERBATIM | syntax.UNSEEN:
            self._copy(name, end)
        elif name and not self.tables:
            self._option()
            self._paragraph()
            if name == "thebibliography" and command == "begin":
                self._argument()

    def _copy(self, name: str, end: int) -> None:
        """Take a formula, listing or drawing as a whole; look for each missing end only once."""
        closing = f"\\end{{{name}}}"
        stop = -1 if name in self.missing else self.text.find(closing, self.position, end)
        if stop < 0:
            self.missing.add(name)
            return
        content = self.text[self.position : stop]
        self.position = stop + len(closing)
        if name in syntax.MATH:
            self.words.append(f"\n\\begin{{{name}}}{content}{closing}\n")
        elif name in syntax.VERBATIM and not self.tables:
            self._paragraph()
            while found := syntax.OPTION.match(content):
                content = content[found.end() :]
            self.blocks.add(f"```\n{content.strip(chr(10))}\n```", verbatim=True)

    def _table(self, command: str, name: str) -> None:
        if command == "end":
            self.end_table()
            return
        if not self.tables:
            self._paragraph()
            self.rows = [[]]
        self.tables += 1
        if name in ("tabular*", "tabularx", "tabulary"):
            self._argument()
        if self.text.startswith("{", self.position):
            self._drop()

    def _end_cell(self) -> None:
        self.rows[-1].append(self.take_words())

    def _end_row(self) -> None:
        self._end_cell()
        if self.tables == 1:
            self.rows.append([])

    def end_table(self, *, all_of_it: bool = False) -> None:
        """Write the rows when the outermost table ends; the first row names the columns."""
        if not self.tables:
            return
        self.tables = 0 if all_of_it else self.tables - 1
        if not self.tables:
            self._end_cell()
            self.blocks.add_table(self.rows, headers=1)
            self.rows = []
