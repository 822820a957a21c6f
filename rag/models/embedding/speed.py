"""An embedder in, the pace at which its server does most out."""

from __future__ import annotations

import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from itertools import count

from rag.models.embedding.checks import words
from rag.models.embedding.embedder import EndpointEmbedder
from rag.models.embedding.pace import PaceRecord
from rag.models.wire.decode import Vectors


def search_pace(embedder: EndpointEmbedder, tokens: int, seconds: float) -> PaceRecord:
    """Return the best pace found with made-up texts of so many tokens, in about so long.

    No two texts are the same, so that no cache of the server helps.  Raises PipelineError.
    """
    pace = embedder.pace
    numbers, started, texts = count(1), time.monotonic(), 0
    running: set[Future[Vectors]] = set()
    with ThreadPoolExecutor(64, thread_name_prefix="probe") as pool:
        while time.monotonic() - started < seconds and not _is_known(pace.record):
            while len(running) < pace.in_flight:
                batch = [words(tokens, f"number {next(numbers)}") for _ in range(pace.batch_size)]
                running.add(pool.submit(embedder.embed, batch))
            done, running = wait(running, return_when=FIRST_COMPLETED)
            texts += sum(len(call.result()) for call in done)
        texts += sum(len(call.result()) for call in running)
    rate = pace.record.texts_per_second or texts / (time.monotonic() - started)
    return replace(pace.record, texts_per_second=rate)


def _is_known(pace: PaceRecord) -> bool:
    return pace.settled and pace.texts_per_second > 0
