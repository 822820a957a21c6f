from __future__ import annotations

import subprocess
import sys

import pytest

import ingest


def test_importing_the_package_imports_nothing_heavy() -> None:
    program = (
        "import sys, ingest, ingest.pipeline\n"
        "heavy = {'tiktoken', 'pypdf', 'lxml', 'docx', 'numpy', 'charset_normalizer'}\n"
        "found = heavy & set(sys.modules)\n"
        "assert not found, found\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


@pytest.mark.parametrize("name", ingest.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(ingest, name).__module__.startswith("ingest.")


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        ingest.nothing  # noqa: B018
