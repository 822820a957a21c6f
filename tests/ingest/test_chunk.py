from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from math import ceil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.base.documents import Chunk, Document
from ingest.base.errors import SettingsError
from ingest.chunk import MIN_LIMIT, chunk_document
from ingest.tokens import count_tokens, estimate_tokens

Build = Callable[..., Document]


def words(texts: Sequence[str]) -> list[int]:
    return [len(text.split()) for text in texts]


def characters(texts: Sequence[str]) -> list[int]:
    return [len(text) for text in texts]


def estimates(texts: Sequence[str]) -> list[int]:
    return [estimate_tokens(text) for text in texts]


def dearer_together(texts: Sequence[str]) -> list[int]:
    """Count so that the whole is more than the sum of its parts, as no sane tokenizer does."""
    return [len(text.split()) + (len(text) // 20) ** 2 for text in texts]


def word_piece(texts: Sequence[str]) -> list[int]:
    """Count as WordPiece does: a word of more than 100 characters is one unknown token."""
    return [sum(len(w) if len(w) <= 100 else 1 for w in text.split()) for text in texts]


def cl100k(texts: Sequence[str]) -> list[int]:
    return [count_tokens(text) for text in texts]


def texts_of(chunks: Sequence[Chunk]) -> list[str]:
    return [chunk.text for chunk in chunks]


fragments = st.sampled_from(
    [
        "Leave. ",
        "e.g. this ",
        "\n",
        "\n\n",
        "- item\n",
        "a | b | c\n",
        "今日は。",
        "ab" * 40,
        "\t",
        " ",
        *("# Top\n", "3.14 ", "é", "\u2028", "!? ", "12. ", "👩‍💻", "…"),
    ]
)
messy_text = st.one_of(st.text(max_size=300), st.lists(fragments, max_size=80).map("".join))


@settings(max_examples=300, deadline=None)
@given(
    text=messy_text,
    marks=st.lists(st.tuples(st.integers(0, 300), st.integers(1, 6), st.text(max_size=60))),
    limit=st.integers(MIN_LIMIT, 120),
    count=st.sampled_from([words, estimates, cl100k, characters, dearer_together, word_piece]),
    title=st.text(min_size=1, max_size=80),
)
def test_chunks_keep_every_promise(make_document, text, marks, limit, count, title) -> None:
    document = make_document(text, title=title, headings=marks)
    chunks = chunk_document(document, limit, count, "r")
    covered = 0
    for ordinal, chunk in enumerate(chunks):
        assert chunk.ordinal == ordinal
        assert text[chunk.start : chunk.end] == chunk.text == chunk.text.strip() != ""
        assert 0 < chunk.tokens <= limit
        least = ceil(len(chunk.embedding_text) / 8)
        assert len(chunk.text) <= 32 * limit
        assert chunk.tokens == max(least, count([chunk.embedding_text])[0])
        assert not text[covered : chunk.start].strip(), "a character was left out"
        assert covered <= chunk.start, "two chunks overlap"
        covered = chunk.end
    assert not text[covered:].strip(), "the end was left out"
    assert len({chunk.id for chunk in chunks}) == len(chunks)
    assert chunks == chunk_document(document, limit, count, "r")


def test_ids_depend_on_recipe_root_and_document(make_document: Build) -> None:
    one = chunk_document(make_document("text"), 50, words, "r1")[0].id
    assert one != chunk_document(make_document("text"), 50, words, "r2")[0].id
    assert one != chunk_document(make_document("text", id="b.txt"), 50, words, "r1")[0].id
    assert len(one) == 32


@pytest.mark.parametrize("blank", ["", " ", "\n \n\t\n", "\u3000\u2028 " * 50])
def test_blank_text_has_no_chunks(make_document: Build, blank: str) -> None:
    assert chunk_document(make_document(blank), 50, words, "r") == []


def test_short_text_is_one_chunk_with_the_title_as_heading(make_document: Build) -> None:
    (chunk,) = chunk_document(make_document("Line one.\nLine two.\n"), 50, words, "r")
    assert chunk.text == "Line one.\nLine two."
    assert chunk.embedding_text == "Handbook Line one. Line two."


def test_a_heading_starts_a_chunk_and_names_it(make_document: Build) -> None:
    body = "word " * 30
    text = f"Leave\n{body}\nSick leave\n{body}\nPay\n{body}"
    marks = [(0, 1, "Leave"), (text.index("Sick"), 2, "Sick leave"), (text.index("Pay"), 1, "Pay")]
    chunks = chunk_document(make_document(text, headings=marks), 60, words, "r")
    assert [chunk.heading for chunk in chunks] == [
        "Handbook › Leave",
        "Handbook › Leave › Sick leave",
        "Handbook › Pay",
    ]
    assert chunks[1].text.startswith("Sick leave\n")


def test_the_title_is_not_repeated_in_the_heading_path(make_document: Build) -> None:
    marks = [(0, 1, "HANDBOOK"), (9, 2, "Leave")]
    (chunk,) = chunk_document(make_document("HANDBOOK\nLeave\nx", headings=marks), 50, words, "r")
    assert chunk.heading == "Handbook › Leave"


def test_a_long_heading_path_takes_a_quarter_at_most(make_document: Build) -> None:
    marks = [(0, level, f"{'very long heading ' * 9}{level}") for level in range(1, 7)]
    document = make_document("word " * 200, headings=marks, title="Manual")
    for chunk in chunk_document(document, 64, estimates, "r"):
        assert estimate_tokens(chunk.heading) <= 16
        assert chunk.heading.startswith("Manual")


def test_the_middle_of_a_heading_path_goes_first(make_document: Build) -> None:
    marks = [(0, 1, "one two three"), (1, 2, "four five six"), (2, 3, "seven")]
    chunks = chunk_document(make_document("a\nb\nword", headings=marks), 20, words, "r")
    assert chunks[-1].heading == "Handbook › … › seven"


def test_paragraphs_stay_whole_when_they_fit(make_document: Build) -> None:
    paragraphs = [f"Paragraph {n} " + "word " * 15 + "end." for n in range(10)]
    text = "\n\n".join(paragraphs)
    for chunk in chunk_document(make_document(text), 40, words, "r"):
        assert all(part in paragraphs for part in chunk.text.split("\n\n"))


def test_a_long_paragraph_is_cut_between_sentences(make_document: Build) -> None:
    sentence = "Dr. Smith paid 3.14 euros to Acme Inc. on 5 Jan. 2024, e.g. for U.S. parts."
    text = " ".join([sentence] * 12)
    chunks = chunk_document(make_document(text), 40, words, "r")
    assert len(chunks) > 2
    assert {chunk.text.replace(sentence, "").strip() for chunk in chunks} == {""}


def test_chinese_is_cut_between_sentences(make_document: Build) -> None:
    text = "今日は良い天気です。" * 20
    chunks = chunk_document(make_document(text), 70, estimates, "r")
    assert len(chunks) > 2
    assert all(chunk.text.endswith("。") for chunk in chunks)


def test_a_table_is_cut_between_rows(make_document: Build) -> None:
    rows = [f"row {n} | It costs. More | Yes." for n in range(40)]
    for chunk in chunk_document(make_document("\n".join(rows)), 40, words, "r"):
        assert all(line in rows for line in chunk.text.split("\n"))


def test_a_list_is_cut_between_items(make_document: Build) -> None:
    items = [f"- Item {n}. It has. Sentences." for n in range(40)]
    for chunk in chunk_document(make_document("\n".join(items)), 40, words, "r"):
        assert all(line in items for line in chunk.text.split("\n"))


def test_words_stay_whole_when_a_line_has_no_sentences(make_document: Build) -> None:
    text = " ".join(f"word{n}" for n in range(500))
    whole = set(text.split())
    for chunk in chunk_document(make_document(text), 40, estimates, "r"):
        assert whole >= set(chunk.text.split())


def test_one_word_over_the_limit_is_cut_to_characters(make_document: Build) -> None:
    chunks = chunk_document(make_document("x" * 1000), 40, characters, "r")
    assert "".join(texts_of(chunks)) == "x" * 1000


def test_chunks_are_well_filled(make_document: Build) -> None:
    text = " ".join(f"This is sentence {n} of a long plain text." for n in range(400))
    chunks = chunk_document(make_document(text), 250, estimates, "r")
    assert sum(chunk.tokens for chunk in chunks) / len(chunks) > 0.85 * 250


def test_a_tiny_tail_joins_the_chunk_before_it(make_document: Build) -> None:
    # Counted alone each line costs one token more than as part of a longer text.
    def padded(texts: Sequence[str]) -> list[int]:
        return [len(text.split()) + 1 for text in texts]

    lines = ["word " * 14 + f"end{n}" for n in range(4)] + ["word " * 7 + "tail"]
    chunks = chunk_document(make_document("\n\n".join(lines)), 74, padded, "r")
    assert len(chunks) == 1
    assert chunks[0].text.endswith("tail")


def test_short_neighbouring_sections_share_a_chunk(make_document: Build) -> None:
    text = "FAQ\nOne\nfirst answer\nTwo\nsecond answer\nThree\nthird answer"
    names = [("FAQ", 1), ("One", 2), ("Two", 2), ("Three", 2)]
    marks = [(text.index(name), level, name) for name, level in names]
    (chunk,) = chunk_document(make_document(text, headings=marks), 60, words, "r")
    assert chunk.heading == "Handbook › FAQ"
    assert chunk.text == text


def test_sections_of_different_parents_do_not_share_a_chunk(make_document: Build) -> None:
    text = "A\nx y\nB\nx y"
    marks = [(0, 1, "A"), (6, 1, "B")]
    nested = [(0, 1, "Top"), (0, 2, "A"), (6, 1, "B")]
    assert len(chunk_document(make_document(text, headings=marks), 60, words, "r")) == 1
    assert len(chunk_document(make_document(text, headings=nested), 60, words, "r")) == 2


def test_page_is_where_the_chunk_starts(make_document: Build) -> None:
    text = "word " * 30 + "\n\n" + "next " * 30
    document = make_document(text, pages=(0, 152))
    pages = [chunk.page for chunk in chunk_document(document, 40, words, "r")]
    assert pages == [1, 2]
    assert chunk_document(make_document(text), 40, words, "r")[0].page is None


def test_ten_megabytes_on_one_line_take_linear_time(make_document: Build) -> None:
    asked = 0

    def counting(texts: Sequence[str]) -> list[int]:
        nonlocal asked
        asked += sum(map(len, texts))
        return [len(text) // 4 + 1 for text in texts]

    for text in ("lorem ipsum " * 850_000, "x" * 10_000_000):
        asked, started = 0, time.perf_counter()
        chunks = chunk_document(make_document(text), 250, counting, "r")
        assert asked < 4 * len(text)
        assert time.perf_counter() - started < 30
        assert sum(chunk.tokens for chunk in chunks) > 0.7 * 250 * len(chunks)


@pytest.mark.parametrize(
    "unbroken", ["ภาษาไทยไม่มีช่องว่าง" * 30_000, "0123456789abcdef" * 4000, ("x" * 101 + " ") * 3000]
)
def test_runs_that_count_as_one_token_are_cut_all_the_same(
    make_document: Build, unbroken: str
) -> None:
    asked = 0

    def counting(texts: Sequence[str]) -> list[int]:
        nonlocal asked
        asked += sum(map(len, texts))
        return word_piece(texts)

    chunks = chunk_document(make_document(unbroken), 250, counting, "r")
    assert max(len(chunk.embedding_text) for chunk in chunks) <= 8 * 250
    assert len(chunks) < len(unbroken) / 1000
    assert asked < 4 * len(unbroken)


@pytest.mark.parametrize("apart", [" " * 20_000, "\n" * 20_000, "\n" + "\t" * 20_000])
def test_a_sea_of_blanks_is_in_no_chunk(make_document: Build, apart: str) -> None:
    chunks = chunk_document(make_document(apart.join(["one", "two", "three"])), 250, words, "r")
    assert texts_of(chunks) == ["one", "two", "three"]


@pytest.mark.parametrize(
    "hostile", ["." * 300_000, "\n " * 200_000, "- " * 200_000, ".)" * 200_000]
)
def test_punctuation_alone_takes_linear_time(make_document: Build, hostile: str) -> None:
    started = time.perf_counter()
    chunk_document(make_document(hostile), 250, characters, "r")
    assert time.perf_counter() - started < 15


def test_a_limit_without_room_is_refused(make_document: Build) -> None:
    with pytest.raises(SettingsError, match="too small"):
        chunk_document(make_document("text"), MIN_LIMIT - 1, words, "r")
    with pytest.raises(SettingsError, match="too small"):
        chunk_document(make_document("text"), 20, lambda texts: [99] * len(texts), "r")


def test_no_heading_stands_alone(make_document: Build) -> None:
    text = "## Access\n\n### Hours\n\n" + "The shop is open until six. " * 10
    marks = [(0, 2, "Access"), (11, 3, "Hours")]
    chunks = chunk_document(make_document(text, headings=marks), 60, words, "r")
    assert len(chunks) > 1
    assert chunks[0].text.startswith("## Access\n\n### Hours\n\nThe shop is open")


def test_few_words_above_a_heading_join_its_chunk(make_document: Build) -> None:
    text = "Page header\nRules\n" + "word " * 30
    document = make_document(text, headings=[(12, 2, "Rules")])
    (chunk,) = chunk_document(document, 60, words, "r")
    assert chunk.heading == "Handbook › Rules"
    assert chunk.text.startswith("Page header\nRules")


def test_leaders_of_dots_end_no_sentence(make_document: Build) -> None:
    rows = [f"Article {n} with a name ............ 1,{n:03}" for n in range(40)]
    for chunk in chunk_document(make_document("\n".join(rows)), 40, words, "r"):
        assert all(line in rows for line in chunk.text.split("\n"))


def test_a_heading_that_begins_the_title_is_not_repeated(make_document: Build) -> None:
    document = make_document("Prices\nx", title="Prices – Works", headings=[(0, 1, "Prices")])
    assert chunk_document(document, 50, words, "r")[0].heading == "Prices – Works"


def test_what_fits_only_by_its_parts_is_not_joined(make_document: Build) -> None:
    def dear_when_joined(texts: Sequence[str]) -> list[int]:
        return [len(text.split()) + 99 * ("One" in text and "Two" in text) for text in texts]

    marks = [(0, 1, "One"), (6, 1, "Two")]
    document = make_document("One a\nTwo b", headings=marks)
    assert len(chunk_document(document, 60, words, "r")) == 1
    chunks = chunk_document(document, 60, dear_when_joined, "r")
    assert texts_of(chunks) == ["One a", "Two b"]
