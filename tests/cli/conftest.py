"""Fixtures of the command line."""

import pytest

from rag.cli.main import main


@pytest.fixture
def run(capsys):
    """Run a command in this process; gives its exit code, output and errors."""

    def run(*arguments: object) -> tuple[int, str, str]:
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return code, captured.out, captured.err

    return run
