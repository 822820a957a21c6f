from __future__ import annotations

from dataclasses import dataclass, replace

import numpy
import pytest

from ingest.base.documents import Chunk
from rag.index.finding.found import Ranking
from rag.index.store.records import Copy, Selection
from rag.query.retrieval.candidates import join_lists
from rag.query.retrieval.explain import explain_lines
from rag.query.retrieval.retrieve import retrieve
from rag.text.terms import index_terms


@dataclass(frozen=True)
class Found:
    chunk: Chunk
    score: float
    root: str = "/docs"
    copies: tuple[Copy, ...] = ()


def as_ranking(found, named):
    texts = [one.chunk.ordinal for one in found]
    return Ranking(found[:named], texts, [one.score for one in found])


class Index:
    """Holds texts with their cosines; BM25 is how many of the terms a text holds."""

    def __init__(self, *texts: tuple[str, float], dense: bool = True) -> None:
        self.dense, self.asked = dense, []
        self.all = [
            Found(Chunk(f"{n:03}", f"{n}.md", n, text, 0, len(text), 1, None, "T"), cosine)
            for n, (text, cosine) in enumerate(texts)
        ]

    def rank(self, vector, k, named, selection=None):
        self.asked.append((vector.tolist(), selection))
        ranked = sorted(self.all, key=lambda found: -found.score) if self.dense else []
        return as_ranking(ranked[:k], named)

    def rank_words(self, terms, k, named, selection=None):
        self.asked.append((list(terms), selection))
        scores = self.word_scores(terms, [found.chunk for found in self.all])
        held = [
            replace(one, score=score)
            for one, score in zip(self.all, scores, strict=True)
            if score > 0
        ]
        return as_ranking(sorted(held, key=lambda found: -found.score)[:k], named)

    def likeness(self, vector, chunks):
        cosines = {found.chunk.id: found.score for found in self.all}
        return [cosines[chunk.id] for chunk in chunks]

    def word_scores(self, terms, chunks):
        return [float(len(set(terms) & set(index_terms(chunk.text)))) for chunk in chunks]

    def terms_of(self, chunks):
        return [f" {' '.join(index_terms(chunk.text))} " for chunk in chunks]

    def frequency(self, terms):
        return {t: sum(t in index_terms(one.chunk.text) for one in self.all) for t in terms}

    def count(self, selection=None):
        return len(self.all)


def embed(question: str):
    return numpy.array([len(question), 0.0], dtype=numpy.float32)


def many(count: int, text: str = "filler number", cosine: float = 0.1) -> list[tuple[str, float]]:
    return [(f"{text} {n}", cosine - n / 10_000) for n in range(count)]


def test_hit_has_its_rank_and_its_score_by_both_ways_of_searching():
    index = Index(("the violin", 0.9), ("the drum", 0.3), *many(3))
    retrieval = retrieve("Which drum?", embed, index, 2)
    (drum, violin) = retrieval.hits
    assert [(drum.rank, drum.why), (violin.rank, violin.why)] == [
        (1, {"dense": 2, "words": 1}), (2, {"dense": 1})]  # fmt: skip
    assert (drum.scores, violin.scores) == (
        {"dense": 0.3, "words": 1.0}, {"dense": 0.9, "words": 0.0})  # fmt: skip
    assert 1 >= drum.score > violin.score >= 0


def test_terms_are_told_with_how_many_passages_hold_them():
    retrieval = retrieve("Which red drum?", embed, Index(("a drum", 0.9), ("b drum", 0.1)), 1)
    assert (retrieval.terms, dict(retrieval.frequency)) == (("red", "drum"), {"red": 0, "drum": 2})
    assert (retrieval.question, retrieval.chunks) == ("Which red drum?", 2)


def test_selection_goes_to_both_ways_of_searching():
    index, selection = Index(("a drum", 0.9)), Selection(path_globs=("a/*",))
    retrieve("drum", embed, index, 1, selection)
    assert index.asked == [([4.0, 0.0], selection), (["drum"], selection)]


def test_meaning_alone_counts_where_no_word_is_known():
    index = Index(("a", 0.9), ("b", 0.5), ("c", 0.1))
    retrieval = retrieve("Unheard words?", embed, index, 3)
    assert [hit.chunk.text for hit in retrieval.hits] == ["a", "b", "c"]
    assert retrieval.weights == {"dense": 1.0, "words": 0.0}
    assert "only meaning" in retrieval.reasons[0]


def test_question_without_words_is_searched_by_meaning():
    retrieval = retrieve("?!", embed, Index(("a", 0.5), ("b", 0.9)), 2)
    assert [hit.chunk.text for hit in retrieval.hits] == ["b", "a"]
    assert retrieval.terms == ()


def test_words_alone_count_where_nothing_is_found_by_meaning():
    index = Index(("the violin", 0.9), ("the drum", 0.3), dense=False)
    retrieval = retrieve("the drum of the band", embed, index, 5)
    assert [hit.chunk.text for hit in retrieval.hits] == ["the drum"]
    assert retrieval.weights == {"dense": 0.0, "words": 1.0}


def test_empty_index_gives_no_hits():
    assert retrieve("why", embed, Index(), 3).hits == ()


def test_text_that_each_list_found_at_another_place_is_one_hit():
    index = Index(("the drum", 0.9), ("the drum", 0.8), ("a violin", 0.1))
    assert [hit.chunk.text for hit in retrieve("drum", embed, index, 5).hits] == [
        "the drum", "a violin"]  # fmt: skip


def test_copies_of_a_passage_come_with_the_hit():
    index = Index(("a", 0.9), ("b", 0.8))
    index.all[0] = replace(index.all[0], copies=(Copy("/docs", "z.md", 3, "p. 3", "T"),))
    hits = retrieve("why", embed, index, 2).hits
    assert [[copy.document_id for copy in hit.copies] for hit in hits] == [["z.md"], []]


def test_ranks_have_no_gaps_and_ties_are_in_the_order_of_ids():
    index = Index(*[(f"drum {n}", 0.5) for n in range(30)])
    hits = retrieve("drum", embed, index, 20).hits
    assert [hit.rank for hit in hits] == list(range(1, 21))
    ties = [hit.chunk.id for hit in hits if hit.score == hits[-1].score]
    assert ties == sorted(ties)


def test_list_that_knows_nothing_does_not_spoil_the_other():
    flat = [(f"noise {n}", 0.700 + n / 1e6) for n in range(200)]
    index = Index(("the copper drum of Ghent", 0.700), *flat)
    best = retrieve("Where is the copper drum of Ghent?", embed, index, 1).hits[0]
    assert best.chunk.text == "the copper drum of Ghent"


def test_fixed_weight_holds_for_every_question_and_is_said_to_be_fixed():
    index = Index(("a drum", 0.1), ("b", 0.9), *many(12))
    words_only, meaning_only = (
        retrieve("Which drum?", embed, index, 2, fusion=share) for share in (0.0, 1.0)
    )
    assert [found.hits[0].chunk.text for found in (words_only, meaning_only)] == ["a drum", "b"]
    assert words_only.weights == {"dense": 0.0, "words": 1.0}
    assert "RAG_FUSION fixes it" in explain_lines(meaning_only)[2]


def test_fixed_weight_gives_way_where_one_list_is_empty():
    index = Index(("a", 0.1), ("b", 0.9))
    assert retrieve("drum", embed, index, 1, fusion=0.0).hits[0].chunk.text == "b"


@pytest.mark.parametrize("k", [1, 5])
def test_lines_tell_ranks_scores_weights_and_missing_terms(k):
    index = Index(("the violin", 0.9), ("the drum", 0.3), *many(20))
    lines = explain_lines(retrieve("Which zither or drum?", embed, index, k))
    assert lines[0] == "How it was found: Which zither or drum?"
    assert lines[1].startswith("  weights   dense ")
    assert lines[2].strip().startswith("Meaning counts ")
    assert lines[3] == "  words     drum 1 (of 22 passages in the index); nowhere: zither"
    assert lines[4].split() == ["rank", "score", "dense", "words", "passage"]
    assert lines[5].split()[0] == "1"
    assert lines[5].split()[2:] == ["2", "(0.30)", "1", "(1.00)", "1.md"]
    assert len(lines) == 5 + k
    assert k == 1 or "- (0.00)" in lines[6]


def test_rank_below_the_candidates_of_a_list_is_told():
    index = Index(*[(f"filler {n}", 0.9 - n / 1000) for n in range(70)], ("the drum", 0.5))
    [hit] = retrieve("drum", embed, index, 1).hits
    assert (hit.chunk.text, hit.why) == ("the drum", {"dense": 71, "words": 1})


def test_few_passages_are_not_said_to_stand_out():
    [reason] = retrieve("drum", embed, Index(("the drum", 0.9)), 1).reasons
    assert "too few passages" in reason


def test_question_without_a_word_says_so():
    assert "no word to search for" in retrieve("?!", embed, Index(("a", 0.5)), 1).reasons[0]


def test_text_is_named_at_the_place_that_ranks_best():
    here, there = Index(("x", 0.9), ("drum", 0.8), ("drum", 0.7)).all[1:]
    joined = join_lists([replace(here, chunk=replace(here.chunk, text="x")), here], [there])
    assert joined["drum"] is there
