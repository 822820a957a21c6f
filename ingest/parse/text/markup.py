"""Markdown, reStructuredText and Org in, text with headings and tables out."""

from __future__ import annotations

import re
import unicodedata
from io import StringIO
from itertools import islice

from ingest.base.documents import Heading
from ingest.parse.base.blocks import Parsed
from ingest.parse.text.lines import Line, TableRun, iterate_lines, make_headings

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_ATX = re.compile(r" {0,3}(#{1,6})[ \t]+(\S.*)")
_SETEXT = re.compile(r" {0,3}(=+|-+)[ \t]*$")
_NOT_PROSE = re.compile(r"\s*([-*+>|#]|\d+[.)]\s|$)")
_RST_LINE = re.compile(r"([=\-`:.'\"~^_*+#<>])\1*\s*$")
_GRID_RULE = re.compile(r"\s*\+(?:[-=]+\+)++\s*$")
_SIMPLE_RULE = re.compile(r"\s*={2,}(?:[ ]+={2,})++\s*$")
_ORG_HEADING = re.compile(
    r"(\*{1,20})[ \t]+(?:(?:TODO|DONE|NEXT|WAITING|CANCELLED)[ \t]+)?(?:\[#\w{1,2}\][ \t]+)?(\S.*)"
)
_ORG_TAGS = re.compile(r"(?<=\s):[\w@#%:]{1,100}:\s*$")
_ORG_KEYWORD = re.compile(r"\s*#\+(\w+):\s*(.*)")
_ORG_BLOCK = re.compile(r"\s*#\+(begin|end)_(\w+)\s*(\S*)", re.IGNORECASE)
_ORG_DRAWER = re.compile(r"\s*:(\w[\w-]*):\s*$")
_ORG_LINK = re.compile(r"\[\[[^\[\]\n]{1,500}\]\[([^\[\]\n]{1,500})\]\]")
_ORG_SHOWN = frozenset(("title", "subtitle", "author", "date", "caption"))
_ORG_FENCED = frozenset(("src", "example"))
_ORG_LONGEST_DRAWER = 100


def read_markdown(text: str) -> Parsed:
    """Return the text as it stands; the title is what its front matter says."""
    title, body = _front_matter(text)
    reader = _Markdown()
    for start, line in iterate_lines(text, body):
        reader.take(start, line)
    reader.run.close()
    tables = tuple(reader.run.tables)
    return Parsed(text, title, headings=tuple(reader.headings), tables=tables)


def _front_matter(text: str) -> tuple[str, int]:
    """Return the title named between two `---` at the top, and where the text begins."""
    lines = iterate_lines(text)
    if next(lines)[1].rstrip() != "---":
        return "", 0
    title = ""
    for start, line in islice(lines, 200):
        if line.rstrip() in ("---", "..."):
            return title, min(len(text), start + len(line) + 1)
        key, _, value = line.partition(":")
        title = title or (value.strip(" \"'") if key == "title" else "")
    return "", 0


class _Markdown:
    """Finds ATX (`# x`) and setext (underlined) headings and pipe tables outside fences."""

    def __init__(self) -> None:
        self.headings: list[Heading] = []
        self.run = TableRun()
        self.fence = ""
        self.before: Line = (0, "")

    def take(self, start: int, line: str) -> None:
        """Read one line."""
        mark = _FENCE.match(line)
        if self.fence:
            if mark and mark[1].startswith(self.fence) and not line.strip().strip(self.fence[0]):
                self.fence = ""
        elif mark:
            self.run.close()
            self.fence, self.before = mark[1], (0, "")
        elif not self._take_table(start, line):
            self._take_heading(start, line)

    def _take_table(self, start: int, line: str) -> bool:
        """Say whether the line is a row of a table, or the rule below its header."""
        if self.run.rows and "|" in line:
            self.run.row(start, line)
        elif "|" in self.before[1] and _is_pipe_rule(line):
            self.run.close()
            self.run.row(*self.before)
            self.run.rule(start, line, heads=True)
            self.run.rows += 1  # A header with its rule is a table, even without a row.
        else:
            self.run.close()
            return False
        self.before = (0, "")
        return True

    def _take_heading(self, start: int, line: str) -> None:
        heading, under = _ATX.match(line), _SETEXT.match(line)
        above, words = self.before
        if heading:
            title = heading[2].rstrip().rstrip("#")
            self.headings += make_headings(start, len(heading[1]), title)
        elif under and not _NOT_PROSE.match(words):
            self.headings += make_headings(above, 1 if under[1][0] == "=" else 2, words)
        self.before = (0, "") if heading or under else (start, line)


def _is_pipe_rule(line: str) -> bool:
    return "|" in line and "-" in line and not line.strip("|:- \t")


def read_rst(text: str) -> Parsed:
    """Return the text as it stands; a title style's level is the order in which it appears."""
    headings: list[Heading] = []
    styles: list[tuple[str, bool]] = []
    tables = _RstTables()
    above: Line = (0, "")
    title: Line = (0, "")
    for number, line in enumerate(iterate_lines(text)):
        tables.take(*line)
        style = _rst_style(above[1], title[1], line[1]) if number else None
        if style:
            if style not in styles:
                styles.append(style)
            start = above[0] if style[1] else title[0]
            headings += make_headings(start, styles.index(style) + 1, title[1])
        above, title = title, line
    tables.run.close()
    return Parsed(text, headings=tuple(headings), tables=tuple(tables.run.tables))


def _rst_style(above: str, title: str, under: str) -> tuple[str, bool] | None:
    """Return the underline's character and whether there is an overline, None for no title."""
    mark = _RST_LINE.match(under)
    width = len(under.rstrip())
    if not mark or not title.strip() or _RST_LINE.match(title) or width < len(title.strip()):
        return None
    overlined = bool(above) and above.rstrip() == under.rstrip()
    if not overlined and (above.strip() or title[0].isspace() or width < 3):
        return None
    return mark[1], overlined


class _RstTables:
    """Finds grid tables (`+---+`) and simple tables (`===  ===`)."""

    def __init__(self) -> None:
        self.run = TableRun()
        self.kind = ""
        self.rules = 0

    def take(self, start: int, line: str) -> None:
        """Read one line."""
        if not self.kind:
            if _GRID_RULE.match(line):
                self.kind = "grid"
            elif _SIMPLE_RULE.match(line):
                self.kind, self.rules = "simple", 1
        elif self.kind == "grid":
            self._take_grid(start, line)
        else:
            self._take_simple(start, line)

    def _take_grid(self, start: int, line: str) -> None:
        if _GRID_RULE.match(line):
            self.run.rule(start, line, heads="=" in line)
        elif line.lstrip().startswith(("|", "+")):
            self.run.row(start, line)
        else:
            self._close()

    def _take_simple(self, start: int, line: str) -> None:
        """A blank line ends the table once a second rule was seen."""
        if _SIMPLE_RULE.match(line):
            self.rules += 1
            self.run.rule(start, line, heads=self.rules == 2)
        elif line.strip():
            if self.rules >= 3:
                self.run.headed = False  # Text right below the last rule: no known form.
            self.run.row(start, line)
        elif self.rules >= 2 or not self.run.rows:
            self._close()

    def _close(self) -> None:
        if self.kind == "simple" and self.rules == 2:
            self.run.headed = False  # Two rules surround the rows, only three name columns.
        self.run.close()
        self.kind, self.rules = "", 0


def read_org(text: str) -> Parsed:
    """Return the text without drawers, comments and settings; source blocks become fenced code."""
    reader = _Org()
    for _, line in iterate_lines(text):
        reader.take(line)
    reader.close()
    return Parsed(
        reader.out.getvalue().rstrip("\n"),
        reader.title,
        headings=tuple(reader.headings),
        tables=tuple(reader.run.tables),
    )


class _Org:
    """Writes the lines that a reader would see, and knows where headings and tables start."""

    def __init__(self) -> None:
        self.out = StringIO()
        self.length = 0
        self.headings: list[Heading] = []
        self.run = TableRun()
        self.title = ""
        self.block = ""
        self.drawer: list[str] | None = None

    def take(self, line: str) -> None:
        """Read one line."""
        block = _ORG_BLOCK.match(line)
        if self.block:
            self._take_inside(line, block is not None and block[1].lower() == "end")
        elif self.drawer is not None:
            self._take_drawer(line)
        elif block:
            self._begin_block(block)
        elif _ORG_DRAWER.match(line):
            self.drawer = [line]
        else:
            self._take_text(line)

    def _begin_block(self, found: re.Match[str]) -> None:
        name = found[2].lower()
        self.run.close()
        if found[1].lower() == "begin" and name in _ORG_FENCED:
            self.block = name
            self._write(f"```{found[3] if name == 'src' else ''}")

    def _take_inside(self, line: str, ends: bool) -> None:
        self._write("```" if ends else line)
        self.block = "" if ends else self.block

    def _take_drawer(self, line: str) -> None:
        """Forget the lines up to `:END:`; if that does not come, they were none of a drawer."""
        assert self.drawer is not None
        ends = line.strip().lower() == ":end:"
        if not ends and not _ORG_HEADING.match(line) and len(self.drawer) < _ORG_LONGEST_DRAWER:
            self.drawer.append(line)
            return
        held, self.drawer = self.drawer, None
        for kept in () if ends else (*held, line):
            self._take_text(kept)

    def _take_text(self, line: str) -> None:
        heading, keyword = _ORG_HEADING.match(line), _ORG_KEYWORD.match(line)
        stripped = line.strip()
        if keyword:
            self._take_keyword(keyword[1].lower(), keyword[2])
        elif stripped == "#" or stripped.startswith("# "):
            pass  # A comment.
        elif stripped.startswith("|"):
            self._take_row(line)
        else:
            self.run.close()
            if heading:
                title = _without_links(_ORG_TAGS.sub("", heading[2][:2000]))
                self.headings += make_headings(self.length, len(heading[1]), title)
            self._write(_without_links(line))

    def _take_keyword(self, name: str, value: str) -> None:
        if name == "title" and not self.title:
            self.title = value.strip()
        if name in _ORG_SHOWN and value.strip():
            self.run.close()
            self._write(value.strip())

    def _take_row(self, line: str) -> None:
        row = _without_links(line)
        if row.strip().startswith("|-"):
            self.run.rule(self.length, row, heads=True)
        else:
            self.run.row(self.length, row)
        self._write(row)

    def close(self) -> None:
        """Finish the text."""
        for kept in self.drawer or ():
            self._take_text(kept)
        self.run.close()

    def _write(self, line: str) -> None:
        if self.length or line:
            self.out.write(f"{line}\n")
            self.length += len(line) + 1


def _without_links(line: str) -> str:
    """Return the line with links reduced to what they are called."""
    if "[[" not in line:
        return line
    return unicodedata.normalize("NFC", _ORG_LINK.sub(r"\1", line))
