"""What messages and hints name exists: settings, commands and flags, read from the source."""

from __future__ import annotations

import argparse
import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from rag.cli.parser import build_parser
from rag.settings import PREFIX, Settings

ROOT = Path(__file__).parents[1]
PATHS = [path for package in ("ingest", "rag") for path in sorted((ROOT / package).rglob("*.py"))]

SETTINGS = {f"{PREFIX}{name}".upper() for name in Settings.model_fields}


def texts(path: Path) -> Iterator[str]:
    """Every string of a module, the fixed parts of f-strings included."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def named(pattern: str) -> set[str]:
    return {name for path in PATHS for text in texts(path) for name in re.findall(pattern, text)}


def commands() -> dict[str, argparse.ArgumentParser]:
    (choices,) = (
        action.choices
        for action in build_parser()._actions
        if isinstance(action, argparse._SubParsersAction)
    )
    return choices


def test_every_setting_named_exists() -> None:
    found = named(r"\bRAG_[A-Z][A-Z_]+\b")
    assert {"RAG_MAX_FILE_MEGABYTES", "RAG_INDEX_DIR"} <= found
    assert found - SETTINGS <= {"RAG_NAME"}  # the help, of any of them


def test_every_command_named_exists() -> None:
    found = named(r"\brag ([a-z][a-z-]+)")
    assert {"ingest", "repair"} <= found
    assert found - commands().keys() == set()


@pytest.mark.parametrize("field", ["max_file_bytes", "chunk_tokens", "batch_tokens"])
def test_no_hint_names_a_field_for_a_setting(field: str) -> None:
    offenders = named(rf"\b(?:raise|lower) {field}\b")
    assert offenders == set()


def test_every_flag_named_with_a_command_exists() -> None:
    for command, flag in named(r"\brag ([a-z-]+)(?: [A-Z]+)* (--[a-z-]+)"):
        assert flag in commands()[command].format_help()
