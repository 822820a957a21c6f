from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from parsed_invariants import check, check_linear, parse_hostile

from ingest.base.documents import Heading
from ingest.parse.base import media
from ingest.parse.base.blocks import Parsed
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


def read(text: str, media_type: str) -> Parsed:
    return check(parse_text(text.encode(), media_type))


def tables(text: str, media_type: str) -> list[tuple[str, str]]:
    parsed = read(text, media_type)
    return [(table.columns, parsed.text[table.start : table.end]) for table in parsed.tables]


def test_the_encoding_of_text_is_recorded() -> None:
    assert parse_text("Größe und Maß".encode("utf-16"), media.PLAIN).encoding == "utf-16-le"
    parsed = parse_text("Größe und Maß".encode("cp1252"), media.MARKDOWN)
    assert (parsed.encoding, parsed.notes) == ("cp1252", ("not UTF-8, read as cp1252",))


def test_only_the_start_of_an_endless_text_is_read_and_told() -> None:
    parsed = parse_text(b"# One\n" + b"\n" * 20_000_000, media.MARKDOWN)
    assert len(parsed.text) == 20_000_000
    assert parsed.notes == ("only the first 20,000,000 characters were read",)
    assert [heading.title for heading in parsed.headings] == ["One"]


def test_many_empty_lines_hide_no_heading() -> None:
    assert headings("# One\n" + "\n" * 5000 + "Two\n===\n") == [(1, "One"), (1, "Two")]
    assert headings("1\n" + "\n" * 5000 + "1. Pay\n\n\n\n", media.PLAIN) == [(2, "1. Pay")]


def test_markdown_tables_begin_with_the_line_that_names_the_columns() -> None:
    rows = "| a | b |\n|---|:-:|\n| 1 | 2 |\n| 3 | 4 |"
    assert tables(f"Words.\n\n{rows}\n\nMore | words.\n", media.MARKDOWN) == [("| a | b |", rows)]
    assert tables("a | b\n--|--\n1 | 2\nend", media.MARKDOWN) == [("a | b", "a | b\n--|--\n1 | 2")]
    assert tables("```\n| a |\n|---|\n```\n", media.MARKDOWN) == []
    assert tables("  | a |\n  |---|\n  | 1 |\n", media.MARKDOWN)[0][0] == "| a |"


def test_rst_tables_of_both_kinds() -> None:
    grid = "+---+---+\n| a | b |\n+===+===+\n| 1 | 2 |\n+---+---+\n"
    assert tables(grid, media.RST) == [("| a | b |", grid.split("\n", 1)[1].rstrip())]
    assert tables(grid.replace("=", "-"), media.RST)[0][0] == ""
    simple = "===  ===\na    b\n===  ===\n1    2\n3    4\n===  ===\n"
    assert tables(f"{simple}\nWords\n", media.RST) == [
        ("a    b", "a    b\n===  ===\n1    2\n3    4\n===  ===")
    ]


ORG = """\
#+TITLE: The Guide
#+OPTIONS: toc:nil
# a comment
* TODO First [[https://x.y][steps]]    :home:work:
:PROPERTIES:
:ID: 1
:END:
Words with a [[file:a.org][link]].
** Deeper
#+BEGIN_SRC python
* not a heading
#+END_SRC
| a | b |
|---+---|
| 1 | 2 |
:no drawer:
"""


def test_org_is_read_without_drawers_comments_and_settings() -> None:
    parsed = read(ORG, media.ORG)
    assert parsed.title == "The Guide"
    assert [(h.level, h.title) for h in parsed.headings] == [(1, "First steps"), (2, "Deeper")]
    assert parsed.text == (
        "The Guide\n* TODO First steps    :home:work:\nWords with a link.\n** Deeper\n"
        "```python\n* not a heading\n```\n| a | b |\n|---+---|\n| 1 | 2 |\n:no drawer:"
    )
    assert tables(ORG, media.ORG) == [("| a | b |", "| a | b |\n|---+---|\n| 1 | 2 |")]


def test_an_org_drawer_that_never_ends_is_text() -> None:
    assert read(":NOTE:\nWords.\n* One\n", media.ORG).text == ":NOTE:\nWords.\n* One"


TEX = r"""% a comment
\documentclass{article}
\newcommand{\me}[1]{\textbf{#1}}
\title{On \emph{Caf\'es}}
\begin{document}
\maketitle
\section[short]{First \& last\label{sec:a}}
We show \textbf{that} $x_1$ is 50\% of it~\cite{knuth}. % hidden
See \href{http://x.y}{this} --- ``so''\footnote{A note.}.

\begin{equation}
  a = b
\end{equation}
\subsection{Deeper}
\begin{itemize}
\item One
\item Two
\end{itemize}
\begin{lstlisting}[language=C]
  int x; % kept
\end{lstlisting}
\begin{tabular}{@{}l|r@{}}
\hline
Name & Pay \\ \hline
Anna &
 30 \\
\end{tabular}
\end{document}
ignored
"""


def test_tex_is_read_as_its_page_reads() -> None:
    parsed = read(TEX, media.TEX)
    assert parsed.title == "On Cafés"
    assert [(h.level, h.title) for h in parsed.headings] == [(4, "First & last"), (5, "Deeper")]
    assert parsed.text == (
        "On Cafés\n\nFirst & last\n\n"
        "We show that $x_1$ is 50% of it [knuth]. See this — “so” (A note.).\n\n"
        "\\begin{equation}\na = b\n\\end{equation}\n\nDeeper\n\n- One\n- Two\n\n"
        "```\n  int x; % kept\n```\n\nName | Pay\nAnna | 30"
    )
    assert tables(TEX, media.TEX) == [("Name | Pay", "Name | Pay\nAnna | 30")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("No \\begin here, $5 and }{ and \\", "No here, $5 and and \\"),
        ('\\"o \\"{u} \\c{c} \\ss{} \\^{\\i}', "ö ü ç ß î"),
        ("\\section{Open\n\nWords.", "Open\n\nWords."),
        ("\\begin{verbatim}\nnever closed", "never closed"),
        ("a \\newcommand{\\x}{\\textbf{y}} b", "a b"),
        ("\\verb|a_b| and \\$5", "a_b and $5"),
        ("line one\\\\line two", "line one\nline two"),
    ],
)
def test_tex_that_is_broken_or_short_keeps_its_words(text: str, expected: str) -> None:
    assert read(text, media.TEX).text == expected


def test_a_file_of_tex_macros_stays_as_it_is() -> None:
    text = "\\ProvidesPackage{x}\n\\newcommand{\\a}{b}\n"
    assert read(text, media.TEX).text == text


CODE_SAMPLES = {
    "c": (
        "/* Adds\n * one. */\nstatic int foo(char *x)\n{\n  if (x) {\n    bar(x);\n  }\n}\n\n"
        "static void\nlate (int a,\n      int b)\n{\n}\nint proto(int a);\n"
        'int main(void) {\n  for (;;) { foo("}{{{"); }\n}\n',
        ["1 foo()", "1 late()", "1 main()"],
    ),
    "java": (
        '@Table(\n  name = "x"\n)\npublic class Shape<T> extends Base {\n  private int x = foo(3);\n'
        "  /** Runs. */\n  @Override\n  public void run() throws IOException {\n"
        "    if (a) { b(); } else if (c(d)) { e(); }\n  }\n  Shape(int a) {\n  }\n}\n",
        ["1 class Shape", "2 run()", "2 Shape()"],
    ),
    "cpp": (
        "namespace a {\ntemplate <typename T>\nclass Foo : public Bar {\n  int get() const { return x; }\n"
        "};\nvoid Foo::set(int x) {\n}\n}\nint after() { return 1; }\n",
        ["1 namespace a", "2 class Foo", "3 get()", "2 Foo::set()", "1 after()"],
    ),
    "javascript": (
        "// Loads.\nexport const load = async (id) => {\n  return f(`a${id}`, { b: 1 });\n};\n"
        'class A {\n  constructor(x) { super(x); }\n  async run(a) {\n    it("x", () => { y(); });\n'
        "  }\n}\nconst y = foo(3);\n",
        ["1 load()", "1 class A", "2 constructor()", "2 run()"],
    ),
    "rust": (
        "#[derive(Debug)]\npub struct P<'a> { x: &'a str }\nimpl<'a> P<'a> {\n    /// New.\n"
        "    pub fn new(x: &'a str) -> Self { P { x } }\n}\n",
        ["1 struct P", "1 impl P", "2 fn new"],
    ),
    "ruby": (
        "module M\n  class A < B\n    def self.x(a)\n    end\n    def ok?\n    end\n  end\nend\n",
        ["1 module M", "2 class A", "3 def self.x", "3 def ok?"],
    ),
    "shell": (
        "# Cleans.\nclean() {\n  rm x\n}\nfunction b {\n  c\n}\n",
        ["1 clean()", "1 function b"],
    ),
    "sql": ("CREATE TABLE IF NOT EXISTS people (\n  id int\n);\n", ["1 TABLE people"]),
    "kotlin": (
        "fun <T> foo(a: T): T {\n}\nobject O {\n  suspend fun b() = 3\n}\n",
        ["1 fun foo", "1 object O", "2 fun b"],
    ),
}


@pytest.mark.parametrize("language", CODE_SAMPLES)
def test_definitions_nest_by_braces_and_indentation(language: str) -> None:
    text, expected = CODE_SAMPLES[language]
    assert [f"{level} {title}" for level, title in headings(text, media.CODE)] == expected


@pytest.mark.parametrize("language", ["c", "java", "javascript", "rust"])
def test_a_definition_takes_along_what_explains_it(language: str) -> None:
    text, _ = CODE_SAMPLES[language]
    assert read(text, media.CODE).headings[0].start == 0


def test_what_stands_in_texts_of_several_lines_is_no_definition() -> None:
    text = 'class A:\n    """Words.\n    def no():\n    """\n    def yes(self): ...\n'
    assert headings(text, media.CODE) == [(1, "class A"), (2, "def yes")]


HOSTILE = {
    media.MARKDOWN: ["#", "# ", "`", "|\n|-\n", "- ", "=\n", "a\n=\n", " ", "---\n", "x|"],
    media.RST: ["=", "=\n", "a\n=\n", "+-", "+-+\n|\n", "==  ==\n", "|", " "],
    media.ORG: ["*", "* ", ":A:\n", "[[", "[[a][", "#+begin_src\n", "|\n", ":a", "#+a:"],
    media.TEX: ["\\", "{", "}", "$", "$x\n\n", "%", "\\section{", "\\begin{verbatim}", "\\cite[",
                "\\begin{tabular}{", "\\newcommand{{", "\\'", "\\verb|", "\\title[", "&", "\\[", "\n \t"],
    media.CODE: ["(", "{", "<", "f(" + "(" * 900 + "\n", "int f(a\n", "{\n", "'\\", '"', '"\\' * 400 + "\n",
                 "class a {\n", "public ", "@a(\n", "/*\n", "'\\" * 400 + "\n", "`\n", "<a " * 300 + "\n"],
    media.PLAIN: ["1.", "A\n\n", "\n", " ", "I. a\n\n"],
}  # fmt: skip


@pytest.mark.parametrize("media_type", HOSTILE)
def test_hostile_text_takes_linear_time(media_type: str) -> None:
    check_linear(parse_text, HOSTILE[media_type], media_type, 20_000)


TYPES = sorted(HOSTILE)
visible = st.text(
    st.one_of(st.characters(exclude_categories=["Cc", "Cs"]), st.sampled_from("\n#=-`"))
)


@given(visible, st.sampled_from(TYPES))
def test_headings_and_tables_ascend_and_lie_in_the_text(text: str, media_type: str) -> None:
    parse_hostile(parse_text, f"a{text}".encode("utf-8", "replace") * 3, media_type)


@given(st.sampled_from(TYPES).flatmap(lambda kind: st.tuples(
    st.lists(st.sampled_from(HOSTILE[kind]) | st.text(max_size=4)).map("".join), st.just(kind)
)))  # fmt: skip
def test_any_mixture_of_the_marks_of_a_format_is_read(drawn: tuple[str, str]) -> None:
    parse_hostile(parse_text, drawn[0].encode("utf-8", "replace"), drawn[1])


@given(st.binary(max_size=300), st.sampled_from(TYPES))
def test_any_bytes_are_read_or_refused(data: bytes, media_type: str) -> None:
    parse_hostile(parse_text, data, media_type)


def test_an_org_priority_is_no_part_of_a_title() -> None:
    assert headings("* TODO [#A] Pay rent :home:\n", media.ORG) == [(1, "Pay rent")]


def test_own_macros_of_tex_are_expanded() -> None:
    text = (
        "\\newcommand{\\firm}{Acme Ltd}\\newcommand\\pay[2]{\\textbf{#1} pays #2}\n"
        "\\begin{document}\n\\firm{} grows. \\pay{Ann}{\\emph{30} euros}. % \\firm\n"
        "\\begin{verbatim}\n\\firm\n\\end{verbatim}\n\\end{document}\n"
    )
    assert read(text, media.TEX).text == (
        "Acme Ltd grows. Ann pays 30 euros.\n\n```\n\\firm\n```"
    )  # fmt: skip


def test_macros_of_tex_cannot_blow_a_text_up() -> None:
    text = f"\\newcommand{{\\a}}[1]{{{'#1' * 20}}}\n" + f"\\a{{{'x' * 1900}}} " * 2_000
    assert len(read(text, media.TEX).text) < 7_000_000


def test_files_that_tex_reads_in_are_told() -> None:
    text = "\\begin{document}One. \\input{chapter2} % \\include{old}\n\\end{document}"
    parsed = read(text, media.TEX)
    assert (parsed.text, parsed.notes) == ("One.", ("text of chapter2 is in another file",))


def test_a_bibliography_of_tex_shows_no_keys() -> None:
    text = (
        "\\begin{thebibliography}{1}\\bibitem{green} The green book"
        "\n\\bibitem[B]{blue} The \\emph{blue} book\\end{thebibliography}"
    )
    assert read(text, media.TEX).text == "The green book\n\nThe blue book"
