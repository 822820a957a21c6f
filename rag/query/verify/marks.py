"""The marks of an answer, [1], 【1】, (passage 1), in; sentences with the numbers they cite out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ingest.sentences import sentence_spans

_LABEL = r"(?:passages?|passagen|sources?|quellen?|citations?|references?|来源|出处|段落)"
_AND = r"\s*(?:[,;/&，、–-]|,?\s*\b(?:and|und|et|y)\b|和|与)\s*"
_ONE = rf"(?:{_LABEL}\s*[:：]?\s*|[#^]\s*|(?:nr|no)\b\.?\s*)?\d{{1,3}}"
_LIST = rf"{_ONE}(?:{_AND}{_ONE}){{0,20}}"
_BARE_LIST = rf"\d{{1,3}}(?:{_AND}\d{{1,3}}){{0,20}}(?!\d|[.,:]\d|\w|%)"
_PAGE = r"(?:[,;]?\s*(?:pp?\.|s\.|pages?|seiten?)\s*\d{1,5}(?:\s*[–-]\s*\d{1,5})?)"
_SEE = r"(?:(?:see(?: also)?|siehe|vgl\.|cf\.|voir|from|in|per)\s+)?"
# A raised number behind a unit is a power.
_RAISED = (
    r"(?:(?<=[^\W\d_]{4})(?<!met[er]{2})(?<!met[er]{2}s)(?<!inch)(?<!inches)(?<!feet)(?<!foot)"
    r"(?<!second)(?<!seconds)(?<!yard)(?<!yards)(?<!miles)|(?<=[.,;!?。\"”)]))"
)
_CLOSE = r"(?=\s*(?:[.;,!?。；，！？]|$))"
_WRITTEN = re.compile(
    r"(?<![ \t])[ \t]*"
    rf"(?:\\?[\[【［〔]\s*(?:{_LIST}{_PAGE}?|{_LABEL}\s*\d{{1,3}}\s*:[^\[\]\n]{{1,100}}"
    rf"|\d{{1,3}}†[^\]】\n]{{0,80}})\s*\\?[\]】］〕]"
    rf"|[(（]\s*{_SEE}{_LABEL}\s*[:：]?\s*{_LIST}{_PAGE}?\s*[)）]"
    rf"|(?:{_RAISED}|(?<=[^\W\d_]{{3}}[ \t]))<sup>\s*\[?{_LIST}\]?\s*</sup>"
    rf"|{_RAISED}(?:\^\d{{1,3}}(?![\w.,]*\d){_CLOSE})"
    rf"|(?:{_RAISED}|(?<=\S[ \t]))[⁰¹²³⁴-⁹]{{1,3}}(?=[\s.,;:!?¹²³⁴-⁹]|$)"
    rf"|(?<=\s)\{{\d{{1,3}}\}}{_CLOSE}"
    rf"|(?:(?<=[.!?。])[ \t]+|^){_LABEL}\s*[:：]\s*{_LIST}\s*\.?$)",
    re.IGNORECASE | re.MULTILINE,
)
_SAID = re.compile(
    r"\b(?P<lead>(?:in|to|by|from|per|laut|nach|gemäß)\s+(?:the\s+)?(?:passages?|passagen?)"
    rf"|(?:according to|laut|gemäß)\s+(?:sources?|quellen?))\s+(?P<list>{_BARE_LIST})",
    re.IGNORECASE,
)
_BRACED = re.compile(
    r"(?:(?<=[^\W\d_]{2})[ \t](?=[(（])|(?<=[\u3040-\u9fff])(?=[(（])|(?<=[^\W\d_]{3})(?=（))"
    rf"[(（](\d{{1,3}})[)）]{_CLOSE}",
    re.MULTILINE,
)
_NAMED = re.compile(
    r"(?:\b(?:eq|eqs|equations?|formulas?|steps?|sections?|clauses?|articles?|paragraphs?|items?|"
    r"points?|figures?|tables?|options?|in|see|of|by|from|to|and|or|under|with|gleichung|formel|"
    r"absatz|abs|satz|punkt|schritt|nr|one|two|three|four|five|six|seven|eight|nine|ten|twelve|"
    r"eine?[nrms]?|zwei|drei|vier|fünf|sechs|un|une|deux|trois)\.?|[式条步图表第])\Z",
    re.IGNORECASE,
)
_LISTED = re.compile(
    r"(?:^|[,;:.，；：。]\s*|\b(?:and|or|und|oder|et)\s+)[(（]\d{1,3}[)）]\s*\w|\[\d"
)
_CODE = re.compile(r"^[ \t]*```.*?(?:^[ \t]*```|\Z)|`[^`\n]+`", re.DOTALL | re.MULTILINE)
_INDEX = re.compile(r"(?P<word>[\w.!?。][ \t])?(?:\[\d{1,3}\][ \t]*)+")
_HIDDEN = "\ue000"
_SOURCES = re.compile(
    rf"(?:^|\n)[ \t#*_]*(?:{_LABEL}|bibliography|literatur|参考\w*)[ \t]*[:：]?[*_ \t]*[:：]?"
    r"(?:\s*(?:[-*•]|\d{1,2}[.)])?[ \t]*\[\d{1,3}\][^\n]{0,150})+\s*\Z",
    re.IGNORECASE,
)
_EXTRACT = re.compile(r'"(?P<quote>.+?)" \[(?P<number>\d{1,3})\](?:\s+(?=")|\s*\Z)', re.DOTALL)
_RUN = re.compile(r"(?:\[\d{1,3}\][ \t]*)+")
_LEADING = re.compile(r"(?:[ \t]*\[\d{1,3}\])+[ \t]*(?:[.。!?](?=\s|\Z))?")
_ONLY_MARKS = re.compile(r"[\s*_()-]*(?:\[\d{1,3}\][\s,;.*_()-]*)+")
_NUMBER = re.compile(r"\[(\d{1,3})\]")
_WORD = re.compile(r"\w+")
_END = re.compile(r"\s*(?:\|\s*|[.!?。！？…]+[*_)]*|[*_]+)$")
_SIGN = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]")
_QUOTATION = re.compile(
    r"“[^“”\n]*(?:”|(?P<open>$))|„[^“”„\n]*(?:[“”]|(?P<low>$))|«[^«»\n]*(?:»|(?P<angle>$))"
    r"|「[^「」\n]*(?:」|(?P<corner>$))|(?<![\w\"])\"(?=\S)[^\"\n]*(?:\"|(?P<straight>$))",
    re.MULTILINE,
)
_RAISED_DIGITS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")
_FEW_WORDS = 4


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence at `start:end` of an answer; `is_extract` says that it is a bare quotation."""

    start: int
    end: int
    is_extract: bool = False


@dataclass(frozen=True, slots=True)
class Piece:
    """What stands before a run of marks in a sentence, and the numbers it cites.

    `runs` are start and end of its runs of marks in the sentence.
    """

    text: str
    numbers: tuple[int, ...]
    runs: tuple[tuple[int, int], ...] = ()


def normalise_marks(text: str, most: int) -> tuple[str, int]:
    """Return the text with marks as [1][2], and how many numbers pointed to no passage.

    Ranges are written out, numbers above `most` are left out, and so is a list of sources at the
    end.  Brackets of code are no marks: `reveal` gives them back.
    """
    written, unknown, position = "", 0, 0
    for code in _CODE.finditer(text):
        part, missing = _normalise_prose(text[position : code.start()], most)
        written += part + _INDEX.sub(_hide, code[0])
        unknown += missing
        position = code.end()
    part, missing = _normalise_prose(text[position:], most)
    text = written + part
    sources = _SOURCES.search(text)
    if sources and text[: sources.start()].strip():
        text = text[: sources.start()].rstrip()
    return text, unknown + missing


def reveal(text: str) -> str:
    """Return a text of the same length with the brackets of code that `normalise_marks` hid."""
    return text.replace(_HIDDEN, "[")


def _hide(run: re.Match[str]) -> str:
    return run[0] if run["word"] else run[0].replace("[", _HIDDEN)


def _normalise_prose(text: str, most: int) -> tuple[str, int]:
    unknown = 0

    def rewrite(mark: re.Match[str]) -> str:
        nonlocal unknown
        numbers, missing = _read_numbers(mark[0], most)
        unknown += missing
        blanks = mark[0][: len(mark[0]) - len(mark[0].lstrip(" \t"))]
        if not numbers:
            follows = re.compile(r"[^\s.,;:!?。，；：！？)]").match(mark.string, mark.end())
            return blanks if follows else ""
        return blanks + "".join(f"[{number}]" for number in numbers)

    def say(found: re.Match[str]) -> str:
        numbers, _ = _read_numbers(found["list"], most)
        return f"{found['lead']} " + "".join(f"[{n}]" for n in numbers) if numbers else found[0]

    text = _WRITTEN.sub(rewrite, text)
    return _BRACED.sub(lambda found: _read_braced(found, most), _SAID.sub(say, text)), unknown


def _read_numbers(written: str, most: int) -> tuple[list[int], int]:
    """Return the numbers of a mark up to `most`, and how many are above."""
    written = re.sub(rf"{_PAGE}|†.*|(?<=\d):\D.*", "", written, flags=re.IGNORECASE)
    numbers: dict[int, None] = {}
    unknown = 0
    for first, last in re.findall(r"(\d+)(?:\s*[–-]\s*(\d+))?", written.translate(_RAISED_DIGITS)):
        low, high = sorted((int(first), int(last or first)))
        unknown += high > most or low < 1
        numbers.update(dict.fromkeys(range(max(low, 1), min(high, most) + 1)))
    return list(numbers), unknown


def _read_braced(found: re.Match[str], most: int) -> str:
    """Return (1) at the end of a clause as [1]; a numbered item or equation stays."""
    before = found.string[found.string.rfind("\n", 0, found.start()) + 1 : found.start()]
    is_mark = 1 <= int(found[1]) <= most and not _LISTED.search(before)
    if not is_mark or _NAMED.search(before.rstrip()):
        return found[0]
    return (
        found[0].translate({ord(sign): "" for sign in "(（)）"}).replace(found[1], f"[{found[1]}]")
    )


def is_extracts(text: str) -> bool:
    """Return whether the text is nothing but quoted sentences, each with its number.

    Brackets inside a quotation are the document's own and are left alone.
    """
    return bool(text) and "".join(found[0] for found in _EXTRACT.finditer(text)) == text


def split_sentences(text: str) -> list[Sentence]:
    """Return the sentences of an answer in order, the marks behind each with it."""
    if is_extracts(text):
        spans = [(found.start(), found.start() + len(found[0].rstrip()))
                 for found in _EXTRACT.finditer(text)]  # fmt: skip
        return [Sentence(start, end, is_extract=True) for start, end in spans]
    sentences: list[Sentence] = []
    position = 0
    for line in text.splitlines(keepends=True):
        if sentences and _ONLY_MARKS.fullmatch(line):
            # A mark on a line of its own belongs to what stands above.
            end = position + len(line.rstrip())
            sentences[-1] = Sentence(sentences[-1].start, end)
        else:
            sentences += _split_line(line, position)
        position += len(line)
    return sentences


def _split_line(line: str, offset: int) -> list[Sentence]:
    found: list[Sentence] = []
    for start, end in _join_quoted(line):
        leading = _LEADING.match(line, start)
        if leading and found and not _NUMBER.search(line[found[-1].start - offset : start]):
            # A mark that stands behind the full stop belongs to the sentence before it.
            taken = min(leading.end(), end)
            found[-1] = Sentence(found[-1].start, offset + len(line[:taken].rstrip()))
            start = taken + len(line[taken:end]) - len(line[taken:end].lstrip())
        if start < end:
            found.append(Sentence(offset + start, offset + end))
    return found


def _join_quoted(line: str) -> Iterator[tuple[int, int]]:
    """Yield the spans of a line's sentences; one does not end inside a quotation."""
    quoted = [found.span() for found in _QUOTATION.finditer(line) if found.lastgroup is None]
    begun: int | None = None
    for start, end in sentence_spans(line):
        begun = start if begun is None else begun
        if not any(first < end < last for first, last in quoted):
            yield begun, end
            begun = None


def open_quotation(text: str) -> int | None:
    """Return where a quotation begins that the last line does not close; None without."""
    offset = text.rfind("\n") + 1
    found = [found for found in _QUOTATION.finditer(text[offset:]) if found.lastgroup]
    return offset + found[-1].start() if found else None


def split_pieces(sentence: str) -> list[Piece]:
    """Return what each run of marks in a sentence stands for; without marks that is all of it.

    What stands behind the last marks goes with them; marks with little before them, as in
    "According to [1], ...", count for what follows too.
    """
    pieces: list[Piece] = []
    text, runs = "", list[tuple[int, int]]()
    start = 0
    for run in _RUN.finditer(sentence):
        text += sentence[start : run.start()]
        runs.append((run.start(), run.start() + len(run[0].rstrip())))
        start = run.end()
        if _is_enough(text):
            pieces.append(_piece(sentence, text, runs))
            text, runs = "", []
    rest = text + sentence[start:]
    if not pieces or (runs and _WORD.search(rest)):
        return [*pieces, _piece(sentence, rest, runs)]
    if runs or _WORD.search(rest):
        pieces[-1] = _piece(sentence, pieces[-1].text + rest, (*pieces[-1].runs, *runs))
    return pieces


def _is_enough(text: str) -> bool:
    return len(_WORD.findall(text)) >= _FEW_WORDS or len(_SIGN.findall(text)) >= 2 * _FEW_WORDS


def strip_marks(text: str) -> str:
    """Return a text without its marks."""
    return reveal(re.sub(r"[ \t]*\[\d{1,3}\]", "", text))


def replace_marks(sentence: str, changes: Sequence[tuple[Piece, int]]) -> str:
    """Return a sentence in which each piece cites its new number instead of what it cited.

    A piece without marks gets the number at the end of the sentence, behind a quotation.
    """
    edits: list[tuple[int, int, str]] = []
    for piece, number in changes:
        edits += [(start, end, f"[{number}]") for start, end in piece.runs]
        if not piece.runs:
            closing = _END.search(sentence)
            position = closing.start() if closing else len(sentence)
            edits.append((len(sentence[:position].rstrip()), position, f" [{number}]"))
    for start, end, mark in sorted(edits, reverse=True):
        sentence = sentence[:start] + mark + sentence[end:]
    return sentence


def _piece(sentence: str, text: str, runs: Sequence[tuple[int, int]]) -> Piece:
    cited = [int(n) for start, end in runs for n in _NUMBER.findall(sentence[start:end])]
    return Piece(" ".join(reveal(text).split()), tuple(dict.fromkeys(cited)), tuple(runs))
