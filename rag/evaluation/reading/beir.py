"""A folder as BEIR has it in, cases with their documents out (Thakur et al. 2021)."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping
from pathlib import Path

from rag.evaluation.base.cases import Case
from rag.evaluation.base.errors import CasesUnreadable
from rag.evaluation.reading.documents import name_documents
from rag.evaluation.reading.lines import Item, make_case, parse_json

LAYOUT = "corpus.jsonl, queries.jsonl and qrels/test.tsv"


def is_beir(folder: Path) -> bool:
    """Say whether a folder has the queries of BEIR."""
    return (folder / "queries.jsonl").is_file()


def read_beir(folder: Path, split: str) -> tuple[list[Item], dict[str, str], dict[str, str]]:
    """Return the judged queries of a split, the texts of the documents, and their ids in the set.

    Texts, each title before its body, and ids are by the names of `name_documents`; without
    `corpus.jsonl` there are none, and the ids of the judgements are those of files.  A query
    nobody judged is left out, as BEIR does.  Raises CasesUnreadable.
    """
    items: list[Item] = []
    judged = _read_qrels(_find_qrels(folder, split), items)
    texts = {one["_id"]: _join(one) for one in _records(folder / "corpus.jsonl", items)}
    found = {document for grades in judged.values() for document in grades}
    names = name_documents({*texts, *found}) if texts else {name: name for name in found}
    queries = {one["_id"]: one for one in _records(folder / "queries.jsonl", items)}
    for name, query in queries.items():
        if name in judged:
            items.append((f"query {name}", _make(query, judged[name], names)))
    lost = [name for name in judged if name not in queries]
    items += [(f"query {name}", "it is judged, but not in queries.jsonl") for name in lost]
    if texts:
        items += _tell_missing(judged, texts)
    documents = {names[name]: text for name, text in texts.items()}
    return items, documents, {names[name]: name for name in texts if names[name] != name}


def _make(
    query: Mapping[str, str], grades: Mapping[str, float], names: Mapping[str, str]
) -> Case | str:
    evidence = [{"document": names[name], "grade": grade} for name, grade in grades.items()]
    try:
        return make_case({"id": query["_id"], "question": query["text"], "evidence": evidence})
    except ValueError as error:
        return str(error)


def _tell_missing(
    judged: Mapping[str, Mapping[str, float]], texts: Mapping[str, str]
) -> Iterator[Item]:
    """Yield the queries some of whose relevant documents can never be found."""
    for query, grades in judged.items():
        missing = [name for name, grade in grades.items() if grade > 0 and name not in texts]
        if missing:
            number = len(missing)
            yield f"query {query}", f"relevant and not in corpus.jsonl: {missing[0]} ({number})"


def _join(record: Mapping[str, str]) -> str:
    return "\n\n".join(part for part in (record["title"], record["text"]) if part.strip())


def _records(path: Path, items: list[Item]) -> Iterator[dict[str, str]]:
    """Yield `_id`, `title` and `text` of each line; the first of an id counts."""
    seen: set[str] = set()
    if not path.is_file():
        return
    with path.open(encoding="utf-8-sig") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                record = _read_record(line)
                if record["_id"] in seen:
                    raise ValueError(f"the id {record['_id']} stands there a second time")
            except ValueError as error:
                items.append((f"{path.name}:{number}", str(error)))
                continue
            seen.add(record["_id"])
            yield record


def _read_record(line: str) -> dict[str, str]:
    value = parse_json(line)
    if not isinstance(value, dict) or value.get("_id") is None:
        raise ValueError("it is no object with '_id' and 'text'")
    texts = {name: value.get(name) or "" for name in ("title", "text")}
    if not all(isinstance(text, str) for text in texts.values()):
        raise ValueError("'title' or 'text' is no text")
    return {"_id": str(value["_id"]), **texts}


def _find_qrels(folder: Path, split: str) -> Path:
    """Return the judgements of a split: the test set where none is named, or the only one."""
    found = {path.stem: path for path in sorted(folder.glob("qrels/*.tsv"))}
    if (folder / "qrels.tsv").is_file():
        found.setdefault("qrels", folder / "qrels.tsv")
    if not split and len(found) == 1:
        return next(iter(found.values()))
    if (split or "test") in found:
        return found[split or "test"]
    raise CasesUnreadable(
        f"{folder} has no judgements of {split or 'test'}; it has {', '.join(found) or 'none'}",
        "name one of these as the split" if found else f"a folder of BEIR has {LAYOUT}",
    )


def _read_qrels(path: Path, items: list[Item]) -> dict[str, dict[str, float]]:
    """Return grades by query and document: BEIR's three columns, or the four of TREC."""
    judged: dict[str, dict[str, float]] = {}
    with path.open(encoding="utf-8-sig", newline="") as lines:
        for number, row in enumerate(csv.reader(lines, "excel-tab", quoting=csv.QUOTE_NONE), 1):
            cells = row if len(row) > 1 else " ".join(row).split()
            if not cells or (number == 1 and _grade(cells) is None):
                continue  # BEIR's files have a header, TREC's have none
            if len(cells) not in (3, 4) or (grade := _grade(cells)) is None:
                items.append((f"{path.name}:{number}", "it is no query, document and grade"))
                continue
            judged.setdefault(cells[0], {})[cells[-2]] = grade
    return judged


def _grade(cells: list[str]) -> float | None:
    try:
        grade = float(cells[-1])
    except ValueError:
        return None
    return grade if math.isfinite(grade) else None
