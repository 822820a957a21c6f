from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from synthetic import add, manifest, unit

from rag.index.finding.bm25 import weigh
from rag.index.finding.postings import Postings
from rag.index.finding.words import WordSearcher
from rag.index.index import Index


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    with Index.open_for_writing(tmp_path / "index", manifest(), drain=False) as opened:
        yield opened


def test_what_a_reader_remembers_is_forgotten_when_another_writes(index: Index) -> None:
    (one, *_) = add(index, "a.txt", ["oak and elm", "fir"])
    with Index.open_for_reading(index._catalogue.folder) as reader:
        (before,) = reader.search_words(["oak"], 5)
        assert (reader.count(), reader.terms_of([one])) == (
            2, [" titl oak and elm "])  # fmt: skip
        add(index, "b.txt", ["oak again", "elm"])
        assert reader.count() == 4
        assert {found.chunk.text for found in reader.search_words(["oak"], 5)} == {
            "oak and elm", "oak again"}  # fmt: skip
        assert reader.word_scores(["oak"], [one]) != [before.score]
        assert reader.terms_of([replace(one, id="gone")]) == [""]


def test_terms_are_dropped_from_memory_but_found_again(index: Index) -> None:
    add(index, "a.txt", [f"oak elm yew number {n}" for n in range(9)])
    searcher = WordSearcher(index._catalogue)
    weights = weigh(searcher.frequency(["oak", "elm"]), *index._catalogue.count_words())
    small, large = Postings(index._catalogue, most_kept=10), Postings(index._catalogue)
    for terms in (["oak"], ["elm"], ["oak", "elm"], ["oak"]):
        assert small.best(terms, weights, 5, None) == large.best(terms, weights, 5, None) != {}
    assert small._kept == 9
    assert large._kept == 18


def test_more_chunks_than_a_number_are_told_without_counting_all(index: Index) -> None:
    add(index, "a.txt", ["oak", "elm"])
    catalogue = index._catalogue
    assert [catalogue.has_more_than(number) for number in (0, 1, 2, 3)] == [
        True,
        True,
        False,
        False,
    ]


def test_only_the_first_of_a_ranking_are_looked_up(index: Index) -> None:
    add(index, "a.txt", ["oak oak oak", "oak oak elm", "oak elm elm"])
    add(index, "b.txt", ["oak oak elm", "elm elm elm"])
    vector = unit("oak oak elm")
    for all_, some in (
        (index.rank(vector, 4, 4), index.rank(vector, 4, 1)),
        (index.rank_words(["oak"], 4, 4), index.rank_words(["oak"], 4, 1)),
    ):
        assert len(all_.named) == len(all_.texts) > 2
        assert list(some.named) == list(all_.named[:1])
        assert (some.texts, some.scores) == (all_.texts, all_.scores)
        assert [one.text for one in all_.named] == all_.texts
    assert index.rank(vector, 0, 0).scores == index.rank_words(["ash"], 3, 1).scores == []
