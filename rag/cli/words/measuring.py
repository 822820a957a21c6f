"""The options of the commands that measure."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from rag.cli.words.arguments import amount, file_name, number, share

if TYPE_CHECKING:
    from rag.cli.parser import Command


def add_measuring_commands(command: Command) -> None:
    """Add the commands in the order of their use."""
    _generate_options(
        command("generate-cases", "make labelled questions from your documents", json="them")
    )
    _evaluate_options(
        command("evaluate", "measure how well labelled questions are answered", json="the figures")
    )
    _compare_options(
        command("compare", "say whether a second run is better than a first", json="it all")
    )
    _tune_options(command("tune", "find better settings on labelled questions", json="the report"))


def _evaluate_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "cases",
        nargs="?",
        type=file_name,
        help="JSON lines, a BEIR folder, SQuAD JSON, or CSV",
    )
    parser.add_argument("--docs", type=file_name, metavar="FOLDER", help="index it for this run")
    parser.add_argument("--run", metavar="DIR", help="folder of the run; default: in the index")
    parser.add_argument("--again", action="store_true", help="measure anew what is complete")
    _case_options(parser)
    parser.add_argument(
        "--retrieval-only", action="store_true", help="find passages, write no answers"
    )
    parser.add_argument(
        "--measures", metavar="NAMES", help="with commas, for example nDCG@10,R@5,token-F1"
    )
    parser.add_argument("--list-measures", action="store_true", help="say what each measure means")
    parser.add_argument("-k", "--top-k", type=int, metavar="N", help="passages to retrieve")
    parser.add_argument("--model", dest="chat_model", metavar="ID", help="chat model to use")
    parser.add_argument("--collection", metavar="NAME", help="ask only this collection")
    parser.add_argument(
        "--jobs", type=number, metavar="N", help="cases at once; default: as the server takes"
    )
    judge = parser.add_argument_group("judge")
    judge.add_argument(
        "--judge", action="store_true", help="also have the chat model judge the answers"
    )
    judge.add_argument("--judge-model", metavar="ID", help="another model of the server for that")
    judge.add_argument(
        "--judge-repeats", type=number, default=2, metavar="N", help="times each is asked (2)"
    )


def _case_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--columns",
        action="append",
        default=[],
        metavar="PART=COLUMN",
        help="for CSV: which column is question, answer, document, page, excerpt, id",
    )
    parser.add_argument("--split", default="", metavar="NAME", help="qrels of a BEIR folder (test)")
    parser.add_argument("--limit", type=number, metavar="N", help="only the first so many cases")


def _compare_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("first", type=file_name, help="folder of a run, or its name in the index")
    parser.add_argument("second", type=file_name, help="the one that may be better")
    parser.add_argument("--measures", metavar="NAMES", help="only these, with commas")
    parser.add_argument(
        "--fail-if",
        action="append",
        default=[],
        metavar="CONDITION",
        help="exit with 4 if it holds, for example 'nDCG@10 < -0.01', or if the second run is "
        "unfinished or failed more often ('failed > 5' allows 5 more); repeatable",
    )
    parser.add_argument("--out", metavar="DIR", help="write the page, Markdown and JSON there")


def _generate_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", default="cases.jsonl", metavar="FILE", help="file to write")
    parser.add_argument(
        "--questions", type=number, default=100, metavar="N", help="how many to make (100)"
    )
    parser.add_argument(
        "--unanswerable", type=share, default=0.25, metavar="SHARE", help="of them (0.25)"
    )
    parser.add_argument("--model", dest="chat_model", metavar="ID", help="chat model to use")
    parser.add_argument(
        "--by-rule", action="store_true", help="ask no chat model: quick, and easier questions"
    )
    parser.add_argument("--force", action="store_true", help="replace a file that is there")


def _tune_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("cases", type=file_name, help="labelled questions, as for rag evaluate")
    _case_options(parser)
    parser.add_argument("--docs", type=file_name, metavar="FOLDER", help="default: as indexed")
    parser.add_argument(
        "--minutes", type=amount, default=10, metavar="N", help="the most time to take (10)"
    )
    parser.add_argument(
        "--measure",
        default="nDCG@10",
        metavar="NAME",
        help="what is to be better of the passages found; no answers are written (nDCG@10)",
    )
    parser.add_argument(
        "--try",
        dest="try_values",
        action="append",
        default=[],
        metavar="NAME=VALUES",
        help="values of a setting to try instead of the usual ones, with commas; repeatable; "
        "passages_tokens is tried only so, as more tokens always find more",
    )
    parser.add_argument("--run", metavar="DIR", help="folder for the report and what is tried")
    parser.add_argument(
        "--write", metavar="FILE", help="write settings that are better, for example to .env"
    )
