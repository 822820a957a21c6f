from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from math import ceil
from textwrap import dedent

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.base.documents import Chunk, Document, Table
from ingest.base.errors import SettingsError
from ingest.chunk import MIN_LIMIT, chunk_document
from ingest.parse.base.media import CODE
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
        *("```\n", "    x = 1\n", "  - sub\n", "1. one:\n", "|---|---|\n", "~~~~\n", "def f():\n"),
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
    tables=st.lists(st.tuples(st.integers(0, 300), st.integers(0, 300)), max_size=3),
    columns=st.sampled_from(["", "a | b | c", "name | " * 60, "x" * 200, "\n \t"]),
    is_code=st.booleans(),
    overlap=st.sampled_from([0, 0, 5, 40]),
)
def test_chunks_keep_every_promise(
    make_document, text, marks, limit, count, title, tables, columns, is_code, overlap
) -> None:
    document = make_document(text, title=title, headings=marks)
    spans = tuple(Table(start, end, columns) for start, end in sorted(tables))
    source = replace(document.source, media_type=CODE) if is_code else document.source
    document = replace(document, tables=spans, source=source)
    chunks = chunk_document(document, limit, count, "r", overlap)
    covered = begun = 0
    for ordinal, chunk in enumerate(chunks):
        assert chunk.ordinal == ordinal
        assert text[chunk.start : chunk.end] == chunk.text == chunk.text.strip() != ""
        assert 0 < chunk.tokens <= limit
        least = ceil(len(chunk.embedding_text) / 8)
        assert len(chunk.text) <= 32 * limit
        assert chunk.tokens == max(least, count([chunk.embedding_text])[0])
        assert not text[covered : chunk.start].strip(), "a character was left out"
        assert covered <= chunk.start or overlap, "two chunks overlap"
        assert begun <= chunk.start < chunk.end > covered, "a chunk has nothing of its own"
        covered, begun = chunk.end, chunk.start
    assert not text[covered:].strip(), "the end was left out"
    assert len({chunk.id for chunk in chunks}) == len(chunks)
    assert chunks == chunk_document(document, limit, count, "r", overlap)


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


def test_chunks_repeat_whole_sentences_of_the_one_before(make_document: Build) -> None:
    sentences = [f"This is sentence {n} of a plain text." for n in range(60)]
    chunks = chunk_document(make_document(" ".join(sentences)), 50, words, "r", 18)
    assert len(chunks) > 2
    for before, after in pairwise(chunks):
        repeated = before.text[after.start - before.start :]
        assert len(repeated.split()) == 16, "two sentences of eight words fit"
        assert repeated.split(". ")[0].startswith("This is sentence")
    assert {chunk.text.split(" ", 1)[0] for chunk in chunks} == {"This"}


def test_sections_repeat_nothing_of_each_other(make_document: Build) -> None:
    body = "One two three. " * 20
    marks = [(0, 1, "First"), (len(body) + 6, 1, "Second")]
    document = make_document(f"First\n{body}Second\n{body}", headings=marks)
    first, second = (
        [chunk for chunk in chunk_document(document, 40, words, "r", 9) if name in chunk.heading]
        for name in ("First", "Second")
    )
    assert first[-1].end <= second[0].start
    assert all(after.start < before.end for before, after in pairwise(first))
    assert not any("Second" in chunk.text for chunk in second[1:])


def test_code_repeats_whole_lines(make_document: Build) -> None:
    lines = [f"    value_{n} = compute(value, {n})" for n in range(80)]
    document = make_document("def f():\n" + "\n".join(lines))
    document = replace(document, source=replace(document.source, media_type=CODE))
    chunks = chunk_document(document, 40, words, "r", 9)
    assert all(after.start < before.end for before, after in pairwise(chunks))
    assert all(chunk.text.startswith(("def", "value_")) for chunk in chunks)


def test_repeating_hostile_text_takes_linear_time(make_document: Build) -> None:
    hostile = ("." * 300, "x" * 5000, "- " * 300, "One. " * 300, "\n \n" * 300)
    text = "\n\n".join(hostile * 40)
    started = time.perf_counter()
    chunk_document(make_document(text), 250, estimates, "r", 100)
    assert time.perf_counter() - started < 15


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


def with_table(document: Document, rows: Sequence[str], columns: str) -> Document:
    """Name the rows as a table of the document."""
    block = "\n".join(rows)
    start = document.text.index(block)
    return replace(document, tables=(Table(start, start + len(block), columns),))


def test_later_rows_of_a_table_are_embedded_with_its_columns(make_document: Build) -> None:
    rows = ["name | price", *(f"thing {n} | {n} euros" for n in range(30))]
    text = "All prices.\n\n" + "\n".join(rows) + "\n\nThe end."
    chunks = chunk_document(with_table(make_document(text), rows, "name | price"), 40, words, "r")
    inside = [chunk for chunk in chunks if chunk.text.startswith("thing")]
    assert len(inside) > 3
    assert all(chunk.embedding_text.startswith("Handbook name | price thing") for chunk in inside)
    assert [chunk.columns for chunk in chunks if chunk not in inside] == [""] * (
        len(chunks) - len(inside)
    )
    assert all(chunk.tokens == len(chunk.embedding_text.split()) <= 40 for chunk in chunks)
    lines = {line for chunk in chunks for line in chunk.text.split("\n")}
    assert lines == {*rows, "All prices.", "", "The end."}


def test_the_part_of_a_row_that_is_too_long_has_the_columns_too(make_document: Build) -> None:
    rows = ["name | text", "one | " + "long " * 90]
    chunks = chunk_document(
        with_table(make_document("\n".join(rows)), rows, rows[0]), 40, words, "r"
    )
    assert [chunk.columns for chunk in chunks] == ["", *["name | text"] * (len(chunks) - 1)]
    assert len(chunks) > 2


def test_very_many_columns_take_a_quarter_and_end_with_a_whole_cell(make_document: Build) -> None:
    columns = " | ".join(f"column {n}" for n in range(500))
    rows = [columns, *(f"row {n} | 1" for n in range(60))]
    document = with_table(make_document("\n".join(rows)), rows, columns)
    chunks = chunk_document(document, 64, estimates, "r")
    later = [chunk for chunk in chunks if chunk.text.startswith("row")]
    (shortened,) = {chunk.columns for chunk in later}
    assert columns.startswith(shortened + " | ")
    assert estimate_tokens(shortened) <= 16
    assert all("row" in chunk.text and chunk.tokens <= 64 for chunk in later)


def test_one_column_with_an_endless_name_is_left_out(make_document: Build) -> None:
    rows = ["x" * 900, *(f"row {n}" for n in range(60))]
    document = with_table(make_document("\n".join(rows)), rows, rows[0])
    assert {chunk.columns for chunk in chunk_document(document, 64, estimates, "r")} == {""}


def test_a_table_that_fits_stays_whole_with_the_sentence_before_it(make_document: Build) -> None:
    rows = ["name | price", *(f"thing {n} | {n}" for n in range(6))]
    text = "Much is said. " * 9 + "These are the prices.\n\n" + "\n".join(rows)
    for document in (make_document(text), with_table(make_document(text), rows, rows[0])):
        chunks = chunk_document(document, 48, words, "r")
        assert chunks[-1].text == "These are the prices.\n\n" + "\n".join(rows)


@pytest.mark.parametrize("rule", ["", "|---|---|"])
def test_the_names_of_columns_are_never_without_a_row(make_document: Build, rule: str) -> None:
    rows = ["| name | price |", *filter(None, [rule]), *(f"| thing | {n} |" for n in range(30))]
    for length in range(30):
        text = "word " * length + "end.\n\n" + "\n".join(rows)
        for chunk in chunk_document(make_document(text), 40, words, "r"):
            assert not chunk.text.endswith(("| price |", "---|"))


def test_a_line_with_a_bar_in_prose_cuts_no_paragraph(make_document: Build) -> None:
    text = "one two three\nwith |x| in it\nfour five\n\n" * 8
    for chunk in chunk_document(make_document(text), 30, words, "r"):
        assert chunk.text.startswith("one two")
        assert chunk.text.endswith("four five")


def test_items_keep_what_is_below_them(make_document: Build) -> None:
    items = [f"{n}. Step {n}:\n   - first thing\n   - second thing\n\n     more" for n in range(12)]
    for chunk in chunk_document(make_document("\n".join(items)), 34, words, "r"):
        parts = chunk.text.split("more")
        assert all(part.strip() in "".join(items) for part in parts)
        assert chunk.text.endswith("more")
        assert chunk.text[0].isdigit()


def test_a_line_that_leads_to_a_list_stays_with_its_first_item(make_document: Build) -> None:
    items = "\n".join(f"- item {n} of many words that it has" for n in range(12))
    for length in range(40):
        text = "word " * length + "end. To begin, do this:\n\n" + items
        for chunk in chunk_document(make_document(text), 44, words, "r"):
            assert not chunk.text.endswith(":")


def test_a_number_in_the_middle_of_a_paragraph_is_no_item(make_document: Build) -> None:
    text = "It was sold in the year\n12. That is long ago.\n\n" * 10
    for chunk in chunk_document(make_document(text), 30, words, "r"):
        assert chunk.text.startswith("It was sold")


def test_fenced_code_stays_whole_where_it_fits(make_document: Build) -> None:
    code = "```python\n" + "\n\n".join(f"a{n} = call()" for n in range(8)) + "\n```"
    text = ("Some words of text. " * 4 + "\n\n" + code + "\n\n") * 5
    chunks = chunk_document(make_document(text), 40, words, "r")
    assert all(chunk.text.count("```") % 2 == 0 for chunk in chunks)
    assert sum(chunk.text.count(code) for chunk in chunks) == 5


def test_long_code_is_cut_at_blank_lines_before_definitions(make_document: Build) -> None:
    body = "\n\n".join(f"def f{n}():\n    a = 1\n\n    b = 2\n    return a" for n in range(9))
    chunks = chunk_document(make_document(f"```\n{body}\n```"), 40, words, "r")
    assert len(chunks) > 2
    assert all(chunk.text.removeprefix("```\n").startswith("def f") for chunk in chunks)


def test_no_chunk_ends_after_an_opening_fence_or_begins_with_a_closing_one(
    make_document: Build,
) -> None:
    code = "```sh\n" + "\n".join(f"run part {n} now" for n in range(40)) + "\n```"
    for length in range(30):
        chunks = chunk_document(make_document("word " * length + "\n\n" + code), 30, words, "r")
        assert not any(chunk.text.endswith("```sh") for chunk in chunks)
        assert not any(chunk.text.startswith("```\n") or chunk.text == "```" for chunk in chunks)
        assert all(chunk.text.split("\n")[-1].split()[-1] in ("now", "```") for chunk in chunks[1:])


@pytest.mark.parametrize("mark", ["```", "~~~~~~"])
def test_a_fence_that_is_never_closed_is_text(make_document: Build, mark: str) -> None:
    text = f"Heading\n{mark}\n\n" + "This is one sentence. And here is another one.\n\n" * 9
    for chunk in chunk_document(make_document(text), 20, words, "r"):
        assert chunk.text.endswith((".", mark))


def test_indented_code_stays_whole_where_it_fits(make_document: Build) -> None:
    code = "    make all\n\n    make install\n\n    make clean"
    text = ("Some words of a long text here. " * 3 + "Then:\n\n" + code + "\n\n") * 4
    chunks = chunk_document(make_document(text), 32, words, "r")
    assert sum(chunk.text.count(code) for chunk in chunks) == 4
    assert not any(chunk.text.endswith(":") for chunk in chunks)


def test_source_code_is_cut_between_lines_and_not_in_its_strings(make_document: Build) -> None:
    document = make_document("\n".join(f'say("Stop. Go. Run. {n}")' for n in range(40)))
    document = replace(document, source=replace(document.source, media_type=CODE))
    lines = set(document.text.split("\n"))
    for chunk in chunk_document(document, 20, words, "r"):
        assert lines >= set(chunk.text.split("\n"))


def prose(number: int) -> str:
    return f"Here is sentence {number}. It goes on for some words. "


blocks = st.one_of(
    st.integers(1, 9).map(lambda n: ("text", "".join(map(prose, range(n))).strip())),
    st.integers(1, 14).map(
        lambda n: ("code", "```\n" + "\n\n".join(f"x{i} = {i}" for i in range(n)) + "\n```")
    ),
    st.integers(1, 9).map(
        lambda n: ("list", "\n".join(f"- item {i} here\n  - below {i}" for i in range(n)))
    ),
    st.integers(2, 14).map(lambda n: ("table", "\n".join(f"cell {i} | {i}" for i in range(n)))),
)


@settings(max_examples=200, deadline=None)
@given(parts=st.lists(blocks, min_size=1, max_size=8), limit=st.integers(24, 60))
def test_what_fits_is_not_cut(make_document, parts, limit) -> None:
    text, spans, tables = "", [], []
    for number, (kind, block) in enumerate(parts):
        if kind != "code":  # Two lists with nothing between them are one.
            text += f"\n\nParagraph {number}."
        text += "\n\n" if text else ""
        spans.append((kind, len(text), len(text) + len(block)))
        text += block
    tables = [Table(start, end, "a | b") for kind, start, end in spans if kind == "table"]
    document = replace(make_document(text), tables=tuple(tables))
    chunks = chunk_document(document, limit, words, "r")

    def assert_whole(start: int, end: int, room: int) -> None:
        if 0 < len(text[start:end].split()) <= room:
            assert any(c.start <= start and end <= c.end for c in chunks), text[start:end]

    for kind, start, end in spans:
        assert_whole(start, end, limit - 1 if kind != "text" else 0)
        place = start
        for line in text[start:end].split("\n"):
            assert_whole(place, place + len(line), limit - 4 if kind != "text" else 0)
            place += len(line) + 1


def test_a_handbook_of_everything_is_cut_where_a_reader_would(make_document: Build) -> None:
    text = dedent(
        """\
        The machine is delivered in two boxes. To set it up, follow these steps:

        1. Open the first box.
           - Remove the tape.
           - Lift the lid.
        2. Run the program:

           ```sh
           setup --all

           setup --check
           ```
        3. Print a page.

        The prices are these.

        | part | price |
        |------|-------|
        | belt | 12 |
        | lamp | 7 |
        """
    )
    chunks = chunk_document(make_document(text), 40, words, "r")
    assert [chunk.text.split("\n")[0] for chunk in chunks] == [
        "The machine is delivered in two boxes.",
        "To set it up, follow these steps:",
        "The prices are these.",
    ]
    assert [chunk.text.split("\n")[-1] for chunk in chunks[1:]] == [
        "3. Print a page.",
        "| lamp | 7 |",
    ]


@pytest.mark.parametrize(
    "hostile",
    [
        "```x\n" * 60_000,
        "```\n" * 60_000,
        "a | b\n" * 60_000,
        "- a:\n" * 60_000,
        "    a\n\n" * 50_000,
    ],
)
def test_structure_alone_takes_linear_time(make_document: Build, hostile: str) -> None:
    started = time.perf_counter()
    chunk_document(make_document(hostile), 250, characters, "r")
    assert time.perf_counter() - started < 15
