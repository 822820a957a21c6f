import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1] / "index"))

from ingested import WordEmbedder, ingest, write_texts

from ingest.base.documents import Chunk
from rag.index.index import Index
from rag.query.base.hits import Hit, Retrieval
from rag.query.context.gather import gather

# Words that no two texts share, so that nothing is taken for a repetition.
NAMES = [f"{a}{b}" for a in "ABCDEFGHIJ" for b in "qrstuvwxyz"]


def words(text: str) -> int:
    return len(text.split())


def document(name: str, *texts: str, gap: int = 2, headings: tuple[str, ...] = ()) -> list[Chunk]:
    """Chunks of one file, with blanks between them."""
    chunks: list[Chunk] = []
    start = 0
    for n, text in enumerate(texts):
        heading = headings[n] if headings else "Title"
        end = start + len(text)
        chunks.append(Chunk(f"{name}#{n}", name, n, text, start, end, words(text), n + 1, heading,
                            f"p. {n + 1}"))  # fmt: skip
        start = end + gap
    return chunks


def sentences(name: str, number: int, size: int = 20) -> list[Chunk]:
    """A file of chunks that each say something of their own, in sections of their own."""
    texts = [" ".join(f"{name}{n}w{i}" for i in range(size)) + "." for n in range(number)]
    return document(name, *texts, headings=tuple(f"Title › {n}" for n in range(number)))


class Shelf:
    """Documents whose chunks know their neighbours."""

    def __init__(self, *documents: list[Chunk]) -> None:
        self.documents = documents
        self.counted: list[str] = []

    def neighbours(self, chunk: Chunk, before: int = 1, after: int = 1) -> list[Chunk]:
        [all_] = [d for d in self.documents if d[0].document_id == chunk.document_id]
        return [c for c in all_ if -before <= c.ordinal - chunk.ordinal <= after]

    def count(self, text: str) -> int:
        self.counted.append(text)
        return words(text)


def found(*scored: tuple[Chunk, float], question: str = "?") -> Retrieval:
    hits = [Hit(chunk, score, rank, {}) for rank, (chunk, score) in enumerate(scored, start=1)]
    return Retrieval(question, tuple(hits))


def read(shelf: Shelf, *retrievals: Retrieval, budget: int = 1000, per_file: int = 2) -> list[Hit]:
    return gather(retrievals, shelf, budget, shelf.count, per_file)


def starts(hits: list[Hit]) -> list[str]:
    return [hit.chunk.id for hit in hits]


def test_passages_are_best_first_with_ranks_without_gaps():
    a, b = sentences("a", 1), sentences("b", 1)
    hits = read(Shelf(a, b), found((b[0], 0.9), (a[0], 0.5)))
    assert [(h.chunk.id, h.rank, h.joined) for h in hits] == [("b#0", 1, ()), ("a#0", 2, ())]


def test_nothing_found_is_nothing_to_read():
    assert read(Shelf()) == []
    assert read(Shelf(), found(), found()) == []


def test_hits_that_touch_become_one_passage_under_the_best_ones_id():
    a = sentences("a", 3)
    [hit] = read(Shelf(a), found((a[1], 0.9), (a[2], 0.8), (a[0], 0.7)))
    assert (hit.chunk.id, hit.joined) == ("a#1", ("a#0", "a#1", "a#2"))
    assert hit.chunk.text == "\n\n".join(chunk.text for chunk in a)
    assert (hit.chunk.start, hit.chunk.end) == (a[0].start, a[2].end)
    assert (hit.chunk.page, hit.chunk.place, hit.chunk.heading) == (1, "p. 1", "Title")
    assert hit.chunk.tokens == sum(chunk.tokens for chunk in a)


def test_passages_that_a_chunk_brings_together_become_one():
    a = sentences("a", 3)
    [hit] = read(Shelf(a), found((a[0], 0.9), (a[2], 0.8), (a[1], 0.7)))
    assert hit.joined == ("a#0", "a#1", "a#2")


@pytest.mark.parametrize(
    ("first", "second", "gap", "taken"),
    [
        ("The pump is serviced every", "500 hours by two people.", 1, True),
        ("How long is the notice?", "Three months.", 2, True),
        ("The parts are:", "- a seal\n- a ring", 2, True),
        ("The pump is red.", "The valve is blue.", 2, False),
        ("The pump is red.", "The valve is blue.", 1, False),
    ],
)
def test_what_continues_a_hit_is_read_with_it_before_lesser_hits(first, second, gap, taken):
    a = document("a", first, second, gap=gap, headings=("Title › A", "Title › B"))
    others = [sentences(name, 1) for name in "bc"]
    scored = [(a[0], 1.0), *((one[0], 0.5) for one in others)]
    hits = read(Shelf(a, *others), found(*scored), budget=words(first) + words(second) + 20)
    assert hits[0].joined == (("a#0", "a#1") if taken else ())
    assert len(hits) == 2


def test_what_stands_in_the_same_section_fills_what_is_left():
    a = document(
        "a", *("One two three four five." for _ in range(1)), *[f"{n} six." for n in NAMES[:6]]
    )
    [hit] = read(Shelf(a), found((a[0], 1.0)), budget=9)
    assert hit.joined == ("a#0", "a#1", "a#2")


def test_budget_is_never_exceeded_and_each_text_counted_once():
    files = [sentences(name, 5) for name in NAMES[:6]]
    shelf = Shelf(*files)
    scored = [(chunk, 1 / (1 + i)) for i, chunk in enumerate(c for f in files for c in f)]
    hits = read(shelf, found(*scored), budget=130)
    assert 100 < sum(words(hit.chunk.text) for hit in hits) <= 130
    assert len(shelf.counted) == len(set(shelf.counted))


def test_passage_that_does_not_fit_leaves_room_for_a_smaller_one():
    a, b, c = sentences("a", 1, 50), sentences("b", 1, 70), sentences("c", 1, 40)
    hits = read(Shelf(a, b, c), found((a[0], 0.9), (b[0], 0.8), (c[0], 0.7)), budget=100)
    assert starts(hits) == ["a#0", "c#0"]


def test_best_passage_is_there_even_where_it_is_over_the_budget():
    a, b = sentences("a", 1, 50), sentences("b", 1, 10)
    hits = read(Shelf(a, b), found((a[0], 0.9), (b[0], 0.8)), budget=20)
    assert starts(hits) == ["a#0"]


def test_parts_of_a_question_take_turns():
    a, b = [sentences(name, 8) for name in "ab"]
    hits = read(
        Shelf(a, b),
        found(*((chunk, 1 - n / 100) for n, chunk in enumerate(a[::2]))),
        found(*((chunk, 0.1 - n / 100) for n, chunk in enumerate(b[::2]))),
        budget=80,
    )
    assert starts(hits) == ["a#0", "b#0", "a#2", "b#2"]


def test_hit_of_two_parts_is_there_once():
    a, b = sentences("a", 1), sentences("b", 1)
    hits = read(Shelf(a, b), found((a[0], 0.9)), found((a[0], 0.9), (b[0], 0.5)))
    assert starts(hits) == ["a#0", "b#0"]


def test_what_says_the_same_comes_after_what_says_something_else():
    text = "The fee for a berth is 400 euro a year and is paid in March by transfer."
    a, copy = document("a", text), document("copy", text.replace("  ", " ").upper())
    other = document("other", "Guests moor at the east pier and ask the harbour master first.")
    hits = read(Shelf(a, copy, other), found((a[0], 0.9), (copy[0], 0.9), (other[0], 0.8)))
    assert starts(hits) == ["a#0", "other#0", "copy#0"]


def test_version_with_another_number_is_no_repetition():
    text = "The fee for a berth is 400 euro a year and is paid in March by transfer."
    a, new = document("a", text), document("new", text.replace("400", "450"))
    other = document("other", "Guests moor at the east pier and ask the harbour master first.")
    hits = read(Shelf(a, new, other), found((a[0], 0.9), (new[0], 0.9), (other[0], 0.8)))
    assert starts(hits) == ["a#0", "new#0", "other#0"]


def files_of(hits: list[Hit]) -> list[str]:
    return [chunk.partition("#")[0] for hit in hits for chunk in hit.joined or (hit.chunk.id,)]


@pytest.mark.parametrize("step", [1, 2])
def test_file_stuffed_with_likely_passages_does_not_crowd_out_others(step):
    """A poisoned file repeats the question on every page (PoisonedRAG, 2402.07867)."""
    evil = sentences("evil", 40)
    good = [sentences(name, 1) for name in ("good", "fair", "fine")]
    scored = [*((chunk, 1.0) for chunk in evil[::step]), *((one[0], 0.6) for one in good)]
    named = files_of(read(Shelf(evil, *good), found(*scored), budget=200))
    assert {"good", "fair", "fine"} <= set(named)
    assert named.count("evil") <= 7
    # Without a limit it would: the test tells the two apart.
    free = files_of(read(Shelf(evil, *good), found(*scored), budget=200, per_file=0))
    assert set(free) == {"evil"}


def test_the_only_file_may_fill_the_budget():
    a = sentences("a", 20)
    hits = read(Shelf(a), found(*((chunk, 1.0) for chunk in a[::2])), budget=200)
    assert len(hits) == 10


def test_third_passage_of_a_file_waits_for_others_that_are_nearly_as_good():
    a, b = sentences("a", 6), sentences("b", 1)
    scored = [(a[0], 1.0), (a[2], 1.0), (a[4], 0.98), (b[0], 0.95)]
    assert starts(read(Shelf(a, b), found(*scored))) == ["a#0", "a#2", "b#0", "a#4"]
    assert starts(read(Shelf(a, b), found(*scored), per_file=3))[2] == "a#4"


def test_same_name_in_two_folders_is_two_files():
    a, b = sentences("a", 1), sentences("a", 1, 10)
    here = Hit(a[0], 1.0, 1, {}, root="/one")
    there = Hit(replace(b[0], id="other", ordinal=1), 0.9, 2, {}, root="/two")
    hits = read(Shelf(a), Retrieval("?", (here, there)))
    assert [hit.root for hit in hits] == ["/one", "/two"]


def test_chunks_of_an_older_recipe_that_overlap_are_joined_without_repeating():
    a = document("a", "one two three", "three four", gap=0)
    a[1] = replace(a[1], start=8, end=18)
    [hit] = read(Shelf(a), found((a[0], 1.0), (a[1], 0.9)))
    assert (hit.chunk.text, hit.chunk.end) == ("one two three four", 18)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 5), st.floats(-1, 1)), max_size=25),
    st.integers(1, 200), st.integers(0, 4), st.integers(1, 3),
)  # fmt: skip
def test_any_hits_give_passages_that_hold(scored, budget, per_file, parts):
    """Ranks without gaps, no chunk twice, offsets of the document, within the budget."""
    shelf = Shelf(*(sentences(NAMES[n], 6, 3 + n) for n in range(5)))
    chosen = {(d, c): score for d, c, score in scored}
    ranked = sorted(chosen.items(), key=lambda item: -item[1])
    hits = [(shelf.documents[d][c], score) for (d, c), score in ranked]
    result = read(shelf, *(found(*hits[n::parts]) for n in range(parts)), budget=budget,
                  per_file=per_file)  # fmt: skip
    assert [hit.rank for hit in result] == list(range(1, len(result) + 1))
    ids = [id for hit in result for id in hit.joined or (hit.chunk.id,)]
    assert len(ids) == len(set(ids))
    assert bool(result) == bool(hits)
    by_id = {chunk.id: chunk for one in shelf.documents for chunk in one}
    for hit in result:
        assert len(hit.chunk.text) == hit.chunk.end - hit.chunk.start
        for part in (by_id[id] for id in hit.joined):
            at = part.start - hit.chunk.start
            assert hit.chunk.text[at : at + len(part.text)] == part.text
    if len(ids) > 1:
        assert sum(words(hit.chunk.text) for hit in result) <= budget


def test_joined_passage_of_a_real_index_knows_its_places(tmp_path):
    lines = "".join(f"Row {n} of the list says that bolt {n} wants {n} Nm.\n" for n in range(40))
    folder = write_texts(tmp_path / "docs", {"bolts.md": f"# Bolts\n\n{lines}"})
    embedder = WordEmbedder(token_limit=60)
    ingest(folder, tmp_path / "index", embedder)
    original = (folder / "bolts.md").read_text("utf-8")
    with Index.open_for_reading(tmp_path / "index", search="exact") as index:
        question = "What does bolt 20 want?"
        hits = [
            Hit(one.chunk, one.score, rank, {}, one.root)
            for rank, one in enumerate(index.search(embedder.vector(question), 1), start=1)
        ]
        passages = gather([Retrieval(question, tuple(hits))], index, 150, words)
        assert any(hit.joined for hit in passages)
        for hit in passages:
            chunk = hit.chunk
            assert chunk.text == original[chunk.start : chunk.end]
            assert index.place_at(chunk, chunk.end - 1) == index.place_at(chunk, chunk.start)


def test_heap_of_texts_alike_but_for_a_number_stands_behind_another_text():
    stuffed = "When does the reactor start? " * 2 + " ".join(NAMES[:30])
    heap = [document(name, f"{stuffed} Note {n}.") for n, name in enumerate("abcde")]
    true = sentences("true", 1)
    scored = [(one[0], 1.0 - n / 100) for n, one in enumerate(heap)]
    hits = read(Shelf(*heap, true), found(*scored, (true[0], 0.7)))
    assert starts(hits).index("true#0") == 2
    assert len(hits) == 6  # Where there is room all are read.


def test_two_versions_that_contradict_each_other_are_both_read_first():
    text = " ".join(NAMES[:30])
    versions = [document(name, f"{text} It costs {n} euro.") for n, name in enumerate("ab")]
    other = sentences("other", 1)
    hits = read(
        Shelf(*versions, other),
        found((versions[0][0], 1.0), (versions[1][0], 0.99), (other[0], 0.8)),
    )
    assert starts(hits) == ["a#0", "b#0", "other#0"]


def test_chunks_with_an_unknown_gap_between_them_stay_apart():
    a = document("a", "return Reading(", "serial=1,", gap=9)
    hits = read(Shelf(a), found((a[1], 1.0), (a[0], 0.9)))
    assert [(hit.chunk, hit.joined) for hit in hits] == [(a[1], ()), (a[0], ())]


def test_passages_of_code_and_columns_are_what_the_document_says(tmp_path):
    code = "".join(
        f"def read_{n}():\n    return Reading(\n        serial={n},\n"
        f'        name="number {n}",\n    )\n\n\n'
        for n in range(40)
    )
    columns = "".join(f"Bolt {n}        {n} euro     \n   \n" for n in range(90))
    texts = {"code.py": code, "prices.txt": columns}
    folder = write_texts(tmp_path / "docs", texts)
    embedder = WordEmbedder(token_limit=30)
    ingest(folder, tmp_path / "index", embedder)
    with Index.open_for_reading(tmp_path / "index", search="exact") as index:
        for question in ("serial number 7", "Bolt 20 euro"):
            best = index.search(embedder.vector(question), 8)
            hits = [Hit(one.chunk, one.score, n, {}, one.root) for n, one in enumerate(best, 1)]
            passages = gather([Retrieval(question, tuple(hits))], index, 300, words)
            assert len(passages) > 1
            for hit in passages:
                chunk = hit.chunk
                assert chunk.text == texts[chunk.document_id][chunk.start : chunk.end]
