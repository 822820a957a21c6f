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
from rag.evaluation.generate.generate import Generated, generate_cases
from rag.evaluation.reading.write import add_case
from rag.models.base.errors import EndpointError
from rag.pipeline import Pipeline
from rag.settings import Settings

if TYPE_CHECKING:
    from rag.models.chat.model import ChatModel

EXIT_STOPPED = 130
_SAMPLE = 3
_STEP = 20


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    """Make cases, each written beside the file as it is made; at the end that is the file."""
    path, draft = _choose(options.out, force=options.force)

    def action(settings: Settings) -> Generated:
        draft.unlink(missing_ok=True)
        with Pipeline(settings, terminal.on_wait) as pipeline:
            pipeline.check_index()
            return _generate(pipeline, draft, options, terminal)

    settings = load_settings(options)
    try:
        generated = with_server(settings, terminal, action)
    except (KeyboardInterrupt, PipelineError) as error:
        if not draft.exists():
            raise
        terminal.warn(f"stopped; the cases made so far are in {draft}")
        terminal.note(f"use them: rag evaluate {shlex.quote(str(draft))}")
        if isinstance(error, PipelineError):
            raise
        return EXIT_STOPPED
    draft.replace(path)
    if options.json:
        show_json(terminal, generated)
    else:
        _show(terminal, generated, options.out, options.questions)
    return 1 if generated.error else 0


def _choose(name: str, *, force: bool) -> tuple[Path, Path]:
    """Return the file to write, and the one beside it for what is made on the way.

    Raises SettingsError where one cannot or should not be written.
    """
    path = Path(name)
    draft = path.with_name(f"{path.stem}.draft{path.suffix}")
    if path.is_dir() or not path.resolve().parent.is_dir():
        raise SettingsError(
            f"{name} is no file in a folder that is there", "name a file: --out cases.jsonl"
        )
    if path.exists() and not force:
        raise SettingsError(
            f"{name} is there already, perhaps with what you changed in it",
            "name another file with --out, or replace it: --force",
        )
    if draft.exists() and not force:
        raise SettingsError(
            f"{draft} has the cases of a run that was stopped",
            f"use them: rag evaluate {shlex.quote(str(draft))}, or make all anew: --force",
        )
    return path, draft


def _generate(
    pipeline: Pipeline, draft: Path, options: argparse.Namespace, terminal: Terminal
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
            collection=pipeline.settings.collection or "",
            on_case=lambda case: add_case(draft, case),
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
               ("answerable", "near-miss", "unanswerable")}  # fmt: skip
    terminal.say(
        f"{len(cases)} cases: {by_kind['answerable']} with an answer, "
        f"{by_kind['near-miss']} near misses, "
        f"{by_kind['unanswerable']} with the document held out that answers"
    )
    terminal.say(f"written by {generated.made_by}" if generated.made_by else "made by rule")
    for reason, count in sorted(generated.dropped.items(), key=lambda pair: -pair[1]):
        terminal.say(f"  dropped  {count:4}  {reason}")
    for case in cases[:_SAMPLE]:
        told = "the whole section" if case.answerable else f"no answer ({case.kind})"
        answer = case.answers[0] if case.answers else told
        terminal.say(f"  {case.question}\n    → {answer}")
    if generated.error:
        terminal.warn(f"the model could not be asked for more: {generated.error.message}")
        if generated.error.hint:
            terminal.note(f"fix: {generated.error.hint}")
    elif len(cases) < wanted:
        terminal.note(f"{wanted} were wanted: the documents hold no more that stand the trial")
    if not generated.made_by:
        terminal.note(
            "These are sentences of the documents with a gap to fill, and headings: easier than "
            "what people ask. With a chat model questions are written in other words.",
            "yellow",
        )
    terminal.note(f"Look through {name}, then: rag evaluate {shlex.quote(name)}", "bold")
