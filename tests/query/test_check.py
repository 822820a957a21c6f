import re

import pytest
from benchmarks import citations
from hypothesis import given, settings
from hypothesis import strategies as st
from written_answers import ANSWERS, HEADINGS, PASSAGES

from ingest.base.documents import Chunk, Place
from rag.query.base.answers import REFUSAL
from rag.query.base.hits import Hit
from rag.query.verify.check import NO_SOURCE, Checker, check_answer, withhold

CONTEXT = tuple(
    Hit(Chunk(str(i), f"{i}.md", 0, text, 50, 50 + len(text), 9, i, heading), 1.0, i, {})
    for i, (text, heading) in enumerate(zip(PASSAGES, HEADINGS, strict=True), start=1)
)

# Where a careful reader and the check disagree, and why that is left so.
DISAGREED = {
    # "gilt" and "gültig" are one word to a reader, not to a stemmer.
    "Die Hausordnung gilt seit dem 01.09.2024 [4].",
}


def place_at(chunk: Chunk, _offset: int) -> Place:
    return Place(chunk.page, f"p. {chunk.page}")


def check(text: str):
    return check_answer(text, CONTEXT, place_at)


@pytest.mark.parametrize(
    ("text", "verdicts"), [(text, verdicts) for text, verdicts in ANSWERS if text not in DISAGREED]
)
def test_verdict_is_that_of_a_careful_reader(text, verdicts):
    checked = check(text)
    assert "".join("-+"[s.supported] for s in checked.statements) == verdicts
    assert all(bool(s.problem) != s.supported for s in checked.statements)


def test_careful_readers_are_disagreed_with_seldom():
    assert len(DISAGREED) <= 0.02 * len(ANSWERS)


def test_problem_names_what_the_passage_says_instead():
    (statement,) = check("Full-time staff have 30 working days of annual leave [1].").statements
    assert statement.problem == "the passage says 27 working days, not 30 working days"
    (statement,) = check("Requests go to Adaeze Holtby [1].").statements
    assert "Adaeze" in statement.problem


def test_wrong_number_is_mended_where_another_passage_clearly_holds_the_statement():
    checked = check("A receipt is required from 15 euro upwards [1].")
    assert checked.text == "A receipt is required from 15 euro upwards [2]."
    assert [(c.number, c.verified) for c in checked.citations] == [(2, True)]
    assert checked.notes == ("1 citation pointed to a wrong passage and was corrected",)


def test_missing_mark_is_added_where_a_passage_clearly_holds_the_statement():
    checked = check("A receipt is required from 15 euro upwards.")
    assert checked.text == "A receipt is required from 15 euro upwards [2]."
    assert checked.statements[0].supported
    (statement,) = check("Cats may use the pool on Sundays.").statements
    assert (statement.supported, statement.problem) == (False, NO_SOURCE)


def test_numbers_that_point_nowhere_are_removed_and_counted():
    checked = check("A receipt is required from 15 euro upwards [2][12] [40].")
    assert checked.text == "A receipt is required from 15 euro upwards [2]."
    assert checked.notes == ("2 citations pointed to no passage and were removed",)


def test_statement_spans_the_sentence_with_its_marks():
    text = (
        "Here is what I found:\n\n- 27 working days of leave [1]\n- Second class is the rule. [2]"
    )
    checked = check(text)
    said = [checked.text[s.start : s.end] for s in checked.statements]
    assert said == ["- 27 working days of leave [1]", "- Second class is the rule. [2]"]


def test_names_of_columns_and_headings_are_context():
    rows = "Sales | 500 | 620\nStaff | 20 | 25"
    chunk = Chunk(
        "1", "a.csv", 1, rows, 0, len(rows), 9, None, "T › Teams", "", "Team | 2024 | 2025"
    )
    (one,) = check_answer(
        "The team Sales had 620 in 2025 [1].", [Hit(chunk, 1.0, 1, {})], place_at
    ).statements
    assert one.supported


def test_withheld_answer_keeps_only_what_is_held():
    text = "Leave is 27 working days [1]. Cats bite the postman daily [2]. Second class is the rule [2]."
    kept = withhold(check(text))
    assert kept.text == "Leave is 27 working days [1]. Second class is the rule [2]."
    assert [kept.text[s.start : s.end] for s in kept.statements] == [
        "Leave is 27 working days [1].", "Second class is the rule [2]."]  # fmt: skip
    assert kept.notes[-1] == "1 sentence without support left out"
    assert {c.number for c in kept.citations} == {1, 2}


def test_nothing_held_is_a_refusal():
    kept = withhold(check("Cats bite the postman daily [2]."))
    assert (kept.text, kept.abstained, kept.citations, kept.statements) == (REFUSAL, True, (), ())


def test_begun_answer_shows_whole_sentences_that_are_held():
    checker = Checker(CONTEXT, place_at)
    assert checker.check_begun("Leave is 27 working days") == ""
    assert checker.check_begun("Leave is 27 working days. [1") == ""
    assert (
        checker.check_begun("Leave is 27 working days [1]. Sec") == "Leave is 27 working days [1]."
    )
    assert checker.check_begun("Cats bite the postman daily [2]. Sec") == ""


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([text for text, _ in ANSWERS]), min_size=1, max_size=4))
def test_what_is_shown_early_is_how_the_withheld_answer_begins(parts):
    text = " ".join(part for part in parts if "\n" not in part and not part.startswith("#"))
    whole = withhold(check(text)) if text else None
    checker = Checker(CONTEXT, place_at)
    for end in range(0, len(text), 7):
        shown = checker.check_begun(text[:end])
        assert not shown or (whole and whole.text.startswith(shown))


@given(st.text(alphabet='ab1.[]】【 ,;2\n。|"*27days', max_size=60))
def test_every_mark_has_a_citation_and_every_quote_occurs(answer):
    checked = check(answer)
    if not checked.text.startswith('"'):  # brackets of a quotation are the document's own
        cited = {int(n) for s in checked.statements
                 for n in re.findall(r"\[(\d+)\]", checked.text[s.start : s.end])}  # fmt: skip
        assert cited <= {c.number for c in checked.citations}
    for citation in checked.citations:
        chunk = citation.hit.chunk
        assert (
            chunk.text[citation.start - chunk.start : citation.end - chunk.start] == citation.quote
        )
        assert citation.quote


@pytest.fixture(scope="module")
def samples():
    return citations.make_samples(
        citations.SAMPLES / "documents", citations.SAMPLES / "cases.jsonl", 150
    )


def test_corrupted_numbers_dates_and_names_are_caught(samples):
    assert sum(sample.kind in citations.HARD for sample in samples) >= 100
    assert citations.rate(samples, citations.HARD, is_true=False) >= 0.95
    for kind in ("moved", "unit", "invented"):
        assert citations.rate(samples, [kind], is_true=False) >= 0.9


def test_true_statements_are_left_alone(samples):
    assert sum(sample.is_true for sample in samples) >= 300
    assert citations.rate(samples, [], is_true=True) <= 0.02
