from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ingest.parse.pdf.repeats import join_words, remove_repeats

BODIES = ("Red to port.", "Green to starboard.", "Black is a wreck.", "Yellow is special.")


def remove(*pages: str, labels: tuple[str, ...] = ()) -> tuple[list[str], set[int]]:
    return remove_repeats(pages, labels or ("",) * len(pages))


def test_a_header_stays_on_its_first_page_only() -> None:
    kept, changed = remove(*(f"Harbour rules\n{body}" for body in BODIES))
    assert kept == [f"Harbour rules\n{BODIES[0]}", *BODIES[1:]]
    assert changed == {2, 3, 4}


def test_a_line_is_the_same_but_for_the_number_of_its_page() -> None:
    kept, _ = remove(*(f"{body}\nPage {number} of 4" for number, body in enumerate(BODIES, 1)))
    assert kept == [f"{BODIES[0]}\nPage 1 of 4", *BODIES[1:]]


def test_up_to_three_lines_go_from_the_edge_to_the_first_other_line() -> None:
    kept, _ = remove(*(f"One\nTwo\nThree\n{body}\nThree" for body in BODIES))
    assert kept[1:] == [*BODIES[1:]]


def test_a_line_that_is_repeated_inside_of_the_page_stays() -> None:
    pages = [f"{body}\nNote\n{body}\nNote\n{body} a\n{body} b\n{body} c" for body in BODIES]
    assert remove(*pages) == (pages, set())


@pytest.mark.parametrize(
    "row",
    ["Total 400 12", "Sum 1,250.00 €", "Balance (300)", "7 7 7"],
)
def test_rows_of_amounts_stay_where_they_are_the_same_on_every_page(row: str) -> None:
    pages = [f"{body}\n{row}" for body in BODIES]
    assert remove(*pages) == (pages, set())


def test_rows_whose_numbers_do_not_follow_the_pages_stay() -> None:
    pages = [f"{body}\nBuoy {number}" for body, number in zip(BODIES, (4, 9, 2, 30), strict=True)]
    assert remove(*pages) == (pages, set())


def test_two_pages_are_too_few_to_call_a_line_repeated() -> None:
    pages = [f"Rules\n{body}" for body in BODIES[:2]]
    assert remove(*pages) == (pages, set())


def test_a_line_on_fewer_than_half_of_the_pages_stays() -> None:
    pages = [f"Rules\n{body}" for body in BODIES[:3]] + [f"{body} {body}" for body in BODIES]
    assert remove(*pages) == (pages, set())


def test_a_number_that_is_the_label_of_its_page_goes() -> None:
    kept, _ = remove("Preface\niii", "More\niv", labels=("iii", "iv"))
    assert kept == ["Preface", "More"]


def test_a_broken_word_is_put_together() -> None:
    assert join_words(["For exam-\nple this."]) == ["For example this."]


def test_a_hyphen_stays_in_a_word_that_has_it_elsewhere() -> None:
    pages = ["a well-known rope", "the well-\nknown anchor"]
    assert join_words(pages)[1] == "the well-known anchor"


@pytest.mark.parametrize(
    "text", ["Anglo-\nSaxon", "10-\n12", "B-\n52", "twenty-\n1", "- \nno", "a -\nb"]
)
def test_what_is_no_broken_word_stays(text: str) -> None:
    assert join_words([text]) == [text]


LINES = st.text(alphabet="ab1 -\n", max_size=40)


@given(st.lists(LINES, max_size=6))
def test_joining_loses_nothing_but_hyphens_and_line_ends(pages: list[str]) -> None:
    def letters(text: str) -> str:
        return text.replace("-", "").replace("\n", "")

    assert [letters(page) for page in join_words(pages)] == [letters(page) for page in pages]


@given(st.lists(LINES, max_size=6))
@example(pages=["a1\na1", "a1", "a1"])
def test_every_line_with_letters_is_left_somewhere_but_for_its_numbers(pages: list[str]) -> None:
    kept, changed = remove(*pages)
    assert len(kept) == len(pages)
    shapes = {
        "".join(c for c in line if not c.isdigit()).strip()
        for page in kept
        for line in page.split("\n")
    }
    for line in "\n".join(pages).split("\n"):
        shape = "".join(c for c in line if not c.isdigit()).strip()
        assert not any(map(str.isalpha, shape)) or " ".join(shape.split()) in {
            " ".join(s.split()) for s in shapes
        }
    assert all(
        kept[n - 1] == pages[n - 1].strip() for n in range(1, len(pages) + 1) if n not in changed
    )
