"""The health report and its page, from records as the catalogue gives them."""

from dataclasses import replace
from pathlib import Path

import pytest

from ingest.base.documents import Page
from ingest.base.errors import PipelineError
from rag.cli.commands.health import _show, _write_page, show_summary
from rag.cli.console import Terminal
from rag.health.page import render_page
from rag.health.report import report_health
from rag.index.store.records import StoredDocument

MINILM, BGE = "all-minilm-l6-v2", "bge-m3"
GOOD = StoredDocument("/docs", "a.pdf", "application/pdf", "A", "ok", "", "", "", chunks=4)


def report(*documents: StoredDocument, model: str = MINILM, shared=None, twins=None):
    return report_health("/index", model, documents, shared or {}, twins or {}, 7)


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
    found = report(replace(GOOD, pages=pages, notes=("page 3 without text",)))
    (file,) = found.files
    assert (file.pages, file.pages_without_text, file.low_quality_pages) == (5, 1, 1)
    assert (file.bad_pages, file.level) == (2, "fair")
    assert file.findings[0] == "page 3 without text"
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
    assert "cannot read 1 file (Thai)" in concern.message
    assert "bge-m3" in concern.fix
    assert concern.files == ("คู่มือ.txt",)
    assert found.files[0].level == "poor"
    assert report(replace(thai, unknown_share=0.0), model=BGE).concerns == ()


def test_language_the_model_was_not_made_for_is_told_less_loudly():
    german = replace(GOOD, id="a.md", language="de", unknown_share=0.0)
    (concern,) = report(german).concerns
    assert "was not made for the language of 1 file (German)" in concern.message
    assert report(german).files[0].level == "fair"
    assert report(german, model="some-unheard-of-model").concerns == ()


def test_shared_passages_are_counted():
    found = report(GOOD, shared={("/docs", "a.pdf"): 2})
    assert (found.files[0].shared_chunks, found.totals.shared_chunks) == (2, 2)
    assert found.files[0].findings == ("2 of 4 passages also stand in other files",)
    assert found.totals.texts == 7


@pytest.mark.parametrize(
    ("shared", "twin", "told"),
    [
        (4, ("/docs", "b.pdf", 4), "all its 4 passages also stand in b.pdf"),
        (4, ("/docs", "b.pdf", 3), "all its 4 passages also stand in other files"),
        (1, ("/more", "b.pdf", 1), "1 of 4 passages also stands in /more/b.pdf"),
    ],
)
def test_file_that_stands_in_another_names_it(shared, twin, told):
    key = ("/docs", "a.pdf")
    assert report(GOOD, shared={key: shared}, twins={key: twin}).files[0].findings == (told,)


def test_pages_of_a_file_without_any_text_are_counted():
    pages = (Page(0, "p. 1", 0.0, ("empty",)), Page(0, "p. 2", 0.0, ("empty",)))
    scan = replace(GOOD, status="skipped", reason="no-text", message="no text", pages=pages)
    found = report(scan)
    assert (found.totals.pages, found.totals.pages_without_text) == (2, 2)
    assert (found.files[0].level, found.files[0].pages_without_text) == ("unread", 2)


def test_files_of_several_folders_are_told_apart():
    thai = replace(GOOD, language="th", unknown_share=1.0)
    one, two = report(thai), report(thai, replace(thai, root="/other"))
    assert one.concerns[0].files == ("a.pdf",)
    assert two.concerns[0].files == ("/docs/a.pdf", "/other/a.pdf")
    assert (one.roots, two.roots) == (("/docs",), ("/docs", "/other"))
    assert "<h3>/other</h3>" in render_page(two, "today")
    assert "<h3>" not in render_page(one, "today")


def test_page_tells_reasons_languages_and_unknown_words_in_words():
    known = replace(GOOD, language="zh", unknown_share=0.021)
    scan = replace(GOOD, id="s.pdf", status="skipped", reason="no-text", message="no text")
    page = render_page(report(known, scan), "today")
    for told in ("no text in them, probably scans", "Chinese (zh)", "2.1%"):
        assert told in page
    assert "no-text" not in page


def test_every_reason_and_language_has_words():
    from ingest.base.errors import ParseError
    from ingest.health import _FUNCTION_WORDS, _SCRIPTS
    from rag.health.words import name_language, name_reason

    kinds = [ParseError]
    for kind in kinds:
        kinds.extend(kind.__subclasses__())
        assert name_reason(kind.reason) != kind.reason or kind.reason == "empty"
    assert all(name_language(code) != code for code in (*_SCRIPTS, *_FUNCTION_WORDS, "zh", "ja"))


def shown(capsys, found, most=20):
    _show(Terminal(), found, most)
    return capsys.readouterr().out


def test_text_names_files_of_several_folders_whole(capsys):
    split = replace(GOOD, split_chunks=1)
    assert "\nfair   a.pdf\n" in shown(capsys, report(split))
    assert "fair   /docs/a.pdf\n" in shown(capsys, report(split, replace(split, root="/other")))


def test_empty_index_is_not_praised(capsys):
    assert "the index is empty: rag ingest FOLDER" in shown(capsys, report())
    assert "every file was read well" in shown(capsys, report(GOOD))


def test_summary_counts_in_words(capsys):
    pages = (Page(0, "p. 1", 0.0, ("empty",)), Page(0, "p. 2", 0.0, ("empty",)))
    show_summary(Terminal(), report(replace(GOOD, pages=pages)))
    assert "health: 1 file mostly lost, 2 pages without text; rag" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("path", "told"), [(".", "'.' is a folder"), ("no/x.html", "there is no folder 'no'")]
)
def test_page_that_cannot_be_written_says_why(tmp_path, monkeypatch, path, told):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PipelineError) as caught:
        _write_page(report(GOOD), Path(path))
    assert caught.value.message == told


@pytest.mark.parametrize("evil", ["<script>alert(1)</script>", "a\"b'c&d", "</style><img src=x>"])
def test_page_escapes_every_text_and_loads_nothing(evil):
    documents = (
        replace(GOOD, id=evil, root=evil, language=evil, notes=(evil,)),
        replace(GOOD, id="x", status="skipped", reason=evil, message=evil, hint=evil),
    )
    page = render_page(report_health(evil, evil, documents, {}, {}, 0), "today")
    assert evil not in page
    assert "default-src 'none'" in page
    assert "<script" not in page
    assert page.count("<title>") == 1


def test_page_of_many_files_stays_readable():
    page = render_page(report(*(replace(GOOD, id=f"{n}.pdf") for n in range(2000))), "today")
    assert "and 1,500 more" in page
    assert len(page) < 300_000
