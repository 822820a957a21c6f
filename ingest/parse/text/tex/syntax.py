"""The words of TeX, and its commands and environments by what becomes of them in a text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

# Every alternative takes a bounded or possessive run, so that reading is linear on any text.
TOKEN = re.compile(
    r"\\(?P<command>[A-Za-z@]+)\*?|\\(?P<escape>.)|(?P<comment>%[^\n]*\n?[ \t]*)"
    r"|(?P<blank>\n[ \t]*(?:\n\s*)+)|(?P<space>\s+)|(?P<math>\$\$?)|(?P<mark>[{}&~])"
    r"|(?P<quote>``|''|---?)|(?P<text>[^\\%\s${}&~`'-]+|.)",
    re.DOTALL,
)
ARGUMENT = re.compile(r"\s{0,20}\{([^{}]{0,500}+)\}")
OPTION = re.compile(r"[ \t]{0,20}\[[^\[\]]{0,500}+\]")
TITLE = re.compile(r"\\title\s{0,20}(?:\[[^\[\]]{0,500}+\]\s{0,20})?\{")
ACCENTED = re.compile(r"\s{0,3}(?:\{\s?\\?([A-Za-z])\s?\}|\\([ij])(?![A-Za-z])|([A-Za-z]))")
LEVELS: Mapping[str, int] = MappingProxyType(
    {"part": 2, "chapter": 3, "section": 4, "subsection": 5, "subsubsection": 6, "paragraph": 7,
     "subparagraph": 8}
)  # fmt: skip
_DROPPED_NAMES = (
    "label title index vspace hspace includegraphics bibliographystyle bibliography usepackage "
    "input documentclass pagestyle thispagestyle setlength addtolength setcounter addtocounter "
    "include newcommand renewcommand providecommand newenvironment renewenvironment newtheorem "
    "definecolor DeclareMathOperator graphicspath hypersetup addbibresource nocite vskip hskip "
    "color pagenumbering RequirePackage captionsetup geometry cline cmidrule rule arraystretch "
    "newlength settowidth markboth phantom vphantom hphantom selectlanguage setmainfont fontsize"
)
_MATH_NAMES = (
    "equation align gather multline eqnarray math displaymath alignat flalign split dmath "
    "equation* align* gather* multline* eqnarray* alignat* flalign*"
)
DROPPED = frozenset(_DROPPED_NAMES.split())
MATH = frozenset(_MATH_NAMES.split())
VERBATIM = frozenset(("verbatim", "Verbatim", "lstlisting", "minted", "verbatim*", "alltt"))
UNSEEN = frozenset(("comment", "tikzpicture", "pgfpicture", "filecontents", "filecontents*"))
TABLES = frozenset(("tabular", "tabular*", "tabularx", "longtable", "tabulary", "array"))
KEYS = frozenset(("ref", "eqref", "autoref", "cref", "Cref", "pageref", "nameref"))
SYMBOLS: Mapping[str, str] = MappingProxyType(
    {"ldots": "…", "dots": "…", "textbackslash": "\\", "ss": "ß", "ae": "æ", "AE": "Æ", "oe": "œ",
     "OE": "Œ", "o": "ø", "O": "Ø", "aa": "å", "AA": "Å", "l": "ł", "L": "Ł", "i": "i", "j": "j",
     "LaTeX": "LaTeX", "TeX": "TeX", "BibTeX": "BibTeX", "copyright": "©", "S": "§", "P": "¶",
     "euro": "€", "pounds": "£", "textdegree": "°", "degree": "°", "textasciitilde": "~",
     "textasciicircum": "^", "textbar": "|", "textless": "<", "textgreater": ">", "dag": "†",
     "quad": " ", "qquad": " ", "space": " ", "textbullet": "•", "textendash": "–",
     "textemdash": "—", "today": ""}
)  # fmt: skip
ACCENTS: Mapping[str, str] = MappingProxyType(
    {"`": "\u0300", "'": "\u0301", "^": "\u0302", "~": "\u0303", "=": "\u0304", "u": "\u0306",
     ".": "\u0307", '"': "\u0308", "r": "\u030a", "H": "\u030b", "v": "\u030c", "c": "\u0327",
     "k": "\u0328"}
)  # fmt: skip
QUOTES: Mapping[str, str] = MappingProxyType({"``": "“", "''": "”", "--": "–", "---": "—"})


@dataclass(frozen=True, slots=True)
class Group:
    """What to do at the closing brace: `level` makes a heading, `after` is written."""

    level: int = 0
    after: str = ""
