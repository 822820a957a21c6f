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
        ("It is 15 bar.", "1.5 bar", "en", False),
        ("-5 degrees", "5 degrees", "en", False),
        ("at −5 degrees", "-5 degrees", "en", True),
        ("-5 degrees", "−5 degrees", "en", True),
        ("10-12 days", "1012 days", "en", False),
        ("10-12 days", "12 days", "en", True),
        ("version 420", "4.2.0", "en", False),
        ("Es kostet 1.200 Euro.", "1200 Euro", "de", True),
        ("Es kostet 1.200 Euro.", "1,2 Euro", "de", False),
        ("It costs 1.200 euros.", "1.2 euros", "en", True),
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


def test_evidence_that_several_cited_passages_hold_together_is_cited_by_each_that_it_needs():
    case = Case("c", "?", (Relevant("a", "", 1000, 1100),))
    ends = (Passage("a", "", 900, 1030), Passage("a", "", 1070, 1500))
    context = (*ends, Passage("b", "", 0, 100), Passage("a", "", 1000, 1090))
    names = ("citation-P", "citation-R")

    def measured(*cited):
        return tuple(measure_case(case, Response("x", context=context, statements=(
            Said(0, 1, cited),)), names).values())  # fmt: skip

    assert measured(0, 1, 2) == (2 / 3, 1)
    assert measured(0, 2) == (0, 0)
    assert measured(0, 0, 1) == (1, 1)
    assert measured(0, 3, 2) == (1 / 3, 1)


def test_each_of_three_passages_that_share_an_excerpt_is_rightly_cited():
    thirds = ("Leave is granted after six months of service. ", "Two weeks of it have to be taken "
              "in one piece. ", "What is left in April of the next year is lost.")  # fmt: skip
    context = [Passage("a", f"{'x' * 99} {part} {'y' * 99}") for part in thirds]
    case = Case("c", "?", (Relevant("a", "".join(thirds)),))
    response = Response("x", context=tuple(context), statements=(Said(0, 1, (0, 1, 2)),))
    names = ("evidence-R", "citation-P", "citation-R")
    assert measure_case(case, response, names) == dict.fromkeys(names, 1)


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
