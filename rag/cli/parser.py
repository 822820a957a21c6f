"""The words of the command line: every command with its options, in the order of their use."""

from __future__ import annotations

import argparse
from typing import Protocol

from rag import __version__
from rag.cli.words.arguments import file_name, natural, number
from rag.cli.words.measuring import add_measuring_commands

EPILOG = """\
exit codes: 0 done, 1 failed, 2 wrong usage or questions of a batch without an answer,
            3 files were skipped under --strict or a replay differs, 4 --fail-if holds,
            75 the index is locked by another run, 130 interrupted

every setting can also stand in the environment or in .env as RAG_NAME; see .env.example"""


class Command(Protocol):
    """Adds a command; `json` says what `--json` prints, "" that there is none."""

    def __call__(self, name: str, meaning: str, *, json: str = "") -> argparse.ArgumentParser:
        """Return the parser of the command."""
        ...


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

    _add_daily_commands(command)
    add_measuring_commands(command)
    _add_upkeep_commands(command)
    _add_model_commands(command)
    return parser


def _add_daily_commands(command: Command) -> None:
    demo = command("demo", "try it on sample documents, with no model server")
    demo.add_argument("question", nargs="*", help="your own question instead of the samples")
    _ingest_options(command("ingest", "index folders of documents", json="the report"))
    _watch_options(command("watch", "index folders, then follow their changes until stopped"))
    _ask_options(command("ask", "ask a question, get a cited answer", json="the whole answer"))
    _chat_options(command("chat", "ask questions that go on from each other; kept"))
    _replay_options(
        command("replay", "ask a kept question again; 3 if anything changed", json="both answers")
    )
    _source_options(
        command("list", "list the documents of the index", json="the list"),
        command("show", "show what the index sees of a file", json="all of it"),
    )
    command("status", "show what is in the index", json="it")
    health = command("health", "show what the index knows badly or cannot see", json="the report")
    health.add_argument("--all", action="store_true", help="name every file, not the worst only")
    health.add_argument("--html", metavar="FILE", help="write it as one HTML page")


def _add_upkeep_commands(command: Command) -> None:
    _verify_options(
        command("verify", "compare index, files and model; 1 if damaged", json="the findings")
    )
    command("repair", "put a damaged index in order; nothing is embedded again", json="the report")
    command("compact", "give back the disk that nothing needs any more", json="the report")
    _transfer_options(
        command("migrate", "change the embedding model; the old vectors answer", json="the report"),
        command("export", "write the index to one file, no kept answers", json="what is in it"),
        command("import", "make the index from an exported file", json="what was in it"),
    )
    remove = command("remove", "forget a folder that was ingested", json="what was forgotten")
    meaning = "the folder as rag status shows it, or a single file; it need not exist"
    remove.add_argument("folder", type=file_name, help=meaning)


def _add_model_commands(command: Command) -> None:
    doctor = command("doctor", "check server, models and index; name each fix", json="the findings")
    doctor.add_argument(
        "--probe", action="store_true", help="load the models and measure them anew"
    )
    _calibrate_options(
        command("calibrate", "learn when to say 'not in your documents'", json="what was learned")
    )
    _models_options(command("models", "what the server offers and what is used", json="the list"))
    serve = command("serve-embedded", "offer the embedded model to other programs on 127.0.0.1")
    serve.add_argument("--port", type=int, default=1235, help="port (default 1235)")


def _calibrate_options(parser: argparse.ArgumentParser) -> None:
    number = "how many questions to make (200)"
    parser.add_argument("--questions", type=natural, default=200, metavar="N", help=number)
    share = "the most questions with an answer to refuse, as a share (0.05)"
    parser.add_argument("--max-wrong", type=float, default=0.05, metavar="RATE", help=share)


def _models_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "action",
        nargs="?",
        choices=("list", "pull"),
        default="list",
        help="list what is offered (default), or pull the weights of the embedded model",
    )


def _ingest_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folders",
        nargs="*",
        type=file_name,
        metavar="folder",
        help="folders (or single files) to index; none: all that are in the index",
    )
    _collection_option(parser, "put the folders into this collection")
    parser.add_argument("--dry-run", action="store_true", help="show the plan, change nothing")
    parser.add_argument("--strict", action="store_true", help="exit with 3 if a file was skipped")
    parser.add_argument(
        "--yes", action="store_true", help="also when most documents of a folder are gone"
    )


def _collection_option(parser: argparse.ArgumentParser, meaning: str) -> None:
    parser.add_argument("--collection", metavar="NAME", help=meaning)


def _source_options(listing: argparse.ArgumentParser, showing: argparse.ArgumentParser) -> None:
    listing.add_argument(
        "pattern", nargs="?", help="only paths that match (handbook/*), or of a type (.pdf)"
    )
    _collection_option(listing, "only this collection")
    meaning = "its path, its path in the folder, or the end of that"
    showing.add_argument("file", type=file_name, help=meaning)
    showing.add_argument("--page", type=int, metavar="N", help="only page, slide or sheet N")
    showing.add_argument("--chunks", action="store_true", help="show the passages one by one")


def _watch_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folders", nargs="*", type=file_name, metavar="folder", help="none: all in the index"
    )
    _collection_option(parser, "put the folders into this collection")
    parser.add_argument(
        "--poll", action="store_true", help="look for changes again and again: network drives"
    )


def _ask_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("question", nargs="*", help="none: read it from a prompt or a pipe")
    _answer_options(parser)
    parser.add_argument("--explain", action="store_true", help="show how passages were found")
    reading = parser.add_mutually_exclusive_group()
    meaning = "read every document, not only the nearest passages"
    reading.add_argument(
        "--all", "--survey", dest="survey", action="store_true", default=None, help=meaning
    )
    reading.add_argument(
        "--no-survey", dest="survey", action="store_false", help="never read every document"
    )
    batch = parser.add_argument_group("many questions")
    batch.add_argument(
        "--batch",
        metavar="FILE",
        help="ask all of a file, - for standard input: lines of text, or of JSON with question "
        "and, where wanted, id, filter and k",
    )
    batch.add_argument("--out", metavar="FILE", help="write a line of JSON for each; - prints them")
    batch.add_argument(
        "--jobs", type=number, metavar="N", help="questions at once; default: as the server takes"
    )


def _answer_options(parser: argparse.ArgumentParser) -> None:
    _collection_option(parser, "ask only this collection")
    parser.add_argument("-k", "--top-k", type=int, metavar="N", help="passages to retrieve")
    parser.add_argument("--model", dest="chat_model", metavar="ID", help="chat model to use")
    parser.add_argument(
        "--strict",
        action="store_true",
        default=None,
        help="leave out what the passages do not hold",
    )
    parser.add_argument(
        "--show-thinking", action="store_true", help="show what a reasoning model thinks, dim"
    )
    parser.add_argument(
        "--filter",
        action="append",
        default=[],
        metavar="PATTERN",
        help="only files whose path matches (handbook/*), of a type (.pdf), or changed "
        "after:2024-01-31 or before:2025-01-01; repeatable",
    )


def _chat_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("question", nargs="*", help="the first one; none: it is typed")
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--resume", nargs="?", const="", metavar="NAME", help="go on with one; none: the last"
    )
    which.add_argument("--name", metavar="NAME", help="begin one of this name; none: the date")
    which.add_argument("--list", action="store_true", help="list those that are kept")
    which.add_argument("--forget", metavar="NAME", help="forget one with its answers")
    _answer_options(parser)


def _replay_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", nargs="?", default="", help="of the answer; none: the last")
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--list", action="store_true", help="list the answers kept last")
    instead.add_argument("--forget", action="store_true", help="forget the answer of this id")
    parser.add_argument("--model", dest="chat_model", metavar="ID", help="chat model to use")


def _verify_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--deep", action="store_true", help="also read every file again")
    parser.add_argument(
        "--sample", type=natural, default=16, metavar="N", help="passages to embed again; 0: none"
    )


def _transfer_options(
    migrating: argparse.ArgumentParser,
    exporting: argparse.ArgumentParser,
    importing: argparse.ArgumentParser,
) -> None:
    migrating.add_argument("--dry-run", action="store_true", help="say what it takes, change none")
    exporting.add_argument("file", help="the file to write, for example backup.zip")
    exporting.add_argument("--force", action="store_true", help="replace a file that is there")
    exporting.add_argument(
        "--lean", action="store_true", help="leave out vectors that no passage needs"
    )
    importing.add_argument("file", help="a file that rag export wrote")
    importing.add_argument("--force", action="store_true", help="replace the index that is there")
    importing.add_argument(
        "--root",
        action="append",
        default=[],
        metavar="OLD=NEW",
        help="where a folder of the other machine is on this one; repeatable",
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
