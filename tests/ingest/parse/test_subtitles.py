from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from parsed_invariants import check, check_linear, parse_hostile

from ingest.parse.base import media
from ingest.parse.base.blocks import Parsed
from ingest.parse.text.subtitles import parse_subtitles


def read(text: str) -> Parsed:
    return check(parse_subtitles(text.encode(), media.SUBTITLES))


def srt(*cues: tuple[int, str], seconds: int = 4) -> str:
    def clock(at: int) -> str:
        return f"{at // 3600:02}:{at // 60 % 60:02}:{at % 60:02},500"

    return "\n".join(
        f"{number}\n{clock(at)} --> {clock(at + seconds)}\n{text}\n"
        for number, (at, text) in enumerate(cues, 1)
    )


def test_numbers_times_and_markup_go() -> None:
    parsed = read(
        srt((1, "<i>Good</i> {\\an8}morning,"), (5, "all &amp; <font color=red>sundry</font>."))
    )
    assert parsed.text == "Good morning, all & sundry."
    assert [page.label for page in parsed.pages] == ["0:00:01"]
    assert parsed.encoding == "utf-8"


def test_a_paragraph_ends_with_a_sentence_after_half_a_minute() -> None:
    cues = [(n * 10, f"Part {n} goes on" + ("." if n == 4 else "")) for n in range(8)]
    parsed = read(srt(*cues, seconds=10))
    assert [page.label for page in parsed.pages] == ["0:00:00", "0:00:50"]
    assert parsed.text.split("\n\n")[0].endswith("Part 4 goes on.")


def test_a_paragraph_without_a_sentence_ends_after_a_minute() -> None:
    parsed = read(srt(*[(n * 10, "and so on") for n in range(20)], seconds=10))
    assert [page.label for page in parsed.pages] == ["0:00:00", "0:01:00", "0:02:00", "0:03:00"]


def test_a_pause_after_a_sentence_ends_a_paragraph() -> None:
    parsed = read(srt((0, "One."), (60, "Two."), (4000, "Three.")))
    assert [page.label for page in parsed.pages] == ["0:00:00", "0:01:00", "1:06:40"]


def test_another_speaker_begins_a_paragraph() -> None:
    text = (
        "WEBVTT - The talk\n\nSTYLE\n::cue { color: red }\n\nNOTE a comment\nof two lines\n\n"
        "intro\n00:01.000 --> 00:03.000 align:start\n<v Anna>Good morning,\n\n"
        "00:03.000 --> 00:05.000\n<v Anna>everyone.\n\n"
        "last\n00:05.000 --> 00:07.000\n<v.loud Bob><c.yellow>Hello</c> <00:06.000>Anna.</v>\n"
    )
    parsed = read(text)
    assert parsed.text == "Anna: Good morning, everyone.\n\nBob: Hello Anna."
    assert parsed.title == "The talk"
    assert [page.label for page in parsed.pages] == ["0:00:01", "0:00:05"]


def test_speakers_named_in_the_text_are_told_once() -> None:
    parsed = read(srt((0, "ANNA: I think"), (4, "ANNA: so."), (8, "BOB: Me too.")))
    assert parsed.text == "ANNA: I think so.\n\nBOB: Me too."


def test_lines_that_scroll_up_are_said_once() -> None:
    parsed = read(srt((0, "one two"), (4, "one two\nthree four"), (8, "three four\nfive.")))
    assert parsed.text == "one two three four five."


def test_cues_without_blank_lines_between_are_told_apart() -> None:
    assert read("1\n00:00:01,0 --> 00:00:02,0\na\n2\n00:00:02,0 --> 00:00:03,0\nb\n").text == "a b"


@pytest.mark.parametrize("text", ["Just words.\n", "WEBVTT\n", "00:01 --> \n"])
def test_what_has_no_cues_is_text(text: str) -> None:
    parsed = read(text)
    assert parsed.text == text
    assert "no subtitles" in parsed.notes[0]


def test_old_encodings_are_recorded() -> None:
    parsed = parse_subtitles(srt((0, "Grüße aus Köln.")).encode("cp1252"), media.SUBTITLES)
    assert parsed.text == "Grüße aus Köln."
    assert parsed.encoding == "cp1252"


def test_hostile_subtitles_take_linear_time() -> None:
    cue = "1\n00:00:01,000 --> 00:00:02,000\n"
    check_linear(
        parse_subtitles,
        [
            f"{cue}<v \n",
            f"{cue}x\n\n",
            cue,
            "<",
            "a\n",
            "-->",
            f"{cue}" + "<c>" * 50,
            "{\\",
            "00:" * 9,
        ],
        media.SUBTITLES,
    )
    check_linear(
        lambda data, kind: parse_subtitles(cue.encode() + data, kind), ["<v a", "a\n", "&amp;"], ""
    )


pieces = st.sampled_from(
    ["1\n", "00:00:01,000 --> 00:00:02,000\n", "WEBVTT\n", "\n", "<v A>", "x. ", "NOTE\n", "&#x202e;", "e", "\u0301"]
)  # fmt: skip


@given(st.lists(pieces | st.text(max_size=5)).map("".join))
def test_any_text_is_read(text: str) -> None:
    parse_hostile(parse_subtitles, text.encode("utf-8", "replace"), media.SUBTITLES)


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    parse_hostile(parse_subtitles, data, media.SUBTITLES)
