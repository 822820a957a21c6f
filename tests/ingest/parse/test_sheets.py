from __future__ import annotations

import datetime
import re
import time

import openpyxl
import pytest
from office_samples import read_member, replace_member, saved
from openpyxl.chart import BarChart, Reference

from ingest.parse.base import media
from ingest.parse.base.blocks import Parsed
from ingest.parse.office.numbers import plain_number, show_value
from ingest.parse.office.sheets import parse_xlsx

SHEET = "xl/worksheets/sheet1.xml"


@pytest.fixture
def book():
    workbook = openpyxl.Workbook()
    workbook.active.title = "Budget"
    return workbook


def read(workbook) -> Parsed:
    return parse_xlsx(saved(workbook), media.XLSX)


def read_rows(rows: str) -> Parsed:
    """Read a workbook of one sheet with these rows as markup."""
    workbook = openpyxl.Workbook()
    sheet = read_member(saved(workbook), SHEET).decode()
    before, after = re.split(r"<sheetData ?/>|<sheetData></sheetData>", sheet)
    sheet = f"{before}<sheetData>{rows}</sheetData>{after}"
    return parse_xlsx(replace_member(saved(workbook), SHEET, sheet), media.XLSX)


def test_a_sheet_is_a_page_with_its_name_as_heading_and_a_table(book) -> None:
    book.active.append(["Item", "Cost"])
    book.active.append(["Rent", 800])
    other = book.create_sheet("Plan")
    other.append(["Item", "Day"])
    other.append(["Move", datetime.date(2024, 5, 1)])
    parsed = read(book)
    assert parsed.text == (
        "Budget\n\nItem | Cost\nRent | 800\n\nPlan\n\nItem | Day\nMove | 2024-05-01"
    )
    assert [page.label for page in parsed.pages] == ["sheet Budget", "sheet Plan"]
    assert [heading.title for heading in parsed.headings] == ["Budget", "Plan"]
    assert [parsed.text[t.start : t.end] for t in parsed.tables] == [
        "Item | Cost\nRent | 800",
        "Item | Day\nMove | 2024-05-01",
    ]
    assert [table.columns for table in parsed.tables] == ["Item | Cost", "Item | Day"]


def test_blank_rows_part_tables_and_a_single_cell_above_is_a_caption(book) -> None:
    sheet = book.active
    for row in (["Costs"], ["Item", "2023", "2024"], ["Rent", 1, 2], [], [1, 2], [3, 4]):
        sheet.append(row)
    parsed = read(book)
    assert parsed.text == "Budget\n\nCosts\n\nItem | 2023 | 2024\nRent | 1 | 2\n\n1 | 2\n3 | 4"
    assert [table.columns for table in parsed.tables] == ["Item | 2023 | 2024", ""]


def test_values_are_written_as_a_person_sees_them(book) -> None:
    sheet = book.active
    cells = [
        (0.1 + 0.2, "General", "0.3"),
        (0.256, "0.0%", "25.6%"),
        (1234.5, '"$"#,##0.00', "$1,234.50"),
        (-1234.5, "#,##0.00 [$€-407]", "-1,234.50 €"),
        (True, "General", "TRUE"),
        ("#DIV/0!", "General", "#DIV/0!"),
        (datetime.datetime(2024, 5, 1, 12, 30), "yyyy-mm-dd hh:mm", "2024-05-01 12:30:00"),
        (datetime.time(9, 5), "hh:mm", "09:05:00"),
        ("line_x000D_\nbreak", "General", "line break"),
    ]
    for column, (value, number_format, _) in enumerate(cells, 1):
        sheet.cell(1, column, value).number_format = number_format
    assert read(book).text == "Budget\n\n" + " | ".join(shown for *_, shown in cells)


@pytest.mark.parametrize(
    ("value", "number_format", "shown"),
    [
        (3.0, "General", "3"),
        (1e21, "General", "1e+21"),
        (1 / 3, "0.00", "0.333333333333333"),
        (0.5, "0%", "50%"),
        (5, '0" % of all"', "5"),
        (12, "[$CHF ]#,##0.00", "CHF 12.00"),
        (0.004, "€0.00", "€0.00"),
        (-0.004, "€0.00", "€0.00"),
        (float("nan"), "0%", "nan"),
        (datetime.timedelta(hours=26, minutes=3), "[h]:mm:ss", "26:03:00"),
        (None, "General", ""),
    ],
)
def test_number_formats(value, number_format: str, shown: str) -> None:
    assert show_value(value, number_format) == shown


def test_numbers_are_free_of_noise() -> None:
    assert plain_number(1.1 * 3) == "3.3"
    assert plain_number(123456789012345) == "123456789012345"
    assert plain_number(2.5e-7) == "2.5e-07"


def test_cells_merged_downwards_are_in_each_row(book) -> None:
    sheet = book.active
    for row in (["Group", "Name"], ["North", "Ann"], [None, "Bob"], ["South", "Cid"]):
        sheet.append(row)
    sheet.merge_cells("A2:A3")
    assert read(book).text.endswith("North | Ann\nNorth | Bob\nSouth | Cid")


def test_formulas_without_a_stored_value_are_noted(book) -> None:
    book.active.append(["Sum", "=1+1", "=2+2"])
    parsed = read(book)
    assert parsed.text == "Budget\n\nSum"
    assert parsed.notes == ("2 formulas without a stored value: open the file and save it again",)


def test_formulas_give_their_stored_value() -> None:
    parsed = read_rows('<row r="1"><c r="A1"><f>1+1</f><v>2</v></c></row>')
    assert parsed.text == "Sheet\n\n2"
    assert parsed.notes == ()


def test_error_cells_are_kept() -> None:
    parsed = read_rows('<row r="1"><c r="A1" t="e"><f>1/0</f><v>#DIV/0!</v></c></row>')
    assert parsed.text == "Sheet\n\n#DIV/0!"


def test_empty_sheets_are_pages_without_text(book) -> None:
    book.create_sheet("Empty")
    book.create_sheet("Last").append(["x"])
    parsed = read(book)
    assert parsed.text == "Last\n\nx"
    assert [page.label for page in parsed.pages] == ["sheet Budget", "sheet Empty", "sheet Last"]


def test_hidden_sheets_are_kept_and_noted(book) -> None:
    hidden = book.create_sheet("Secret")
    hidden.sheet_state = "hidden"
    hidden.append(["x"])
    parsed = read(book)
    assert "Secret" in parsed.text
    assert parsed.notes == ("hidden sheets: Secret",)


def test_chart_sheets_are_noted(book) -> None:
    book.active.append(["x", 1])
    chart = BarChart()
    chart.add_data(Reference(book.active, min_col=2, min_row=1, max_row=1))
    book.create_chartsheet("Chart").add_chart(chart)
    parsed = read(book)
    assert parsed.text == "Budget\n\nx | 1"
    assert parsed.notes == ("1 chart sheets were not read",)


def test_a_lonely_cell_far_away_costs_nothing(book) -> None:
    book.active["A1"] = "near"
    book.active["XFD1048576"] = "far"
    started = time.process_time()
    assert read(book).text == "Budget\n\nnear\n\nfar"
    assert time.process_time() - started < 3


def test_many_empty_formatted_rows_are_bounded() -> None:
    rows = "".join(f'<row r="{n}" s="1" ht="20"/>' for n in range(2, 200_000))
    started = time.process_time()
    parsed = read_rows(f'<row r="1"><c r="A1"><v>1</v></c></row>{rows}')
    assert parsed.text == "Sheet\n\n1"
    assert time.process_time() - started < 6


@pytest.mark.parametrize("row", ["99999999999", "1048577"])
def test_rows_that_no_sheet_has_are_not_waited_for(row: str) -> None:
    started = time.process_time()
    parsed = read_rows(
        f'<row r="1"><c r="A1"><v>1</v></c></row><row r="{row}"><c><v>2</v></c></row>'
    )
    assert parsed.text == "Sheet\n\n1"
    assert time.process_time() - started < 3


def test_wide_rows_are_bounded_and_noted() -> None:
    rows = "".join(f'<row r="{n}"><c r="XFD{n}"><v>1</v></c></row>' for n in range(1, 1_000))
    started = time.process_time()
    parsed = read_rows(rows)
    assert parsed.notes == ("only the first 4,000,000 cells were read",)
    assert time.process_time() - started < 6


def test_a_dimension_that_lies_is_not_believed(book) -> None:
    book.active.append(["Item", "Cost"])
    data = saved(book)
    sheet = read_member(data, SHEET).replace(b'ref="A1:B1"', b'ref="A1:XFD1048576"')
    started = time.process_time()
    assert parse_xlsx(replace_member(data, SHEET, sheet), media.XLSX).text == (
        "Budget\n\nItem | Cost"
    )
    assert time.process_time() - started < 2


def test_warnings_of_the_library_stay_inside(book) -> None:
    book.active.append(["x"])
    data = saved(book)
    extension = b'<extLst><ext uri="{00000000-0000-0000-0000-000000000000}"/></extLst></worksheet>'
    sheet = read_member(data, SHEET).replace(b"</worksheet>", extension)
    assert parse_xlsx(replace_member(data, SHEET, sheet), media.XLSX).text == "Budget\n\nx"


def test_a_header_of_two_rows_names_each_column_once(book) -> None:
    sheet = book.active
    sheet.append(["Region", "Q1", None, "Q2", None])
    sheet.append([None, "Plan", "Actual", "Plan", "Actual"])
    sheet.append(["North", 1, 2, 3, 4])
    for merged in ("A1:A2", "B1:C1", "D1:E1"):
        sheet.merge_cells(merged)
    parsed = read(book)
    assert [table.columns for table in parsed.tables] == [
        "Region | Q1 Plan | Q1 Actual | Q2 Plan | Q2 Actual"
    ]
    assert parsed.text.endswith("Q2 Actual\nNorth | 1 | 2 | 3 | 4")


def test_a_row_of_values_below_merged_cells_is_no_header(book) -> None:
    sheet = book.active
    for row in (["Name", None, "Team"], ["Ann", "Lee", "Sales"], ["Bob", "Ray", "Law"]):
        sheet.append(row)
    sheet.merge_cells("A1:B1")
    parsed = read(book)
    assert parsed.text.endswith("Name |  | Team\nAnn | Lee | Sales\nBob | Ray | Law")
    assert [table.columns for table in parsed.tables] == ["Name |  | Team"]
