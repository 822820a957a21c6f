from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

import rag

# The kill harness is a script beside these tests and shares `synthetic` with them.
sys.path.insert(0, str(Path(__file__).parent))

from synthetic import add, manifest, words

from rag.index.index import Index


@pytest.fixture(scope="session")
def python_environment() -> dict[str, str]:
    """Lets another Python find the packages under test."""
    return {**os.environ, "PYTHONPATH": str(Path(rag.__file__).resolve().parents[1])}


@pytest.fixture(scope="session")
def _drained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drained") / "index"
    with Index.open_for_writing(folder, manifest()) as index:
        for i in range(6):
            add(index, f"docs/{i}.txt", words(50, f"file {i}"))
    assert index.warnings == []
    return folder


@pytest.fixture
def drained(_drained: Path, tmp_path: Path) -> Path:
    """A copy of an index of 6 documents of 50 chunks that Chroma was told completely."""
    return Path(shutil.copytree(_drained, tmp_path / "index"))
