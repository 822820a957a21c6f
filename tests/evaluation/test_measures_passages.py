"""How much of the evidence is in what was ranked and shown."""

import pytest

from ingest.tokens import count_tokens
from rag.evaluation.base.cases import Case, Relevant
from rag.evaluation.base.responses import Passage, Response
from rag.evaluation.measures.registry import find_measure, measure_case

CASE = Case("c", "?", (Relevant("a", "", 0, 100), Relevant("b", "", 50, 150)))
RANKED = (
    Passage("a", "", 0, 200, tokens=400),
    Passage("x", "", 0, 100, tokens=300),
    Passage("b", "", 100, 300, tokens=400),
)


def measured(name, case=CASE, **told):
    return measure_case(case, Response(**told), [name])[find_measure(name).name]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("evidence-R@399tokens", 0), ("evidence-R@400tokens", 0.5), ("evidence-R@1099tokens", 0.5),
     ("evidence-R@1100tokens", 1), ("R@1", 0.5), ("nDCG@10", (1 + 1 / 2) / (1 + 0.6309297535714575)),
     ("Success@1", 1), ("P@5", 0.4), ("AP", (1 + 2 / 3) / 2), ("RR@10", 1)],
)  # fmt: skip
def test_ranked_passages_measure_as_told(name, expected):
    assert measured(name, ranked=RANKED) == pytest.approx(expected)


def test_budget_is_filled_with_what_was_ranked_where_that_is_told():
    assert measured("evidence-R@1100tokens", ranked=RANKED[1:], context=RANKED) == 0.5
    assert measured("evidence-R@1100tokens", context=RANKED) == 1
    assert measured("evidence-R", context=RANKED) == 1
    assert measured("evidence-R", ranked=RANKED) is None
    assert measured("evidence-R@500tokens", context=()) == 0


def test_passage_that_does_not_fit_is_not_cut_and_ends_the_budget():
    ranked = (RANKED[1], Passage("x", "", 0, 9, tokens=9000), *RANKED)
    assert measured("evidence-R@8000tokens", ranked=ranked) == 0


def test_tokens_are_those_of_the_text_whatever_a_system_counts():
    text = "Submit it within 45 days of the purchase"
    case = Case("c", "?", (Relevant("a", text),))
    size = count_tokens(text)
    for told in (None, 1, 9999):
        ranked = (Passage("a", text, tokens=told),)
        assert measured(f"evidence-R@{size}tokens", case, ranked=ranked) == 1
        assert measured(f"evidence-R@{size - 1}tokens", case, ranked=ranked) == 0


@pytest.mark.parametrize(
    ("name", "expected"),
    [("token-R@5", 150 / 200), ("token-P@5", 150 / 500), ("token-IoU@5", 150 / 550),
     ("token-R@1", 0.5), ("token-P@1", 0.5), ("token-IoU@1", 100 / 300)],
)  # fmt: skip
def test_characters_are_counted_by_offsets(name, expected):
    assert measured(name, ranked=RANKED) == pytest.approx(expected)


def test_characters_in_two_passages_count_once():
    case = Case("c", "?", (Relevant("a", "", 0, 100),))
    shown = (Passage("a", "", 0, 60), Passage("a", "", 40, 120))
    assert measured("token-R", case, context=shown) == pytest.approx(1)
    assert measured("token-P", case, context=shown) == pytest.approx(100 / 120)
    assert measured("token-IoU", case, context=shown) == pytest.approx(100 / 120)


def test_characters_are_counted_by_words_without_offsets():
    excerpt = "Submit it within 45 days of the purchase"
    case = Case("c", "?", (Relevant("a", excerpt),))
    passage = Passage("a", f"Keep it.  {excerpt}")
    assert measured("token-R@5", case, ranked=(passage,)) == 1
    assert measured("token-P@5", case, ranked=(passage, passage)) == pytest.approx(40 / 49)


@pytest.mark.parametrize("evidence", [(), (Relevant("a", grade=0),)])
def test_case_without_evidence_does_not_apply(evidence):
    case = Case("c", "?", evidence)
    for name in ("nDCG@10", "R@5", "evidence-R@500tokens", "token-IoU@5", "citation-P"):
        assert not find_measure(name).applies(case)
        assert measured(name, case, ranked=RANKED, context=RANKED, text="yes") is None


def test_whole_documents_have_no_characters():
    case = Case("c", "?", (Relevant("a"), Relevant("b", "", 0, 9)))
    assert measured("token-R@5", case, ranked=RANKED) is None
    assert measured("R@5", case, ranked=RANKED) == 0.5
