"""Answers against references, citations against evidence."""

import pytest

from rag.evaluation.base.cases import Case, Relevant
from rag.evaluation.base.responses import Passage, Response, Said
from rag.evaluation.measures.answers import containment, exact_match, token_f1
from rag.evaluation.measures.registry import measure_case


# As SQuAD's evaluate-v2.0.py counts, by hand.
@pytest.mark.parametrize(
    ("answer", "reference", "exact", "f1"),
    [
        ("The Eiffel Tower!", "eiffel  tower", 1, 1),
        ("in the year 1989", "1989", 0, 0.5),
        ("a b c", "b c d", 0, 0.8),  # "a" is an article
        ("state-of-the-art", "stateoftheart", 1, 1),
        ("the the", "a", 1, 1),
        ("x", "", 0, 0),
        ("b b b", "b", 0, 0.5),
    ],
)
def test_words_are_compared_as_in_squad(answer, reference, exact, f1):
    assert exact_match(answer, reference) == exact
    assert token_f1(answer, reference) == pytest.approx(f1)


@pytest.mark.parametrize(
    ("answer", "reference", "language", "f1"),
    [
        ("die Höhe a", "die Höhe", "de", 0.8),
        ("«Ну, вот»…", "ну вот", "ru", 1),
        ("二十七天", "27天", "zh", 2 / 6),
        ("保修期为三年。", "三年", "zh", 2 * 2 / 8),
        ("ＡＢＣ", "abc", "ja", 1),
    ],
)
def test_words_of_other_languages_are_compared_by_their_signs(answer, reference, language, f1):
    assert token_f1(answer, reference, language) == pytest.approx(f1)


@pytest.mark.parametrize(
    ("answer", "reference", "language", "contained"),
    [
        ("You get 27 working days.", "27 days", "en", True),
        ("You get 27 days.", "27", "en", True),
        ("It was in 1927.", "27", "en", False),
        ("It cost €1000.", "1,000 euros", "en", True),
        ("It cost €100.", "1,000 euros", "en", False),
        ("Three weeks ahead", "at least three weeks", "en", False),
        ("3 weeks ahead", "three weeks", "en", True),
        ("drei Wochen vorher", "3 Wochen", "de", True),
        ("by 30 April 2026 at noon", "30 April", "en", True),
        ("by 2026-04-30", "30 April 2026", "en", True),
        ("by 29 April 2026", "30 April 2026", "en", False),
        ("保修期为三年。", "三年", "zh", True),
        ("Dr. Anna Weber signed", "anna weber", "en", True),
        ("Annabel Weber signed", "anna weber", "en", False),
        ("anything", "...", "en", False),
    ],
)
def test_reference_stands_in_the_answer_by_words_and_values(answer, reference, language, contained):
    assert containment(answer, reference, language) == contained


CASE = Case("c", "?", (Relevant("a", "", 0, 100),), ("27 days", "27"))
CONTEXT = (Passage("a", "", 0, 100), Passage("b", "", 0, 100))
ALL = ("exact-match", "token-F1", "containment", "citation-P", "citation-R", "support-rate")


def test_best_reference_counts():
    found = measure_case(CASE, Response(text="27"), ALL)
    assert found["exact-match"] == found["token-F1"] == found["containment"] == 1


def test_citations_are_right_where_the_passage_holds_evidence():
    said = (
        Said(0, 5, (0, 1), True),
        Said(5, 9, (1,), False),
        Said(9, 12),
        Said(12, 15, (0, 7), True),
    )
    found = measure_case(CASE, Response(text="27 days", context=CONTEXT, statements=said), ALL)
    assert found["citation-P"] == 2 / 5
    assert found["citation-R"] == 2 / 4
    assert found["support-rate"] == pytest.approx(2 / 3)


def test_answer_that_cites_nothing_has_no_right_citation():
    said = (Said(0, 5),)
    found = measure_case(CASE, Response(text="27 days", context=CONTEXT, statements=said), ALL)
    assert (found["citation-P"], found["citation-R"], found["support-rate"]) == (0, 0, None)


def test_refusal_of_what_can_be_answered_counts_as_nothing_right():
    found = measure_case(CASE, Response(text="I do not know 27", context=(), abstained=True), ALL)
    assert found == dict.fromkeys(ALL, 0)


@pytest.mark.parametrize(
    ("case", "response"),
    [
        (Case("c", "?", answers=("27",), answerable=False), Response(text="27", context=CONTEXT)),
        (Case("c", "?"), Response(text="27", context=CONTEXT)),
        (CASE, Response(ranked=CONTEXT)),
    ],
)
def test_what_cannot_be_compared_is_none(case, response):
    assert measure_case(case, response, ALL) == dict.fromkeys(ALL)
