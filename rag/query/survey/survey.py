"""A question about all documents in, an answer from every one of them out."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from rag.models.base.errors import EndpointError
from rag.models.base.messages import Usage
from rag.query.base.answers import Answer, Coverage, Timings
from rag.query.question.kind import Wanted, read_wanted
from rag.query.question.language import language_of
from rag.query.question.selected import holds
from rag.query.survey.choose import Match, choose, fit, of_kind
from rag.query.survey.items import Item, one_each, quote, quote_best
from rag.query.survey.mention import seek
from rag.query.survey.model import Task, ask_model, portions_of
from rag.query.survey.read import Reading, Topic, read_until_stopped
from rag.query.survey.tell import Told, tell
from rag.query.survey.topics import Formula, explain, read_formula
from rag.text.terms import query_terms

if TYPE_CHECKING:
    from rag.index.index import Index
    from rag.index.store.records import StoredDocument
    from rag.models.chat.model import ChatModel
    from rag.query.base.questions import Asked, Show
    from rag.query.base.tools import Tools


_STOPPED = "interrupted: this is what was found until then"


@dataclass(slots=True)
class _Found:
    """What was found so far, and how much of the documents was read for it."""

    items: list[Item] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    read: int = 0
    passages: int = 0
    dropped: int = 0
    failed: int = 0
    complete: bool = True
    alike: tuple[str, ...] = ()


def survey(asked: Asked, tools: Tools, show: Show) -> Answer:
    """Return the answer after reading every document selected, with how many were read.

    Where a document has to mention something, the words alone decide, with a model or without;
    "and", "or" and "not" between topics count.  Else a document matches without a language model
    by having most of the words; a model reads the best passages of each that may match, and the
    list and the number are made from what it found there.  What is only like the topic is named
    apart.  Interrupted, it answers from what was read until then.  Raises EndpointError.
    """
    started = time.perf_counter()
    index, chat = tools.index, tools.chat()
    language, wanted = language_of(asked.query), read_wanted(asked.query)
    formula = read_formula(wanted.topic, language)
    if formula.has_not and wanted.of == "documents" and wanted.aim != "summary":
        wanted = replace(wanted, by_words=True)  # What is not there only words can tell.
    documents, unread = _documents(index, asked)
    topic = _topic(wanted, formula, language, tools)
    on_read = _quiet if not chat.is_extractive else lambda done: show.read(done, len(documents))
    show.read(0, len(documents))
    readings, stopped = read_until_stopped(documents, index, topic, on_read)
    generous = not chat.is_extractive and not stopped
    matches = choose(readings, topic, generous=generous)
    seconds = time.perf_counter() - started
    if topic.sought:
        found = _mentions(readings, matches, formula, index)
        if generous and not formula.has_not:
            _look_further(found, asked.query, wanted, matches, len(documents), tools, show)
    elif not generous:
        found = _spoken(readings, matches, index, topic)
    else:
        found = _ask(asked.query, wanted, matches, len(documents), tools, topic, show)
    found.complete = found.complete and not stopped
    found.notes += [*explain(formula, by_words=wanted.by_words), *unread]
    found.notes += [_STOPPED] if stopped else []
    coverage = Coverage(found.read, len(documents))
    items, others = of_kind(found.items, documents, wanted)
    found.notes += others
    head = _head(wanted, topic, formula)
    told = tell(items, head, coverage, language, index.place_at, found.alike)
    if told.citations:
        show.text(told.text)
    total = time.perf_counter() - started
    return _answer(
        asked, told, found, coverage, chat, len(matches), Timings(seconds, total, total, None)
    )


def _mentions(
    readings: Sequence[Reading], matches: Sequence[Match], formula: Formula, index: Index
) -> _Found:
    """Return the documents whose words stand there as asked, and those that are only alike."""
    found = _Found(read=len(readings))
    fitting = fit(readings, formula)
    for reading, place in fitting:
        chunks = index.chunks(reading.document.root, reading.document.id)
        if place:
            chunk = chunks[place.position]
            found.items.append(quote(reading.document.root, chunk, place.start, place.end))
        else:
            begin = quote_best(reading.document.root, chunks[0], ())
            found.items.append(replace(begin, is_absent=True))
    if not formula.has_not:
        counted = {(reading.document.root, reading.document.id) for reading, _ in fitting}
        found.alike = _names([one for one in matches if one.is_alike or one.is_firm], counted)
    return found


def _look_further(
    found: _Found,
    question: str,
    wanted: Wanted,
    matches: Sequence[Match],
    total: int,
    tools: Tools,
    show: Show,
) -> None:
    """Have the model read what does not say it in these words; what it finds is not counted."""
    counted = {(item.root, item.chunk.document_id) for item in found.items}
    rest = [one for one in matches if (one.document.root, one.document.id) not in counted]
    seen = _ask(question, wanted, rest, total, tools, None, show)
    found.notes += seen.notes
    found.complete = seen.complete
    if seen.passages:
        found.alike = tuple(dict.fromkeys(item.chunk.document_id for item in seen.items))


def _spoken(
    readings: Sequence[Reading], matches: Sequence[Match], index: Index, topic: Topic
) -> _Found:
    """Return the documents that have most of the words, and those that are only alike."""
    firm = [one for one in matches if one.is_firm]
    counted = {(one.document.root, one.document.id) for one in firm}
    alike = _names([one for one in matches if one.is_alike], counted)
    return _Found(read=len(readings), items=_quotes(firm, index, topic), alike=alike)


def _names(matches: Sequence[Match], counted: set[tuple[str, str]]) -> tuple[str, ...]:
    rest = (one.document for one in matches)
    return tuple(dict.fromkeys(one.id for one in rest if (one.root, one.id) not in counted))


def _documents(index: Index, asked: Asked) -> tuple[list[StoredDocument], list[str]]:
    """Return the documents to read, and a note on those that nothing can be read of."""
    chosen = [one for one in index.documents() if holds(asked.selection, one)]
    readable = [one for one in chosen if one.chunks]
    names = {(one.root, one.id) for one in readable}
    skipped = len({(one.root, one.id) for one in chosen} - names)
    note = f"{skipped} more files hold no text that could be read: rag list names them"
    return readable, [note] if skipped else []


def _topic(wanted: Wanted, formula: Formula, language: str, tools: Tools) -> Topic:
    if not wanted.topic:
        return Topic((), None)
    sought = [seek(one, language) for one in formula.topics] if wanted.by_words else []
    return Topic(tuple(query_terms(wanted.topic)), tools.embed(wanted.topic), tuple(sought))


def _quotes(matches: Sequence[Match], index: Index, topic: Topic) -> list[Item]:
    """Return the sentence that speaks most of the topic, for each document that does."""
    items = []
    for match in matches:
        chunks = index.chunks(match.document.root, match.document.id)
        best = chunks[match.passages[0]]
        items.append(quote_best(match.document.root, best, topic.terms))
    return items


def _ask(
    question: str,
    wanted: Wanted,
    matches: Sequence[Match],
    total: int,
    tools: Tools,
    topic: Topic | None,
    show: Show,
) -> _Found:
    """Have the model read the matches; a document without any was read by the index.

    Where the model is of no use words decide, unless the `topic` is None: they did already.
    """
    chat = tools.chat()
    found = _Found(read=total - len(matches))
    show.read(found.read, total)
    task: Task = "summary" if wanted.aim == "summary" else wanted.of
    problem = ""
    batches = ask_model(
        question, portions_of(matches, tools.index), task, chat, tools.wishes.answer_tokens
    )
    try:
        for batch in batches:
            problem = problem or batch.problem
            found.failed += len(batch.portions) if batch.problem else 0
            found.read += 0 if batch.problem else len(batch.portions)
            found.items += batch.items
            found.passages += batch.passages
            found.dropped += batch.dropped
            show.read(found.read, total)
    except KeyboardInterrupt:
        found.complete = False
        found.notes.append(_STOPPED)
    except EndpointError as error:
        if not found.passages and topic:
            raise
        found.complete = False
        found.notes.append(f"the model could not be asked any more: {error.message}")
    if matches and found.failed == len(matches):
        firm = [match for match in matches if match.is_firm] if topic else []
        found = _Found(read=total, items=_quotes(firm, tools.index, topic) if topic else [])
        found.notes.append(f"the model was of no use, so words alone decided: {problem}")
        return found
    found.notes += _notes(found, problem)
    if wanted.of == "documents" and task != "summary":
        found.items = one_each(found.items)
    return found


def _notes(found: _Found, problem: str) -> Iterator[str]:
    yield f"the index read every chunk, the model {found.passages} passages that may answer"
    if found.failed:
        yield f"{found.failed} documents could not be read by the model: {problem}"
    if found.dropped:
        yield f"{found.dropped} things the model named stand in no passage and were left out"


def _head(wanted: Wanted, topic: Topic, formula: Formula) -> str:
    if wanted.aim == "summary":
        return "summary"
    if not topic.terms:
        return "every"
    if topic.sought and not formula.is_plain:
        return "fitting"
    return wanted.of


def _answer(
    asked: Asked,
    told: Told,
    found: _Found,
    coverage: Coverage,
    chat: ChatModel,
    retrieved: int,
    timings: Timings,
) -> Answer:
    complete = found.complete and not found.failed
    return Answer(
        question=asked.question,
        text=told.text,
        citations=told.citations,
        context=told.context,
        retrieved=retrieved,
        abstained=not told.citations,
        complete=complete,
        finish_reason="stop" if complete else "truncated",
        extractive=chat.is_extractive,
        model=chat.id,
        served_by="",
        notes=tuple(found.notes),
        usage=Usage(),
        timings=timings,
        query=asked.query,
        selection=asked.selection,
        statements=told.statements,
        coverage=coverage,
    )


def _quiet(_done: int) -> None:
    """Say nothing: what the model reads is told instead."""
