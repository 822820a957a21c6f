"""How the passages of an answer were found: what its own search returned, on the terminal."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from rag.cli.console import Terminal

if TYPE_CHECKING:
    from rag.query.base.answers import Answer
    from rag.query.base.hits import Retrieval


def show_found(terminal: Terminal, answer: Answer, search: Callable[[str], Retrieval]) -> None:
    """Print what was found for an answer, or for each of its parts.

    `search` is asked only where the answer was stopped, or kept by a version that kept no ranks.
    """
    from rag.query.retrieval.explain import explain_lines

    if answer.coverage and not answer.found:
        terminal.note("every document was read for this answer; nothing was searched for")
        return
    found = answer.found
    if not found:
        terminal.note("searched again now:")
        found = tuple(map(search, answer.parts or (answer.query or answer.question,)))
    # What a refusal without a model shows was read by nobody.
    passages = answer.context if answer.messages or not answer.abstained else ()
    read = {name for hit in passages for name in (hit.chunk.id, *hit.joined)}
    for one in found:
        heading, *lines = explain_lines(one, answer.evidence, read, _cited(answer, one))
        terminal.say(f"\n{heading}", "bold")
        for line in lines:
            terminal.say(line)


def _cited(answer: Answer, found: Retrieval) -> set[str]:
    """Return which of the chunks found hold a quote of the answer."""
    return {
        hit.chunk.id
        for hit in found.hits
        for citation in answer.citations
        if (hit.root, hit.chunk.document_id) == (citation.hit.root, citation.hit.chunk.document_id)
        and hit.chunk.start < citation.end
        and citation.start < hit.chunk.end
    }
