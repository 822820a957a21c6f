"""`rag generate-cases`: make labelled questions from the documents, to look through and use."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.base.errors import PipelineError, SettingsError
from rag.cli.console import Terminal
from rag.cli.options import load_settings, warn_of_remote, with_server
from rag.cli.show import show_json
from rag.evaluation.base.cases import Case
from rag.evaluation.generate.generate import Generated, generate_cases
from rag.evaluation.reading.write import write_cases
from rag.models.base.errors import EndpointError
from rag.pipeline import Pipeline
from rag.settings import Settings

if TYPE_CHECKING:
    from rag.models.chat.model import ChatModel

EXIT_STOPPED = 130
_SAMPLE = 3
_STEP = 20


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    """Make cases and write them to a file; what there is when it is stopped is written too."""
    path = _choose(options.out, force=options.force)
    kept: list[Case] = []

    def action(settings: Settings) -> Generated:
        with Pipeline(settings, terminal.on_wait) as pipeline:
            pipeline.check_index()
            return _generate(pipeline, kept, options, terminal)

    settings = load_settings(options)
    try:
        generated = with_server(settings, terminal, action)
    except (KeyboardInterrupt, PipelineError) as error:
        if not kept:
            raise
        write_cases(path, kept)
        terminal.warn(f"stopped; the {len(kept)} cases made so far are in {options.out}")
        if isinstance(error, PipelineError):
            raise
        return EXIT_STOPPED
    write_cases(path, generated.cases.cases)
    if options.json:
        show_json(terminal, generated)
    else:
        _show(terminal, generated, options.out, options.questions)
    return 0


def _choose(name: str, *, force: bool) -> Path:
    """Return the file to write; raises SettingsError where that cannot or should not be done."""
    path = Path(name)
    if path.is_dir() or not path.resolve().parent.is_dir():
        raise SettingsError(
            f"{name} is no file in a folder that is there", "name a file: --out cases.jsonl"
        )
    if path.exists() and not force:
        raise SettingsError(
            f"{name} is there already, perhaps with what you changed in it",
            "name another file with --out, or replace it: --force",
        )
    return path


def _generate(
    pipeline: Pipeline, kept: list[Case], options: argparse.Namespace, terminal: Terminal
) -> Generated:
    told = 0

    def show(done: int, total: int) -> None:
        nonlocal told
        terminal.progress(f"{done} of {total} cases made")
        if done >= told + _STEP or (done == total and done > told):
            told = done
            terminal.note(f"{done} of {total} cases made")

    chat = None if options.by_rule else _find_model(pipeline, terminal)
    with terminal.waiting("making cases"):
        return generate_cases(
            pipeline.index,
            pipeline.models.embed_question,
            chat,
            wanted=options.questions,
            unanswerable=options.unanswerable,
            top_k=pipeline.settings.top_k,
            fusion=pipeline.settings.fusion,
            prepare=pipeline.models.prepare,
            on_case=kept.append,
            on_progress=show,
        )


def _find_model(pipeline: Pipeline, terminal: Terminal) -> ChatModel | None:
    """Return the model that writes questions, None where there is none."""
    try:
        chat = pipeline.models.chat()
        warn_of_remote(pipeline.models.servers.chat_choice, terminal)
    except EndpointError as error:
        terminal.note(f"all questions are made by rule: {error.message}", "yellow")
        return None
    return chat


def _show(terminal: Terminal, generated: Generated, name: str, wanted: int) -> None:
    cases = generated.cases.cases
    by_kind = {kind: sum(case.kind == kind for case in cases) for kind in
               ("answerable", "near-miss", "out-of-corpus")}  # fmt: skip
    terminal.say(
        f"{len(cases)} cases: {by_kind['answerable']} with an answer, "
        f"{by_kind['near-miss']} near misses, "
        f"{by_kind['out-of-corpus']} with the document held out that answers"
    )
    terminal.say(f"written by {generated.made_by}" if generated.made_by else "made by rule")
    for reason, count in sorted(generated.dropped.items(), key=lambda pair: -pair[1]):
        terminal.say(f"  dropped  {count:4}  {reason}")
    for case in cases[:_SAMPLE]:
        answer = case.answers[0] if case.answers else f"no answer ({case.kind})"
        terminal.say(f"  {case.question}\n    → {answer}")
    if generated.error:
        terminal.warn(f"the model could not be asked for more: {generated.error.message}")
        if generated.error.hint:
            terminal.note(f"fix: {generated.error.hint}")
    if len(cases) < wanted:
        terminal.note(f"{wanted} were wanted: the documents hold no more that stand the trial")
    if not generated.made_by:
        terminal.note(
            "These are statements of the documents with something taken out: easier than what "
            "people ask. With a chat model questions are written in other words.",
            "yellow",
        )
    terminal.note(f"Look through {name}, then: rag evaluate {shlex.quote(name)}", "bold")
