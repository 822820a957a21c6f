from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.base.documents import Chunk, Place
from rag.query.base.hits import Hit
from rag.query.verify.check import check_answer

LEAVE = (
    "Everyone has 27 working days of leave.\nUp to five days may be carried\nover until "
    "31 March 2026. Ask Ms. Brandt first."
)
TRAVEL = "Trains are booked second class. The mileage rate is 0.34 euro per kilometre."


def hit(rank: int, text: str, start: int = 0) -> Hit:
    chunk = Chunk(f"{rank}", f"{rank}.md", 0, text, start, start + len(text), 1, 2, "T")
    return Hit(chunk, 1.0, rank, {})


CONTEXT = (hit(1, LEAVE, start=100), hit(2, TRAVEL))


def place_at(chunk: Chunk, offset: int) -> Place:
    return Place(chunk.page, f"p. {chunk.page}")


def cite(text: str, context, place_at):
    checked = check_answer(text, context, place_at)
    return checked.text, checked.citations


def citations(text: str):
    return cite(text, CONTEXT, place_at)[1]


def test_quote_is_the_sentence_that_supports_the_statement():
    (found,) = citations("You can carry over five days until 31 March 2026 [1].")
    assert found.quote == "Up to five days may be carried\nover until 31 March 2026."
    assert (found.number, found.page, found.verified) == (1, 2, True)
    assert LEAVE[found.start - 100 : found.end - 100] == found.quote


def test_quoted_words_are_found_whatever_the_line_breaks():
    (found,) = citations('"Up to five days may be carried over" [1]')
    assert found.quote == "Up to five days may be carried\nover"
    assert found.verified


@pytest.mark.parametrize(
    "statement",
    [
        "You can carry over six days until 30 March 2026 [1].",
        "The mileage rate is 0.38 euro per kilometre [2].",
        "Dogs are welcome in the canteen [1].",
    ],
)
def test_statement_its_quote_does_not_hold_is_not_verified(statement):
    (found,) = citations(statement)
    assert not found.verified


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("27 days [1]. 0.34 euro [2].", [1, 2]),
        ("27 days, 0.34 euro [1][2].", [1, 2]),
        ("27 days, 0.34 euro [1, 2].", [1, 2]),
        ("27 days.[1] 0.34 euro.[2]", [1, 2]),
        ("27 days【1】.", [1]),
        ("27 days [1] [7].", [1]),
        ("27 days [1-2].", [1, 2]),
        ("27 days [^1].", [1]),
        ("27 days [Passage 1].", [1]),
        ("27 days [Quelle 1 und 2].", [1, 2]),
        ("Nothing cited.", []),
    ],
)
def test_marks_are_read_in_every_usual_spelling(text, numbers):
    assert [found.number for found in citations(text)] == numbers


def test_mark_after_the_full_stop_belongs_to_its_sentence():
    found = citations("You have 27 working days. [1] The mileage rate is 0.34 euro. [2]")
    assert [(c.number, c.verified) for c in found] == [(1, True), (2, True)]


def test_invented_numbers_are_removed_from_the_text():
    text, found = cite("27 days [1][9]. More [12].", CONTEXT, place_at)
    assert text == "27 days [1]. More."
    assert len(found) == 1


def test_quotes_without_full_stops_are_each_found():
    context = (hit(1, "| BP-24 | Spare pack | 410 |\n| BP-48 | Double pack | 790 |"),)
    _, found = cite(
        '"| BP-48 | Double pack | 790 |" [1] "| BP-24 | Spare pack | 410 |" [1]', context, place_at
    )
    assert [(c.quote, c.verified) for c in found] == [
        ("| BP-24 | Spare pack | 410 |", True), ("| BP-48 | Double pack | 790 |", True)]  # fmt: skip


def test_brackets_inside_a_quotation_are_the_documents_own():
    passage = "Zirbium was discovered in [2019] by Ines Vogt [14, 15]. Smith [2] agrees."
    context = (hit(1, passage), hit(2, TRAVEL))
    answer = '"Zirbium was discovered in [2019] by Ines Vogt [14, 15]." [1] "Smith [2] agrees." [1]'
    text, found = cite(answer, context, place_at)
    assert text == answer
    assert [(c.number, c.verified) for c in found] == [(1, True), (1, True)]
    assert (
        cite("It was found in [2019] [1].", context, place_at)[0] == "It was found in [2019] [1]."
    )


def test_heading_is_no_quote():
    context = (hit(1, "## Leave carry-over\n\nFive days may be carried over."),)
    _, (found,) = cite("Leave carry-over is unlimited [1].", context, place_at)
    assert not found.quote.startswith("#")


def test_chinese_statement_finds_its_sentence():
    context = (hit(1, "保修期为两年。电池的保修期为六个月。运费由客户承担。"),)
    _, (found,) = cite("电池保修期是六个月[1]。", context, place_at)
    assert found.quote == "电池的保修期为六个月。"
    assert found.verified


@given(st.text(alphabet="ab1.[]】【 ,;2\n。", max_size=60))
def test_every_mark_has_a_citation_and_every_quote_occurs(answer):
    text, found = cite(answer, CONTEXT, place_at)
    import re

    if not text.startswith('"'):  # brackets of a quotation are the document's own
        assert {int(n) for n in re.findall(r"\[(\d+)\]", text)} <= {c.number for c in found}
    for citation in found:
        chunk = citation.hit.chunk
        assert (
            chunk.text[citation.start - chunk.start : citation.end - chunk.start] == citation.quote
        )
        assert citation.quote


def test_names_of_columns_count_for_each_row_and_are_never_quoted():
    rows = "Sales | 500 | 620\nStaff | 20 | 25"
    chunk = Chunk("1", "a.csv", 1, rows, 40, 40 + len(rows), 9, None, "T", "", "Team | 2024 | 2025")
    said = "The team Sales has 620 in 2025 [1]."
    (found,) = cite(said, [Hit(chunk, 1.0, 1, {})], place_at)[1]
    assert found.quote in rows
    assert "620" in found.quote
    assert found.verified
    (bare,) = cite(said, [Hit(replace(chunk, columns=""), 1.0, 1, {})], place_at)[1]
    assert not bare.verified
    (header,) = cite('"Team | 2024 | 2025" [1]', [Hit(chunk, 1.0, 1, {})], place_at)[1]
    assert header.quote in rows
