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
from rag import __version__

if TYPE_CHECKING:
    from rag.cli.console import Terminal

EXIT_SKIPPED = 3
EXIT_INTERRUPTED = 130

EPILOG = """\
exit codes: 0 done, 1 failed, 2 wrong usage, 3 files were skipped under --strict,
            75 the index is locked by another run, 130 interrupted

every setting can also stand in the environment or in .env as RAG_NAME; see .env.example"""

# Module and function of a command; imported only when the command is run.
_COMMANDS = {
    "demo": ("rag.cli.commands.demo", "run"),
    "ingest": ("rag.cli.commands.ingest", "run"),
    "ask": ("rag.cli.commands.ask", "run"),
    "status": ("rag.cli.commands.index", "run_status"),
    "doctor": ("rag.cli.commands.models", "run_doctor"),
    "verify": ("rag.cli.commands.index", "run_verify"),
    "repair": ("rag.cli.commands.index", "run_repair"),
    "remove": ("rag.cli.commands.index", "run_remove"),
    "models": ("rag.cli.commands.models", "run"),
    "serve-embedded": ("rag.cli.commands.models", "run_server"),
}


def build_parser() -> argparse.ArgumentParser:
    """Return the parser for all commands."""
    parser = argparse.ArgumentParser(
        prog="rag",
        description="Ask questions about a folder of private documents. Every statement of an "
        "answer shows where it comes from. Models run on your own machine.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"rag {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="command", required=True)
    shared = _shared_options()

    def command(name: str, meaning: str, *, json: str = "") -> argparse.ArgumentParser:
        added = commands.add_parser(name, parents=[shared], help=meaning, description=meaning)
        if json:
            added.add_argument("--json", action="store_true", help=f"print {json} as JSON")
        return added

    demo = command("demo", "try it on sample documents, with no model server")
    demo.add_argument("question", nargs="*", help="your own question instead of the samples")
    _ingest_options(command("ingest", "index a folder of documents", json="the report"))
    _ask_options(command("ask", "ask a question, get a cited answer", json="the whole answer"))
    command("status", "show what is in the index", json="it")
    doctor = command("doctor", "check server, models and index; name each fix", json="the findings")
    doctor.add_argument(
        "--probe", action="store_true", help="load the models and measure them anew"
    )
    command("verify", "compare catalogue, Chroma and vectors; 1 when something differs")
    command("repair", "build the Chroma index anew from the catalogue; nothing is embedded again")
    remove = command("remove", "forget a folder that was ingested")
    remove.add_argument("folder", help="the folder as rag status shows it; it need not exist")
    models = command("models", "what the server offers and what is used", json="the list")
    models.add_argument(
        "action",
        nargs="?",
        choices=("list", "pull"),
        default="list",
        help="list what is offered (default), or pull the weights of the embedded model",
    )
    serve = command("serve-embedded", "offer the embedded model to other programs on 127.0.0.1")
    serve.add_argument("--port", type=int, default=1235, help="port (default 1235)")
    return parser


def _ingest_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", help="the folder (or one file) to index")
    parser.add_argument("--dry-run", action="store_true", help="show the plan, change nothing")
    parser.add_argument("--strict", action="store_true", help="exit with 3 if a file was skipped")


def _ask_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("question", nargs="*", help="none: read it from a prompt or a pipe")
    parser.add_argument("-k", "--top-k", type=int, metavar="N", help="passages to retrieve")
    parser.add_argument("--model", dest="chat_model", metavar="ID", help="chat model to use")
    parser.add_argument(
        "--show-thinking", action="store_true", help="show what a reasoning model thinks, dim"
    )
    parser.add_argument(
        "--filter",
        action="append",
        default=[],
        metavar="PATTERN",
        help="only files whose path matches (handbook/*), or of a type (.pdf); repeatable",
    )


def _shared_options() -> argparse.ArgumentParser:
    shared = argparse.ArgumentParser(add_help=False)
    group = shared.add_argument_group("settings")
    group.add_argument("--index", dest="index_dir", metavar="DIR", help="folder of the index")
    group.add_argument("--endpoint", metavar="URL", help="model server, or 'embedded'")
    group.add_argument(
        "--embedded",
        dest="endpoint",
        action="store_const",
        const="embedded",
        help="use the model inside the program: no server, no network",
    )
    group.add_argument("--embedding-model", metavar="ID", help="embedding model to use")
    group.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="any other setting, for example --set chunk_tokens=300",
    )
    group.add_argument("--debug", action="store_true", help="show tracebacks")
    return shared


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; nothing but --debug shows a traceback."""
    options = build_parser().parse_args(arguments)
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
    if options.command in ("ingest", "demo"):
        terminal.note("What was indexed is kept; the same command goes on from here.", "yellow")
    return EXIT_INTERRUPTED


if __name__ == "__main__":
    start()
