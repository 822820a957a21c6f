import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.sentences import sentence_spans


def sentences(text: str) -> list[str]:
    return [text[start:end] for start, end in sentence_spans(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("It costs 3.50 euro. Fine.", ["It costs 3.50 euro.", "Fine."]),
        (
            "Ask Dr. Brandt, e.g. on Monday. Then go.",
            ["Ask Dr. Brandt, e.g. on Monday.", "Then go."],
        ),
        ("Am 3. März ist zu. Danach offen.", ["Am 3. März ist zu.", "Danach offen."]),
        ("Es gilt z.B. hier. Ende.", ["Es gilt z.B. hier.", "Ende."]),
        ("J. Smith wrote it. Read it.", ["J. Smith wrote it.", "Read it."]),
        ('He said "Go." Then left.', ['He said "Go."', "Then left."]),
        ("A fact.[1] Another.[2]", ["A fact.[1]", "Another.[2]"]),
        ("保修期为两年。电池除外！对吗？", ["保修期为两年。", "电池除外！", "对吗？"]),
        ("यह सच है। वह घर है।", ["यह सच है।", "वह घर है।"]),
        ("هل هذا صحيح؟ نعم. هذا جيد", ["هل هذا صحيح؟", "نعم.", "هذا جيد"]),
        ("Title\n\nText of it.", ["Title", "Text of it."]),
        ("Steps:\n- open it\n- close it", ["Steps:", "- open it", "- close it"]),
        ("1. Open the lid.\n2. Close it.", ["1. Open the lid.", "2. Close it."]),
        ("| a | b |\n| 1 | 2 |", ["| a | b |", "| 1 | 2 |"]),
        ("Chapter ........ 12 is long", ["Chapter ........ 12 is long"]),
        ("no end", ["no end"]),
        ("", []),
        (" \n ", []),
    ],
)
def test_sentences_end_where_a_reader_ends_them(text, expected):
    assert sentences(text) == expected


def test_text_without_capitals_has_sentences_too():
    parts = [f"this is part {n} of a text that somebody made lower case." for n in range(6)]
    assert sentences(" ".join(parts)) == parts
    assert len(sentences(" ".join(parts).replace("this", "This"))) == 6
    assert len(sentences(" ".join(parts).replace("part", "Part"))) == 1


def test_a_mark_between_blanks_ends_a_sentence():
    assert sentences("In a stream . the wing is thin .") == ["In a stream .", "the wing is thin ."]


@given(st.text(alphabet='aB1 .!?。\n-|"[]', max_size=80))
def test_sentences_cover_all_but_blanks_in_order(text):
    spans = sentence_spans(text)
    assert "".join(text[a:b] for a, b in spans).split() == text.split() or (
        "".join("".join(text[a:b].split()) for a, b in spans) == "".join(text.split())
    )
    flat = [offset for span in spans for offset in span]
    assert flat == sorted(flat)
    for a, b in spans:
        assert text[a:b].strip() == text[a:b] != ""


def test_long_runs_of_dots_take_linear_time():
    assert len(sentence_spans("." * 300_000 + "x" + ". " * 100_000)) > 1000
