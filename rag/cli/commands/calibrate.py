"""`rag calibrate`: learn from the documents how much evidence an answer needs."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ingest.base.errors import PipelineError
from rag.cli.console import Terminal
from rag.cli.options import load_settings, with_server
from rag.cli.show import show_json
from rag.models.base.errors import EndpointError
from rag.pipeline import Pipeline
from rag.query.evidence.calibrate import CalibrationReport, Point, calibrate
from rag.query.evidence.calibration import write_calibration
from rag.settings import Settings

if TYPE_CHECKING:
    from rag.models.chat.model import ChatModel

_STEP = 2  # Every second of the thresholds measured is a line of the table.


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    """Calibrate the evidence gate, keep the outcome beside the index, and show it."""
    if not 0 <= options.max_wrong < 1:
        raise PipelineError(
            f"--max-wrong is {options.max_wrong}", "give a share from 0 to 1: --max-wrong 0.05"
        )
    settings = load_settings(options)

    def action(chosen: Settings) -> int:
        with Pipeline(chosen, terminal.on_wait) as pipeline:
            pipeline.check_index()
            report = _calibrate(pipeline, options, terminal)
        path = write_calibration(chosen.index_dir, report.calibration)
        if options.json:
            show_json(terminal, report)
        else:
            _show(terminal, report)
            terminal.note(f"written: {path}")
        return 0

    return with_server(settings, terminal, action)


def _calibrate(
    pipeline: Pipeline, options: argparse.Namespace, terminal: Terminal
) -> CalibrationReport:
    def show(done: int, total: int) -> None:
        if done % 50 == 0 or done == total:
            terminal.note(f"asked {done} of {total} questions")

    def show_written(done: int, total: int) -> None:
        if done % 10 == 0 or done == total:
            terminal.note(f"the model was asked for {done} of {total} questions")

    return calibrate(
        pipeline.index,
        pipeline.models.embed_question,
        pipeline.settings.top_k,
        questions=options.questions,
        max_wrong=options.max_wrong,
        prepare=pipeline.models.prepare,
        on_progress=show,
        chat=_find_model(pipeline, terminal),
        on_written=show_written,
        fusion=pipeline.settings.fusion,
    )


def _find_model(pipeline: Pipeline, terminal: Terminal) -> ChatModel | None:
    """Return the model that writes questions, None where there is none."""
    try:
        return pipeline.models.chat()
    except EndpointError as error:
        terminal.note(f"all questions are made by rule: {error.message}", "yellow")
        return None


def _show(terminal: Terminal, report: CalibrationReport) -> None:
    counts = report.counts
    terminal.say(
        f"questions  {counts['answerable']} with an answer, {counts['near-miss']} near misses, "
        f"{counts['out-of-corpus']} with the document held out"
    )
    if counts["natural"]:
        terminal.say(f"           {counts['natural']} written by the chat model, others by rule")
    if failed := counts["not-written"]:
        terminal.note(f"{failed} that the chat model did not write were made by rule", "yellow")
    terminal.say("What a threshold does to these questions, which were made from the documents:")
    terminal.say("threshold  wrongly refused  near misses answered  others wrongly answered")
    for point in report.points[::_STEP]:
        terminal.say(_row(point))
    terminal.say(f"{_row(report.chosen)}   chosen", "bold")
    terminal.say(f"{_row(report.expected)}   on questions it was not chosen by")
    if report.allowed > report.chosen.threshold:
        terminal.note(
            f"--max-wrong {report.calibration.max_wrong:g} allows up to {report.allowed:.2f} for "
            f"these questions; people's own are harder, so less is chosen: "
            f"{report.chosen.threshold:.2f}"
        )
    terminal.note(
        "Of people's own questions more are refused than of these; "
        "RAG_REFUSAL_THRESHOLD takes the place of what was chosen, 0 never refuses."
    )


def _row(point: Point) -> str:
    return (
        f"{point.threshold:9.2f}  {point.wrongly_refused:15.1%}  "
        f"{point.answered_near_miss:20.1%}  {point.answered_out_of_corpus:23.1%}"
    )
