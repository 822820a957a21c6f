"""What a passage holds of the evidence, by offsets and by words."""

import random
import time
from difflib import SequenceMatcher

import pytest

from rag.evaluation.base.cases import Relevant
from rag.evaluation.base.responses import Passage
from rag.evaluation.measures.matching import covers, judge_passages, overlap, share_held

TEXT = "Anything longer than four days has to be asked for at least three weeks ahead of it."


@pytest.mark.parametrize(
    ("passage", "piece", "covered"),
    [
        # By offsets: half of the excerpt, or half of the passage in it.
        (Passage("a", "", 0, 100), Relevant("a", "", 50, 150), True),
        (Passage("a", "", 0, 99), Relevant("a", "", 50, 150), False),
        (Passage("a", "", 0, 40), Relevant("a", "", 20, 900), True),
        (Passage("a", "", 0, 40), Relevant("a", "", 21, 900), False),
        (Passage("b", "", 0, 100), Relevant("a", "", 0, 100), False),
        # By words, white space squeezed.
        (Passage("a", f"Then: {TEXT}"), Relevant("a", TEXT.replace(" ", "\n  ")), True),
        (Passage("a", TEXT[:50]), Relevant("a", TEXT), True),
        (Passage("a", "Some words " + TEXT[:42] + " and many others that do not matter here at all, so there"), Relevant("a", TEXT), True),
        (Passage("a", "Some words " + TEXT[:30] + " and many others that do not matter here at all, so there"), Relevant("a", TEXT), False),
        (Passage("a", ""), Relevant("a", TEXT), False),
        (Passage("a", "it was in 1927"), Relevant("a", "27"), False),
        (Passage("a", "it was in 1957"), Relevant("a", "27"), False),
        # Short ones are held whole, and not inside a word or a number.
        (Passage("a", "phone 01273"), Relevant("a", "27"), False),
        (Passage("a", "27.5 or 1,127 or 112 months"), Relevant("a", "27"), False),
        (Passage("a", "after 112 months"), Relevant("a", "12 months"), False),
        (Passage("a", "then 27, or (27)."), Relevant("a", "27"), True),
        (Passage("a", "共27天，保修期为三年。"), Relevant("a", "27"), True),
        (Passage("a", "共27天，保修期为三年。"), Relevant("a", "三年"), True),
        (Passage("a", "휴가는 27일이다"), Relevant("a", "27일"), True),
        (Passage("a", "phone 01273", 500, 511), Relevant("a", "27", 0, 2), False),
        # Offsets that the passage lacks say nothing.
        (Passage("a", TEXT), Relevant("a", "", 0, 10), False),
        # Pages and documents.
        (Passage("a", "", page=3), Relevant("a", page=3), True),
        (Passage("a", "", page=2), Relevant("a", page=3), False),
        (Passage("a"), Relevant("a"), True),
        (Passage("b", TEXT, places=("a",)), Relevant("a"), True),
        (Passage("b", TEXT, 500, 584, places=("a",)), Relevant("a", TEXT, 0, 84), True),
    ],
)  # fmt: skip
def test_passage_covers_a_piece_when_half_of_it_is_there(passage, piece, covered):
    assert covers(passage, piece) is covered


def test_passages_hold_together_what_each_holds_a_part_of():
    piece = Relevant("a", TEXT, 0, 100)
    parts = [Passage("a", "", 0, 20), Passage("a", "", 10, 30), Passage("a", "", 90, 300)]
    assert share_held(parts, piece) == pytest.approx(0.4)
    by_words = [Passage("a", TEXT[:30]), Passage("a", "..." + TEXT[60:])]
    assert share_held(by_words, Relevant("a", TEXT)) == pytest.approx(1 - 30 / len(TEXT))


def test_letters_in_common_by_chance_are_no_evidence():
    piece = Relevant("a", "Submit it within 45 days of the purchase")
    others = [Passage("a", "Meals are paid within a day of the trip."), Passage("a", "Submit the form."),
              Passage("a", "Every purchase of a member is told to the office.")]  # fmt: skip
    assert share_held(others, piece) < 0.5
    assert not any(covers(passage, piece) for passage in others)


def test_passage_that_repeats_an_excerpt_elsewhere_word_for_word_covers_it():
    assert covers(Passage("a", f"Again: {TEXT}", 500, 600), Relevant("a", TEXT, 0, 84))
    assert not covers(Passage("a", f"Again: {TEXT[:60]}", 500, 600), Relevant("a", TEXT, 0, 84))


def test_each_piece_counts_once_at_the_first_passage_that_covers_it():
    relevant = [Relevant("a", "", 0, 10, grade=2), Relevant("a", "", 20, 30), Relevant("b", "", 0, 9),
                Relevant("c", grade=0), Relevant("a", "", 100, 110, grade=-1)]  # fmt: skip
    ranked = [
        Passage("c", "", 0, 5),
        Passage("a", "", 0, 50),
        Passage("a", "", 0, 50),
        Passage("b", "", 0, 50),
    ]
    found = judge_passages(ranked, relevant)
    assert found.found == ((), (2, 1), (), (1,))
    assert found.relevant == (2, 1, 1)


def test_documents_are_ranked_by_their_first_passage_where_all_evidence_is_documents():
    ranked = [Passage("a"), Passage("b"), Passage("a"), Passage("a"), Passage("c")]
    assert judge_passages(ranked, [Relevant("c")]).found == ((), (), (1,))
    mixed = judge_passages(ranked, [Relevant("c"), Relevant("b", "", 0, 5)])
    assert mixed.found == ((), (), (), (), (1,))


def test_document_that_a_passage_is_a_copy_of_is_ranked_with_it():
    ranked = [Passage("a"), Passage("a", places=("b",)), Passage("b"), Passage("c")]
    assert judge_passages(ranked, [Relevant("b")]).found == ((), (1,), ())
    assert judge_passages(ranked, [Relevant("a"), Relevant("b")]).found == ((1,), (1,), ())


def test_longest_piece_in_common_is_the_true_one():
    draw = random.Random(3)
    words = ["ab", "cd", "ef", "gh", "ij", "kl", "mn", "op", "qr", "st", "uv", "wx"]
    seen = 0
    for _ in range(300):
        excerpt = " ".join(draw.choices(words, k=draw.randint(6, 60)))
        start, end = sorted(draw.sample(range(len(excerpt)), 2))
        text = " ".join([*draw.choices(words, k=9), excerpt[start:end], *draw.choices(words, k=30)])
        found = overlap(Passage("a", text), Relevant("a", excerpt))
        excerpt, text = " ".join(excerpt.split()), " ".join(text.split())
        true = SequenceMatcher(None, excerpt, text, autojunk=False).find_longest_match().size
        if true >= max(8, min(len(excerpt), len(text)) / 4):
            seen += 1
            assert found
            assert found.end - found.start == true
            assert excerpt[found.start : found.end] in text
        else:
            assert found is None
    assert seen > 100


def test_cases_by_the_thousand_are_judged_in_seconds():
    draw = random.Random(1)
    letters = "".join(draw.choices("abcdefghij     ", k=80_000))
    started = time.perf_counter()
    for _ in range(300):
        starts = draw.choices(range(70_000), k=31)
        ranked = [Passage("a", letters[at : at + 2000]) for at in starts[1:]]
        judge_passages(ranked, [Relevant("a", letters[starts[0] : starts[0] + 400])])
    assert time.perf_counter() - started < 8
