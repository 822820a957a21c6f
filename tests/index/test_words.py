from __future__ import annotations

import math
import sqlite3
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import ROOT, add, document, manifest, source, unit

from ingest.base.documents import Health, Move
from rag.index.care.soundness import Inspector
from rag.index.finding.postings import decode_varints
from rag.index.finding.words import WordSearcher
from rag.index.index import Index
from rag.index.repair import compact, repair
from rag.index.store.catalogue import FILE_NAME, Catalogue
from rag.index.store.records import Selection
from rag.index.store.words import PREPARED_AS, read_varints
from rag.index.transfer import export_index, import_index
from rag.index.verify import verify
from rag.text.terms import index_terms


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    with Index.open_for_writing(tmp_path / "index", manifest(), drain=False) as opened:
        yield opened


def texts(index: Index, *terms: str, k: int = 10, selection: Selection | None = None) -> list[str]:
    return [found.chunk.text for found in index.search_words(terms, k, selection)]


def flaws(folder: Path) -> list[str]:
    inspector = Inspector(folder, writable=False)
    try:
        return list(inspector.word_flaws())
    finally:
        inspector.close()


def change(folder: Path, *statements: str) -> None:
    connection = sqlite3.connect(folder / FILE_NAME)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def plain_bm25(chunks: list[list[str]], terms: list[str]) -> list[float]:
    """BM25 as the textbook has it, with the weights of terms that Lucene gives."""
    average = sum(map(len, chunks)) / len(chunks)
    scores = []
    for chunk in chunks:
        counts, score = Counter(chunk), 0.0
        for term in set(terms):
            held = sum(term in other for other in chunks)
            weight = math.log(1 + (len(chunks) - held + 0.5) / (held + 0.5))
            norm = 1.2 * (0.25 + 0.75 * len(chunk) / average)
            score += weight * counts[term] * 2.2 / (counts[term] + norm)
        scores.append(score)
    return scores


WORDS = st.sampled_from(["oak", "elm", "fir", "ash", "yew", "box", "中文", "k9"])
TEXTS = st.lists(
    st.lists(WORDS, min_size=1, max_size=30).map(" ".join), min_size=1, max_size=25, unique=True
)


@settings(max_examples=25, deadline=None)
@given(TEXTS, st.lists(WORDS, min_size=1, max_size=4), st.integers(1, 8))
def test_scores_are_those_of_bm25(stored: list[str], wanted: list[str], k: int) -> None:
    with (
        TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        Index.open_for_writing(Path(folder), manifest(), drain=False) as index,
    ):
        chunks = add(index, "a.txt", stored)
        terms = [term for word in wanted for term in index_terms(word)]
        scores = plain_bm25([index_terms(f"Title {text}") for text in stored], terms)
        expected = dict(zip(stored, scores, strict=True))
        found = index.search_words(terms, k)
        assert [one.score for one in found] == pytest.approx(
            sorted((score for score in scores if score), reverse=True)[:k]
        )
        assert all(one.score == pytest.approx(expected[one.chunk.text]) for one in found)
        order = [(-one.score, one.chunk.id) for one in found]
        assert order == sorted(order)
        assert index.word_scores(terms, chunks) == pytest.approx(scores)
        assert index.word_scores(terms, [one.chunk for one in found]) == [f.score for f in found]


@pytest.mark.parametrize(
    "text", ["NEAR", "a * b", "AND", "c++", "R-25-061", "x:y", "^start", "naïve", "東京都", "don't"]
)
def test_signs_of_the_query_language_are_words_like_others(index: Index, text: str) -> None:
    add(index, "a.txt", ["something else", f"before {text} after"])
    assert texts(index, *index_terms(text)) == [f"before {text} after"]


@pytest.mark.parametrize("term", ['"', "*", "NEAR(a b)", "oak OR elm", "'", "a\0b", "\udc80", "-"])
def test_what_no_text_holds_is_not_found_and_does_no_harm(index: Index, term: str) -> None:
    add(index, "a.txt", ["oak", "elm"])
    assert texts(index, term) == []
    assert texts(index, term, "oak") == ["oak"]
    assert index.frequency([term, "oak"]) == {term: 0, "oak": 1}


def test_without_terms_or_texts_nothing_is_found(index: Index) -> None:
    assert texts(index, "oak") == []
    add(index, "a.txt", ["oak"])
    assert texts(index) == []
    assert texts(index, "oak", k=0) == []


def test_headings_and_columns_are_searched_too(index: Index) -> None:
    made, chunks, keys = document("a.txt", ["oak"])
    index.add_vectors(keys, unit("oak")[None])
    index.add_document(made, [replace(chunks[0], columns="height")], keys, Health())
    assert texts(index, "height") == texts(index, *index_terms("Title")) == ["oak"]
    index.add_document(made, [replace(chunks[0], columns="width")], keys, Health())
    assert (texts(index, "height"), texts(index, "width")) == ([], ["oak"])
    index.add_document(made, [replace(chunks[0], heading="Chapter")], keys, Health())
    assert index.frequency(["titl", "width", "chapter", "oak"])["oak"] == 1
    assert (texts(index, "width"), texts(index, *index_terms("Chapter"))) == ([], ["oak"])


def test_what_goes_is_found_no_more_and_its_number_leads_to_nothing_else(index: Index) -> None:
    add(index, "a.txt", ["oak", "elm"])
    add(index, "a.txt", ["elm", "fir"])
    assert (texts(index, "oak"), texts(index, "fir")) == ([], ["fir"])
    index.remove_documents(ROOT, ["a.txt"])
    add(index, "b.txt", ["ash", "yew"])  # the numbers of their chunks were those of others
    assert (texts(index, "elm"), texts(index, "fir"), texts(index, "ash")) == ([], [], ["ash"])
    index.move_document(ROOT, Move("b.txt", source("c.txt"), "print"))
    (found,) = index.search_words(["ash"], 5)
    assert found.chunk.document_id == "c.txt"
    assert index.word_scores(["ash"], [found.chunk]) == [found.score]
    assert flaws(index._catalogue.folder) == []


def test_a_text_is_found_once_with_its_other_places(index: Index) -> None:
    add(index, "a.txt", ["oak", "elm"])
    add(index, "b.txt", ["elm", "oak", "oak"])
    (found,) = index.search_words(["oak"], 5)
    places = [
        (found.root, found.chunk.document_id),
        *((c.root, c.document_id) for c in found.copies),
    ]
    assert places == [(ROOT, "a.txt"), (ROOT, "b.txt"), (ROOT, "b.txt")]
    assert index.frequency(["oak"]) == {"oak": 3}


def test_many_places_of_one_text_do_not_hide_the_next(index: Index) -> None:
    add(index, "a.txt", ["oak"] * 30 + ["the oak beside the elm"])
    assert texts(index, "oak", k=2) == ["oak", "the oak beside the elm"]


@pytest.mark.parametrize("few", [0, 1000])
def test_a_selection_is_searched_exactly(index: Index, few: int) -> None:
    for name in ("a.txt", "b.md", "c.txt"):
        add(index, name, ["oak", f"oak and elm in {name}", f"fir of {name}"])
    searcher = WordSearcher(index._catalogue, few=few)
    only, none = Selection(path_globs=("*.md",)), Selection(path_globs=("none",))
    both = searcher.rank(["oak"], 5, 5, only).named
    assert [one.chunk.text for one in both] == ["oak", "oak and elm in b.md"]
    assert both[0].copies == ()
    assert [one.chunk.text for one in searcher.rank(["fir"], 1, 1, only).named] == ["fir of b.md"]
    assert searcher.rank(["fir"], 5, 5, none).named == []
    assert index.search_words(["oak"], 5, only) == both


def test_frequent_terms_are_left_out_but_count_for_what_rare_ones_find(index: Index) -> None:
    searcher = WordSearcher(index._catalogue, most_walked=5)
    add(index, "a.txt", [f"oak {'elm ' * (n % 3)}number {n}" for n in range(40)] + ["oak elm yew"])
    add(index, "b.txt", ["yew alone without trees", "yew with an oak"])
    found = searcher.rank(["yew", "oak", "elm"], 1, 1, None).named
    assert [one.chunk.text for one in found] == ["oak elm yew"]
    assert index.word_scores(["yew", "oak", "elm"], [found[0].chunk]) == [found[0].score]
    assert (
        len(searcher.rank(["yew", "oak"], 20, 20, None).named) == 20
    )  # more than hold the rare one


def test_likeness_is_the_cosine_of_a_chunks_own_vector(index: Index) -> None:
    one, two = add(index, "a.txt", ["oak", "elm"])
    gone = replace(one, id="gone")
    expected = [float(unit("elm") @ unit("elm")), 0.0, float(unit("oak") @ unit("elm"))]
    assert index.likeness(unit("elm"), [two, gone, one]) == pytest.approx(expected, abs=1e-6)
    assert index.likeness(unit("elm"), []) == []
    assert index.word_scores(["oak"], [gone]) == [0.0]


def test_a_reader_sees_what_a_writer_stores_meanwhile(index: Index) -> None:
    add(index, "a.txt", ["oak"])
    with Index.open_for_reading(index._catalogue.folder) as reader:
        assert texts(reader, "elm") == []
        add(index, "b.txt", ["elm"])
        assert (texts(reader, "elm"), reader.frequency(["elm"])) == (["elm"], {"elm": 1})


def test_words_prepared_otherwise_are_made_anew_by_the_next_writer(drained: Path) -> None:
    change(
        drained,
        "UPDATE words SET terms = 'other'",
        "UPDATE meta SET value = '' WHERE key = 'words'",
    )
    with Index.open_for_reading(drained) as reader:
        assert reader.frequency(["number"]) == {"number": 0}
    with Index.open_for_writing(drained, manifest()) as index:
        assert index.frequency(["number"]) == {"number": 300}
        assert index._catalogue.meta("words") == PREPARED_AS


DAMAGE = {
    "lost": ("DELETE FROM words WHERE rowid = 7",),
    "left over": ("INSERT INTO words (rowid, terms) VALUES (9999, 'oak')",),
    "changed": ("UPDATE words SET terms = 'oak' WHERE rowid = 7",),
    "lists": ("UPDATE words_content SET c0 = 'oak' WHERE id = 7",),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_word_index_that_differs_is_damage_and_repaired_from_the_chunks(
    drained: Path, kind: str
) -> None:
    assert verify(drained) == []
    change(drained, *DAMAGE[kind])
    found = verify(drained)
    assert {(finding.subject, finding.damage) for finding in found} == {("words", True)}
    assert repair(drained).salvaged is None
    assert verify(drained) == []


def test_a_word_index_that_was_taken_away_is_saved_from_the_rest(drained: Path) -> None:
    change(drained, "DROP TABLE words_data")
    assert [finding.subject for finding in verify(drained)] == ["catalogue"]
    saved = repair(drained).salvaged
    assert saved is not None
    assert (saved.chunks, saved.incomplete) == (300, ())
    assert verify(drained) == []


def test_compacting_merges_the_words_and_keeps_them(drained: Path) -> None:
    with Index.open_for_writing(drained, manifest()) as index:
        for number in range(5):
            add(index, f"new {number}.txt", ["oak", f"elm {number}"])
    compact(drained)
    assert verify(drained) == []
    with Index.open_for_reading(drained) as reader:
        assert reader.frequency(["oak", "number"]) == {"oak": 5, "number": 300}


def test_an_export_leaves_the_words_out_and_an_import_makes_them(
    drained: Path, tmp_path: Path
) -> None:
    export_index(drained, tmp_path / "export.zip")
    import_index(tmp_path / "export.zip", tmp_path / "other")
    assert verify(tmp_path / "other") == []
    with Index.open_for_reading(tmp_path / "other") as reader:
        assert reader.frequency(["number"]) == {"number": 300}


@given(st.lists(st.integers(0, 2**21 - 1), max_size=20))
def test_numbers_are_read_as_sqlite_writes_them(numbers: list[int]) -> None:
    data = b"".join(_varint(number) for number in numbers)
    assert read_varints(data) == numbers
    assert decode_varints(data).tolist() == numbers


def _varint(number: int) -> bytes:
    digits = [number & 0x7F]
    while number := number >> 7:
        digits.insert(0, number & 0x7F | 0x80)
    return bytes(digits)


def test_the_words_are_counted_as_they_are(index: Index) -> None:
    add(index, "a.txt", ["oak elm", "fir " * 200])
    catalogue: Catalogue = index._catalogue
    assert catalogue.count_words() == (2, 2 + 1 + 200 + 1)
    numbers, lengths = catalogue.word_lengths()
    assert (numbers, decode_varints(lengths).tolist()) == ("1,2", [3, 201])
    assert catalogue.places_of("fir").split(",") == ["2"] * 200
