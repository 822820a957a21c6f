from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from parsed_invariants import check, check_linear, parse_hostile

from ingest.base.documents import Page
from ingest.parse.base import media
from ingest.parse.base.blocks import Parsed
from ingest.parse.text.notebook import parse_notebook


def read(*cells: dict[str, object], **fields: object) -> Parsed:
    notebook = {
        "cells": cells,
        "nbformat": 4,
        "metadata": {"language_info": {"name": "python"}},
        **fields,
    }
    return check(parse_notebook(json.dumps(notebook).encode(), media.NOTEBOOK))


def prose(*lines: str) -> dict[str, object]:
    return {"cell_type": "markdown", "source": list(lines)}


def code(source: str, *outputs: dict[str, object]) -> dict[str, object]:
    return {"cell_type": "code", "source": source, "outputs": list(outputs)}


def stream(text: str) -> dict[str, object]:
    return {"output_type": "stream", "name": "stdout", "text": text}


def test_cells_are_pages_with_prose_code_and_output() -> None:
    parsed = read(prose("# Survey\n", "\n", "Words."), code("x = 1\nx", stream("one\n")))
    assert parsed.text == "# Survey\n\nWords.\n\n```python\nx = 1\nx\n```\n\n```\none\n```"
    assert parsed.title == "Survey"
    assert parsed.pages == (Page(0, "cell 1"), Page(18, "cell 2"))
    assert parsed.encoding == "utf-8"


def test_headings_and_tables_start_where_they_stand() -> None:
    parsed = read(
        prose("Words."), prose("## Pay\n", "\n", "| a | b |\n", "|---|---|\n", "| 1 | 2 |\n")
    )
    (heading,), (table,) = parsed.headings, parsed.tables
    assert (heading.level, parsed.text[heading.start :][:6]) == (2, "## Pay")
    assert parsed.text[table.start : table.end] == "| a | b |\n|---|---|\n| 1 | 2 |"


def test_a_comment_in_code_is_no_heading() -> None:
    assert read(code("# not a heading"), prose("# Yes")).title == "Yes"


@pytest.mark.parametrize(
    ("output", "shown"),
    [
        ({"output_type": "execute_result", "data": {"text/plain": ["4", "2"]}}, "42"),
        (
            {"output_type": "error", "ename": "KeyError", "evalue": "'x'", "traceback": ["long"]},
            "KeyError: 'x'",
        ),
        (stream("\x1b[31mred\x1b[0m"), "red"),
    ],
)
def test_outputs_are_shown_as_text(output: dict[str, object], shown: str) -> None:
    assert read(code("x", output)).text.endswith(f"```\n{shown}\n```")


def test_images_are_dropped() -> None:
    image = {"output_type": "display_data", "data": {"image/png": "iVBORw0KGgo="}}
    parsed = read(
        prose("![plot](data:image/png;base64,iVBORw0KGgo=) Words."), code("plot()", image)
    )
    assert parsed.text == "Words.\n\n```python\nplot()\n```"


def test_long_output_is_cut_and_told() -> None:
    text = read(code("x", stream("line\n" * 500))).text
    assert text.count("line\n") == 20
    assert "480 more lines" in text


def test_a_fence_is_longer_than_any_inside() -> None:
    assert read(code('print("````")')).text == '`````python\nprint("````")\n`````'


def test_notebooks_of_format_three_are_read() -> None:
    cells = [
        {"cell_type": "heading", "level": 2, "source": "Old"},
        {"cell_type": "code", "input": "x", "language": "python", "outputs": []},
    ]
    parsed = read(cells=None, worksheets=[{"cells": cells}], nbformat=3, metadata={})
    assert parsed.text == "## Old\n\n```python\nx\n```"


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b'{"cells":[]}', "cells:"),
        (b'{"a":1}', "a: 1"),
        (b"[1,2]", "1, 2"),
        (b'{"cells":[{"cell_type":', '{"cells":[{"cell_type":'),
        (b"[" * 50_000, "[" * 50_000),
    ],
)
def test_what_is_no_notebook_is_read_as_data_or_text(data: bytes, text: str) -> None:
    assert check(parse_notebook(data, media.NOTEBOOK)).text == text


def test_hostile_notebooks_take_linear_time() -> None:
    check_linear(parse_notebook, ['{"cells":', "["], media.NOTEBOOK)
    for before in ("", "```\n", "x"):
        check_linear(
            lambda data, kind, before=before: parse_notebook(
                json.dumps({"cells": [prose(before + data.decode())]}).encode(), kind
            ),
            ["![](data:", "![", "`", "# a\n", "| a\n|-|-\n"],
            media.NOTEBOOK,
        )


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
cells = st.fixed_dictionaries(
    {},
    optional={
        "cell_type": st.sampled_from(["code", "markdown", "raw", "heading"]) | values,
        "source": st.text() | st.lists(st.text()) | values,
        "outputs": st.lists(st.fixed_dictionaries({"output_type": values, "data": values}))
        | values,
        "level": values,
    },
)


@settings(max_examples=40)
@given(st.lists(cells | values, max_size=4), values)
def test_any_cells_are_read(found: list[object], metadata: object) -> None:
    data = json.dumps({"cells": found, "metadata": metadata}).encode()
    parse_hostile(parse_notebook, data, media.NOTEBOOK)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    parse_hostile(parse_notebook, data, media.NOTEBOOK)
