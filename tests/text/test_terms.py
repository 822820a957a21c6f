import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.text.terms import bigrams, index_terms, query_terms, stem


@pytest.mark.parametrize(
    ("text", "whole", "parts"),
    [
        ("R-25-061", "r-25-061", {"25", "061"}),
        ("snake_case", "snake_case", {"snake", "case"}),
        ("CamelCase", "camelcase", {"camel", "case"}),
        ("HTTPServer", "httpserver", {"http", "server"}),
        ("v2.3.1", "v2.3.1", {"v2", "2", "3", "1"}),
        ("1,200.50", "1,200.50", {"1200.50", "1200.5"}),
        ("anna.b@firma.de", "anna.b@firma.de", {"anna", "firma", "de"}),
        ("contract_v2.pdf", "contract_v2.pdf", {"v2", "pdf"}),
        ("10:30", "10:30", {"10", "30"}),
        ("10mg", "10mg", {"10", "mg"}),
        ("R&D", "rd", set()),
        ("C++", "c++", set()),
    ],
)
def test_identifier_stays_whole_and_is_given_in_parts(text, whole, parts):
    terms = index_terms(f"see {text}, there")
    assert whole in terms
    assert parts <= set(terms)
    assert whole in query_terms(f"What is {text}?")


def test_order_and_repeats_of_words_are_kept():
    assert index_terms("red green red") == ["red", "green", "red"]


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ("1,200.50", "1200.50"),
        ("1.200,50", "1200.50"),
        ("ＡＢＣ１２", "abc12"),
        ("Straße", "STRASSE"),
        ("cafe\u0301", "CAFÉ"),
        ("Müller", "Muller"),
        ("0.10", "0.1"),
        ("pay 1\u202f234\u00a0567 now", "1234567"),
        ("١٢٣", "123"),
        ("boundary-layer", "boundarylayer"),
        ("the company's", "company"),
        ("libraries", "library"),
        ("Versicherung", "Versicherungen"),
        ("столица", "столицы"),
        ("المدينة", "مدينة"),
        ("Αθήνα", "ΑΘΗΝΑ"),
        ("İstanbul", "Istanbul"),
        ("tiếng Việt", "tieng Viet"),
    ],
)
def test_other_form_of_a_word_finds_it(written, asked):
    assert set(query_terms(asked)) <= set(index_terms(written))


@pytest.mark.parametrize("date", ["12.03.2025", "12 March 2025", "March 12, 2025", "12. März 2025"])
def test_date_is_found_however_it_is_written(date):
    assert "2025-03-12" in index_terms(f"Signed on {date} by us")
    assert "2025-03-12" in query_terms(f"Was it signed on {date}?")


def test_date_of_two_readings_is_no_other_date():
    assert not {"2024-05-03", "2024-03-05"} & set(index_terms("on 3/5/2024"))


def test_number_shares_no_term_with_others_of_its_integer_part():
    assert "0" not in index_terms("0.75")


def test_single_letters_of_a_word_are_no_terms():
    assert not {"i", "t"} & set(index_terms("IPv6 don't"))


@pytest.mark.parametrize(
    ("question", "word"),
    [
        ("Which van delivers on Monday?", "van"),
        ("price per ton", "ton"),
        ("Who is the son of Carl?", "son"),
        ("ale recipe", "al"),
        ("What changed in May?", "mai"),
        ("the will of Mr Holt", "will"),
        ("Welche Ware kommt aus Chile, und was ist der Ton?", "ton"),
        ("Vitamin A", "a"),
        ("Is there a Plan A for it?", "a"),
        ("size S", "s"),
        ("E 23", "e"),
    ],
)
def test_words_that_carry_meaning_in_the_question_are_kept(question, word):
    assert word in query_terms(question)


@pytest.mark.parametrize(
    ("question", "terms"),
    [
        ("Will I get a key?", ["get", "kei"]),
        ("Was kostet das in der Schweiz?", ["kostet", "schweiz"]),
        ("Haben Sie einen Hund?", ["hund"]),
        ("What Is The Capital Of France?", ["capit", "franc"]),
        ("Quel est le prix de la maison?", ["prix", "maison"]),
        ("¿Cuál es el precio de la casa?", ["precio", "casa"]),
    ],
)
def test_function_words_of_the_questions_language_are_dropped(question, terms):
    assert query_terms(question) == terms


def test_marks_of_indic_scripts_stay_in_their_words():
    assert index_terms("हिन्दी में") == ["हिन्द", "में"]
    assert index_terms("தமிழ்") == ["தமிழ்"]


def test_word_with_tones_is_not_sought_without_them():
    assert query_terms("cộng") == ["cộng"]
    assert index_terms("cộng") == ["cộng", "cong"]


@pytest.mark.parametrize("text", ["北京大学", "東京都", "カタカナ", "대한민국"])
def test_signs_without_spaces_come_in_pairs_on_both_sides(text):
    assert index_terms(text) == bigrams(text)
    assert query_terms(text) == bigrams(text)


def test_thai_comes_in_threes():
    assert index_terms("กรุงเทพ") == bigrams("กรุงเทพ", 3)


def test_short_run_is_its_own_only_piece():
    assert bigrams("京") == ["京"]


def test_function_words_are_dropped_unless_nothing_else_is_left():
    assert query_terms("What is the capital of France?") == ["capit", "franc"]
    assert query_terms("Wie hoch ist die Miete?") == ["hoch", "die", "miet"]
    assert query_terms("What is it?") == ["what", "is", "it"]
    assert query_terms("首都是什么") == ["首都", "都是"]


def test_names_in_capitals_are_no_function_words():
    assert query_terms("Who leads the WHO in the US?") == ["lead", "who", "us"]
    assert query_terms("WHO IS THE HEAD") == ["head"]


def test_question_without_any_word_has_no_terms():
    assert query_terms(" ?!… ") == []


@given(st.text(max_size=200))
def test_no_term_holds_white_space_or_a_quotation_mark(text):
    terms = [*index_terms(text), *query_terms(text)]
    assert not any(sign.isspace() or sign == '"' for term in terms for sign in term)
    assert all(terms)


@given(st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=30))
def test_every_word_of_a_question_finds_the_same_word_in_a_text(word):
    assert set(query_terms(word)) <= set(index_terms(word))


@pytest.mark.parametrize(
    ("word", "cut"),
    [
        ("caresses", "caress"), ("ponies", "poni"), ("agreed", "agre"), ("plastered", "plaster"),
        ("motoring", "motor"), ("hopping", "hop"), ("hoping", "hope"), ("falling", "fall"),
        ("happy", "happi"), ("relational", "relat"), ("rate", "rate"), ("controll", "control"),
    ],
)  # fmt: skip
def test_english_words_lose_their_endings(word, cut):
    assert stem(word) == cut


def test_words_of_other_scripts_keep_five_letters():
    assert stem("правительство") == "прави"
    assert stem("2023") == "2023"


def test_common_words_are_prepared_once():
    passage = " ".join(f"Word{n % 60} of the boundary layer, and so on." for n in range(25))
    index_terms(passage)

    def seconds(prepare) -> float:
        started = time.process_time()
        for _ in range(200):
            prepare(passage)
        return time.process_time() - started

    every_time = min(seconds(lambda text: [stem(word) for word in text.split()]) for _ in range(3))
    assert min(seconds(index_terms) for _ in range(3)) < every_time
