"""The sample documents and their labelled questions in, proof that each label holds out."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TypedDict
from unicodedata import normalize

import pytest
from pypdf import PdfReader

from ingest.base.documents import Document, Source
from ingest.parse.base import media
from ingest.parse.base.reading import Reading
from ingest.parse.read import read_document

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
def read(name: str) -> Document:
    """Return what the program reads in a document, without looking at pictures."""
    path = DOCUMENTS / name
    stat = path.stat()
    source = Source(
        name, str(DOCUMENTS), path, media.media_type_of(name), stat.st_size, stat.st_mtime_ns
    )
    return read_document(source, Reading(ocr=False))


def find_text(evidence: Evidence) -> str:
    """Return the text of the page that the evidence names, else of the whole document."""
    document = read(evidence["doc"])
    if "page" not in evidence:
        return squeeze(document.text)
    starts = [*(page.start for page in document.pages), len(document.text)]
    start, end = starts[evidence["page"] - 1 : evidence["page"] + 1]
    return squeeze(document.text[start:end])


def place_of(name: str, excerpt: str) -> str:
    """Return what a person would call the place of an excerpt."""
    document = read(name)
    return document.place_at(document.text.index(excerpt)).label


@pytest.mark.parametrize("case", ANSWERABLE, ids=lambda case: case["id"])
def test_answerable_case_has_its_evidence_in_the_documents(case: Case) -> None:
    assert case["answers"]
    assert case["evidence"]
    for evidence in case["evidence"]:
        assert squeeze(evidence["excerpt"]) in find_text(evidence)


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


def test_every_format_that_is_read_has_a_sample() -> None:
    kinds = {
        media.sniff((DOCUMENTS / name).read_bytes(), media.media_type_of(name))
        for name in list_documents()
    }
    assert kinds == set(media.SUFFIXES.values())


def test_no_sample_is_read_with_a_note() -> None:
    assert [name for name in list_documents() if name != SCAN and read(name).notes] == []


@pytest.mark.parametrize(
    ("name", "excerpt", "label"),
    [
        ("handbook/history.epub", "the lake stood 1.30 metres high", "section 5"),
        ("office/investment-plan-2026.ods", "Crane licence", "sheet Training"),
        ("office/late-delivery.mbox", "which is 451.50 euro", "message 3"),
        ("office/onboarding-slides.pptx", "Thursday | 07:15", "slide 2"),
        ("office/onboarding-slides.pptx", "Notes: Sea parents", "slide 3"),
        ("workshop/mooring-course.odp", "BUTTER", "slide 4"),
        ("workshop/plover-service-manual.pdf", "Charging in the workshop", "p. 4"),
        ("workshop/seal-ring-video.vtt", "120 millibar", "0:03:04"),
        ("workshop/spare-parts-stock.xlsx", "Vent membrane", "sheet Merrowby"),
        ("workshop/spare-parts-stock.xlsx", "Keel bolt", "sheet Lüttsande"),
        ("workshop/wind-calibration.ipynb", "slope 1.0179", "cell 5"),
    ],
)
def test_passage_knows_the_place_it_is_cited_with(name: str, excerpt: str, label: str) -> None:
    assert place_of(name, excerpt) == label


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("handbook/apprentices.odt", "Year | A month"),
        ("office/onboarding-slides.pptx", "Day | Starts | Where | What"),
        ("workshop/anchor-chain-sizing.tex", "Place of use | Plover 20 | Plover 22"),
        ("workshop/portal-alarms.json", "name | condition | limit | unit | after_minutes | notify"),
        (
            "workshop/storm-log-2025-11-24.jsonl",
            "time | buoy | wind_mps | gust_mps | wave_m | battery_v | interval_min | event",
        ),
        (
            "workshop/thermistor-calibration-2025.csv",
            "Date | Chain | Sensor | Depth m | Ice bath reading °C | Deviation °C | Result | Tested by",
        ),
        (
            "office/service-jobs-2025.tsv",
            "Job | Received | Model | Serial number | Error code | Finding | Work done | Hours"
            " | Sent back",
        ),
    ],
)
def test_table_keeps_the_names_of_its_columns(name: str, columns: str) -> None:
    assert [table.columns for table in read(name).tables] == [columns]


def test_sheets_of_a_workbook_are_a_table_each() -> None:
    for name in ("workshop/spare-parts-stock.xlsx", "office/investment-plan-2026.ods"):
        document = read(name)
        starts = [document.place_at(table.start).label for table in document.tables]
        assert starts == [page.label for page in document.pages]


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
    assert len(read("workshop/plover-service-manual.pdf").pages) >= 6


def test_documents_stay_small() -> None:
    assert sum(list_documents().values()) < 1_000_000
