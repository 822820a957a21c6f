"""The pages of a run and of a comparison in a real browser, where one is installed."""

import shutil
from dataclasses import replace

import pytest
from evaluation.made_runs import (
    EVIL,
    make_comparison,
    make_evil_report,
    make_manifest,
    make_report,
    with_row,
)

from rag.evaluation.base.cases import Case, Relevant
from rag.evaluation.base.responses import Passage, Response
from rag.evaluation.base.rows import Figure, Report, Row
from rag.evaluation.report.write import write_comparison, write_report

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@pytest.fixture(scope="module")
def browser():
    sync = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser):
    """Open a file; at the end nothing was asked of a host, and the console is empty."""
    told, asked, contexts = [], [], []

    def open_file(path, address="", **settings):
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **settings})
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: told.append(message.text))
        page.on("pageerror", lambda error: told.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(path.as_uri() + address)
        return page

    yield open_file
    for context in contexts:
        context.close()
    assert told == []
    assert all(url.startswith("file:") for url in asked)


@pytest.fixture(scope="module")
def run_page(tmp_path_factory):
    return write_report(tmp_path_factory.mktemp("run"), make_report(260))


def search(page, words):
    page.fill("input[type=search]", words)
    page.wait_for_timeout(250)


def count(page):
    return page.inner_text("#table [role=status]")


def questions(page):
    return page.locator(".cases .open").all_inner_texts()


def test_cases_are_filtered_by_words_kind_and_outcome(open_page, run_page):
    page = open_page(run_page)
    assert count(page) == "260 of 260 cases"
    search(page, "GRANT q0017")
    assert questions(page) == ["How many days of leave does rule 17 grant, and until when?"]
    search(page, "")
    page.select_option("select[name=kind]", "near-miss")
    assert count(page) == "52 of 260 cases"
    page.select_option("select[name=kind]", "")
    page.select_option("select[name=only]", "failed")
    assert set(page.locator(".cases .tag").all_inner_texts()) == {"failed"}
    search(page, "no such words")
    assert "nothing fits" in count(page)


def test_cases_are_sorted_with_the_worst_first_and_then_the_best(open_page, run_page):
    page = open_page(run_page)
    page.locator("thead button", has_text="nDCG@10").click()
    column = ".cases tbody td:nth-child(6)"
    worst = page.locator(column).first.inner_text()
    page.locator("thead button", has_text="nDCG@10").click()
    assert float(worst) < float(page.locator(column).first.inner_text()) == 1
    assert page.evaluate("document.activeElement.textContent").startswith("nDCG@10")


def test_rows_are_made_as_they_are_scrolled_to(open_page, run_page):
    page = open_page(run_page)
    assert len(questions(page)) == 100
    page.locator("button", has_text="Show more").scroll_into_view_if_needed()
    page.locator(".cases .open").nth(199).wait_for()
    assert len(questions(page)) < 260


def test_a_row_opens_by_keyboard_to_answer_evidence_and_passages(open_page, run_page):
    page = open_page(run_page)
    page.locator(".cases .open").nth(1).focus()
    page.keyboard.press("Enter")
    detail = page.locator(".detail")
    assert detail.locator(".said.yes").inner_text().startswith("Rule 1 grants 1 days 🙂.")
    assert detail.locator(".said.no").inner_text().startswith("They stay until March.")
    rank = int(detail.get_by_text("found at rank").inner_text().split()[-1])
    assert detail.locator(".passage").count() == 10
    marked = detail.locator(".passage").nth(rank - 1).locator("mark").inner_text()
    assert marked == detail.locator("li div.text").inner_text()
    page.keyboard.press("Enter")
    assert detail.count() == 0


def test_the_address_keeps_filter_columns_and_what_is_open(open_page, run_page):
    page = open_page(run_page)
    page.select_option("select[name=kind]", "out-of-corpus")
    page.select_option("select[name=sort]", "seconds-total")
    page.click("summary:has-text('Columns')")
    page.check("input[value=seconds-total]")
    page.locator(".cases .open").first.click()
    address = page.evaluate("location.hash")
    again = open_page(run_page, address)
    assert questions(again) == questions(page)
    assert count(again) == "52 of 260 cases"
    assert again.locator(".detail").count() == 1
    assert again.locator("thead button", has_text="seconds-total").count() == 1
    again.click("button:has-text('Reset')")
    assert count(again) == "260 of 260 cases"


def test_sorting_by_a_measure_shows_it_and_reset_keeps_the_keyboard(open_page, run_page):
    page = open_page(run_page)
    page.select_option("select[name=sort]", "seconds-total")
    assert page.locator("thead button", has_text="seconds-total").count() == 1
    assert page.locator("input[value=seconds-total]").is_checked()
    page.locator("button:has-text('Reset')").focus()
    page.keyboard.press("Enter")
    assert page.locator("thead button", has_text="seconds-total").count() == 0
    assert page.evaluate("document.activeElement.textContent") == "Reset"


def test_an_opened_case_adds_few_stops_for_the_keyboard(open_page, run_page):
    page = open_page(run_page)
    page.locator(".cases .open").nth(1).focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    inside = 0
    while page.evaluate("document.activeElement.closest('.detail') !== null"):
        inside += 1
        page.keyboard.press("Tab")
    assert 1 <= inside <= 3


def test_contents_lead_to_the_sections_and_keep_the_filter(open_page, run_page):
    page = open_page(run_page)
    page.select_option("select[name=kind]", "near-miss")
    links = page.locator("nav a").all_inner_texts()
    assert links[:2] == ["Cases", "Figures"]
    page.click("nav a:has-text('Speed')")
    assert page.evaluate("document.getElementById('speed').getBoundingClientRect().top") < 500
    assert count(page) == "52 of 260 cases"
    shown = page.locator("#distributions svg").first
    assert not shown.is_visible()
    page.click("#distributions summary")
    assert shown.is_visible()


def test_what_the_prompt_lacks_and_what_was_never_found_are_two_choices(open_page, tmp_path):
    def found(number, share, document):
        case = Case(f"c{number}", f"Question {number}?", (Relevant("a.txt"), Relevant("b.txt")))
        passages = (Passage(document, "a text"),)
        return Row(case, Response("x", passages, passages), measures={"evidence-R": share})

    rows = (found(1, 1.0, "a.txt"), found(2, 0.5, "a.txt"), found(3, 0.0, "c.txt"))
    figures = (Figure("evidence-R", 0.5, None, None, 3),)
    page = open_page(write_report(tmp_path, Report(make_manifest("run"), rows, figures)))
    page.select_option("select[name=only]", "unshown")
    assert questions(page) == ["Question 2?", "Question 3?"]
    page.select_option("select[name=only]", "missed")
    assert questions(page) == ["Question 3?"]


def test_a_long_question_tag_or_language_stays_within_a_narrow_window(open_page, tmp_path):
    report = make_report(40)
    row = next(row for row in report.rows if row.response)
    case = replace(row.case, id="long", question="why? " * 3200, tags=("t" * 200,),
                   language="l" * 120)  # fmt: skip
    path = write_report(tmp_path, with_row(report, replace(row, case=case)))
    page = open_page(path, viewport={"width": 360, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    search(page, "why?")
    (shown,) = questions(page)
    assert len(shown) < 220
    page.locator(".cases .open").first.click()
    assert len(page.locator(".detail p.text").first.inner_text()) > 15_000
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_a_narrow_window_shows_intervals_and_what_is_missing(open_page, run_page):
    page = open_page(run_page, viewport={"width": 360, "height": 800})
    beside = page.locator(".figures td small").first
    assert beside.is_visible()
    assert "n = " in beside.inner_text()
    wide = page.locator(".figures .wide")
    assert wide.evaluate("one => one.scrollWidth <= one.clientWidth")
    assert not open_page(run_page).locator(".figures td small").first.is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1400])
def test_nothing_is_wider_than_the_window(open_page, run_page, scheme, width):
    page = open_page(run_page, color_scheme=scheme, viewport={"width": width, "height": 800})
    page.locator(".cases .open").first.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert paper == {"light": "rgb(255, 255, 255)", "dark": "rgb(22, 25, 29)"}[scheme]


def test_figures_and_plots_are_there_without_javascript(open_page, run_page):
    page = open_page(run_page, java_script_enabled=False)
    assert "needs JavaScript" in page.inner_text("noscript")
    assert page.locator("figure svg[role=img]").count() > 10
    assert page.locator("th", has_text="nDCG@10").count() > 0


def test_what_documents_and_models_say_never_runs_and_never_loads(open_page, tmp_path):
    page = open_page(write_report(tmp_path, make_evil_report()))
    page.locator(".cases .open").first.click()
    assert page.locator(".detail mark").inner_text() == EVIL
    assert page.locator("img").count() == 0
    assert page.locator("script").count() == 2
    search(page, "<img src=x")
    assert count(page) == "1 of 13 cases"


def test_a_comparison_shows_both_answers_with_the_largest_change_first(open_page, tmp_path):
    page = open_page(write_comparison(tmp_path, make_comparison(60)))
    page.select_option("select[name=sort]", "R@1")
    assert page.locator(".cases tbody td:nth-child(3)").first.inner_text().startswith("+1.000")
    page.locator(".cases .open").first.click()
    assert page.locator(".detail h3").all_inner_texts() == ["First run", "Second run"]
    assert page.locator(".detail .said.yes").count() == 2
    page.select_option("select[name=only]", "changed")
    assert int(count(page).split()[0]) < 60
