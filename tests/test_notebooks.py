"""The notebooks run as they stand, import only public names, and are committed with their outputs."""

import ast
import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

import rag

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
MOST_BYTES = 120_000


def read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


def code_of(path: Path) -> list[nbformat.NotebookNode]:
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


def test_there_are_two():
    assert [path.name for path in NOTEBOOKS] == ["evaluation.ipynb", "quickstart.ipynb"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path, weights_cache, monkeypatch):
    for name in os.environ:
        if name.startswith("RAG_"):
            monkeypatch.delenv(name)
    resources = {"metadata": {"path": str(path.parent)}}
    done = NotebookClient(read(path), timeout=280, resources=resources).execute()
    outputs = [cell.outputs for cell in done.cells if cell.cell_type == "code"]
    assert sum(map(bool, outputs)) >= len(outputs) // 2


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_small_and_holds_its_outputs(path):
    assert path.stat().st_size < MOST_BYTES
    outputs = [output for cell in code_of(path) for output in cell.outputs]
    assert len(outputs) >= len(code_of(path)) // 2
    assert all(
        output.output_type != "error" and output.get("name") != "stderr" for output in outputs
    )
    assert all(cell.execution_count for cell in code_of(path)), "run it before it is committed"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_imports_public_names_only(path):
    tree = ast.parse("\n".join(cell.source for cell in code_of(path)))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] == "rag":
            assert node.module == "rag"
            assert {alias.name for alias in node.names} <= set(rag.__all__)
