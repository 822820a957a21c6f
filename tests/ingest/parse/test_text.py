from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.base.documents import Heading
from ingest.parse.base import media
from ingest.parse.text.plain import parse_text


def headings(text: str, media_type: str = media.MARKDOWN) -> list[tuple[int, str]]:
    found = parse_text(text.encode("utf-8"), media_type).headings
    return [(heading.level, heading.title) for heading in found]


def test_markdown_headings_of_both_styles() -> None:
    text = "# One #\n\ntext\n\nTwo\n===\n\nThree\n---\n\n### Four\n"
    assert headings(text) == [(1, "One"), (1, "Two"), (2, "Three"), (3, "Four")]


def test_heading_starts_where_its_line_starts() -> None:
    text = "intro\n\nUnder\n-----\n## Hash\n"
    found = parse_text(text.encode(), media.MARKDOWN).headings
    assert found == (Heading(7, 2, "Under"), Heading(19, 2, "Hash"))


@pytest.mark.parametrize(
    "text",
    [
        "```sh\n# comment\n```\n",
        "~~~~\n# a\n~~~\n# b\n~~~~\n",
        "```\n# never closed\n",
        "#hashtag\n",
        "    # indented code\n",
        "- item\n---\n",
        "| a |\n---\n",
        "\n---\n",
        "text\n\n---\n",
    ],
)
def test_what_only_looks_like_a_markdown_heading_is_none(text: str) -> None:
    assert headings(text) == []


def test_a_heading_after_a_fence_is_found() -> None:
    assert headings("```\n# no\n```\n# yes\n") == [(1, "yes")]


def test_front_matter_names_the_title_and_is_no_heading() -> None:
    parsed = parse_text(b'---\ntitle: "The Guide"\ntags: x\n---\n# Start\n', media.MARKDOWN)
    assert parsed.title == "The Guide"
    assert [heading.title for heading in parsed.headings] == ["Start"]


def test_rst_levels_follow_the_order_of_styles() -> None:
    text = "====\nBook\n====\n\nOne\n---\n\ntext\n\nSub\n~~~\n\nTwo\n---\n"
    assert headings(text, media.RST) == [(1, "Book"), (2, "One"), (3, "Sub"), (2, "Two")]
    first = parse_text(text.encode(), media.RST).headings[0]
    assert first.start == 0


def test_rst_tables_and_lists_are_no_headings() -> None:
    assert (
        headings("a paragraph\nover two lines\n---\n\n--- ---\nx   y\n--- ---\n", media.RST) == []
    )


def test_python_definitions_nest_and_take_their_comments_along() -> None:
    text = (
        "import os\n\n# Reads.\n@cache\nclass Reader:\n    x = 1\n\n    async def read(self):\n"
        "        def inner(): ...\n\ndef main():\n    pass\n"
    )
    found = parse_text(text.encode(), media.CODE).headings
    assert [(h.level, h.title) for h in found] == [
        (1, "class Reader"),
        (2, "def read"),
        (3, "def inner"),
        (1, "def main"),
    ]
    assert text[found[0].start :].startswith("# Reads.\n@cache\nclass")


@pytest.mark.parametrize(
    ("line", "title"),
    [
        ("export default async function load(a) {", "function load"),
        ("pub(crate) unsafe fn run<T>(x: T) {", "fn run"),
        ("func (s *Server) Start() error {", "func Start"),
        ("public abstract class Shape {", "class Shape"),
        ("interface Point {", "interface Point"),
        ("impl Display for X {", "impl Display"),
    ],
)
def test_definitions_of_other_languages(line: str, title: str) -> None:
    assert headings(f"{line}\n}}\n", media.CODE) == [(1, title)]


@pytest.mark.parametrize("line", ["class of its own", "type the name here", "defines x"])
def test_prose_in_code_is_no_definition(line: str) -> None:
    assert headings(f'"""Text.\n\n{line}\n"""\n', media.CODE) == []


def test_lines_alone_that_are_numbered_or_capitals_are_headings_of_plain_text() -> None:
    text = "Title\n\n1. Pay\n\ntext\n\n2.1 Rise\n\ntext\n\nRULES\ntext\n"
    assert headings(text, media.PLAIN) == [(2, "1. Pay"), (3, "2.1 Rise"), (2, "RULES")]


@pytest.mark.parametrize(
    "text",
    [
        "\n# not here\n\n",
        "\n1. An item of a list.\n\n",
        "\n1. Pay\ntext\n\n",
        "\n12\n\n",
        "\n---\n\n",
    ],
)
def test_other_lines_are_no_headings_of_plain_text(text: str) -> None:
    assert headings(text, media.PLAIN) == []


visible = st.text(
    st.one_of(st.characters(exclude_categories=["Cc", "Cs"]), st.sampled_from("\n#=-`"))
)


@given(visible, st.sampled_from([media.MARKDOWN, media.RST, media.CODE, media.PLAIN]))
def test_headings_ascend_and_lie_in_the_text(text: str, media_type: str) -> None:
    parsed = parse_text(f"a{text}".encode("utf-8", "replace") * 3, media_type)
    starts = [heading.start for heading in parsed.headings]
    assert starts == sorted(starts)
    assert all(0 <= start < len(parsed.text) for start in starts)
