from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.base.documents import Chunk
from rag.index.store.records import Copy
from rag.query.retrieval.candidates import Candidate, rarity, weigh_terms
from rag.query.retrieval.fuse import (
    fuse,
    score_documents,
    score_neighbours,
    score_phrases,
)
from rag.query.retrieval.weigh import scale, weigh_dense


@dataclass(frozen=True)
class Found:
    chunk: Chunk
    score: float = 0.0
    root: str = "/docs"
    copies: tuple[Copy, ...] = ()


def candidate(name="a.md", ordinal=0, dense=0.0, words=0.0, text="", root="/docs") -> Candidate:
    chunk = Chunk(f"{root}{name}{ordinal}", name, ordinal, text or "x", 0, 1, 1, None, "T")
    return Candidate(Found(chunk, root=root), dense, words, {}, f" {text} ")


STEEP = [1.0 - n / 10 for n in range(12)]
FLAT = [1.0 - n / 1000 for n in range(100)]


def test_both_scores_are_weighed_on_one_scale():
    scales = scale([0.9, 0.5, 0.1], [30.0, 20.0])
    candidates = [
        candidate("a", dense=0.9),
        candidate("b", words=30.0),
        candidate("c", dense=0.5, words=15.0),
    ]
    first, second, third = fuse(candidates, scales, 0.25, {})
    assert [second / first, third / first] == pytest.approx([3, 2])


def test_cosine_below_the_end_of_the_list_counts_nothing():
    assert scale([0.9, 0.5], []).dense(0.1) == 0


def test_equal_cosines_say_the_same_of_all():
    assert scale([0.5, 0.5], []).dense(0.5) == 1


def test_list_that_stands_out_weighs_more():
    steep_words, _ = weigh_dense(FLAT, STEEP, 1.0, 1.0)
    steep_dense, _ = weigh_dense(STEEP, FLAT, 1.0, 1.0)
    assert steep_words < 0.2 < 0.8 < steep_dense


def test_meaning_weighs_less_where_its_best_holds_none_of_the_words():
    agreeing, _ = weigh_dense(STEEP, STEEP, 1.0, 1.0)
    strange, reason = weigh_dense(STEEP, STEEP, 0.0, 1.0)
    assert strange == 0 < agreeing
    assert "few of the question's words" in reason


def test_words_weigh_less_where_the_index_does_not_know_most_of_them():
    known, _ = weigh_dense(STEEP, STEEP, 0.0, 0.6)
    foreign, reason = weigh_dense(STEEP, STEEP, 0.0, 0.1)
    assert foreign > 0.5 > known
    assert "not in the documents" in reason


def test_words_of_a_short_list_stand_out_from_all_that_hold_none():
    short, _ = weigh_dense(STEEP, [1.0, 1.0], 1.0, 1.0)
    long, _ = weigh_dense(STEEP, [1.0] * 50, 1.0, 1.0)
    assert short < long == 1.0


@given(
    st.lists(st.floats(-1, 1), max_size=30),
    st.lists(st.floats(0.001, 100), max_size=30),
    st.floats(0, 1),
    st.floats(0, 1),
)
def test_weight_is_a_share_with_a_reason(dense, words, agreement, known):
    weight, reason = weigh_dense(
        sorted(dense, reverse=True), sorted(words, reverse=True), agreement, known
    )
    assert 0 <= weight <= 1
    assert reason.endswith(".")


def test_document_about_the_question_lifts_its_passages():
    about = [candidate("acme.pdf", n, text="acme report") for n in range(3)]
    mute = candidate("acme.pdf", 9, text="revenue rose")
    other = [candidate("other.pdf", n, text="revenue rose") for n in range(3)]
    *_, mine, theirs, _, _ = score_documents([*about, mute, *other], {"acme": 3.0, "revenue": 1.0})
    assert 1 >= mine > theirs


def test_documents_of_one_passage_each_say_nothing_more():
    alone = [candidate(f"{n}.md", text="acme") for n in range(4)]
    assert score_documents(alone, {"acme": 3.0}) == [0, 0, 0, 0]


def test_same_name_in_another_folder_is_another_document():
    here = [candidate("a.md", n, text="acme") for n in range(2)]
    there = [candidate("a.md", n, text="other", root="/else") for n in range(2)]
    assert score_documents([*here, *there], {"acme": 3.0})[2:] == [0, 0]


def test_passage_between_good_ones_is_lifted_by_the_better():
    row = [candidate(ordinal=n) for n in (4, 5, 6, 9)] + [candidate("b.md", 5)]
    assert score_neighbours(row, [0.2, 0.0, 0.8, 0.5, 0.3]) == [0.0, 0.8, 0.0, 0.0, 0.0]


def test_words_that_follow_each_other_as_in_the_question_are_a_phrase():
    terms = {"boundary": 1.0, "layer": 3.0}
    texts = ("boundary layer", "boundary of the layer", "layer boundary", "boundary a b c layer")
    assert score_phrases([candidate(text=text) for text in texts], terms) == [0.25, 0.25, 0, 0]


def test_a_phrase_may_begin_at_any_place_of_its_first_word():
    terms = {"layer": 1.0, "flow": 1.0}
    texts = ("layer layer a b flow", "flow layer a b c layer flow", "layers flow", "layer flows")
    assert score_phrases([candidate(text=text) for text in texts], terms) == [0.5, 0.5, 0, 0]


def test_terms_weigh_by_rarity_and_unknown_ones_most():
    weights = weigh_terms(["rare", "common", "unknown"], {"rare": 1, "common": 90}, 100)
    assert weights.terms["rare"] > weights.terms["common"] > 0
    assert "unknown" not in weights.terms
    assert weights.known == pytest.approx(
        1 - rarity(0, 100) / (rarity(0, 100) + sum(weights.terms.values()))
    )


def test_nothing_to_fuse_gives_nothing():
    assert fuse([], scale([], []), 0.5, {"a": 1.0}) == []


scores = st.tuples(st.floats(-1, 1), st.floats(0, 50), st.sampled_from(["a", "b a", "b"]))


@given(st.lists(scores, min_size=1, max_size=12), st.floats(0, 1))
def test_fused_scores_are_shares_and_do_not_depend_on_the_order(found, weight):
    candidates = [
        candidate(f"{n % 3}.md", n, dense, words, text)
        for n, (dense, words, text) in enumerate(found)
    ]
    ranked = [sorted((one[part] for one in found), reverse=True) for part in (0, 1)]
    fused = fuse(candidates, scale(*ranked), weight, {"a": 1.0, "b": 2.0})
    assert all(-1e-9 <= value <= 1 + 1e-9 for value in fused)
    turned = fuse(candidates[::-1], scale(*ranked), weight, {"a": 1.0, "b": 2.0})
    assert turned[::-1] == pytest.approx(fused)
