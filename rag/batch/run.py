"""Many questions in, their answers out as they come and in order; a bad one stops nothing."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, TypeVar

from ingest.base.errors import PipelineError
from rag.history.kept import Request
from rag.index.base.errors import IndexFault
from rag.models.base.errors import AuthenticationFailed, EndpointUnreachable
from rag.query.base.answers import Answer

if TYPE_CHECKING:
    from rag.connections import Connections

Item = TypeVar("Item")
Result = TypeVar("Result")

MOST_JOBS = 32
USUAL_JOBS = 2
"""Questions at once where a server does not say: one is searched for while another is answered."""

HOPELESS = (EndpointUnreachable, AuthenticationFailed, IndexFault)
"""What no other question would fare better with."""
# A defect that one question shows must not cost the answers to all others.
_DEFECTS = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
_PREPARED = 100


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a question of a batch: an answer, or why there is none.

    `index` is its place among the questions, from 0.
    """

    index: int
    request: Request
    answer: Answer | None = None
    error: PipelineError | None = None


def ask_all(
    ask: Callable[[Request], Answer],
    requests: Sequence[Request],
    models: Connections,
    jobs: int | None,
    on_done: Callable[[Outcome], None],
) -> Iterator[Outcome]:
    """Yield what became of each question, in their order; see `Pipeline.ask_all`."""
    one_at_a_time = Lock()
    jobs, prepare = choose_jobs(models, jobs), choose_preparation(models)

    def answer(index: int, request: Request) -> Outcome:
        try:
            outcome = Outcome(index, request, ask(request))
        except HOPELESS:
            raise
        except PipelineError as error:
            outcome = Outcome(index, request, error=error)
        except _DEFECTS as defect:
            message = f"the program failed at this question: {defect!r}"
            failure = PipelineError(message, "report it: this is a defect of the program")
            outcome = Outcome(index, request, error=failure)
        with one_at_a_time:
            on_done(outcome)
        return outcome

    def make_ready(some: Sequence[Request]) -> None:
        prepare_questions(prepare, [request.question for request in some])

    return in_order(answer, requests, jobs, make_ready)


def in_order(
    work: Callable[[int, Item], Result],
    items: Sequence[Item],
    jobs: int,
    prepare: Callable[[Sequence[Item]], None],
) -> Iterator[Result]:
    """Yield what `work` makes of each item and its place, in their order, from so many threads.

    One at a time is done in the caller's.  `prepare` gets a hundred of them at a time, before the
    first of these is begun.  What `work` raises stops all.
    """
    pool = ThreadPoolExecutor(jobs, thread_name_prefix="ask")
    waiting: deque[Future[Result]] = deque()
    is_done = False
    try:
        for index, item in enumerate(items):
            if index % _PREPARED == 0:
                prepare(items[index : index + _PREPARED])
            if jobs == 1:
                yield work(index, item)
                continue
            waiting.append(pool.submit(work, index, item))
            while len(waiting) > 2 * jobs or (waiting and waiting[0].done()):
                yield _result(waiting.popleft())
        while waiting:
            yield _result(waiting.popleft())
        is_done = True
    finally:
        # Who stops it does not want to wait for answers that are being written.
        pool.shutdown(wait=is_done, cancel_futures=True)


def choose_jobs(models: Connections, wanted: int | None) -> int:
    """Return how many questions are asked at once: as wanted, else as the server takes."""
    told = models.servers.chat_choice.model.parallel
    return max(1, min(wanted or told or USUAL_JOBS, MOST_JOBS))


def choose_preparation(models: Connections) -> Callable[[Sequence[str]], None]:
    """Return what embeds questions beforehand, where two models may have to change places."""
    settings = models.settings
    is_shared = settings.chat_at == settings.embeddings_at and not models.chat().is_extractive
    return models.prepare if is_shared else lambda _questions: None


def prepare_questions(prepare: Callable[[Sequence[str]], None], questions: Sequence[str]) -> None:
    """Make questions ready all at once; raises only what none of them would fare better with."""
    try:
        prepare(questions)
    except HOPELESS:
        raise
    except PipelineError:
        pass  # a question that cannot be embedded is told of when it is asked


def _result(future: Future[Result]) -> Result:
    """Wait in short steps: on Windows a long wait does not hear Ctrl-C."""
    while not wait([future], timeout=0.5).done:
        pass
    return future.result()
