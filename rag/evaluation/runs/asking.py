"""A system and cases in, what of them can be asked out, and mistakes told before anything is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from inspect import Parameter, getattr_static, iscoroutinefunction, signature

from ingest.base.errors import PipelineError
from rag.evaluation.base.cases import Case, CaseSet
from rag.evaluation.base.errors import CasesUnreadable


def check_asking(
    ask: Callable[..., object], cases: CaseSet | Iterable[Case], measures: Sequence[str], jobs: int
) -> None:
    """Raise PipelineError for what is no system, cases, measures or number of jobs."""
    if not callable(ask):
        raise PipelineError(f"{type(ask).__name__} cannot be called", "evaluate(ask, cases)")
    if any(map(iscoroutinefunction, (ask, getattr_static(type(ask), "__call__", None)))):
        raise PipelineError(
            "the system is an `async def`, which only promises an answer",
            "evaluate(lambda question: asyncio.run(ask(question)), cases)",
        )
    if isinstance(cases, str) or hasattr(cases, "__fspath__"):
        raise CasesUnreadable(f"{cases} is a name, not cases", "evaluate(ask, read_cases(name))")
    if isinstance(measures, str):
        raise PipelineError(
            f"measures={measures!r} is a text, not names", f"write measures=[{measures!r}]"
        )
    if not isinstance(jobs, int) or jobs < 1:
        raise PipelineError(f"jobs={jobs!r} asks nothing", "jobs=1 asks one case at a time")


def choose_cases(ask: Callable[..., object], given: CaseSet) -> CaseSet:
    """Return the cases that can be asked: without those that hold out documents it cannot.

    Raises CasesUnreadable where none is left, and where two cannot be told apart.
    """
    cases = given.cases
    _check_ids(cases)
    if not _takes_selection(ask):
        cases = tuple(case for case in cases if not case.without)
    if not cases:
        raise CasesUnreadable(
            "every case holds documents out, and the system takes no `selection`",
            "def ask(question, selection=None): leave out the documents selection.except_ids",
        )
    return replace(given, cases=cases)


def _takes_selection(ask: Callable[..., object]) -> bool:
    try:
        parameters = signature(ask).parameters.values()
    except (TypeError, ValueError):
        return False  # some that are written in C do not tell
    named = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
    return any(
        one.kind is Parameter.VAR_KEYWORD or (one.name == "selection" and one.kind in named)
        for one in parameters
    )


def _check_ids(cases: Sequence[Case]) -> None:
    """Raise CasesUnreadable where there is no case, or two cannot be told apart."""
    if not cases:
        raise CasesUnreadable("there is no case to ask", "rag.read_cases reads a file of them")
    seen: set[str] = set()
    for case in cases:
        if not isinstance(case.id, str):
            raise CasesUnreadable(f"the id {case.id!r} is no text", f'write id="{case.id}"')
        if case.id in seen:
            raise CasesUnreadable(f"two cases have the id {case.id}", "give each an id of its own")
        seen.add(case.id)
