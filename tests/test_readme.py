"""What the README promises is what there is."""

import os
import re
import subprocess
import sys
from pathlib import Path

import rag
from rag.cli.parser import build_parser

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def test_python_example_answers_with_a_source(tmp_path, weights_cache):
    (code,) = blocks("python")
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, encoding="utf-8", timeout=120,
        env={**os.environ, "RAG_INDEX_DIR": str(tmp_path / "index"), "PYTHONUTF8": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "22 Nm" in done.stdout
    assert "workshop/plover-service-manual.pdf', 3" in done.stdout


def test_python_example_is_five_lines():
    (code,) = blocks("python")
    statements = [line for line in code.splitlines() if line.startswith("    ")]
    assert len(statements) <= 5


def test_every_command_is_explained_and_exists():
    (commands,) = (
        action.choices for action in build_parser()._actions if isinstance(action.choices, dict)
    )
    table = set(re.findall(r"^\| `rag ([a-z-]+)", README, re.MULTILINE))
    assert table == set(commands)


def test_ci_runs_the_test_command_of_the_readme():
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert 'pip install ".[test]" && .venv/bin/pytest' in README
    assert re.search(r'pip install .*"\.\[test\]" && pytest$', ci, re.MULTILINE)


def test_public_names_exist_and_a_wrong_one_is_told():
    for name in rag.__all__:
        assert getattr(rag, name).__name__ == name
    assert not hasattr(rag, "nonsense")


def test_changelog_tells_of_this_version():
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(
        rf"^## \[{re.escape(rag.__version__)}\] - \d{{4}}-\d\d-\d\d$", changelog, re.MULTILINE
    )


def test_lock_names_every_requirement_and_no_host():
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert not re.search(r"https?://|--(extra-)?index-url|--find-links", lock)
    pinned = set(re.findall(r"^([a-z0-9-]+)==", lock, re.MULTILINE))
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    required = re.findall(r'^    "([a-z0-9-]+)(?:\[[a-z]+\])?>=', project, re.MULTILINE)
    assert len(required) >= 15
    assert set(required) <= pinned
