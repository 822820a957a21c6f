"""Passages in, questions about them out: some that they answer, some that nothing answers.

No language model is needed: a statement of a passage loses the thing that is asked for and some
of its words, since people ask in fewer and other words than the text has.  A near miss is such
a question in which a name, number or date was changed for another one of the documents.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingest.sentences import sentence_spans
from rag.query.evidence.wording import is_cjk
from rag.text.facts import Fact, find_facts
from rag.text.function_words import FUNCTION_WORDS

if TYPE_CHECKING:
    from ingest.base.documents import Chunk
    from rag.index.index import Index

FEWEST_WORDS, MOST_WORDS = 8, 40
LEAST_KEPT, MOST_KEPT = 0.25, 0.75
"""Shares of a statement's words in a question: on SQuAD 2.0 a question has three quarters of its
words in the sentence that answers it, where people ask in words of their own four tenths."""

TURNED = 0.5
"""The share of questions whose words stand in another order than in the statement."""

_ASKED_FOR = {"number": "How many", "date": "When", "time": "When", "name": "Who", "code": "Which"}
_GERMAN = {"number": "Wie viele", "date": "Wann", "time": "Wann", "name": "Wer", "code": "Welche"}
_CJK_ASKED = {"number": "多少", "date": "什么时候", "time": "什么时候"}
_WORD = re.compile(r"[^\W_]+(?:[-.,:/'’][^\W_]+)*")
_CJK_PIECE = re.compile(r"[^\W\u3040-\u9fff]+|[\u3040-\u9fff]{1,3}")
_IS_GERMAN = re.compile(r"\b(?:der|die|das|und|ist|wird|werden|ein|eine|nicht|mit|für)\b")


@dataclass(frozen=True, slots=True)
class Draft:
    """A question made from a passage of a document; `near_miss` is it with one thing changed.

    `near_miss` is "" where there was nothing to change; `chunk_id` is that of the passage.
    """

    question: str
    root: str
    document_id: str
    near_miss: str = ""
    chunk_id: str = ""


def sample_passages(index: Index, most: int, collection: str = "") -> list[tuple[str, Chunk]]:
    """Return up to `most` passages with their folders, the same ones every time.

    They are taken in turn from documents, of a collection unless that is "", in an order that has
    nothing to do with their names.
    """
    documents = [
        one
        for one in index.documents()
        if one.status == "ok" and collection in ("", one.collection)
    ]
    random.Random(len(documents)).shuffle(documents)  # noqa: S311
    each = -(-most // max(1, len(documents)))
    found: list[tuple[str, Chunk]] = []
    spare: list[tuple[str, Chunk]] = []
    for document in documents:
        chunks = index.chunks(document.root, document.id)
        random.Random(document.id).shuffle(chunks)  # noqa: S311
        found += [(document.root, chunk) for chunk in chunks[:each]]
        spare += [(document.root, chunk) for chunk in chunks[each : 4 * each]]
        if len(found) >= most:
            break
    return [*found, *spare][:most]


def draft_questions(passages: Sequence[tuple[str, Chunk]]) -> list[Draft]:
    """Return a question for each of the passages that has a statement to ask for."""
    pool = collect_written(passages)
    drafts = []
    for root, chunk in passages:
        chance = random.Random(chunk.id)  # noqa: S311
        if question := _ask(chunk.text, chance):
            changed = _change(question, chunk.text, pool, chance)
            drafts.append(Draft(question, root, chunk.document_id, changed, chunk.id))
    return drafts


def change_one_thing(
    question: str, chunk: Chunk, pool: Mapping[tuple[str, str], Sequence[str]]
) -> str:
    """Return a near miss of a question about a passage, "" where nothing can be changed."""
    return _change(question, chunk.text, pool, random.Random(chunk.id))  # noqa: S311


def collect_written(
    passages: Sequence[tuple[str, Chunk]],
) -> dict[tuple[str, str], list[str]]:
    """Return how things are written in the documents, by kind and unit."""
    pool: dict[tuple[str, str], dict[str, None]] = {}
    for _root, chunk in passages:
        for fact in find_facts(chunk.text):
            pool.setdefault((fact.kind, fact.unit), {})[chunk.text[fact.start : fact.end]] = None
    return {key: list(words) for key, words in pool.items()}


def _ask(text: str, chance: random.Random) -> str:
    """Return a question that one of the statements of a text answers, "" without one."""
    statements = [text[start:end] for start, end in sentence_spans(text)]
    statements = [s for s in statements if _is_statement(s) and _answers(s)]
    if not statements:
        return ""
    statement = chance.choice(statements)
    answer = chance.choice(_answers(statement))
    if is_cjk(statement):
        return _ask_cjk(statement, answer, chance)
    return _ask_words(statement, answer, chance)


def _is_statement(sentence: str) -> bool:
    if sentence.rstrip().endswith(("?", "？", ":")) or "|" in sentence or "\t" in sentence:
        return False
    length = len(sentence) // 2 if is_cjk(sentence) else len(_WORD.findall(sentence))
    return FEWEST_WORDS <= length <= MOST_WORDS


def _answers(statement: str) -> list[Fact]:
    """Return what in a statement can be asked for."""
    return [fact for fact in find_facts(statement) if fact.kind in _ASKED_FOR]


def _ask_words(statement: str, answer: Fact, chance: random.Random) -> str:
    rest = statement[: answer.start] + " " + statement[answer.end :]
    words = _WORD.findall(rest)
    telling = [i for i, word in enumerate(words) if word.casefold() not in FUNCTION_WORDS]
    kept = max(2, round(len(telling) * chance.uniform(LEAST_KEPT, MOST_KEPT)))
    chosen = sorted(chance.sample(telling, min(kept, len(telling))))
    if len(chosen) < 2:
        return ""
    spoken = [word for i, word in enumerate(words) if i in chosen or _leads(words, i, chosen)]
    if chance.random() < TURNED:
        chance.shuffle(spoken)
    asks = _GERMAN if len(_IS_GERMAN.findall(statement)) > 1 else _ASKED_FOR
    return f"{asks[answer.kind]} {' '.join(spoken)}?"


def _leads(words: Sequence[str], i: int, chosen: Sequence[int]) -> bool:
    """Return whether a small word stands before one that was kept ("of the reactor")."""
    return words[i].casefold() in FUNCTION_WORDS and i + 1 in chosen


def _ask_cjk(statement: str, answer: Fact, chance: random.Random) -> str:
    """Return some pieces of the statement, as long as short words, with what asks for the rest."""
    pieces = _CJK_PIECE.findall(f"{statement[: answer.start]}，{statement[answer.end :]}")
    kept = max(3, round(len(pieces) * chance.uniform(LEAST_KEPT, MOST_KEPT)))
    chosen = sorted(chance.sample(range(len(pieces)), min(kept, len(pieces))))
    asks = _CJK_ASKED.get(answer.kind, "什么")
    return f"{''.join(pieces[i] for i in chosen)}{asks}？" if chosen else ""


def _change(
    question: str, text: str, pool: Mapping[tuple[str, str], Sequence[str]], chance: random.Random
) -> str:
    """Return the question with one thing in it changed for one the passage does not have."""
    for fact in find_facts(question):
        written = question[fact.start : fact.end]
        others = [one for one in pool.get((fact.kind, fact.unit), ()) if one not in text]
        if others and fact.kind in _ASKED_FOR and written in text:
            return question[: fact.start] + chance.choice(others) + question[fact.end :]
    return ""
