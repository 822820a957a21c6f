"""JSON of SQuAD in, cases with their articles out (Rajpurkar et al. 2016, 2018)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ingest.sentences import sentence_spans
from rag.evaluation.base.cases import Case
from rag.evaluation.reading.documents import name_documents
from rag.evaluation.reading.lines import Item, make_case

_BETWEEN = "\n\n"


def is_squad(value: object) -> bool:
    """Say whether a value of JSON is a set of articles with paragraphs."""
    data = value.get("data") if isinstance(value, dict) else None
    return isinstance(data, list) and any("paragraphs" in _fields(one) for one in data)


def read_squad(data: Sequence[object]) -> tuple[list[Item], dict[str, str], dict[str, str]]:
    """Return the questions, the articles by the names of `name_documents`, and their titles.

    An article is its title and its paragraphs, a blank line between.  The evidence of a question
    is the sentence around its first gold answer, or the sentences it reaches into, with the offsets
    in that text; the paragraph where the answer is not in it.  What is impossible is a near miss
    of its own article.
    """
    articles = {key: _fields(one) for key, one in zip(_keys(data), data, strict=True)}
    names = name_documents(articles)
    items: list[Item] = []
    documents = {}
    for number, (key, article) in enumerate(articles.items(), start=1):
        text = _text(article, "title").replace("_", " ")
        for count, paragraph in enumerate(map(_fields, _list(article, "paragraphs")), start=1):
            start = len(text) + len(_BETWEEN) if text else 0
            context = _text(paragraph, "context")
            text = f"{text}{_BETWEEN}{context}" if text else context
            place = f"article {number}, paragraph {count}"
            items += _read_questions(place, paragraph, context, start, names[key])
        documents[names[key]] = text
    return items, documents, {names[key]: key for key in articles}


def _keys(data: Sequence[object]) -> list[str]:
    """Return a name for each article: its title, with its number where that was there before."""
    titles: dict[str, None] = {}
    for number, article in enumerate(data, start=1):
        title = _text(_fields(article), "title")
        titles[f"{title} {number}" if title in titles or not title else title] = None
    return list(titles)


def _read_questions(
    place: str, paragraph: Mapping[str, object], context: str, start: int, document: str
) -> Iterator[Item]:
    for number, one in enumerate(_list(paragraph, "qas"), start=1):
        yield f"{place}, question {number}", _read_question(_fields(one), context, start, document)


def _read_question(
    asked: Mapping[str, object], context: str, start: int, document: str
) -> Case | str:
    given: dict[str, object] = {"id": asked.get("id"), "question": asked.get("question")}
    if asked.get("is_impossible") is True:
        given |= {"answerable": False, "near": [document]}
    else:
        gold = [one for one in map(_fields, _list(asked, "answers")) if _text(one, "text")]
        if not gold:
            return "it has no answer, and is not said to be impossible"
        low, high = _find_sentence(context, gold[0])
        place = {"start": start + low, "end": start + high, "excerpt": context[low:high]}
        given["answers"] = list(dict.fromkeys(_text(one, "text") for one in gold))
        given["evidence"] = [{"document": document, **place}]
    try:
        return make_case(given)
    except ValueError as error:
        return str(error)


def _find_sentence(context: str, gold: Mapping[str, object]) -> tuple[int, int]:
    """Return where the sentences begin and end in which an answer stands."""
    answer, start = _text(gold, "text"), gold.get("answer_start")
    if not isinstance(start, int) or context[start : start + len(answer)] != answer:
        start = context.find(answer)
    if start < 0:
        return 0, len(context)
    touched = [
        span
        for span in sentence_spans(context)
        if span[0] < start + len(answer) and start < span[1]
    ]
    return (touched[0][0], touched[-1][1]) if touched else (0, len(context))


def _fields(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _list(given: Mapping[str, object], field: str) -> Sequence[object]:
    value = given.get(field)
    return value if isinstance(value, list) else []


def _text(given: Mapping[str, object], field: str) -> str:
    value = given.get(field)
    return value if isinstance(value, str) else ""
