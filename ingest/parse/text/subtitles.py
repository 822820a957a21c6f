"""SubRip and WebVTT in, what is said out: paragraphs of about half a minute, with their times."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape

from ingest.parse.base.blocks import Blocks, Parsed
from ingest.parse.base.clean import clean, decode_text
from ingest.parse.text.lines import iterate_lines, keep_start

_CLOCK = r"(?:(\d{1,4}):)?(\d{1,2}):(\d{1,2})(?:[.,]\d{1,3})?"
_TIMES = re.compile(rf"\s*{_CLOCK}[ \t]*-->[ \t]*{_CLOCK}")
_HEADER = re.compile(r"WEBVTT(?:[ \t]+-?[ \t]*(\S.*))?$")
_NO_CUE = re.compile(r"(?:NOTE|STYLE|REGION)(?:[ \t]|$)")
_VOICE = re.compile(r"<v(?:\.[^\s<>]{0,100})?[ \t]+([^<>\n]{1,100})>")
_TAG = re.compile(r"</?[A-Za-z\d][^<>\n]{0,200}>|\{\\[^{}\n]{0,200}\}")
_SPEAKER = re.compile(r"(?:>>[ \t]*|-[ \t]?)?([A-Z][\w.'’ -]{0,30}):[ \t]+(?=\S)")
_SENTENCE_END = (".", "!", "?", "…", "。", "！", "？", ".”", '."', "♪")
_PARAGRAPH_SECONDS = 30
_LONGEST_SECONDS = 60
_PAUSE_SECONDS = 8


@dataclass(frozen=True, slots=True)
class _Cue:
    """What stands on the screen from `start` to `end`, in seconds; `speaker` is "" if not told."""

    start: int
    end: int
    speaker: str
    text: str


def parse_subtitles(data: bytes, media_type: str) -> Parsed:  # noqa: ARG001
    """Join the cues of a speaker to paragraphs, each a page whose label is its time."""
    decoded = decode_text(data)
    text, notes = keep_start(clean(decoded.text))
    notes += (decoded.note,) * bool(decoded.note)
    blocks = Blocks()
    for paragraph in _paragraphs(_cues(text)):
        first = paragraph[0]
        blocks.begin_page(_label(first.start))
        said = " ".join(cue.text for cue in paragraph)
        blocks.add(f"{first.speaker}: {said}" if first.speaker else said)
    header = _HEADER.match(text[: text.find("\n")]) if "\n" in text else None
    parsed = blocks.finish((header[1] or "").strip() if header else "")
    if not parsed.text:
        return Parsed(text, notes=(*notes, "no subtitles, read as text"), encoding=decoded.encoding)
    return Parsed(
        parsed.text, parsed.title, pages=parsed.pages, notes=notes, encoding=decoded.encoding
    )


def _cues(text: str) -> Iterator[_Cue]:
    """Yield what is said; a line that scrolls up with the next cue is said only once."""
    shown: frozenset[str] = frozenset()
    for start, end, lines in _timed_lines(text):
        voice = next((found[1].strip() for line in lines if (found := _VOICE.search(line))), "")
        plain = [_plain(line) for line in lines]
        scrolls = len(plain) > 1 or len(shown) > 1 or start == end
        new = [line for line in plain if line and not (scrolls and line in shown)]
        shown = frozenset(plain)
        said = " ".join(new)
        named = None if voice else _SPEAKER.match(said)
        speaker = voice or (named[1].strip() if named else "")
        words = said[named.end() :] if named else said
        if words:
            yield _Cue(start, end, " ".join(speaker.split()), words)


def _plain(line: str) -> str:
    """Return a line without markup; its entities may hide what is invisible."""
    line = unescape(_TAG.sub("", _VOICE.sub("", line)))
    return " ".join(clean(line).split())


def _timed_lines(text: str) -> Iterator[tuple[int, int, list[str]]]:
    """Yield start, end and lines of each cue; notes, styles, numbers and names of cues go."""
    times: tuple[int, int] | None = None
    lines: list[str] = []
    skipped = False
    since_blank = 0
    for _, line in iterate_lines(text):
        found = _TIMES.match(line) if "-->" in line else None
        if found:
            if times:
                yield *times, _without_name(lines, since_blank)
            times, lines, skipped = _seconds(found), [], False
        elif not since_blank and _NO_CUE.match(line):
            skipped = True
        elif not line.strip():
            skipped = False
        elif times and not skipped:
            lines.append(line)
        since_blank = since_blank + 1 if line.strip() else 0
    if times:
        yield *times, lines


def _without_name(lines: list[str], since_blank: int) -> list[str]:
    """Drop the number or name of the next cue, which stands right before its times."""
    named = bool(lines) and (since_blank == 1 or lines[-1].strip().isdecimal())
    return lines[:-1] if named else lines


def _seconds(found: re.Match[str]) -> tuple[int, int]:
    numbers = [int(group or 0) for group in found.groups()]
    return (
        numbers[0] * 3600 + numbers[1] * 60 + numbers[2],
        numbers[3] * 3600 + numbers[4] * 60 + numbers[5],
    )


def _paragraphs(cues: Iterator[_Cue]) -> Iterator[list[_Cue]]:
    """Yield cues in groups: a speaker's, cut at sentences after half a minute, and at pauses.

    A cue without a speaker continues what the one before it said.
    """
    group: list[_Cue] = []
    for cue in cues:
        if group and _ends(group, cue):
            yield group
            group = []
        group.append(cue)
    if group:
        yield group


def _ends(group: list[_Cue], cue: _Cue) -> bool:
    first, last = group[0], group[-1]
    if cue.speaker and cue.speaker != first.speaker:
        return True
    lasted = cue.end - first.start
    sentence = last.text.endswith(_SENTENCE_END)
    if cue.start < first.start or lasted > _LONGEST_SECONDS:
        return True
    return sentence and (lasted > _PARAGRAPH_SECONDS or cue.start - last.end > _PAUSE_SECONDS)


def _label(seconds: int) -> str:
    """Return a time as players show it: "0:12:30"."""
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
