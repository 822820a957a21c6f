"""What a model writes that a page would load: none of it is left, in the text or on the way."""

import re

import pytest

from ingest.base.documents import Chunk, Place
from rag.models.base.messages import Delta
from rag.query.base.hits import Hit
from rag.query.context.prompt import Prompt
from rag.query.writing.markup import break_markup, decided_part, make_plain
from rag.query.writing.write import write_answer

KNOWN = "https://plant.example/manual"
LOADS = re.compile(
    r"!\[|</?(?:img|iframe|script|link|object|style|svg|video|audio)(?![\w-])"
    r"|<[a-z][^<>]*=|^[ \t>]*\[[^\]]+\]:",
    re.IGNORECASE | re.MULTILINE,
)
WRITTEN = [
    ("![a plan](http://e.example/x?q=secret) ends.", "a plan ends."),
    ("![a][b], ![a][] and ![a].\n\n[b]: http://e.example 't'", "a, a and a.\n\nb:  http://e.example 't'"),
    ("At noon![1][2] ![1](http://e.example)", "At noon! [1][2] 1"),
    ("See <img src=x onerror=y> here", "See  here"),
    ("<svg/onload=f()> <IMG\nSRC='http://e.example", " "),
    ("<script>f()</script> <p style='background:url(x)'>", "f()  "),
    ("[here](http://e.example/?q=1 'now') [1](http://e.example)", "here (http://e.example/?q=1) [1] (http://e.example)"),
    (f"[the manual]({KNOWN})", f"[the manual]({KNOWN})"),
    ("[x](javascript:f())", "x (javascript:f())"),
    ("a\u200bb\U000e0041\u202ec", "abc"),
    ("if a < b and c<d: List<String>, <b>x</b>, [0, 1), f[3]", None),
    ("<<img>img src=x> <im<img>g src=x> <![](u)img src=x> !![](u)[x](u)", ...),
    ("![<img src=x>](u) [a ![b](u)](v) ![x](http://e ![y](", ...),
]  # fmt: skip


@pytest.mark.parametrize(("written", "plain"), WRITTEN)
def test_nothing_that_loads_is_left_and_the_words_are(written, plain):
    text = make_plain(written, lambda address: address == KNOWN)
    assert not LOADS.search(text)
    if plain is not ...:
        assert text == (plain or written)


def test_quotation_keeps_its_signs_and_is_broken():
    assert break_markup('See ![x](http://e) <img src="y"> [z](w).') == (
        'See ! [x](http://e) < img src="y"> [z](w).'
    )


def test_what_may_become_markup_is_held_back():
    for text, decided in [("It is!", "It is"), ("At ![x", "At "), ("At ![x](ht", "At "), ("a <i", "a "),
                          ("At noon [1]", "At noon [1]"), ("At [x](u).", "At [x](u)."), ("a < 3", "a < 3")]:  # fmt: skip
        expected = "a " if text == "a < 3" else decided
        assert decided_part(text) in (decided, expected)


def answer_of(text: str, *, extractive: bool = False, passage: str = "", strict: bool = False):
    said = passage or "The reactor starts at noon on Monday."
    hit = Hit(Chunk("1", "plan.md", 0, said, 0, len(said), 9, None, "Plan"), 1.0, 1, {})
    shown: list[str] = []
    answer = write_answer(
        "When?", Prompt((), (hit,), 1, 1, 1000, 1), [Delta(text=c) for c in text]
        + [Delta(finish_reason="stop")], lambda _chunk, _offset: Place(), model="m", strict=strict,
        extractive=extractive, retrieve_seconds=0.0, on_text=shown.append,
    )  # fmt: skip
    return answer, "".join(shown)


@pytest.mark.parametrize("strict", [False, True])
def test_answer_and_stream_are_without_markup_and_statements_are_located_after(strict):
    text = (
        "The reactor ![starts](http://e.example/?q=1) at noon on <img src=x>Mon\u200bday [1]. Go!"
    )
    answer, shown = answer_of(text, strict=strict)
    assert not LOADS.search(answer.text)
    assert not LOADS.search(shown)
    first = answer.statements[0]
    assert answer.text[first.start : first.end] == "The reactor starts at noon on Monday [1]."
    assert first.supported
    if not strict:
        assert shown == answer.text == "The reactor starts at noon on Monday [1]. Go!"


def test_quoted_sentence_of_a_document_is_not_renderable_and_is_cited_as_it_stands():
    said = "The reactor starts at noon on Monday, see ![plan](http://e.example/a.png)."
    answer, shown = answer_of(f'"{said}" [1]', extractive=True, passage=said)
    assert answer.text == shown == f'"{said.replace("![", "! [")}" [1]'
    [citation] = answer.citations
    assert (citation.quote, citation.verified) == (said, True)


def test_marks_that_point_nowhere_are_counted():
    answer, _ = answer_of("The reactor starts at noon on Monday [1][4]. It is [9] so.")
    assert "2 citations pointed to no passage and were removed" in answer.notes
    assert "[4]" not in answer.text
    assert "[9]" not in answer.text
