"""Questions answered with sentences of the passages, or refused."""

import pytest

from rag.models.base.passages import NOT_IN_DOCUMENTS, Passage
from rag.models.embedded.encoder import Encoder
from rag.models.embedded.extractive import answer
from rag.models.embedded.weights import model_folder

LEAVE = """\
# Leave

How many days of leave do employees get?

Every employee is entitled to 30 days of paid leave a year. Leave is requested from the team
lead at least two weeks ahead. Unused days expire on 31 March of the following year."""
PUMP = """\
## Maintenance

The pump must be serviced every 500 operating hours. Only original seals may be used, since
others leak. The service kit was designed by Martha Keller in 2009."""
FRIST = "Die Kündigungsfrist beträgt drei Monate. Sie gilt für alle Verträge seit 2015."
SEATS = "| Room | Seats |\n|---|---|\n| Oak | 12 |\n| Birch | 40 |\n| Ash | 8 |"
CHINESE = "公司成立于1998年。总部位于上海。员工每年享有十五天带薪年假。"
PASSAGES = [
    Passage(1, "handbook.md › Leave", LEAVE),
    Passage(2, "pump.pdf p. 3 › Maintenance", PUMP),
    Passage(3, "vertrag.txt", FRIST),
    Passage(4, "rooms.md › Meeting rooms", SEATS),
    Passage(5, "公司.txt", CHINESE),
]


@pytest.fixture(scope="module")
def encode(weights_cache):
    return Encoder(model_folder(weights_cache)).encode


@pytest.mark.parametrize(
    ("question", "number", "begins"),
    [
        ("How many days of leave do employees get?", 1, "Every employee is entitled to 30 days"),
        ("When do unused leave days expire?", 1, "Unused days expire on 31 March"),
        ("How often must the pump be serviced?", 2, "The pump must be serviced every 500"),
        ("Who designed the service kit?", 2, "The service kit was designed by Martha"),
        ("Wie lange ist die Kündigungsfrist?", 3, "Die Kündigungsfrist beträgt drei Monate."),
        ("How many seats does the room Birch have?", 4, "Birch | 40"),
        ("公司总部位于哪里？", 5, "总部位于上海。"),
    ],
)
def test_answer_quotes_the_sentence_that_says_it(encode, question, number, begins):
    found = answer(question, PASSAGES, encode)
    assert not found.refused
    assert any(n == number and text.startswith(begins) for n, text in found.sentences)
    texts = {passage.number: passage.text for passage in PASSAGES}
    assert all(text in texts[n] for n, text in found.sentences)


@pytest.mark.parametrize(
    "question",
    [
        "Which team won the ice hockey cup of 1954?",
        "What is the boiling point of mercury?",
        " ",
    ],
)
def test_answer_refuses_what_the_passages_do_not_hold(encode, question):
    found = answer(question, PASSAGES, encode)
    assert found.refused
    assert found.sentences == ()
    assert found.text == NOT_IN_DOCUMENTS


def test_threshold_decides_between_answer_and_refusal(encode):
    question = "How often must the pump be serviced?"
    score = answer(question, PASSAGES, encode).score
    assert 0.5 < score <= 1
    assert answer(question, PASSAGES, encode, threshold=score + 0.01).refused
    assert not answer(question, PASSAGES, encode, threshold=score - 0.01).refused


def test_question_is_never_the_answer(encode):
    question = "How many days of leave do employees get?"
    found = answer(question, [Passage(1, "a", f"{question}\n\n{question}")], encode, threshold=0)
    assert found.refused
    passage = Passage(1, "faq", f"{question} Thirty of them. {question} Ask the team lead.")
    found = answer(question, [passage], encode, threshold=0)
    assert found.sentences
    assert all("?" not in text for _n, text in found.sentences)


def test_second_sentence_needs_to_be_nearly_as_good_and_keeps_reading_order(encode):
    text = "The fee is 20 euros for members. Dogs are welcome. The fee is 30 euros for guests."
    found = answer("How much is the fee?", [Passage(7, "fees.txt", text)], encode)
    assert found.text == (
        '"The fee is 20 euros for members." [7] "The fee is 30 euros for guests." [7]'
    )
    found = answer("Are dogs welcome?", [Passage(7, "fees.txt", text)], encode)
    assert found.text == '"Dogs are welcome." [7]'


def test_heading_helps_a_sentence_that_lost_its_subject(encode):
    passages = [
        Passage(1, "a.md › Model X200", "It weighs 4 kg."),
        Passage(2, "b.md › Model Z900", "It weighs 9 kg."),
    ]
    found = answer("How much does the Z900 weigh?", passages, encode)
    assert (2, "It weighs 9 kg.") in found.sentences
    found = answer("How much does the X200 weigh?", passages[::-1], encode)
    assert (1, "It weighs 4 kg.") in found.sentences


def test_quotation_is_one_line(encode):
    passage = Passage(1, "a", "The gate is opened\nat   six every\nmorning by Ms. Ott.")
    found = answer("When is the gate opened?", [passage], encode)
    assert found.sentences == ((1, passage.text),)
    assert found.text == '"The gate is opened at six every morning by Ms. Ott." [1]'


def test_no_passages_no_answer(encode):
    assert answer("Anything?", [], encode).refused
    assert answer("Anything?", [Passage(1, "a", "\n")], encode).score == 0


def test_row_is_quoted_below_the_head_of_its_table(encode):
    found = answer("How many seats does the room Birch have?", PASSAGES, encode)
    assert found.text == '"Room | Seats" [4] "Birch | 40" [4]'


def test_same_sentence_of_two_passages_is_quoted_once(encode):
    sentence = "The pump must be serviced every 500 operating hours."
    passages = [
        Passage(1, "a", f"{sentence} It is blue."),
        Passage(2, "b", f"Every 500 operating hours the pump must be serviced. {sentence}"),
    ]
    assert len(answer("How often must the pump be serviced?", passages, encode).sentences) == 1


def test_at_most_three_sentences_are_quoted_in_reading_order(encode):
    names = ("Ada", "Bob", "Cleo", "Dan")
    text = " ".join(f"{name} works in the office of {name}town." for name in names)
    found = answer("Who works in the office?", [Passage(1, "a", text)], encode, threshold=0)
    places = [text.index(sentence) for _, sentence in found.sentences]
    assert len(places) == 3
    assert places == sorted(places)


def test_title_is_not_preferred_to_a_sentence(encode):
    passages = [
        Passage(1, "a", "Heron 20 and Heron 22: service manual\n\nSee the next page for it."),
        Passage(2, "b", "Without mooring the Heron 22 weighs 36 kg."),
    ]
    found = answer("How much does the Heron 22 weigh?", passages, encode)
    assert found.sentences == ((2, "Without mooring the Heron 22 weighs 36 kg."),)


def test_verdict_on_something_else_is_no_answer_to_why(encode):
    faq = "May I paint the gate?\n\nYes, but why not paint the gate blue.\n\nThe gate is green since moss grew on it."
    [(_, quoted), *_] = answer(
        "Why is the gate green?", [Passage(1, "faq.md", faq)], encode
    ).sentences
    assert quoted.startswith("The gate is green")


def test_verdict_is_an_answer_to_whether_something_is_so(encode):
    faq = "May I paint the gate?\n\nYes, but not blue, if the gate is dry."
    found = answer("May I paint the gate?", [Passage(1, "faq.md", faq)], encode)
    assert found.sentences[0][1].startswith("Yes, but not blue")


def test_what_is_a_little_like_the_question_is_quoted_rather_than_refused(encode):
    text = "A lost device is reported to the help desk at once. The canteen opens at noon."
    found = answer("Someone stole my notebook, what now?", [Passage(1, "it.md", text)], encode)
    assert 0.1 < found.score < 0.25
    assert not found.refused
