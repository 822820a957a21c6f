"""A question that names files in, the documents it is about out; never more than were selected."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rag.index.store.records import Selection
from rag.query.question.phrases import KINDS
from rag.query.question.selected import escape_glob, exactly, holds
from rag.text.dates import find_moments

if TYPE_CHECKING:
    from rag.index.store.records import StoredDocument

_TYPES = {
    "pdfs?|pdf[- ](?:files?|documents?|dateien|dokumente?n?)|fichiers pdf|archivos pdf": (".pdf",),
    "word (?:files?|documents?)|word-(?:dateien|dokumente?n?)|docx files?": (".docx", ".doc"),
    "spreadsheets?|excel (?:files?|sheets?)|excel-(?:dateien|tabellen)|tableurs"
    "|hojas de cálculo|电子表格": (".xlsx", ".xls", ".ods", ".csv", ".tsv"),
    "presentations|slide decks?|powerpoints?|präsentationen|présentations|presentaciones"
    "|演示文稿": (".pptx", ".ppt", ".odp"),
    "e-?mails|emails|courriels|correos|邮件|郵件": (".eml", ".mbox", ".msg"),
    "markdown files?|markdown-dateien": (".md", ".markdown"),
}
_OF_TYPE = tuple(
    (
        re.compile(
            r"\b(?:in|from|of|across|among|which|what|all|every|any|how many|aus|welche[nr]?"
            r"|alle[nr]?|wie viele[nr]?|dans|quels|tous|en|qué|todos)"
            r"\s+(?:(?:of|all|the|my|our|these|den|die"
            rf"|meinen|unseren|les|mes|los|mis|allen)\s+)*(?:{words})(?!\w)",
            re.IGNORECASE,
        ),
        suffixes,
    )
    for words, suffixes in _TYPES.items()
)
# What a name of a file looks like: a suffix, a folder, a word with digits or joints, or quotes.
_LIKE_A_NAME = re.compile(
    r"\w\.[A-Za-z]\w{0,7}\b|\w/\w?|\w\\\w|\w_\w|[^\W\d_]-?\d|\d-[^\W\d_]|\w-\w+-\w|[\"“„«「『'‘]\w",
)
_SAYS_FILE = re.compile(
    r"\b(?:file|document|datei|dokument|fichier|archivo|documento|folder|ordner|dossier|carpeta)"
    r"\s+(?=\S)|文件|文档|檔案",
    re.IGNORECASE,
)
_FOLDER = re.compile(
    r"\b(?:folder|directory|ordner|verzeichnis|dossier|carpeta)\s+[\"“'‘„«]?(?P<after>[\w./-]+)"
    r"|\b(?P<before>[\w.-]+)[-\s](?:folder|directory|ordner|verzeichnis)\b"
    r"|(?<![\w/])(?P<path>(?:[\w.-]+/)+)(?![\w])",
    re.IGNORECASE,
)
# A word in quotes may be just a word; behind "file" or quoted behind "in" it is a name.
_CALLED = (
    r"\b(?:file|document|datei|dokument|fichier|archivo|documento)\s+[\"“„«'‘]?{0}(?!\w)"
    r"|\b(?:in|from|to|laut|aus|dans|selon|según|en)\s+[\"“„«「『'‘]{0}[\"”“»」』'’]"
)
_FILE_NAME = re.compile(r"(?<![\w./@-])[\w-][\w./-]*\.[A-Za-z]\w{1,7}(?![\w/@])")
_SUFFIXES = {suffix[1:] for of_type in _TYPES.values() for suffix in of_type} | {"txt", "html"}
_DAY_OR_MONTH = re.compile(r"\d{4}-\d\d(?:-\d\d)?")
_ENOUGH_JOINTS = 2
_MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Scope:
    """Documents that a question names, and how to tell the reader."""

    selection: Selection | None
    note: str = ""


def find_scope(
    question: str,
    documents: Callable[[], Sequence[StoredDocument]],
    selection: Selection | None = None,
) -> Scope:
    """Return the selection, narrowed to the files that the question names beyond doubt.

    A name has to be that of one document: with its suffix, or its path, or a stem with digits
    or joints or in quotes.  A date counts where a document of the kind named has it in its
    name.  What would leave nothing is no filter.  `documents` is asked only when the question
    holds something that may be a name.
    """
    dated = bool(_dates_in(question))
    hints = (_LIKE_A_NAME, _SAYS_FILE, _FOLDER, *(pattern for pattern, _ in _OF_TYPE))
    if not (dated or any(hint.search(question) for hint in hints)):
        return Scope(selection)
    known = [one for one in documents() if one.chunks and holds(selection, one)]
    named = _named(question, known)
    named = named or (_of_date(question, known) if dated else [])
    if named:
        ids = ", ".join(one.id for one in named)
        return Scope(exactly(named, selection), f"only in {ids}, as the question names it")
    chosen = _in_folder(question, known, selection) or _of_type(question, known, selection)
    return chosen if chosen.note else replace(chosen, note=_tell_unmet(question, known))


def _tell_unmet(question: str, known: Sequence[StoredDocument]) -> str:
    """Return which file names in a question are those of no document, or of several."""
    suffixes = {one.id.rpartition(".")[2].casefold() for one in known} | _SUFFIXES
    notes = []
    for name in dict.fromkeys(found[0] for found in _FILE_NAME.finditer(question)):
        if name.rpartition(".")[2].casefold() not in suffixes:
            continue
        called = [one.id for one in known if fold(name) in _names_of(one)]
        if not called:
            notes.append(f"no document is called {name}")
        elif len(called) > 1:
            notes.append(f"several documents are called {name}: {', '.join(called[:_MOST_NAMED])}")
    return "; ".join(notes)


def _named(question: str, known: Sequence[StoredDocument]) -> list[StoredDocument]:
    """Return the documents that are named, those that could be meant by no other name."""
    text = fold(question)
    found: dict[str, list[StoredDocument]] = {}
    for document in known:
        for name in _names_of(document):
            if name in text and _stands_in(name, text, question):
                found.setdefault(name, []).append(document)
                break
    longest = [
        name for name in found if not any(name != other and name in other for other in found)
    ]
    if not 0 < len(longest) <= _MOST_NAMED or any(len(found[name]) > 1 for name in longest):
        return []
    return [found[name][0] for name in longest]


def _names_of(document: StoredDocument) -> list[str]:
    """Return what a document may be called, longest first: path, name, stem."""
    path = fold(document.id)
    name = path.rpartition("/")[2]
    stem = name.rpartition(".")[0] or name
    return list(dict.fromkeys((path, name, stem)))


def _stands_in(name: str, text: str, question: str) -> bool:
    """Tell whether a name stands in a question as a name, not as a word of the language."""
    bounds = rf"(?<![\w/.-]){re.escape(name)}(?![\w/-]|\.\w)"
    if re.search("[\u3400-\u9fff]", question):
        bounds = re.escape(name)
    if not re.search(bounds, text):
        return False
    if "." in name.strip(".") and not name.rpartition(".")[2].isdigit():
        return True
    joints = len(re.findall(r"[-_.]", name))
    if "/" in name or "_" in name or (joints >= _ENOUGH_JOINTS and re.search(r"\d", name)):
        return True
    return bool(re.search(_CALLED.format(re.escape(name)), text))


def _of_date(question: str, known: Sequence[StoredDocument]) -> list[StoredDocument]:
    """Return the documents of a kind and a date that are both named, in question and name."""
    asked = fold(question)
    kinds = [kind for kind in KINDS if any(re.search(rf"(?<!\w)\w*{k}", asked) for k in kind)]
    dates = _dates_in(question)
    return [
        document
        for document in known
        if any(_names_date(document.id, date) for date in dates)
        and any(word in fold(document.id) for kind in kinds for word in kind)
    ][: _MOST_NAMED + 1]


def _dates_in(text: str) -> list[str]:
    """Return the days and months of a year that can be read in one way: 2024-03-12, 2024-03."""
    return [
        moment.value
        for moment in find_moments(text)
        if not moment.other and _DAY_OR_MONTH.fullmatch(moment.value)
    ]


def _names_date(name: str, date: str) -> bool:
    """Tell whether the name of a file holds a day, or a day of a month: `minutes_2024-03-12.md`."""
    plain = date.replace("-", "")
    return bool(re.search(rf"(?<!\d){plain}(?:\d\d)?(?!\d)", re.sub(r"[-_. ]", "", name)))


def _in_folder(
    question: str, known: Sequence[StoredDocument], selection: Selection | None
) -> Scope | None:
    for found in _FOLDER.finditer(question):
        name = (found["after"] or found["before"] or found["path"]).strip("/.")
        start = fold(f"{name}/")
        inside = [one for one in known if fold(one.id).startswith(start)]
        if not inside or len(inside) == len(known) or (selection and selection.path_globs):
            continue
        folder = inside[0].id[: len(start)]
        chosen = replace(selection or Selection(), path_globs=(f"{escape_glob(folder)}*",))
        return Scope(chosen, f"only in {folder}, as the question names it")
    return None


def _of_type(question: str, known: Sequence[StoredDocument], selection: Selection | None) -> Scope:
    for pattern, suffixes in _OF_TYPE:
        if not pattern.search(question):
            continue
        fits = tuple(s for s in suffixes if any(one.id.lower().endswith(s) for one in known))
        if fits:
            chosen = replace(selection or Selection(), suffixes=fits)
            return Scope(chosen, f"only in files {' '.join(fits)}, as the question says")
    return Scope(selection)


def fold(text: str) -> str:
    """Return a text as names are compared: one form of each letter, no case, `/` in paths."""
    return unicodedata.normalize("NFC", text).casefold().replace("\\", "/")
