"""The sample documents and their labelled questions in, proof that each label holds out."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TypedDict
from unicodedata import normalize

import docx
import pytest
from lxml import html
from pypdf import PdfReader

DATA = Path(__file__).parents[2] / "data"
DOCUMENTS = DATA / "documents"
SCAN = "office/delivery-note-scan.pdf"


class _EvidenceWithPage(TypedDict, total=False):
    page: int


class Evidence(_EvidenceWithPage):
    doc: str
    excerpt: str


class Case(TypedDict):
    id: str
    question: str
    answerable: bool
    answers: list[str]
    evidence: list[Evidence]
    near: list[str]
    lang: str
    tags: list[str]


def read_cases() -> list[Case]:
    lines = (DATA / "cases.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


CASES = read_cases()
ANSWERABLE = [case for case in CASES if case["answerable"]]
UNANSWERABLE = [case for case in CASES if not case["answerable"]]


def list_documents() -> dict[str, int]:
    """Return each document's size; names are composed, as some file systems decompose them."""
    return {
        normalize("NFC", path.relative_to(DOCUMENTS).as_posix()): path.stat().st_size
        for path in DOCUMENTS.rglob("*.*")
        if not path.name.startswith(".")
    }


def squeeze(text: str) -> str:
    return " ".join(text.split())


@cache
def read_pdf(name: str) -> tuple[str, ...]:
    return tuple(squeeze(page.extract_text()) for page in PdfReader(DOCUMENTS / name).pages)


@cache
def read_docx(name: str) -> str:
    document = docx.Document(str(DOCUMENTS / name))
    texts = [paragraph.text for paragraph in document.paragraphs]
    texts += [cell.text for table in document.tables for row in table.rows for cell in row.cells]
    return squeeze("\n".join(texts))


@cache
def read_html(name: str) -> str:
    tree = html.fromstring((DOCUMENTS / name).read_bytes())
    return squeeze(" ".join(tree.xpath("//body//text()[not(ancestor::script or ancestor::nav)]")))


def find_text(evidence: Evidence) -> str:
    name = evidence["doc"]
    match Path(name).suffix:
        case ".pdf":
            return read_pdf(name)[evidence["page"] - 1]
        case ".docx":
            return read_docx(name)
        case ".html":
            return read_html(name)
        case _:
            return (DOCUMENTS / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("case", ANSWERABLE, ids=lambda case: case["id"])
def test_answerable_case_has_its_evidence_in_the_documents(case: Case) -> None:
    assert case["answers"]
    assert case["evidence"]
    for evidence in case["evidence"]:
        assert evidence["excerpt"] in find_text(evidence)


@pytest.mark.parametrize("case", UNANSWERABLE, ids=lambda case: case["id"])
def test_unanswerable_case_names_no_answer_and_its_kind(case: Case) -> None:
    assert not case["answers"]
    assert not case["evidence"]
    kinds = {"out-of-corpus", "near-miss", "scanned"} & set(case["tags"])
    assert len(kinds) == 1
    assert bool(case["near"]) == (kinds != {"out-of-corpus"})


def test_cases_name_only_documents_that_exist() -> None:
    named = {evidence["doc"] for case in CASES for evidence in case["evidence"]}
    named |= {name for case in CASES for name in case["near"]}
    assert named <= list_documents().keys()


def test_every_document_is_asked_about() -> None:
    named = {evidence["doc"] for case in ANSWERABLE for evidence in case["evidence"]}
    assert list_documents().keys() - named == {SCAN}


def test_case_ids_and_questions_are_unique() -> None:
    assert len({case["id"] for case in CASES}) == len(CASES)
    assert len({case["question"] for case in CASES}) == len(CASES)


def test_cases_are_enough_and_a_quarter_is_unanswerable() -> None:
    assert len(CASES) >= 40
    assert len(UNANSWERABLE) * 4 >= len(CASES)


def test_cases_speak_three_languages() -> None:
    languages = [case["lang"] for case in CASES]
    assert languages.count("de") >= 5
    assert languages.count("zh") >= 4
    assert set(languages) == {"de", "en", "zh"}


def test_scanned_page_has_a_picture_and_no_text() -> None:
    (page,) = PdfReader(DOCUMENTS / SCAN).pages
    assert page.extract_text().strip() == ""
    assert len(page.images) == 1


def test_manual_has_the_pages_its_questions_need() -> None:
    assert len(read_pdf("workshop/plover-service-manual.pdf")) >= 6


def test_documents_stay_small() -> None:
    assert sum(list_documents().values()) < 600_000
