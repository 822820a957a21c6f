"""What is measured and asked in an evaluation, and how much of it at once."""

from __future__ import annotations

import argparse
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from typing import TypeAlias

from ingest.base.errors import PipelineError, SettingsError
from rag.batch.run import choose_jobs
from rag.evaluation.base.cases import Case
from rag.evaluation.base.responses import Response, Spent
from rag.evaluation.base.rows import Row
from rag.evaluation.measures.registry import Measure, SetMeasure, default_measures, measures_of
from rag.index.base.selection import Selection
from rag.pipeline import Pipeline
from rag.query.base.answers import Answer
from rag.settings import Settings

Ask: TypeAlias = Callable[..., Answer]

FEWEST_CASES = 300
"""Of fewer, starting processes costs more than they save."""
MOST_PROCESSES = 8

_FOUND = Response(ranked=(), context=(), abstained=True, evidence=0.0, spent=Spent(0.0, total=0.0))
"""All that is told where passages are found and no answers are written."""
_ANY = Case("", "")

_pipelines: list[Pipeline] = []  # the one of this process


def choose_measures(options: argparse.Namespace) -> tuple[str, ...]:
    """Return the names of the measures, each once; raises SettingsError for what is never told."""
    names = [name.strip() for name in (options.measures or "").split(",") if name.strip()]
    asked = measures_of(names)
    usual = measures_of(default_measures(answers=True, judge=options.judge))
    if not asked:
        return tuple(one.name for one in usual if not options.retrieval_only or _is_found(one))
    for one in asked:
        if one.needs == "judge" and not options.judge:
            raise SettingsError(f"{one.name} is what a judge says", "add --judge, or leave it out")
        if options.retrieval_only and not _is_found(one):
            raise SettingsError(
                f"{one.name} measures answers, and --retrieval-only writes none",
                "leave one of both out",
            )
    if not any(one.needs == "judge" for one in asked):
        asked += tuple(one for one in usual if one.needs == "judge")
    return tuple(one.name for one in asked)


def _is_found(measure: Measure | SetMeasure) -> bool:
    """Say whether finding passages tells what a measure needs."""
    if isinstance(measure, SetMeasure):
        return measure.read(Row(_ANY, _FOUND)) is not None
    if measure.needs == "spent":
        return measure.of(_ANY, _FOUND) is not None
    return measure.needs in ("ranked", "context", "evidence")


@contextmanager
def asking(
    pipeline: Pipeline, options: argparse.Namespace, cases: int
) -> Iterator[tuple[Ask, int]]:
    """Yield what answers a question, or only finds passages, and from how many threads to call it.

    Answers wait for a server, so threads do; finding passages keeps a processor busy, so many
    cases are spread over processes.
    """
    if not options.retrieval_only:
        yield pipeline.ask, choose_jobs(pipeline.models, options.jobs)
        return
    usual = 1 if cases < FEWEST_CASES else os.cpu_count() or 1
    jobs = min(options.jobs or usual, MOST_PROCESSES)
    if jobs == 1:
        yield pipeline.passages, 1
        return
    with finding(pipeline.settings, jobs) as find:
        yield find, jobs


@contextmanager
def finding(settings: Settings, processes: int) -> Iterator[Ask]:
    """Yield what does as `Pipeline.passages`, in so many processes where as many threads call it.

    Each has the index open for reading, and embeds what it is asked.
    """
    context = get_context("spawn")  # a fork of a process with threads may hang
    with ProcessPoolExecutor(processes, context, _open, (settings,)) as pool:
        yield partial(_ask, pool)


def _ask(pool: ProcessPoolExecutor, question: str, selection: Selection | None = None) -> Answer:
    try:
        return pool.submit(_find, question, selection).result()
    except BrokenProcessPool as error:
        raise PipelineError("a process that finds passages died", "--jobs 1 uses none") from error


def _open(settings: Settings) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who started this process ends it
    _pipelines.append(Pipeline(settings))


def _find(question: str, selection: Selection | None) -> Answer:
    return _pipelines[0].passages(question, selection=selection)
