import pytest

from ingest.base.documents import Chunk, Place
from rag.query.base.hits import Hit
from rag.query.verify.check import Checker, check_answer, withhold
from rag.query.verify.marks import normalise_marks, reveal

PUMP = "The Marlin 300 pump delivers 45 litres per minute at 3.5 bar. Its motor draws 12 A at 24 V."
STAFF = "Anna Schmidt heads the HR department. Peter Novak heads the finance department."
BADGE = "Every visitor wears a yellow badge in the workshop. Visitors leave before 18:00."
CONTEXT = tuple(
    Hit(Chunk(str(n), f"{n}.md", 0, text, 0, len(text), 9, n, f"Doc {n}"), 1.0, n, {})
    for n, text in enumerate((PUMP, STAFF, BADGE), start=1)
)
SAYS_PUMP = "The pump delivers 45 litres per minute"


def place_at(chunk: Chunk, _offset: int) -> Place:
    return Place(chunk.page, f"p. {chunk.page}")


def check(text: str):
    return check_answer(text, CONTEXT, place_at)


def normalise(text: str) -> str:
    return reveal(normalise_marks(text, len(CONTEXT))[0])


@pytest.mark.parametrize(("first", "second"), [(2, 2), (2, 1)])
def test_only_the_mark_of_the_mended_piece_changes(first, second):
    said = "The pump delivers 45 litres per minute [{}], and Anna Schmidt heads the HR department [{}]."
    checked = check(said.format(first, second))
    assert checked.text == said.format(1, 2)
    assert {c.number for c in checked.citations} == {1, 2}
    assert checked.statements[0].supported


@pytest.mark.parametrize(
    "mark",
    [
        "(1)", "（1）", "(Passage 1)", "(see passage 1)", "^1", "¹", "<sup>1</sup>", "【1†source】",
        "［1］", "〔1〕", "［来源1］", "[来源1]", "{1}", r"\[1\]", "[#1]", "[1, p. 3]",
        "[Source 1: doc.md]", "(Source: 1)", "[Source: 1]", "[Passage 1]", "[^1]", "[Nr. 1]",
    ],
)  # fmt: skip
def test_mark_is_read_in_every_spelling_of_models(mark):
    blank = "" if mark[0] in "^¹" else " "
    checked = check(f"{SAYS_PUMP}{blank}{mark}.")
    assert checked.text == f"{SAYS_PUMP}{blank}[1]."
    assert [(s.numbers, s.supported) for s in checked.statements] == [((1,), True)]
    assert checked.notes == ()


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("(passages 1 and 2)", "[1][2]"),
        ("[1/2]", "[1][2]"),
        ("[1, 2 & 3]", "[1][2][3]"),
        ("[passage 1, passage 2]", "[1][2]"),
        ("[3-1]", "[1][2][3]"),
    ],
)
def test_several_numbers_are_read(written, read):
    assert normalise(f"So it is {written}.") == f"So it is {read}."


def test_range_written_backwards_that_ends_nowhere_is_counted():
    assert normalise_marks("So it is [999-1].", 3) == ("So it is [1][2][3].", 1)


def test_source_named_in_words_is_a_mark():
    assert normalise(f"As stated in passage 1, {SAYS_PUMP}.").startswith(
        "As stated in passage [1],"
    )
    for behind in ("Source: 1", "(Source: 1)", "[Source: 1]"):
        (statement,) = check(f"{SAYS_PUMP}. {behind}").statements
        assert (statement.numbers, statement.supported) == ((1,), True)


@pytest.mark.parametrize(
    "text",
    [
        "The area is 45 m² and 12 metres^2.",
        "It holds x^2 and 10².",
        "Do (1) first, (2) second.",
        "(1) Open the valve. (2) Close it.",
        "See equation (1).",
        "Keep it for two (2).",
        "It is named in step (3).",
        "A [2] says so, as clause W (1).",
        "It counts f(1).",
        "The value {1} of a set {2, 3} is odd.",
        "Voici la reponse : le delai est court !",
        "See ![x](u) and `a [x] : b`.",
        "In [2024] it was so.",
        "Line one  \nline two",
    ],
)
def test_what_is_no_mark_stays_as_it_is(text):
    assert normalise(text) == text


@pytest.mark.parametrize("code", ["```python\nx = a[1]\ny = b[2][3]\n```", "Use `a[1]` or `b[2]`."])
def test_brackets_of_code_are_no_marks(code):
    checked = check(code)
    assert checked.text == code
    assert all(not statement.numbers for statement in checked.statements)
    assert checked.citations == ()


def test_mark_in_a_fence_around_an_answer_is_one():
    (statement,) = check(f"```\n{SAYS_PUMP} [1].\n```").statements
    assert (statement.numbers, statement.supported) == ((1,), True)


@pytest.mark.parametrize("between", ["\n\n[1]", "\n[1]", "\n\n- [1]", "\n**[1]**"])
def test_mark_on_its_own_line_belongs_to_what_stands_above(between):
    checked = check(f"{SAYS_PUMP}.{between}\nAnna Schmidt heads the HR department. [2]")
    assert [(s.numbers, s.supported) for s in checked.statements] == [((1,), True), ((2,), True)]


@pytest.mark.parametrize(
    "sources",
    ["References: [1], [2]", "Sources:\n[1] doc1.md\n[2] doc2.md", "**Quellen:**\n- [1] a.md",
     "来源：\n[1] a.md"],
)  # fmt: skip
def test_list_of_sources_at_the_end_is_no_statement(sources):
    checked = check(f"{SAYS_PUMP} [1].\n\n{sources}")
    assert checked.text == f"{SAYS_PUMP} [1]."
    assert len(checked.statements) == 1


def test_ellipsis_in_a_quotation_ends_no_sentence():
    said = "“The Marlin 300 pump delivers 45 litres … At 3.5 bar”"
    checked = check(f"{said} [1].")
    assert checked.text == f"{said} [1]."
    assert len(checked.statements) == 1


def test_added_mark_stands_behind_the_quotation():
    said = "“The Marlin 300 pump delivers 45 litres per minute at 3.5 bar.”"
    assert check(said).text == f"{said} [1]"


@pytest.mark.parametrize(
    ("begun", "shown"),
    [
        (f"- {SAYS_PUMP} [1]\n- Anna", f"- {SAYS_PUMP} [1]"),
        (f"1. {SAYS_PUMP} [1]\n2. Anna", f"1. {SAYS_PUMP} [1]"),
        (f"**Flow**: {SAYS_PUMP} [1]\n**HR**: Anna", f"**Flow**: {SAYS_PUMP} [1]"),
        ("| A | B |\n|---|---|\n| Flow | 45 litres per minute | [1] |\n| P",
         "| A | B |\n|---|---|\n| Flow | 45 litres per minute | [1] |"),
        (f"{SAYS_PUMP}.\n- [", ""),
        (f"{SAYS_PUMP}. Sour", ""),
        (f"{SAYS_PUMP}. (Sour", ""),
        (f"{SAYS_PUMP}. [Passage", ""),
    ],
)  # fmt: skip
def test_list_or_table_is_shown_as_its_next_line_begins(begun, shown):
    assert Checker(CONTEXT, place_at).check_begun(begun) == shown


@pytest.mark.parametrize(
    "text",
    [
        f"Here it is:\n\n- {SAYS_PUMP} [1]\n- Cats bite the postman [2]\n- Anna Schmidt heads HR [2]",
        f"# Flow\n\nCats bite the postman [2].\n\n# Pump\n\n{SAYS_PUMP}. [1] Ok then. More cats bite [3].",
        f"{SAYS_PUMP}.\n\n[1]\nAnna Schmidt heads the HR department. Source: 2",
        "He wrote “The Marlin 300 pump delivers 45 litres … At 3.5 bar” [1]. Anna Schmidt heads HR [2].",
        f"{SAYS_PUMP} (1). Anna Schmidt heads the HR department (2). Cats bite (3).",
        f"{SAYS_PUMP} [1].\n\nSources:\n[1] a.md\n[2] b.md",
    ],
)
def test_what_is_shown_early_is_how_the_answer_begins(text):
    text = f"Peter Novak heads the finance department [2].\n\n{text}"
    whole = withhold(check(text)).text
    checker = Checker(CONTEXT, place_at)
    shown = [checker.check_begun(text[:end]) for end in range(len(text) + 1)]
    assert all(whole.startswith(piece) for piece in shown)
    assert any(shown)


@pytest.mark.parametrize(
    ("written", "left"),
    [
        (f"Here is the answer:\n\nCats bite the postman [2].\n\n{SAYS_PUMP} [1].",
         f"Here is the answer:\n\n{SAYS_PUMP} [1]."),
        (f"{SAYS_PUMP} [1].\n\nHere is more:\n\nCats bite the postman [2].", f"{SAYS_PUMP} [1]."),
        (f"No. Cats bite the postman [2]. {SAYS_PUMP} [1].", f"{SAYS_PUMP} [1]."),
        (f"{SAYS_PUMP} [1]. Next. Cats bite the postman [2]. Ok then.", f"{SAYS_PUMP} [1]."),
        (f"## Cats\n\nCats bite the postman [2].\n\n## Pump\n\n{SAYS_PUMP} [1].",
         f"## Pump\n\n{SAYS_PUMP} [1]."),
        (f"## Pump\n\n{SAYS_PUMP} [1].\n\n## Cats\n\nCats bite the postman [2].\n\n## End",
         f"## Pump\n\n{SAYS_PUMP} [1]."),
    ],
)  # fmt: skip
def test_withheld_sentence_leaves_no_orphan(written, left):
    kept = withhold(check(written))
    assert kept.text == left
    assert [kept.text[s.start : s.end] for s in kept.statements] == [f"{SAYS_PUMP} [1]."]
