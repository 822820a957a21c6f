"""Measure what our side of an embedding request costs, and that no connection is lost.

    python tests/benchmarks/client.py [--quick] [--compare] [cpu] [throughput] [keep-alive]

cpu: processor time of this process for a call of 64 texts with 768 dimensions, ours and
`openai`'s in turns.  throughput: texts a second, one request in flight, against a loop of
http.client, orjson and numpy that checks nothing.  keep-alive: requests after pauses that end
when the server closes idle connections (5 s); --compare does the same with `openai` clients.
The server is a process of its own with prepared answers.  Everything is a median; ratios come
from one run, taken in turns.  On Windows processor time has steps of 16 ms: too coarse for cpu.
"""

from __future__ import annotations

import argparse
import base64
import http.client
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlsplit

import httpx2
import numpy
import openai
import orjson
from embedding_server import serving

from rag.models.endpoint import Endpoint, Timeouts

MODEL = "text-embedding-stub"
SENTENCE = "Employees may carry over five days of leave into the next year if asked by March. "
BATCH = [f"{number}: {SENTENCE * 12}"[:1000] for number in range(64)]

SERVER_IDLE_SECONDS = 5.0
GAP_SPREAD_SECONDS = 0.3
# The first retry waits half a second: a call that takes longer than this was not the first try.
SLOW_SECONDS = 0.4

Embed = Callable[[Sequence[str]], object]


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    calls: int
    rounds: int
    batches: int
    connections: int
    posts: int


FULL = Size(calls=60, rounds=21, batches=10, connections=50, posts=20)
QUICK = Size(calls=30, rounds=5, batches=5, connections=20, posts=3)


@dataclass(frozen=True)
class Figure:
    """One row of the table; `met` is None for what is shown without a goal."""

    what: str
    ours: str
    theirs: str = ""
    result: str = ""
    goal: str = ""
    met: bool | None = None


@contextmanager
def our_embed(url: str) -> Iterator[Embed]:
    endpoint = Endpoint(url, "none", Timeouts())
    try:
        yield lambda texts: endpoint.embed(MODEL, texts)
    finally:
        endpoint.close()


@contextmanager
def openai_client(url: str, expiry: float = 5.0) -> Iterator[openai.OpenAI]:
    """The client as installed, except that no proxy or certificate of this machine counts."""
    limits = httpx2.Limits(max_connections=1000, keepalive_expiry=expiry)
    network = httpx2.Client(trust_env=False, verify=False, limits=limits, timeout=60)
    with openai.OpenAI(base_url=url, api_key="none", max_retries=0, http_client=network) as client:
        yield client


@contextmanager
def bare_embed(url: str) -> Iterator[Embed]:
    """The least a client can do: no check, no retry, no time limit."""
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname, address.port)

    def embed(texts: Sequence[str]) -> numpy.ndarray:
        request = {"model": MODEL, "input": texts, "encoding_format": "base64"}
        headers = {"Content-Type": "application/json"}
        connection.request("POST", "/v1/embeddings", orjson.dumps(request), headers)
        values = [i["embedding"] for i in orjson.loads(connection.getresponse().read())["data"]]
        if not isinstance(values[0], str):
            return numpy.array(values, dtype=numpy.float32)
        joined = b"".join(map(base64.b64decode, values))
        return numpy.frombuffer(joined, dtype="<f4").reshape(len(texts), -1)

    try:
        yield embed
    finally:
        connection.close()


def measure_cpu(size: Size) -> Iterator[Figure]:
    """What a call costs this process, against `embeddings.create` with both of its formats."""
    for form, options, goals in (
        ("floats", ["--ignore-encoding"], (20, 20, None, None)),
        ("base64", [], (4, None, None, None)),
    ):
        with (
            serving(*options) as url,
            our_embed(url) as ours,
            openai_client(url) as client,
            bare_embed(url) as bare,
        ):
            create = partial(client.embeddings.create, model=MODEL, input=BATCH)
            others = {
                "create": create,
                "create as float": partial(create, encoding_format="float"),
                "create, as a matrix": lambda create=create: matrix(create()),
                "bare loop": partial(bare, BATCH),
            }
            agree(ours(BATCH), matrix(create()))
            costs = in_turns(partial(ours, BATCH), others, size.calls)
        for (name, (mine, theirs)), goal in zip(costs.items(), goals, strict=True):
            what = f"CPU ms per call, server answers {form}, {name}"
            yield compare(what, mine * 1000, theirs * 1000, theirs / mine, goal)


def matrix(answer: openai.types.CreateEmbeddingResponse) -> numpy.ndarray:
    """What a caller makes of an answer and ours returns at once."""
    return numpy.array([row.embedding for row in answer.data], dtype=numpy.float32)


def in_turns(
    ours: Callable[[], object], others: dict[str, Callable[[], object]], count: int
) -> dict[str, tuple[float, float]]:
    """Return for each other our median seconds of processor time and its own, called in turns."""
    times = {name: ([], []) for name in others}
    for turn in range(count + 3):
        for name, other in others.items():
            pair = (cpu_seconds(ours), cpu_seconds(other))
            if turn >= 3:  # connections are open and caches warm
                for kept, seconds in zip(times[name], pair, strict=True):
                    kept.append(seconds)
    return {
        name: (statistics.median(mine), statistics.median(theirs))
        for name, (mine, theirs) in times.items()
    }


def cpu_seconds(call: Callable[[], object]) -> float:
    started = time.process_time()
    call()
    return time.process_time() - started


def measure_throughput(size: Size) -> Iterator[Figure]:
    """Texts a second of ours and of the bare loop, in alternated rounds."""
    slow = ["--delay", "0.03", "--per-text", "0.0005"]
    for form, encoding in (("floats", ["--ignore-encoding"]), ("base64", [])):
        for speed, delay, goal in (("62 ms a batch", slow, 0.97), ("no delay", [], None)):
            with (
                serving(*encoding, *delay) as url,
                our_embed(url) as ours,
                bare_embed(url) as bare,
            ):
                agree(ours(BATCH), bare(BATCH))
                rounds = []
                for number in range(size.rounds):
                    # The first of a pair would otherwise always be the same one.
                    first, second = (ours, bare) if number % 2 else (bare, ours)
                    pair = {embed: texts_a_second(embed, size.batches) for embed in (first, second)}
                    rounds.append((pair[ours], pair[bare]))
            yield compare(
                f"texts/s, server answers {form}, {speed}, bare loop",
                statistics.median(mine for mine, _ in rounds),
                statistics.median(theirs for _, theirs in rounds),
                statistics.median(mine / theirs for mine, theirs in rounds), goal,
            )  # fmt: skip


def texts_a_second(embed: Embed, batches: int) -> float:
    started = time.perf_counter()
    for _ in range(batches):
        embed(BATCH)
    return batches * len(BATCH) / (time.perf_counter() - started)


def agree(ours: object, theirs: object) -> None:
    """Make sure that both sides return the same numbers."""
    numpy.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-7)


def compare(what: str, ours: float, theirs: float, ratio: float, goal: float | None) -> Figure:
    return Figure(
        what, f"{ours:.2f}", f"{theirs:.2f}", f"{ratio:.3f}x",
        f">= {goal}x" if goal else "", ratio >= goal if goal else None,
    )  # fmt: skip


def measure_keep_alive(size: Size, with_openai: bool) -> Iterator[Figure]:
    """Failures of requests whose pauses end as the server closes, all clients side by side."""
    kinds = {"ours": our_embed}
    if with_openai:
        kinds["openai, pool keeps 5 s"] = lambda url: openai_embed(url, 5.0)
        kinds["openai, pool keeps 60 s"] = lambda url: openai_embed(url, 60.0)
    total = size.connections * size.posts
    with (
        serving("--idle", str(SERVER_IDLE_SECONDS)) as url,
        ThreadPoolExecutor(size.connections * len(kinds)) as pool,
    ):
        running = {
            name: [
                pool.submit(race, url, opened, size.posts, seed) for seed in range(size.connections)
            ]
            for name, opened in kinds.items()
        }
        done = {name: [job.result() for job in jobs] for name, jobs in running.items()}
    for name, results in done.items():
        failed, slow = (sum(column) for column in zip(*results, strict=True))
        is_ours = name == "ours"
        yield Figure(
            f"failed of {total} POSTs after {SERVER_IDLE_SECONDS:g} s idle, {name}",
            str(failed) if is_ours else "", "" if is_ours else str(failed),
            f"{slow} slow", "0" if is_ours else "", failed == 0 if is_ours else None,
        )  # fmt: skip


@contextmanager
def openai_embed(url: str, expiry: float) -> Iterator[Embed]:
    with openai_client(url, expiry) as client:
        yield lambda texts: client.embeddings.create(model=MODEL, input=texts)


def race(url: str, opened: Callable, posts: int, seed: int) -> tuple[int, int]:
    """Return how many of the requests failed and how many were slow (tried again)."""
    chance = random.Random(seed)
    failed = slow = 0
    time.sleep(chance.uniform(0, SERVER_IDLE_SECONDS))
    with opened(url) as embed:
        embed(BATCH[:1])
        for _ in range(posts):
            # The cube puts every seventh pause within a millisecond of the server's own.
            time.sleep(SERVER_IDLE_SECONDS + GAP_SPREAD_SECONDS * chance.uniform(-1, 1) ** 3)
            started = time.perf_counter()
            try:
                embed(BATCH[:1])
            except Exception as error:
                failed += 1
                print(f"{type(error).__name__}: {error}", file=sys.stderr)
            slow += time.perf_counter() - started > SLOW_SECONDS
    return failed, slow


def lines(figures: Sequence[Figure]) -> Iterator[str]:
    marks = {True: "met", False: "MISSED", None: ""}
    table = [("figure", "ours", "theirs", "result", "goal", "")]
    table += [(f.what, f.ours, f.theirs, f.result, f.goal, marks[f.met]) for f in figures]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for first, *rest in table:
        cells = (f"{cell:>{width}}" for cell, width in zip(rest, widths[1:], strict=True))
        yield "  ".join((f"{first:<{widths[0]}}", *cells)).rstrip()


def main() -> int:
    sections = ("cpu", "throughput", "keep-alive")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sections", nargs="*", help=f"of {', '.join(sections)}; all when empty")
    parser.add_argument("--quick", action="store_true", help="under a minute, rougher figures")
    parser.add_argument("--compare", action="store_true", help="keep-alive with openai as well")
    arguments = parser.parse_args()
    if unknown := set(arguments.sections) - set(sections):
        parser.error(f"unknown section: {', '.join(sorted(unknown))}")
    size = QUICK if arguments.quick else FULL
    measures = {
        "cpu": lambda: measure_cpu(size),
        "throughput": lambda: measure_throughput(size),
        "keep-alive": lambda: measure_keep_alive(size, arguments.compare),
    }
    figures = [figure for name in arguments.sections or sections for figure in measures[name]()]
    print("\n".join(lines(figures)))
    return int(any(figure.met is False for figure in figures))


if __name__ == "__main__":
    sys.exit(main())
