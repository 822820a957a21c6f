import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.text.facts import find_facts
from rag.text.numerals import read_cjk, read_digits
from rag.text.units import units_agree


def found(text: str, kind: str) -> list[tuple[str, str]]:
    return [(fact.value, fact.unit) for fact in find_facts(text) if fact.kind == kind]


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("1,200.50 euro", "1200.5", "EUR"), ("1.200,50 €", "1200.5", "EUR"),
        ("1 200", "1200", ""), ("12 %", "12", "%"), ("12 percent", "12", "%"),
        ("$3.2 million", "3200000", "USD"), ("3,2 Mio. €", "3200000", "EUR"), ("£5bn", "5000000000", "GBP"),
        ("three weeks", "3", "week"), ("27 working days", "27", "day"), ("14-day", "14", "day"),
        ("twenty-five people", "25", ""), ("two hundred and five", "205", ""), ("fünfundzwanzig Tage", "25", "day"),
        ("-95 dBm", "-95", "dBm"), ("800 Kilogramm", "800", "kg"), ("3 semanas", "3", "week"),
        ("12 jours", "12", "day"), ("12个工作日", "12", "day"), ("两年", "2", "year"), ("十二个月", "12", "month"),
        ("押金为500元", "500", "CNY"), ("百分之五", "5", "%"), ("120万元", "1200000", "CNY"),
        ("the 3rd", "3", ""), ("1/2", "0.5", ""), ("36.2公斤", "36.2", "kg"), ("17 m/s", "17", "m/s"),
        ("20 degrees Celsius", "20", "°C"), ("a quarter of it", "0.25", ""),
    ],
)  # fmt: skip
def test_number_is_read_with_its_unit(text, value, unit):
    assert found(text, "number") == [(value, unit)]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2024-03-05", "2024-03-05"), ("5 March 2024", "2024-03-05"), ("March 5th, 2024", "2024-03-05"),
        ("05.03.2024", "2024-03-05"), ("am 5. März 2024", "2024-03-05"), ("le 5 mars 2024", "2024-03-05"),
        ("el 5 de marzo de 2024", "2024-03-05"), ("2024年3月5日", "2024-03-05"), ("15 April", "--04-15"),
        ("in June 2025", "2025-06"), ("Q3 2024", "2024-Q3"), ("the third quarter of 2021", "2021-Q3"),
        ("FY2023", "FY2023"), ("fiscal year 2024", "FY2024"), ("on Tuesday", "W2"), ("montags", "W1"),
    ],
)  # fmt: skip
def test_date_is_read_in_every_usual_form(text, value):
    assert [fact.value for fact in find_facts(text) if fact.kind == "date"] == [value]


def test_date_with_two_readings_keeps_both():
    (date,) = find_facts("3/5/24")
    assert (date.value, date.others) == ("2024-03-05", ("2024-05-03",))


def test_range_of_days_gives_both_ends():
    assert [value for value, _ in found("from 2 to 20 March 2026", "date")] == [
        "2026-03-02",
        "2026-03-20",
    ]


def test_may_is_a_month_only_with_a_capital_or_a_day():
    assert found("you may go", "date") == []
    assert found("on 5 May", "date") == [("--05-05", "")]


@pytest.mark.parametrize(
    ("text", "value"), [("08:15", "T08:15"), ("8.15 am", "T08:15"), ("5 pm", "T17:00"), ("17:30 Uhr", "T17:30")]
)  # fmt: skip
def test_time_is_read(text, value):
    assert found(text, "time") == [(value, "")]


@pytest.mark.parametrize(
    "code", ["R-25-061", "decode_frame.py", "a@b.com", "4.2.0", "P22-0147", "E47", "fetch_data"]
)
def test_identifier_is_one_fact(code):
    assert found(f"see {code} there", "code") == [(code.lower(), "")]


def test_name_has_a_capital_inside_a_sentence():
    names = [value for value, _ in found("Ask Yrsa Tindall. Then wait.", "name")]
    assert names == ["yrsa", "tindall"]
    assert found("Tindall waits.", "name") == []
    assert [fact.value for fact in find_facts("Tindall waits.", {"tindall"})] == ["tindall"]


def test_german_nouns_are_no_names():
    text = "Der Kran ist in der Halle und Frau Lohquast hat den Schein."
    assert found(text, "name") == [("lohquast", "")]


@pytest.mark.parametrize(
    "text", ["It is not so.", "Das ist kein Kran.", "不要通电", "it isn't", "no longer there"]
)
def test_negation_is_marked(text):
    assert found(text, "negation") == [("not", "")]


@pytest.mark.parametrize("text", ["no later than noon", "not only that"])
def test_limit_is_no_negation(text):
    assert found(text, "negation") == []


def test_number_called_about_so_much_is_approximate():
    (fact,) = find_facts("roughly 1.2 million")
    assert (fact.approximate, fact.step) == (True, "100000")


def test_digits_can_have_two_readings():
    assert [str(value) for value in read_digits("1.200")] == ["1.200", "1200"]
    assert [str(value) for value in read_digits("1,200")] == ["1200", "1.200"]
    assert read_digits("4.2.0") == ()


def test_chinese_numerals_have_places():
    assert (read_cjk("三百二十"), read_cjk("十二"), read_cjk("两万五千")) == (320, 12, 25000)


def test_general_units_agree_with_particular_ones():
    assert units_agree("degree", "°C")
    assert units_agree("", "day")
    assert not units_agree("day", "week")


@given(st.text(alphabet="ab1.,-/ %€三年月日5Q2M:十not\n", max_size=40))
def test_facts_are_in_order_inside_the_text_and_apart(text):
    facts = find_facts(text)
    for one, other in itertools.pairwise(facts):
        assert one.end <= other.start
    assert all(0 <= fact.start < fact.end <= len(text) for fact in facts)
