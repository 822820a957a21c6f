"""`rag`: the words of the command line in, an exit code out."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from ingest.base.errors import PipelineError
from rag.cli.parser import build_parser

if TYPE_CHECKING:
    from rag.cli.console import Terminal

EXIT_SKIPPED = 3
EXIT_INTERRUPTED = 130

# Module and function of a command; imported only when the command is run.
_COMMANDS = {
    "demo": ("rag.cli.commands.demo", "run"),
    "ingest": ("rag.cli.commands.ingest", "run"),
    "watch": ("rag.cli.commands.watch", "run"),
    "list": ("rag.cli.commands.sources", "run_list"),
    "show": ("rag.cli.commands.sources", "run_show"),
    "ask": ("rag.cli.asking.ask", "run"),
    "chat": ("rag.cli.asking.chat", "run"),
    "replay": ("rag.cli.asking.replay", "run"),
    "status": ("rag.cli.commands.index", "run_status"),
    "health": ("rag.cli.commands.health", "run"),
    "doctor": ("rag.cli.commands.models", "run_doctor"),
    "verify": ("rag.cli.commands.index", "run_verify"),
    "repair": ("rag.cli.commands.index", "run_repair"),
    "remove": ("rag.cli.commands.index", "run_remove"),
    "migrate": ("rag.cli.commands.upkeep", "run_migrate"),
    "export": ("rag.cli.commands.upkeep", "run_export"),
    "import": ("rag.cli.commands.upkeep", "run_import"),
    "compact": ("rag.cli.commands.upkeep", "run_compact"),
    "generate-cases": ("rag.cli.measuring.generate", "run"),
    "evaluate": ("rag.cli.measuring.evaluate", "run"),
    "compare": ("rag.cli.measuring.compare", "run"),
    "tune": ("rag.cli.measuring.tune", "run"),
    "calibrate": ("rag.cli.commands.calibrate", "run"),
    "models": ("rag.cli.commands.models", "run"),
    "serve-embedded": ("rag.cli.commands.models", "run_server"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; nothing but --debug shows a traceback."""
    words = sys.argv[1:] if arguments is None else arguments
    options = build_parser().parse_args(words, argparse.Namespace(words=words))
    from rag.cli.console import Terminal, forgive_encoding

    forgive_encoding()
    terminal = Terminal()
    try:
        module, function = _COMMANDS[options.command]
        code: int = getattr(importlib.import_module(module), function)(options, terminal)
    except PipelineError as error:
        if options.debug:
            raise
        terminal.fail(error)
        return error.exit_code
    except KeyboardInterrupt:
        if options.debug:
            raise
        return _interrupted(options, terminal)
    except BrokenPipeError:
        # The reader of our output left (head, less): nobody is there to be told.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        if options.debug:
            raise
        hint = "check that there is room and permission where the output goes"
        terminal.fail(PipelineError(f"the system refused: {error}", hint))
        return 1
    return code


def start() -> None:
    """Run the command line as a program of its own."""
    code = main()
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, OSError):  # closed, or nothing takes the output
            stream.flush()
    if code == EXIT_INTERRUPTED:
        # All is closed by now but threads that wait for a server, and those may wait long.
        os._exit(code)
    sys.exit(code)


def _interrupted(options: argparse.Namespace, terminal: Terminal) -> int:
    terminal.note("\nstopped.", "yellow")
    if getattr(options, "batch", None) is not None:
        terminal.note("What was answered is kept; the same command goes on from here.", "yellow")
    if options.command == "evaluate":
        terminal.note("What was measured is kept; the same command goes on from here.", "yellow")
    if options.command in ("ingest", "demo"):
        terminal.note("What was indexed is kept; the same command goes on from here.", "yellow")
    return EXIT_INTERRUPTED


if __name__ == "__main__":
    start()
