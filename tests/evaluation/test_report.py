import base64
import json
import random
import re
import stat
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace
from hashlib import sha256

import pytest
from evaluation.made_runs import (
    EVIL,
    make_comparison,
    make_evil_report,
    make_manifest,
    make_report,
    make_row,
    with_row,
)

from rag.evaluation.base.cases import Case, Relevant
from rag.evaluation.base.responses import Passage, Response
from rag.evaluation.base.rows import Figure, Report, Row
from rag.evaluation.compare.compare import Difference
from rag.evaluation.report import plots
from rag.evaluation.report.records import find_evidence, record_rows
from rag.evaluation.report.words import say_verdict, show
from rag.evaluation.report.write import write_comparison, write_report


def data_of(page):
    return json.loads(
        re.search(r"<script type=\"application/json\" id=data>(.*?)</script>", page)[1]
    )


def test_a_run_becomes_three_files_for_its_owner_alone(tmp_path):
    path = write_report(tmp_path / "run", make_report(20))
    assert path.name == "report.html"
    files = sorted(path.parent.iterdir())
    assert [file.name for file in files] == ["report.html", "report.json", "report.md"]
    if sys.platform != "win32":
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_writing_again_replaces_what_was_there(tmp_path):
    write_report(tmp_path, make_report(20))
    (tmp_path / "report.html.new").write_text("left by a crash")
    path = write_report(tmp_path, make_report(20, name="another name"))
    assert "another name" in path.read_text("utf-8")
    assert not list(tmp_path.glob("*.new"))


def test_the_page_loads_nothing_and_allows_only_its_own_style_and_script(tmp_path):
    page = write_report(tmp_path, make_report(20)).read_text("utf-8")
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1]
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    for inline in (r"<style>(.*?)</style>", r"<script type=module>(.*?)</script>"):
        text = re.search(inline, page, re.DOTALL)[1]
        assert f"'sha256-{base64.b64encode(sha256(text.encode()).digest()).decode()}'" in policy
    assert not re.findall(r"<(?:img|link|iframe)\b|\bsrc=|url\(", page.partition("id=data")[0])
    assert re.findall(r"https?://[^\"' ]*", page) == page.count("www.w3.org/2000/svg") * [
        "http://www.w3.org/2000/svg"
    ]


def test_the_page_is_light_without_its_rows(tmp_path):
    page = write_report(tmp_path, make_report(500)).read_text("utf-8")
    assert len(page) - len(re.search(r"id=data>(.*?)</script>", page)[1]) < 150_000


def test_nothing_of_documents_models_or_settings_is_markup(tmp_path):
    page = write_report(tmp_path, make_evil_report()).read_text("utf-8")
    assert page.count("<script") == 2
    assert page.count("</script") == 2
    assert "<img" not in page
    assert "<!--" not in page
    assert "\u2028" not in re.search(r"id=data>(.*?)</script>", page)[1]
    row = data_of(page)["rows"][0]
    assert row["question"] == row["runs"][0]["answer"] == EVIL
    markdown = (tmp_path / "report.md").read_text("utf-8")
    assert "<img" not in markdown.replace("\\<", "")
    assert "[a](b)" not in markdown


def test_half_a_pair_of_surrogates_does_not_stop_a_report(tmp_path):
    row = Row(Case("\ud83d", "half \ud83d"), Response("an answer \udc00"))
    write_report(tmp_path, with_row(make_report(11), row))
    assert json.loads((tmp_path / "report.json").read_text("utf-8"))["counts"]["cases"] == 11


def test_json_has_the_figures_and_the_rows_and_no_number_that_is_none(tmp_path):
    report = make_report(15)
    odd = replace(report.rows[0], measures={"R@1": float("nan"), "R@5": float("inf")})
    write_report(tmp_path, replace(report, rows=(odd, *report.rows[1:])))

    def refuse(name):
        raise AssertionError(name)

    record = json.loads((tmp_path / "report.json").read_text("utf-8"), parse_constant=refuse)
    assert record["rows"][0]["measures"] == {"R@1": None, "R@5": None}
    assert record["manifest"]["cases_name"] == "cases.jsonl"
    assert len(record["rows"]) == 15
    assert record["rows"][1]["response"]["ranked"][0]["document"] == "rules/part-1.pdf"
    mean = next(f for f in record["figures"] if (f["measure"], f["group"]) == ("R@10", ""))
    values = [row["measures"].get("R@10") for row in record["rows"][1:]]
    assert mean["cases"] == sum(value is not None for value in values) + 1


def test_json_of_a_run_that_is_kept_names_its_folder_and_leaves_the_texts_there(tmp_path):
    write_report(tmp_path, replace(make_report(15), folder=str(tmp_path)))
    record = json.loads((tmp_path / "report.json").read_text("utf-8"))
    assert record["rows_at"] == str(tmp_path)
    assert set(record["rows"][0]) == {"id", "measures", "failure"}


def test_markdown_has_figures_with_intervals_groups_failures_and_the_command(tmp_path):
    write_report(tmp_path, make_report(100))
    text = (tmp_path / "report.md").read_text("utf-8")
    assert "| measure | value | 95 % interval | cases | missing |" in text
    assert re.search(r"\| R@5 \| 0\.\d{3} \| 0\.\d{3} to \d\.\d{3} \| 58 \| 2 \|", text)
    assert "By kind" in text
    assert "| near-miss |" in text
    assert "- 2: the model did not answer in 60 s" in text
    assert "    rag evaluate cases.jsonl --again" in text


def test_a_run_without_rows_or_figures_is_still_a_report(tmp_path):
    page = write_report(tmp_path, Report(make_manifest("empty"), (), ())).read_text("utf-8")
    assert data_of(page)["rows"] == []
    assert "<svg" not in page


def test_what_is_missing_is_counted_and_not_shown_as_nought(tmp_path):
    figures = (Figure("R@5", None, None, None, 0, missing=7),)
    page = write_report(tmp_path, Report(make_manifest("none"), (), figures)).read_text("utf-8")
    assert "<th scope=row>R@5</th><td class=number>– <small class=narrow>" in page
    assert "<span class=bad>7</span>" in page


def test_evidence_is_marked_by_offsets_where_both_have_them():
    passage = Passage("a.txt", "0123456789", start=100, end=110)
    assert find_evidence(Relevant("a.txt", start=105, end=120), passage) == [(5, 10)]
    assert find_evidence(Relevant("a.txt", start=110, end=120), passage) == []
    assert find_evidence(Relevant("b.txt", start=105, end=120), passage) == []


def test_evidence_is_marked_by_its_words_with_blanks_squeezed():
    passage = Passage("a.txt", "The fee (net)\n  is 30\u00a0€ a month.")
    marks = find_evidence(Relevant("a.txt", "fee (net) is 30 €"), passage)
    assert [passage.text[start:end] for start, end in marks] == ["fee (net)\n  is 30\u00a0€"]


def test_the_part_of_an_excerpt_that_a_passage_has_is_marked():
    passage = Passage("a.txt", "long notice. Leave is granted after six months")
    piece = Relevant("a.txt", "Leave is granted after six months of service.")
    marks = find_evidence(piece, passage)
    assert [passage.text[a:b].strip() for a, b in marks] == ["Leave is granted after six months"]


def test_a_few_words_in_common_are_not_marked():
    passage = Passage("a.txt", "He said that leave is granted after all, by whom nobody knows.")
    piece = Relevant(
        "a.txt", "Annual leave is granted after six months of service at the earliest."
    )
    assert find_evidence(piece, passage) == []


def test_each_piece_of_evidence_has_the_rank_at_which_it_was_found():
    passages = tuple(Passage(f"{name}.txt", f"text of {name}") for name in "abc")
    case = Case("1", "?", (Relevant("c.txt"), Relevant("x.txt"), Relevant("a.txt", "text of a")))
    data = record_rows([{"1": Row(case, Response(ranked=passages))}], ())
    assert data["rows"][0]["runs"][0]["ranks"] == [3, None, 1]


def test_a_passage_is_known_by_the_number_it_has_in_the_prompt():
    ranked = (Passage("a.txt", "two"), Passage("a.txt", "five"), Passage("b.txt", "two"))
    context = (Passage("b.txt", "one two"), Passage("a.txt", "one two three"))
    data = record_rows([{"1": Row(Case("1", "?"), Response("", ranked, context))}], ())
    assert [p.get("number") for p in data["rows"][0]["runs"][0]["passages"]] == [2, None, 1]


def test_a_page_keeps_the_first_passages_of_every_case_and_counts_what_it_leaves_out():
    rows = {row.case.id: row for row in make_report(30).rows}
    length = max(len(p.text) for row in rows.values() if row.response for p in row.response.ranked)
    data = record_rows([rows], ("R@5",), 30 * length)
    answered = [run for row in data["rows"] for run in row["runs"] if run["passages"]]
    assert all("text" in run["passages"][0] for run in answered)
    assert sum(map(len, data["texts"])) <= 30 * length
    different = {p.text for row in rows.values() if row.response for p in row.response.ranked}
    assert data["textsLeftOut"] == len(different) - len(data["texts"])


def test_a_page_of_many_cases_stays_small_enough_to_open():
    row = make_row(1, random.Random(1))
    passages = tuple(replace(p, text=p.text * 20) for p in row.response.ranked * 2)
    rows = {}
    for n in range(400):
        ranked = tuple(replace(p, text=f"{n} {p.text}") for p in passages)
        rows[str(n)] = replace(row, response=replace(row.response, ranked=ranked))
    data = record_rows([rows], list(row.measures))
    assert 4_500_000 < len(json.dumps(data)) < 5_300_000
    assert data["textsLeftOut"] > 0


def test_a_text_found_by_many_cases_is_in_the_page_once():
    row = make_row(1, random.Random(1))
    data = record_rows([{"a": row, "b": row}], ())
    assert len(data["texts"]) == len(set(data["texts"])) == 10


@pytest.mark.parametrize(
    "picture",
    [
        plots.draw_interval(Figure("R@5 <b>", 0.5, 0.4, 0.6, 10)),
        plots.draw_interval(Figure("R@5", 1.0, None, None, 1)),
        plots.draw_distribution([0.0, 0.0, 1.0], "R@5"),
        plots.draw_distribution([3.0, 3.0], "tokens <b>", "tokens"),
        plots.draw_distribution([-5.0, 1e9], "far apart"),
        plots.draw_lines(
            {"R": [Figure("R@1", 0.2, 0.1, 0.3, 9), Figure("R@5", None, None, None, 0)]}, [1, 5], "k", "k"
        ),
        plots.draw_latency({"total": [0.0]}),
        plots.draw_latency({"retrieve": [0.1, 0.2], "total": [1.0, 20.0]}),
        plots.draw_calibration([(0.2, False), (0.8, True)]),
        plots.draw_refusal([(0.2, False), (0.8, True)], (0.1, 0.2)),
        plots.draw_forest(make_comparison(20).differences),
        plots.draw_forest([]),
        plots.draw_wins(make_comparison(20).differences[0]),
        plots.draw_pairs([(0.0, 1.0), (0.5, 0.5)], "R@5"),
    ],
)  # fmt: skip
def test_plots_are_well_formed_and_say_in_words_what_they_show(picture):
    root = ET.fromstring(picture)
    assert root.get("role") == "img"
    assert root.get("aria-label")
    assert not re.search(r"\b(nan|inf)\b", picture)
    assert "style=" not in picture


def test_the_curve_of_refusal_is_that_of_every_threshold():
    picture = plots.draw_refusal([(0.1, False), (0.4, True), (0.6, False), (0.9, True)], (0.5, 0.5))
    assert "4 cases, 5 thresholds" in picture
    assert "refused 50% wrongly and answered 50% wrongly" in picture


def test_a_comparison_says_that_no_difference_shown_is_not_equality(tmp_path):
    path = write_comparison(tmp_path, make_comparison(60))
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "comparison.html", "comparison.json", "comparison.md",
    ]  # fmt: skip
    page, text = path.read_text("utf-8"), (tmp_path / "comparison.md").read_text("utf-8")
    for said in (page, text):
        assert "better; chance is an unlikely reason" in said
        assert "the same in all 35 cases" in said
        assert "does not mean equal" in said
        assert "5 in the first, 10 in the second" in said
    record = json.loads((tmp_path / "comparison.json").read_text("utf-8"))
    assert {"R@1", "nDCG@10"} <= {one["measure"] for one in record["differences"]}
    assert all(len(row["runs"]) == 2 for row in data_of(page)["rows"])


@pytest.mark.parametrize(
    ("corrected", "direction", "shown", "same", "said"),
    [
        (0.01, "lower", 0.05, 0, "worse; chance is an unlikely reason"),
        (0.01, "", 0.05, 0, "higher; chance is an unlikely reason"),
        (0.2, "higher", 0.05, 0, "no difference shown; this set could show 0.05"),
        (0.2, "higher", 1234.5, 0, "no difference shown; this set could show 1,234.5"),
        (0.2, "higher", None, 8, "too few cases changed to tell"),
        (1.0, "higher", None, 9, "the same in all 9 cases"),
    ],
)  # fmt: skip
def test_verdicts_are_words(corrected, direction, shown, same, said):
    found = Difference(
        "m", 1.0, 1.1, 0.1, 0.0, 0.2, 0.1, corrected, shown, 9, same=same, direction=direction
    )
    assert say_verdict(found) == said


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (float("nan"), "–"),
        (0.12345, "0.123"),
        (-0.0001, "0.000"),
        (1234.5, "1,234.5"),
        (42.0, "42"),
    ],
)
def test_numbers_are_short(value, text):
    assert show(value) == text
