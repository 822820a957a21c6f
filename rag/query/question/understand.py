"""A question and what was said before in, what is to be searched for out."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from rag.query.base.questions import Asked, Turn
from rag.query.question.condense import condense
from rag.query.question.kind import is_survey
from rag.query.question.parts import split_question
from rag.query.question.scope import Scope, find_scope
from rag.query.question.selected import exactly, holds

if TYPE_CHECKING:
    from rag.index.store.records import Selection, StoredDocument
    from rag.models.chat.model import ChatModel

_SAME_DOCUMENT = re.compile(
    r"\b(?:in|from|of|does) (?:that|this|the same) (?:file|document|contract|letter|e-?mail"
    r"|report)\b|\bin (?:dieser|derselben) datei\b|\bin (?:diesem|demselben) (?:dokument|vertrag)\b"
    r"|\bdans (?:ce|le même) (?:fichier|document)\b|\ben (?:este|ese) (?:archivo|documento)\b"
    r"|(?:这个|该|同一)(?:文件|文档)",
    re.IGNORECASE,
)


def understand(
    question: str,
    history: Sequence[Turn],
    documents: Callable[[], Sequence[StoredDocument]],
    chat: Callable[[], ChatModel],
    selection: Selection | None = None,
) -> Asked:
    """Return the question as it is to be searched for; a `selection` given is never widened.

    `documents` and `chat` are asked only when they are needed.  Raises EndpointError.
    """
    question = question.strip()
    query = condense(question, history, chat)
    scope = find_scope(question, documents, selection)
    if not scope.note and history:
        scope = _same_document(question, history[-1], documents, selection)
    is_about_all = is_survey(query)
    parts = () if is_about_all else split_question(query)
    return Asked(
        question,
        query,
        parts=parts,
        selection=scope.selection,
        kind="survey" if is_about_all else "lookup",
        notes=tuple(_notes(question, query, parts, scope)),
    )


def _same_document(
    question: str,
    last: Turn,
    documents: Callable[[], Sequence[StoredDocument]],
    selection: Selection | None,
) -> Scope:
    """Return the document that was cited before where the question means that one."""
    if len(last.documents) != 1 or not _SAME_DOCUMENT.search(question):
        return Scope(selection)
    (name,) = last.documents
    found = [one for one in documents() if one.id == name and one.chunks and holds(selection, one)]
    if not found:
        return Scope(selection)
    return Scope(exactly(found, selection), f"only in {name}, which was cited before")


def _notes(question: str, query: str, parts: Sequence[str], scope: Scope) -> list[str]:
    notes = []
    if query != question:
        notes.append(f"searched for: {query}")
    if parts:
        notes.append(f"searched in {len(parts)} parts: {' · '.join(parts)}")
    return [*notes, *filter(None, [scope.note])]
