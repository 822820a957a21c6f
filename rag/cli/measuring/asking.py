"""What is asked in an evaluation, and how much of it at once."""

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

from ingest.base.errors import PipelineError
from rag.batch.run import choose_jobs
from rag.index.base.selection import Selection
from rag.pipeline import Pipeline
from rag.query.base.answers import Answer
from rag.settings import Settings

Ask: TypeAlias = Callable[..., Answer]

FEWEST_CASES = 300
"""Of fewer, starting processes costs more than they save."""
MOST_PROCESSES = 8

_pipelines: list[Pipeline] = []  # the one of this process


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
