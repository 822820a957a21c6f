"""The health report and its page, from records as the catalogue gives them."""

from dataclasses import replace

import pytest

from ingest.base.documents import Page
from rag.health.page import render_page
from rag.health.report import report_health
from rag.index.store.records import StoredDocument

MINILM, BGE = "all-minilm-l6-v2", "bge-m3"
GOOD = StoredDocument("/docs", "a.pdf", "application/pdf", "A", "ok", "", "", "", chunks=4)


def report(*documents: StoredDocument, model: str = MINILM, shared=None):
    return report_health("/index", model, documents, shared or {})


def test_document_without_findings_is_good_and_nothing_is_told():
    found = report(GOOD)
    assert (found.files[0].level, found.files[0].findings, found.concerns) == ("good", (), ())


def test_worst_files_come_first():
    skipped = replace(GOOD, id="z.bin", status="skipped", reason="binary", message="binary content")
    scan = replace(GOOD, id="scan.pdf", pages=(Page(0, "p. 1", 0.0, ("empty",)),))
    split = replace(GOOD, id="long.txt", split_chunks=3)
    found = report(GOOD, split, scan, skipped)
    assert [file.id for file in found.files] == ["z.bin", "scan.pdf", "long.txt", "a.pdf"]
    assert [file.level for file in found.files] == ["unread", "poor", "fair", "good"]
    assert found.totals.reasons == {"binary": 1}


def test_pages_are_counted_by_what_is_wrong_with_them():
    pages = (
        Page(0, "p. i"), Page(9, "p. ii", 0.1, ("garbage",)), Page(20, "p. 1", 0.0, ("empty",)),
        Page(20, "p. 2", 0.9, ("boilerplate",)), Page(30, "p. 3"),
    )  # fmt: skip
    found = report(replace(GOOD, pages=pages, notes=("1 page without text: 3",)))
    (file,) = found.files
    assert (file.pages, file.bad_pages, file.level) == (5, 2, "fair")
    assert file.findings[0] == "1 page without text: 3"
    assert (found.totals.pages_without_text, found.totals.low_quality_pages) == (1, 1)


def test_what_takes_nothing_from_a_document_leaves_it_good():
    pages = (Page(0, "p. 1", 0.9, ("boilerplate",)), Page(9, "p. 2", 0.9, ("columns",)))
    (file,) = report(replace(GOOD, pages=pages)).files
    assert (file.level, file.fix) == ("good", "")
    assert file.findings == (
        "pages whose repeated header or footer was left out: 1",
        "pages whose columns were put in order: 1",
    )


def test_text_the_model_has_no_tokens_for_is_told_loudly_with_models_that_have():
    thai = replace(GOOD, id="คู่มือ.txt", language="th", unknown_share=1.0)
    found = report(GOOD, thai)
    (concern,) = found.concerns
    assert "cannot read 1 file (th)" in concern.message
    assert "bge-m3" in concern.fix
    assert concern.files == ("คู่มือ.txt",)
    assert found.files[0].level == "poor"
    assert report(replace(thai, unknown_share=0.0), model=BGE).concerns == ()


def test_language_the_model_was_not_made_for_is_told_less_loudly():
    german = replace(GOOD, id="a.md", language="de", unknown_share=0.0)
    (concern,) = report(german).concerns
    assert "was not made for the language of 1 file (de)" in concern.message
    assert report(german).files[0].level == "fair"
    assert report(german, model="some-unheard-of-model").concerns == ()


def test_shared_passages_are_counted():
    found = report(GOOD, shared={("/docs", "a.pdf"): 2})
    assert (found.files[0].shared_chunks, found.totals.shared_chunks) == (2, 2)


@pytest.mark.parametrize("evil", ["<script>alert(1)</script>", "a\"b'c&d", "</style><img src=x>"])
def test_page_escapes_every_text_and_loads_nothing(evil):
    documents = (
        replace(GOOD, id=evil, root=evil, language=evil, notes=(evil,)),
        replace(GOOD, id="x", status="skipped", reason=evil, message=evil, hint=evil),
    )
    page = render_page(report_health(evil, evil, documents, {}), "today")
    assert evil not in page
    assert "default-src 'none'" in page
    assert "<script" not in page
    assert page.count("<title>") == 1


def test_page_of_many_files_stays_readable():
    page = render_page(report(*(replace(GOOD, id=f"{n}.pdf") for n in range(2000))), "today")
    assert "and 1,500 more" in page
    assert len(page) < 300_000
